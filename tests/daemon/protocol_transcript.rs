//! The whole of a conversation: three people, two rooms, every byte that each of them reads.
//! The single rules stand in the other `protocol_` files; this one shows that they fit together,
//! and is the quickest way to see what the protocol looks like.

use crate::common::{Client, Daemon, hide_stamp};

/// Who says what, and what all three then read. Until they have, nobody goes on.
struct Step {
    who: usize,
    says: &'static str,
    read: [&'static [&'static str]; 3],
}

const ANN: usize = 0;
const BEN: usize = 1;
const CYD: usize = 2;

#[rustfmt::skip]
const CONVERSATION: &[Step] = &[
    Step { who: ANN, says: "ann", read: [
        &["* welcome to lobby, ann (1 here: ann)"],
        &[],
        &[],
    ]},
    Step { who: BEN, says: "ben", read: [
        &["* ben joined (2 here)"],
        &["* welcome to lobby, ben (2 here: ann, ben)"],
        &[],
    ]},
    Step { who: CYD, says: "cyd", read: [
        &["* cyd joined (3 here)"],
        &["* cyd joined (3 here)"],
        &["* welcome to lobby, cyd (3 here: ann, ben, cyd)"],
    ]},
    Step { who: ANN, says: "hello there", read: [
        &[],
        &["<ann> hello there"],
        &["<ann> hello there"],
    ]},
    Step { who: BEN, says: "/echo on", read: [
        &[],
        &["= echo on"],
        &[],
    ]},
    Step { who: BEN, says: "hi ann", read: [
        &["<ben> hi ann"],
        &["<ben> hi ann"],
        &["<ben> hi ann"],
    ]},
    Step { who: CYD, says: "/join den", read: [
        &["* cyd left (2 here)"],
        &["* cyd left (2 here)"],
        &["* welcome to den, cyd (1 here: cyd)"],
    ]},
    Step { who: ANN, says: "anybody?", read: [
        &[],
        &["<ann> anybody?"],
        &[],
    ]},
    Step { who: CYD, says: "alone here", read: [
        &[],
        &[],
        &[],
    ]},
    Step { who: CYD, says: "/ping", read: [
        &[],
        &[],
        &["= pong"],
    ]},
    Step { who: ANN, says: "/join den", read: [
        &["* welcome to den, ann (2 here: ann, cyd)", "* last message, from MINUTE:", "<cyd> alone here", "* end of history"],
        &["* ann left (1 here)"],
        &["* ann joined (2 here)"],
    ]},
    Step { who: BEN, says: "/rooms", read: [
        &[],
        &["= den 2", "= lobby 1", "= end"],
        &[],
    ]},
    Step { who: BEN, says: "/msg cyd are you coming?", read: [
        &[],
        &["= sent to cyd"],
        &["-ben- are you coming?"],
    ]},
    Step { who: CYD, says: "/nick cydney", read: [
        &["* cyd is now cydney"],
        &[],
        &["* cyd is now cydney"],
    ]},
    Step { who: ANN, says: "//shrug", read: [
        &[],
        &[],
        &["<ann> /shrug"],
    ]},
    Step { who: ANN, says: "/who", read: [
        &["= 2 here: ann, cydney"],
        &[],
        &[],
    ]},
    Step { who: CYD, says: "/join lobby", read: [
        &["* cydney left (1 here)"],
        &["* cydney joined (2 here)"],
        &["* welcome to lobby, cydney (2 here: ben, cydney)", "* last 3 messages, from MINUTE:",
          "<ann> hello there", "<ben> hi ann", "<ann> anybody?", "* end of history"],
    ]},
    Step { who: BEN, says: "/who den", read: [
        &[],
        &["= 1 here: ann"],
        &[],
    ]},
    Step { who: ANN, says: "/join lobby", read: [
        &["* welcome to lobby, ann (3 here: ann, ben, cydney)", "* last 3 messages, from MINUTE:",
          "<ann> hello there", "<ben> hi ann", "<ann> anybody?", "* end of history"],
        &["* ann joined (3 here)"],
        &["* ann joined (3 here)"],
    ]},
    Step { who: ANN, says: "/quit good night", read: [
        &[],
        &["* ann left (2 here): \"good night\""],
        &["* ann left (2 here): \"good night\""],
    ]},
    Step { who: BEN, says: "/quit", read: [
        &[],
        &[],
        &["* ben left (1 here)"],
    ]},
];

#[test]
fn three_people_in_two_rooms() {
    let chatd = Daemon::start(&[]);
    let mut people: [Client; 3] = std::array::from_fn(|_| chatd.connect());
    let mut wanted = [const { String::new() }; 3];
    for step in CONVERSATION {
        people[step.who].say(step.says);
        for (who, lines) in step.read.iter().enumerate() {
            for line in *lines {
                wanted[who].push_str(line);
                wanted[who].push('\n');
            }
            people[who].expect_lines(lines);
        }
    }
    people[CYD].half_close();
    for (client, wanted) in people.iter_mut().zip(&wanted) {
        client.expect_closed();
        let received = String::from_utf8_lossy(client.received());
        let received: String = received
            .split_inclusive('\n')
            .map(|line| hide_stamp(line.trim_end_matches('\n')) + "\n")
            .collect();
        assert_eq!(received, *wanted);
    }
}
