//! `Numbers`: all that `/metrics` tells. What a number is called and what it says of itself stands here
//! once; each is counted where it happens. Made by the server for one answer.

use crate::dialect::Dialect;
use crate::dialect::refusal::CODES;
use crate::hub::{Hub, Statistics};
use crate::session::CloseReason;
use crate::time::WallTime;

use super::super::heap::resident_bytes;
use super::super::measures::Measures;
use super::super::store::StoreStatus;
use super::exposition::{Exposition, Kind, in_seconds};
use super::process;

/// Where the numbers are.
#[derive(Debug)]
pub(in crate::net) struct Numbers<'s> {
    pub(in crate::net) hub: &'s Hub,
    pub(in crate::net) measures: &'s Measures,
    /// `None` where nothing is kept.
    pub(in crate::net) archive: Option<StoreStatus>,
    pub(in crate::net) accept_errors: u64,
    pub(in crate::net) clients_max: usize,
    pub(in crate::net) started_at: WallTime,
}

impl Numbers<'_> {
    /// All of them, as Prometheus reads them.
    pub(in crate::net) fn page(&self) -> String {
        let mut text = Exposition::default();
        let statistics = self.hub.overview().statistics();
        self.write_now(&statistics, &mut text);
        write_counters(&statistics, &mut text);
        write_ends(&statistics, &mut text);
        self.write_loop(&mut text);
        write_archive(self.archive.as_ref(), &mut text);
        self.write_process(&mut text);
        text.into_text()
    }

    /// How it is at this moment.
    fn write_now(&self, statistics: &Statistics, text: &mut Exposition) {
        let name = "chatd_connections";
        let help =
            "Connections, by what they speak and whether over TLS; undecided have not spoken.";
        text.head("gauge", name, help);
        let counts = self.hub.overview().connections();
        for (language, count) in Dialect::LANGUAGES.into_iter().zip(counts) {
            for (tls, count) in ["false", "true"].into_iter().zip(count) {
                let labels = format!("{{language=\"{language}\",tls=\"{tls}\"}}");
                text.sample(name, &labels, count);
            }
        }
        let mut gauge = |name, help, value| text.single(Kind::Gauge, name, help, value);
        gauge(
            "chatd_connections_max",
            "Connections that find a place: --max-clients, or what open files allow.",
            self.clients_max,
        );
        gauge(
            "chatd_members",
            "Connections that have a name.",
            statistics.clients,
        );
        gauge("chatd_rooms", "Rooms that have members.", statistics.rooms);
        gauge(
            "chatd_queued_bytes",
            "Bytes queued for connections, counted for every receiver.",
            statistics.queued_bytes,
        );
        gauge(
            "chatd_block_bytes",
            "Memory of what is queued, bytes shared by many counted once.",
            statistics.unique_bytes,
        );
    }

    fn write_loop(&self, text: &mut Exposition) {
        text.single(
            Kind::Counter,
            "chatd_accept_errors_total",
            "Errors of accept(2), other than that nobody waits.",
            self.accept_errors,
        );
        text.histogram(
            "chatd_turn_seconds",
            "How long passes of the event loop took, without waiting; nobody else was served meanwhile.",
            &self.measures.turns,
        );
        text.histogram(
            "chatd_message_flush_seconds",
            "From the turn that read a message until it was written to everybody, as far as they took it.",
            &self.measures.flushes,
        );
    }

    fn write_process(&self, text: &mut Exposition) {
        text.head("gauge", "chatd_build_info", "The version; the value is 1.");
        let version = concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
        text.sample("chatd_build_info", version, 1);
        text.single(
            Kind::Gauge,
            "process_start_time_seconds",
            "When it was started, in seconds since 1970.",
            self.started_at.as_millis() as f64 / 1000.0,
        );
        text.single(
            Kind::Counter,
            "process_cpu_seconds_total",
            "Processor time, of the user and of the system.",
            in_seconds(process::processor_time()),
        );
        text.single(
            Kind::Gauge,
            "process_resident_memory_bytes",
            "Resident memory.",
            resident_bytes(),
        );
        text.single(
            Kind::Gauge,
            "process_open_fds",
            "Open files and sockets.",
            process::open_files(),
        );
        if let Some(files_max) = process::files_max() {
            let help = "How many there may be.";
            text.single(Kind::Gauge, "process_max_fds", help, files_max);
        }
    }
}

/// What has happened since the start.
fn write_counters(statistics: &Statistics, text: &mut Exposition) {
    let mut counter = |name, help, value| text.single(Kind::Counter, name, help, value);
    counter(
        "chatd_messages_total",
        "Messages said in rooms, each counted once.",
        statistics.messages,
    );
    counter(
        "chatd_deliveries_total",
        "Lines of rooms, counted for every receiver.",
        statistics.deliveries_out,
    );
    counter(
        "chatd_received_lines_total",
        "Lines that came in, of all kinds.",
        statistics.lines_in,
    );
    counter(
        "chatd_received_bytes_total",
        "Bytes that came from connections, as they are within TLS.",
        statistics.received_bytes,
    );
    counter(
        "chatd_sent_bytes_total",
        "Bytes that connections took, as they are within TLS.",
        statistics.sent_bytes,
    );
}

fn write_ends(statistics: &Statistics, text: &mut Exposition) {
    let counted = |code: &str| {
        let mut refusals = statistics.refusals.iter();
        let found = refusals.find(|(counted, _)| *counted == code);
        found.map_or(0, |&(_, count)| count)
    };
    text.by_label(
        (
            Kind::Counter,
            "chatd_refusals_total",
            "How often each code of the protocol was said.",
        ),
        "code",
        CODES.map(|code| (code, counted(code))),
    );
    let ends = CloseReason::ALL.into_iter().zip(statistics.ends);
    text.by_label(
        (
            Kind::Counter,
            "chatd_ends_total",
            "Connections that have ended, by reason.",
        ),
        "reason",
        ends.map(|((_, word), count)| (word, count)),
    );
}

/// Where nothing is kept, all of this is 0: so an alert needs not know.
fn write_archive(archive: Option<&StoreStatus>, text: &mut Exposition) {
    let of = |number: fn(&StoreStatus) -> u64| archive.map_or(0, number);
    let lag = archive.map_or(0.0, |archive| in_seconds(archive.behind));
    text.single(
        Kind::Gauge,
        "chatd_archive_lag_seconds",
        "How long ago it was said what the disk is being given now; 0 where nothing is kept.",
        lag,
    );
    text.single(
        Kind::Gauge,
        "chatd_archive_pending_bytes",
        "What waits in memory for the disk.",
        of(|archive| archive.pending_bytes),
    );
    let mut counter = |name, help, value| text.single(Kind::Counter, name, help, value);
    counter(
        "chatd_archive_messages_total",
        "Messages that the disk has taken.",
        of(|archive| archive.kept),
    );
    counter(
        "chatd_archive_errors_total",
        "How often the disk has refused what it was given; it is tried again.",
        of(|archive| archive.failures),
    );
    counter(
        "chatd_archive_lost_total",
        "Messages that were shown and could not be kept.",
        of(|archive| archive.lost),
    );
    counter(
        "chatd_archive_left_out_total",
        "Rows that were left out of what was read, since their checksum is wrong.",
        of(|archive| archive.left_out),
    );
    counter(
        "chatd_archive_put_aside_total",
        "Databases that were damaged and put aside.",
        of(|archive| archive.put_aside),
    );
}
