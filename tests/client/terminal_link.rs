//! The member's seat when the link is lost, and when the server is not what it should be: what a
//! person sees, keeps and gets back (F46, F48, F59). The server is scripted by each test.

use std::io::Write;
use std::time::Duration;

use crate::client_support::{FakeServer, Peer};
use crate::terminal_support::{Model, Sitting, seat};
use serde_json::json;
use socket2::SockRef;

fn seated(arguments: &[&str]) -> (Sitting, Peer, FakeServer) {
    let server = FakeServer::new();
    let sitting = Sitting::start(seat(server.address(), arguments));
    let peer = server.accept_and_greet("ann");
    sitting.sees("the prompt of the lobby", |model| {
        prompt(model).starts_with("lobby ")
    });
    (sitting, peer, server)
}

fn prompt(model: &Model) -> String {
    model.cursor_row().0
}

/// The seconds that the prompt counts down, if it does.
fn seconds_left(model: &Model) -> Option<u64> {
    let row = prompt(model);
    let rest = row.strip_prefix("lobby lost, trying again in ")?;
    rest.split(' ').next()?.parse().ok()
}

// Lost and found

#[test]
fn a_lost_link_is_said_and_what_is_typed_meanwhile_is_kept() {
    let (sitting, mut peer, server) = seated(&[]);
    sitting.types("unreturned\r");
    peer.hears("unreturned");
    sitting.types("half");
    drop(peer);
    sitting.sees_text("closed the connection; Enter tries again at once");
    sitting.sees("the prompt saying so", |model| {
        prompt(model).starts_with("lobby lost, try")
    });
    sitting.types(" a line\rdraft");
    sitting.sees_text("  …   half a line");
    sitting.sees_text("  …   unreturned");
    sitting.sees_draft("draft");
    let mut peer = server.accept_and_greet("ann");
    peer.returns("ann", "unreturned");
    peer.returns("ann", "half a line");
    sitting.sees_text("~ back in lobby as ann; sending 2 lines that waited");
    sitting.sees_text("<ann> half a line");
    sitting.sees_draft("draft");
    assert!(!sitting.shows("…"), "{}", sitting.screen());
}

#[test]
fn the_wait_is_counted_down_and_grows() {
    let (sitting, peer, server) = seated(&[]);
    drop(peer);
    let mut longest = 0;
    for _ in 0..3 {
        sitting.sees("a number of seconds", |model| seconds_left(model).is_some());
        longest = longest.max(seconds_left(&sitting.model()).unwrap_or(0));
        let mut peer = server.accept();
        peer.hears("enter ann in lobby again");
    }
    // The fourth wait is 4 to 8 s, by chance: it is seen to go down twice.
    sitting.sees("a longer wait", |model| {
        seconds_left(model).is_some_and(|left| left > 4)
    });
    assert!(longest <= 4, "{longest}");
    let first = seconds_left(&sitting.model()).unwrap();
    for left in [first - 1, first - 2] {
        sitting.sees("the next second", |model| seconds_left(model) == Some(left));
    }
    // That nothing new happens is not said again and again.
    let said = sitting
        .model()
        .rows()
        .iter()
        .filter(|row| row.contains("closed the"))
        .count();
    assert_eq!(said, 1, "{}", sitting.screen());
}

#[test]
fn the_same_name_and_rooms_again() {
    let (sitting, mut peer, server) = seated(&[]);
    sitting.types("/nick anna\r");
    peer.hears("/nick anna");
    peer.says("* ann is now anna\n");
    sitting.types("/join den\r");
    peer.hears("/join den");
    peer.enters("den", &["anna"]);
    peer.does_it();
    peer.catches_up("den", 0);
    sitting.sees("the other room", |model| prompt(model).starts_with("den "));
    drop(peer);
    let mut peer = server.accept();
    peer.hears("enter anna in lobby,den again");
    peer.says_hello();
    peer.says("{\"is\":\"welcome\",\"name\":\"anna\"}");
    // The server had heard of that room, and we nothing of it.
    for room in ["attic", "lobby", "den"] {
        peer.enters(room, &["anna"]);
        peer.catches_up(room, 0);
    }
    peer.hears("/part attic");
    sitting.sees_text("~ back in lobby, den as anna");
    sitting.types("hello\r");
    peer.hears("hello");
    assert_eq!(peer.last["room"], "den");
    peer.says_line(
        &json!({"is": "said", "room": "den", "id": "9-9", "from": "anna", "text": "hello"}),
    );
    sitting.sees_text("<anna> hello");
}

#[test]
fn a_name_held_by_our_own_dead_link_is_waited_for() {
    let (sitting, peer, server) = seated(&[]);
    drop(peer);
    for _ in 0..2 {
        let mut peer = server.accept();
        peer.hears("enter ann in lobby again");
        peer.says_hello();
        peer.refuses("name-in-use", "ann is taken");
    }
    sitting.sees_text("our name is still held by the lost link");
    let mut peer = server.accept_and_greet("ann");
    sitting.sees_text("~ back in lobby as ann");
    sitting.types("hello\r");
    peer.hears("hello");
}

#[test]
fn after_a_return_comes_what_was_missed() {
    let (sitting, mut peer, server) = seated(&[]);
    peer.says(
        "{\"is\":\"said\",\"room\":\"lobby\",\"id\":\"a-7\",\"from\":\"ben\",\"text\":\"before\"}",
    );
    sitting.sees_text("<ben> before");
    sitting.types("mine\rin doubt\r");
    peer.hears("mine");
    drop(peer);
    let mut peer = server.accept();
    peer.hears("enter ann in lobby again");
    assert_eq!(peer.last["since"], json!({"lobby": "a-7"}));
    assert_eq!(peer.last["resume"], "token");
    peer.says_hello();
    peer.says("{\"is\":\"welcome\",\"name\":\"ann\",\"resume\":\"other\"}");
    peer.enters("lobby", &["ann", "ben"]);
    for (id, from, text) in [("a-8", "ben", "meanwhile"), ("a-9", "ann", "mine")] {
        peer.says_line(&json!({
            "is": "said", "room": "lobby", "id": id, "from": from, "text": text, "past": true,
        }));
    }
    peer.catches_up("lobby", 0);
    sitting.sees_text("── … 2 messages while you were away ──");
    sitting.sees_text("<ben> meanwhile");
    sitting.sees_text("<ann> mine");
    sitting.sees_text("~ back in lobby as ann; sending 1 line that waited");
    peer.returns("ann", "in doubt");
    sitting.sees_text("<ann> in doubt");
    assert!(!sitting.shows("  …"), "{}", sitting.screen());
}

#[test]
fn what_cannot_be_known_is_not_said_again() {
    let (sitting, mut peer, server) = seated(&[]);
    peer.says("<ben> before\n");
    sitting.sees_text("<ben> before");
    sitting.types("in doubt\r");
    peer.hears("in doubt");
    drop(peer);
    sitting.sees_text("closed the connection");
    sitting.types("waits\r");
    let mut peer = server.accept();
    peer.hears("enter ann in lobby again");
    peer.says_hello();
    peer.says("{\"is\":\"welcome\",\"name\":\"ann\"}");
    peer.enters("lobby", &["ann"]);
    peer.catches_up("lobby", 37);
    sitting.sees_text("* … 37 messages missed");
    sitting.sees_text("~ perhaps sent, not sent again: in doubt");
    peer.returns("ann", "waits");
}

#[test]
fn without_coming_back_a_lost_link_is_the_end() {
    let (mut sitting, peer, _server) = seated(&["--no-reconnect"]);
    sitting.types("draft");
    sitting.sees_draft("draft");
    drop(peer);
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(1));
    assert!(sitting.shows("chat-client: "), "{}", sitting.screen());
    assert!(
        sitting.shows("closed the connection"),
        "{}",
        sitting.screen()
    );
}

#[test]
fn one_may_leave_while_the_link_is_lost() {
    let (mut sitting, peer, _server) = seated(&[]);
    drop(peer);
    sitting.sees_text("closed the connection");
    sitting.types("kept\r");
    sitting.sees_text("  …   kept");
    sitting.types("\u{4}");
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(0));
    assert!(
        sitting.shows("~ 1 line not answered"),
        "{}",
        sitting.screen()
    );
    assert!(sitting.shows("  …   kept"), "{}", sitting.screen());
}

// Servers that are not what they should be

/// What of the text would be seen: what stands for each attack.
const ATTACKS: &[(&str, &str)] = &[
    ("a\u{1b}[2Jb", "a□b"),
    ("a\u{1b}[31mb", "a□b"),
    ("a\u{1b}]0;title\u{7}b", "a□b"),
    ("a\u{1b}]52;c;ZXZpbA==\u{1b}\\b", "a□b"),
    ("a\u{1b}Pq#0\u{1b}\\b", "a□b"),
    ("a\u{1b}[?1049h\u{1b}[?25lb", "a□□b"),
    ("a\u{1b}cb", "a□b"),
    ("a\u{9b}2Jb", "a□b"),
    ("a\u{9d}0;t\u{9c}b", "a□b"),
    ("a\u{7}\u{8}\u{8}b", "a□□□b"),
    ("a\rb", "a□b"),
    ("a\u{85}\u{2028}\u{2029}b", "a□□□b"),
    ("a\u{202e}b\u{2066}c\u{200f}", "a□b□c□"),
    ("a\u{0}\u{7f}\u{e}b", "a□□□b"),
];

#[test]
fn f46_nothing_that_is_said_can_drive_the_terminal() {
    for (number, (attack, seen)) in ATTACKS.iter().enumerate() {
        let (sitting, mut peer, _server) = seated(&[]);
        sitting.types("draft");
        sitting.sees_draft("draft");
        let [said, wanted] = [attack, seen].map(|x| format!("x{}", x.replace(' ', "")));
        let name = format!("b{attack}");
        for line in [
            json!({"is": "said", "room": "lobby", "id": "1-1", "from": name, "text": said}),
            json!({"is": "private", "from": name, "text": said}),
            json!({"is": "joined", "room": "lobby", "name": said, "here": 2}),
            json!({"is": "refused", "code": "code", "text": said}),
        ] {
            peer.says_line(&line);
        }
        sitting.sees_text("joined (2 here)");
        let wanted = [
            format!("<b{seen}> {wanted}"),
            format!("-b{seen}- {wanted}"),
            format!("* {wanted} joined (2 here)"),
            format!("! code {wanted}"),
        ];
        peer.says("<ben> done\n");
        sitting.sees_text("<ben> done");
        sitting.sees_draft("draft");
        let model = sitting.model();
        assert_eq!(model.attacks(), [""; 0], "attack {number}");
        assert_eq!(model.bells(), 1, "the private message: attack {number}");
        let modes = model.screen();
        assert!(!modes.alternate_screen() && !modes.hide_cursor() && modes.bracketed_paste());
        let rows = model.rows();
        let seen: Vec<&str> = rows[2..]
            .iter()
            .map(|row| row.get(6..).unwrap_or(""))
            .collect();
        for line in &wanted {
            assert!(
                seen.contains(&line.as_str()),
                "attack {number}: no {line:?}\n{}",
                rows.join("\n")
            );
        }
    }
}

#[test]
fn f46_a_hostile_name_cannot_drive_the_terminal_by_tab() {
    let (sitting, mut peer, _server) = seated(&[]);
    for (here, name) in [(2, "b\u{1b}[2J"), (3, "b\u{202e}c")] {
        peer.says_line(&json!({"is": "joined", "room": "lobby", "name": name, "here": here}));
    }
    sitting.sees_text("(3 here)");
    sitting.types("b\t\t");
    sitting.sees_text("~ b□ b□c");
    assert_eq!(sitting.model().attacks(), [""; 0]);
}

#[test]
fn f59_a_line_without_end_is_the_end() {
    let (mut sitting, mut peer, _server) = seated(&[]);
    let patience = Some(Duration::from_secs(1));
    peer.stream.set_write_timeout(patience).unwrap();
    peer.says_bytes(b"{\"is\":\"said\"");
    let chunk = vec![b'x'; 1 << 20];
    let taken = (0..1024)
        .take_while(|_| peer.stream.write_all(&chunk).is_ok())
        .count();
    assert!(taken < 64, "it read {taken} MiB");
    assert_eq!(
        sitting.waits_and_finds_the_terminal_whole().code(),
        Some(76)
    );
    assert!(
        sitting.shows("it sends a line without an end"),
        "{}",
        sitting.screen()
    );
}

#[test]
fn f59_garbage_is_the_end() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut sitting, mut peer, _server) = seated(&[]);
    let mut garbage: Vec<u8> = (0..100_000).map(|_| random.u8(..)).collect();
    // No line of chat begins so.
    garbage[0] = 0x9b;
    let _ = peer.stream.write_all(&garbage);
    let status = sitting.waits_and_finds_the_terminal_whole();
    assert_eq!(
        status.code(),
        Some(76),
        "seed {seed} (pass it to with_seed)\n{}",
        sitting.screen()
    );
    assert_eq!(sitting.model().attacks(), [""; 0], "seed {seed}");
}

#[test]
fn f59_random_lines_of_chat_do_not_disturb_what_is_typed() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (sitting, mut peer, _server) = seated(&[]);
    sitting.types("draft");
    sitting.sees_draft("draft");
    for _ in 0..2_000 {
        let text: Vec<u8> = (0..random.usize(0..120)).map(|_| random.u8(..)).collect();
        let text = String::from_utf8_lossy(&text);
        let lines = crate::scripted::hostile_lines(&text);
        peer.says_line(&lines[random.usize(..lines.len())]);
    }
    peer.says("<ben> done\n");
    sitting.sees_text("<ben> done");
    sitting.sees_draft("draft");
    assert_eq!(
        sitting.model().attacks(),
        [""; 0],
        "seed {seed} (pass it to with_seed)"
    );
}

#[test]
fn f59_a_reset_is_a_lost_link() {
    let (sitting, peer, server) = seated(&[]);
    SockRef::from(&peer.stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(peer);
    sitting.sees_text("is lost (Connection reset by peer)");
    let _peer = server.accept_and_greet("ann");
    sitting.sees_text("~ back in lobby as ann");
}

#[test]
fn f59_a_silent_server_can_be_left_and_is_given_up() {
    let server = FakeServer::new();
    let mut patient = Sitting::start(seat(server.address(), &[]));
    let _silent = server.accept();
    patient.types("kept");
    patient.sees_draft("kept");
    assert!(
        patient
            .model()
            .cursor_row()
            .0
            .starts_with("chat connecting>")
    );
    let mut impatient = Sitting::start(seat(server.address(), &[]));
    let _silent_too = server.accept();
    impatient.sees_draft("");
    impatient.types("\u{3}");
    assert_eq!(
        impatient.waits_and_finds_the_terminal_whole().code(),
        Some(0)
    );
    assert_eq!(
        patient.waits_and_finds_the_terminal_whole().code(),
        Some(76)
    );
    assert!(
        patient.shows("has not greeted us within 10 s"),
        "{}",
        patient.screen()
    );
}
