//! `Watch`: what the kernel holds for peers that do not take it. The stall clock of the engine sees
//! what lies in an outbox alone; here is seen what was written and stays in the kernel, and whether
//! its peer has vanished or only does not read. Owned by the connections.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::config::Limits;
use crate::session::SessionId;

use super::kernel_queue::{Acknowledging, acknowledging, unacknowledged_bytes};
use super::tokens::Generation;

/// Connections that were written to and have not acknowledged all of it. They are looked at in rounds:
/// once in each of them, so many a turn, in turns that follow one another at once.
#[derive(Debug)]
pub(super) struct Watch {
    /// Those written to since the last round: nearly all have acknowledged it by the next.
    fresh: Vec<Connection>,
    watched: VecDeque<Watched>,
    round: Option<Round>,
    next_at: Option<Instant>,
    stall_timeout: Duration,
    looks_per_turn_max: usize,
}

/// A round that is not over.
#[derive(Debug)]
struct Round {
    began_at: Instant,
    /// What was fresh then, and was not looked at yet.
    fresh: Vec<Connection>,
    /// So many of the first that are watched were not looked at yet.
    watched_left: usize,
}

/// What a look has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Who is in trouble.
    pub(super) troubled: Vec<(SessionId, Trouble)>,
    /// Who has acknowledged everything, and need not be watched any more.
    pub(super) done: Vec<SessionId>,
}

/// Which connection: its slot may be another's by the next look, who has nothing to do with what was
/// noted of it.
pub(super) type Connection = (SessionId, Generation);

/// One of them.
#[derive(Debug)]
struct Watched {
    connection: Connection,
    /// What was written by then is to be acknowledged in time.
    since: Instant,
    written: u64,
    /// Since when something that was sent is known to be unanswered.
    unanswered_since: Option<Instant>,
}

/// What is wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It acknowledges nothing any more: the peer, or the way to it, is gone.
    Vanished,
    /// The peer is there, and does not read.
    Stalled,
}

/// Room that is never given back, so that a quiet server does not allocate.
const WATCHED_KEPT: usize = 64;
/// How often a round begins.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long bytes may stay unacknowledged before the peer is gone (F22): 15 s after they were written
/// at the latest, since each look may come an interval late.
const VANISHED_AFTER: Duration = Duration::from_secs(13);
/// How long of that the kernel must have been seen to wait for an answer. It asks a peer that does not
/// read after pauses that double (12.8 s, 25.6 s …), in which no acknowledgement is due.
const UNANSWERED_MIN: Duration = Duration::from_secs(5);

impl Watch {
    /// Nobody is watched.
    pub(super) fn new(limits: &Limits) -> Watch {
        Watch {
            fresh: Vec::new(),
            watched: VecDeque::new(),
            round: None,
            next_at: None,
            stall_timeout: limits.stall_timeout,
            looks_per_turn_max: limits.looks_per_turn_max,
        }
    }

    /// A connection was written to that is not watched yet.
    pub(super) fn add(&mut self, connection: Connection, now: Instant) {
        self.fresh.push(connection);
        self.next_at.get_or_insert(now + INTERVAL);
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_at
    }

    /// Looks at those whose turn it is, if it is time. `find` gives the socket of a connection that is
    /// still there, and how much was written to it.
    pub(super) fn look<'c>(
        &mut self,
        now: Instant,
        find: impl Fn(Connection) -> Option<(BorrowedFd<'c>, u64)>,
    ) -> Found {
        let mut found = Found::default();
        let Some(at) = self.next_at.filter(|&at| at <= now) else {
            return found;
        };
        self.leave_out((now - at).saturating_sub(INTERVAL));
        let mut round = self.round.take().unwrap_or_else(|| Round {
            began_at: now,
            fresh: std::mem::take(&mut self.fresh),
            watched_left: self.watched.len(),
        });
        for _ in 0..self.looks_per_turn_max {
            let Some(mut watched) = self.next_of(&mut round, now) else {
                break;
            };
            let Some((socket, written)) = find(watched.connection) else {
                continue;
            };
            let unacknowledged = unacknowledged_bytes(socket).unwrap_or(0);
            if unacknowledged == 0 {
                found.done.push(watched.connection.0);
                continue;
            }
            let trouble = watched.trouble(now, self.stall_timeout, socket, written, unacknowledged);
            let troubled = trouble.map(|trouble| (watched.connection.0, trouble));
            found.troubled.extend(troubled);
            self.watched.push_back(watched);
        }
        if round.fresh.is_empty() && round.watched_left == 0 {
            self.end_round(&round, now);
        } else {
            self.round = Some(round);
            self.next_at = Some(now);
        }
        found
    }

    /// The next to be looked at in this round.
    fn next_of(&mut self, round: &mut Round, now: Instant) -> Option<Watched> {
        let fresh = round.fresh.pop().map(|connection| Watched {
            connection,
            since: now,
            written: 0,
            unanswered_since: None,
        });
        fresh.or_else(|| {
            round.watched_left = round.watched_left.checked_sub(1)?;
            self.watched.pop_front()
        })
    }

    fn end_round(&mut self, round: &Round, now: Instant) {
        if self.watched.len() < self.watched.capacity() / 4 {
            self.watched.shrink_to(WATCHED_KEPT);
        }
        let is_over = self.watched.is_empty() && self.fresh.is_empty();
        // A round that took longer than that is no time in which the loop did not run.
        self.next_at = (!is_over).then_some(now.max(round.began_at + INTERVAL));
    }

    /// Time in which the loop itself did not run counts against nobody.
    fn leave_out(&mut self, stopped: Duration) {
        if stopped.is_zero() {
            return;
        }
        for watched in &mut self.watched {
            watched.since += stopped;
            watched.unanswered_since = watched.unanswered_since.map(|since| since + stopped);
        }
    }
}

impl Watched {
    fn trouble(
        &mut self,
        now: Instant,
        stall_timeout: Duration,
        socket: BorrowedFd<'_>,
        written: u64,
        unacknowledged: u64,
    ) -> Option<Trouble> {
        let acknowledged = written.saturating_sub(unacknowledged);
        if acknowledged >= self.written {
            self.since = now;
            self.written = written;
            self.unanswered_since = None;
            return None;
        }
        let age = now - self.since;
        // Soon enough to see it unanswered for long enough.
        if age < patience(stall_timeout) / 2 {
            return None;
        }
        let peer = acknowledging(socket).ok()?;
        self.unanswered_since = unanswered_since(self.unanswered_since, now, &peer);
        let unanswered = self.unanswered_since.map(|since| now - since);
        trouble(age, unanswered, peer.last, stall_timeout)
    }
}

/// How long nobody is in trouble.
fn patience(stall_timeout: Duration) -> Duration {
    stall_timeout.min(VANISHED_AFTER)
}

/// Since when something that was sent to this peer is known to be unanswered; `before` is what was
/// known at the look before.
fn unanswered_since(
    before: Option<Instant>,
    now: Instant,
    peer: &Acknowledging,
) -> Option<Instant> {
    let is_unanswered = peer.probes_unanswered > 0 || peer.is_owed && peer.last > peer.last_sent;
    if !is_unanswered {
        return None;
    }
    let Some(before) = before else {
        return Some(now);
    };
    // Of what is unanswered now, all was sent after the last answer.
    let answered_at = now.checked_sub(peer.last);
    Some(answered_at.map_or(before, |at| at.max(before)))
}

/// What is wrong with a peer that has acknowledged nothing of certain bytes for `age`. `unanswered` is
/// how long something that was sent is known to have no answer, and `last` when the last came.
///
/// One that is there answers whatever reaches it, be it to say that it has no room; but the kernel
/// may not have asked it for long. So silence alone says nothing.
fn trouble(
    age: Duration,
    unanswered: Option<Duration>,
    last: Duration,
    stall_timeout: Duration,
) -> Option<Trouble> {
    let patience = patience(stall_timeout);
    if age < patience {
        return None;
    }
    if unanswered.is_some() && last >= patience {
        let is_gone = age.min(last) >= VANISHED_AFTER && unanswered >= Some(UNANSWERED_MIN);
        return is_gone.then_some(Trouble::Vanished);
    }
    (age >= stall_timeout).then_some(Trouble::Stalled)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::cell::Cell;
    use std::io::Write;
    use std::os::fd::AsFd;

    const STALL_TIMEOUT: Duration = Duration::from_secs(10);
    const LONG: Duration = Duration::from_secs(70);

    const fn tenths(count: u64) -> Duration {
        Duration::from_millis(100 * count)
    }

    /// What the kernel says at one look; times in tenths of seconds.
    fn peer(is_owed: bool, probes_unanswered: u8, last: u64, last_sent: u64) -> Acknowledging {
        Acknowledging {
            is_owed,
            probes_unanswered,
            last: tenths(last),
            last_sent: tenths(last_sent),
        }
    }

    /// What is found at looks a second apart, at which the kernel `says` this; its argument is the
    /// time since something was written, in tenths of seconds.
    fn first_trouble(
        stall_timeout: Duration,
        says: impl Fn(u64) -> Acknowledging,
    ) -> Option<(u64, Trouble)> {
        let start = Instant::now();
        let mut since = None;
        (0..60).find_map(|second| {
            let age = Duration::from_secs(second);
            if age < patience(stall_timeout) / 2 {
                return None;
            }
            let (now, peer) = (start + age, says(10 * second));
            since = unanswered_since(since, now, &peer);
            let unanswered = since.map(|since| now - since);
            Some((second, trouble(age, unanswered, peer.last, stall_timeout)?))
        })
    }

    /// Pauses of a kernel that asks again and again double.
    const ASKED_AT: [u64; 9] = [2, 6, 14, 30, 62, 126, 254, 510, 1022];

    fn since_asked(tenths: u64) -> Option<u64> {
        let asked = ASKED_AT.iter().rev().find(|&&at| at <= tenths);
        asked.map(|at| tenths - at)
    }

    #[test]
    fn who_answers_that_it_has_no_room_is_there_however_seldom_it_is_asked() {
        // As seen on Linux 6.18 of one that slept for 58 s: the last acknowledgement was 28.8 s old.
        let closed = |at| {
            let last = since_asked(at).unwrap_or(at);
            peer(false, 0, last, at)
        };
        assert_eq!(first_trouble(LONG, closed), None);
        let stalled = Some((10, Trouble::Stalled));
        assert_eq!(first_trouble(STALL_TIMEOUT, closed), stalled);
    }

    #[test]
    fn who_has_no_memory_for_what_is_sent_again_and_says_so_is_there() {
        let full = |at| {
            let last = since_asked(at).unwrap_or(at);
            peer(true, 0, last, last)
        };
        assert_eq!(first_trouble(LONG, full), None);
        let stalled = Some((10, Trouble::Stalled));
        assert_eq!(first_trouble(STALL_TIMEOUT, full), stalled);
    }

    #[test]
    fn an_answer_that_is_on_its_way_after_a_long_pause_is_waited_for() {
        // Sent again at 25.4 s and answered 2 s later; a look comes between.
        let late = |at| match at {
            260..=270 => peer(true, 0, at - 126, at - 254),
            _ => {
                let last = since_asked(at).unwrap_or(at);
                peer(true, 0, last.saturating_sub(20), last)
            }
        };
        assert_eq!(first_trouble(LONG, late), None);
    }

    #[test]
    fn who_answers_nothing_is_gone_in_time() {
        let vanished = Some((13, Trouble::Vanished));
        let silent = |at| peer(true, 0, at + 40, since_asked(at).unwrap_or(at));
        assert_eq!(first_trouble(STALL_TIMEOUT, silent), vanished);
        assert_eq!(first_trouble(LONG, silent), vanished);
        assert_eq!(first_trouble(Duration::from_secs(1), silent), vanished);
        // It had no room before it vanished.
        let asked = |at| peer(false, 3, at + 10, at);
        assert_eq!(first_trouble(LONG, asked), vanished);
    }

    #[test]
    fn a_short_outage_is_survived() {
        // Nothing gets through for 8 s; then what is sent again at 12.6 s is answered.
        let shaky = |at| match at {
            0..126 => peer(true, 0, at + 50, since_asked(at).unwrap_or(at)),
            _ => peer(false, 0, at - 126, at - 126),
        };
        assert_eq!(first_trouble(LONG, shaky), None);
    }

    /// Both ends of a connection of which the peer reads nothing, and the kernel takes no more.
    fn full() -> (std::net::TcpStream, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let peer = std::net::TcpStream::connect(address).expect("a connection");
        let (mut socket, _) = listener.accept().expect("its other end");
        socket.set_nonblocking(true).expect("it does not block");
        while socket.write(&[b'x'; 1 << 16]).is_ok() {}
        (socket, peer)
    }

    #[test]
    fn looks_per_turn_max_bounds_a_turn_and_everybody_is_looked_at_in_each_second() {
        let mut watch = Watch::new(&Limits {
            looks_per_turn_max: 3,
            stall_timeout: STALL_TIMEOUT,
            ..Limits::default()
        });
        let (socket, _peer) = full();
        let start = Instant::now();
        for slot in 0..8 {
            watch.add((SessionId(slot), Generation::default()), start);
        }
        let mut troubled = Vec::new();
        for second in 1..=11 {
            let second = start + Duration::from_secs(second);
            let mut looked_at = Vec::new();
            // Turns that follow one another at once.
            for turn in 0..5 {
                let now = second + Duration::from_millis(turn);
                assert_eq!(watch.deadline() <= Some(now), turn < 3, "turn {turn}");
                let looks = Cell::new(0);
                let found = watch.look(now, |_| {
                    looks.set(looks.get() + 1);
                    Some((socket.as_fd(), 1 << 30))
                });
                looked_at.push(looks.get());
                troubled.extend(found.troubled);
                assert_eq!(found.done, []);
            }
            assert_eq!(looked_at, [3, 3, 2, 0, 0]);
        }
        troubled.sort_unstable_by_key(|&(id, _)| id);
        let stalled = (0..8).map(|slot| (SessionId(slot), Trouble::Stalled));
        assert_eq!(troubled, stalled.collect::<Vec<_>>());
    }
}
