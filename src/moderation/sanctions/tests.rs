//! Bans and mutes by hand: found, replaced, over, and numbered.

use super::*;

fn at(millis: u64) -> WallTime {
    WallTime::from_millis(millis)
}

fn target(name: &str, net: &str) -> Target {
    let name = (!name.is_empty()).then(|| Name::parse(name).unwrap());
    let net = (!net.is_empty()).then(|| net.parse().unwrap());
    Target::of(name, net).unwrap()
}

fn add(sanctions: &mut Sanctions, name: &str, net: &str, end: End) -> Result<u32, Full> {
    let added = sanctions.add(target(name, net), end, ("console", Some("why")), at(0));
    added.map(|added| added.number)
}

fn by_name(sanctions: &Sanctions, name: &str, now: u64) -> Option<u32> {
    let found = sanctions.on_name(&Name::parse(name).unwrap(), at(now));
    found.map(|found| found.number)
}

fn by_address(sanctions: &Sanctions, address: &str, now: u64) -> Option<u32> {
    let found = sanctions.on_address(address.parse().unwrap(), at(now));
    found.map(|found| found.number)
}

#[test]
fn a_ban_is_found_by_name_look_alike_and_address() {
    let mut bans = Sanctions::new(Kind::Ban, 10);
    assert_eq!(add(&mut bans, "Ian", "192.0.2.7/32", End::Never), Ok(1));
    for name in ["ian", "IAN", "lan"] {
        assert_eq!(by_name(&bans, name, 0), Some(1), "{name}");
    }
    assert_eq!(by_name(&bans, "ann", 0), None);
    assert_eq!(by_address(&bans, "192.0.2.7", 0), Some(1));
    assert_eq!(by_address(&bans, "192.0.2.8", 0), None);
    assert_eq!(bans.remove(1).unwrap().number, 1);
    assert!(bans.remove(1).is_none());
    assert_eq!(by_name(&bans, "ian", 0), None);
    assert_eq!(by_address(&bans, "192.0.2.7", 0), None);
    assert!(bans.is_empty() && bans.names.is_empty());
    // Its number is not given again.
    assert_eq!(add(&mut bans, "ian", "", End::Never), Ok(2));
}

#[test]
fn a_mute_is_against_who_is_called_so_alone() {
    let mut mutes = Sanctions::new(Kind::Mute, 10);
    add(&mut mutes, "Ian", "", End::Never).unwrap();
    assert_eq!(by_name(&mutes, "ian", 0), Some(1));
    assert_eq!(by_name(&mutes, "lan", 0), None);
}

#[test]
fn what_is_over_comes_back_with_the_clock_until_its_place_is_needed() {
    let mut bans = Sanctions::new(Kind::Ban, 2);
    add(&mut bans, "ann", "", End::At(at(100))).unwrap();
    add(&mut bans, "ben", "", End::Never).unwrap();
    assert_eq!(by_name(&bans, "ann", 99), Some(1));
    assert_eq!(by_name(&bans, "ann", 100), None);
    assert_eq!(bans.in_force(at(100)).count(), 1);
    assert_eq!(by_name(&bans, "ann", 99), Some(1));
    // At 0 both are in force.
    assert_eq!(add(&mut bans, "cyd", "", End::Never), Err(Full(2)));
    let added = bans.add(target("cyd", ""), End::Never, ("console", None), at(100));
    assert_eq!(added.unwrap().number, 3);
    assert_eq!(by_name(&bans, "ann", 0), None);
    let keys: Vec<_> = bans.take_changes().iter().map(Change::key).collect();
    let expected = [1, 2, 1, 3].map(|number| (Kind::Ban, number));
    assert_eq!(keys, expected);
}

#[test]
fn the_same_target_again_takes_the_place_of_the_old() {
    let mut bans = Sanctions::new(Kind::Ban, 1);
    assert_eq!(add(&mut bans, "ann", "10.0.0.1/32", End::At(at(5))), Ok(1));
    assert_eq!(add(&mut bans, "ANN", "10.0.0.1/32", End::Never), Ok(1));
    assert_eq!(by_address(&bans, "10.0.0.1", 9), Some(1));
    assert_eq!(add(&mut bans, "ann", "", End::Never), Err(Full(1)));
}

#[test]
fn of_several_against_one_address_the_longest_holds() {
    let mut bans = Sanctions::new(Kind::Ban, 9);
    add(&mut bans, "ann", "10.0.0.1/32", End::At(at(5))).unwrap();
    add(&mut bans, "ben", "10.0.0.1/32", End::At(at(9))).unwrap();
    add(&mut bans, "", "10.0.0.0/8", End::At(at(7))).unwrap();
    assert_eq!(by_address(&bans, "10.0.0.1", 6), Some(2));
    bans.remove(2);
    assert_eq!(by_address(&bans, "10.0.0.1", 6), Some(3));
    assert_eq!(by_address(&bans, "10.0.0.1", 7), None);
    assert!(bans.concerns("10.0.0.1".parse().unwrap()));
}

#[test]
fn those_of_an_earlier_run_keep_their_numbers() {
    let mut first = Sanctions::new(Kind::Ban, 3);
    for name in ["ann", "ben", "cyd"] {
        add(&mut first, name, "", End::Never).unwrap();
    }
    first.remove(2);
    let kept: Vec<Sanction> = first.in_force(at(0)).cloned().collect();
    let mut second = Sanctions::new(Kind::Ban, 3);
    kept.into_iter().for_each(|kept| second.recall(kept));
    assert!(second.take_changes().is_empty());
    assert_eq!(by_name(&second, "cyd", 0), Some(3));
    assert_eq!(add(&mut second, "dan", "", End::Never), Ok(4));
    // Nor is there an end of numbers.
    let mut last = second.remove(4).unwrap();
    last.number = u32::MAX;
    second.recall(last);
    second.remove(3);
    assert_eq!(add(&mut second, "eve", "", End::Never), Ok(2));
}
