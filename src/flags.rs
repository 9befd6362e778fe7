//! The command line of `chatd` and its environment: flags → `Config`. Not whether the settings
//! make sense together (that is `config`). Owned by `main`, which reads it once.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser};
use log::LevelFilter;

use crate::config::{Config, Limits};
use crate::net::address::ListenAddress;

const AFTER_HELP: &str = "\
BYTES may end in K, M or G (256K, 1M). S is in seconds and may have a fraction (0.5).
Every flag can also be set in the environment: --max-clients as CHATD_MAX_CLIENTS, and so on;
--listen as CHATD_LISTEN with commas between addresses. The flag wins.

Exit codes: 0 stopped cleanly, 2 wrong usage, 69 cannot listen or poll, 70 internal fault,
78 bad settings.
Signals: SIGTERM and SIGINT drain and stop, a second one stops at once; SIGHUP re-reads what can
be re-read; SIGUSR1 logs one line of statistics.

Try it: start chatd, then `nc 127.0.0.1 5001` in two other terminals.";

/// What was asked for. Every field is a flag of the same name.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "chatd",
    version,
    max_term_width = 100,
    about = "A group-chat server: one process, one thread, one port. Nothing needs to be set.",
    after_help = AFTER_HELP
)]
pub struct Flags {
    /// Where to listen; may be repeated. ADDR is an IPv4 address, an IPv6 address in brackets, or
    /// a host name for all of its addresses; PORT 0 picks one. Sockets that a service manager
    /// hands in are used instead
    #[arg(
        long,
        env = "CHATD_LISTEN",
        value_name = "ADDR:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:5001"
    )]
    pub listen: Vec<ListenAddress>,

    /// Connections at once; lowered to what the limit of open files allows
    #[arg(long, env = "CHATD_MAX_CLIENTS", value_name = "N", default_value = "10000", value_parser = number::<usize>)]
    pub max_clients: usize,

    /// Connections from one IPv4 address or IPv6 /64; 0 is no limit
    #[arg(long, env = "CHATD_MAX_PER_ADDRESS", value_name = "N", default_value = "0", value_parser = number::<usize>)]
    pub max_per_address: usize,

    /// Time to give a name
    #[arg(long, env = "CHATD_NAME_TIMEOUT", value_name = "S", default_value = "20", value_parser = seconds)]
    pub name_timeout: Duration,

    /// A connection that does not take what it is sent for this long is cut
    #[arg(long, env = "CHATD_STALL_TIMEOUT", value_name = "S", default_value = "10", value_parser = seconds)]
    pub stall_timeout: Duration,

    /// What may be queued for one connection before it is cut as too slow
    #[arg(long, env = "CHATD_OUTBOX_MAX", value_name = "BYTES", default_value = "1M", value_parser = bytes)]
    pub outbox_max: usize,

    /// What may be queued for all together, a text shared by many counted once; past it, who is
    /// furthest behind is cut
    #[arg(long, env = "CHATD_OUTBOX_TOTAL_MAX", value_name = "BYTES", default_value = "256M", value_parser = bytes)]
    pub outbox_total_max: usize,

    /// The longest line that is taken
    #[arg(long, env = "CHATD_LINE_MAX", value_name = "BYTES", default_value = "4096", value_parser = bytes)]
    pub line_max: usize,

    /// Lines a second from one connection; more are held back, not lost; 0 is no limit
    #[arg(long, env = "CHATD_RATE", value_name = "N", default_value = "10", value_parser = number::<u32>)]
    pub rate: u32,

    /// Lines that may come at once before the rate holds back
    #[arg(long, env = "CHATD_BURST", value_name = "N", default_value = "100", value_parser = number::<u32>)]
    pub burst: u32,

    /// The last messages of a room, in memory, shown to who joins; 0 is none
    #[arg(long, env = "CHATD_HISTORY", value_name = "N", default_value = "20", value_parser = number::<usize>)]
    pub history: usize,

    /// Members of a room up to which each join and leave is told singly; above, once a second
    /// together
    #[arg(long, env = "CHATD_ROSTER_MAX", value_name = "N", default_value = "200", value_parser = number::<usize>)]
    pub roster_max: usize,

    /// Time for everybody to take what is queued when the server stops
    #[arg(long, env = "CHATD_DRAIN_TIMEOUT", value_name = "S", default_value = "5", value_parser = seconds)]
    pub drain_timeout: Duration,

    /// Print every message on standard output: the bulletin board
    #[arg(long, env = "CHATD_BOARD", value_parser = BoolishValueParser::new())]
    pub board: bool,

    /// The operator's seat: --board, and what is typed is said to all rooms; /who, /rooms,
    /// /kick NAME, /stats, /quit; /help says more
    #[arg(long, env = "CHATD_CONSOLE", value_parser = BoolishValueParser::new())]
    pub console: bool,

    /// What is logged on standard error; never the text of messages
    #[arg(long, env = "CHATD_LOG_LEVEL", value_name = "L", default_value = "info", value_parser = log_level())]
    pub log_level: LevelFilter,

    /// Check the settings, print them and exit: 0, or 78 with the fault
    #[arg(long, env = "CHATD_CHECK", value_parser = BoolishValueParser::new())]
    pub check: bool,
}

impl Flags {
    /// What the command line and the environment of this process ask for.
    ///
    /// # Errors
    /// Also when help or the version is asked for: see [`clap::Error::use_stderr`].
    pub fn read() -> Result<Flags, clap::Error> {
        let command = Flags::command().mut_args(|flag| {
            let takes_a_value = flag.get_action().takes_values();
            // How a flag is called in the environment is said once, at the end, instead of at every
            // flag. And `--rate -1` is a wrong value, not an unknown flag `-1`.
            flag.hide_env(true).allow_negative_numbers(takes_a_value)
        });
        Flags::from_arg_matches(&command.try_get_matches()?)
    }

    /// The settings, where `listen` is what the addresses have turned out to be.
    pub fn config(&self, listen: Vec<SocketAddr>) -> Config {
        let limits = Limits {
            clients_max: self.max_clients,
            clients_per_address_max: self.max_per_address,
            name_timeout: self.name_timeout,
            stall_timeout: self.stall_timeout,
            drain_timeout: self.drain_timeout,
            outbox_bytes_max: self.outbox_max,
            outbox_total_bytes_max: self.outbox_total_max,
            line_bytes_max: self.line_max,
            rate_lines_per_second: self.rate,
            burst_lines_max: self.burst,
            history_lines_max: self.history,
            roster_members_max: self.roster_max,
            ..Limits::default()
        };
        Config {
            listen,
            limits: limits.with_derived(),
            board: self.board || self.console,
            console: self.console,
            log_level: self.log_level,
        }
    }
}

/// A fault of usage in one line: what clap says in a paragraph, without its usage, and with the
/// variable that it came from.
pub fn one_line(error: &clap::Error) -> String {
    let said = error.render().to_string();
    let words = said
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
        .replace("; [", " [");
    let words = words.strip_prefix("error: ").unwrap_or(&words);
    match variable_at_fault(error) {
        Some(variable) => format!("{words} (from {variable}); see chatd --help"),
        None => format!("{words}; see chatd --help"),
    }
}

/// The variable of the environment that holds the value at fault, if it is one that does.
#[expect(
    clippy::disallowed_methods,
    reason = "settings come from the environment"
)]
fn variable_at_fault(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.as_str()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg)?.split(' ').next()?;
    let value = text(ContextKind::InvalidValue)?;
    let variable = variable_of(flag.strip_prefix("--")?);
    let held = std::env::var(&variable).ok()?;
    held.split(',')
        .any(|part| part == value)
        .then_some(variable)
}

/// The name that a flag has in the environment.
fn variable_of(long: &str) -> String {
    format!("CHATD_{}", long.to_uppercase().replace('-', "_"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, NotThat> {
    text.parse()
        .map_err(|_| NotThat("give a whole number, such as 100"))
}

fn seconds(text: &str) -> Result<Duration, NotThat> {
    let fault = NotThat("give a number of seconds, such as 20 or 0.5");
    let seconds = text.parse().map_err(|_| fault)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| fault)
}

fn bytes(text: &str) -> Result<usize, NotThat> {
    let fault = NotThat("give a number of bytes, such as 4096, 256K or 1M");
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number: usize = digits.parse().map_err(|_| fault)?;
    number.checked_mul(1 << shift).ok_or(fault)
}

fn log_level() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["off", "error", "warn", "info", "debug", "trace"])
        .try_map(|level| level.parse::<LevelFilter>())
}

/// A value that cannot be read: what to give instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotThat(&'static str);

impl fmt::Display for NotThat {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.0)
    }
}

impl std::error::Error for NotThat {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_its_variable() {
        for flag in Flags::command().get_arguments() {
            let long = flag.get_long().expect("a flag has a name");
            let variable = variable_of(long);
            let found = flag.get_env().map(|name| name.to_string_lossy());
            assert_eq!(found.as_deref(), Some(variable.as_str()), "--{long}");
        }
    }

    #[test]
    fn without_flags_the_limits_are_the_defaults() {
        // The environment of the test run is left out of it.
        let command = Flags::command().mut_args(|flag| flag.env(None::<&str>));
        let matches = command.get_matches_from(["chatd"]);
        let flags = Flags::from_arg_matches(&matches).expect("no flags");
        let config = flags.config(Vec::new());
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.log_level, LevelFilter::Info);
        assert_eq!(
            flags.listen,
            ["127.0.0.1:5001".parse().expect("an address")]
        );
        assert!(!config.board && !config.console && !flags.check);
    }

    #[test]
    fn the_console_is_a_board_too() {
        let flags = Flags::parse_from(["chatd", "--console"]);
        assert!(flags.config(Vec::new()).board);
    }

    #[test]
    fn sizes_and_times_are_read() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("256K"), Ok(256 << 10));
        assert_eq!(bytes("1m"), Ok(1 << 20));
        assert_eq!(bytes("2G"), Ok(2 << 30));
        for wrong in ["", "K", "1.5M", "-1", "1KB", "20000000000G", "1 M", "١"] {
            assert!(bytes(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(seconds("20"), Ok(Duration::from_secs(20)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", "-1", "inf", "NaN", "1e300", "20s"] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
    }
}
