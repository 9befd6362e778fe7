//! What a server that cannot start does with sockets that were handed in: it takes the connections
//! that wait there, tells them so, and ends them. Left in the queue they would make the service
//! manager start it again at once, without end. Called by `main`, right before it ends.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::dialect::{self, Encoding, Reply};
use crate::session::CloseReason;

/// So long the sockets are served: each start costs the machine far less than that.
pub const SERVED: Duration = Duration::from_secs(1);
/// Connections kept until they have spoken, or the time is over; further ones are only closed.
const KEPT_MAX: usize = 256;
/// Tokens of listeners lie above those of connections.
const FIRST_LISTENER: usize = KEPT_MAX;
const EVENTS_MAX: usize = 256;

/// Turns away whoever connects for [`SERVED`]. Nobody is left to hear of an error: it only ends
/// this sooner.
pub fn turn_away(mut listeners: Vec<TcpListener>) {
    if let Ok(mut poll) = Poll::new() {
        let _ = serve(&mut poll, &mut listeners);
    }
}

fn serve(poll: &mut Poll, listeners: &mut [TcpListener]) -> std::io::Result<()> {
    let until = Instant::now() + SERVED;
    for (index, listener) in listeners.iter_mut().enumerate() {
        let token = Token(FIRST_LISTENER + index);
        poll.registry()
            .register(listener, token, Interest::READABLE)?;
    }
    let mut kept: Slab<TcpStream> = Slab::new();
    let mut events = Events::with_capacity(EVENTS_MAX);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        poll.poll(&mut events, Some(left))?;
        for event in &events {
            let Token(token) = event.token();
            match token.checked_sub(FIRST_LISTENER) {
                Some(index) => accept_all(poll, &listeners[index], &mut kept, until),
                None => tell(&mut kept[token]),
            }
        }
    }
}

fn accept_all(poll: &Poll, listener: &TcpListener, kept: &mut Slab<TcpStream>, until: Instant) {
    while Instant::now() < until
        && let Ok((mut stream, _)) = listener.accept()
    {
        if kept.len() < KEPT_MAX {
            let token = Token(kept.vacant_key());
            let registered = poll
                .registry()
                .register(&mut stream, token, Interest::READABLE);
            if registered.is_ok() {
                kept.insert(stream);
            }
        }
    }
}

/// To who has spoken; others, who may be browsers, are closed without a word. What it said is read,
/// so that the close is no reset, which would take our line away.
fn tell(stream: &mut TcpStream) {
    let mut spoken = [0; 4096];
    if !matches!(stream.read(&mut spoken), Ok(1..)) {
        return;
    }
    if let Some(refusal) = CloseReason::ShuttingDown.refusal() {
        let mut line = Vec::new();
        dialect::encode_reply(Encoding::Text, &Reply::Ended(refusal), None, &mut line);
        let _ = stream.write(&line);
    }
    let _ = stream.shutdown(Shutdown::Write);
    while matches!(stream.read(&mut spoken), Ok(1..)) {}
}
