//! `Sanction`: one ban or mute: against whom, until when, by whom, why. A plain value.

use std::fmt;
use std::time::Duration;

use ipnet::IpNet;

use crate::chat::Name;
use crate::time::WallTime;

/// What a sanction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Who it is against does not come in.
    Ban,
    /// Who it is against is not heard.
    Mute,
}

/// Until when it holds, by the clock on the wall. The later one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Until then.
    At(WallTime),
    /// For good.
    Never,
}

impl End {
    /// That long from now; without a length, for good.
    pub fn after(now: WallTime, length: Option<Duration>) -> End {
        length.map_or(End::Never, |length| {
            let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
            End::At(WallTime::from_millis(
                now.as_millis().saturating_add(millis),
            ))
        })
    }

    /// Whether that is past. It is looked at each time anew, so a clock that is set forward and back
    /// again ends nothing for good.
    pub fn is_over(self, now: WallTime) -> bool {
        match self {
            End::At(at) => at <= now,
            End::Never => false,
        }
    }

    /// When that is, if ever.
    pub fn at(self) -> Option<WallTime> {
        match self {
            End::At(at) => Some(at),
            End::Never => None,
        }
    }
}

/// Who is meant, as the operator says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom<'a> {
    /// Who is called so, and the address it has.
    Named(&'a str),
    /// All who come from there.
    From(IpNet),
}

/// Against whom: a name, all addresses that begin with the same bits, or both.
#[derive(Debug, Clone)]
pub struct Target {
    name: Option<Name>,
    net: Option<IpNet>,
}

impl Target {
    /// Against this name and these addresses; `None` where there is neither.
    pub fn of(name: Option<Name>, net: Option<IpNet>) -> Option<Target> {
        (name.is_some() || net.is_some()).then_some(Target { name, net })
    }

    /// The name.
    pub fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// The addresses.
    pub fn net(&self) -> Option<IpNet> {
        self.net
    }

    /// Whether it is against who is called so.
    pub fn is_named(&self, name: &Name) -> bool {
        self.name().is_some_and(|own| own.is_same(name))
    }

    /// Whether both are against the same.
    pub fn is_same(&self, other: &Target) -> bool {
        let is_same_name = match (self.name(), other.name()) {
            (Some(name), Some(other)) => name.is_same(other),
            (name, other) => name.is_none() && other.is_none(),
        };
        is_same_name && self.net == other.net
    }
}

/// `ann and 192.0.2.7`, `10.0.0.0/16`, `ann`: nothing in it has a blank or a comma of its own.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}")?;
        }
        if self.name.is_some() && self.net.is_some() {
            f.write_str(" and ")?;
        }
        match self.net {
            Some(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Some(net) => write!(f, "{net}"),
            None => Ok(()),
        }
    }
}

/// One ban or mute.
#[derive(Debug, Clone)]
pub struct Sanction {
    /// Which of both.
    pub kind: Kind,
    /// By which number it is lifted; of all bans, as of all mutes, each has its own.
    pub number: u32,
    /// Against whom.
    pub target: Target,
    /// Until when.
    pub end: End,
    /// At which seat it was said.
    pub by: Box<str>,
    /// The operator's words about it, clean.
    pub why: Option<Box<str>>,
}

/// What is to be done to what is kept.
#[derive(Debug, Clone)]
pub enum Change {
    /// This one holds; it takes the place of the one with the same number.
    Put(Sanction),
    /// The one with this number is gone.
    Removed(Kind, u32),
}

impl Change {
    /// Which sanction it concerns.
    pub fn key(&self) -> (Kind, u32) {
        match self {
            Change::Put(sanction) => (sanction.kind, sanction.number),
            Change::Removed(kind, number) => (*kind, *number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_shown_as_it_is_typed() {
        let shown = |name: Option<&str>, net: Option<&str>| {
            let name = name.map(|name| Name::parse(name).unwrap());
            let target = Target::of(name, net.map(|net| net.parse().unwrap()));
            target.map(|target| target.to_string())
        };
        for (name, net, expected) in [
            (Some("Ann"), None, "Ann"),
            (Some("Ann"), Some("192.0.2.7/32"), "Ann and 192.0.2.7"),
            (None, Some("10.1.0.0/16"), "10.1.0.0/16"),
            (None, Some("2001:db8::/64"), "2001:db8::/64"),
            (None, Some("::1/128"), "::1"),
        ] {
            assert_eq!(shown(name, net).as_deref(), Some(expected));
        }
        assert_eq!(shown(None, None), None);
    }

    #[test]
    fn an_end_is_a_point_on_the_wall() {
        let now = WallTime::from_millis(5_000);
        let end = End::after(now, Some(Duration::from_secs(2)));
        assert_eq!(end, End::At(WallTime::from_millis(7_000)));
        assert!(!end.is_over(WallTime::from_millis(6_999)));
        assert!(end.is_over(WallTime::from_millis(7_000)));
        // A clock that was set back: it holds again.
        assert!(!end.is_over(WallTime::from_millis(0)));
        assert!(!End::after(now, None).is_over(WallTime::from_millis(u64::MAX)));
        assert!(End::after(now, Some(Duration::MAX)) < End::Never);
    }
}
