//! The session against a server as `json.md` describes it, with links that are cut anywhere.

mod gaps;
mod world;

use std::time::Duration;

use super::gap::PAGES;
use super::{Code, Manner, OWN, Phase};
use world::{Connection, FOREVER, Lifetimes, World};

/// What ann says in [`talk`], the same text twice.
const SAID: [&str; 4] = ["one", "two", "two", "\"three\""];

/// A conversation on a link that is cut where `lifetimes` ends.
fn talk(lifetimes: Lifetimes) -> World {
    let mut world = World::new(Manner::Seat);
    world.lifetimes = lifetimes;
    world.ben_says("b1");
    world.say(SAID[0]);
    world.ben_says("b2");
    world.say(SAID[1]);
    world.say(SAID[2]);
    world.ben_says("two");
    world.come_back();
    world.ben_says("b3");
    world.say(SAID[3]);
    world.come_back();
    world
}

#[track_caller]
fn assert_record(world: &World, case: &str) {
    let log: Vec<&str> = world
        .server
        .log
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(
        world.texts(),
        log,
        "{case}: the record is not the room's\n{:#?}",
        world.shown
    );
    let own = world.server.log.iter().filter(|(from, _)| from == "ann");
    let own: Vec<&str> = own.map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        own, SAID,
        "{case}: not said once each, in order\n{:#?}",
        world.shown
    );
    assert_eq!(world.session.unheard().count(), 0, "{case}");
}

#[test]
fn a_link_cut_at_any_byte_loses_and_doubles_nothing() {
    assert_record(&talk(FOREVER), "uncut");
    for direction in 0..2 {
        for bytes in 1.. {
            let mut lifetimes = FOREVER;
            lifetimes[direction] = bytes;
            let world = talk(lifetimes);
            if !world.has_shown("closed the connection") {
                break;
            }
            assert_record(
                &world,
                &format!("cut at byte {bytes} in direction {direction}"),
            );
        }
    }
}

#[test]
fn links_cut_again_and_again_lose_and_double_nothing() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..2_000 {
        let mut world = World::new(Manner::Seat);
        for text in SAID {
            world.lifetimes = [random.usize(1..300), random.usize(1..900)];
            for _ in 0..random.usize(..3) {
                let text = ["b", text][random.usize(..2)];
                world.ben_says(text);
            }
            world.say(text);
            if random.bool() {
                world.come_back();
            }
        }
        world.lifetimes = FOREVER;
        world.come_back();
        assert_record(&world, &format!("seed {seed}"));
    }
}

#[test]
fn behind_a_gap_a_line_in_doubt_is_shown_and_not_sent_again() {
    let mut world = World::new(Manner::Seat);
    world.ben_says("b1");
    // The line gets through; neither its return nor its answer does.
    world.lifetimes[1] = 1;
    world.say("in doubt");
    world.say("waits");
    world.server.forgotten = world.server.log.len();
    world.come_back();
    assert!(world.has_shown("… 1 message missed"), "{:#?}", world.shown);
    assert!(
        world.has_shown("perhaps sent, not sent again: in doubt"),
        "{:#?}",
        world.shown
    );
    let log: Vec<&str> = world
        .server
        .log
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(log, ["b1", "in doubt", "waits"]);
}

#[test]
fn an_older_token_waits_for_its_ghost_to_go() {
    let mut world = World::new(Manner::Seat);
    world.lifetimes[0] = 1;
    world.say("hello");
    world.server.token = Some("newer".to_owned());
    world.come_back();
    assert!(
        world.has_shown("our name is still held by the lost link"),
        "{:#?}",
        world.shown
    );
    assert_eq!(world.texts(), ["hello"]);
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let mut world = World::new(Manner::Seat);
    world.say("answered");
    world.connection = Some(Connection::default());
    world.session.say_line("unanswered", world.now);
    let deadline = world.session.next_deadline().unwrap();
    assert_eq!(deadline, world.now + Duration::from_secs(30));
    world.session.tick(deadline);
    assert!(matches!(world.session.phase, Phase::Away { .. }));
}

#[test]
fn a_server_that_says_nothing_is_asked_whether_it_is_there() {
    for manner in [Manner::Seat, Manner::Pipe, Manner::Json] {
        let mut world = World::new(manner);
        for _ in 0..3 {
            let deadline = world.session.next_deadline().unwrap();
            assert_eq!(deadline, world.now + Duration::from_secs(60));
            world.now = deadline;
            world.session.tick(deadline);
            world.settle();
            assert!(matches!(world.session.phase, Phase::Talking { .. }));
        }
        world.connection = Some(Connection::default());
        world.now = world.session.next_deadline().unwrap();
        world.session.tick(world.now);
        world.session.next_effect();
        let deadline = world.session.next_deadline().unwrap();
        assert_eq!(deadline, world.now + Duration::from_secs(30));
        world.session.tick(deadline);
        assert!(matches!(world.session.phase, Phase::Away { .. }));
        assert!(!world.has_shown("pong"), "{:#?}", world.shown);
    }
}

#[test]
fn a_person_who_does_not_want_to_wait_presses_enter() {
    for (manner, is_back) in [
        (Manner::Seat, true),
        (Manner::Terminal, true),
        (Manner::Pipe, false),
    ] {
        let mut world = World::new(manner);
        world.cut();
        world.say("");
        let is_talking = matches!(world.session.phase, Phase::Talking { .. });
        assert_eq!(is_talking, is_back, "{manner:?}");
    }
}

#[test]
fn a_link_that_held_has_earned_a_quick_return() {
    let mut world = World::new(Manner::Seat);
    let wait = |world: &mut World, held: u64| {
        world.now += Duration::from_secs(held);
        world.cut();
        let Phase::Away { until } = world.session.phase else {
            panic!("{:#?}", world.shown);
        };
        let wait = until - world.now;
        world.come_back();
        wait
    };
    for _ in 0..5 {
        wait(&mut world, 1);
    }
    assert!(wait(&mut world, 1) > Duration::from_secs(10));
    assert!(wait(&mut world, 31) <= Duration::from_secs(1));
}

#[test]
fn a_pipe_ends_when_everything_is_answered() {
    let mut world = World::new(Manner::Pipe);
    world.lifetimes[0] = 30;
    for line in ["/quit", "exit", ""] {
        world.say(line);
    }
    world.session.end_of_input(world.now);
    world.settle();
    assert!(world.session.end().is_none());
    world.come_back();
    let log: Vec<&str> = world
        .server
        .log
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(log, ["/quit", "exit"]);
    assert_eq!(world.server.token, None, "it has not left");
    world.session.tick(world.now + Duration::from_secs(1));
    assert_eq!(world.session.end().map(|end| end.code), Some(Code::Left));
}

#[test]
fn what_is_left_unsaid_by_a_pipe_is_no_success() {
    let mut world = World::new(Manner::Pipe);
    world.cut();
    world.say("unsaid");
    world.session.interrupt(0, world.now);
    assert_eq!(world.session.end().map(|end| end.code), Some(Code::Lost));
}

#[test]
fn a_program_is_answered_with_its_own_reference_also_if_it_is_ours() {
    let mut world = World::new(Manner::Json);
    for reference in [OWN, PAGES, "1"] {
        // While we ask whether the server is there ourselves.
        world.now = world.session.next_deadline().unwrap();
        world.session.tick(world.now);
        world.say(&format!(r#"{{"do":"ping","ref":"{reference}"}}"#));
        let pongs = world.shown.iter().filter(|(_, text)| text.contains("pong"));
        let pongs: Vec<&str> = pongs.map(|(_, text)| text.as_str()).collect();
        assert!(
            pongs.len() == 1 && pongs[0].contains(&format!(r#""ref":"{reference}""#)),
            "{pongs:?}"
        );
        world.shown.clear();
    }
}
