//! The operator's seat of a server that a shell runs in the background: what is typed at the
//! terminal is the shell's, and the server goes on; in the foreground it is the operator's again.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Child;
use std::time::{Duration, Instant};

use pty_process::blocking::{Command, Pty};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::process::processor_time;
use crate::common::{Client, Heard, PATIENCE};

/// A shell at a terminal of its own, with its jobs.
struct Shell {
    pty: Pty,
    child: Child,
    said: Vec<u8>,
    /// Up to where `said` was looked at.
    looked_at: usize,
}

impl Shell {
    fn start() -> Shell {
        let (pty, pts) = pty_process::blocking::open().expect("a terminal");
        let command = Command::new("sh").arg("-i").env("PS1", "$ ");
        let child = command.spawn(pts).expect("a shell");
        Shell {
            pty,
            child,
            said: Vec::new(),
            looked_at: 0,
        }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.pty, "{line}").expect("a terminal");
    }

    /// What follows these words, up to the end of the line, of what is shown from now on.
    #[track_caller]
    fn expect(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = String::from_utf8_lossy(&self.said[self.looked_at..]).into_owned();
            if let Some((_, rest)) = shown.split_once(words)
                && let Some((line, _)) = rest.split_once("\r\n")
            {
                self.looked_at += shown.len() - rest.len() + line.len();
                return line.to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "wanted {words:?}, but: {shown}");
            self.read(left);
        }
    }

    fn read(&mut self, patience: Duration) {
        let timeout = patience.try_into().expect("a timeout of some seconds");
        let mut events = [PollFd::new(&self.pty, PollFlags::IN)];
        if poll(&mut events, Some(&timeout)).expect("waiting for the terminal") > 0 {
            let mut bytes = [0; 4096];
            let count = self.pty.read(&mut bytes).expect("the terminal");
            self.said.extend_from_slice(&bytes[..count]);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("terminal:\n{}", String::from_utf8_lossy(&self.said));
        }
    }
}

/// A job of the shell, which would survive it.
struct Job(Pid);

impl Drop for Job {
    fn drop(&mut self) {
        // Fails when it has ended already, as it should have.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

fn state(job: &Job) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", job.0)).expect("it runs");
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    fields[..1].to_owned()
}

#[test]
fn what_is_typed_at_the_shell_neither_stops_the_server_nor_is_said() {
    const WINDOW: Duration = Duration::from_secs(1);
    let mut shell = Shell::start();
    let chatd = env!("CARGO_BIN_EXE_chatd");
    shell.type_line("stty -echo");
    shell.type_line(&format!("{chatd} --console --listen 127.0.0.1:0 &"));
    let address: SocketAddr = shell.expect("listening on ").parse().expect("an address");
    shell.type_line("echo pid=$!");
    let id: u32 = shell.expect("pid=").parse().expect("a process id");
    let job = Job(Pid::from_raw(id.try_into().expect("an id")).expect("not 0"));
    let mut ann = Client::connect(address);
    ann.say("ann");
    ann.expect_welcome();
    for number in 0..5 {
        shell.type_line(&format!("echo typed $((40 + {number}))"));
        shell.expect(&format!("typed {}", 40 + number));
        ann.expect_silence_until_pong();
    }
    // A line that the shell leaves where it is for a while.
    shell.type_line("sleep 1");
    shell.type_line("echo typed later");
    shell.expect("typed later");
    assert_ne!(state(&job), "T", "it is stopped for reading");
    // Now with a log line of its own.
    shell.type_line("stty tostop; echo from now on");
    shell.expect("from now on");
    drop(Client::connect(address));
    shell.expect("end without a name");
    assert_ne!(state(&job), "T", "it is stopped for writing");
    ann.expect_silence_until_pong();
    let before = processor_time(id);
    assert_eq!(ann.hear_for(WINDOW), Heard::Nothing);
    let took = processor_time(id) - before;
    assert!(took < WINDOW / 10, "{took:?} of a processor in {WINDOW:?}");

    shell.type_line("fg");
    shell.expect("the console is in the foreground again");
    shell.type_line("good evening");
    ann.expect_line("* operator: good evening");
    shell.type_line("/quit");
    ann.expect_refusal("shutting-down");
}
