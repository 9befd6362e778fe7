//! What the server says about itself: who came, went and did what in the log, the line of statistics,
//! the status for the service manager, the board. It decides nothing. Owned by the server.

use std::fmt;
use std::time::{Duration, Instant};

use crate::clean::Clean;
use crate::hub::{Arrival, Hub, Record, Recorded};
use crate::session::{CloseReason, ConnectionSummary};
use crate::time::Time;
use crate::turn::Turn;

use super::accept::Acceptor;
use super::conn::{Closed, Conns};
use super::culprits::Cause;
use super::log::{EventLog, quote};
use super::measures::Measures;
use super::seats::Seats;

/// The log, and what only the loop can count, since the last report or since the start.
#[derive(Debug)]
pub(super) struct Reporter {
    pub(super) log: EventLog,
    pub(super) measures: Measures,
    longest_turn: Duration,
    reported: Counted,
    status: Counted,
    /// Messages of a turn on their way to the board.
    board: Vec<u8>,
}

/// What was counted when something was reported.
#[derive(Debug)]
struct Counted {
    at: Instant,
    lines_in: u64,
    deliveries_out: u64,
}

impl Counted {
    fn new(at: Instant) -> Counted {
        Counted {
            at,
            lines_in: 0,
            deliveries_out: 0,
        }
    }

    fn per_second(&self, now: Instant, count: u64) -> f64 {
        count as f64 / (now - self.at).as_secs_f64().max(0.001)
    }
}

impl Reporter {
    pub(super) fn new(now: Instant) -> Reporter {
        Reporter {
            log: EventLog::new(),
            measures: Measures::new(),
            longest_turn: Duration::ZERO,
            reported: Counted::new(now),
            status: Counted::new(now),
            board: Vec::new(),
        }
    }

    /// The turn that began then has written what it had time for, after so long.
    pub(super) fn flushed(&mut self, turn: &Turn, began: Time, took: Duration) {
        let messages = turn.hub().overview().messages();
        self.measures
            .flushed(began, took, messages, turn.unwritten_since());
    }

    pub(super) fn turn_took(&mut self, duration: Duration) {
        self.longest_turn = self.longest_turn.max(duration);
        self.measures.turns.add(duration, 1);
    }

    /// One line for each thing that is to be known afterwards; who ended makes room for another
    /// from its address.
    pub(super) fn report(
        &mut self,
        hub: &mut Hub,
        conns: &mut Conns,
        acceptor: &mut Acceptor,
        now: Instant,
    ) {
        while let Some(record) = hub.poll_record() {
            if let (Some(session), Recorded::Ended) = (record.session, &record.what) {
                acceptor.forget_address(conns, session);
            } else {
                self.log_record(&record, conns, now);
            }
        }
        for closed in conns.take_closed() {
            acceptor.descriptor_is_free(closed.peer, closed.counted);
            // Those that were banned when they came are counted by the acceptor.
            if closed.summary.reason != CloseReason::Banned || closed.had_place {
                self.log_end(&closed, now);
            }
        }
        acceptor.shut_out.report(now);
    }

    fn log_record(&mut self, record: &Record, conns: &Conns, now: Instant) {
        let session = record.session;
        let peer = session.and_then(|session| Some(conns.get(session)?.peer));
        // A name is changed with each line by whoever wants to be found out by none of them.
        let cause = |name| peer.map_or(Cause::Named(name), Cause::From);
        match (&record.what, peer) {
            (Recorded::Joined(arrival), Some(peer)) => {
                let tls = session.and_then(|session| conns.tls_version(session));
                let how = How(arrival, tls);
                let name = quote(&*arrival.name);
                let said = format_args!("join {name} from {peer}{how}");
                self.log.info(now, Cause::From(peer), said);
            }
            (Recorded::CameBack(arrival), Some(peer)) => {
                let tls = session.and_then(|session| conns.tls_version(session));
                let how = How(arrival, tls);
                let name = quote(&*arrival.name);
                let said = format_args!("back {name} from {peer}{how}");
                self.log.info(now, Cause::From(peer), said);
            }
            (Recorded::Posted { name, room }, Some(peer)) => {
                let (name, room) = (quote(&**name), quote(&**room));
                let said = format_args!("post {name} from {peer} in {room}");
                self.log.info(now, Cause::From(peer), said);
            }
            (Recorded::WrongPassword { is_last_of_address }, Some(peer)) => {
                let more = match is_last_of_address {
                    true => "; the next from its address are not listened to for a minute",
                    false => "",
                };
                let said = format_args!("wrong password from {peer}{more}");
                self.log.info(now, Cause::From(peer), said);
            }
            (Recorded::Renamed { from, to }, _) => {
                let said = format_args!("rename {} to {}", quote(&**from), quote(&**to));
                self.log.info(now, cause(from), said);
            }
            (Recorded::Entered { name, room }, _) => {
                let said = format_args!("enter {} by {}", quote(&**room), quote(&**name));
                self.log.info(now, cause(name), said);
            }
            (Recorded::Left { name, room }, _) => {
                let said = format_args!("leave {} by {}", quote(&**room), quote(&**name));
                self.log.info(now, cause(name), said);
            }
            // Those whose connection is gone already have a line about its end.
            (
                Recorded::Joined(_)
                | Recorded::CameBack(_)
                | Recorded::Posted { .. }
                | Recorded::WrongPassword { .. }
                | Recorded::Ended,
                _,
            ) => {}
        }
    }

    /// The one line about the end of a connection.
    fn log_end(&mut self, closed: &Closed, now: Instant) {
        let ConnectionSummary {
            name,
            reason,
            lines_in,
            lines_out,
            bytes_in,
            bytes_out,
            duration,
        } = &closed.summary;
        let name = name
            .as_deref()
            .map_or("without a name".into(), |name| quote(name).to_string());
        let fault = closed.tls_fault.as_deref();
        let fault = fault.map_or(String::new(), |fault| format!(" ({})", Clean::of(fault)));
        self.log.info(
            now,
            Cause::From(closed.peer),
            format_args!(
                "end {name} from {}: {reason}{fault}; lines in {lines_in} out {lines_out}, \
                 bytes in {bytes_in} out {bytes_out}, {:.1} s",
                closed.peer,
                duration.as_secs_f64(),
            ),
        );
    }

    /// How it goes, as one line; rates are since the last such line.
    pub(super) fn statistics_line(
        &mut self,
        hub: &Hub,
        acceptor: &Acceptor,
        board_lines_lost: u64,
        now: Instant,
    ) -> String {
        let counted = hub.overview().statistics();
        let last = &self.reported;
        let refusals: Vec<_> = counted
            .refusals
            .iter()
            .map(|(code, count)| format!("{code} {count}"))
            .collect();
        let line = format!(
            "statistics: clients {}, rooms {}, lines in {} ({:.0}/s), deliveries out {} ({:.0}/s), \
             queued unique bytes {}, queued bytes summed {}, longest turn {:.1} ms, slow consumers cut {}, \
             refusals [{}], accept errors {}, board lines lost {}",
            counted.clients,
            counted.rooms,
            counted.lines_in,
            last.per_second(now, counted.lines_in - last.lines_in),
            counted.deliveries_out,
            last.per_second(now, counted.deliveries_out - last.deliveries_out),
            counted.unique_bytes,
            counted.queued_bytes,
            self.longest_turn.as_secs_f64() * 1000.0,
            counted.slow_consumers_cut,
            refusals.join(", "),
            acceptor.errors,
            board_lines_lost,
        );
        self.longest_turn = Duration::ZERO;
        self.reported = Counted {
            at: now,
            lines_in: counted.lines_in,
            deliveries_out: counted.deliveries_out,
        };
        line
    }

    /// The status line of the service.
    pub(super) fn status(&mut self, hub: &Hub, now: Instant) -> String {
        let counted = hub.overview().statistics();
        let lines = counted.lines_in - self.status.lines_in;
        let rate = self.status.per_second(now, lines);
        self.status = Counted {
            lines_in: counted.lines_in,
            ..Counted::new(now)
        };
        format!(
            "{} clients, {} rooms, {rate:.0} lines a second",
            counted.clients, counted.rooms
        )
    }

    /// Shows the messages of this turn to all who watch; where nobody does, none are written down.
    pub(super) fn show_board(&mut self, hub: &mut Hub, seats: &mut Seats) {
        if !seats.has_watchers() {
            return hub.operator().turn_board_off();
        }
        self.board.clear();
        hub.operator().take_board(&mut self.board);
        hub.operator().turn_board_on();
        if !self.board.is_empty() {
            let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
            for line in String::from_utf8_lossy(&self.board).lines() {
                seats.show(&format!("{time} {}", Clean::of(line)));
            }
        }
    }
}

/// Into which rooms somebody came, in which language, and over which TLS; for the log.
struct How<'a>(&'a Arrival, Option<&'static str>);

/// So many of the rooms are named; the rest is counted.
const ROOMS_NAMED_MAX: usize = 5;

impl fmt::Display for How<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let How(arrival, tls) = self;
        for (index, room) in arrival.rooms.iter().take(ROOMS_NAMED_MAX).enumerate() {
            let before = if index == 0 { " in " } else { ", " };
            write!(to, "{before}{}", quote(&**room))?;
        }
        let more = arrival.rooms.len().saturating_sub(ROOMS_NAMED_MAX);
        if more > 0 {
            write!(to, " and {more} more")?;
        }
        write!(to, ", {}", arrival.language)?;
        tls.map_or(Ok(()), |tls| write!(to, ", {tls}"))
    }
}
