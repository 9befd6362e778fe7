//! `Culprits`: because of whom most of the lines came about that the log left out in a second, so that the line
//! which counts them names somebody. Knows no clock. Owned by the log of events.

use std::fmt;
use std::net::SocketAddr;

use ipnet::IpNet;

use crate::moderation::{Target, net_of};

use super::log::quote;

/// As many are told apart at once: those that came first.
const CULPRITS_MAX: usize = 64;

/// Because of whom there is something to be logged.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    /// Who comes from there.
    From(SocketAddr),
    /// Who is called so.
    Named(&'a str),
    /// Nobody outside.
    Nobody,
}

/// The same, as it is told apart.
#[derive(Debug, PartialEq, Eq)]
enum Culprit {
    /// Of IPv6 a subscriber's addresses are one.
    At(IpNet),
    Named(Box<str>),
}

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Culprits(Vec<(Culprit, u64)>);

impl Culprits {
    /// One line more because of somebody.
    pub(super) fn note(&mut self, cause: Cause<'_>) {
        let is_same = |culprit: &Culprit| match (culprit, cause) {
            (Culprit::At(net), Cause::From(peer)) => *net == net_of(peer.ip()),
            (Culprit::Named(name), Cause::Named(other)) => **name == *other,
            _ => false,
        };
        if let Some((_, lines)) = self.0.iter_mut().find(|(noted, _)| is_same(noted)) {
            *lines += 1;
            return;
        }
        let culprit = match cause {
            Cause::From(peer) => Culprit::At(net_of(peer.ip())),
            Cause::Named(name) => Culprit::Named(name.into()),
            Cause::Nobody => return,
        };
        if self.0.len() < CULPRITS_MAX {
            self.0.push((culprit, 1));
        }
    }

    /// Who has caused most of them, and how many, as words; nobody if none has caused more than one.
    pub(super) fn take(&mut self) -> Option<String> {
        let noted = std::mem::take(&mut self.0);
        let (culprit, lines) = noted.into_iter().max_by_key(|&(_, lines)| lines)?;
        (lines > 1).then(|| format!("{lines} of them because of {culprit}"))
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Culprit::At(net) => Target::of(None, Some(*net)).map_or(Ok(()), |net| net.fmt(to)),
            Culprit::Named(name) => quote(&**name).fmt(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(culprits: &mut Culprits, address: &str) {
        culprits.note(Cause::From(SocketAddr::new(address.parse().unwrap(), 1)));
    }

    #[test]
    fn who_has_caused_most_is_named() {
        let mut culprits = Culprits::default();
        let most = |culprits: &mut Culprits| culprits.take().unwrap_or_default();
        assert_eq!(most(&mut culprits), "");
        note(&mut culprits, "192.0.2.1");
        culprits.note(Cause::Nobody);
        culprits.note(Cause::Nobody);
        assert_eq!(most(&mut culprits), "");
        for address in [
            "192.0.2.1",
            "2001:db8::1",
            "192.0.2.2",
            "::ffff:192.0.2.2",
            "2001:db8::2",
            "192.0.2.2",
        ] {
            note(&mut culprits, address);
        }
        assert_eq!(most(&mut culprits), "3 of them because of 192.0.2.2");
        for last in 0..=255 {
            note(&mut culprits, &format!("192.0.2.{last}"));
            note(&mut culprits, "2001:db8::1");
        }
        assert_eq!(most(&mut culprits), "256 of them because of 2001:db8::/64");
        for name in ["ann", "ben\n", "ben\n"] {
            culprits.note(Cause::Named(name));
        }
        assert_eq!(most(&mut culprits), r#"2 of them because of "ben\n""#);
    }
}
