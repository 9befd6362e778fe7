//! `ListenAddress`: what `--listen` is given, as a plain value. Not the addresses that a host name
//! stands for (that is `net::resolve`). Owned by the settings.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// An `ADDR:PORT`: an IPv4 address, an IPv6 address in brackets, or the name of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address as it stands.
    Numeric(SocketAddr),
    /// A name for which the resolver is asked.
    Named {
        /// The name; an IPv6 address with the name of an interface behind it is one too.
        host: String,
        /// The port; 0 lets the kernel choose.
        port: u16,
    },
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Numeric(address) => write!(to, "{address}"),
            ListenAddress::Named { host, port } if host.contains(':') => {
                write!(to, "[{host}]:{port}")
            }
            ListenAddress::Named { host, port } => write!(to, "{host}:{port}"),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    /// Blanks around it are dropped: a list in a variable is often written with some.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.contains(char::is_whitespace) {
            return Err(AddressError::Blank);
        }
        if let Ok(address) = text.parse() {
            return Ok(ListenAddress::Numeric(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or(AddressError::Brackets)?,
            None if host.contains(':') => return Err(AddressError::Brackets),
            None => host,
        };
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        if !port.bytes().all(|byte| byte.is_ascii_digit()) || port.is_empty() {
            return Err(AddressError::NoPort);
        }
        let port = port.parse().map_err(|_| AddressError::PortTooLarge)?;
        Ok(ListenAddress::Named {
            host: host.into(),
            port,
        })
    }
}

/// Why a text is no `ADDR:PORT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// No port, or one that is no number.
    NoPort,
    /// A port over 65535.
    PortTooLarge,
    /// Nothing before the port.
    NoHost,
    /// An IPv6 address without its brackets, or with half of them.
    Brackets,
    /// A blank within.
    Blank,
}

impl fmt::Display for AddressError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            AddressError::NoPort => "give an address and a port, such as 127.0.0.1:5001",
            AddressError::PortTooLarge => "a port is a number from 0 to 65535",
            AddressError::NoHost => {
                "give an address before the port; 0.0.0.0 is every IPv4 address, [::] is every address"
            }
            AddressError::Brackets => "an IPv6 address stands in brackets, such as [::1]:5001",
            AddressError::Blank => "there is a blank in it; an address is such as 127.0.0.1:5001",
        })
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_read() {
        for numeric in [
            "127.0.0.1:5001",
            "[::]:5001",
            "[fe80::1%2]:0",
            "0.0.0.0:65535",
        ] {
            let address = numeric.parse().expect(numeric);
            assert_eq!(numeric.parse(), Ok(ListenAddress::Numeric(address)));
        }
        let named = |host: &str, port| {
            Ok(ListenAddress::Named {
                host: host.into(),
                port,
            })
        };
        assert_eq!("localhost:5001".parse(), named("localhost", 5001));
        assert_eq!("[fe80::1%eth0]:1".parse(), named("fe80::1%eth0", 1));
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        use AddressError::{Blank, Brackets, NoHost, NoPort, PortTooLarge};
        for (text, error) in [
            ("", NoPort),
            ("127.0.0.1", NoPort),
            ("5001", NoPort),
            ("localhost:", NoPort),
            ("localhost:http", NoPort),
            ("localhost:+5001", NoPort),
            ("127.0.0.1:99999", PortTooLarge),
            ("localhost:65536", PortTooLarge),
            (":5001", NoHost),
            ("[]:5001", NoHost),
            ("::1:5001", Brackets),
            ("[::1:5001", Brackets),
            ("local host:5001", Blank),
            ("localhost: 5001", Blank),
            ("127.0.0.1:1 127.0.0.1:2", Blank),
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn blanks_around_an_address_are_no_part_of_it() {
        for (text, plain) in [
            (" 127.0.0.1:1\n", "127.0.0.1:1"),
            ("\tlocalhost:2 ", "localhost:2"),
        ] {
            assert_eq!(text.parse::<ListenAddress>(), plain.parse());
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in ["127.0.0.1:1", "[::1]:2", "localhost:3", "[fe80::1%eth0]:4"] {
            let address: ListenAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
    }
}
