//! The raw ceiling: what a loop that does nothing but send can reach, as a process of its own,
//! so that its CPU time is measured as the others' is. Not a chat server: no names, no lines.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::options::RawRole;
use crate::progress::BLOCK_BYTES;
use crate::sealed;

/// Serves until every connection is gone. Says `listening on ADDR:PORT` on standard output,
/// waits for all `connections`, then starts.
pub(crate) fn serve(role: RawRole, connections: usize, send_bytes: usize) -> io::Result<()> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    listener.listen(4096)?;
    let address = listener.local_addr()?.as_socket().expect("bound to IPv4");
    println!("listening on {address}");
    let accepted = (0..connections).map(|_| {
        let (socket, _) = listener.accept()?;
        socket.set_tcp_nodelay(true)?;
        Ok(socket.into())
    });
    match role {
        RawRole::Blast => blast(nonblocking(accepted)?, send_bytes),
        RawRole::Relay => relay(nonblocking(accepted)?),
        RawRole::Sealed | RawRole::Rustls => sealed::blast(accepted, role, send_bytes),
    }
}

fn nonblocking(
    accepted: impl Iterator<Item = io::Result<std::net::TcpStream>>,
) -> io::Result<Vec<TcpStream>> {
    let prepare = |socket: io::Result<std::net::TcpStream>| {
        let socket = socket?;
        socket.set_nonblocking(true)?;
        Ok(TcpStream::from_std(socket))
    };
    accepted.map(prepare).collect()
}

/// The period so often that a send of this length may begin anywhere in it; and its length.
pub(crate) fn endless(send_bytes: usize) -> (Vec<u8>, usize) {
    let period = period();
    let stream = period.iter().copied().cycle();
    (
        stream.take(period.len() + send_bytes).collect(),
        period.len(),
    )
}

/// The 64 KiB that the blast repeats: text lines, cut anywhere.
pub(crate) fn period() -> Vec<u8> {
    let line = b"the raw ceiling: nothing but sends, the same lines again and again\n";
    line.iter()
        .copied()
        .cycle()
        .take(BLOCK_BYTES as usize)
        .collect()
}

fn blast(sockets: Vec<TcpStream>, send_bytes: usize) -> io::Result<()> {
    let (stream, period_bytes) = endless(send_bytes);
    let mut sockets: Vec<(TcpStream, usize)> = sockets.into_iter().map(|one| (one, 0)).collect();
    while !sockets.is_empty() {
        let mut written = 0;
        sockets.retain_mut(|(socket, offset)| {
            match socket.write(&stream[*offset..*offset + send_bytes]) {
                Ok(count) => {
                    written += count;
                    *offset = (*offset + count) % period_bytes;
                    true
                }
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            }
        });
        if written == 0 {
            // All sockets are full, so the receivers are the limit: this shows as time not busy.
            std::thread::sleep(Duration::from_micros(20));
        }
    }
    Ok(())
}

fn relay(mut sockets: Vec<TcpStream>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    for (place, socket) in sockets.iter_mut().enumerate() {
        poll.registry()
            .register(socket, Token(place), Interest::READABLE)?;
    }
    let mut buffer = vec![0; BLOCK_BYTES as usize];
    let mut open = sockets.len();
    while open > 0 {
        if let Err(error) = poll.poll(&mut events, None)
            && error.kind() != ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in &events {
            loop {
                match sockets[event.token().0].read(&mut buffer) {
                    Ok(count) if count > 0 => send_to_all(&mut sockets, &buffer[..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    _ => {
                        open -= 1;
                        poll.registry().deregister(&mut sockets[event.token().0])?;
                        break;
                    }
                }
            }
        }
    }
    Ok(())
}

/// One send each. With one line under way at a time no socket is ever full; were one, the
/// receiver would miss the line, and the generator say so.
fn send_to_all(sockets: &mut [TcpStream], line: &[u8]) {
    for socket in sockets {
        let _ = socket.write(line);
    }
}
