//! Rooms above `--announce-max`, or with much coming and going: joins and leaves are gathered; and
//! long rosters are cut.

use std::time::{Duration, Instant};

use crate::common::{Client, Counted, Daemon, News};

#[test]
fn up_to_roster_max_each_is_announced_individually() {
    let chatd = Daemon::start(&["--announce-max", "3"]);
    let [mut ann, mut ben, cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    drop(cyd);
    ann.expect_line("* cyd left (2 here)");
    ben.expect_line("* cyd left (2 here)");
    ben.say("/quit bye");
    ann.expect_line("* ben left (1 here): \"bye\"");
}

#[test]
fn above_it_joins_are_told_together() {
    let chatd = Daemon::start(&["--announce-max", "3"]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    let later: Vec<Client> = (0..10).map(|n| chatd.join(&format!("later{n}"))).collect();
    for client in [&mut ann, &mut ben, &mut cyd] {
        let news = client.expect_joins_and_leaves(10, 0);
        assert_eq!(news.here, 13);
        assert!(news.lines < 10, "{news:?} of 10 joins");
    }
    drop(later);
}

#[test]
fn news_come_at_most_once_a_second() {
    let chatd = Daemon::start(&["--announce-max", "1"]);
    let mut ann = chatd.join("ann");
    let mut guests = vec![chatd.join("g0")];
    ann.expect_joins_and_leaves(1, 0);
    let mut last = Instant::now();
    for number in 1..3 {
        guests.push(chatd.join(&format!("g{number}")));
        ann.expect_joins_and_leaves(1, 0);
        // Half of the second is left to a reader that was late for the line before.
        assert!(
            last.elapsed() >= Duration::from_millis(500),
            "{:?}",
            last.elapsed()
        );
        last = Instant::now();
    }
}

#[test]
fn leaves_are_told_together_while_there_were_more_before() {
    let chatd = Daemon::start(&["--announce-max", "3"]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    let mut dan = chatd.join("dan");
    let mut eve = chatd.join("eve");
    for client in [&mut ann, &mut ben, &mut cyd] {
        let news = client.expect_joins_and_leaves(2, 0);
        assert_eq!(news.here, 5);
    }
    // 5 → 4 and 4 → 3 are above it, 3 → 2 is not.
    dan.say("/quit with a reason that a crowd is not told");
    dan.lines_until_closed();
    eve.say("/quit");
    eve.lines_until_closed();
    for client in [&mut ann, &mut ben, &mut cyd] {
        let news = client.expect_joins_and_leaves(0, 2);
        assert_eq!(news.here, 3);
    }
    cyd.say("/quit");
    cyd.expect_closed();
    ann.expect_line("* cyd left (2 here)");
    ben.expect_line("* cyd left (2 here)");
    ann.expect_silence_until_pong();
}

#[test]
fn talk_is_not_delayed_by_it() {
    let chatd = Daemon::start(&["--announce-max", "1"]);
    let mut ann = chatd.join("ann");
    let mut ben = chatd.join("ben");
    ann.say("hello crowd");
    while ben.next_line() != "<ann> hello crowd" {}
    ben.say("/nick bob");
    while ben.next_line() != "* ben is now bob" {}
    let mut heard = ann.lines_until_pong();
    heard.retain(|line| News::of(line).is_none());
    assert_eq!(heard, ["* ben is now bob"]);
}

#[test]
fn the_counts_of_a_crowd_that_comes_and_goes_add_up() {
    let chatd = Daemon::start(&["--announce-max", "5", "--rate", "0"]);
    let mut ann = chatd.join("ann");
    let mut guests = Vec::new();
    for wave in 0..4 {
        for number in 0..20 {
            guests.push(chatd.join(&format!("w{wave}n{number}")));
        }
        for mut guest in guests.drain(..10 + wave) {
            guest.say("/quit");
            guest.lines_until_closed();
        }
    }
    // 80 came and 46 went; whatever was announced individually and whatever gathered, the sum is that.
    let mut told = Counted::default();
    while told.joined < 80 || told.left < 46 {
        let line = ann.next_line();
        assert!(told.hear(&line), "{line}");
    }
    assert_eq!((told.joined, told.left, told.here), (80, 46, 35));
    ann.say("/rooms");
    ann.expect_lines(&["= lobby 35", "= end"]);
}

#[test]
fn who_names_a_thousand_and_counts_the_rest() {
    const MEMBERS: usize = 1003;
    let chatd = Daemon::start(&["--announce-max", "10"]);
    let mut members: Vec<Client> = (0..MEMBERS).map(|_| chatd.connect()).collect();
    for (number, member) in members.iter_mut().enumerate() {
        member.say(&format!("m{number:04}"));
    }
    for member in &mut members {
        // It may have been silent for long enough to be prompted, which is not the matter here.
        while !member.next_line().starts_with("* welcome to lobby, m") {}
    }
    let asker = &mut members[0];
    asker.say("/who");
    let answer = loop {
        let line = asker.next_line();
        if line.starts_with("= ") {
            break line;
        }
    };
    let first: Vec<String> = (0..1000).map(|number| format!("m{number:04}")).collect();
    let wanted = format!("= {MEMBERS} here: {}", first.join(", "));
    assert!(answer.starts_with(&wanted), "{answer}");
    assert!(answer.ends_with("… and 3 more"), "{answer}");
    assert!(answer.len() < wanted.len() + 20, "{answer}");
}

/// F87: who comes while others have not been told yet hears only of what came after its welcome.
#[test]
fn a_newcomer_is_told_only_of_who_came_after_it() {
    let chatd = Daemon::start(&["--announce-max", "2"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut members: Vec<Client> = Vec::new();
    for number in 0..6 {
        let mut member = chatd.connect();
        let here = number + 3;
        member.say(&format!("g{number}"));
        member.expect_prefix(&format!("* welcome to lobby, g{number} ({here} here: "));
        members.push(member);
    }
    ann.expect_joins_and_leaves(6, 0);
    ben.expect_joins_and_leaves(6, 0);
    // All were welcomed within one interval, or were told rightly of those before.
    for (number, member) in members.iter_mut().enumerate() {
        let news = member.expect_joins_and_leaves(5 - number, 0);
        assert_eq!(news.here, if number < 5 { 8 } else { 0 });
        member.expect_silence_until_pong();
    }
}

#[test]
fn joins_and_leaves_beyond_the_bucket_are_gathered_and_none_is_lost() {
    const COMING: usize = 40;
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut ann = chatd.join("ann");
    let start = Instant::now();
    // The bucket of 20 had one for the join of ann.
    let guests = chatd.crowd("g", COMING);
    let took = start.elapsed();
    let mut told = Counted::default();
    let mut singly = 0;
    while told.joined < COMING {
        let line = ann.next_line();
        assert!(told.hear(&line), "{line}");
        if let Some(News::Joined { .. }) = News::of(&line) {
            assert_eq!(
                told.lines,
                singly + 1,
                "in between, they wait to be gathered"
            );
            singly += 1;
        }
    }
    // 5 a second come back meanwhile.
    let most = 19 + took.as_secs() as usize * 5 + 5;
    assert!((19..=most).contains(&singly), "{singly} of {COMING} singly");
    // Only leaves: the other part is left out.
    drop(guests);
    let told = ann.expect_joins_and_leaves(0, COMING);
    assert_eq!(told.here, 1);
    assert!(told.lines <= most, "{told:?}");
}

#[test]
fn after_a_crowd_each_is_announced_individually_again() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let mut ann = chatd.join("ann");
    let _crowd = chatd.crowd("g", 40);
    ann.expect_joins_and_leaves(40, 0);
    // Those that were gathered were told a second after the first of them, and in a second the
    // bucket gets back 5.
    let _ben = chatd.join("ben");
    ann.expect_line("* ben joined (42 here)");
}
