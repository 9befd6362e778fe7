//! Faults in the life of the server (rows F60 to F65 of the faults): killed, stopped, signalled
//! under load; and ends that must not be silent (F88). READY and STATUS (F67) are in `startup`.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

use crate::common::{Client, Daemon, Heard, PATIENCE, Pair, Signal, chatd_command};

#[test]
fn f60_killed_under_load_it_is_back_and_all_are_named_again() {
    const CROWD: usize = 500;
    // On an address of its own, so that no other test's connection can take the port meanwhile.
    let mut chatd = Daemon::start(&["--rate", "0", "--listen", "127.0.0.60:0"]);
    let address = chatd.address();
    let mut crowd = chatd.crowd("m", CROWD);
    for member in &mut crowd {
        member.say("in the middle of something");
    }
    chatd.signal(Signal::KILL);
    chatd.expect_exit(PATIENCE);
    let start = Instant::now();
    // The old connections are still open on this side, and some of their ports wait.
    let next = Daemon::start(&["--rate", "0", "--listen", &address.to_string()]);
    let back = start.elapsed();
    let again = next.crowd("m", CROWD);
    eprintln!(
        "f60: back after {back:?}, {CROWD} named after {:?}",
        start.elapsed()
    );
    assert_eq!(next.statistic("clients"), CROWD as u64);
    drop((crowd, again));
}

#[test]
fn f63_at_the_end_everybody_is_told_and_the_healthy_have_every_byte() {
    const HEALTHY: usize = 270;
    const STALLED: usize = 30;
    let mut chatd = Daemon::start(&[
        "--rate",
        "0",
        "--history",
        "0",
        "--roster-max",
        "10",
        "--outbox-max",
        "8M",
        "--stall-timeout",
        "60",
        "--drain-timeout",
        "2",
    ]);
    let mut talker = chatd.join("talker");
    talker.say("/join den");
    talker.lines_until_pong();
    let mut stalled: Vec<_> = (0..STALLED)
        .map(|_| Client::connect_narrow(chatd.address()))
        .collect();
    for (number, client) in stalled.iter_mut().enumerate() {
        client.say(&format!("s{number}\n/join den"));
        client.expect_welcome();
    }
    let mut healthy = chatd.crowd("m", HEALTHY);
    let line = format!("{}\n", "x".repeat(4000));
    let start = Instant::now();
    while chatd.statistic("queued unique bytes") < 200_000 {
        assert!(start.elapsed() < PATIENCE, "nobody is stalled");
        talker.send(line.repeat(20).as_bytes());
        talker.lines_until_pong();
    }
    // The last things said before the end are on their way to all when it comes.
    for number in 1..=50 {
        healthy[0].say(&format!("#{number}"));
    }
    let start = Instant::now();
    chatd.signal(Signal::TERM);
    for (place, member) in healthy.iter_mut().enumerate() {
        let lines = member.lines_until_closed();
        let last = lines.last().expect("a reason");
        assert!(last.starts_with("! shutting-down"), "{last}");
        let said: Vec<_> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("<m0> #"))
            .collect();
        let wanted: Vec<_> = (1..=50).map(|number: u32| number.to_string()).collect();
        assert!(place == 0 || said == wanted, "{said:?}");
    }
    let told = start.elapsed();
    let status = chatd.expect_exit(PATIENCE);
    eprintln!(
        "f63: the healthy are told after {told:?}, the end is after {:?}",
        start.elapsed()
    );
    assert_eq!(status.code(), Some(0));
    assert!(
        start.elapsed() >= Duration::from_millis(1900),
        "it waits for the stalled"
    );
}

#[test]
fn f65_nobody_notices_a_hundred_reloads() {
    let chatd = Daemon::start_for_talk(&[]);
    let pair = Pair::start(&chatd);
    let mut crowd = chatd.crowd("m", 50);
    pair.fault_begins();
    for number in 1..=100 {
        chatd.signal(Signal::HUP);
        let member = &mut crowd[number % 50];
        member.say(&format!("#{}", (number - 1) / 50 + 1));
        member.lines_until_pong();
    }
    let talk = pair.finish("f65");
    assert_eq!(talk.here(), 52);
    assert!(
        chatd
            .log_lines()
            .iter()
            .any(|line| line.contains("asked to reload"))
    );
}

#[test]
fn f88_who_floods_beyond_its_rate_can_still_read_why_it_is_cut() {
    let mut chatd = Daemon::start(&["--rate", "5", "--burst", "5", "--console"]);
    let mut floods: Vec<_> = ["kicked", "stopped"].map(|name| chatd.join(name)).into();
    for flood in &mut floods {
        // Far more than it is read in the time of this test: most of it waits in the sockets.
        flood.send("more and more\n".repeat(30_000).as_bytes());
        while !flood.next_line().starts_with("! slow-down") {}
    }
    let ends = |client: &mut Client, code: &str| {
        let lines = client.lines_until_closed();
        let last = lines.last().expect("a reason");
        assert!(last.starts_with(code), "{last}");
    };
    chatd.type_line("/kick kicked too much");
    ends(&mut floods[0], "! kicked");
    chatd.signal(Signal::TERM);
    ends(&mut floods[1], "! shutting-down");
    chatd.expect_exit(PATIENCE);
}

#[test]
fn f88_who_reads_again_long_after_it_was_cut_can_still_read_why() {
    let chatd = Daemon::start(&["--rate", "0", "--history", "0", "--stall-timeout", "1"]);
    let mut talker = chatd.join("talker");
    let mut sleeper = Client::connect_narrow(chatd.address());
    sleeper.say("sleeper");
    sleeper.expect_welcome();
    let text = "x".repeat(1000);
    let mut said = 0;
    while !talker
        .lines_until_pong()
        .iter()
        .any(|line| line == "* sleeper left (1 here): too slow")
    {
        assert!(said < 100_000, "the sleeper is not cut");
        said += 10;
        (0..10).for_each(|_| talker.say(&text));
    }
    // The server is through with it: what is still to be read is the kernel's to keep.
    chatd.expect_log(&["end \"sleeper\"", "too slow"]);
    let lines = sleeper.lines_until_closed();
    let last = lines.last().expect("a reason");
    assert!(last.starts_with("! too-slow "), "{last}");
}

#[test]
fn f56_a_log_that_nobody_reads_stops_nobody() {
    let (mut reader, log) = UnixStream::pair().expect("a socket pair");
    blocked_log(Stdio::from(OwnedFd::from(log)), &mut reader);
}

#[test]
fn f56_a_log_in_a_pipe_that_nobody_reads_stops_nobody() {
    let (mut reader, log) = std::io::pipe().expect("a pipe");
    blocked_log(Stdio::from(log), &mut reader);
}

#[test]
fn f56_a_log_on_a_terminal_that_was_stopped_stops_nobody() {
    let terminal =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    unlockpt(&terminal).expect("a terminal");
    let path = ptsname(&terminal, Vec::new()).expect("its name");
    let path = path.to_str().expect("a path");
    let log = File::options().write(true).open(path).expect("its end");
    blocked_log(Stdio::from(log), &mut File::from(terminal));
}

/// Runs a server whose log goes to `log`, of which `reader` is read only when the log is full.
fn blocked_log(log: Stdio, reader: &mut (impl Read + AsFd)) {
    let mut command = chatd_command(&["--rate", "0", "--listen", "127.0.0.1:0"]);
    command.stderr(log);
    let mut chatd = Killed(command.spawn().expect("starting chatd"));
    drop(command);
    let address = read_address(reader);
    let mut ann = Client::connect(address);
    let mut ben = Client::connect(address);
    for (client, name) in [(&mut ann, "ann"), (&mut ben, "ben")] {
        client.say(name);
        client.expect_welcome();
    }
    // A line a signal, as long as they are not merged: far more than a pipe or a socket holds.
    let process = rustix::process::Pid::from_child(&chatd.0);
    for number in 0..3000 {
        rustix::process::kill_process(process, Signal::USR1).expect("it runs");
        ann.say(&format!("line {number}"));
        ben.expect_line(&format!("<ann> line {number}"));
    }
    // Now somebody reads, and learns what was lost.
    let mut bytes = vec![0; 1 << 20];
    let mut seen = String::new();
    let deadline = Instant::now() + PATIENCE;
    while !seen.contains("lines of the log were lost here") {
        assert!(Instant::now() < deadline, "no word of what was lost");
        rustix::process::kill_process(process, Signal::USR1).expect("it runs");
        let count = read_in_time(reader, &mut bytes);
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    assert_eq!(ann.hear_for(Duration::ZERO), Heard::Nothing);
    chatd.0.kill().expect("it runs");
}

/// Ends the process with the test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where it listens, as the first lines of its log say.
fn read_address(log: &mut (impl Read + AsFd)) -> std::net::SocketAddr {
    let mut said = Vec::new();
    let mut byte = [0];
    loop {
        assert_eq!(read_in_time(log, &mut byte), 1, "the log has ended");
        said.push(byte[0]);
        let line = String::from_utf8_lossy(&said);
        if let Some((_, rest)) = line.split_once("listening on ")
            && let Some(address) = rest.strip_suffix('\n')
        {
            // A terminal ends its lines with two.
            return address.trim_end().parse().expect("an address");
        }
    }
}

/// One read, for which something has to come in time.
fn read_in_time(from: &mut (impl Read + AsFd), bytes: &mut [u8]) -> usize {
    let timeout = PATIENCE.try_into().expect("a timeout of some seconds");
    let mut events = [PollFd::new(from, PollFlags::IN)];
    let ready = poll(&mut events, Some(&timeout)).expect("waiting for the log");
    assert!(ready > 0, "nothing comes");
    from.read(bytes).expect("the log")
}
