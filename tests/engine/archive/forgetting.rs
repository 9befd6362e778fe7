//! What is forgotten is gone: from the pages, from the journal, from every byte of every file.

use chatd::archive::{Reply, Target};
use chatd::chat::PageEnd;

use super::support::{Folder, Loop, id, never_committing, quick, tail_of};

#[test]
fn forgetting_a_sender_leaves_no_byte_of_what_it_said() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    let mut rng = fastrand::Rng::with_seed(12);
    let mut anns = Vec::new();
    for number in 0..3000 {
        let room = if number % 3 == 0 { "ops" } else { "lobby" };
        let filler = "y".repeat(rng.usize(0..300));
        if number % 7 == 0 {
            let spelling = if number % 2 == 0 { "ann" } else { "Ann" };
            chat.say(
                room,
                id(number),
                spelling,
                &format!("SECRET{number:05}{filler}"),
            );
            anns.push((room, id(number)));
        } else {
            chat.say(
                room,
                id(number),
                "ben",
                &format!("PLAIN{number:05}{filler}"),
            );
        }
        if number % 50 == 0 {
            chat.end_turn();
        }
    }
    chat.until_kept(3000);
    assert!(!folder.files_with(b"SECRET").is_empty());
    let Reply::Forgotten(rooms) = chat.forget(Target::Sender("ANN")) else {
        panic!("it is told");
    };
    let told = rooms
        .iter()
        .flat_map(|(room, ids)| ids.iter().map(move |&id| (room.as_str(), id)));
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|&(_, id)| id);
    assert_eq!(told, anns);
    assert_eq!(
        folder.files_with(b"SECRET"),
        [""; 0].map(std::path::PathBuf::from)
    );
    let left = chat.texts("lobby", PageEnd::Newest);
    assert!(left.len() == 1000 && left.iter().all(|text| text.starts_with("PLAIN")));
    // Ann may speak again.
    chat.turn("lobby", id(4000), "ann", "hello");
    chat.until_kept(3001);
    assert_eq!(
        chat.texts("lobby", PageEnd::Newest).last().unwrap(),
        "hello"
    );
}

#[test]
fn one_message_is_forgotten_by_its_id() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    for number in 0..5 {
        chat.turn("lobby", id(number), "ann", &format!("text {number}"));
    }
    // Said in this very turn.
    chat.say("lobby", id(5), "ann", "text 5");
    let reply = chat.forget(Target::One(id(5)));
    assert_eq!(reply, Reply::Forgotten(vec![("lobby".into(), vec![id(5)])]));
    let reply = chat.forget(Target::One(id(2)));
    assert_eq!(reply, Reply::Forgotten(vec![("lobby".into(), vec![id(2)])]));
    let reply = chat.forget(Target::One(id(2)));
    assert_eq!(reply, Reply::Forgotten(vec![]));
    let texts = chat.texts("lobby", PageEnd::Newest);
    assert_eq!(texts, ["text 0", "text 1", "text 3", "text 4"]);
    assert!(folder.files_with(b"text 2").is_empty());
    assert!(folder.files_with(b"text 5").is_empty());
}

#[test]
fn what_was_forgotten_does_not_come_back_from_the_journal() {
    let folder = Folder::new();
    let mut chat = Loop::start(&quick(&folder));
    chat.turn("lobby", id(1), "ann", "SECRET on the disk");
    chat.until_kept(1);
    chat.stop();
    let mut chat = Loop::start(&never_committing(&folder));
    chat.reserve(&folder, id(2));
    chat.turn("lobby", id(2), "ann", "SECRET in the journal");
    chat.turn("lobby", id(3), "ben", "hello");
    chat.forget_without_reply(Target::Sender("ann"));
    chat.turn("lobby", id(4), "ann", "later");
    for journal in folder.journals() {
        let bytes = std::fs::read(&journal).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"SECRET"));
    }
    let killed = folder.as_if_killed();
    let again = Loop::start(&quick(&killed));
    assert_eq!(tail_of(&again.recovered, "lobby"), ["hello", "later"]);
}
