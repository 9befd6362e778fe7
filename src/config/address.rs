//! `ListenAddress`: what `--listen` was given → socket addresses. It asks the resolver where a
//! host name is given, and opens nothing that stays open. Owned by the command line.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
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

impl ListenAddress {
    /// The addresses to listen on. A host name stands for all of its addresses, since a client
    /// that is told the same name may come by any of them; those which this machine does not
    /// have are left out, as long as one remains (`localhost` is also `::1` where IPv6 is off).
    ///
    /// # Errors
    /// When the name is unknown.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, UnknownHost> {
        let (host, port) = match self {
            ListenAddress::Numeric(address) => return Ok(vec![*address]),
            ListenAddress::Named { host, port } => (host, *port),
        };
        let unknown = |reason| UnknownHost {
            host: host.clone(),
            reason,
        };
        let mut all: Vec<SocketAddr> = (host.as_str(), port)
            .to_socket_addrs()
            .map_err(unknown)?
            .collect();
        all.sort_unstable();
        all.dedup();
        let (here, elsewhere): (Vec<_>, Vec<_>) = all.into_iter().partition(is_of_this_machine);
        // With nothing left, binding shall fail and say why.
        Ok(if here.is_empty() { elsewhere } else { here })
    }
}

/// Whether a socket can be bound to the address, with any port.
fn is_of_this_machine(address: &SocketAddr) -> bool {
    TcpListener::bind((address.ip(), 0)).is_ok()
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
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
        })
    }
}

impl std::error::Error for AddressError {}

/// A host name that the resolver does not know, or could not ask for.
#[derive(Debug)]
pub struct UnknownHost {
    host: String,
    reason: io::Error,
}

impl fmt::Display for UnknownHost {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.reason.to_string();
        // The resolver's own words come behind a preamble of the standard library.
        let reason = reason.rsplit(": ").next().unwrap_or(&reason);
        write!(
            to,
            "cannot listen on {}: {reason}; check the name, or give an address with --listen",
            self.host.escape_debug(),
        )
    }
}

impl std::error::Error for UnknownHost {}

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
        use AddressError::{Brackets, NoHost, NoPort, PortTooLarge};
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
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_name_stands_for_its_addresses_on_this_machine() {
        let localhost: ListenAddress = "localhost:7".parse().expect("an address");
        let found = localhost.resolve().expect("localhost is known everywhere");
        assert!(!found.is_empty());
        for address in found {
            assert!(address.ip().is_loopback(), "{address}");
            assert_eq!(address.port(), 7);
        }
    }

    #[test]
    fn an_unknown_name_is_one_line_without_preamble() {
        let nowhere: ListenAddress = "no-such-host.invalid:5001".parse().expect("an address");
        let said = nowhere.resolve().expect_err("unknown").to_string();
        assert!(
            said.starts_with("cannot listen on no-such-host.invalid: "),
            "{said}"
        );
        assert!(!said.contains("lookup") && !said.contains('\n'), "{said}");
    }
}
