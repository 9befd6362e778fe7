//! Rooms that nobody is in and that are remembered.

use super::*;

fn stage_with_rest(resting_rooms_max: usize) -> Stage {
    Stage {
        directory: Directory::new(Rules {
            resting_rooms_max,
            ..RULES
        }),
        log: Log::default(),
    }
}

#[test]
fn a_room_that_rests_keeps_its_topic_and_takes_no_place() {
    let mut stage = stage_with_rest(2);
    let ann = stage.enter("ann");
    for room in ["alpha", "beta", "gamma", "blank"] {
        stage.apply(ann, Some(room), Act::Join { since: None });
        if room != "blank" {
            stage.apply(ann, Some(room), Act::SetTopic(room));
        }
        stage.apply(ann, Some(room), Act::Part);
    }
    let rooms: Vec<_> = stage.directory.occupied_rooms().collect();
    assert_eq!(rooms, [("lobby", 1)]);
    assert_eq!(stage.directory.presence.rooms.len(), 1);
    assert!(stage.directory.who("beta").is_err(), "nobody is there");
    let closed = stage.log.0.iter().filter(|line| line.contains("Closed"));
    let closed: Vec<_> = closed.map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(closed, ["alpha", "blank"], "too many, and nothing to keep");
    let topic_on_return = |stage: &mut Stage, room| {
        stage.log.0.clear();
        stage.apply(ann, Some(room), Act::Join { since: None });
        stage.log.0.concat().contains(&format!("topic: \"{room}\""))
    };
    assert!(topic_on_return(&mut stage, "beta"));
    assert!(topic_on_return(&mut stage, "gamma"));
    assert!(!topic_on_return(&mut stage, "alpha"));
}

#[test]
fn of_many_rooms_of_an_earlier_run_those_that_spoke_last_are_remembered() {
    let mut stage = stage_with_rest(2);
    let recall = |stage: &mut Stage, room, id: &str| {
        let last = id.parse().unwrap();
        stage.directory.recall_room(room, "", last).is_some()
    };
    let recalled = [("newest", "9-0"), ("older", "8-0"), ("oldest", "7-0")]
        .map(|(room, id)| recall(&mut stage, room, id));
    assert_eq!(recalled, [true, true, false]);
    assert!(recall(&mut stage, "lobby", "1-0"), "it is always there");
    stage
        .directory
        .post("new", "bot", "x", &mut stage.log)
        .unwrap();
    let is_there = ["newest", "older", "new"].map(|room| stage.directory.find_room(room).is_ok());
    assert_eq!(is_there, [true, false, true]);
    assert_eq!(names(&stage.directory.list_rooms()), Vec::<String>::new());
}

#[test]
fn a_room_that_rests_keeps_nobody_from_a_name() {
    let mut stage = stage_with_rest(2);
    let ann = stage.enter("ann");
    let (latin, cyrillic) = ("cop", "\u{441}\u{43e}\u{440}");
    stage
        .directory
        .post(cyrillic, "bot", "mine", &mut stage.log)
        .unwrap();
    assert!(stage.directory.find_room(cyrillic).is_ok());
    let joined = stage.apply(ann, Some(latin), Act::Join { since: None });
    assert_eq!(joined, "");
    assert!(stage.directory.find_room(cyrillic).is_err());
}

#[test]
fn a_room_of_an_earlier_run_is_there_again_and_its_ids_are_not() {
    let mut stage = stage_with_rest(2);
    let last: MessageId = "5000-3".parse().unwrap();
    stage.directory.recall_room("ops", "tea", last).unwrap();
    stage
        .directory
        .recall_room("lobby", "hello", MessageId::ZERO);
    assert_eq!(stage.directory.recall_room("no name", "x", last), None);
    let ann = stage.enter("ann");
    assert!(stage.log.0.concat().contains("topic: \"hello\""));
    stage.apply(ann, Some("OPS"), Act::Join { since: None });
    let told = stage.log.0.concat();
    assert!(
        told.contains("topic: \"tea\"") && told.contains(&format!("{last:?}")),
        "{told}"
    );
    let id = stage
        .directory
        .post("ops", "bot", "x", &mut stage.log)
        .unwrap();
    assert!(id > last, "{id}");
}
