//! [`Client`]: one connection, in the words of the protocol, with a deadline on every wait.
//! It is not `chat-client`, and it trusts nothing: each line of the server is held against what
//! the protocol promises of all of them. Owned by the test that connected it.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use super::PATIENCE;
use super::websocket::Frames;

/// One connection to the server.
pub struct Client {
    pub(super) stream: TcpStream,
    /// What its lines go through, if it is a WebSocket.
    pub(super) frames: Option<Box<Frames>>,
    address: SocketAddr,
    /// Every byte the server ever sent here.
    received: Vec<u8>,
    /// How far into `received` the test has looked.
    looked_at: usize,
    pub(super) pings: u32,
    language: Language,
    /// What was sent, and at which length of `received`, for the transcript.
    sent: Vec<(usize, Vec<u8>)>,
}

/// What the lines of the server are to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Text,
    Json,
}

/// What a wait for a line can end in.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A whole line, without its LF.
    Line(String),
    /// The server closed its side in good order, after its last whole line.
    Closed,
    /// The connection was reset.
    Reset,
    /// Nothing, until the deadline.
    Nothing,
}

impl Client {
    /// Connects from any local address.
    pub fn connect(server: SocketAddr) -> Client {
        Client::over(TcpStream::connect_timeout(&server, PATIENCE).expect("connecting"))
    }

    /// Connects from a local address of one's choice (all of 127.0.0.0/8 is there).
    pub fn connect_from(local: IpAddr, server: SocketAddr) -> Client {
        let socket = new_socket(server);
        socket
            .bind(&SocketAddr::new(local, 0).into())
            .expect("binding the local address");
        Client::over_socket(socket, server)
    }

    /// Connects with so small a receive buffer that a pause in reading soon stops the server.
    pub fn connect_narrow(server: SocketAddr) -> Client {
        let socket = new_socket(server);
        socket
            .set_recv_buffer_size(4096)
            .expect("narrowing the buffer");
        Client::over_socket(socket, server)
    }

    fn over_socket(socket: Socket, server: SocketAddr) -> Client {
        socket
            .connect_timeout(&server.into(), PATIENCE)
            .expect("connecting");
        Client::over(socket.into())
    }

    fn over(stream: TcpStream) -> Client {
        stream
            .set_nodelay(true)
            .expect("sending each write at once");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a deadline for writes");
        Client {
            address: stream.local_addr().expect("a connected socket"),
            stream,
            frames: None,
            received: Vec::new(),
            looked_at: 0,
            pings: 0,
            language: Language::Text,
            sent: Vec::new(),
        }
    }

    /// From now on the lines of the server are to be of this language.
    pub(super) fn speaking(mut self, language: Language) -> Client {
        self.language = language;
        self
    }

    /// The address of this end, which the operator sees and nobody else.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether a whole line was read that nobody has looked at.
    pub fn has_line(&self) -> bool {
        self.received[self.looked_at..].contains(&b'\n')
    }

    /// Every byte the server sent here that was read so far.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    // Sending.

    /// Sends one line and its LF.
    pub fn say(&mut self, line: &str) {
        self.send(format!("{line}\n").as_bytes());
    }

    /// Sends these bytes in one write.
    pub fn send(&mut self, bytes: &[u8]) {
        self.sent.push((self.received.len(), bytes.to_vec()));
        if let Some(frames) = &mut self.frames {
            return frames
                .send(bytes)
                .expect("the server takes what is sent to it");
        }
        self.stream
            .write_all(bytes)
            .expect("the server takes what is sent to it");
    }

    /// Sends one line if the server takes it within this time. When it does not, a part of the
    /// line may have been taken: nothing more is to be said then.
    pub fn try_say(&mut self, line: &str, patience: Duration) -> bool {
        self.stream
            .set_write_timeout(Some(patience))
            .expect("a deadline for writes");
        let sent = self.stream.write_all(format!("{line}\n").as_bytes());
        match sent {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("sending: {error}"),
        }
    }

    /// Sends these bytes, unless the server has closed.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Ends the sending side; what the server says can still be read.
    pub fn half_close(&mut self) {
        self.sent.push((self.received.len(), b"(FIN)".to_vec()));
        self.stream
            .shutdown(Shutdown::Write)
            .expect("closing the sending side");
    }

    /// Ends the connection as a crash or a pulled plug does: with a reset.
    pub fn reset(self) {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("asking for a reset");
    }

    // Reading. (Lines: `expecting`.)

    /// Every byte up to the close of the connection: for what is no line of the protocol.
    #[track_caller]
    pub fn raw_until_closed(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let start = self.received.len();
        loop {
            self.looked_at = self.received.len();
            match self.fill(deadline) {
                None => {}
                Some(Heard::Closed) => return self.received[start..].to_vec(),
                Some(other) => panic!("wanted the connection closed, but: {other:?}"),
            }
        }
    }

    /// The next bytes, so many: for what is no line of the protocol.
    #[track_caller]
    pub fn take_bytes(&mut self, count: usize) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while self.received.len() - self.looked_at < count {
            let here = self.received.len() - self.looked_at;
            if let Some(end) = self.fill(deadline) {
                panic!("wanted {count} bytes, here are {here}, but: {end:?}");
            }
        }
        let start = self.looked_at;
        self.looked_at += count;
        self.received[start..self.looked_at].to_vec()
    }

    /// Reads a single byte, if one is there.
    pub fn sip(&mut self) {
        self.stream
            .set_nonblocking(true)
            .expect("a read that does not wait");
        let mut byte = [0];
        if let Ok(1) = self.stream.read(&mut byte) {
            self.received.extend_from_slice(&byte);
        }
        self.stream
            .set_nonblocking(false)
            .expect("reads that wait again");
    }

    /// Waits for the next line, at most so long.
    pub fn hear_for(&mut self, patience: Duration) -> Heard {
        let deadline = Instant::now() + patience;
        let mut searched = self.looked_at;
        loop {
            if let Some(length) = self.received[searched..].iter().position(|&b| b == b'\n') {
                let line = self.received[self.looked_at..searched + length].to_vec();
                self.looked_at = searched + length + 1;
                return Heard::Line(promised(line, self.language));
            }
            searched = self.received.len();
            if let Some(end) = self.fill(deadline) {
                return end;
            }
        }
    }

    /// Reads once. `None` when there is more to look at.
    fn fill(&mut self, deadline: Instant) -> Option<Heard> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Some(Heard::Nothing);
        }
        self.stream
            .set_read_timeout(Some(left))
            .expect("a deadline for reads");
        match self.read_some() {
            Ok(0) => {
                let rest = self.received.len() - self.looked_at;
                assert_eq!(rest, 0, "the server's last line has no end");
                Some(Heard::Closed)
            }
            Ok(_) => None,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => None,
                ErrorKind::ConnectionReset => Some(Heard::Reset),
                _ => panic!("reading: {error}"),
            },
        }
    }

    /// One read, of what is there.
    fn read_some(&mut self) -> io::Result<usize> {
        if let Some(frames) = &mut self.frames {
            return frames.read(&mut self.received);
        }
        let mut scratch = [0; 16 << 10];
        let length = self.stream.read(&mut scratch)?;
        self.received.extend_from_slice(&scratch[..length]);
        Ok(length)
    }

    /// Both directions, in the order this end saw them.
    fn transcript(&self) -> String {
        /// Bytes of it that help; a flood does not.
        const SHOWN_BYTES: usize = 4000;
        let mut text = String::new();
        let mut shown = 0;
        let ends = self.sent.iter().map(|(at, bytes)| (*at, Some(bytes)));
        for (at, sent) in ends.chain([(self.received.len(), None)]) {
            let lines = String::from_utf8_lossy(&self.received[shown..at]);
            for line in lines.split_inclusive('\n') {
                let _ = writeln!(text, "  <- {}", line.escape_debug());
            }
            shown = at;
            if let Some(bytes) = sent {
                let _ = writeln!(
                    text,
                    "  -> {}",
                    String::from_utf8_lossy(bytes).escape_debug()
                );
            }
        }
        let mut start = text.len().saturating_sub(SHOWN_BYTES);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        let cut = if start > 0 { "  …" } else { "" };
        format!("{cut}{}", &text[start..])
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        /// Of a crowd, the first few tell enough.
        const TRANSCRIPTS_MAX: u32 = 8;
        thread_local!(static PRINTED: Cell<u32> = const { Cell::new(0) });
        if std::thread::panicking() && PRINTED.get() < TRANSCRIPTS_MAX {
            PRINTED.set(PRINTED.get() + 1);
            eprintln!("transcript of {}:\n{}", self.address, self.transcript());
        }
    }
}

fn new_socket(server: SocketAddr) -> Socket {
    Socket::new(Domain::for_address(server), Type::STREAM, None).expect("a socket")
}

/// Holds a line of the server against what is promised of every one of them.
fn promised(line: Vec<u8>, language: Language) -> String {
    let line = String::from_utf8(line).expect("every line of the server is UTF-8");
    let is_right = match language {
        Language::Text => line.starts_with(['<', '*', '-', '=', '!']),
        Language::Json => line.starts_with("{\"is\":\""),
    };
    assert!(is_right, "the first bytes say what a line is: {line:?}");
    let control = |c: char| (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}');
    assert!(
        !line.contains(control),
        "a control character came through: {line:?}"
    );
    assert!(
        !line.contains("127.0.0."),
        "an address was told to a client: {line:?}"
    );
    line
}
