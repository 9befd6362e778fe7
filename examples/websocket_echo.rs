//! A WebSocket server that sends back what it is told, for suites of tests that want that of one
//! (Autobahn; see `docs/hacking.md`). It shows the codec of chatd, `dialect::websocket`, to them.
//! Not a part of chatd, and no model for a server: a thread for each connection, messages of any
//! size, a handshake that takes anything.
//!
//! `cargo run --release --example websocket_echo -- PORT [--bytewise]`. With `--bytewise`, the
//! reader gets what comes byte by byte.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "it has sockets and threads, and no engine"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use chatd::dialect::websocket::{Input, Reader, accept_key, write_close, write_pong, write_text};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().and_then(|port| port.parse().ok());
    let piece_bytes_max = match arguments.next().as_deref() {
        Some("--bytewise") => 1,
        _ => usize::MAX,
    };
    let listener = TcpListener::bind(("127.0.0.1", port.unwrap_or(0)))?;
    println!("ws://{}/", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept()?;
        thread::spawn(move || {
            if let Err(error) = serve(socket, piece_bytes_max) {
                eprintln!("{error}");
            }
        });
    }
}

/// One connection, from its handshake to its end.
fn serve(socket: TcpStream, piece_bytes_max: usize) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut output = socket.try_clone()?;
    let mut input = BufReader::new(socket);
    let key = read_key(&mut input)?;
    write!(
        output,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(&key)
    )?;
    let mut echo = Echo::default();
    let mut buffer = vec![0; 1 << 16];
    while !echo.is_over {
        let length = input.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        for piece in buffer[..length].chunks_mut(piece_bytes_max.min(length)) {
            echo.hear(piece);
        }
        output.write_all(&echo.out)?;
        echo.out.clear();
    }
    // What is still unread when a socket is closed would reset it, and take our last frame along.
    output.shutdown(Shutdown::Write)?;
    io::copy(&mut input, &mut io::sink())?;
    Ok(())
}

/// The key in the head of a request, up to the empty line.
fn read_key(input: &mut impl BufRead) -> io::Result<String> {
    let mut key = String::new();
    for line in input.lines() {
        let line = line?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("sec-websocket-key") => {
                value.trim().clone_into(&mut key);
            }
            None if line.is_empty() => return Ok(key),
            _ => {}
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

#[derive(Debug)]
struct Echo {
    reader: Reader,
    message: Vec<u8>,
    out: Vec<u8>,
    is_over: bool,
}

impl Default for Echo {
    fn default() -> Echo {
        Echo {
            reader: Reader::with_binary(),
            message: Vec::new(),
            out: Vec::new(),
            is_over: false,
        }
    }
}

impl Echo {
    fn hear(&mut self, mut piece: &mut [u8]) {
        while let Some(input) = self.reader.next(&mut piece) {
            match input {
                Input::Text(text) => self.message.extend_from_slice(text),
                Input::End => self.send_back(),
                Input::Ping(payload) => write_pong(&payload, &mut self.out),
                Input::Pong => {}
                Input::Close(code) => self.end(code),
                Input::Failed(code) => self.end(Some(code)),
            }
        }
    }

    fn send_back(&mut self) {
        let start = self.out.len();
        write_text(&self.message, &mut self.out);
        if self.reader.is_binary() {
            // The opcode: chat itself sends nothing binary.
            self.out[start] += 1;
        }
        self.message.clear();
    }

    fn end(&mut self, code: Option<u16>) {
        write_close(code, &mut self.out);
        self.is_over = true;
    }
}
