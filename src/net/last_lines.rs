//! `LastLines`: the sockets of sessions that are over and whose peers do not read: held until the
//! peer has taken why the session was ended, or its time is over. What of that the kernel has no room
//! for is here, and written when it has. The sessions are long reported and forgotten. Owned by the
//! connections.
//!
//! What the kernel has it would send to the end alone, were it not that Linux resets sockets that no
//! process holds when memory for TCP runs short on the machine, whoever used it up
//! (`tcp_check_oom`): then the peer wakes up to a reset in place of its lines and why it was cut.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::kernel_queue::{unacknowledged_bytes, unsent_bytes};
use super::listener::LAST_LINES_TIMEOUT;
use super::watch::Connection;

/// How often is looked.
const INTERVAL: Duration = Duration::from_secs(1);
/// Of how many at once: the others follow at the next looks, so that none takes long.
const LOOKED_AT_MAX: usize = 256;
/// Sockets held at once. Past any of the bounds those go first that were held for longest: they are
/// what the kernel may give up in need, and what silent peers can make us hold must stay far below
/// what is needed for those that are served.
const HELD_MAX: usize = 1024;
/// What the kernel holds for them.
const KERNEL_BYTES_MAX: u64 = 64 << 20;
/// What is held here: such a part of what all outboxes together may hold.
const OWED_BYTES_PART: usize = 16;
/// What still comes is read and dropped, so much of it at one look; unread, it would make the close
/// a reset.
const DROPPED_BYTES_MAX: usize = 64 << 10;

/// All that are held.
#[derive(Debug)]
pub(super) struct LastLines {
    /// Those looked at least lately come first.
    held: VecDeque<Held>,
    /// Of all of them.
    kernel_bytes: u64,
    owed_bytes: usize,
    owed_bytes_max: usize,
    next_at: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    connection: Connection,
    socket: TcpStream,
    until: Instant,
    state: State,
    /// What the peer had not acknowledged when it was looked at.
    kernel_bytes: u64,
}

/// How far one of them has come.
#[derive(Debug)]
enum State {
    /// The kernel had no room for these.
    Owed(Vec<u8>),
    /// It has all of them, and our side is shut.
    Shut,
    /// The peer has them too. It may be about to answer that, which must not meet a closed socket:
    /// it stays until the next look.
    Taken,
}

impl LastLines {
    /// Nothing is held; `outbox_total_bytes_max` is what all outboxes together may hold.
    pub(super) fn new(outbox_total_bytes_max: usize) -> LastLines {
        LastLines {
            held: VecDeque::new(),
            kernel_bytes: 0,
            owed_bytes: 0,
            owed_bytes_max: outbox_total_bytes_max / OWED_BYTES_PART,
            next_at: None,
        }
    }

    /// Closes a socket behind these last bytes: now if everything was sent before, else when its peer
    /// has all of it, or its time is over.
    pub(super) fn close(
        &mut self,
        connection: Connection,
        socket: TcpStream,
        last_bytes: Vec<u8>,
        now: Instant,
    ) {
        if last_bytes.is_empty() && unsent_bytes(socket.as_fd()).unwrap_or(0) == 0 {
            return;
        }
        let mut held = Held {
            connection,
            socket,
            until: now + LAST_LINES_TIMEOUT,
            state: State::Owed(last_bytes),
            kernel_bytes: 0,
        };
        if held.write().is_err() {
            return;
        }
        held.kernel_bytes = unacknowledged_bytes(held.socket.as_fd()).unwrap_or(0);
        self.hold(held);
        while self.held.len() > HELD_MAX
            || self.kernel_bytes > KERNEL_BYTES_MAX
            || self.owed_bytes > self.owed_bytes_max
        {
            self.let_go_of_one();
        }
        self.next_at.get_or_insert(now + INTERVAL);
    }

    /// The kernel says something of one of them: it may have room.
    pub(super) fn write(&mut self, connection: Connection) {
        let mut held = self.held.iter_mut();
        if let Some(held) = held.find(|held| held.connection == connection) {
            self.owed_bytes -= held.owed_bytes();
            // One that is broken goes at the next look.
            let _ = held.write();
            self.owed_bytes += held.owed_bytes();
        }
    }

    /// Bytes that are held here and that the kernel has no room for.
    pub(super) fn owed_bytes(&self) -> usize {
        self.owed_bytes
    }

    /// Lets go of the one that was to be held for the shortest time; whether there was one. What the
    /// kernel has left for it is the kernel's business.
    pub(super) fn let_go_of_one(&mut self) -> bool {
        let shortest = (0..self.held.len()).min_by_key(|&index| self.held[index].until);
        let gone = shortest.and_then(|index| self.held.remove(index));
        gone.as_ref().inspect(|held| self.forget(held)).is_some()
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_at
    }

    /// Looks at some of them, if it is time: those that have taken everything, that are broken, or
    /// whose time is over, are closed.
    pub(super) fn look(&mut self, now: Instant) {
        if self.next_at.is_none_or(|at| at > now) {
            return;
        }
        for _ in 0..self.held.len().min(LOOKED_AT_MAX) {
            let Some(mut held) = self.held.pop_front() else {
                break;
            };
            self.forget(&held);
            if held.is_to_stay().unwrap_or(false) && now < held.until {
                self.hold(held);
            }
        }
        if self.held.is_empty() {
            self.held = VecDeque::new();
        }
        self.next_at = (!self.held.is_empty()).then_some(now + INTERVAL);
    }

    fn hold(&mut self, held: Held) {
        self.kernel_bytes += held.kernel_bytes;
        self.owed_bytes += held.owed_bytes();
        self.held.push_back(held);
    }

    fn forget(&mut self, held: &Held) {
        self.kernel_bytes -= held.kernel_bytes;
        self.owed_bytes -= held.owed_bytes();
    }
}

impl Held {
    fn owed_bytes(&self) -> usize {
        match &self.state {
            State::Owed(bytes) => bytes.capacity(),
            State::Shut | State::Taken => 0,
        }
    }

    /// Writes as much as the kernel has room for, and shuts our side behind the last of it.
    ///
    /// # Errors
    /// When the connection is broken.
    fn write(&mut self) -> io::Result<()> {
        let State::Owed(bytes) = &mut self.state else {
            return Ok(());
        };
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => drop(bytes.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.state = State::Shut;
        // It may be shut already.
        self.socket.shutdown(Shutdown::Write)
    }

    /// Looks at it: whether there is a reason to hold it any longer.
    ///
    /// # Errors
    /// When the connection is broken.
    fn is_to_stay(&mut self) -> io::Result<bool> {
        let has_ended = drop_input(&mut self.socket)?;
        // A reset behind the peer's end is no error to who reads, and leaves what is unacknowledged.
        self.socket.peer_addr()?;
        self.write()?;
        self.kernel_bytes = unacknowledged_bytes(self.socket.as_fd())?;
        match self.state {
            State::Owed(_) => return Ok(true),
            State::Shut if self.kernel_bytes > 0 => return Ok(true),
            State::Taken => return Ok(false),
            State::Shut => self.state = State::Taken,
        }
        Ok(!has_ended)
    }
}

/// Reads what has come; whether that was the end.
///
/// # Errors
/// When the connection is broken.
fn drop_input(socket: &mut TcpStream) -> io::Result<bool> {
    let mut dropped = [0; 4096];
    for _ in 0..DROPPED_BYTES_MAX / dropped.len() {
        match socket.read(&mut dropped) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::tokens::Generation;
    use super::*;
    use crate::session::SessionId;

    const FULL: &[u8] = &[b'x'; 1 << 16];

    /// Both ends of a connection of which the peer reads nothing, and the kernel takes no more; and how
    /// much it took.
    fn full() -> (TcpStream, std::net::TcpStream, usize) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let peer = std::net::TcpStream::connect(address).expect("a connection");
        let (socket, _) = listener.accept().expect("its other end");
        socket.set_nonblocking(true).expect("it does not block");
        let mut socket = TcpStream::from_std(socket);
        let mut taken = 0;
        while let Ok(count) = socket.write(FULL) {
            taken += count;
        }
        (socket, peer, taken)
    }

    fn connection(slot: u32) -> Connection {
        (SessionId(slot), Generation::default())
    }

    #[test]
    fn f88_what_the_kernel_has_no_room_for_is_written_when_the_peer_reads_again() {
        let start = Instant::now();
        let mut last_lines = LastLines::new(1 << 20);
        let (socket, mut peer, taken) = full();
        let why = b"! too-slow\n".to_vec();
        last_lines.close(connection(7), socket, why, start);
        assert!(last_lines.owed_bytes() > 0, "there is no room for it");

        let reader = std::thread::spawn(move || {
            let mut heard = Vec::new();
            peer.read_to_end(&mut heard).map(|_| heard)
        });
        // As the kernel says that there is room; it says so of others too.
        while last_lines.owed_bytes() > 0 {
            last_lines.write(connection(3));
            last_lines.write(connection(7));
            std::thread::yield_now();
        }
        let heard = reader.join().expect("it reads").expect("without an error");
        assert_eq!(heard.len(), taken + b"! too-slow\n".len());
        assert!(heard.ends_with(b"x! too-slow\n"));
        // The peer has ended and taken all.
        last_lines.look(start + INTERVAL);
        last_lines.look(start + 2 * INTERVAL);
        assert_eq!(last_lines.deadline(), None);
    }

    #[test]
    fn who_resets_after_its_end_is_not_held() {
        let start = Instant::now();
        let mut last_lines = LastLines::new(1 << 20);
        let (socket, peer, _) = full();
        peer.shutdown(Shutdown::Write).expect("it ends");
        last_lines.close(connection(1), socket, Vec::new(), start);
        last_lines.look(start + INTERVAL);
        assert!(last_lines.deadline().is_some(), "it has not read all");
        let linger = socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO));
        linger.expect("a close that resets");
        drop(peer);
        // Long before its time is over; where the kernel is busy, not at once.
        let patience = Instant::now() + Duration::from_secs(10);
        let mut now = start + INTERVAL;
        while last_lines.deadline().is_some() {
            assert!(Instant::now() < patience, "it is still held");
            now += Duration::from_millis(1);
            last_lines.next_at = Some(now);
            last_lines.look(now);
            std::thread::yield_now();
        }
        assert!(now < start + LAST_LINES_TIMEOUT);
    }

    #[test]
    fn who_is_held_for_longest_goes_when_all_are_owed_too_much() {
        // So much that what a full kernel still finds a place for, a moment later, is little of it.
        let last_bytes = FULL.repeat(64);
        let mut last_lines = LastLines::new(OWED_BYTES_PART * 3 * last_bytes.len());
        let ends: Vec<_> = (0..5).map(|_| full()).collect();
        let mut peers = Vec::new();
        for (slot, (socket, peer, _)) in (0..).zip(ends) {
            let now = Instant::now();
            last_lines.close(connection(slot), socket, last_bytes.clone(), now);
            peers.push(peer);
        }
        assert!(last_lines.owed_bytes() <= 3 * last_bytes.len());
        let held = last_lines.held.iter().map(|held| held.connection.0);
        assert_eq!(held.collect::<Vec<_>>(), [2, 3, 4].map(SessionId));
        while last_lines.let_go_of_one() {}
        assert_eq!(last_lines.owed_bytes(), 0);
    }
}
