//! Time in which the server itself did not run (SIGSTOP here; a frozen machine, a long page fault)
//! counts against nobody: whoever did its part meanwhile is not cut, nor prompted, for it.

use std::time::{Duration, Instant};

use crate::common::{Client, Daemon, Heard, PATIENCE, Signal};

/// Longer than any timeout that these tests set.
const STOOD_STILL: Duration = Duration::from_secs(4);

/// The server stands still, and nothing comes from it.
fn stand_still(chatd: &Daemon, witness: &mut Client) {
    chatd.signal(Signal::STOP);
    assert_eq!(witness.hear_for(STOOD_STILL), Heard::Nothing);
}

#[test]
fn nobody_is_cut_or_prompted_for_time_in_which_the_server_stood_still() {
    let chatd = Daemon::start(&["--name-timeout", "2"]);
    let mut witness = chatd.join("witness");
    let mut in_time = chatd.connect();
    let mut late = chatd.connect();
    late.say("/help");
    late.expect_prefix("= ");
    // Both have been accepted, and neither has been silent for long.
    stand_still(&chatd, &mut witness);
    in_time.say("in_time");
    chatd.signal(Signal::CONT);
    let first = in_time.next_line();
    assert!(first.starts_with("* welcome to lobby, in_time"), "{first}");
    // Who still says nothing has a second for it.
    while late.hear_for(Duration::from_millis(100)) != Heard::Nothing {}
    late.say("late");
    late.expect_prefix("* welcome to lobby, late");
    // And then is cut, as if the clock had not stood still.
    let mut silent = chatd.connect();
    silent.say("/help");
    let lines = silent.lines_until_closed();
    let last = lines.last().expect("a reason");
    assert!(last.starts_with("! name-timeout"), "{last}");
}

#[test]
fn a_reader_with_a_full_outbox_is_not_cut_for_time_in_which_the_server_stood_still() {
    const LINES: usize = 400;
    let flags = ["--rate", "0", "--history", "0", "--stall-timeout", "3"];
    let chatd = Daemon::start(&[&flags[..], &["--outbox-max", "16M"]].concat());
    let mut talker = chatd.join("talker");
    let mut reader = Client::connect_narrow(chatd.address());
    reader.say("reader");
    reader.expect_welcome();
    talker.expect_line("* reader joined (2 here)");
    let text = "x".repeat(4000);
    let start = Instant::now();
    for _ in 0..LINES {
        talker.say(&text);
    }
    talker.expect_silence_until_pong();
    assert!(chatd.statistic("queued bytes summed") > 0, "all was taken");
    assert!(start.elapsed() < Duration::from_secs(2), "a slow machine");
    stand_still(&chatd, &mut talker);
    chatd.signal(Signal::CONT);
    for _ in 0..LINES {
        reader.expect_prefix("<talker> xxx");
    }
    reader.expect_silence_until_pong();
    talker.expect_silence_until_pong();
    assert!(start.elapsed() < PATIENCE + STOOD_STILL);
}
