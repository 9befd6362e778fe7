//! Sockets to listen on: opened, or taken from the service manager, with every option set that
//! an accepted socket inherits, so that accepting costs no further call. Not the accepting itself
//! (that is `accept`), and not names (that is `resolve`). Owned by the server.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpListener;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

/// Connections that the kernel completes before we accept them: a burst of 4,000 connects at
/// once is refused nobody. The kernel lowers it to `net.core.somaxconn`.
pub const BACKLOG: i32 = 4096;
/// Sockets to listen on at once: so many tokens are kept for them.
pub const LISTENERS_MAX: usize = 1024;
/// Silence after which an idle peer is asked for a sign of life.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(6);
/// Time for an answer, after which the next question is due.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
/// Questions without an answer after which an idle peer is gone: 15 s, so an outage of five seconds
/// cuts nobody who is idle. Who has something unacknowledged is looked after in `watch`: a
/// TCP_USER_TIMEOUT would end a peer that is there and does not read, without a word.
pub const KEEPALIVE_PROBES: u32 = 3;
/// What the kernel is asked to hold at most of what a peer has not taken. Left alone it takes
/// megabytes for a reader that has stopped, and the stall is noticed so much later.
///
/// Twice as much is to be had by one that is cut, where `net.core.wmem_max` allows it: Linux allows
/// 212,992 bytes unless told otherwise.
pub const SEND_BUFFER_BYTES: usize = 104 << 10;
/// How long the kernel keeps the last lines of a connection for a peer that does not read.
pub const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(60);

/// Listens on every one of the addresses, each once.
///
/// # Errors
/// The first that cannot be had; then none is kept.
pub fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    for (index, address) in addresses.iter().enumerate() {
        if address.port() != 0 && addresses[..index].contains(address) {
            continue;
        }
        let reach = match is_every_ipv4_too(*address, addresses) {
            true => Reach::Ipv6Only,
            false => Reach::BothFamilies,
        };
        listeners.push(bind_reaching(*address, reach)?);
    }
    Ok(listeners)
}

/// Two of these addresses of which the first takes the second too, so that they are in each
/// other's way: [`bind_all`] cannot have both.
pub fn contradiction(addresses: &[SocketAddr]) -> Option<(SocketAddr, SocketAddr)> {
    let takes = |all: SocketAddr, one: SocketAddr| {
        let every_one_of_them = match all.ip() {
            IpAddr::V4(ip) => ip.is_unspecified() && one.is_ipv4(),
            IpAddr::V6(ip) => {
                let only_ipv6 = is_every_ipv4_too(all, addresses);
                ip.is_unspecified() && (one.is_ipv6() || !only_ipv6)
            }
        };
        all != one && all.port() != 0 && all.port() == one.port() && every_one_of_them
    };
    addresses.iter().find_map(|&all| {
        let taken = addresses.iter().find(|&&one| takes(all, one));
        taken.map(|&one| (all, one))
    })
}

/// Listens on one address. `[::]` takes IPv4 connections too.
///
/// # Errors
/// When the address cannot be had.
pub fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    bind_reaching(address, Reach::BothFamilies)
}

/// Makes a listening socket that somebody else has opened like one of ours.
///
/// # Errors
/// When it is not listening, or an option cannot be set.
pub fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    let socket = SockRef::from(&listener);
    if !socket.is_listener()? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not listening",
        ));
    }
    prepare(&socket)?;
    Ok(TcpListener::from_std(listener))
}

/// What an IPv6 socket on `[::]` takes.
#[derive(Clone, Copy)]
enum Reach {
    BothFamilies,
    Ipv6Only,
}

/// Whether `address` is `[::]` while `0.0.0.0` is to have a socket of its own at the same port:
/// the two would be in each other's way.
fn is_every_ipv4_too(address: SocketAddr, addresses: &[SocketAddr]) -> bool {
    let every_ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    address.ip() == Ipv6Addr::UNSPECIFIED && addresses.contains(&every_ipv4)
}

fn bind_reaching(address: SocketAddr, reach: Reach) -> Result<TcpListener, ListenError> {
    open(address, reach).map_err(|reason| ListenError { address, reason })
}

fn open(address: SocketAddr, reach: Reach) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(matches!(reach, Reach::Ipv6Only))?;
    }
    // A restart must not wait until the old connections have left TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    prepare(&socket)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Sets what accepted sockets inherit, then listens (which, on a socket that listens already,
/// changes its backlog). In this order, so that no connection is accepted without the options.
fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    // Each turn writes all that a connection is owed in one go: there is nothing to wait for.
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.listen(BACKLOG)
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    /// Which.
    pub address: SocketAddr,
    /// What the kernel said.
    pub reason: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied, Unsupported};
        let address = self.address;
        write!(to, "cannot listen on {address}: ")?;
        match self.reason.kind() {
            AddrInUse => write!(
                to,
                "the port is in use; stop what uses it, or choose another"
            ),
            AddrNotAvailable => write!(
                to,
                "this machine has no such address; choose one of its own, or 0.0.0.0 for all"
            ),
            PermissionDenied => write!(
                to,
                "not permitted; choose a port of 1024 or more, or give the right to this one"
            ),
            Unsupported => write!(to, "this machine has no IPv6; choose an IPv4 address"),
            _ => write!(to, "{}; choose another address", self.reason),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::time::Instant;

    fn any_port(host: &str) -> SocketAddr {
        format!("{host}:0").parse().expect("an address")
    }

    fn accept(listener: &TcpListener) -> mio::net::TcpStream {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match listener.accept() {
                Ok((stream, _)) => return stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "nobody came");
                    std::thread::yield_now();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn assert_all_options_are_inherited(listener: &TcpListener) {
        let address = listener.local_addr().expect("an address");
        let _peer = TcpStream::connect(address).expect("a connection");
        let accepted = accept(listener);
        let socket = SockRef::from(&accepted);
        assert!(socket.nonblocking().expect("asked"));
        assert!(socket.tcp_nodelay().expect("asked"));
        assert!(socket.keepalive().expect("asked"));
        assert_eq!(socket.tcp_keepalive_time().expect("asked"), KEEPALIVE_IDLE);
        let interval = socket.tcp_keepalive_interval().expect("asked");
        assert_eq!(interval, KEEPALIVE_INTERVAL);
        let probes = socket.tcp_keepalive_retries().expect("asked");
        assert_eq!(probes, KEEPALIVE_PROBES);
        let user_timeout = socket.tcp_user_timeout().expect("asked");
        assert_eq!(
            user_timeout, None,
            "a sleeping reader is not ended without a word"
        );
        // Linux counts twice as much, for what it writes beside the bytes.
        let send_buffer = socket.send_buffer_size().expect("asked");
        assert_eq!(send_buffer, 2 * SEND_BUFFER_BYTES);
    }

    #[test]
    fn f22_accepted_sockets_inherit_every_option() {
        assert_all_options_are_inherited(&bind(any_port("127.0.0.1")).expect("bound"));
        assert_all_options_are_inherited(&bind(any_port("[::1]")).expect("bound"));
        let foreign = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        assert_all_options_are_inherited(&adopt(foreign).expect("adopted"));
    }

    #[test]
    fn every_address_of_ipv6_is_every_address() {
        let listener = bind(any_port("[::]")).expect("bound");
        let port = listener.local_addr().expect("an address").port();
        for host in ["127.0.0.1", "::1"] {
            let _peer = TcpStream::connect((host, port)).expect(host);
            accept(&listener);
        }
    }

    #[test]
    fn both_wildcards_may_have_the_same_port_and_the_same_address_may_come_twice() {
        // Another test may take the port between the two moments: so there are a few tries.
        let made = (0..10).find_map(|_| {
            let free = bind(any_port("[::]")).expect("bound");
            let port = free.local_addr().expect("an address").port();
            drop(free);
            let four = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            let six = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            bind_all(&[six, four, six]).ok()
        });
        assert_eq!(made.expect("one of ten ports").len(), 2);
    }

    #[test]
    fn an_address_that_another_takes_too_is_found_before_it_is_bound() {
        let found = |addresses: &[&str]| {
            let parsed: Vec<SocketAddr> =
                addresses.iter().map(|one| one.parse().unwrap()).collect();
            contradiction(&parsed).map(|(all, one)| format!("{all} takes {one}"))
        };
        for (addresses, wanted) in [
            (&["[::]:1", "127.0.0.1:1"], "[::]:1 takes 127.0.0.1:1"),
            (&["127.0.0.1:1", "[::]:1"], "[::]:1 takes 127.0.0.1:1"),
            (&["[::1]:1", "[::]:1"], "[::]:1 takes [::1]:1"),
            (&["0.0.0.0:1", "10.0.0.1:1"], "0.0.0.0:1 takes 10.0.0.1:1"),
        ] {
            assert_eq!(found(addresses).as_deref(), Some(wanted));
        }
        for addresses in [
            &["[::]:1", "0.0.0.0:1"],
            &["[::]:1", "127.0.0.1:2"],
            &["[::]:0", "127.0.0.1:0"],
            &["[::]:1", "[::]:1"],
            &["127.0.0.1:1", "127.0.0.2:1"],
        ] {
            assert_eq!(found(addresses), None);
        }
    }

    #[test]
    fn a_port_in_use_is_said_plainly() {
        let first = bind(any_port("127.0.0.1")).expect("bound");
        let address = first.local_addr().expect("an address");
        let said = bind(address).expect_err("in use").to_string();
        let start = format!("cannot listen on {address}: the port is in use;");
        assert!(said.starts_with(&start), "{said}");
    }

    #[test]
    fn a_foreign_address_is_said_plainly() {
        let said = bind(any_port("192.0.2.1"))
            .expect_err("foreign")
            .to_string();
        assert!(said.contains("this machine has no such address"), "{said}");
    }

    #[test]
    fn a_socket_that_does_not_listen_is_not_adopted() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let error = adopt(socket.into()).expect_err("not listening");
        assert_eq!(error.to_string(), "it is not listening");
    }
}
