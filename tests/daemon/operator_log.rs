//! The log names culprits: who came from where in which language, into and out of which rooms, and
//! what an operator did to whom; at most twenty lines a second of what clients can cause.

use crate::common::Daemon;
use crate::common::operator_seat::SocketFolder;

#[test]
fn a_join_says_from_where_in_which_language_and_into_which_rooms() {
    let chatd = Daemon::start(&[]);
    let ann = chatd.join("ann");
    let line = chatd.expect_log(&["join \"ann\""]);
    let address = ann.address();
    assert!(
        line.ends_with(&format!("join \"ann\" from {address} in \"lobby\", text")),
        "{line}"
    );
    let _bot = chatd.enter("bot", &["den", "ops"]);
    let line = chatd.expect_log(&["join \"bot\""]);
    assert!(line.ends_with(" in \"den\", \"ops\", JSON"), "{line}");
}

#[test]
fn rooms_that_are_entered_and_left_have_a_line_each() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    ann.say("/join den");
    ann.expect_prefix("* welcome to den, ann (");
    chatd.expect_log(&["leave \"lobby\" by \"ann\""]);
    chatd.expect_log(&["enter \"den\" by \"ann\""]);
    ann.say("/quit");
    ann.expect_closed();
    chatd.expect_log_of_end(ann);
    let about = |word: &str| {
        let lines = chatd.log_lines();
        lines.iter().filter(|line| line.contains(word)).count()
    };
    assert_eq!(
        (about("leave "), about("enter ")),
        (1, 1),
        "{:#?}",
        chatd.log_lines()
    );
}

#[test]
fn what_operators_do_is_logged_with_who_did_it() {
    let folder = SocketFolder::new();
    let chatd = folder.start(&[]);
    let [ann, _ben] = chatd.join_all(["ann", "ben"]);
    let mut seat = folder.sit();
    chatd.expect_log(&["operator 1 has come by the operator's socket"]);
    seat.ask("/kick ann too \u{1b}noisy", "= kicked ann");
    let line = chatd.expect_log(&["kick \"ann\" by operator 1: "]);
    assert!(!line.contains('\u{1b}'), "{line}");
    let end = chatd.expect_log_of_end(ann);
    assert!(
        end.contains("end \"ann\" from ") && end.contains(": kicked; "),
        "{end}"
    );
    seat.ask("/topic lobby hush hush", "= topic of lobby is set");
    chatd.expect_log(&["operator 1 sets the topic of \"lobby\""]);
    assert!(
        !chatd.log_lines().join("").contains("hush"),
        "what is said is never logged"
    );
}

#[test]
fn hopping_from_room_to_room_does_not_flood_the_log() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut ann = chatd.join("ann");
    let mut hops = String::new();
    for hop in 0..500 {
        hops.push_str(if hop % 2 == 0 {
            "/join den\n"
        } else {
            "/join ops\n"
        });
    }
    ann.send(hops.as_bytes());
    ann.lines_until_pong();
    chatd.expect_log(&[
        " lines left out: more than 20 a second; ",
        " of them because of 127.0.0.1",
    ]);
}

#[test]
fn who_floods_the_log_is_named_whatever_it_calls_itself() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut ann = chatd.join("ann");
    let names: String = (0..500).map(|name| format!("/nick a{name}\n")).collect();
    ann.send(names.as_bytes());
    ann.lines_until_pong();
    chatd.expect_log(&[
        " lines left out: more than 20 a second; ",
        " of them because of 127.0.0.1",
    ]);
}
