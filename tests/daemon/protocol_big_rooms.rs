//! Rooms above `--roster-max`: joins and leaves are told together, and long rosters are cut.

use std::time::{Duration, Instant};

use crate::common::{Client, Daemon};

/// `* 37 joined, 12 left (8412 here)` as numbers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct News {
    joined: usize,
    left: usize,
    here: usize,
}

fn parse_news(line: &str) -> Option<News> {
    let rest = line.strip_prefix("* ")?.strip_suffix(" here)")?;
    let (joined, rest) = rest.split_once(" joined, ")?;
    let (left, here) = rest.split_once(" left (")?;
    Some(News {
        joined: joined.parse().ok()?,
        left: left.parse().ok()?,
        here: here.parse().ok()?,
    })
}

/// Reads news until so many joins and leaves were told of; gives their sum and the lines read.
#[track_caller]
fn news_until(client: &mut Client, joined: usize, left: usize) -> (News, usize) {
    let mut sum = News::default();
    let mut lines = 0;
    while sum.joined < joined || sum.left < left {
        let line = client.next_line();
        let news = parse_news(&line).unwrap_or_else(|| panic!("wanted news, but: {line}"));
        sum = News {
            joined: sum.joined + news.joined,
            left: sum.left + news.left,
            here: news.here,
        };
        lines += 1;
    }
    assert_eq!((sum.joined, sum.left), (joined, left));
    (sum, lines)
}

#[test]
fn up_to_roster_max_each_is_told_singly() {
    let chatd = Daemon::start(&["--roster-max", "3"]);
    let [mut ann, mut ben, cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    drop(cyd);
    ann.expect_line("* cyd left (2 here)");
    ben.expect_line("* cyd left (2 here)");
    ben.say("/quit bye");
    ann.expect_line("* ben left (1 here): bye");
}

#[test]
fn above_it_joins_are_told_together() {
    let chatd = Daemon::start(&["--roster-max", "3"]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    let later: Vec<Client> = (0..10).map(|n| chatd.join(&format!("later{n}"))).collect();
    for client in [&mut ann, &mut ben, &mut cyd] {
        let (news, lines) = news_until(client, 10, 0);
        assert_eq!(news.here, 13);
        assert!(lines < 10, "{lines} lines of news of 10 joins");
    }
    drop(later);
}

#[test]
fn news_come_at_most_once_a_second() {
    let chatd = Daemon::start(&["--roster-max", "1"]);
    let mut ann = chatd.join("ann");
    let mut guests = vec![chatd.join("g0")];
    news_until(&mut ann, 1, 0);
    let mut last = Instant::now();
    for number in 1..3 {
        guests.push(chatd.join(&format!("g{number}")));
        news_until(&mut ann, 1, 0);
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
    let chatd = Daemon::start(&["--roster-max", "3"]);
    let [mut ann, mut ben, mut cyd] = chatd.join_all(["ann", "ben", "cyd"]);
    let mut dan = chatd.join("dan");
    let mut eve = chatd.join("eve");
    for client in [&mut ann, &mut ben, &mut cyd] {
        let (news, _) = news_until(client, 2, 0);
        assert_eq!(news.here, 5);
    }
    // 5 → 4 and 4 → 3 are above it, 3 → 2 is not.
    dan.say("/quit with a reason that a crowd is not told");
    dan.lines_until_closed();
    eve.say("/quit");
    eve.lines_until_closed();
    for client in [&mut ann, &mut ben, &mut cyd] {
        let (news, _) = news_until(client, 0, 2);
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
    let chatd = Daemon::start(&["--roster-max", "1"]);
    let mut ann = chatd.join("ann");
    let mut ben = chatd.join("ben");
    ann.say("hello crowd");
    while ben.next_line() != "<ann> hello crowd" {}
    ben.say("/nick bob");
    while ben.next_line() != "* ben is now bob" {}
    let mut heard = ann.lines_until_pong();
    heard.retain(|line| parse_news(line).is_none());
    assert_eq!(heard, ["* ben is now bob"]);
}

#[test]
fn the_counts_of_a_crowd_that_comes_and_goes_add_up() {
    let chatd = Daemon::start(&["--roster-max", "5", "--rate", "0"]);
    let mut ann = chatd.join("ann");
    let mut here = 1;
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
    // 80 came and 46 went; whatever was told singly and whatever together, the sum is that.
    let (mut joined, mut left) = (0, 0);
    while joined < 80 || left < 46 {
        let line = ann.next_line();
        let before = here;
        if let Some(news) = parse_news(&line) {
            joined += news.joined;
            left += news.left;
            here = news.here;
            assert_eq!(here + news.left, before + news.joined, "{line}");
        } else {
            assert!(line.contains(" joined ("), "{line}");
            joined += 1;
            here += 1;
            assert!(line.ends_with(&format!(" joined ({here} here)")), "{line}");
        }
    }
    assert_eq!((joined, left, here), (80, 46, 35));
    ann.say("/rooms");
    ann.expect_lines(&["= lobby 35", "= end"]);
}

#[test]
fn who_names_a_thousand_and_counts_the_rest() {
    const MEMBERS: usize = 1003;
    let chatd = Daemon::start(&["--roster-max", "10"]);
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
    let chatd = Daemon::start(&["--roster-max", "2"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut members: Vec<Client> = Vec::new();
    for number in 0..6 {
        let mut member = chatd.connect();
        let here = number + 3;
        member.say(&format!("g{number}"));
        member.expect_prefix(&format!("* welcome to lobby, g{number} ({here} here: "));
        members.push(member);
    }
    news_until(&mut ann, 6, 0);
    news_until(&mut ben, 6, 0);
    // All were welcomed within one interval, or were told rightly of those before.
    for (number, member) in members.iter_mut().enumerate() {
        let (news, _) = news_until(member, 5 - number, 0);
        assert_eq!(news.here, if number < 5 { 8 } else { 0 });
        member.expect_silence_until_pong();
    }
}
