//! The board on a file of a disk that is full: it waits, and counts what it had to lose. That it
//! goes on when there is room again is shown by `net::printer` and by a real disk in
//! `tests/system`.

use std::fs::File;

use crate::common::{Daemon, PATIENCE, Signal, chatd_command};

#[test]
fn a_full_disk_ends_neither_the_board_nor_the_server() {
    let full = File::options().append(true).open("/dev/full");
    let flags = ["--board", "--rate", "0", "--history", "0"];
    let mut command = chatd_command(&[&flags[..], &["--listen", "127.0.0.1:0"]].concat());
    command.stdout(full.expect("a disk that is full"));
    let mut chatd = Daemon::spawn(command, 1);
    let mut ann = chatd.join("ann");
    let text = "x".repeat(4000);
    for _ in 0..300 {
        ann.say(&text);
    }
    ann.expect_silence_until_pong();
    chatd.expect_log(&["WARN", "standard output takes nothing", "No space left"]);
    let lost = chatd.statistic("board lines lost");
    // A mebibyte waits for better times.
    assert!((20..100).contains(&lost), "{lost} lines lost");
    let said = chatd.log_lines();
    let said = said.iter().filter(|line| line.contains("standard output"));
    assert_eq!(said.count(), 1, "it is said once");
    chatd.signal(Signal::TERM);
    assert_eq!(chatd.expect_exit(PATIENCE).code(), Some(0));
}
