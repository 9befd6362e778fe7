//! What the rules of chat do, told by hand.

use std::time::Duration;

use super::*;

mod resting;

const RULES: Rules = Rules {
    announce_members_max: 200,
    announce_rate: None,
    churn_interval: Duration::from_secs(1),
    churn_hearers_per_turn_max: 100,
    rooms_max: 6,
    resting_rooms_max: 0,
    rooms_per_member_max: 4,
    topic_bytes_max: 20,
    who_names_max: 20,
    rooms_listed_max: 20,
};

const TEXT: Hears = Hears {
    echo: false,
    names_max: 20,
};

/// Writes down what happens: to whom, and what, in short.
#[derive(Default)]
struct Log(Vec<String>);

impl Listen for Log {
    fn hear(&mut self, to: To<'_>, fact: &Fact<'_>) {
        let room = fact.room.map_or("-", |room| room.name);
        self.0.push(format!("{to:?} {room} {:?}", fact.what));
    }
}

/// A directory, and what happened in it.
struct Stage {
    directory: Directory,
    log: Log,
}

impl Stage {
    fn new() -> Stage {
        Stage {
            directory: Directory::new(RULES),
            log: Log::default(),
        }
    }

    fn admit(&mut self, name: &'static str) -> Result<MemberId, Refusal<'static>> {
        self.directory.admit(name, TEXT)
    }

    /// A member in the lobby.
    fn enter(&mut self, name: &'static str) -> MemberId {
        let member = self.admit(name).unwrap();
        self.directory.join(member, "lobby", &mut self.log).unwrap();
        member
    }

    /// Does what a member asks for; the name of the refusal, if it is one.
    fn apply(&mut self, member: MemberId, room: Option<&str>, act: Act<'_>) -> String {
        match self.directory.apply(member, room, act, &mut self.log) {
            Ok(_) => String::new(),
            Err(refusal) => format!("{refusal:?}"),
        }
    }

    fn leave(&mut self, member: MemberId) {
        self.directory
            .leave(member, Cause::Quit, None, &mut self.log);
    }

    fn assert_nothing_is_left(&self) {
        assert_eq!(self.directory.members(), 0);
        assert_eq!(self.directory.presence.members.keys_len(), 0);
        assert_eq!(self.directory.presence.rooms.len(), 1, "the lobby");
        assert_eq!(self.directory.presence.rooms.keys_len(), 1);
    }
}

fn names(answer: &Answer<'_>) -> Vec<String> {
    match answer {
        Answer::Who { names, .. } => names.iter().map(|name| (*name).to_owned()).collect(),
        Answer::Rooms { rooms, .. } => rooms.iter().map(|row| row.room.to_owned()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_refuses_those_that_look_like_it_but_is_not_reached_by_them() {
    let mut stage = Stage::new();
    let ian = stage.admit("Ian").unwrap();
    for taken in ["ian", "IAN", "lan", "1an", "Ian"] {
        assert_eq!(stage.admit(taken), Err(Refusal::NameInUse(taken)));
    }
    for (name, found) in [
        ("ian", Some(ian)),
        ("IAN", Some(ian)),
        ("lan", None),
        ("1an", None),
    ] {
        assert_eq!(stage.directory.member_named(name), found, "{name}");
    }
    stage.leave(ian);
    assert_eq!(stage.directory.member_named("Ian"), None);
    let lan = stage.admit("lan").unwrap();
    assert!(stage.admit("Ian").is_err(), "it looks like lan");
    let ian = stage.admit("ian").unwrap();
    assert_eq!(stage.directory.member_named("lan"), Some(lan));
    assert_eq!(stage.directory.member_named("Ian"), Some(ian));
    stage.leave(lan);
    stage.leave(ian);
    stage.assert_nothing_is_left();
}

#[test]
fn a_member_may_write_its_own_name_another_way() {
    let mut stage = Stage::new();
    let (ann, ian) = (stage.enter("Ann"), stage.enter("Ian"));
    for (member, name) in [
        (ann, "ann"),
        (ann, "ANN"),
        (ian, "lan"),
        (ian, "Ian"),
        (ian, "ian"),
    ] {
        assert_eq!(stage.apply(member, None, Act::Nick(name)), "");
        assert_eq!(stage.directory.member_named(name), Some(member));
        assert_eq!(stage.directory.name_of(member), name);
    }
    // The keys that a rename gave up are free, those that it kept are not.
    let lan = stage.enter("lan");
    for taken in ["Ian", "Ann"] {
        let refusal = stage.apply(lan, None, Act::Nick(taken));
        assert_eq!(refusal, format!("NameInUse({taken:?})"));
    }
    for member in [ann, ian, lan] {
        stage.leave(member);
    }
    stage.assert_nothing_is_left();
}

#[test]
fn a_member_is_in_several_rooms_and_hears_of_each() {
    let mut stage = Stage::new();
    let (ann, ben) = (stage.enter("ann"), stage.enter("ben"));
    let join = Act::Join { since: None };
    assert_eq!(stage.apply(ann, Some("ops"), join), "");
    assert_eq!(stage.apply(ben, Some("OPS"), join), "");
    assert_eq!(stage.apply(ben, Some("ops"), join), "AlreadyHere(\"ops\")");
    let say = Act::Say {
        text: "hi",
        action: false,
    };
    assert_eq!(stage.apply(ann, None, say), "WhichRoom");
    assert_eq!(stage.apply(ann, Some("den"), say), "NotInRoom(\"den\")");
    stage.log.0.clear();
    assert_eq!(stage.apply(ann, Some("Ops"), say), "");
    assert_eq!(stage.apply(ann, None, Act::Nick("anna")), "");
    assert_eq!(stage.apply(ann, Some("ops"), Act::Part), "");
    stage.leave(ann);
    assert_eq!(
        stage.log.0,
        [
            r#"RoomBut(RoomId(1), [MemberId(0)]) ops Said { from: "ann", text: "hi", manner: Plain }"#,
            r#"Room(RoomId(0)) lobby Renamed { from: "ann", to: "anna" }"#,
            r#"Room(RoomId(1)) ops Renamed { from: "ann", to: "anna" }"#,
            r#"Member(MemberId(0)) ops Parted { who: "anna", parting: Wished }"#,
            r#"Room(RoomId(1)) ops Left { who: "anna", here: 1, cause: Quit, reason: None }"#,
            r#"Member(MemberId(0)) lobby Parted { who: "anna", parting: Gone }"#,
            r#"Room(RoomId(0)) lobby Left { who: "anna", here: 1, cause: Quit, reason: None }"#,
        ]
    );
    stage.leave(ben);
    stage.assert_nothing_is_left();
}

#[test]
fn rooms_have_bounds() {
    let mut stage = Stage::new();
    let (ann, ben) = (stage.enter("ann"), stage.enter("ben"));
    let join = Act::Join { since: None };
    for room in ["one", "two", "three"] {
        assert_eq!(stage.apply(ann, Some(room), join), "");
    }
    assert_eq!(stage.apply(ann, Some("four"), join), "TooManyRooms(4)");
    assert_eq!(stage.apply(ben, Some("four"), join), "");
    assert_eq!(stage.apply(ben, Some("five"), join), "");
    let full = "TooManyRoomsHere(6)";
    assert_eq!(stage.apply(ben, Some("six"), join), full);
    assert!(
        stage
            .directory
            .post("six", "cron", "x", &mut stage.log)
            .is_err()
    );
    for room in ["lobby", "four"] {
        assert_eq!(stage.apply(ben, Some(room), Act::Part), "");
    }
    assert_eq!(stage.apply(ben, Some("six"), Act::Move), "", "five closes");
    let cyd = stage.enter("cyd");
    assert_eq!(stage.apply(cyd, Some("seven"), Act::Move), "");
    assert_eq!(
        stage.apply(cyd, Some("eight"), Act::Move),
        "",
        "seven closes"
    );
    assert_eq!(stage.apply(ben, Some("nine"), join), full);
    for member in [ann, ben, cyd] {
        stage.leave(member);
    }
    stage.assert_nothing_is_left();
}

#[test]
fn a_post_enters_nothing_and_its_name_must_be_free() {
    let mut stage = Stage::new();
    let ann = stage.enter("ann");
    for name in ["Ann", "server", "аnn"] {
        let refused = stage.directory.post("lobby", name, "x", &mut stage.log);
        assert!(refused.is_err(), "{name}");
    }
    stage.log.0.clear();
    stage
        .directory
        .post("den", "cron", "done", &mut stage.log)
        .unwrap();
    assert_eq!(
        stage.log.0,
        [
            r#"Room(RoomId(1)) den Said { from: "cron", text: "done", manner: Posted }"#,
            "Room(RoomId(1)) den Closed",
        ]
    );
    stage.leave(ann);
    stage.assert_nothing_is_left();
}

#[test]
fn a_topic_stays_as_long_as_its_room() {
    let mut stage = Stage::new();
    let ann = stage.enter("ann");
    assert_eq!(stage.apply(ann, None, Act::SetTopic("tea at five")), "");
    let long = "x".repeat(21);
    let refusal = stage.apply(ann, None, Act::SetTopic(&long));
    assert_eq!(refusal, "TopicTooLong(20)");
    stage.log.0.clear();
    stage.enter("ben");
    assert!(
        stage.log.0[1].contains(r#"topic: "tea at five""#),
        "{:?}",
        stage.log.0
    );
}

#[test]
fn lists_are_in_alphabetical_order_while_rooms_come_and_go() {
    let mut stage = Stage::new();
    let rooms = ["zoo", "Bar", "äther", "alpha", "m1"];
    let members: Vec<MemberId> = ["zed", "Ben", "äda", "ann", "m"]
        .into_iter()
        .zip(rooms)
        .map(|(name, room)| {
            let member = stage.enter(name);
            assert_eq!(
                stage.apply(member, Some(room), Act::Join { since: None }),
                ""
            );
            member
        })
        .collect();
    let who = stage.directory.who("LOBBY").unwrap();
    assert_eq!(names(&who), ["ann", "Ben", "m", "zed", "äda"]);
    let listed = names(&stage.directory.list_rooms());
    assert_eq!(listed, ["alpha", "Bar", "lobby", "m1", "zoo", "äther"]);
    stage.leave(members[1]);
    stage.leave(members[4]);
    let listed = names(&stage.directory.list_rooms());
    assert_eq!(listed, ["alpha", "lobby", "zoo", "äther"]);
}

#[test]
fn beyond_the_burst_joins_and_leaves_are_gathered() {
    let mut directory = Directory::new(Rules {
        announce_rate: crate::bucket::Rate::new(5, 3),
        ..RULES
    });
    let mut log = Log::default();
    let mut time = Time::START;
    let mut seconds = |directory: &mut Directory, count| {
        time = time + Duration::from_secs(count);
        directory.set_time(time, WallTime::default());
    };
    seconds(&mut directory, 10);
    let mut members = Vec::new();
    for name in ["ann", "ben", "cyd", "dee", "eve"] {
        let member = directory.admit(name, TEXT).unwrap();
        directory.join(member, "lobby", &mut log).unwrap();
        members.push(member);
    }
    directory.leave(members.remove(1), Cause::Quit, None, &mut log);
    let announced = |log: &Log, word: &str| log.0.iter().filter(|fact| fact.contains(word)).count();
    assert_eq!((announced(&log, "Joined"), announced(&log, "Left")), (3, 0));
    log.0.clear();
    seconds(&mut directory, 1);
    directory.handle_timeout(&mut log);
    assert_eq!(
        log.0,
        [
            // Those two came meanwhile, and were told of some of it when they came.
            "RoomBut(RoomId(0), [MemberId(3), MemberId(4)]) lobby Churn { joined: 2, left: 1, here: 4 }",
            "Member(MemberId(3)) lobby Churn { joined: 1, left: 1, here: 4 }",
            "Member(MemberId(4)) lobby Churn { joined: 0, left: 1, here: 4 }",
        ]
    );
    log.0.clear();
    directory.leave(members[0], Cause::Quit, None, &mut log);
    assert_eq!(
        announced(&log, "Left"),
        1,
        "individually again: {:?}",
        log.0
    );
}
