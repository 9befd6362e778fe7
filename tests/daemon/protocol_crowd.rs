//! Many at once: each member gets every event of its room from its join to its leave, once, and
//! all of them in one order.

use crate::common::{Client, Counted, Daemon, News};

const MEMBERS: usize = 300;
const TALKERS: usize = 30;
const LINES: usize = 40;

fn talker_name(number: usize) -> String {
    format!("talker{number:02}")
}

#[test]
fn three_hundred_members_of_whom_thirty_talk() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "0", "--roster-max", "1000"]);
    let mut members = Vec::with_capacity(MEMBERS);
    for number in 0..MEMBERS {
        let name = if number < TALKERS {
            talker_name(number)
        } else {
            format!("reader{number:03}")
        };
        members.push(chatd.join(&name));
    }
    expect_all_joins(&mut members);
    for talker in &mut members[..TALKERS] {
        talker.say("/echo on");
        talker.expect_line("= echo on");
    }
    std::thread::scope(|scope| {
        for talker in &mut members[..TALKERS] {
            scope.spawn(move || {
                for line in 0..LINES {
                    talker.say(&format!("line {line}"));
                }
            });
        }
    });
    let order = members[0].next_lines(TALKERS * LINES);
    assert_complete(&order);
    for member in &mut members[1..] {
        let seen = member.next_lines(TALKERS * LINES);
        assert!(seen == order, "two members saw two orders");
    }
    for member in &mut members {
        member.expect_silence_until_pong();
    }
}

/// Each has been told of every later join, once, by name or in a count.
fn expect_all_joins(members: &mut [Client]) {
    for (place, member) in members.iter_mut().enumerate() {
        member.expect_joins_and_leaves(MEMBERS - 1 - place, 0);
    }
}

/// Nothing lost, nothing twice, and each sender's lines in the sender's order.
fn assert_complete(order: &[String]) {
    for number in 0..TALKERS {
        let start = format!("<{}> ", talker_name(number));
        let of_talker = order.iter().filter_map(|line| line.strip_prefix(&start));
        let wanted = (0..LINES).map(|line| format!("line {line}"));
        assert!(of_talker.eq(wanted), "the lines of {}", talker_name(number));
    }
}

#[test]
fn who_stays_sees_one_order_while_others_come_and_go() {
    const STAYERS: usize = 5;
    const VISITORS: usize = 12;
    const ROUNDS: usize = 5;
    let chatd = Daemon::start(&["--rate", "0", "--history", "0"]);
    let mut stayers = chatd.join_all(["s0", "s1", "s2", "s3", "s4"]);
    std::thread::scope(|scope| {
        for visitor in 0..VISITORS {
            let chatd = &chatd;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    visit(chatd, visitor, round);
                }
            });
        }
    });
    // A visit is a join, a line, a rename, a line and a leave.
    const VISITS: usize = VISITORS * ROUNDS;
    let (mut order, mut told) = (Vec::new(), Counted::default());
    while told.joined < VISITS || told.left < VISITS || order.len() - told.lines < 3 * VISITS {
        let line = stayers[0].next_line();
        told.hear(&line);
        order.push(line);
    }
    assert_eq!(
        (told.joined, told.left, told.here),
        (VISITS, VISITS, STAYERS)
    );
    assert_eq!(order.len(), told.lines + 3 * VISITS);
    for stayer in &mut stayers[1..] {
        assert!(stayer.next_lines(order.len()) == order, "two orders");
    }
    for stayer in &mut stayers {
        stayer.expect_silence_until_pong();
    }
    for visitor in 0..VISITORS {
        let name = format!("v{visitor}x");
        let of_visitor = order
            .iter()
            .filter(|line| line.contains(&name) && News::of(line).is_none());
        assert_eq!(of_visitor.count(), ROUNDS * 3);
    }
}

/// One visit; what the visitor itself sees from its welcome on is its own renaming and the
/// lines of others, and never its own lines.
fn visit(chatd: &Daemon, visitor: usize, round: usize) {
    let name = format!("v{visitor}x{round}");
    let renamed = format!("{name}b");
    let mut client = chatd.join(&name);
    client.send(format!("first of {name}\n/nick {renamed}\nlast of {name}\n").as_bytes());
    let seen = client.lines_until_pong();
    let own: Vec<_> = seen.iter().filter(|line| line.contains(&name)).collect();
    assert_eq!(own, [&format!("* {name} is now {renamed}")]);
    client.say("/quit");
    client.lines_until_closed();
}
