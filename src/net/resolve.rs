//! What `--listen` or `--metrics` was given → socket addresses. It asks the resolver where a host name is given,
//! and opens nothing that stays open (that is `listener`). Called by `main`, before it listens.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use crate::config::address::ListenAddress;

/// The socket addresses to listen on. A host name stands for all of its addresses, since a client
/// that is told the same name may come by any of them; those which this machine does not have are
/// left out, as long as one remains (`localhost` is also `::1` where IPv6 is off).
///
/// # Errors
/// When the name is unknown.
pub fn socket_addresses(address: &ListenAddress) -> Result<Vec<SocketAddr>, UnknownHost> {
    let (host, port) = match address {
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

/// Whether a socket can be bound to the address, with any port.
fn is_of_this_machine(address: &SocketAddr) -> bool {
    TcpListener::bind((address.ip(), 0)).is_ok()
}

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
            "cannot listen on {}: {reason}; check the name, or give an address instead",
            self.host.escape_debug(),
        )
    }
}

impl std::error::Error for UnknownHost {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_its_addresses_on_this_machine() {
        let localhost = "localhost:7".parse().expect("an address");
        let found = socket_addresses(&localhost).expect("localhost is known everywhere");
        assert!(!found.is_empty());
        for address in found {
            assert!(address.ip().is_loopback(), "{address}");
            assert_eq!(address.port(), 7);
        }
    }

    #[test]
    fn an_unknown_name_is_one_line_without_preamble() {
        let nowhere = "no-such-host.invalid:5001".parse().expect("an address");
        let said = socket_addresses(&nowhere).expect_err("unknown").to_string();
        assert!(
            said.starts_with("cannot listen on no-such-host.invalid: "),
            "{said}"
        );
        assert!(!said.contains("lookup") && !said.contains('\n'), "{said}");
    }
}
