//! Every bound of the server in one place, with its unit in its name.
//! Not the command line (that is `flags`), and nothing here does anything:
//! the hub and the net layer obey these numbers. Owned by whoever makes a server.

use std::time::Duration;

/// The bounds of one server. All byte counts are in bytes, all `_max` are inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; one more reads `! server-full`.
    pub clients_max: usize,
    /// Connections per IPv4 address or IPv6 /64; 0 is off.
    pub clients_per_address_max: usize,
    /// How long a connection may stay without a name.
    pub name_timeout: Duration,
    /// Silence after which a connection without a name is told what to do.
    pub prompt_timeout: Duration,
    /// Age at which a queued byte that was not taken cuts its connection.
    pub stall_timeout: Duration,
    /// How long the server as a whole drains after SIGTERM.
    pub drain_timeout: Duration,
    /// How long one ended connection may take to read what it is still owed.
    pub flush_timeout: Duration,
    /// How long a closed connection is still read from, so that what the peer sends
    /// does not become a reset that destroys the last line on its way.
    pub linger_timeout: Duration,
    /// Bytes queued for one connection.
    pub outbox_bytes_max: usize,
    /// Bytes of all blocks that any outbox still refers to, each counted once.
    pub outbox_total_bytes_max: usize,
    /// Bytes of a line from a client, without its ending.
    pub line_bytes_max: usize,
    /// Lines a second from one connection; 0 is off.
    pub rate_lines_per_second: u32,
    /// Lines that a connection may send at once before the rate holds it back.
    pub burst_lines_max: u32,
    /// Messages of a room that are kept for those who join.
    pub history_lines_max: usize,
    /// Bytes of those messages.
    pub history_bytes_max: usize,
    /// Members up to which each join and leave is told singly.
    pub roster_members_max: usize,
    /// How often at most a room above `roster_members_max` hears of joins and leaves.
    pub roster_news_interval: Duration,
    /// Names in a welcome; the rest is counted.
    pub welcome_names_max: usize,
    /// Names in the answer to `/who`; the rest is counted.
    pub who_names_max: usize,
    /// Rooms in the answer to `/rooms`; the rest is counted.
    pub rooms_listed_max: usize,
    /// Bytes a room may say in one turn before it is not read from any more in that turn.
    pub block_bytes_max: usize,
    /// Bytes read from one connection in one turn.
    pub read_bytes_max: usize,
    /// Bytes written to one connection in one turn.
    pub write_bytes_max: usize,
    /// Connections accepted in one turn.
    pub accepts_per_turn_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            clients_max: 10_000,
            clients_per_address_max: 0,
            name_timeout: Duration::from_secs(20),
            prompt_timeout: Duration::from_millis(300),
            stall_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(5),
            flush_timeout: Duration::from_secs(5),
            linger_timeout: Duration::from_millis(500),
            outbox_bytes_max: 1 << 20,
            outbox_total_bytes_max: 256 << 20,
            line_bytes_max: 4096,
            rate_lines_per_second: 10,
            burst_lines_max: 100,
            history_lines_max: 20,
            history_bytes_max: 256 << 10,
            roster_members_max: 200,
            roster_news_interval: Duration::from_secs(1),
            welcome_names_max: 20,
            who_names_max: 1000,
            rooms_listed_max: 1000,
            block_bytes_max: 256 << 10,
            read_bytes_max: 4 << 10,
            write_bytes_max: 1 << 20,
            accepts_per_turn_max: 64,
        }
    }
}
