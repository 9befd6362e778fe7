//! Coming back to a server that has what was missed on disk alone: pages, what comes meanwhile, and
//! links that are cut while it is asked.

use std::collections::VecDeque;

use super::world::{FOREVER, Lifetimes, World};
use super::{Manner, SAID, assert_record};

/// A world with a disk, from which so many messages come at once.
fn world(page_max: usize) -> World {
    let mut world = World::new(Manner::Seat);
    // It has greeted us already, as one without a disk: that ends with the first link.
    world.server.page_max = Some(page_max);
    world
}

fn ben_says_all(world: &mut World, texts: &[&str]) {
    texts.iter().for_each(|text| world.ben_says(text));
}

fn log(world: &World) -> Vec<&str> {
    let texts = world.server.log.iter().map(|(_, text)| text.as_str());
    texts.collect()
}

/// What was shown from the first heading on.
fn shown(world: &World) -> Vec<&str> {
    let texts = world.shown.iter().map(|(_, text)| text.as_str());
    texts
        .skip_while(|text| !text.ends_with("while you were away"))
        .collect()
}

/// Ann's server dies with a line of hers in doubt; when she comes back it has less in memory than
/// was said, and more is said while she asks for the rest. That link is cut where `lifetimes` ends.
fn talk(lifetimes: Lifetimes, remembered: usize, counts_not: bool) -> World {
    let mut world = world(2);
    world.server.counts_not = counts_not;
    world.ben_says("b1");
    world.say(SAID[0]);
    // The server hears it, and ann nothing of that.
    world.lifetimes[1] = 1;
    world.say(SAID[1]);
    ben_says_all(&mut world, &["b2", "two", "b3", "b4"]);
    world.restart(remembered);
    world.say(SAID[2]);
    world.server.interjections = VecDeque::from(["b5", "two", "b6"]);
    world.server.unwritten = 3;
    world.lifetimes = lifetimes;
    world.come_back();
    world.ben_says("b7");
    world.say(SAID[3]);
    world.come_back();
    world
}

#[test]
fn what_is_missed_is_shown_where_it_belongs() {
    let mut world = world(2);
    world.ben_says("seen");
    world.cut();
    ben_says_all(&mut world, &["1", "2", "3", "4", "5", "6", "7"]);
    world.server.forgotten = 6;
    world.server.interjections = VecDeque::from(["8", "9"]);
    world.come_back();
    let wanted = [
        "… 7 messages while you were away",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
        "9",
        "back in lobby as ann",
    ];
    assert_eq!(shown(&world), wanted);
    assert_eq!(world.server.asked, 3);
}

#[test]
fn a_link_cut_at_any_byte_while_paging_loses_and_doubles_nothing() {
    for (remembered, counts_not) in [(0, true), (1, false), (3, true)] {
        let uncut = talk(FOREVER, remembered, counts_not);
        assert_record(&uncut, "uncut");
        assert!(uncut.server.asked > 0);
        for direction in 0..2 {
            for bytes in 1.. {
                let mut lifetimes = FOREVER;
                lifetimes[direction] = bytes;
                let world = talk(lifetimes, remembered, counts_not);
                let case = format!("{remembered} in memory, cut at {bytes} of {direction}");
                assert_record(&world, &case);
                assert!(!world.has_shown("missed"), "{case}: {:#?}", world.shown);
                if world.cuts == uncut.cuts {
                    break;
                }
            }
        }
    }
}

#[test]
fn servers_that_die_again_and_again_lose_and_double_nothing() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..500 {
        let mut world = world(random.usize(1..4));
        world.ben_says("first");
        for text in SAID {
            world.server.counts_not = random.bool();
            world.server.interjections = VecDeque::from(["i1", "i2", text]);
            world.lifetimes = [random.usize(1..400), random.usize(1..2_000)];
            for _ in 0..random.usize(..6) {
                let text = ["b", text][random.usize(..2)];
                world.ben_says(text);
            }
            world.say(text);
            for _ in 0..random.usize(..3) {
                if world.connection.is_some() {
                    world.restart(random.usize(..4));
                }
                world.lifetimes = [random.usize(1..400), random.usize(1..2_000)];
                world.server.unwritten = random.usize(..2).min(world.server.log.len());
                world.come_back();
            }
        }
        world.lifetimes = FOREVER;
        world.come_back();
        assert_record(&world, &format!("seed {seed}"));
        assert!(!world.has_shown("missed"), "seed {seed}");
    }
}

#[test]
fn a_line_in_doubt_that_is_in_no_page_is_sent_again_once() {
    let mut world = world(2);
    world.ben_says("seen");
    world.lifetimes[0] = 1;
    world.say("in doubt");
    ben_says_all(&mut world, &["1", "2", "3"]);
    world.restart(1);
    world.come_back();
    assert_eq!(log(&world), ["seen", "1", "2", "3", "in doubt"]);
    assert_eq!(world.texts(), log(&world));
    assert!(!world.has_shown("perhaps sent"), "{:#?}", world.shown);
}

#[test]
fn a_server_that_remembers_nothing_is_asked_up_to_its_newest_message() {
    let mut world = world(2);
    world.server.counts_not = true;
    world.ben_says("seen");
    world.lifetimes[0] = 1;
    world.say("in doubt");
    world.restart(0);
    world.come_back();
    assert_eq!(world.server.asked, 0, "nothing was said");
    world.cut();
    ben_says_all(&mut world, &["1", "2", "3"]);
    world.restart(0);
    world.come_back();
    assert_eq!(world.server.asked, 2);
    assert_eq!(log(&world), ["seen", "in doubt", "1", "2", "3"]);
    assert_eq!(world.texts(), log(&world));
    assert!(!world.has_shown("missed"), "{:#?}", world.shown);
}

#[test]
fn what_has_been_shown_is_not_shown_again() {
    let mut world = world(3);
    world.ben_says("seen");
    world.cut();
    ben_says_all(&mut world, &["1", "2", "3"]);
    world.restart(0);
    world.come_back();
    for id in [2, 4] {
        let again = world.server.said(id, false);
        world.connection.as_mut().unwrap().tell(&again);
    }
    world.settle();
    assert_eq!(world.texts(), ["seen", "1", "2", "3"]);
}

/// Comes back to six messages of which one is in memory, while pages are refused so.
fn refused(refusals: &[&'static str]) -> World {
    let mut world = world(2);
    world.ben_says("seen");
    world.lifetimes[1] = 1;
    world.say("in doubt");
    ben_says_all(&mut world, &["1", "2", "3", "4", "5"]);
    world.restart(1);
    world.server.refusals = refusals.iter().copied().collect();
    world.server.interjections = VecDeque::from(["live"]);
    world.come_back();
    world
}

#[test]
fn without_pages_the_gap_is_said_before_what_comes_behind_it() {
    for refusals in [
        &["no-history"][..],
        &["not-in-room"],
        &["busy"; 9],
        // It never answers.
        &[""],
    ] {
        let world = refused(refusals);
        assert_eq!(world.texts(), ["seen", "5", "live"], "{refusals:?}");
        let from = |text: &str| world.shown.iter().position(|(_, shown)| shown == text);
        let missed = from("… 5 messages missed");
        assert!(missed.is_some() && missed < from("5"), "{refusals:?}");
        let doubt = "perhaps sent, not sent again: in doubt";
        assert!(world.has_shown(doubt), "{refusals:?}: {:#?}", world.shown);
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let world = refused(&["busy", "busy"]);
    assert_eq!(world.texts(), log(&world), "{:#?}", world.shown);
    assert!(!world.has_shown("missed"), "{:#?}", world.shown);
}

#[test]
fn the_rest_of_a_gap_that_is_lost_on_disk_is_said() {
    let mut world = world(2);
    world.ben_says("seen");
    world.cut();
    ben_says_all(&mut world, &["1", "2", "3", "4"]);
    world.server.forgotten = 5;
    // Until it is asked no more.
    world.server.unwritten = 5;
    world.server.page_max = Some(0);
    world.come_back();
    assert!(world.has_shown("… 4 messages missed"), "{:#?}", world.shown);
    world.ben_says("5");
    assert_eq!(world.texts(), ["seen", "5"]);
}

#[test]
fn of_very_many_messages_the_last_ones_are_left_out() {
    for (counts_not, wanted) in [
        (false, "… 2000 more messages left out here; /history"),
        (true, "… more messages left out here; /history"),
    ] {
        let mut world = world(1000);
        world.server.counts_not = counts_not;
        world.ben_says("seen");
        world.cut();
        let texts: Vec<String> = (0..7010).map(|number| number.to_string()).collect();
        texts.iter().for_each(|text| world.ben_says(text));
        world.server.forgotten = 7001;
        world.come_back();
        assert!(
            world.has_shown(wanted),
            "{:?}",
            world.shown.iter().rev().nth(12)
        );
        let seen = ["seen"].into_iter();
        let paged = texts[..5000].iter().chain(&texts[7000..]);
        let all: Vec<&str> = seen.chain(paged.map(String::as_str)).collect();
        assert_eq!(world.texts(), all);
        world.ben_says("later");
        assert_eq!(world.texts().last(), Some(&"later"));
    }
}

#[test]
fn what_is_kept_back_is_bounded() {
    let mut world = world(1000);
    world.ben_says("seen");
    world.cut();
    ben_says_all(&mut world, &["1", "2"]);
    world.server.forgotten = 2;
    world.server.refusals = VecDeque::from([""]);
    // All of it comes before any time passes.
    let long = "x".repeat(100_000);
    let phase = |world: &World| format!("{:?}", world.session.phase);
    world.now = world.session.next_deadline().unwrap();
    world.session.tick(world.now);
    world.settle();
    assert!(phase(&world).starts_with("Greeting"), "{}", phase(&world));
    for _ in 0..100 {
        world.ben_says(&long);
    }
    assert!(phase(&world).starts_with("Talking"), "{}", phase(&world));
    assert!(world.has_shown("… 1 message missed"));
    assert_eq!(world.texts().len(), 102);
}

#[test]
fn a_server_may_count_what_is_missed_as_far_as_numbers_go() {
    let mut world = World::new(Manner::Seat);
    world.ben_says("seen");
    world.cut();
    ben_says_all(&mut world, &["1", "2"]);
    world.server.miscounts = Some(u64::MAX);
    world.come_back();
    let heading = format!("… {} messages while you were away", u64::MAX);
    assert!(world.has_shown(&heading), "{:#?}", world.shown);
}
