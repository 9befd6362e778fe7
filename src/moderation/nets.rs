//! `Nets`: sanctions by address: one table for all prefixes, looked into once for each length of prefix
//! that there is. So a look-up takes no longer for ten thousand prefixes than for a few. Owned by
//! `sanctions`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::sanction::End;

/// The sanctions of one key, the one that holds longest last.
pub(super) type Held = BTreeSet<(End, u32)>;

/// Prefixes, each with the numbers of those that are against it.
#[derive(Debug, Default)]
pub(super) struct Nets {
    held: HashMap<IpNet, Held>,
    /// How many prefixes there are of each length: of IPv4, then of IPv6.
    lengths: [BTreeMap<u8, usize>; 2],
}

impl Nets {
    pub(super) fn insert(&mut self, net: IpNet, end: End, number: u32) {
        let held = self.held.entry(net).or_default();
        if held.is_empty() {
            let lengths = &mut self.lengths[family(net.addr())];
            *lengths.entry(net.prefix_len()).or_default() += 1;
        }
        held.insert((end, number));
    }

    pub(super) fn remove(&mut self, net: IpNet, end: End, number: u32) {
        let Some(held) = self.held.get_mut(&net) else {
            return;
        };
        held.remove(&(end, number));
        if !held.is_empty() {
            return;
        }
        self.held.remove(&net);
        let lengths = &mut self.lengths[family(net.addr())];
        if let Some(count) = lengths.get_mut(&net.prefix_len()) {
            *count -= 1;
            if *count == 0 {
                lengths.remove(&net.prefix_len());
            }
        }
    }

    /// Those against just this prefix.
    pub(super) fn get(&self, net: IpNet) -> Option<&Held> {
        self.held.get(&net)
    }

    /// The one that holds longest of those against this address.
    pub(super) fn longest(&self, address: IpAddr) -> Option<(End, u32)> {
        let address = address.to_canonical();
        let lengths = self.lengths[family(address)].keys();
        let nets = lengths.filter_map(|&length| IpNet::new(address, length).ok());
        let held = nets.filter_map(|net| self.held.get(&net.trunc())?.last());
        held.max().copied()
    }
}

fn family(address: IpAddr) -> usize {
    usize::from(address.is_ipv6())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_by_every_prefix_that_holds_it() {
        let mut nets = Nets::default();
        let prefixes = ["10.1.2.3/32", "10.1.0.0/16", "2001:db8::/64", "::/0"];
        for (number, net) in (1..).zip(prefixes) {
            nets.insert(net.parse().unwrap(), End::Never, number);
        }
        let found = |nets: &Nets, address: &str| {
            let longest = nets.longest(address.parse().unwrap());
            longest.map(|(_, number)| number)
        };
        for (address, number) in [
            ("10.1.2.3", Some(2)),
            ("::ffff:10.1.9.9", Some(2)),
            ("10.2.0.0", None),
            ("2001:db8::ffff:1", Some(4)),
            ("2001:db8:0:1::1", Some(4)),
        ] {
            assert_eq!(found(&nets, address), number, "{address}");
        }
        nets.remove("10.1.0.0/16".parse().unwrap(), End::Never, 2);
        assert_eq!(found(&nets, "10.1.2.3"), Some(1));
        assert_eq!(found(&nets, "10.1.9.9"), None);
        nets.remove("::/0".parse().unwrap(), End::Never, 4);
        assert_eq!(found(&nets, "2001:db8::1"), Some(3));
        for (number, net) in [(1, prefixes[0]), (3, prefixes[2])] {
            nets.remove(net.parse().unwrap(), End::Never, number);
        }
        assert!(nets.held.is_empty() && nets.lengths.iter().all(BTreeMap::is_empty));
    }
}
