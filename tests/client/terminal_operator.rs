//! The operator's seat and the bulletin board with real streams behind them: a pipe that nobody
//! reads, files, a terminal; and many posters that come and go. The server is a real one.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::Command as Process;
use std::sync::mpsc;
use std::thread;

use crate::common::{Client, Daemon, PATIENCE, Signal, chatd_command, run_to_end};
use crate::terminal_support::{Model, Sitting};
use pty_process::blocking::Command;
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

// The board

#[test]
fn a_board_that_nobody_reads_loses_lines_and_counts_them_and_the_chat_goes_on() {
    /// Four times what the pipe and the daemon hold.
    const LINES: usize = 4_500;
    let (board, output) = std::io::pipe().unwrap();
    let flags = ["--board", "--rate", "0", "--listen", "127.0.0.1:0"];
    let mut command = chatd_command(&flags);
    command.stdout(output);
    let mut chatd = Daemon::spawn(command, 1);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    for number in 0..LINES {
        ann.say(&format!("{number} {}", "x".repeat(1_000)));
        let wanted = format!("<ann> {number} ");
        ben.expect_prefix(&wanted);
    }
    // Now somebody reads, and there is room again.
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(board).lines().map_while(Result::ok);
        lines.try_for_each(|line| sender.send(line))
    });
    let (mut shown, mut lost) = (Vec::new(), 0);
    let mut next = LINES;
    while shown.len() + lost < next || lost == 0 {
        if shown.len() >= 1_000 && lost == 0 {
            // What tells of the loss is the line after it.
            assert!(next < LINES + 500, "not a word of what was lost");
            ann.say(&format!("{next} after"));
            ben.expect_line(&format!("<ann> {next} after"));
            next += 1;
        }
        let line = lines.recv_timeout(PATIENCE).unwrap();
        match line.split_once(" lobby <ann> ") {
            Some((_, text)) => {
                shown.push(text.split(' ').next().unwrap().parse::<usize>().unwrap())
            }
            None => lost = lost_lines(&line),
        }
    }
    assert_eq!(shown.len() + lost, next);
    assert!(lost > 1_000, "{lost}");
    // Those before the gap and those after it, in order.
    let gap = shown
        .windows(2)
        .filter(|pair| pair[1] != pair[0] + 1)
        .count();
    assert!(gap == 1 && shown.is_sorted(), "{shown:?}");
    chatd.signal(Signal::USR1);
    chatd.expect_log(&[&format!("board lines lost {lost}")]);
    assert!(chatd.is_running());
}

/// Of `… 12 lines were lost here: nobody took them`.
#[track_caller]
fn lost_lines(note: &str) -> usize {
    assert!(
        note.ends_with("lines were lost here: nobody took them"),
        "{note}"
    );
    note.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A terminal that takes a part of a line would make whoever writes the rest wait: so the lines
/// are of lengths that do not fill it evenly.
#[test]
fn a_board_on_a_stopped_terminal_stops_nobody() {
    for length in [61, 77, 100, 333] {
        let terminal =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        unlockpt(&terminal).unwrap();
        let path = ptsname(&terminal, Vec::new()).unwrap();
        let output = File::options()
            .write(true)
            .open(path.to_str().unwrap())
            .unwrap();
        let flags = ["--board", "--rate", "0", "--listen", "127.0.0.1:0"];
        let mut on_board = chatd_command(&flags);
        on_board.stdout(output.try_clone().unwrap());
        let on_board = Daemon::spawn(on_board, 1);
        let [mut ann, mut ben] = on_board.join_all(["ann", "ben"]);
        // More than any terminal holds, and less than the board does.
        for number in 0..100_000 / length {
            let text = format!("{number} {}", "x".repeat(length));
            ann.say(&text);
            ben.expect_line(&format!("<ann> {text}"));
        }
    }
}

#[test]
fn a_board_whose_reader_goes_away_does_not_stop_the_chat() {
    let (board, output) = std::io::pipe().unwrap();
    let mut command = chatd_command(&["--board", "--listen", "127.0.0.1:0"]);
    command.stdout(output);
    let mut chatd = Daemon::spawn(command, 1);
    let [mut ann, mut ben] = chatd.join_all(["ann", "ben"]);
    drop(board);
    // A process that another test is just starting may still hold the pipe for a moment.
    let is_closed = |line: &String| line.contains("standard output is closed");
    for number in 0.. {
        ann.say(&format!("line {number}"));
        ben.expect_line(&format!("<ann> line {number}"));
        if chatd.log_lines().iter().any(is_closed) {
            break;
        }
        assert!(number < 500, "it does not notice");
    }
    assert!(chatd.is_running());
}

#[test]
fn every_short_lived_poster_is_on_the_board_once_and_in_the_order_of_the_room() {
    const POSTERS: usize = 8;
    const POSTS: usize = 6;
    let chatd = Daemon::start(&["--board", "--history", "0"]);
    let mut witness = chatd.join("witness");
    let address = chatd.address();
    let posters: Vec<_> = (0..POSTERS)
        .map(|poster| {
            std::thread::spawn(move || {
                for post in 0..POSTS {
                    posts(
                        address,
                        &format!("poster{poster}"),
                        &format!("post {poster}.{post}"),
                    );
                }
            })
        })
        .collect();
    posters
        .into_iter()
        .for_each(|poster| poster.join().unwrap());
    let heard: Vec<String> = messages(&mut witness);
    assert_eq!(heard.len(), POSTERS * POSTS);
    chatd.expect_output(&[heard.last().unwrap()]);
    let output = chatd.output_lines();
    let board: Vec<&str> = output
        .iter()
        .map(|line| line.split_once(" lobby ").unwrap().1)
        .collect();
    assert_eq!(board, heard);
    for poster in 0..POSTERS {
        let own: Vec<&&str> = board
            .iter()
            .filter(|line| line.contains(&format!("<poster{poster}> ")))
            .collect();
        let wanted: Vec<String> = (0..POSTS)
            .map(|post| format!("<poster{poster}> post {poster}.{post}"))
            .collect();
        assert_eq!(
            own,
            wanted.iter().collect::<Vec<_>>(),
            "each waits for its predecessor"
        );
    }
}

fn posts(server: SocketAddr, name: &str, text: &str) {
    let done = Process::new(env!("CARGO_BIN_EXE_chat-client"))
        .args([&server.to_string(), name, "--send", text])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.starts_with("delivered in "),
        "{done:?}"
    );
}

/// What was said in the room so far.
fn messages(client: &mut Client) -> Vec<String> {
    let lines = client.lines_until_pong();
    lines
        .into_iter()
        .filter(|line| line.starts_with('<'))
        .collect()
}

// The console behind a file and a pipe

#[test]
fn a_console_may_be_a_file() {
    let path = std::env::temp_dir().join(format!("chatd-console-{}", std::process::id()));
    std::fs::write(&path, "/rooms\n/nope\n/stats\n/quit").unwrap();
    let mut command = chatd_command(&["--console", "--listen", "127.0.0.1:0"]);
    command.stdin(File::open(&path).unwrap());
    let finished = run_to_end(command);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines: Vec<&str> = finished.output.lines().collect();
    assert_eq!(lines[0], "= end", "{finished:?}");
    assert!(lines[1].starts_with("! unknown-command "), "{finished:?}");
    assert!(lines[2].starts_with("= "), "{finished:?}");
}

#[test]
fn a_console_may_be_a_pipe_with_lines_in_any_pieces() {
    let (input, mut console) = std::io::pipe().unwrap();
    let mut command = chatd_command(&["--console", "--listen", "127.0.0.1:0"]);
    command.stdin(input);
    let mut chatd = Daemon::spawn(command, 1);
    let mut ann = chatd.join("ann");
    console.write_all("good ev".as_bytes()).unwrap();
    ann.expect_silence_until_pong();
    console
        .write_all("ening\r\n\nall of you\n/who".as_bytes())
        .unwrap();
    ann.expect_line("* operator: good evening");
    ann.expect_line("* operator: all of you");
    ann.expect_silence_until_pong();
    // The end of the pipe ends the line too.
    drop(console);
    chatd.expect_output(&["= 1 connected"]);
    chatd.expect_log(&["the console is closed; the server goes on"]);
    assert!(chatd.is_running());
}

// The console at a terminal

/// A server at a terminal that is wide enough for its log, and where it listens.
fn seated() -> (Sitting, SocketAddr) {
    let command = Command::new(env!("CARGO_BIN_EXE_chatd"))
        .args(["--console", "--listen", "127.0.0.1:0"])
        .env("TERM", "xterm");
    let sitting = Sitting::start_sized(command, 160, 24);
    sitting.sees("where it listens", |model| listening(model).is_some());
    let address = listening(&sitting.model()).unwrap();
    (sitting, address)
}

fn listening(model: &Model) -> Option<SocketAddr> {
    let rows = model.rows();
    let row = rows
        .iter()
        .find_map(|row| row.split_once("listening on "))?;
    row.1.split_whitespace().next()?.parse().ok()
}

fn joined(server: SocketAddr, name: &str) -> Client {
    let mut client = Client::connect(server);
    client.say(name);
    client.expect_prefix(&format!("* welcome to lobby, {name} ("));
    client
}

#[test]
fn at_a_terminal_the_operator_sees_the_room_and_talks() {
    let (mut sitting, server) = seated();
    let mut ann = joined(server, "ann");
    ann.say("hello\u{1b}[2J there");
    sitting.sees_text("lobby <ann> hello");
    sitting.types("good evening\n");
    ann.expect_line("* operator: good evening");
    sitting.types("/who\n");
    sitting.sees_text("= lobby ann 127.0.0.1:");
    assert!(sitting.is_restored(), "its settings are never touched");
    assert_eq!(sitting.model().attacks(), [""; 0]);
    sitting.types("/quit\n");
    ann.expect_refusal("shutting-down");
    ann.expect_closed();
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(0));
}

#[test]
fn at_a_terminal_ctrl_d_closes_the_console_and_ctrl_c_stops_the_server() {
    let (mut sitting, server) = seated();
    let mut ann = joined(server, "ann");
    sitting.types("\u{4}");
    sitting.sees_text("the console is closed; the server goes on");
    ann.expect_silence_until_pong();
    ann.say("still shown");
    sitting.sees_text("lobby <ann> still shown");
    sitting.types("\u{3}");
    ann.expect_refusal("shutting-down");
    ann.expect_closed();
    assert_eq!(sitting.waits().code(), Some(0));
    assert!(sitting.is_restored(), "{}", sitting.screen());
}

#[test]
fn the_terminal_is_left_as_it_was_by_every_signal() {
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let (mut sitting, _) = seated();
        sitting.types("half a line");
        sitting.signals(signal);
        sitting.waits();
        assert!(sitting.is_restored(), "{signal:?} {}", sitting.screen());
        assert!(
            !sitting.makes_reads_not_wait(),
            "{signal:?} {}",
            sitting.screen()
        );
    }
}

#[test]
fn a_terminal_that_takes_nothing_does_not_stop_the_chat() {
    let (sitting, server) = seated();
    let (mut ann, mut ben) = (joined(server, "ann"), joined(server, "ben"));
    ann.expect_line("* ben joined (2 here)");
    sitting.stops_reading();
    // More than a terminal holds, and within what a member may say at once.
    for number in 0..90 {
        let line = format!("{number} {}", "x".repeat(1_000));
        ann.say(&line);
        ben.expect_line(&format!("<ann> {line}"));
    }
    sitting.goes_on_reading();
    sitting.sees("the last line", |model| {
        model.rows().iter().any(|row| row.contains("<ann> 89 x"))
    });
}
