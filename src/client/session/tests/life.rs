//! Unit tests of the session: how its links are made, refused, lost and come back to.

use super::*;

#[test]
fn refusals_of_the_name_or_the_room_are_final() {
    for (room, said) in [
        (None, "! bad-name no spaces\n"),
        (None, "! name-in-use taken\n"),
        (None, "! server-full come later\n"),
        (None, "! shutting-down now\n"),
        (
            Some("x"),
            "* welcome to lobby, ann (1 here)\n! bad-name no such room\n",
        ),
    ] {
        let mut script = Script::new(Manner::Pipe, WhenLost::ComeBack, room);
        script.links();
        script.hears(said);
        assert_eq!(script.end().map(|end| end.0), Some(77), "{said}");
    }
}

#[test]
fn what_is_not_chat_ends_it_at_once() {
    for said in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 400 Bad Request\r\n",
        "-ERR unknown command 'ann'\r\n",
        "<html> <body>\n",
        "* OK IMAP4rev1 ready\r\nann BAD\r\n",
        "\n",
        "* welcome to lobby, ann (1 here)\n! unknown-command /echo\n",
        "* welcome to lobby, ann (1 here)\n= echo on\ngarbage\n",
    ] {
        let mut script = Script::new(Manner::Pipe, WhenLost::ComeBack, None);
        script.links();
        script.hears(said);
        assert_eq!(script.end().map(|end| end.0), Some(76), "{said:?}");
    }
}

#[test]
fn an_alert_without_a_line_is_not_chat_either() {
    let mut script = Script::new(Manner::Pipe, WhenLost::ComeBack, None);
    script.links();
    script
        .session
        .receive(b"\x15\x03\x03\x00\x02\x02\x46", script.now);
    script.loses();
    assert_eq!(script.end().map(|end| end.0), Some(76));
}

#[test]
fn a_line_without_end_costs_no_memory() {
    let mut script = Script::new(Manner::Pipe, WhenLost::ComeBack, None);
    script.links();
    let mut received = 0;
    while script.end().is_none() {
        script.session.receive(&[b'x'; 4096], script.now);
        received += 4096;
        assert!(received <= SERVER_LINE_BYTES_MAX + 4096);
    }
    assert_eq!(script.end().map(|end| end.0), Some(76));
}

#[test]
fn silence_is_not_chat() {
    let mut script = Script::new(Manner::Pipe, WhenLost::ComeBack, None);
    script.links();
    script.hears("* any\n").waits();
    assert_eq!(script.end().map(|end| end.0), Some(76));
}

#[test]
fn the_first_connection_is_tried_once() {
    let mut script = Script::new(Manner::Terminal, WhenLost::ComeBack, None);
    let why = Clean::of("nothing listens there");
    script
        .session
        .link_down(LinkEnd::Unreachable(why), script.now);
    let words = "nothing listens there".to_owned();
    assert_eq!(script.end(), Some((69, words)));
    let mut script = Script::new(Manner::Terminal, WhenLost::ComeBack, None);
    script.links();
    script.loses();
    assert_eq!(script.end().map(|end| end.0), Some(69));
}

#[test]
fn a_lost_link_ends_it_where_that_was_wanted() {
    let mut script = Script::new(Manner::Pipe, WhenLost::GiveUp, None);
    script.links();
    script
        .hears("* welcome to lobby, ann (1 here)\n= echo on\n")
        .loses();
    let words = "host:5001 closed the connection".to_owned();
    assert_eq!(script.end(), Some((1, words)));
}

#[test]
fn unsent_and_unconfirmed_lines_are_sent_after_the_return() {
    let mut script = Script::talking(Manner::Pipe);
    script
        .says("one")
        .says("two")
        .says("/who")
        .hears("<ann> one\n");
    script.effects();
    script
        .hears("! shutting-down the server stops\n")
        .loses()
        .says("three");
    let effects = script.effects();
    assert_eq!(effects[0], "hang up");
    assert!(effects[1].starts_with("-- the server stops (shutting-down); trying again in "));
    script.waits().links();
    script.hears("* welcome to lobby, ann (1 here)\n= echo on\n");
    assert_eq!(
        script.effects(),
        [
            "connect",
            "> ann\n/echo on",
            "* welcome to lobby, ann (1 here)",
            "-- back in lobby as ann; sending 2 lines that waited",
            "> two",
            "> three"
        ]
    );
}

#[test]
fn what_the_history_shows_is_not_sent_again() {
    let mut script = Script::talking(Manner::Pipe);
    script
        .says("one")
        .says("two")
        .says("three")
        .hears("<ann> one\n")
        .loses();
    script.waits().links();
    script.effects();
    script.hears("* welcome to lobby, ann (1 here)\n* last 2 messages:\n<ann> one\n<ann> two\n");
    script.hears("* end of history\n= echo on\n");
    let effects = script.effects();
    assert_eq!(effects[effects.len() - 1], "> three");
    assert!(!effects.contains(&"> two".to_owned()));
}

#[test]
fn it_comes_back_to_the_room_it_was_in() {
    let mut script = Script::talking(Manner::Pipe);
    script
        .says("/join garden")
        .hears("* welcome to garden, ann (1 here)\n")
        .loses();
    script.waits().links();
    let wanted = "> ann\n/join garden\n/echo on".to_owned();
    assert_eq!(script.effects().last(), Some(&wanted));
    script
        .hears("* welcome to lobby, ann (1 here)\n* welcome to garden, ann (1 here)\n= echo on\n");
    script
        .says("/join lobby")
        .hears("* welcome to lobby, ann (1 here)\n")
        .loses();
    script.waits().links();
    assert_eq!(script.effects().last(), Some(&"> ann\n/echo on".to_owned()));
}

#[test]
fn our_own_ghost_is_waited_for_but_not_for_ever() {
    let mut script = Script::talking(Manner::Pipe);
    script.loses();
    let start = script.now;
    while script.end().is_none() {
        script.waits().links();
        script.hears("! name-in-use ann is taken\n");
        assert!(script.now < start + 2 * GHOST_TIMEOUT);
    }
    assert!(script.now >= start + GHOST_TIMEOUT);
    assert_eq!(script.end().map(|end| end.0), Some(77));
}

#[test]
fn who_is_thrown_out_does_not_come_back() {
    let mut script = Script::talking(Manner::Pipe);
    script.hears("! kicked be nice\n");
    let words = "refused: be nice (kicked)".to_owned();
    assert_eq!(script.end(), Some((77, words)));
}

#[test]
fn a_server_that_returns_nothing_is_a_lost_link() {
    let mut script = Script::talking(Manner::Pipe);
    script.says("hello").hears("<ben> I still talk\n").waits();
    let effects = script.effects();
    let lost = "-- host:5001 has not answered for 30 s; trying again in ";
    assert!(
        effects.iter().any(|effect| effect.starts_with(lost)),
        "{effects:?}"
    );
}

#[test]
fn leaving_without_a_link_says_what_was_not_sent() {
    let mut script = Script::talking(Manner::Terminal);
    script.loses().says("unsaid");
    script.effects();
    script.says("/quit");
    assert_eq!(script.effects(), ["hang up", "-- 1 line not sent"]);
    assert_eq!(script.end(), Some((0, String::new())));
}
