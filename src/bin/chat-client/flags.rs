//! The command line of `chat-client`: what may stand there, what it means, and `--help`.
//! Nothing is done here. Owned by the binary.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ColorChoice, Parser};

use crate::tls::parse_key;

const ABOUT: &str = "Chat on a chatd server, from a terminal or a script";

const MORE_HELP: &str = "\
Leaving: /quit, exit or end alone on a line, Ctrl-D, Ctrl-C. /help lists the commands; //text says /text.

Where standard input or output is not a terminal, lines of input are said, all of them and as they
are; lines of the room go to standard output, one each, and nothing else does; refusals and the
state of the link go to standard error. At the end of input it waits until everything is answered,
then leaves.

Settings: $XDG_CONFIG_HOME/chat-client/config.toml, or ~/.config/…; flags win. For instance:
  server = \"work\"       # where to go without HOST
  name = \"ann\"
  history = true         # keep what is typed over sittings; also bell, color, quiet, log
  [servers.work]         # chat-client work
  server = \"chat.example.org:5001\"
  tls = true             # also tls-ca, tls-pin
  rooms = [\"lobby\", \"dev\"]

Exit: 0 left and everything said, 1 link lost or perhaps not all said, 2 usage, 69 cannot connect,
76 the server speaks something else, 77 refused, also when any line of a pipe was, or not trusted.";

/// Chat from a terminal or a script: a field for each flag.
#[derive(Debug, Parser)]
#[command(name = "chat-client", version, about = ABOUT, after_help = MORE_HELP)]
pub struct Flags {
    /// The server, as it was told.
    #[arg(
        value_name = "HOST[:PORT]",
        help = "The server, or its name in the settings file; without it the one of the settings file, \
                else 127.0.0.1:5001. An IPv6 address with a port stands in brackets: [::1]:5001"
    )]
    pub server: Option<String>,

    /// Your name in the chat; without it you are asked at a terminal, else it is $LOGNAME or $USER
    #[arg(value_parser = parse_name)]
    pub name: Option<String>,

    /// Say exactly TEXT without entering the room, print `delivered in 0.31 ms` and exit; `-` says
    /// each line of standard input. A name that is taken becomes NAME-2, NAME-3 …
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = parse_text)]
    pub send: Option<String>,

    /// The room to be in, or to say it in; may be repeated
    #[arg(long, value_name = "ROOM", value_parser = parse_name)]
    pub room: Vec<String>,

    /// TLS. A certificate that no known authority has signed is shown once at a terminal, and then
    /// remembered in $XDG_STATE_HOME/chat-client/known_servers; a changed key is refused
    #[arg(long)]
    pub tls: bool,

    /// TLS with a server whose certificate is signed by an authority in FILE (PEM), and no other
    #[arg(long, value_name = "FILE", conflicts_with = "tls_pin")]
    pub tls_ca: Option<PathBuf>,

    /// TLS with the server whose public key has this SHA-256, whatever its certificate says
    #[arg(long, value_name = "SHA256", value_parser = parse_key)]
    pub tls_pin: Option<String>,

    /// The password of the server, which is the first line of FILE; else it is $CHAT_PASSWORD, or you
    /// are asked at a terminal
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Leave out what was said before
    #[arg(long)]
    pub no_history: bool,

    /// The operator's seat of a running chatd, by its socket (chatd --operator-socket)
    #[arg(long, value_name = "PATH",
        conflicts_with_all = ["server", "send", "room", "tls", "tls_ca", "tls_pin", "password_file", "commands"])]
    pub operator: Option<PathBuf>,

    /// Exit with 1 when the link is lost, instead of coming back
    #[arg(long)]
    pub no_reconnect: bool,

    /// Show the round trip under each own message
    #[arg(long)]
    pub rtt: bool,

    /// Do not ring the terminal's bell when somebody calls you by name or says something to you alone
    #[arg(long)]
    pub no_bell: bool,

    /// In a pipe, lines that start with / are commands, and exit and end leave. Without it a pipe
    /// says everything: whoever writes to your log must not steer your bridge
    #[arg(long, conflicts_with = "send")]
    pub commands: bool,

    /// Print the server's lines of JSON, and send those of standard input; see docs/protocol.md
    #[arg(long, conflicts_with_all = ["send", "commands"])]
    pub json: bool,

    /// Append what is shown to FILE, with dates
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// When to use colours: auto, the default, is off for pipes, dumb terminals and where NO_COLOR is set
    #[arg(long, value_name = "WHEN")]
    pub color: Option<ColorChoice>,

    /// The server; set once the settings file is read.
    #[arg(skip)]
    pub address: Address,

    /// Whether the lines that are typed are kept over sittings: a setting alone.
    #[arg(skip)]
    pub keeps_history: bool,

    /// Whether who comes and goes is not shown: a setting alone.
    #[arg(skip)]
    pub is_quiet: bool,
}

/// A server: a host name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As the resolver takes it: without brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

const DEFAULT_PORT: u16 = 5001;

impl Default for Address {
    fn default() -> Self {
        let (host, port) = ("127.0.0.1".to_owned(), DEFAULT_PORT);
        Address { host, port }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return Err("it is written HOST or HOST:PORT, without https:// and /".to_owned());
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or("the bracket is not closed")?;
            if host.parse::<Ipv6Addr>().is_err() {
                return Err("only an IPv6 address stands in brackets".to_owned());
            }
            (host, rest)
        } else if text.parse::<Ipv6Addr>().is_ok() {
            (text, "")
        } else {
            text.split_at(text.find(':').unwrap_or(text.len()))
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("a host is expected before the port".to_owned());
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => DEFAULT_PORT,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err("a port is a number from 1 to 65535".to_owned()),
            },
            None => return Err("after the bracket, :PORT is expected".to_owned()),
        };
        let host = host.to_owned();
        Ok(Address { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// A name, as far as the client judges it: blanks around it are none of it, as where it is typed.
/// What a good name is, the server says.
fn parse_name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        name => Ok(name.to_owned()),
    }
}

fn parse_text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("there is nothing to say".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, host, port) in [
            ("localhost", "localhost", 5001),
            ("example.org:7", "example.org", 7),
            ("10.0.0.1:65535", "10.0.0.1", 65535),
            ("[::1]:6000", "::1", 6000),
            ("[::1]", "::1", 5001),
            ("fe80::1", "fe80::1", 5001),
        ] {
            let host = host.to_owned();
            assert_eq!(text.parse(), Ok(Address { host, port }), "{text}");
        }
        for text in [
            "",
            ":5001",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "a:1:2",
            "[::1",
            "[::1]5001",
            "[a]:1",
            "a b",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_a_browsers_is_said_to_be_that() {
        for text in ["https://localhost:5001/", "wss://a", "localhost:5001/"] {
            let why = text.parse::<Address>().unwrap_err();
            assert!(why.contains("without https://"), "{text}: {why}");
        }
    }

    #[test]
    fn an_address_is_shown_as_it_is_typed() {
        for text in ["localhost:5001", "[::1]:6000"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Flags::command().debug_assert();
    }
}
