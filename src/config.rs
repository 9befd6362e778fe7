//! The settings of the server, said once: each field below, and in `limits`, is with its
//! attributes the flag, the variable in the environment (its name follows from the flag's), the
//! default, the bounds and the help; the server uses the fields, and `--check` prints them.
//! Nothing here does anything with them. Owned by `main`, which reads them once.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, CommandFactory, Parser};
use ipnet::IpNet;
use log::LevelFilter;

pub mod address;
mod command_line;
mod contradiction;
mod limits;
mod ranges;
mod value;

use address::ListenAddress;
pub use command_line::NoConfig;
pub use contradiction::Contradiction;
pub use limits::Limits;
pub use value::{Age, Switch, TlsMode};
use value::{Setting, age, bytes, log_level, network, settings};

/// What the operator's socket is called in the folder that a service manager has made.
const OPERATOR_SOCKET: &str = "operator";

const AFTER_HELP: &str = "\
BYTES may end in K, M or G (256K, 1M). S is in seconds and may have a fraction (0.5).
Every flag can also be set in the environment: --max-clients as CHATD_MAX_CLIENTS, and so on;
--listen as CHATD_LISTEN with commas between addresses. The flag wins. Other variables whose name
starts with CHATD_ are refused.

Exit codes: 0 stopped cleanly, 2 wrong usage, 69 cannot listen or poll, 70 internal fault,
78 bad settings.
Signals: SIGTERM and SIGINT drain and stop, a second one stops at once; SIGHUP re-reads what can
be re-read; SIGUSR1 logs one line of statistics.

Try it: start chatd, then `nc 127.0.0.1 5001` in two other terminals.";

/// Rooms that nobody is in and that are remembered where history is kept; more are on disk alone.
const RESTING_ROOMS_MAX: usize = 10_000;
/// How long messages may be kept: what is kept for less than a minute is no history.
const KEEP_AGE: RangeInclusive<Age> =
    Age(Duration::from_secs(60))..=Age(Duration::from_secs(36_500 * 24 * 60 * 60));
/// A database smaller than this has no room for its own pages.
const KEEP_BYTES: RangeInclusive<usize> = 1 << 20..=1 << 46;

/// Who says nothing for so long is told what to do, where only people connect.
const PROMPT_TIMEOUT: Duration = Duration::from_millis(300);

settings! {
    /// What one server is told before it starts. A plain value: [`Config::read`] makes it.
    #[derive(Debug, Clone, PartialEq, Eq, Parser)]
    #[command(
        name = "chatd",
        version,
        max_term_width = 100,
        about = "A group-chat server: one process, one event loop, one port. Nothing needs to be set.",
        after_help = AFTER_HELP
    )]
    pub struct Config {
        /// Where to listen; may be repeated. ADDR is an IPv4 address, an IPv6 address in brackets,
        /// or a host name for all of its addresses; PORT 0 picks one. Sockets that a service
        /// manager hands in are used instead
        #[arg(long, value_name = "ADDR:PORT", value_delimiter = ',', default_value = "127.0.0.1:5001")]
        pub listen: Vec<ListenAddress>,

        /// Every bound of the server.
        #[command(flatten)]
        pub limits: Limits,

        /// Where what outlives the process is kept: what was said, topics, the server's own
        /// certificate. Under systemd it is $STATE_DIRECTORY unless this says otherwise; without
        /// one nothing is kept
        #[arg(long, value_name = "DIR")]
        pub data: Option<PathBuf>,

        /// How long what was said is kept in --data, in days (90d), hours (12h), minutes (30m) or
        /// seconds
        #[arg(long, value_name = "AGE", default_value = "90d", value_parser = age(KEEP_AGE))]
        pub keep: Age,

        /// How much of it is kept, in bytes of the file; beyond, the oldest is forgotten
        #[arg(long, value_name = "BYTES", default_value = "1G", value_parser = bytes(KEEP_BYTES))]
        pub keep_bytes: usize,

        /// Only these rooms exist, beside the lobby, and all the time; may be repeated. Without it rooms
        /// are made by those who enter them
        #[arg(long, value_name = "ROOM", value_delimiter = ',')]
        pub rooms: Vec<String>,

        /// Who enters, posts or reads must know what the first line of this file says. Read again on
        /// SIGHUP
        #[arg(long, value_name = "FILE")]
        pub password_file: Option<PathBuf>,

        /// What this file says is told to who enters. Read again on SIGHUP
        #[arg(long, value_name = "FILE")]
        pub motd_file: Option<PathBuf>,

        /// TLS on the same port; `only` turns plain connections away, loopback excepted
        #[arg(long, value_name = "MODE", default_value = "on")]
        pub tls: TlsMode,

        /// The certificate and those that it hangs on, in PEM; without it a certificate of one's own
        /// is made and kept in --data. Read again on SIGHUP
        #[arg(long, value_name = "FILE", requires = "tls_key")]
        pub tls_cert: Option<PathBuf>,

        /// The certificate's private key, in PEM; may be the same file
        #[arg(long, value_name = "FILE", requires = "tls_cert")]
        pub tls_key: Option<PathBuf>,
        /// The page, the WebSocket and posts over HTTP, on the same port
        #[arg(long, value_name = "SWITCH", default_value = "on")]
        pub web: Switch,

        /// A name by which browsers may reach the page, beside addresses, localhost and the
        /// machine's name; may be repeated
        #[arg(long = "web-name", value_name = "NAME", value_delimiter = ',')]
        pub web_names: Vec<String>,

        /// Addresses of proxies, as ADDR or ADDR/BITS; may be repeated. Connections from there must
        /// begin with a PROXY header (version 1 or 2), and the address in it counts
        #[arg(long = "proxy-from", value_name = "NET", value_delimiter = ',', value_parser = network())]
        pub proxy_from: Vec<IpNet>,

        /// Where to be asked for metrics, in Prometheus' text format at /metrics, and for /healthz. No
        /// password and no TLS there: choose an address that only monitoring reaches
        #[arg(long, value_name = "ADDR:PORT")]
        pub metrics: Option<ListenAddress>,

        /// Print every message on standard output: the bulletin board
        #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, value_name = "BOOL",
            default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new())]
        pub board: bool,

        /// The operator's seat: --board, and what is typed is said to all rooms; /who, /rooms,
        /// /kick NAME, /stats, /quit; /help says more
        #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, value_name = "BOOL",
            default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new())]
        pub console: bool,

        /// The operator's seat as a Unix socket at PATH, for chat-client --operator and nc -U; nobody
        /// else may open it (mode 0600). Under systemd it is $RUNTIME_DIRECTORY/operator unless this
        /// says otherwise
        #[arg(long, value_name = "PATH")]
        pub operator_socket: Option<PathBuf>,

        /// What is logged on standard error; never the text of messages
        #[arg(long, value_name = "L", default_value = "info", value_parser = log_level())]
        pub log_level: LevelFilter,

        /// Check the settings, print them and exit: 0, or 78 with the fault
        #[arg(long, value_parser = BoolishValueParser::new())]
        pub check: bool,
    }
}

impl Config {
    /// What the command line and the environment of this process ask for, checked.
    ///
    /// # Errors
    /// When that is no settings, or they cannot work; also when help or the version is asked for.
    pub fn read() -> Result<Config, NoConfig> {
        let config: Config = command_line::read()?;
        let mut config = config.effective();
        if config.data.is_none() {
            config.data = command_line::state_directory();
        }
        if config.operator_socket.is_none() {
            let folder = command_line::runtime_directory();
            config.operator_socket = folder.map(|folder| folder.join(OPERATOR_SOCKET));
        }
        if config.data.is_some() {
            config.limits.resting_rooms_max = RESTING_ROOMS_MAX;
        }
        let checked = Contradiction::check(&config.limits);
        checked.map_err(|error| NoConfig::Settings(error.to_string()))?;
        Ok(config)
    }

    /// With what follows from one setting for another.
    fn effective(self) -> Config {
        let has_people_alone = self.web == Switch::Off && self.tls == TlsMode::Off;
        let prompt_timeout = has_people_alone.then_some(PROMPT_TIMEOUT);
        let limits = Limits {
            prompt_timeout,
            ..self.limits
        };
        Config {
            limits: limits.with_derived(),
            board: self.board || self.console,
            ..self
        }
    }
}

/// The settings as flags: one `flag = value` a line, in the order of `--help`, and one for each
/// value of a list. Each value can be given back to its flag: times in seconds, sizes in bytes.
impl fmt::Display for Config {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = Vec::new();
        self.show("chatd", &mut fields);
        for flag in Config::command().get_arguments() {
            // What takes no value is no setting: --check.
            let is_setting = flag.get_action().takes_values();
            let field = fields.iter().find(|(field, _)| flag.get_id() == field);
            let (Some(long), Some((_, values)), true) = (flag.get_long(), field, is_setting) else {
                continue;
            };
            for value in values {
                writeln!(to, "{long} = {value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The environment of the test run is left out of it.
    fn parse<T: AsRef<str>>(flags: &[T]) -> Config {
        let flags = flags.iter().map(AsRef::as_ref);
        let config = Config::try_parse_from(["chatd"].into_iter().chain(flags));
        config.expect("good flags").effective()
    }

    #[test]
    fn without_flags_everything_is_its_default() {
        let config = parse::<&str>(&[]);
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.log_level, LevelFilter::Info);
        assert_eq!(
            config.listen,
            ["127.0.0.1:5001".parse().expect("an address")]
        );
        assert!(!config.board && !config.console && !config.check);
    }

    #[test]
    fn the_console_is_a_board_too() {
        assert!(parse(&["--console"]).board);
        assert!(!parse(&["--console=no"]).board);
    }

    #[test]
    fn what_is_printed_gives_the_same_settings_again() {
        for seed in 0..2000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut flags = random_flags(&mut rng);
            if rng.bool() {
                let paths = [
                    "--data=/a b",
                    "--tls-cert=c.pem",
                    "--tls-key=ä/k.pem",
                    "--password-file=p",
                    "--motd-file=/m=",
                    "--operator-socket=o",
                ];
                flags.extend(paths.map(str::to_owned));
            }
            let config = parse(&flags);
            let printed = config.to_string();
            let again: Vec<String> = printed
                .lines()
                .map(|line| format!("--{}", line.replacen(" = ", "=", 1)))
                .collect();
            assert_eq!(
                parse(&again),
                config,
                "seed {seed}: {flags:?} is\n{printed}"
            );
        }
    }

    /// About half of the flags, each with a value within its bounds, however it is written.
    fn random_flags(rng: &mut fastrand::Rng) -> Vec<String> {
        let mut given = Vec::new();
        for flag in Config::command().get_arguments() {
            let Some(names) = flag.get_long_and_visible_aliases() else {
                continue;
            };
            let kind = flag.get_value_names().map_or("", |names| names[0].as_str());
            let mut among = |values: &[&str]| rng.choice(values).expect("values").to_string();
            let value = match kind {
                "N" => rng.u32(1..=1000).to_string(),
                "S" => (rng.f64() + 0.001).to_string(),
                "BYTES" if names.contains(&"keep-bytes") => among(&["1M", "2g"]),
                "AGE" => among(&["90d", "36h", "61"]),
                "BYTES" => among(&["128", "4096", "64k", "3K", "65535"]),
                "BOOL" => among(&["true", "no", "on", "0"]),
                "NET" => among(&["10.0.0.0/8", "127.0.0.1", "fd00::/8,::1"]),
                "SWITCH" => among(&["on", "off"]),
                "NAME" => among(&["chat.example", "a.example,b.example"]),
                "ROOM" => among(&["ops", "ops,dev"]),
                "L" => among(&["off", "info", "trace"]),
                "MODE" => among(&["on", "off", "only"]),
                // A certificate and its key come together or not at all.
                "DIR" | "FILE" | "PATH" => continue,
                "ADDR:PORT" if names.contains(&"metrics") => among(&["[::1]:1", "a:2"]),
                "ADDR:PORT" => among(&["[::1]:1", "a:2,127.0.0.1:3 , b:4", "[fe80::1%eth0]:5"]),
                "CHECK" => continue,
                other => panic!("no values of the kind {other}"),
            };
            let name = rng.choice(names).expect("a name");
            if rng.bool() {
                given.push(format!("--{name}={value}"));
            }
        }
        given
    }

    #[test]
    fn every_flag_with_a_value_is_printed() {
        let paths = [
            "--data=d",
            "--tls-cert=c",
            "--tls-key=k",
            "--operator-socket=o",
            "--metrics=a:1",
            "--password-file=p",
            "--motd-file=m",
        ];
        let printed = parse(&paths).to_string();
        for flag in Config::command().get_arguments() {
            let long = flag.get_long().expect("a flag has a name");
            let is_printed = printed
                .lines()
                .any(|line| line.starts_with(&format!("{long} = ")));
            // What is a list may be empty.
            let is_setting = !["check", "proxy-from", "rooms", "web-name"].contains(&long);
            assert_eq!(is_printed, is_setting, "--{long}");
        }
    }
}
