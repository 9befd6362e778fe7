//! Members over TLS who do not read: rows D28 and D32 of the table of faults, as far as what they are
//! owed is concerned.

use crate::common::process::memory_peak_bytes;
use crate::common::{
    Client, Daemon, Ended, LONG_PATIENCE, News, PATIENCE, Pair, TlsClient, TlsTerms,
};

/// A member whose small buffer is soon full, since it does not read.
fn stalled(chatd: &Daemon, name: &str, terms: &TlsTerms) -> TlsClient {
    let mut client = TlsClient::silent_and_narrow(chatd.address(), terms, 4096);
    client.shake_hands();
    client.say(name);
    client.expect_prefix("* welcome to lobby");
    client
}

/// Says lines until so many have left who were in the room; how many lines that took.
fn talk_until_cut(talker: &mut Client, pair: &Pair, count: usize) -> u64 {
    let text = "x".repeat(1000);
    let (mut said, mut gone) = (0, 0);
    while gone < count {
        assert!(said < 100_000, "only {gone} were cut");
        for _ in 0..50 {
            said += 1;
            talker.say(&format!("#{said} {text}"));
        }
        for line in talker.lines_until_pong() {
            gone += News::of(&line).map_or(0, |news| news.left());
        }
        pair.hear_everything();
    }
    said
}

/// Reads all that a member who was cut can still read; whether that is why. What was sealed comes
/// whole: lines, and nothing behind the last word.
fn could_read_why(client: &mut TlsClient) -> bool {
    let mut last = String::new();
    let start = std::time::Instant::now();
    loop {
        assert!(start.elapsed() < LONG_PATIENCE, "it never ends");
        match client.hear_for(PATIENCE) {
            Ok(line) => last = line,
            // Also where the kernel has given up, which it does without a word.
            Err(_) => return last.starts_with("! too-slow "),
        }
    }
}

#[test]
fn d32_readers_over_tls_that_stop_are_cut_and_can_read_why() {
    const STALLED: usize = 20;
    let chatd = Daemon::start(&["--rate", "0", "--history", "0", "--stall-timeout", "1"]);
    let pair = Pair::start(&chatd);
    let mut talker = chatd.join("talker");
    let terms = TlsTerms::new();
    let mut stalled: Vec<TlsClient> = (0..STALLED)
        .map(|number| stalled(&chatd, &format!("s{number}"), &terms))
        .collect();
    pair.fault_begins();
    let memory = memory_peak_bytes(chatd.id());
    let said = talk_until_cut(&mut talker, &pair, STALLED);
    let memory = memory_peak_bytes(chatd.id()) - memory;
    eprintln!("d32: {STALLED} stalled readers cost {memory} bytes over {said} lines");
    assert!(memory < 16 << 20, "{memory} bytes");
    assert_eq!(pair.finish("d32").left(), STALLED);
    // All at once: what the kernel holds for somebody who is gone for the server it drops after a
    // minute in which nothing of it was taken, without a word to the one who waits.
    let told = std::thread::scope(|scope| {
        let readers: Vec<_> = stalled
            .iter_mut()
            .map(|client| scope.spawn(|| could_read_why(client)))
            .collect();
        let told = readers.into_iter().filter_map(|reader| reader.join().ok());
        told.filter(|&told| told).count()
    });
    assert_eq!(told, STALLED, "who was cut can read why");
}

#[test]
fn d32_hundreds_of_readers_over_tls_that_stop_cost_little_and_are_cut() {
    const STALLED: usize = 300;
    /// Records that the kernel did not take, TLS itself, and something to spare.
    const EACH_BYTES_MAX: usize = (64 + 32) << 10;
    let chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--stall-timeout",
        "4",
        "--announce-max",
        "1000",
    ]);
    let pair = Pair::start(&chatd);
    let mut talker = chatd.join("talker");
    let terms = TlsTerms::new();
    let memory = memory_peak_bytes(chatd.id());
    let _stalled: Vec<TlsClient> = (0..STALLED)
        .map(|number| stalled(&chatd, &format!("s{number}"), &terms))
        .collect();
    pair.fault_begins();
    let said = talk_until_cut(&mut talker, &pair, STALLED);
    let memory = memory_peak_bytes(chatd.id()) - memory;
    eprintln!("d32: {STALLED} stalled readers cost {memory} bytes over {said} lines");
    assert!(
        memory < STALLED * EACH_BYTES_MAX + (16 << 20),
        "{memory} bytes"
    );
    assert_eq!(pair.finish("d32").left(), STALLED);
}

#[test]
fn d28_who_quits_with_much_to_read_gets_it_all_and_nothing_behind_our_close_notify() {
    let flags = ["--rate", "0", "--history", "0", "--stall-timeout", "60"];
    let chatd = Daemon::start(&flags);
    let mut talker = chatd.join("talker");
    let terms = TlsTerms::new();
    // With less than half an outbox it leaves at once and is written to until it has it all; with
    // more it leaves when it has read so much that its line is handled.
    for (name, count) in [("ann", 400), ("ben", 900)] {
        let mut client = stalled(&chatd, name, &terms);
        talker.expect_line(&format!("* {name} joined (2 here)"));
        let text = "x".repeat(1000);
        for number in 1..=count {
            talker.say(&format!("#{number} {text}"));
        }
        talker.expect_silence_until_pong();
        client.say("/quit");
        if count < 500 {
            talker.expect_line(&format!("* {name} left (1 here)"));
        }
        // It panics where anything stands behind the close_notify.
        let (lines, end) = client.lines_until_end();
        assert_eq!(end, Ended::InOrder);
        let wanted: Vec<String> = (1..=count)
            .map(|number| format!("<talker> #{number} {text}"))
            .collect();
        assert!(lines == wanted, "{name} heard {} of {count}", lines.len());
        if count >= 500 {
            talker.expect_line(&format!("* {name} left (1 here)"));
        }
    }
}
