//! `Guard`: what is banned only by an operator who insists, since it may shut out whom nobody meant: this
//! machine itself, its proxies, whole countries. And how addresses are read. Plain values.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Shorter prefixes need to be insisted on.
const BITS_MIN_V4: u8 = 16;
const BITS_MIN_V6: u8 = 32;
/// Of an IPv6 address these are one subscriber's.
const SUBSCRIBER_BITS_V6: u8 = 64;

/// See the file.
#[derive(Debug, Default)]
pub struct Guard {
    proxies: Vec<IpNet>,
}

/// Why something is guarded. Its `Display` goes on behind "that is".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    /// Addresses of this machine itself.
    Loopback,
    /// Addresses of a proxy, by which others come.
    Proxy(IpNet),
    /// More addresses than a prefix of so many bits.
    Wide(u8),
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Guarded::Loopback => f.write_str("this machine itself"),
            Guarded::Proxy(net) => write!(f, "a proxy of --proxy-from {net}"),
            Guarded::Wide(bits) => write!(f, "more than a /{bits}"),
        }
    }
}

impl Guard {
    /// With these proxies.
    pub fn new(proxies: Vec<IpNet>) -> Guard {
        let proxies = proxies.into_iter().map(canonical).collect();
        Guard { proxies }
    }

    /// Whether these addresses may be banned without insisting.
    ///
    /// # Errors
    /// Why they may not.
    pub fn check(&self, net: IpNet) -> Result<(), Guarded> {
        let loopback = [
            IpNet::from(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        let is_own = |own: &IpNet| own.contains(&net);
        let bits_min = match net {
            IpNet::V4(_) => BITS_MIN_V4,
            IpNet::V6(_) => BITS_MIN_V6,
        };
        // The most that is wrong with it: of all addresses it is not said that they are this machine's.
        if net.prefix_len() < bits_min && !loopback.iter().any(is_own) {
            return Err(Guarded::Wide(bits_min));
        }
        if loopback.iter().any(|own| overlap(own, &net)) {
            return Err(Guarded::Loopback);
        }
        match self.proxies.iter().find(|proxy| overlap(proxy, &net)) {
            Some(proxy) => Err(Guarded::Proxy(*proxy)),
            None => Ok(()),
        }
    }
}

/// All addresses of the subscriber who has this one: an IPv4 address by itself, of an IPv6 address the
/// first 64 bits.
pub fn net_of(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(address) => IpNet::from(IpAddr::V4(address)),
        IpAddr::V6(address) => {
            IpNet::from(Ipv6Net::new_assert(address, SUBSCRIBER_BITS_V6)).trunc()
        }
    }
}

/// What is written `ADDRESS` or `ADDRESS/BITS`; bits beyond the prefix do not count.
pub fn read_net(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let net = text.parse::<IpNet>().or_else(|_| address()).ok()?;
    Some(canonical(net))
}

/// An IPv4 prefix written as one of IPv6 (`::ffff:10.0.0.0/104`) is what it stands for, as the addresses
/// of connections are.
fn canonical(net: IpNet) -> IpNet {
    let net = net.trunc();
    let as_v4 = net.prefix_len().checked_sub(96);
    match (net.addr().to_canonical(), as_v4) {
        (IpAddr::V4(address), Some(bits)) if net.addr().is_ipv6() => {
            Ipv4Net::new(address, bits).map_or(net, IpNet::from)
        }
        _ => net,
    }
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        read_net(text).unwrap()
    }

    #[test]
    fn what_shuts_out_many_is_guarded() {
        let guard = Guard::new(vec![net("192.0.2.0/28"), net("2001:db8:5::1")]);
        let proxy = |text| Err(Guarded::Proxy(net(text)));
        for (text, expected) in [
            ("198.51.100.7", Ok(())),
            ("10.0.0.0/16", Ok(())),
            ("10.0.0.0/15", Err(Guarded::Wide(16))),
            ("127.0.0.1", Err(Guarded::Loopback)),
            ("127.9.0.0/16", Err(Guarded::Loopback)),
            ("::ffff:127.0.0.1", Err(Guarded::Loopback)),
            ("::1", Err(Guarded::Loopback)),
            ("::/64", Err(Guarded::Loopback)),
            ("127.0.0.0/8", Err(Guarded::Loopback)),
            ("0.0.0.0/0", Err(Guarded::Wide(16))),
            ("::/0", Err(Guarded::Wide(32))),
            ("192.0.2.3", proxy("192.0.2.0/28")),
            ("192.0.0.0/16", proxy("192.0.2.0/28")),
            ("192.0.2.16", Ok(())),
            ("2001:db8:5::/48", proxy("2001:db8:5::1")),
            ("2001:db8::/32", proxy("2001:db8:5::1")),
            ("2001:db9::/32", Ok(())),
            ("2001:da8::/31", Err(Guarded::Wide(32))),
        ] {
            assert_eq!(guard.check(net(text)), expected, "{text}");
        }
    }

    #[test]
    fn addresses_and_prefixes_are_read() {
        for (text, expected) in [
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3/16", "10.1.0.0/16"),
            ("::ffff:10.1.2.3", "10.1.2.3/32"),
            ("::ffff:10.1.2.3/112", "10.1.0.0/16"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:DB8::1/64", "2001:db8::/64"),
        ] {
            assert_eq!(net(text).to_string(), expected);
        }
        for wrong in [
            "",
            "ann",
            "10.1.2",
            "10.1.2.3/33",
            "::1/129",
            "10.1.2.3/",
            "/8",
            "fe80::1%1",
            "010.1.2.3",
        ] {
            assert_eq!(read_net(wrong), None, "{wrong}");
        }
        let of = |address: &str| net_of(address.parse().unwrap()).to_string();
        assert_eq!(of("::ffff:10.1.2.3"), "10.1.2.3/32");
        assert_eq!(of("2001:db8::ffff:1"), "2001:db8::/64");
    }
}
