//! Bytes and lines: endings, the bound on a line, what is not text, and that neither the cut of
//! the stream into pieces nor any byte in it changes how many lines there are.

use crate::common::{Client, Daemon, Seed};

/// What the protocol makes of the bytes of one line, said once more and without the server:
/// invalid UTF-8 and control characters (TAB is none) become U+FFFD.
fn cleaned(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|c| match c {
            '\t' => c,
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
            _ => c,
        })
        .collect()
}

#[test]
fn one_carriage_return_before_the_end_is_dropped() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.send(b"dos\r\nunix\ntwo\r\r\nin\rside\r\n\rfirst\n");
    ben.expect_lines(&[
        "<ann> dos",
        "<ann> unix",
        "<ann> two\u{fffd}",
        "<ann> in\u{fffd}side",
        "<ann> \u{fffd}first",
    ]);
    ann.send(b"/ping dos\r\n");
    ann.expect_line("= pong dos");
}

#[test]
fn the_server_ends_its_lines_with_lf_alone() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.connect();
    ann.send(b"ann\r\n/ping x\r\n/quit\r\n");
    ann.lines_until_closed();
    assert_eq!(
        ann.received(),
        b"* welcome to lobby, ann (1 here: ann)\n= pong x\n"
    );
}

#[test]
fn lines_of_nothing_or_of_blanks_reach_nobody() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.send(b"\n\r\n\n \n\t \t\n  \r\n\nafter\n");
    ben.expect_line("<ann> after");
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
}

#[test]
fn control_characters_are_replaced_one_for_one() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let controls = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}');
    for control in controls.chain(['\u{2028}', '\u{2029}']) {
        if control == '\n' || control == '\t' {
            continue;
        }
        ann.say(&format!("a{control}b"));
        let heard = ben.next_line();
        assert_eq!(heard, "<ann> a\u{fffd}b", "{control:?}");
    }
    ann.say("\u{1b}]0;title\u{7}\u{1b}[2J");
    ben.expect_line("<ann> \u{fffd}]0;title\u{fffd}\u{fffd}[2J");
}

#[test]
fn every_way_out_is_clean() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.say("/msg ben a\u{1b}b");
    ann.expect_line("= sent to ben");
    ben.expect_line("-ann- a\u{fffd}b");
    ann.say("/ping a\u{85}b");
    ann.expect_line("= pong a\u{fffd}b");
    // Refusals may repeat what they refuse; `Client` looks at every byte of them.
    for line in [
        "/b\u{1b}d",
        "/msg b\u{2028}n hello",
        "/who d\u{7f}n",
        "/nick \u{9b}31m",
        "/join d\u{0}n",
        "/echo \u{1b}",
        "/kick\rben",
    ] {
        ann.say(line);
        ann.expect_prefix("! ");
    }
    ann.say("/quit so\u{85}long\u{1b}");
    ben.expect_line("* ann left (1 here): \"so\u{fffd}long\u{fffd}\"");
    let mut cyd = chatd.connect();
    cyd.say("c\u{1b}yd");
    cyd.expect_refusal("bad-name");
    // In the history too.
    ben.say("old\u{9b}text");
    ben.lines_until_pong();
    cyd.say("cyd");
    cyd.expect_prefix("* welcome to lobby, cyd");
    cyd.expect_lines(&[
        "* last message, from MINUTE:",
        "<ben> old\u{fffd}text",
        "* end of history",
    ]);
}

#[test]
fn invalid_utf8_is_replaced_and_the_line_delivered() {
    const LINES: &[(&[u8], &str)] = &[
        (b"\xff", "\u{fffd}"),
        (b"a\x80b", "a\u{fffd}b"),
        (b"caf\xc3", "caf\u{fffd}"),
        (b"\xe2\x82 euro", "\u{fffd} euro"),
        // Overlong: a slash, a line feed, a NUL.
        (b"\xc0\xaf", "\u{fffd}\u{fffd}"),
        (b"x\xc0\x8ay", "x\u{fffd}\u{fffd}y"),
        (b"\xe0\x80\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        // Half of a surrogate pair; past the last character.
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
        (b"\xf5\x80\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        // A C1 control as it comes from an old terminal: a single byte.
        (b"\x9b31m", "\u{fffd}31m"),
        (b"\x85", "\u{fffd}"),
    ];
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for (bytes, wanted) in LINES {
        ann.send(&[bytes, &b"\n"[..]].concat());
        ben.expect_line(&format!("<ann> {wanted}"));
    }
}

#[test]
fn one_line_in_is_one_line_out_for_any_bytes() {
    let seed = Seed::of_environment_or_new();
    let mut random = seed.generator();
    let chatd = Daemon::start(&["--rate", "0"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for _ in 0..400 {
        let line = random_line(&mut random);
        ann.send(&[&line, &b"\n"[..]].concat());
        let heard = ben.next_line();
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        assert_eq!(heard, format!("<ann> {}", cleaned(line)), "{line:?}");
    }
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
}

/// A message of any bytes but LF: pieces that are near the rules, and noise.
fn random_line(random: &mut fastrand::Rng) -> Vec<u8> {
    const PIECES: &[&[u8]] = &[
        b"\r",
        b"\t",
        b"\0",
        b"\x1b[0m",
        b"\x7f",
        b"\xc2\x85",
        b"\x85",
        b"\xe2\x80\xa8",
        b"\xe2\x80\xa9",
        b"\xe2\x80",
        b"\xf0\x9f\x98\x80",
        b"\xf0\x9f",
        b"\xed\xa0\x80",
        b"\xc0\x8a",
        "é".as_bytes(),
        b"/",
        b" ",
        b"<ann> ",
    ];
    let mut line = vec![b'm'];
    for _ in 0..random.usize(1..30) {
        if random.bool() {
            line.extend_from_slice(PIECES[random.usize(..PIECES.len())]);
        } else {
            let byte = random.u8(..);
            line.push(if byte == b'\n' { b'n' } else { byte });
        }
    }
    line
}

#[test]
fn a_line_of_the_greatest_length_is_delivered() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let longest = "x".repeat(4096);
    for end in ["\n", "\r\n"] {
        ann.send(format!("{longest}{end}").as_bytes());
        ben.expect_line(&format!("<ann> {longest}"));
    }
    ann.expect_silence_until_pong();
}

#[test]
fn a_longer_line_is_refused_whole_and_the_connection_stays() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for length in [4097, 4098, 8192, 100_000] {
        ann.send(format!("{}\nafter {length}\n", "x".repeat(length)).as_bytes());
        ann.expect_refusal("line-too-long");
        ben.expect_line(&format!("<ann> after {length}"));
    }
    // A command is a line like any other.
    ann.send(format!("/msg ben {}\n", "x".repeat(4090)).as_bytes());
    ann.expect_refusal("line-too-long");
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
}

#[test]
fn a_line_without_an_end_is_refused_once_before_its_end() {
    let chatd = Daemon::start(&[]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    ann.send(&[b'x'; 5000]);
    ann.expect_refusal("line-too-long");
    for _ in 0..100 {
        ann.send(&[b'y'; 10_000]);
    }
    ann.send(b"/quit\nhere I am\n");
    ben.expect_line("<ann> here I am");
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
}

#[test]
fn the_bound_can_be_set_and_counts_bytes() {
    let chatd = Daemon::start(&["--line-max", "128"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let longest = "é".repeat(64);
    ann.say(&longest);
    ben.expect_line(&format!("<ann> {longest}"));
    ann.say(&format!("{longest}x"));
    ann.expect_refusal("line-too-long");
    ben.expect_silence_until_pong();
}

#[test]
fn too_long_a_line_is_no_name() {
    let chatd = Daemon::start(&[]);
    let mut ann = chatd.connect();
    ann.send(format!("{}\nann\n", "a".repeat(5000)).as_bytes());
    ann.expect_refusal("line-too-long");
    ann.expect_line("* welcome to lobby, ann (1 here: ann)");
}

/// A whole visit, with every kind of line in it, and lines that are cut in the middle of a
/// character, of CRLF, of a command.
const VISIT: &str = "ann\r\nhé 😀\r\n\n//s\n/nick zoe\n/ping x\r\n/z\na\rb\n/quit é\n";
const VISIT_ANN: &[&str] = &[
    "* welcome to lobby, ann (2 here: ann, ben)",
    "* ann is now zoe",
    "= pong x",
];
const VISIT_BEN: &[&str] = &[
    "* ann joined (2 here)",
    "<ann> hé 😀",
    "<ann> /s",
    "* ann is now zoe",
    "<zoe> a\u{fffd}b",
    "* zoe left (1 here): \"é\"",
];

/// Makes the visit in these pieces. Ben's ping between two of them has the server handle the
/// first before the second is sent, so that it really reads them apart.
fn visit_in_pieces<'a>(
    chatd: &Daemon,
    ben: &mut Client,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) {
    let mut ann = chatd.connect();
    let mut heard = Vec::new();
    for piece in pieces {
        ann.send(piece);
        heard.extend(ben.lines_until_pong());
    }
    while heard.len() < VISIT_BEN.len() {
        heard.push(ben.next_line());
    }
    assert_eq!(heard, VISIT_BEN);
    ben.expect_silence_until_pong();
    ann.expect_lines(VISIT_ANN);
    ann.expect_refusal("unknown-command");
    ann.expect_closed();
}

#[test]
fn a_stream_split_at_any_byte_is_the_same_stream() {
    // So few visits that each of their joins and leaves is announced individually.
    const VISITS_MAX: usize = 8;
    let places: Vec<usize> = (0..=VISIT.len()).collect();
    for places in places.chunks(VISITS_MAX) {
        let chatd = Daemon::start(&["--rate", "0", "--history", "0"]);
        let mut ben = chatd.join("ben");
        for &place in places {
            let (first, second) = VISIT.as_bytes().split_at(place);
            visit_in_pieces(&chatd, &mut ben, [first, second]);
        }
    }
}

#[test]
fn a_stream_of_single_bytes_is_the_same_stream() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "0"]);
    let mut ben = chatd.join("ben");
    visit_in_pieces(&chatd, &mut ben, VISIT.as_bytes().chunks(1));
}

#[test]
fn a_thousand_lines_in_one_write_are_a_thousand_lines() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    let mut script = String::from("/echo on\n");
    for number in 0..1000 {
        script.push_str(&format!("line {number}\n"));
    }
    ann.send(script.as_bytes());
    ann.expect_line("= echo on");
    for number in 0..1000 {
        let wanted = format!("<ann> line {number}");
        ann.expect_line(&wanted);
        ben.expect_line(&wanted);
    }
    ann.expect_silence_until_pong();
    ben.expect_silence_until_pong();
}
