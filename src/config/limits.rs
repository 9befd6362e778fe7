//! Every bound of the server, with its unit in its name, and what follows from one for another.
//! Nothing here does anything: the hub and the net layer obey these numbers. Owned by whoever
//! makes a server.

use std::sync::LazyLock;
use std::time::Duration;

use clap::{Args, Parser};

use super::ranges::{
    ANSWER_BYTES, CLIENTS_MAX, HISTORY_LINES_MAX, LINE_BYTES, NAME_IN_LIST_BYTES, RATE_MAX,
    ROOMS_PER_MEMBER_MAX, TIMEOUT, TIMEOUT_NOT_0,
};
use super::value::{bytes, count, seconds, settings};

settings! {
    /// The bounds of one server. All byte counts are in bytes, all `_max` are inclusive.
    ///
    /// More than twelve fields on purpose: each is a number by itself, read in one place, and a
    /// test that changes one names just that one.
    #[derive(Debug, Clone, PartialEq, Eq, Args)]
    pub struct Limits {
        /// Connections at once; lowered to what the limit of open files allows
        #[arg(long = "max-clients", value_name = "N", default_value = "10000", value_parser = count(1..=CLIENTS_MAX))]
        pub clients_max: usize,

        /// Connections from one IPv4 address or IPv6 /64; 0 is no limit
        #[arg(long = "max-per-address", value_name = "N", default_value = "0", value_parser = count(0..=CLIENTS_MAX))]
        pub clients_per_address_max: usize,

        /// Time to give a name
        #[arg(long, value_name = "S", default_value = "20", value_parser = seconds(TIMEOUT_NOT_0))]
        pub name_timeout: Duration,

        /// A connection that does not take what it is sent for this long is cut
        #[arg(long, value_name = "S", default_value = "10", value_parser = seconds(TIMEOUT_NOT_0))]
        pub stall_timeout: Duration,

        /// What may be queued for one connection before it is cut as too slow
        #[arg(long = "outbox-max", value_name = "BYTES", default_value = "1M", value_parser = bytes(0..=usize::MAX))]
        pub outbox_bytes_max: usize,

        /// What may be queued for all together, a text shared by many counted once; past it, the
        /// connection that is furthest behind is cut
        #[arg(long = "outbox-total-max", value_name = "BYTES", default_value = "256M", value_parser = bytes(0..=usize::MAX))]
        pub outbox_total_bytes_max: usize,

        /// The longest line that is taken
        #[arg(long = "line-max", value_name = "BYTES", default_value = "4096", value_parser = bytes(LINE_BYTES))]
        pub line_bytes_max: usize,

        /// Lines a second from one connection; more are held back, not lost; 0 is no limit
        #[arg(long = "rate", value_name = "N", default_value = "10", value_parser = count(0..=RATE_MAX))]
        pub rate_lines_per_second: u32,

        /// Lines that may come at once before the rate holds back
        #[arg(long = "burst", value_name = "N", default_value = "100", value_parser = count(0..=RATE_MAX))]
        pub burst_lines_max: u32,

        /// What one connection may say a second, in bytes as they leave the server; 0 is no
        /// limit, and there is none without a --rate
        #[arg(long = "byte-rate", value_name = "BYTES", default_value = "16K", value_parser = bytes(0..=usize::MAX))]
        pub byte_rate_bytes_per_second: usize,

        /// What one connection may say at once before the byte rate holds back
        #[arg(long = "byte-burst", value_name = "BYTES", default_value = "256K", value_parser = bytes(0..=usize::MAX))]
        pub byte_burst_bytes_max: usize,

        /// The last messages of a room, kept in memory; who joins is shown the last 20 of them;
        /// 0 is none
        #[arg(long = "history", value_name = "N", default_value = "200", value_parser = count(0..=HISTORY_LINES_MAX))]
        pub history_lines_max: usize,

        /// Memory of all rooms' last messages; past it, rooms that were silent for longest forget
        #[arg(long = "history-total-max", value_name = "BYTES", default_value = "32M", value_parser = bytes(0..=usize::MAX))]
        pub history_total_bytes_max: usize,

        /// Rooms at once
        #[arg(long = "max-rooms", value_name = "N", default_value = "1000", value_parser = count(1..=CLIENTS_MAX))]
        pub rooms_max: usize,

        /// Rooms that one member may be in at once
        #[arg(long = "rooms-per-member", value_name = "N", default_value = "32", value_parser = count(1..=ROOMS_PER_MEMBER_MAX))]
        pub rooms_per_member_max: usize,

        /// Members of a room up to which joins and leaves are announced individually; above, once
        /// a second together
        #[arg(long = "announce-max", visible_alias = "roster-max", value_name = "N", default_value = "200", value_parser = count(0..=CLIENTS_MAX))]
        pub announce_members_max: usize,

        /// Time for everybody to take what is queued when the server stops
        #[arg(long, value_name = "S", default_value = "5", value_parser = seconds(TIMEOUT))]
        pub drain_timeout: Duration,

        /// Silence after which a connection without a name is told what to do. `None` while a door
        /// is open that this would break: whoever connects may be a browser that says nothing yet.
        #[arg(skip = None)]
        pub prompt_timeout: Option<Duration>,

        /// Time for the head of an HTTP request and its body, from when it was accepted.
        #[arg(skip = Duration::from_secs(10))]
        pub http_head_timeout: Duration,

        /// Time to take the answer to an HTTP request.
        #[arg(skip = Duration::from_secs(10))]
        pub http_answer_timeout: Duration,

        /// Connections to `--metrics` at once. Who comes then takes the place of the one that is there
        /// for longest.
        #[arg(skip = 8_usize)]
        pub metrics_clients_max: usize,

        /// Silence after which a WebSocket is asked whether it is still there.
        #[arg(skip = Duration::from_secs(30))]
        pub websocket_ping_interval: Duration,

        /// How often it is asked before its connection counts as lost.
        #[arg(skip = 2_u8)]
        pub websocket_pings_unanswered_max: u8,

        /// How long a frame of a WebSocket may stay unfinished, as a TLS record may.
        #[arg(skip = Duration::from_secs(30))]
        pub websocket_frame_timeout: Duration,

        /// Time to say from where a connection comes, for those of a proxy.
        #[arg(skip = Duration::from_secs(3))]
        pub proxy_timeout: Duration,

        /// Of all places, in percent: when more are taken by connections without a name and none is
        /// free, the one that has been silent for longest makes room.
        #[arg(skip = 25_usize)]
        pub unnamed_share_max_percent: usize,

        /// What all together may have sent that is not handled: unfinished lines and requests, and
        /// lines that are held back. Past it, those go that keep most.
        #[arg(skip = 128_usize << 20)]
        pub unhandled_bytes_max: usize,

        /// Addresses whose posts over HTTP are remembered for the sake of their rate.
        #[arg(skip = 4096_usize)]
        pub post_address_groups_max: usize,

        /// Wrong passwords of one connection, with the last of which it ends.
        #[arg(skip = 3_u32)]
        pub wrong_passwords_max: u32,

        /// Wrong passwords a minute from one address, before none is listened to.
        #[arg(skip = 10_u32)]
        pub wrong_passwords_per_minute_max: u32,

        /// Addresses of which wrong passwords are counted by themselves; others are together.
        #[arg(skip = 16_384_usize)]
        pub wrong_password_groups_max: usize,

        /// Bytes of the message of the day.
        #[arg(skip = 4096_usize)]
        pub motd_bytes_max: usize,

        /// How long one ended connection may take to read what it is still owed.
        #[arg(skip = Duration::from_secs(5))]
        pub flush_timeout: Duration,

        /// How long a closed connection is still read from, so that what the peer sends does not
        /// become a reset that destroys the last line on its way.
        #[arg(skip = Duration::from_millis(500))]
        pub linger_timeout: Duration,

        /// Bytes of the messages of one room that are kept.
        #[arg(skip = 256_usize << 10)]
        pub history_bytes_max: usize,

        /// Messages of those kept that are shown to a member who joins.
        #[arg(skip = 20_usize)]
        pub replay_messages_max: usize,

        /// Messages in one page of the past.
        #[arg(skip = 1000_usize)]
        pub page_messages_max: usize,

        /// Rooms that nobody is in and of which topic and past are remembered, where history is kept
        /// on disk. The one that rests for longest goes first; what was said in it stays on disk.
        #[arg(skip = 0_usize)]
        pub resting_rooms_max: usize,

        /// Bans, and as many mutes beside them.
        #[arg(skip = 10_000_usize)]
        pub bans_max: usize,

        /// Joins and leaves of a room that are announced individually at once, before
        /// `announce_per_second` holds: the size of the token bucket.
        #[arg(skip = 20_u32)]
        pub announce_burst: u32,

        /// Joins and leaves a second of a room that are announced individually: what the token
        /// bucket gets back.
        #[arg(skip = 5_u32)]
        pub announce_per_second: u32,

        /// How often at most a room hears of joins and leaves that are told together.
        #[arg(skip = Duration::from_secs(1))]
        pub churn_interval: Duration,

        /// Names in a welcome in text; the rest is counted.
        #[arg(skip = 20_usize)]
        pub welcome_names_max: usize,

        /// Names in an `entered` in JSON; the rest is counted.
        #[arg(skip = 100_usize)]
        pub entered_names_max: usize,

        /// Names in the answer to `/who`; the rest is counted.
        #[arg(skip = 1000_usize)]
        pub who_names_max: usize,

        /// Rooms in the answer to `/rooms`; the rest is counted.
        #[arg(skip = 1000_usize)]
        pub rooms_listed_max: usize,

        /// Bytes of a room's topic.
        #[arg(skip = 300_usize)]
        pub topic_bytes_max: usize,

        /// Bytes a second of answers to the commands of one connection.
        #[arg(skip = 1_usize << 20)]
        pub answer_bytes_per_second: usize,

        /// Bytes of such answers that may come at once.
        #[arg(skip = 384_usize << 10)]
        pub answer_burst_bytes_max: usize,

        /// Bytes of answers in one turn before further large ones wait for the next.
        #[arg(skip = 256_usize << 10)]
        pub answers_per_turn_bytes_max: usize,

        /// Bytes a room may say in one turn before it is not read from any more in that turn. With
        /// the line that passes it that still fits into 256 KiB: a little more would take twice as
        /// much, and be copied for a reader who is behind.
        #[arg(skip = 240_usize << 10)]
        pub block_bytes_max: usize,

        /// Bytes all rooms may say in one turn before nobody is read from any more in that turn.
        #[arg(skip = 384_usize << 10)]
        pub turn_bytes_max: usize,

        /// Bytes read from one connection in one turn.
        #[arg(skip = 4_usize << 10)]
        pub read_bytes_max: usize,

        /// Bytes written to one connection in one turn.
        #[arg(skip = 1_usize << 20)]
        pub write_bytes_max: usize,

        /// Bytes read from all connections in one turn; a small read counts as more, see the turn.
        #[arg(skip = 4_usize << 20)]
        pub reads_per_turn_bytes_max: usize,

        /// Lines handled in one turn.
        #[arg(skip = 16_usize << 10)]
        pub lines_per_turn_max: usize,

        /// Members who are told something by their rooms in one turn, each counted for each of them:
        /// before further rooms say something, be it who came and went.
        #[arg(skip = 16_usize << 10)]
        pub hearers_per_turn_max: usize,

        /// Bytes written to all connections in one turn; a small write counts as more, see the turn.
        #[arg(skip = 8_usize << 20)]
        pub writes_per_turn_bytes_max: usize,

        /// Sessions looked at in one turn since something is due, connections closed, and sessions
        /// that end, each counted as often as it is in a room: before that, nobody is read from any
        /// more, and the others end in the turns that follow.
        #[arg(skip = 1024_usize)]
        pub ends_per_turn_max: usize,

        /// How long reading, writing and closing may take in one turn, each of them, before what is left
        /// waits for the next.
        #[arg(skip = Duration::from_millis(12))]
        pub turn_part_time_max: Duration,

        /// Operators at the operator's socket at once.
        #[arg(skip = 8_usize)]
        pub operator_seats_max: usize,

        /// What may wait for one of them to read it; past it, that one is cut.
        #[arg(skip = 4_usize << 20)]
        pub operator_outbox_bytes_max: usize,

        /// Bytes of one answer to an operator; what does not fit is counted.
        #[arg(skip = 1_usize << 20)]
        pub operator_answer_bytes_max: usize,

        /// Sockets looked at in one turn for what the kernel holds for them: about 6 µs each.
        #[arg(skip = 256_usize)]
        pub looks_per_turn_max: usize,

        /// Connections accepted in one turn.
        #[arg(skip = 64_usize)]
        pub accepts_per_turn_max: usize,

        /// How long a TLS handshake may take, from the accept on; never longer than a name.
        #[arg(skip = Duration::from_secs(10))]
        pub tls_handshake_timeout: Duration,

        /// Bytes of a TLS handshake from the other side; the largest of browsers are about 2,000.
        /// With the 4 KiB that rustls reads at once this is a power of two, as is what it asks memory
        /// for: a little more would cost twice as much.
        #[arg(skip = 12_usize << 10)]
        pub tls_hello_bytes_max: usize,

        /// How long a TLS record may stay unfinished: it is memory that one connection makes the
        /// server keep.
        #[arg(skip = Duration::from_secs(30))]
        pub tls_record_timeout: Duration,

        /// Bytes that are sealed for one connection at once, as four records: what a reader that has
        /// stopped does not take is memory.
        #[arg(skip = 64_usize << 10)]
        pub tls_seal_bytes_max: usize,

        /// The same for a connection whose other side has acknowledged all before, so that the kernel
        /// has room for them: one write in place of two.
        #[arg(skip = 128_usize << 10)]
        pub tls_seal_drained_bytes_max: usize,

        /// The same for a connection whose socket did not take all of the last, or has room for little.
        /// When it is cut that is copied, and with the rest of a usual line still fits into 8 KiB: a
        /// little more would take twice as much.
        #[arg(skip = 6_usize << 10)]
        pub tls_seal_blocked_bytes_max: usize,

        /// Time that TLS handshakes may take in one turn; what is over it waits for the next.
        #[arg(skip = Duration::from_millis(1))]
        pub tls_handshake_time_per_turn_max: Duration,
    }
}

/// Limits without the other settings.
#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    limits: Limits,
}

impl Default for Limits {
    /// What holds where neither a flag nor the environment says anything.
    fn default() -> Self {
        static DEFAULTS: LazyLock<Limits> = LazyLock::new(|| {
            let alone = Alone::try_parse_from(["chatd"]);
            alone.expect("the defaults are within their bounds").limits
        });
        DEFAULTS.clone()
    }
}

impl Limits {
    /// These limits, with those that no flag sets brought in line with those that one does:
    /// a quarter of an outbox is the most that one turn of a room, the history, or one answer
    /// may put into it, so that no single event overflows a healthy reader.
    #[must_use]
    pub fn with_derived(self) -> Limits {
        let share = self.outbox_bytes_max / 4;
        let listed_max = share / NAME_IN_LIST_BYTES;
        let has_rate = self.rate_lines_per_second > 0;
        Limits {
            block_bytes_max: share.min(240 << 10),
            // Of who hears many rooms, too: then less than half is free, and is not overflowed
            // before anybody is held for it.
            turn_bytes_max: (share + share / 2).min(4 << 20),
            history_bytes_max: share.min(256 << 10),
            who_names_max: listed_max.min(1000),
            rooms_listed_max: listed_max.min(1000),
            // What lies beyond a connection's rate must be kept for it: so where a rate is on,
            // little is read at once.
            read_bytes_max: if has_rate { 4 << 10 } else { 64 << 10 },
            byte_rate_bytes_per_second: self.byte_rate(),
            tls_handshake_timeout: self.name_timeout.min(Duration::from_secs(10)),
            // More than all members hold who are only held to their rate; and never so much that
            // readers are cut for it.
            unhandled_bytes_max: self.outbox_total_bytes_max / 2,
            ..self
        }
    }

    /// Bytes a second that a connection may say; 0 is off. Off, too, where the rate in lines is.
    pub fn byte_rate(&self) -> usize {
        if self.rate_lines_per_second == 0 {
            0
        } else {
            self.byte_rate_bytes_per_second
        }
    }

    /// The smallest outbox that holds, at once, the welcome, the history and a full block with
    /// the line that filled it. Of the outbox these may take a quarter each.
    pub(super) fn outbox_bytes_min(&self) -> usize {
        2 * self.said_bytes_max()
    }

    /// What a line of a client takes at most when it leaves the server, with all that stands
    /// around it: one byte of it may become the three of U+FFFD.
    pub(super) fn said_bytes_max(&self) -> usize {
        3 * self.line_bytes_max + ANSWER_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::super::Contradiction;
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_derived() {
        let limits = Limits::default();
        assert_eq!(Contradiction::check(&limits), Ok(()));
        assert_eq!(limits.clone().with_derived(), limits);
    }

    #[test]
    fn the_smallest_outbox_holds_a_welcome_a_history_and_an_overfull_block() {
        for line_bytes_max in [*LINE_BYTES.start(), 4096, *LINE_BYTES.end()] {
            let mut limits = Limits {
                line_bytes_max,
                ..Limits::default()
            };
            limits.outbox_bytes_max = limits.outbox_bytes_min();
            let limits = limits.with_derived();
            assert_eq!(Contradiction::check(&limits), Ok(()));
            let line_that_filled_it = 3 * line_bytes_max + NAME_IN_LIST_BYTES;
            let welcome = (limits.welcome_names_max + 2) * NAME_IN_LIST_BYTES;
            let most =
                limits.block_bytes_max + limits.history_bytes_max + line_that_filled_it + welcome;
            assert!(most <= limits.outbox_bytes_max, "{limits:?}");
            assert!(limits.who_names_max >= limits.welcome_names_max);
        }
    }

    #[test]
    fn what_depends_on_the_rate_follows_it() {
        let limits = |rate_lines_per_second| {
            let limits = Limits {
                rate_lines_per_second,
                ..Limits::default()
            };
            limits.with_derived()
        };
        // Less is read at once where a rate is on.
        assert_eq!(limits(0).read_bytes_max, 64 << 10);
        assert_eq!(limits(1).read_bytes_max, 4 << 10);
        assert_eq!(limits(0).byte_rate_bytes_per_second, 0);
        assert_eq!(limits(1).byte_rate_bytes_per_second, 16 << 10);
    }

    #[test]
    fn every_contradiction_is_found_and_said_in_one_line() {
        let good = Limits::default;
        #[rustfmt::skip]
        let faults = [
            ("--burst 0", Limits { burst_lines_max: 0, ..good() }),
            ("--byte-burst 16383", Limits { byte_burst_bytes_max: 16_383, ..good() }),
            ("--outbox-max 32767", Limits { outbox_bytes_max: 32_767, ..good() }),
            ("--outbox-total-max 1048575", Limits { outbox_total_bytes_max: (1 << 20) - 1, ..good() }),
            ("--history-total-max 262143", Limits { history_total_bytes_max: (1 << 18) - 1, ..good() }),
        ];
        for (start, limits) in faults {
            let said = Contradiction::check(&limits).expect_err(start).to_string();
            assert!(said.starts_with(start), "{said:?} does not say {start:?}");
            assert!(said.contains("choose"), "{said:?} does not say what to do");
            assert!(!said.contains('\n'), "{said:?} is more than a line");
        }
        #[rustfmt::skip]
        let off = [
            Limits { rate_lines_per_second: 0, burst_lines_max: 0, byte_burst_bytes_max: 0, ..good() },
            Limits { byte_rate_bytes_per_second: 0, byte_burst_bytes_max: 0, ..good() },
            Limits { history_lines_max: 0, history_total_bytes_max: 0, ..good() },
        ];
        for limits in off {
            assert_eq!(Contradiction::check(&limits), Ok(()));
        }
    }
}
