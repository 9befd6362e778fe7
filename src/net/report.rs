//! What the server says about itself: joins and ends in the log, the line of statistics, the
//! status for the service manager. It decides nothing. Part of the server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::hub::Farewell;

use super::log::quote;
use super::printer::Printer;
use super::server::Server;

/// What only the loop can count, since the last report or since the start.
#[derive(Debug)]
pub(super) struct Counters {
    longest_turn: Duration,
    reported_at: Instant,
    lines_in: u64,
    deliveries_out: u64,
    status_at: Instant,
    status_lines_in: u64,
}

impl Counters {
    pub(super) fn new(now: Instant) -> Counters {
        Counters {
            longest_turn: Duration::ZERO,
            reported_at: now,
            lines_in: 0,
            deliveries_out: 0,
            status_at: now,
            status_lines_in: 0,
        }
    }

    pub(super) fn turn_took(&mut self, duration: Duration) {
        self.longest_turn = self.longest_turn.max(duration);
    }
}

impl Server {
    /// One line for each who has got a name.
    pub(super) fn report_joined(&mut self) {
        while let Some(slot) = self.hub.take_joined() {
            if let (Some(name), Some(conn)) =
                (self.hub.name_of(slot), self.conns.get(slot as usize))
            {
                self.log.info(
                    self.now,
                    format_args!("join {} from {}", quote(name), conn.peer),
                );
            }
        }
    }

    /// The one line about the end of a connection.
    pub(super) fn report_end(&mut self, peer: SocketAddr, gone: &Farewell) {
        let name = gone
            .name
            .as_deref()
            .map_or("without a name".into(), |name| quote(name).to_string());
        self.log.info(
            self.now,
            format_args!(
                "end {name} from {peer}: {}; lines in {} out {}, bytes in {} out {}, {:.1} s",
                gone.reason,
                gone.lines_in,
                gone.lines_out,
                gone.bytes_in,
                gone.bytes_out,
                gone.duration.as_secs_f64(),
            ),
        );
    }

    /// How it goes, as one line; rates are since the last such line.
    pub(super) fn statistics_line(&mut self) -> String {
        let now = self.hub.statistics();
        let last = &mut self.counters;
        let seconds = (self.now - last.reported_at).as_secs_f64().max(0.001);
        let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
        let refusals: Vec<_> = now
            .refusals
            .iter()
            .map(|(code, count)| format!("{code} {count}"))
            .collect();
        let line = format!(
            "statistics: clients {}, rooms {}, lines in {} ({:.0}/s), deliveries out {} ({:.0}/s), \
             queued unique bytes {}, queued bytes summed {}, longest turn {:.1} ms, slow consumers cut {}, \
             refusals [{}], accept errors {}, board lines lost {}",
            now.clients,
            now.rooms,
            now.lines_in,
            rate(now.lines_in, last.lines_in),
            now.deliveries_out,
            rate(now.deliveries_out, last.deliveries_out),
            now.unique_bytes,
            now.queued_bytes,
            last.longest_turn.as_secs_f64() * 1000.0,
            now.slow_consumers_cut,
            refusals.join(", "),
            self.acceptor.errors,
            self.printer.as_ref().map_or(0, Printer::lines_lost),
        );
        last.longest_turn = Duration::ZERO;
        last.reported_at = self.now;
        last.lines_in = now.lines_in;
        last.deliveries_out = now.deliveries_out;
        line
    }

    /// The status line of the service.
    pub(super) fn status(&mut self) -> String {
        let now = self.hub.statistics();
        let seconds = (self.now - self.counters.status_at)
            .as_secs_f64()
            .max(0.001);
        let rate = (now.lines_in - self.counters.status_lines_in) as f64 / seconds;
        self.counters.status_at = self.now;
        self.counters.status_lines_in = now.lines_in;
        format!(
            "{} clients, {} rooms, {rate:.0} lines a second",
            now.clients, now.rooms
        )
    }
}
