//! Bounds of `Limits`: each is reached here, unless it is where it belongs: those of a line, of a
//! `ref` and of the names in `entered` in `json_*`, the rate, the number of clients and the time to
//! give a name in `protocol_limits`, an outbox in `protocol_leaving`, the prompt in
//! `protocol_joining`, how many messages a newcomer is shown in `protocol_history`, what is gathered
//! of joins and leaves in `protocol_big_rooms`, what all outboxes hold and what is read in a turn in
//! `faults_memory`, what is accepted in one in `faults_accept`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::process::memory_peak_bytes;
use crate::common::{Client, Daemon, hide_stamp, id_of};

/// Everything that follows from the outbox is small with these: a quarter of it is 2,250 bytes.
const SMALL: [&str; 6] = ["--rate", "0", "--line-max", "128", "--outbox-max", "9000"];

#[test]
fn history_bytes_max_bounds_what_a_newcomer_is_given() {
    let chatd = Daemon::start(&[&SMALL[..], &["--history", "100"]].concat());
    let mut ann = chatd.join("ann");
    let line = |number: u32| format!("{number:03} {}", "x".repeat(120));
    for number in 0..100 {
        ann.say(&line(number));
    }
    ann.expect_silence_until_pong();
    let mut ben = chatd.join("ben");
    let heard = ben.lines_until_pong();
    let messages = &heard[1..heard.len() - 1];
    let head = format!("* last {} messages, from MINUTE:", messages.len());
    assert_eq!(hide_stamp(&heard[0]), head);
    let bytes: usize = messages.iter().map(String::len).sum();
    // The newest of them, as many as go in; it is counted as if each were as long as it can get in
    // any language.
    assert!((600..=2250).contains(&bytes), "{bytes}");
    let first = 100 - messages.len() as u32;
    let wanted: Vec<_> = (first..100).map(|n| format!("<ann> {}", line(n))).collect();
    assert_eq!(messages, wanted);
}

#[test]
fn rooms_listed_max_and_who_names_max_bound_an_answer() {
    const ROOMS: usize = 30;
    let chatd = Daemon::start(&SMALL);
    let mut members = chatd.crowd("m", ROOMS);
    members[0].lines_until_pong();
    members[0].say("/who");
    let who = members[0].next_line();
    assert!(who.starts_with("= 30 here: m0, m1, m10, "), "{who}");
    assert!(who.ends_with(", … and 8 more"), "{who}");
    for (number, member) in members.iter_mut().enumerate() {
        member.say(&format!("/join den{number:02}"));
        member.lines_until_pong();
    }
    members[0].say("/rooms");
    let rooms = members[0].lines_until_pong();
    let wanted: Vec<_> = (0..22)
        .map(|number| format!("= den{number:02} 1"))
        .collect();
    assert_eq!(rooms[..22], wanted);
    assert_eq!(rooms[22..], ["= … and 8 more", "= end"]);
}

#[test]
fn block_bytes_max_spreads_a_burst_so_that_no_reader_overflows() {
    let chatd = Daemon::start(&[&SMALL[..], &["--history", "0"]].concat());
    let mut reader = chatd.join("reader");
    let mut talkers = chatd.crowd("t", 10);
    reader.lines_until_pong();
    // Of each there are 20,000 bytes to be had in one turn, more than twice what an outbox holds;
    // all of them come to no more than what the kernel takes for one who reads.
    chatd.signal(crate::common::Signal::STOP);
    let line = format!("{}\n", "x".repeat(99));
    for talker in &mut talkers {
        talker.send(line.repeat(200).as_bytes());
    }
    chatd.signal(crate::common::Signal::CONT);
    let heard = reader.next_lines(2000);
    assert!(heard.iter().all(|line| line.starts_with("<t")), "{heard:?}");
    assert_eq!(chatd.statistic("slow consumers cut"), 0);
    assert_eq!(chatd.statistic("clients"), 11);
}

#[test]
fn flush_timeout_ends_who_has_left_and_does_not_read() {
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--stall-timeout",
        "60",
        "--outbox-max",
        "8M",
    ]);
    let mut talker = chatd.join("talker");
    let mut leaver = Client::connect_narrow(chatd.address());
    leaver.say("leaver");
    leaver.expect_welcome();
    let line = format!("{}\n", "x".repeat(4000));
    let start = Instant::now();
    while chatd.statistic("queued unique bytes") < 100_000 {
        assert!(start.elapsed() < crate::common::PATIENCE, "it is read");
        talker.send(line.repeat(20).as_bytes());
        talker.lines_until_pong();
    }
    let start = Instant::now();
    leaver.half_close();
    talker.expect_line("* leaver left (1 here)");
    chatd.expect_log(&["end \"leaver\"", "hung up"]);
    let took = start.elapsed();
    // 5 s; the rest of the bound is patience.
    assert!(took > Duration::from_millis(4900), "{took:?}");
    talker.expect_silence_until_pong();
}

#[test]
fn linger_timeout_ends_who_was_told_everything_and_stays() {
    let chatd = Daemon::start(&[]);
    let mut stayer = chatd.join("stayer");
    let start = Instant::now();
    stayer.say("/quit");
    stayer.expect_closed();
    // It never closes its own side, and what it still says is no matter.
    stayer.say("am I still here?");
    chatd.expect_log(&["end \"stayer\"", "quit"]);
    let took = start.elapsed();
    assert!(took > Duration::from_millis(450), "{took:?}");
}

#[test]
fn write_bytes_max_is_no_end_of_what_is_owed() {
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--stall-timeout",
        "60",
        "--outbox-max",
        "64M",
    ]);
    let mut talker = chatd.join("talker");
    let mut reader = chatd.join("reader");
    talker.lines_until_pong();
    let line = format!("{}\n", "x".repeat(4000));
    let mut said = 0;
    let start = Instant::now();
    while chatd.statistic("queued unique bytes") < 6 << 20 {
        assert!(start.elapsed() < crate::common::PATIENCE, "it is read");
        talker.send(line.repeat(50).as_bytes());
        talker.lines_until_pong();
        said += 50;
    }
    // While the server stands still, all that the kernel holds is taken: then its socket has room
    // for more at once than one turn writes.
    chatd.signal(crate::common::Signal::STOP);
    let mut heard = 0;
    while let crate::common::Heard::Line(_) = reader.hear_for(Duration::from_millis(300)) {
        heard += 1;
    }
    chatd.signal(crate::common::Signal::CONT);
    let rest = reader.next_lines(said - heard);
    assert!(rest.iter().all(|line| line.starts_with("<talker> x")));
    reader.expect_silence_until_pong();
}

#[test]
fn byte_rate_and_byte_burst_hold_back_long_lines_and_lose_none() {
    // As they leave the server: a control character is three bytes then.
    for (character, count) in [('x', 24), ('\u{1}', 8)] {
        let chatd = Daemon::start(&[
            "--rate",
            "1000",
            "--burst",
            "1000",
            "--line-max",
            "512",
            "--byte-rate",
            "6K",
            "--byte-burst",
            "6K",
        ]);
        let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
        let line = String::from(character).repeat(500);
        let start = Instant::now();
        ann.send(format!("{line}\n").repeat(count).as_bytes());
        let heard = line.replace('\u{1}', "\u{fffd}");
        for _ in 0..count {
            ben.expect_line(&format!("<ann> {heard}"));
        }
        // 12,000 bytes: 6,144 and the last line at once, and the rest at 6,144 a second.
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(700), "they came in {took:?}");
        ann.expect_refusal("slow-down");
        ann.expect_silence_until_pong();
    }
}

#[test]
fn a_byte_rate_of_0_is_none() {
    let chatd = Daemon::start(&["--rate", "1000", "--burst", "1000", "--byte-rate", "0"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let line = format!("{}\n", "x".repeat(4000));
    ann.send(line.repeat(300).as_bytes());
    for _ in 0..300 {
        ben.expect_prefix("<ann> x");
    }
    ann.expect_silence_until_pong();
}

#[test]
fn by_default_a_burst_of_longest_lines_overflows_no_healthy_reader() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    // It reads late, and its own buffer holds next to nothing.
    let mut late = Client::connect_narrow(chatd.address());
    late.say("late");
    late.expect_welcome();
    ann.expect_line("* late joined (2 here)");
    // A hundred at once are within the rate of lines, and would be 1.2 MB for each reader.
    let line = format!("{}\n", "\u{1}".repeat(4096));
    ann.send(line.repeat(100).as_bytes());
    ann.expect_refusal("slow-down");
    let queued = chatd.statistic("queued bytes summed");
    assert!(queued < 320 << 10, "{queued} bytes wait for one reader");
    let heard = format!("<ann> {}", "\u{fffd}".repeat(4096));
    for _ in 0..20 {
        late.expect_line(&heard);
    }
    assert_eq!(chatd.statistic("slow consumers cut"), 0);
}

#[test]
fn rooms_max_bounds_the_rooms_that_there_are() {
    let chatd = Daemon::start(&["--max-rooms", "3"]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    ann.say("/join den");
    ann.expect_prefix("* welcome to den, ann");
    ben.say("/join attic");
    ben.lines_until_pong();
    cyd.lines_until_pong();
    cyd.say("/join cellar");
    cyd.expect_refusal("too-many-rooms");
    // Where its own room ends with the move there is place for another.
    ann.say("/join cellar");
    ann.expect_prefix("* welcome to cellar, ann");
    // The same for programs, however they ask.
    let mut bot = chatd.enter("bot", &["attic"]);
    bot.ask(json!({"do": "join", "room": "roof", "ref": "1"}));
    assert_eq!(bot.expect_refused("too-many-rooms")["ref"], "1");
    bot.ask(json!({"do": "post", "room": "roof", "name": "cron", "text": "x", "ref": "2"}));
    assert_eq!(bot.expect_refused("too-many-rooms")["ref"], "2");
    bot.expect_silence();
    ben.expect_line("* bot joined (2 here)");
    cyd.expect_silence_until_pong();
}

#[test]
fn rooms_per_member_max_bounds_the_rooms_of_one() {
    let chatd = Daemon::start(&["--rooms-per-member", "2"]);
    let mut bot = chatd.enter("bot", &["lobby", "den"]);
    bot.ask(json!({"do": "join", "room": "attic"}));
    bot.expect_refused("too-many-rooms");
    // In plain text, one moves.
    let mut ann = chatd.join("ann");
    ann.say("/join attic");
    ann.expect_prefix("* welcome to attic, ann");
}

#[test]
fn topic_bytes_max_bounds_a_topic() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.join("ann");
    let longest = "é".repeat(150);
    ann.say(&format!("/topic {longest}"));
    ann.expect_line(&format!("* ann set the topic: \"{longest}\""));
    ann.say(&format!("/topic {longest}x"));
    ann.expect_refusal("line-too-long");
    // In bytes as they leave the server.
    ann.say(&format!("/topic {}", "\u{1}".repeat(101)));
    ann.expect_refusal("line-too-long");
    ann.say("/topic");
    ann.expect_line(&format!("= topic: \"{longest}\""));
}

#[test]
fn page_messages_max_bounds_a_page() {
    const SAID: usize = 1005;
    let chatd = Daemon::start(&["--rate", "0", "--history", "2000"]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    let mut ann = chatd.join("ann");
    let lines: String = (0..SAID).map(|number| format!("{number}\n")).collect();
    ann.send(lines.as_bytes());
    ann.lines_until_pong();
    bot.until_pong();
    bot.ask(json!({"do": "history", "room": "lobby", "limit": 100_000}));
    let page = bot.next();
    let messages = page["messages"].as_array().expect("messages");
    assert_eq!((messages.len(), &page["more"]), (1000, &json!(true)));
    assert_eq!(messages[0]["text"], "5");
    ann.say("/history 100000");
    let lines = ann.lines_until_pong();
    assert_eq!(lines.len(), 1001, "and the end");
    assert_eq!(hide_stamp(&lines[0]), "= SECOND <ann> 5");
}

#[test]
fn history_total_bytes_max_makes_silent_rooms_forget() {
    // A room may keep 16 KiB, all together 40.
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--outbox-max",
        "64K",
        "--history-total-max",
        "34K",
    ]);
    let rooms = ["silent", "a", "b", "c"];
    let mut bot = chatd.enter("bot", &rooms);
    let text = "x".repeat(1000);
    let mut known = String::new();
    for (room, lines) in rooms.iter().zip([10, 12, 12, 12]) {
        for _ in 0..lines {
            bot.say_in(room, &text);
            let said = bot.next();
            if *room == "silent" {
                known = id_of(&said);
            }
            bot.next();
        }
    }
    let mut has_some = |room: &str| {
        bot.ask(json!({"do": "history", "room": room}));
        let page = bot.next();
        !page["messages"].as_array().expect("messages").is_empty()
    };
    // Those that were silent for longest.
    assert_eq!(rooms.map(&mut has_some), [false, false, true, true]);
    // Who knows its newest has missed nothing; what somebody else has missed nobody knows.
    let mut other = chatd.program();
    let before = known.replacen('1', "0", 1);
    other.ask(
        json!({"do": "enter", "name": "other", "rooms": ["silent"], "since": {"silent": known}}),
    );
    other.next();
    other.next();
    other.next();
    assert_eq!(other.expect_past(), (vec![], json!(0)));
    other.ask(json!({"do": "part", "room": "silent"}));
    other.ask(json!({"do": "join", "room": "silent", "since": before}));
    other.expect(json!({"is": "done"}));
    other.next();
    assert_eq!(other.expect_past(), (vec![], serde_json::Value::Null));
}

/// The lobby holds messages of 4,000 bytes, of which a page takes 31: so it is told in 128 KiB.
fn with_large_pages(flags: &[&str]) -> (Daemon, Client) {
    let chatd = Daemon::start(&[&["--rate", "0"], flags].concat());
    let mut ann = chatd.join("ann");
    ann.send(format!("{}\n", "x".repeat(4000)).repeat(60).as_bytes());
    ann.expect_silence_until_pong();
    (chatd, ann)
}

const PAGE_BYTES_MIN: usize = 120_000;

#[test]
fn answer_bytes_per_second_and_their_burst_hold_back_who_asks_for_much() {
    // 8 MB, of which half may come at once.
    const PAGES: usize = 64;
    let (chatd, mut ann) = with_large_pages(&[]);
    let mut bot = chatd.enter("bot", &["lobby"]);
    ann.expect_line("* bot joined (2 here)");
    let start = Instant::now();
    for number in 0..PAGES {
        bot.ask(
            json!({"do": "history", "room": "lobby", "limit": 1000, "ref": number.to_string()}),
        );
    }
    let before = bot.received().len();
    // Taken apart only when all are there: that takes longer than to make them.
    let pages: Vec<String> = (0..PAGES).map(|_| bot.next_line()).collect();
    let took = start.elapsed();
    let bytes = bot.received().len() - before;
    for (number, page) in pages.iter().enumerate() {
        let reference = format!("\"ref\":\"{number}\"}}");
        assert!(page.ends_with(&reference), "in the order asked");
    }
    assert!(bytes > PAGES * PAGE_BYTES_MIN, "{bytes}");
    assert!(
        took >= Duration::from_millis(3300),
        "{bytes} bytes in {took:?}"
    );
    // It was held back, and not told to say less; and others have budgets of their own.
    bot.expect_silence();
    ann.say("/history 1000");
    assert!(ann.lines_until_pong().len() > 30);
}

#[test]
fn answers_per_turn_bytes_max_spreads_answers_over_turns() {
    const ASKERS: usize = 40;
    let (chatd, _ann) = with_large_pages(&[]);
    let mut askers: Vec<_> = (0..ASKERS)
        .map(|number| chatd.enter(&format!("bot{number}"), &["lobby"]))
        .collect();
    for asker in &mut askers {
        asker.until_pong();
    }
    let memory = memory_peak_bytes(chatd.id());
    // All of them ask in one turn; it would be 5 MB, and stand still for everybody else.
    chatd.signal(crate::common::Signal::STOP);
    for asker in &mut askers {
        asker.ask(json!({"do": "history", "room": "lobby", "limit": 1000}));
    }
    chatd.signal(crate::common::Signal::CONT);
    for asker in &mut askers {
        while asker.next()["is"] != "page" {}
    }
    let memory = memory_peak_bytes(chatd.id()) - memory;
    assert!(memory < ASKERS * PAGE_BYTES_MIN / 2, "{memory} bytes");
}

#[test]
fn turn_bytes_max_bounds_what_all_rooms_say_in_a_turn() {
    const ROOMS: usize = 400;
    let chatd = Daemon::start(&["--rate", "0", "--history", "0"]);
    let mut talkers = chatd.crowd("t", ROOMS);
    for (number, talker) in talkers.iter_mut().enumerate() {
        talker.say(&format!("/join room{number}\n/echo on"));
    }
    for talker in &mut talkers {
        talker.lines_until_pong();
    }
    let memory = memory_peak_bytes(chatd.id());
    // As much as is read from each in one turn: 25 MB in all, where 16 MiB are enough.
    let lines = format!("{}\n", "x".repeat(4000)).repeat(16);
    chatd.signal(crate::common::Signal::STOP);
    for talker in &mut talkers {
        talker.send(lines.as_bytes());
    }
    chatd.signal(crate::common::Signal::CONT);
    for talker in &mut talkers {
        assert!(
            talker
                .next_lines(16)
                .iter()
                .all(|line| line.starts_with('<'))
        );
    }
    let memory = memory_peak_bytes(chatd.id()) - memory;
    assert!(memory < 21 << 20, "{memory} bytes");
}
