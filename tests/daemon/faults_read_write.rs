//! Faults while reading and writing (rows F17 to F20 of the faults): who sends without end, who
//! vanishes while being written to, cuts that cause cuts, slots that are used again. Half-closes
//! (F21) are in `protocol_leaving`; short writes (F15) and EINTR (F16) need a shim and are not here.

use std::time::{Duration, Instant};

use crate::common::{Client, Counted, Daemon, News, Pair, Talk};

#[test]
fn f17_who_pipes_ten_megabytes_is_answered_and_nobody_is_harmed() {
    const LINES: usize = 10_000;
    // A test looks at each byte, and so may be slower than the flood: hence the large outbox.
    let chatd = Daemon::start(&["--rate", "0", "--history", "0", "--outbox-max", "16M"]);
    let pair = Pair::start(&chatd);
    let mut piper = chatd.join("piper");
    pair.fault_begins();
    let text = "x".repeat(1000);
    let start = Instant::now();
    let lines: String = (1..=LINES).map(|n| format!("#{n} {text}\n")).collect();
    piper.send(lines.as_bytes());
    let heard = piper.lines_until_pong();
    eprintln!(
        "f17: {LINES} lines of {} bytes in {:?}",
        text.len(),
        start.elapsed()
    );
    assert!(!heard.iter().any(|line| line.starts_with('!')), "{heard:?}");
    let talk = pair.finish("f17");
    let last = format!("<piper> #{LINES} ");
    assert!(talk.events().iter().any(|line| line.starts_with(&last)));
}

#[test]
fn f17_who_asks_without_reading_is_held_back_and_gets_every_answer() {
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--outbox-max",
        "64K",
        "--stall-timeout",
        "60",
    ]);
    let pair = Pair::start(&chatd);
    let mut asker = Client::connect_narrow(chatd.address());
    asker.say("asker");
    asker.expect_welcome();
    pair.fault_begins();
    // It writes until the server takes no more: what it is owed would overflow, so it is not read.
    let token = "x".repeat(1000);
    let mut asked = 0;
    while asker.try_say(
        &format!("/ping {asked} {token}"),
        Duration::from_millis(300),
    ) {
        asked += 1;
    }
    eprintln!("f17: {asked} questions were taken before the asker was held back");
    assert!(
        chatd.statistic("queued bytes summed") <= 64 << 10,
        "its outbox keeps its bound"
    );
    let mut answered = 0;
    while answered < asked {
        let line = asker.next_line();
        if line.starts_with('=') {
            assert_eq!(line, format!("= pong {answered} {token}"));
            answered += 1;
        }
    }
    assert_eq!(pair.finish("f17").left(), 0);
}

#[test]
fn f18_who_vanishes_while_written_to_ends_once_and_the_others_hear_on() {
    const VANISHING: usize = 40;
    let chatd = Daemon::start(&["--rate", "0", "--history", "0"]);
    let pair = Pair::start(&chatd);
    let mut talker = chatd.join("talker");
    let vanishing = chatd.crowd("v", VANISHING);
    pair.fault_begins();
    let text = "x".repeat(1000);
    // Between two of its lines one goes, with a reset or with a close that leaves bytes unread.
    for (number, gone) in vanishing.into_iter().enumerate() {
        let lines: String = (1..=10)
            .map(|line| format!("#{} {text}\n", number * 10 + line))
            .collect();
        talker.send(lines.as_bytes());
        match number % 2 {
            0 => gone.reset(),
            _ => drop(gone),
        }
    }
    talker.lines_until_pong();
    talker.say("/who");
    let heard = talker.lines_until_pong();
    let who = "= 3 here: left, right, talker";
    assert!(heard.iter().any(|line| line == who), "{heard:?}");
    let talk = pair.finish("f18");
    assert_eq!(talk.left(), VANISHING, "each leave is told");
    assert_named_once(&talk);
}

#[test]
fn f19_cuts_that_cause_cuts_are_each_told_once() {
    const STALLED: usize = 100;
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--line-max",
        "1024",
        "--outbox-max",
        "16K",
        "--stall-timeout",
        "60",
    ]);
    let pair = Pair::start(&chatd);
    let mut talker = chatd.join("talker");
    let mut stalled: Vec<Client> = (0..STALLED)
        .map(|_| Client::connect_narrow(chatd.address()))
        .collect();
    for (number, client) in stalled.iter_mut().enumerate() {
        client.say(&format!("s{number}"));
        client.expect_welcome();
    }
    pair.fault_begins();
    // Each is owed a little more than the last: one leave that is told makes the next overflow.
    let text = "x".repeat(900);
    for number in 0..STALLED {
        talker.say(&format!("/msg s{number} {}", &text[..5 * number]));
    }
    let mut told = Counted::default();
    let mut said = 0;
    while chatd.statistic("slow consumers cut") < STALLED as u64 {
        assert!(said < 20_000, "only some of {STALLED} were cut");
        for _ in 0..10 {
            said += 1;
            talker.say(&format!("#{said} {text}"));
        }
        for line in talker.lines_until_pong() {
            told.hear(&line);
            if let Some(News::Left { why, .. }) = News::of(&line) {
                assert_eq!(why, ": too slow", "{line}");
            }
        }
    }
    eprintln!("f19: all are cut after {said} lines");
    // What was gathered is told within a second, or may have been with the last lines.
    while told.left < STALLED {
        told.hear(&talker.next_line());
    }
    assert_eq!(told.left, STALLED);
    let talk = pair.finish("f19");
    assert_eq!(talk.left(), STALLED, "each leave is told");
    assert_named_once(&talk);
}

/// Nobody left twice.
#[track_caller]
fn assert_named_once(talk: &Talk) {
    let mut names = talk.leaves();
    let told = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), told, "{names:?}");
}

#[test]
fn f20_nothing_meant_for_the_last_owner_of_a_slot_reaches_the_next() {
    const ROUNDS: usize = 150;
    let chatd = Daemon::start(&["--rate", "0", "--history", "0", "--outbox-max", "64K"]);
    let mut talker = chatd.join("talker");
    let secret = format!("old {}", "x".repeat(500));
    for round in 0..ROUNDS {
        let old = chatd.join(&format!("old{round}"));
        chatd.signal(crate::common::Signal::STOP);
        // All of this waits for the server at once: the last lines to the old one, its end, and
        // the new one, who has said nothing yet when its slot is its own.
        talker.say(&format!("/msg old{round} {secret}"));
        old.reset();
        let mut new = chatd.connect();
        new.say(&format!("new{round}"));
        chatd.signal(crate::common::Signal::CONT);
        let welcome = new.expect_welcome();
        assert!(welcome.contains(&format!("new{round}")), "{welcome}");
        let mut after = chatd.connect();
        after.say(&format!("after{round}"));
        after.expect_welcome();
        for client in [&mut new, &mut after] {
            let heard = client.lines_until_pong();
            let own = |line: &String| line.starts_with("* ");
            assert!(heard.iter().all(own), "{heard:?}");
        }
        drop((new, after));
        talker.lines_until_pong();
    }
}
