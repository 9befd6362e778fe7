//! `Proxied`: connections from the proxies that `--proxy-from` names, until they have said from
//! where they come. That must be the first thing they say (the PROXY protocol forbids guessing),
//! and it is looked at without being taken out of the kernel, so that nothing is kept here. What
//! the head means is `dialect::proxy`'s. Owned by the acceptor.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use mio::net::TcpStream;
use mio::{Interest, Registry};
use slab::Slab;

use crate::dialect::proxy::{self, Proxy, V2_BYTES_MAX};

use super::tokens::Source;

/// See the file.
#[derive(Debug)]
pub(super) struct Proxied {
    from: Vec<IpNet>,
    timeout: Duration,
    waiting: Slab<Waiting>,
    accepted: u64,
    /// When each is given up, in the order in which they came.
    deadlines: VecDeque<(Instant, usize, u64)>,
    ready: Vec<usize>,
}

#[derive(Debug)]
struct Waiting {
    socket: TcpStream,
    proxy: SocketAddr,
    number: u64,
}

/// What has become of a connection.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It comes from there, and what it says next is its own.
    From(TcpStream, SocketAddr),
    /// It did not say from where it comes, although this proxy had to.
    Refused(SocketAddr),
}

impl Proxied {
    pub(super) fn new(from: Vec<IpNet>, timeout: Duration) -> Proxied {
        Proxied {
            from,
            timeout,
            waiting: Slab::new(),
            accepted: 0,
            deadlines: VecDeque::new(),
            ready: Vec::new(),
        }
    }

    /// Whether a connection from there must say from where it really comes.
    pub(super) fn is_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.from.iter().any(|net| net.contains(&peer))
    }

    /// How many have not said it yet.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes in a connection of a proxy.
    ///
    /// # Errors
    /// Those of registering it.
    pub(super) fn add(
        &mut self,
        registry: &Registry,
        mut socket: TcpStream,
        proxy: SocketAddr,
        now: Instant,
    ) -> io::Result<()> {
        let place = self.waiting.vacant_entry();
        let index = place.key();
        let token = Source::Proxied(index).token();
        registry.register(&mut socket, token, Interest::READABLE)?;
        self.accepted += 1;
        let number = self.accepted;
        place.insert(Waiting {
            socket,
            proxy,
            number,
        });
        self.deadlines
            .push_back((now + self.timeout, index, number));
        Ok(())
    }

    /// The event of one of them.
    pub(super) fn note(&mut self, index: usize) {
        self.ready.push(index);
    }

    /// When the next is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|&(at, ..)| at)
    }

    /// Those of whom is known now what becomes of them. They are registered no more.
    pub(super) fn outcomes(&mut self, registry: &Registry, now: Instant) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for index in std::mem::take(&mut self.ready) {
            if let Some(waiting) = self.waiting.get_mut(index)
                && let Some(source) = waiting.source()
            {
                let Waiting {
                    mut socket, proxy, ..
                } = self.waiting.remove(index);
                // It is closed, or registered again, in any case.
                let _ = registry.deregister(&mut socket);
                outcomes.push(match source {
                    Ok(address) => Outcome::From(socket, address),
                    Err(_) => Outcome::Refused(proxy),
                });
            }
        }
        while let Some(&(at, index, number)) = self.deadlines.front() {
            let waits = self.waiting.get(index).map(|waiting| waiting.number) == Some(number);
            if waits && at > now {
                break;
            }
            self.deadlines.pop_front();
            if waits {
                let expired = self.waiting.remove(index);
                outcomes.push(Outcome::Refused(expired.proxy));
            }
        }
        outcomes
    }
}

/// It will never say it.
#[derive(Debug)]
struct NoSource;

impl Waiting {
    /// From where it comes, once it has said so: the head is then taken out of the socket.
    fn source(&mut self) -> Option<Result<SocketAddr, NoSource>> {
        let mut head = [0; V2_BYTES_MAX];
        let length = match self.socket.peek(&mut head) {
            Ok(0) => return Some(Err(NoSource)),
            Ok(length) => length,
            Err(error)
                if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) =>
            {
                return None;
            }
            Err(_) => return Some(Err(NoSource)),
        };
        let (address, bytes) = match proxy::read(&head[..length]) {
            Proxy::More => return None,
            Proxy::Bad => {
                // Closing over what was not read would be a reset.
                let _ = self.socket.read(&mut head);
                return Some(Err(NoSource));
            }
            Proxy::Source { address, bytes } => (address, bytes),
            Proxy::Unknown { bytes } => (self.proxy, bytes),
        };
        // They were there a moment ago.
        let taken = self.socket.read_exact(&mut head[..bytes]);
        Some(taken.map(|()| address).map_err(|_| NoSource))
    }
}
