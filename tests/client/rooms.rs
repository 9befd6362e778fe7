//! Several rooms at one seat: entering and leaving them, going from one to another, what the prompt
//! says of the others, and coming back to all of them. The server is scripted by each test.

use serde_json::json;

use crate::client_support::{FakeServer, Peer};
use crate::terminal_support::{Sitting, seat};

/// A seat in three rooms, in the first of which the user is, and the server's side of it.
fn seated() -> (Sitting, Peer, FakeServer) {
    let server = FakeServer::new();
    let rooms = ["--room", "lobby", "--room", "dev", "--room", "ops"];
    let sitting = Sitting::start(seat(server.address(), &rooms));
    let mut peer = server.accept();
    peer.hears("enter ann in lobby,dev,ops");
    enters_all(&mut peer);
    sitting.sees_text("~ you are ann in lobby, dev, ops");
    (sitting, peer, server)
}

fn enters_all(peer: &mut Peer) {
    peer.says_hello();
    peer.says("{\"is\":\"welcome\",\"name\":\"ann\",\"resume\":\"token\"}");
    for room in ["lobby", "dev", "ops"] {
        peer.enters(room, &["ann", "ben"]);
        peer.catches_up(room, 0);
    }
}

/// Ben says something.
fn says(peer: &mut Peer, room: &str, id: &str, text: &str) {
    peer.says_line(&json!({"is": "said", "room": room, "id": id, "from": "ben", "text": text}));
}

#[track_caller]
fn sees_prompt(sitting: &Sitting, start: &str) {
    sitting.sees(&format!("the prompt {start:?}"), |model| {
        model.cursor_row().0.starts_with(start)
    });
}

#[test]
fn lines_of_other_rooms_carry_them_and_the_prompt_says_where_they_are() {
    let (sitting, mut peer, _server) = seated();
    says(&mut peer, "lobby", "x-1", "here");
    sitting.sees_text(" <ben> here");
    assert!(!sitting.shows("] <ben> here"), "{}", sitting.screen());
    says(&mut peer, "ops", "x-2", "all is well");
    sitting.sees_text(" [ops] <ben> all is well");
    sees_prompt(&sitting, "lobby +1 ");
    says(&mut peer, "dev", "x-3", "look, ann");
    sitting.sees_text("@[dev] <ben> look, ann");
    sees_prompt(&sitting, "lobby +1 dev! ");
    sitting.types("\u{1b}2");
    sees_prompt(&sitting, "dev +1 ");
    sitting.sees_text("~ now in dev");
    sitting.types("hello\r");
    peer.hears("hello");
    assert_eq!(peer.last["room"], "dev");
    sitting.types("\u{1b}3");
    sees_prompt(&sitting, "ops ");
    assert!(!sitting.shows("ops +"), "{}", sitting.screen());
}

#[test]
fn keys_and_words_go_from_room_to_room() {
    let (sitting, mut peer, _server) = seated();
    for (keys, room) in [
        ("\u{e}", "dev"),
        ("\u{e}", "ops"),
        ("\u{e}", "lobby"),
        ("\u{10}", "ops"),
        ("\u{1b}1", "lobby"),
        ("\u{1b}3", "ops"),
        ("/room Dev\r", "dev"),
        ("/JOIN #lobby\r", "lobby"),
    ] {
        sitting.types(keys);
        sees_prompt(&sitting, &format!("{room} "));
    }
    sitting.types("\u{1b}9/room attic\r");
    sitting.sees_text("! not-in-room you are not in attic; /join attic enters it");
    sees_prompt(&sitting, "lobby ");
    // The line that is being typed stays.
    sitting.types("draft\u{e}");
    sees_prompt(&sitting, "dev ");
    sitting.sees_draft("draft");
    sitting.types("\r");
    peer.hears("draft");
    assert_eq!(peer.last["room"], "dev");
}

#[test]
fn a_room_is_left_and_the_last_one_is_not() {
    let (sitting, mut peer, _server) = seated();
    sitting.types("/part\r");
    peer.hears("/part lobby");
    peer.does_it();
    sees_prompt(&sitting, "dev ");
    sitting.types("/part #ops\r");
    peer.hears("/part ops");
    peer.does_it();
    sitting.sees_text("= you have left ops");
    sitting.types("/part\r");
    sitting.sees_text("! last-room it is the only room you are in");
    sitting.types("/part ops\r");
    sitting.sees_text("! not-in-room you are not in ops");
    sitting.types("still here\r");
    peer.hears("still here");
    assert_eq!(peer.last["room"], "dev");
}

#[test]
fn what_is_typed_on_the_way_to_a_room_is_meant_for_that_one() {
    let (sitting, mut peer, _server) = seated();
    sitting.types("/join den\rfor the den\r/join bar\r/room lobby\rfor the lobby\r");
    peer.hears("/join den");
    peer.enters("den", &["ann"]);
    peer.does_it();
    peer.catches_up("den", 0);
    peer.hears("for the den");
    assert_eq!(peer.last["room"], "den");
    peer.hears("/join bar");
    peer.refuses("no-such-room", "there is no bar");
    peer.hears("for the lobby");
    assert_eq!(peer.last["room"], "lobby");
    sees_prompt(&sitting, "lobby ");
}

#[test]
fn a_line_not_yet_returned_carries_its_room_once_one_is_elsewhere() {
    let (sitting, mut peer, _server) = seated();
    sitting.types("for the lobby\r");
    sitting.sees_text("  …   for the lobby");
    sitting.types("\u{1b}2for dev\r/who\r");
    sitting.sees_text("  …   [lobby] for the lobby");
    sitting.sees_text("  …   for dev");
    sitting.sees_text("  …   /who");
    peer.hears("for the lobby");
}

#[test]
fn coming_back_enters_all_rooms_and_shows_what_was_missed_in_each() {
    let (sitting, mut peer, server) = seated();
    says(&mut peer, "dev", "x-1", "seen");
    sitting.sees_text("[dev] <ben> seen");
    drop(peer);
    let mut peer = server.accept();
    peer.hears("enter ann in lobby,dev,ops again");
    assert_eq!(peer.last["since"]["dev"], "x-1");
    assert!(peer.last["since"]["ops"].is_string(), "{}", peer.last);
    peer.says_hello();
    peer.says("{\"is\":\"welcome\",\"name\":\"ann\"}");
    for (room, count) in [("lobby", 2), ("dev", 1), ("ops", 0)] {
        peer.enters(room, &["ann", "ben"]);
        for number in 1..=count {
            let (id, text) = (format!("y-{room}-{number}"), format!("{room} {number}"));
            peer.says_line(&json!({
                "is": "said", "room": room, "id": id, "from": "ben", "text": text, "past": true,
            }));
        }
        // What is live is shown behind it.
        says(
            &mut peer,
            room,
            &format!("z-{room}"),
            &format!("live {room}"),
        );
        peer.catches_up(room, 0);
    }
    sitting.sees_text("~ back in lobby, dev, ops as ann");
    let rows = sitting.model().rows();
    let rows = rows.iter().filter_map(|row| row.get(6..));
    let shown: Vec<&str> = rows.skip_while(|row| !row.starts_with("── … 2")).collect();
    let wanted = [
        "── … 2 messages while you were away ──",
        "<ben> lobby 1",
        "<ben> lobby 2",
        "<ben> live lobby",
        "[dev] ── … 1 message while you were away ──",
        "[dev] <ben> dev 1",
        "[dev] <ben> live dev",
        "[ops] <ben> live ops",
        "~ back in lobby, dev, ops as ann",
    ];
    assert_eq!(shown[..wanted.len()], wanted, "{}", sitting.screen());
    sees_prompt(&sitting, "lobby +2 ");
}

#[test]
fn a_room_that_the_server_has_no_place_for_is_gone_without() {
    let server = FakeServer::new();
    let sitting = Sitting::start(seat(
        server.address(),
        &["--room", "lobby", "--room", "new"],
    ));
    let mut peer = server.accept();
    peer.hears("enter ann in lobby,new");
    peer.says_hello();
    peer.says("{\"is\":\"welcome\",\"name\":\"ann\"}");
    peer.enters("lobby", &["ann"]);
    peer.catches_up("lobby", 0);
    peer.refuses("too-many-rooms", "there are 1 rooms");
    sitting.sees_text("! too-many-rooms there are 1 rooms");
    sitting.sees_text("~ you are ann in lobby;");
}

#[test]
fn who_is_in_several_rooms_with_us_is_renamed_once() {
    let (sitting, mut peer, _server) = seated();
    for room in ["lobby", "dev"] {
        peer.says_line(&json!({"is": "renamed", "room": room, "from": "ben", "to": "bob"}));
    }
    says(&mut peer, "lobby", "x-1", "that was all");
    sitting.sees_text("that was all");
    let rows = sitting.model().rows();
    let told = rows.iter().filter(|row| row.contains("ben is now bob"));
    assert_eq!(told.count(), 1, "{}", sitting.screen());
    sitting.types("\u{e}bo\t");
    sitting.sees_draft("bob:");
}
