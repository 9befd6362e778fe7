//! Every bound of the server in one place, with its unit in its name, and what else one server
//! is told before it starts. Not the command line (that is `flags`), and nothing here does
//! anything: the hub and the net layer obey these numbers. Owned by whoever makes a server.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use log::LevelFilter;

pub mod address;

/// The longest timeout that may be set. A bound at all, so that an instant plus a timeout
/// always is an instant.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest timeout that may be set where 0 would cut everybody.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// A name has up to 24 characters of up to 4 bytes; a command stands before it.
const LINE_BYTES_MIN: usize = 128;
/// What one connection may make the server keep of an unfinished line.
const LINE_BYTES_MAX: usize = 64 << 10;
/// More would give each line less than the microsecond that it takes anyway.
const RATE_MAX: u32 = 1_000_000;
/// Most systems give a process no more descriptors than this.
const CLIENTS_MAX: usize = 1_000_000;
/// History is for reading, not an archive.
const HISTORY_LINES_MAX: usize = 10_000;
/// A name, at its longest, and what separates it from the next in a list.
const NAME_IN_LIST_BYTES: usize = 100;
/// A welcome, or any other single answer of the server that no limit of its own bounds.
const ANSWER_BYTES: usize = 4 << 10;

/// What one server is told before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to listen. Port 0 lets the kernel choose one.
    pub listen: Vec<SocketAddr>,
    /// Every bound of the server.
    pub limits: Limits,
    /// Print every message on standard output. Set whenever `console` is.
    pub board: bool,
    /// Take lines and commands of the operator from standard input.
    pub console: bool,
    /// The least severe lines that are still logged.
    pub log_level: LevelFilter,
}

impl Config {
    /// Looks for settings that cannot work.
    ///
    /// # Errors
    /// The first fault that was found; its text names the flag and what to choose instead.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.listen.is_empty() {
            return Err(ConfigError::NowhereToListen);
        }
        self.limits.check()
    }
}

/// The settings as flags: one `flag = value` a line, in the order of `--help`. Each value can be
/// given back to its flag: times in seconds, sizes in bytes.
impl fmt::Display for Config {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for address in &self.listen {
            writeln!(to, "listen = {address}")?;
        }
        fmt::Display::fmt(&self.limits, to)?;
        writeln!(to, "board = {}", self.board)?;
        writeln!(to, "console = {}", self.console)?;
        let level = self.log_level.as_str().to_ascii_lowercase();
        writeln!(to, "log-level = {level}")
    }
}

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
    /// Bytes of the messages of all rooms; past it, rooms where nobody has spoken for longest forget.
    pub history_total_bytes_max: usize,
    /// Members up to which each join and leave is told singly.
    pub announce_members_max: usize,
    /// How often at most a room above `announce_members_max` hears of joins and leaves.
    pub churn_interval: Duration,
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
            history_total_bytes_max: 32 << 20,
            announce_members_max: 200,
            churn_interval: Duration::from_secs(1),
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

impl Limits {
    /// These limits, with those that no flag sets brought in line with those that one does:
    /// a quarter of an outbox is the most that one turn of a room, the history, or one answer
    /// may put into it, so that no single event overflows a healthy reader.
    #[must_use]
    pub fn with_derived(self) -> Limits {
        let share = self.outbox_bytes_max / 4;
        let listed_max = share / NAME_IN_LIST_BYTES;
        Limits {
            block_bytes_max: share.min(256 << 10),
            history_bytes_max: share.min(256 << 10),
            who_names_max: listed_max.min(1000),
            rooms_listed_max: listed_max.min(1000),
            // What lies beyond a connection's rate must be kept for it: so where a rate is on,
            // little is read at once.
            read_bytes_max: match self.rate_lines_per_second {
                0 => 64 << 10,
                _ => 4 << 10,
            },
            ..self
        }
    }

    /// Looks for limits that cannot work.
    ///
    /// # Errors
    /// The first fault that was found; its text names the flag and what to choose instead.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_counts()?;
        self.check_timeouts()?;
        if self.rate_lines_per_second > 0 && self.burst_lines_max == 0 {
            return Err(ConfigError::RateWithoutBurst {
                rate_lines_per_second: self.rate_lines_per_second,
            });
        }
        let outbox_bytes_min = self.outbox_bytes_min();
        if self.outbox_bytes_max < outbox_bytes_min {
            return Err(ConfigError::OutboxTooSmall {
                outbox_bytes_max: self.outbox_bytes_max,
                outbox_bytes_min,
                line_bytes_max: self.line_bytes_max,
            });
        }
        if self.outbox_total_bytes_max < self.outbox_bytes_max {
            return Err(ConfigError::TotalBelowSingle {
                outbox_total_bytes_max: self.outbox_total_bytes_max,
                outbox_bytes_max: self.outbox_bytes_max,
            });
        }
        Ok(())
    }

    /// The smallest outbox that holds, at once, the welcome, the history and a full block with
    /// the line that filled it. Of the outbox these may take a quarter each; one byte of a line
    /// may become the three of U+FFFD on its way out.
    fn outbox_bytes_min(&self) -> usize {
        2 * (3 * self.line_bytes_max + ANSWER_BYTES)
    }

    fn check_counts(&self) -> Result<(), ConfigError> {
        let burst_max = RATE_MAX as usize;
        let counts = [
            ("max-clients", self.clients_max, 1, CLIENTS_MAX),
            (
                "line-max",
                self.line_bytes_max,
                LINE_BYTES_MIN,
                LINE_BYTES_MAX,
            ),
            ("rate", self.rate_lines_per_second as usize, 0, burst_max),
            ("burst", self.burst_lines_max as usize, 0, burst_max),
            ("history", self.history_lines_max, 0, HISTORY_LINES_MAX),
        ];
        for (flag, given, min, max) in counts {
            if given < min || given > max {
                return Err(ConfigError::Count {
                    flag,
                    given,
                    min,
                    max,
                });
            }
        }
        Ok(())
    }

    fn check_timeouts(&self) -> Result<(), ConfigError> {
        let timeouts = [
            ("name-timeout", self.name_timeout, TIMEOUT_MIN),
            ("stall-timeout", self.stall_timeout, TIMEOUT_MIN),
            ("drain-timeout", self.drain_timeout, Duration::ZERO),
        ];
        for (flag, given, min) in timeouts {
            if given < min || given > TIMEOUT_MAX {
                return Err(ConfigError::Timeout { flag, given, min });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::as_secs_f64;
        writeln!(to, "max-clients = {}", self.clients_max)?;
        writeln!(to, "max-per-address = {}", self.clients_per_address_max)?;
        writeln!(to, "name-timeout = {}", seconds(&self.name_timeout))?;
        writeln!(to, "stall-timeout = {}", seconds(&self.stall_timeout))?;
        writeln!(to, "outbox-max = {}", self.outbox_bytes_max)?;
        writeln!(to, "outbox-total-max = {}", self.outbox_total_bytes_max)?;
        writeln!(to, "line-max = {}", self.line_bytes_max)?;
        writeln!(to, "rate = {}", self.rate_lines_per_second)?;
        writeln!(to, "burst = {}", self.burst_lines_max)?;
        writeln!(to, "history = {}", self.history_lines_max)?;
        writeln!(to, "roster-max = {}", self.announce_members_max)?;
        writeln!(to, "drain-timeout = {}", seconds(&self.drain_timeout))
    }
}

/// A setting that cannot work. Shown as one plain line: which flag, what was given, what to
/// choose instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// No address at all.
    NowhereToListen,
    /// A number outside its bounds, which are inclusive.
    Count {
        /// The flag, without its dashes.
        flag: &'static str,
        /// What was given.
        given: usize,
        /// The smallest that works.
        min: usize,
        /// The largest that works.
        max: usize,
    },
    /// A time outside its bounds.
    Timeout {
        /// The flag, without its dashes.
        flag: &'static str,
        /// What was given.
        given: Duration,
        /// The shortest that works.
        min: Duration,
    },
    /// A rate that never lets a line through.
    RateWithoutBurst {
        /// The rate that was given.
        rate_lines_per_second: u32,
    },
    /// An outbox that one welcome or one block overflows.
    OutboxTooSmall {
        /// What was given.
        outbox_bytes_max: usize,
        /// What it takes.
        outbox_bytes_min: usize,
        /// The line length for which it takes that.
        line_bytes_max: usize,
    },
    /// All outboxes together hold less than a single one may.
    TotalBelowSingle {
        /// What was given for all.
        outbox_total_bytes_max: usize,
        /// What was given for one.
        outbox_bytes_max: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::NowhereToListen => {
                write!(
                    to,
                    "there is no address to listen on: give one with --listen"
                )
            }
            ConfigError::Count {
                flag,
                given,
                min,
                max,
            } => write!(
                to,
                "--{flag} {given} is out of bounds: choose {min} to {max}"
            ),
            ConfigError::Timeout { flag, given, min } => write!(
                to,
                "--{flag} {} is out of bounds: choose {} to {} seconds",
                given.as_secs_f64(),
                min.as_secs_f64(),
                TIMEOUT_MAX.as_secs_f64(),
            ),
            ConfigError::RateWithoutBurst {
                rate_lines_per_second,
            } => write!(
                to,
                "--burst 0 with --rate {rate_lines_per_second} lets no line through: \
                 choose a burst of 1 or more, or --rate 0 for no limit"
            ),
            ConfigError::OutboxTooSmall {
                outbox_bytes_max,
                outbox_bytes_min,
                line_bytes_max,
            } => write!(
                to,
                "--outbox-max {outbox_bytes_max} is too small for lines of {line_bytes_max} bytes: \
                 choose {outbox_bytes_min} or more, or a smaller --line-max"
            ),
            ConfigError::TotalBelowSingle {
                outbox_total_bytes_max,
                outbox_bytes_max,
            } => write!(
                to,
                "--outbox-total-max {outbox_total_bytes_max} is less than the {outbox_bytes_max} \
                 of --outbox-max for a single connection: choose {outbox_bytes_max} or more"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_derived() {
        let limits = Limits::default();
        assert_eq!(limits.check(), Ok(()));
        assert_eq!(limits.clone().with_derived(), limits);
    }

    #[test]
    fn the_smallest_outbox_holds_a_welcome_a_history_and_an_overfull_block() {
        for line_bytes_max in [LINE_BYTES_MIN, 4096, LINE_BYTES_MAX] {
            let mut limits = Limits {
                line_bytes_max,
                ..Limits::default()
            };
            limits.outbox_bytes_max = limits.outbox_bytes_min();
            let limits = limits.with_derived();
            assert_eq!(limits.check(), Ok(()));
            let line_that_filled_it = 3 * line_bytes_max + NAME_IN_LIST_BYTES;
            let welcome = (limits.welcome_names_max + 2) * NAME_IN_LIST_BYTES;
            let most =
                limits.block_bytes_max + limits.history_bytes_max + line_that_filled_it + welcome;
            assert!(most <= limits.outbox_bytes_max, "{limits:?}");
            assert!(limits.who_names_max >= limits.welcome_names_max);
        }
    }

    #[test]
    fn less_is_read_at_once_where_a_rate_is_on() {
        let limits = |rate_lines_per_second| {
            Limits {
                rate_lines_per_second,
                ..Limits::default()
            }
            .with_derived()
        };
        assert_eq!(limits(0).read_bytes_max, 64 << 10);
        assert_eq!(limits(1).read_bytes_max, 4 << 10);
    }

    #[test]
    fn every_fault_is_found_and_said_in_one_line() {
        let good = Limits::default;
        let second = Duration::from_secs(1);
        #[rustfmt::skip]
        let faults = [
            ("--max-clients 0", Limits { clients_max: 0, ..good() }),
            ("--max-clients 2000000", Limits { clients_max: 2_000_000, ..good() }),
            ("--line-max 127", Limits { line_bytes_max: 127, ..good() }),
            ("--line-max 65537", Limits { line_bytes_max: 65_537, ..good() }),
            ("--rate 1000001", Limits { rate_lines_per_second: 1_000_001, ..good() }),
            ("--burst 1000001", Limits { burst_lines_max: 1_000_001, ..good() }),
            ("--burst 0", Limits { burst_lines_max: 0, ..good() }),
            ("--history 10001", Limits { history_lines_max: 10_001, ..good() }),
            ("--name-timeout 0", Limits { name_timeout: Duration::ZERO, ..good() }),
            ("--name-timeout 86401", Limits { name_timeout: TIMEOUT_MAX + second, ..good() }),
            ("--stall-timeout 0", Limits { stall_timeout: Duration::ZERO, ..good() }),
            ("--drain-timeout 86401", Limits { drain_timeout: TIMEOUT_MAX + second, ..good() }),
            ("--outbox-max 32767", Limits { outbox_bytes_max: 32_767, ..good() }),
            ("--outbox-total-max 1048575", Limits { outbox_total_bytes_max: (1 << 20) - 1, ..good() }),
        ];
        for (start, limits) in faults {
            let said = limits.check().expect_err(start).to_string();
            assert!(said.starts_with(start), "{said:?} does not say {start:?}");
            assert!(said.contains("choose"), "{said:?} does not say what to do");
            assert!(!said.contains('\n'), "{said:?} is more than a line");
        }
        assert_eq!(
            Limits {
                burst_lines_max: 0,
                rate_lines_per_second: 0,
                ..good()
            }
            .check(),
            Ok(())
        );
    }

    #[test]
    fn a_config_without_an_address_is_a_fault() {
        let config = Config {
            listen: Vec::new(),
            limits: Limits::default(),
            board: false,
            console: false,
            log_level: LevelFilter::Info,
        };
        assert_eq!(config.check(), Err(ConfigError::NowhereToListen));
    }
}
