//! The terminal belongs to the user: on every way out of the member's seat it is as it was
//! before, and it looks as the user wants it. The server is scripted by each test.

use std::net::SocketAddr;
use std::time::Instant;

use crate::client_support::{FakeServer, Peer};
use crate::terminal_support::{Model, Sitting, client, seat};
use pty_process::blocking::Command;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::LocalModes;

fn seated() -> (Sitting, Peer, FakeServer) {
    let server = FakeServer::new();
    let sitting = Sitting::start(seat(server.address(), &[]));
    let peer = server.accept_and_greet("ann");
    sitting.sees("the prompt", |model| prompt(model).starts_with("lobby "));
    assert!(!sitting.is_restored(), "the test would see nothing");
    (sitting, peer, server)
}

fn prompt(model: &Model) -> String {
    model.cursor_row().0
}

// Leaving

#[test]
fn words_and_keys_that_leave() {
    for typed in ["/quit\r", "exit\r", "end\r", "\u{4}", "\u{3}", "/quit\n"] {
        let (mut sitting, peer, _server) = seated();
        sitting.types(typed);
        peer.sees_off();
        let status = sitting.waits_and_finds_the_terminal_whole();
        assert_eq!(status.code(), Some(0), "{typed:?}\n{}", sitting.screen());
        let is_prompt = |row: &String| row.contains("ms>");
        assert!(
            !sitting.model().rows().iter().any(is_prompt),
            "{}",
            sitting.screen()
        );
    }
}

#[test]
fn a_reason_for_leaving_is_passed_on() {
    let (mut sitting, mut peer, _server) = seated();
    sitting.types("/quit supper\r");
    peer.hears("/quit supper");
    drop(peer);
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(0));
}

#[test]
fn ctrl_c_clears_a_started_line_and_leaves_an_empty_one() {
    let (mut sitting, peer, _server) = seated();
    sitting.types("started");
    sitting.sees_draft("started");
    sitting.types("\u{3}");
    sitting.sees_draft("");
    sitting.types("\u{3}");
    peer.sees_off();
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(0));
}

#[test]
fn ctrl_d_in_a_started_line_does_not_leave() {
    let (sitting, mut peer, _server) = seated();
    sitting.types("xy\u{1}\u{4}");
    sitting.sees_draft("y");
    sitting.types("\r");
    peer.hears("y");
}

#[test]
fn words_that_leave_are_said_as_a_part_of_a_line() {
    let (sitting, mut peer, _server) = seated();
    sitting.types("the end\r exit now\r");
    peer.hears("the end");
    peer.hears(" exit now");
}

// Ends that nobody wanted

#[test]
fn an_error_leaves_the_terminal_whole() {
    let (mut sitting, mut peer, _server) = seated();
    sitting.types("draft");
    sitting.sees_draft("draft");
    peer.says("! kicked be nice\n");
    let status = sitting.waits_and_finds_the_terminal_whole();
    assert_eq!(status.code(), Some(77));
    assert!(
        sitting.shows("chat-client: refused: be nice (kicked)"),
        "{}",
        sitting.screen()
    );
}

#[test]
fn signals_leave_the_terminal_whole() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let (mut sitting, peer, _server) = seated();
        sitting.types("draft");
        sitting.sees_draft("draft");
        sitting.signals(signal);
        peer.sees_off();
        let status = sitting.waits_and_finds_the_terminal_whole();
        assert_eq!(status.code(), Some(0), "{signal:?}\n{}", sitting.screen());
    }
}

#[test]
fn a_second_signal_does_not_wait_for_the_server() {
    let (mut sitting, mut peer, _server) = seated();
    sitting.signals(Signal::TERM);
    // It waits a while for the server to close the connection.
    peer.hears("/quit");
    let start = Instant::now();
    sitting.signals(Signal::TERM);
    let status = sitting.waits();
    assert!(sitting.is_restored(), "{}", sitting.screen());
    let is_late = start.elapsed().as_millis() >= 900;
    assert!(
        status.code().is_none() || is_late,
        "{status:?} {}",
        sitting.screen()
    );
}

#[test]
fn a_panic_leaves_the_terminal_whole() {
    let in_shell = |server: SocketAddr, limit: &str| {
        Sitting::start(
            Command::new("/bin/sh")
                .env_clear()
                .env("TERM", "xterm-256color")
                // So that all the memory there is for threads is their stacks.
                .env("MALLOC_ARENA_MAX", "1")
                .args(["-c", &format!("{limit} exec \"$0\" \"$@\"")])
                .args([
                    env!("CARGO_BIN_EXE_chat-client"),
                    &server.to_string(),
                    "ann",
                ]),
        )
    };
    let server = FakeServer::new();
    let mut sitting = in_shell(server.address(), "");
    let peer = server.accept_and_greet("ann");
    sitting.sees("the prompt", |model| prompt(model).starts_with("lobby "));
    let enough = virtual_kibibytes(sitting.pid());
    sitting.types("\u{4}");
    peer.sees_off();
    sitting.waits();
    // A mebibyte less: the thread that connects, the last one, finds no room for its stack.
    let mut sitting = in_shell(server.address(), &format!("ulimit -v {};", enough - 1024));
    let status = sitting.waits_and_finds_the_terminal_whole();
    assert_eq!(status.code(), Some(101), "{}", sitting.screen());
    assert!(sitting.shows("panicked at"), "{}", sitting.screen());
}

/// The address space that a process has now.
fn virtual_kibibytes(pid: Pid) -> u64 {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = std::fs::read_to_string(path).unwrap();
    let size = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:"))
        .unwrap();
    size.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_terminal_that_goes_away_is_the_end() {
    let (sitting, mut peer, _server) = seated();
    sitting.hangs_up();
    // `/quit`, or nothing at all: that depends on what is noticed first.
    while peer.next_line().is_some() {}
}

// Away for a while

/// The client as the child of a shell, which is what there is to go back to.
fn seat_in_a_shell(server: SocketAddr) -> Command {
    Command::new("/bin/sh")
        .env_clear()
        .env("TERM", "xterm-256color")
        .env("XTERM_VERSION", "a terminal that cuts rows")
        .args(["-c", "\"$0\" \"$@\"; echo status $?"])
        .args([
            env!("CARGO_BIN_EXE_chat-client"),
            &server.to_string(),
            "ann",
        ])
}

/// Waits until the shell and the client are stopped.
#[track_caller]
fn waits_for_stop(sitting: &Sitting) {
    let path = format!("/proc/{}/stat", sitting.pid().as_raw_nonzero());
    sitting.waits_until("a stop", || {
        let stat = std::fs::read_to_string(&path).unwrap();
        stat.rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('T')
    });
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_takes_it_again() {
    for by_signal in [false, true] {
        let server = FakeServer::new();
        let mut sitting = Sitting::start(seat_in_a_shell(server.address()));
        let mut peer = server.accept_and_greet("ann");
        sitting.sees("the prompt", |model| prompt(model).starts_with("lobby "));
        sitting.types("draft");
        sitting.sees_draft("draft");
        if by_signal {
            kill_process(child_of(sitting.pid()), Signal::TSTP).unwrap();
        } else {
            sitting.types("\u{1a}");
        }
        waits_for_stop(&sitting);
        assert!(sitting.is_restored(), "{}", sitting.screen());
        sitting.sees("no prompt", |model| {
            prompt(model).is_empty() && !model.screen().bracketed_paste()
        });
        peer.says("<ben> meanwhile\n");
        rustix::process::kill_process_group(sitting.pid(), Signal::CONT).unwrap();
        sitting.sees_text("<ben> meanwhile");
        sitting.sees_draft("draft");
        sitting.waits_until("no echo", || {
            !sitting.settings().local_modes.contains(LocalModes::ECHO)
        });
        let prompts = sitting
            .model()
            .rows()
            .iter()
            .filter(|row| row.ends_with("draft"))
            .count();
        assert_eq!(prompts, 1, "{}", sitting.screen());
        sitting.types("\r");
        peer.hears("draft");
        sitting.types("\u{4}");
        peer.sees_off();
        assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(0));
        assert!(sitting.shows("status 0"), "{}", sitting.screen());
    }
}

fn child_of(pid: Pid) -> Pid {
    let pid = pid.as_raw_nonzero();
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(path).unwrap();
    Pid::from_raw(children.split(' ').next().unwrap().parse().unwrap()).unwrap()
}

#[test]
fn a_stop_from_outside_is_got_over() {
    let (mut sitting, mut peer, _server) = seated();
    sitting.types("draft");
    sitting.sees_draft("draft");
    sitting.signals(Signal::STOP);
    waits_for_stop(&sitting);
    peer.says("<ben> meanwhile\n");
    sitting.signals(Signal::CONT);
    sitting.sees_text("<ben> meanwhile");
    sitting.sees_draft("draft");
    sitting.types("\u{15}\u{4}");
    peer.sees_off();
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(0));
}

#[test]
fn where_there_is_no_shell_ctrl_z_does_nothing() {
    let (sitting, mut peer, _server) = seated();
    sitting.types("dra\u{1a}ft");
    sitting.sees_text("~ there is no shell to go back to");
    sitting.sees_draft("draft");
    sitting.types("\r");
    peer.hears("draft");
}

// The first start

#[test]
fn without_a_name_it_says_the_server_and_asks_once_it_is_there() {
    let server = FakeServer::new();
    let address = server.address().to_string();
    let mut sitting = Sitting::start(client().arg(&address));
    let mut peer = server.accept_poster();
    sitting.sees_text(&format!(
        "chat on {address}: type your name and press Enter"
    ));
    assert_eq!(
        peer.next_line(),
        None,
        "a server does not wait so long for a name"
    );
    sitting.sees("the prompt", |model| {
        prompt(model).starts_with("your name>")
    });
    sitting.types("\u{4}");
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(0));
}

#[test]
fn a_name_that_is_taken_is_asked_again() {
    let server = FakeServer::new();
    let sitting = Sitting::start(client().arg(server.address().to_string()));
    server.accept_poster();
    sitting.sees_text("type your name");
    sitting.types("\r/help\r");
    sitting.sees_text("~ this is to be your name");
    for (typed, name, offer) in [("ben\r", "ben", "[ben_]>"), ("\r", "ben_", "[ben__]>")] {
        sitting.types(typed);
        let mut peer = server.accept();
        peer.hears(&format!("enter {name}"));
        peer.says_hello();
        peer.refuses("name-in-use", "it is taken");
        sitting.sees_text("! name-in-use it is taken");
        sitting.sees_text(offer);
    }
    sitting.types("z o\r");
    let mut peer = server.accept();
    peer.hears("enter z o");
    peer.says_hello();
    peer.refuses("bad-name", "no blanks");
    sitting.sees_text("! bad-name no blanks");
    sitting.sees("the question without an offer", |model| {
        prompt(model).starts_with("your name>")
    });
    sitting.types("zoe\r");
    let _peer = server.accept_and_greet("zoe");
    sitting.sees_text("~ you are zoe in lobby; /help lists commands, Ctrl-D leaves");
}

#[test]
fn where_nothing_listens_it_says_how_to_start_a_server() {
    let mut sitting = Sitting::start(seat("127.0.0.1:1".parse().unwrap(), &[]));
    assert_eq!(
        sitting.waits_and_finds_the_terminal_whole().code(),
        Some(69)
    );
    let said: String = sitting.model().rows().concat();
    assert!(
        said.contains("cannot connect to 127.0.0.1:1: nothing listens there"),
        "{said}"
    );
    assert!(
        said.contains("To start a server here, type: chatd"),
        "{said}"
    );
}

// Colours

#[test]
fn colours_are_as_the_user_wants_them() {
    for (variable, value, argument, colored) in [
        ("OTHER", "1", "--color=auto", true),
        ("NO_COLOR", "1", "--color=auto", false),
        ("NO_COLOR", "1", "--color=always", true),
        ("OTHER", "1", "--color=never", false),
    ] {
        let server = FakeServer::new();
        let command = seat(server.address(), &[argument]).env(variable, value);
        let sitting = Sitting::start(command);
        let mut peer = server.accept_and_greet("ann");
        peer.says("<ben> hi\n<cyd> hi\n<ben> ann: hi\n! no-such-name who?\n");
        sitting.sees_text("who?");
        sitting.sees_draft("");
        let has_styles = |row: u16| {
            let model = sitting.model();
            let cells = (0..80).filter_map(|column| model.screen().cell(row, column));
            let is_styled =
                |cell: &vt100::Cell| cell.fgcolor() != vt100::Color::Default || cell.bold();
            cells.into_iter().any(is_styled)
        };
        for row in 0..7 {
            let case = (variable, value, argument, row);
            assert_eq!(has_styles(row), colored, "{case:?}\n{}", sitting.screen());
        }
    }
}

#[test]
fn names_keep_their_colours() {
    let (sitting, mut peer, _server) = seated();
    peer.says("<ben> 1\n<cyd> 2\n<ben> 3\n<eve> 4\n-ben- 5\n");
    sitting.sees_text("-ben- 5");
    let model = sitting.model();
    let color_of = |text: &str| {
        let row = model
            .rows()
            .iter()
            .position(|row| row.ends_with(text))
            .unwrap();
        model
            .screen()
            .cell(row.try_into().unwrap(), 7)
            .unwrap()
            .fgcolor()
    };
    let ben = color_of("<ben> 1");
    assert_eq!(ben, color_of("<ben> 3"));
    assert_eq!(ben, color_of("-ben- 5"));
    assert_ne!(ben, color_of("<cyd> 2"));
    assert_ne!(color_of("<eve> 4"), color_of("<cyd> 2"));
}

#[test]
fn a_dumb_terminal_gets_lines_and_no_sequences() {
    let server = FakeServer::new();
    let command = seat(server.address(), &["--rtt"]).env("TERM", "dumb");
    let mut sitting = Sitting::start(command);
    let mut peer = server.accept_and_greet("ann");
    sitting.sees_text("you are ann in lobby");
    assert!(sitting.is_restored(), "its settings are not touched");
    sitting.types("hello\n");
    peer.returns("ann", "hello");
    sitting.sees_text("delivered in ");
    peer.says("<ben> hi\n");
    sitting.sees_text("<ben> hi");
    sitting.types("end\n");
    peer.sees_off();
    assert_eq!(sitting.waits_and_finds_the_terminal_whole().code(), Some(0));
    assert!(
        !sitting.model().bytes.contains(&0x1b),
        "{}",
        sitting.screen()
    );
}

#[test]
fn at_a_dumb_terminal_an_answer_goes_to_nobody_who_wrote_meanwhile() {
    let server = FakeServer::new();
    let sitting = Sitting::start(seat(server.address(), &[]).env("TERM", "dumb"));
    let mut peer = server.accept_and_greet("ann");
    let says = |peer: &mut Peer, line: &str| {
        peer.says(&format!("{line}\n"));
        sitting.sees_text(line);
    };
    says(&mut peer, "-ben- psst");
    sitting.types("/r well\n");
    peer.hears("/msg ben well");
    peer.does_it();
    sitting.sees_text("sent to ben");
    // What is being typed is not known.
    sitting.types("/r the key is");
    says(&mut peer, "-eve- hey");
    sitting.types(" under the mat\n");
    let is_refused = |times: usize| {
        sitting.sees("the refusal", |model| {
            let rows = model.rows();
            rows.iter()
                .filter(|row| row.contains("that is eve now"))
                .count()
                == times
        });
    };
    is_refused(1);
    sitting.types("/msg dan hello\n/r and you\n");
    peer.hears("/msg dan hello");
    // Nor is it known whether that will be said.
    is_refused(2);
    peer.does_it();
    sitting.sees_text("sent to dan");
    says(&mut peer, "-eve- what");
    sitting.types("hello all\n/r hello eve\n");
    peer.hears("hello all");
    peer.hears("/msg eve hello eve");
}
