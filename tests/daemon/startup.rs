//! How `chatd` starts, or says why it does not: flags, environment, settings, sockets, limits, the
//! log and the service manager, each seen from outside with the real process. Not what it does
//! once it listens.

use std::io::{BufRead, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};

use crate::common::process::{ends_within, processor_time};

/// How long anything may take before a test fails; nothing here waits for this in earnest.
const DEADLINE: Duration = Duration::from_secs(20);
const CHATD: &str = env!("CARGO_BIN_EXE_chatd");

// --- the faults of the one who starts it ---------------------------------------------------

#[test]
fn a_fault_of_usage_is_one_line_and_exit_2() {
    #[rustfmt::skip]
    let faults: [(&[&str], &str); 17] = [
        (&["--listn", "127.0.0.1:0"], "'--listen'"),
        (&["--listen", "127.0.0.1:99999"], "a port is a number from 0 to 65535"),
        (&["--listen", "localhost:65536"], "a port is a number from 0 to 65535"),
        (&["--listen", "127.0.0.1"], "such as 127.0.0.1:5001"),
        (&["--listen", "5001"], "such as 127.0.0.1:5001"),
        (&["--listen", ":5001"], "0.0.0.0"),
        (&["--listen", "::1:5001"], "such as [::1]:5001"),
        (&["--listen"], "a value is required"),
        (&["--listen", "evil\u{1b}[2J\nhost"], "such as 127.0.0.1:5001"),
        (&["--rate", "ten"], "a whole number"),
        (&["--rate", "-5"], "'-5'"),
        (&["--rate", "1", "--rate", "2"], "multiple times"),
        (&["--outbox-max", "1T"], "such as 4096, 256K or 1M"),
        (&["--name-timeout", "soon"], "such as 20 or 0.5"),
        (&["--log-level", "loud"], "off, error, warn, info, debug, trace"),
        (&["--board=perhaps"], "'perhaps'"),
        (&["127.0.0.1:5001"], "unexpected argument"),
    ];
    for (flags, said) in faults {
        assert_fault(chatd().args(flags), 2, said);
        assert_fault(chatd().args(flags).arg("--check"), 2, said);
    }
}

#[test]
fn a_fault_in_the_environment_names_its_variable() {
    for (variable, value) in [
        ("CHATD_RATE", "ten"),
        ("CHATD_LISTEN", "127.0.0.1:0,nowhere"),
        ("CHATD_BOARD", "perhaps"),
        ("CHATD_MAX_CLIENTS", ""),
    ] {
        assert_fault(chatd().env(variable, value), 2, variable);
    }
}

#[test]
fn settings_that_cannot_work_are_one_line_and_exit_78() {
    #[rustfmt::skip]
    let faults: [(&[&str], &str); 24] = [
        (&["--outbox-max", "16K"], "choose 32768 or more"),
        (&["--outbox-total-max", "512K"], "choose 1048576 or more"),
        (&["--burst", "0"], "choose a burst of 1 or more"),
        (&["--name-timeout", "0"], "choose 0.001 to 86400 seconds"),
        (&["--stall-timeout", "1e9"], "choose 0.001 to 86400 seconds"),
        (&["--line-max", "10"], "choose 128 to 65536"),
        (&["--line-max", "1M"], "choose 128 to 65536"),
        (&["--max-clients", "0"], "choose 1 to 1000000"),
        (&["--max-clients", "1000001"], "choose 1 to 1000000"),
        (&["--max-per-address", "1000001"], "choose 0 to 1000000"),
        (&["--drain-timeout", "86401"], "choose 0 to 86400 seconds"),
        (&["--rate", "1000001"], "choose 0 to 1000000"),
        (&["--burst", "1000001"], "choose 0 to 1000000"),
        (&["--byte-burst", "1K"], "choose 16384 or more, or --byte-rate 0"),
        (&["--line-max", "64K", "--byte-burst", "128K"], "choose 200704 or more"),
        (&["--history", "10001"], "choose 0 to 10000"),
        (&["--history-total-max", "255K"], "choose 262144 or more, or --history 0"),
        (&["--max-rooms", "0"], "choose 1 to 1000000"),
        (&["--max-rooms", "1000001"], "choose 1 to 1000000"),
        (&["--rooms-per-member", "0"], "choose 1 to 1000"),
        (&["--rooms-per-member", "1001"], "choose 1 to 1000"),
        (&["--announce-max", "1000001"], "choose 0 to 1000000"),
        (&["--roster-max", "1000001"], "choose 0 to 1000000"),
        (&["--stall-timeout", "0.0009"], "choose 0.001 to 86400 seconds"),
    ];
    for (flags, said) in faults {
        assert_fault(chatd().args(flags).arg("--check"), 78, said);
        assert_fault(
            chatd().args(["--listen", "127.0.0.1:0"]).args(flags),
            78,
            said,
        );
    }
}

#[test]
fn f14_a_port_in_use_is_one_line_and_exit_69() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = format!("cannot listen on {address}: the port is in use");
    assert_fault(chatd().args(["--listen", &address]), 69, &said);
    let both = ["--listen", "127.0.0.1:0", "--listen", &address];
    assert_fault(chatd().args(both), 69, &said);
}

#[test]
fn an_address_that_is_not_here_is_one_line_and_exit_69() {
    let foreign = ["--listen", "192.0.2.1:0"];
    assert_fault(
        chatd().args(foreign),
        69,
        "this machine has no such address",
    );
    let unknown = ["--listen", "no-such-host.invalid:5001"];
    assert_fault(chatd().args(unknown), 69, "no-such-host.invalid");
    // To a check, a name that is unknown is a fault of the settings.
    assert_fault(
        chatd().args(unknown).arg("--check"),
        78,
        "no-such-host.invalid",
    );
}

#[test]
fn faults_are_said_whatever_the_log_level() {
    let flags = ["--log-level", "off", "--listen", "192.0.2.1:0"];
    assert_fault(chatd().args(flags), 69, "no such address");
}

// --- settings ------------------------------------------------------------------------------

#[test]
fn help_and_version_go_to_standard_output() {
    for (flag, said) in [("--help", "--drain-timeout"), ("--version", "chatd 0.1.0")] {
        let ended = run(chatd().arg(flag));
        assert_eq!(ended.status.code(), Some(0));
        assert!(text(&ended.stdout).contains(said), "{ended:?}");
        assert!(ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn a_check_prints_every_setting_as_its_flag_takes_it() {
    let flags = [
        ("listen", "127.0.0.2:5002"),
        ("max-clients", "11"),
        ("max-per-address", "12"),
        ("name-timeout", "1.5"),
        ("stall-timeout", "14"),
        ("outbox-max", "65536"),
        ("outbox-total-max", "1048576"),
        ("line-max", "1024"),
        ("rate", "18"),
        ("burst", "19"),
        ("byte-rate", "20000"),
        ("byte-burst", "200000"),
        ("history", "20"),
        ("history-total-max", "1000000"),
        ("max-rooms", "21"),
        ("rooms-per-member", "22"),
        ("announce-max", "23"),
        ("drain-timeout", "0"),
        ("data", "/tmp"),
        ("keep", "30d"),
        ("keep-bytes", "23000000"),
        ("tls", "off"),
        ("tls-cert", "/etc/cert.pem"),
        ("tls-key", "/etc/key.pem"),
        ("web", "off"),
        ("web-name", "chat.example"),
        ("proxy-from", "10.0.0.0/8"),
        ("board", "true"),
        ("console", "true"),
        ("log-level", "debug"),
    ];
    let mut by_flag = chatd();
    let mut by_environment = chatd();
    for (flag, value) in flags {
        by_flag.arg(format!("--{flag}={value}"));
        let variable = flag.to_uppercase().replace('-', "_");
        by_environment.env(format!("CHATD_{variable}"), value);
    }
    let expected: String = flags
        .map(|(flag, value)| format!("{flag} = {value}\n"))
        .concat();
    assert_eq!(checked(by_flag.arg("--check")), expected);
    assert_eq!(checked(by_environment.env("CHATD_CHECK", "1")), expected);
    // The flag wins, and replaces a whole list.
    by_environment.args(["--listen=127.0.0.3:0", "--rate=7"]);
    let expected = expected
        .replace("listen = 127.0.0.2:5002", "listen = 127.0.0.3:0")
        .replace("rate = 18", "rate = 7");
    assert_eq!(checked(&mut by_environment), expected);
}

#[test]
fn sizes_take_a_letter_and_lists_a_comma() {
    let said = checked(chatd().args([
        "--check",
        "--outbox-max=256K",
        "--outbox-total-max=1g",
        "--listen=127.0.0.1:1,[::1]:2",
        "--listen=127.0.0.1:3",
    ]));
    for line in [
        "outbox-max = 262144",
        "outbox-total-max = 1073741824",
        "listen = 127.0.0.1:1\nlisten = [::1]:2\nlisten = 127.0.0.1:3",
    ] {
        assert!(said.contains(line), "no {line:?} in\n{said}");
    }
}

#[test]
fn switches_take_a_value_or_none() {
    for (flags, printed) in [
        (&[] as &[&str], "board = false\nconsole = false\n"),
        (&["--board"], "board = true\nconsole = false\n"),
        (
            &["--board=yes", "--console=no"],
            "board = true\nconsole = false\n",
        ),
        (
            &["--board=no", "--console"],
            "board = true\nconsole = true\n",
        ),
    ] {
        let said = checked(chatd().arg("--check").args(flags));
        assert!(said.contains(printed), "{flags:?} are\n{said}");
    }
    // The flag wins.
    let mut command = chatd();
    command
        .env("CHATD_BOARD", "yes")
        .args(["--check", "--board=no"]);
    assert!(checked(&mut command).contains("board = false\n"));
}

#[test]
fn blanks_around_an_address_are_no_part_of_it() {
    let mut command = chatd();
    command.env("CHATD_LISTEN", " 127.0.0.1:1 ,\t[::1]:2\n");
    let said = checked(command.arg("--check"));
    let wanted = "listen = 127.0.0.1:1\nlisten = [::1]:2\nmax-clients";
    assert!(said.starts_with(wanted), "{said}");
    let mut command = chatd();
    command.env("CHATD_LISTEN", "127.0.0.1:1 127.0.0.1:2");
    assert_fault(&mut command, 2, "there is a blank in it");
}

#[test]
fn more_listeners_than_there_is_room_for_are_one_line_and_exit_78() {
    let mut flags = ["--listen=127.0.0.1:0"].repeat(1025);
    let said = "1025 addresses to listen on are too many: choose 1024 or fewer";
    assert_fault(chatd().args(&flags), 78, said);
    assert_fault(chatd().args(&flags).arg("--check"), 78, said);
    flags.pop();
    checked(chatd().args(&flags).args(["--check", "--max-clients=10"]));
}

#[test]
fn the_flags_of_the_unit_are_good() {
    let unit = include_str!("../../chatd.service");
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/chatd "));
    let flags = start.expect("the unit starts /usr/bin/chatd").split(' ');
    let said = checked(chatd().args(flags).arg("--check"));
    assert!(said.contains("listen = 0.0.0.0:5001\n"), "{said}");
}

// --- listening -----------------------------------------------------------------------------

#[test]
fn the_log_says_the_real_port_of_each_address() {
    let flags = ["--listen", "127.0.0.1:0", "--listen", "localhost:0"];
    let mut server = Running::start(chatd().args(flags));
    let addresses = [server.listening_address(), server.listening_address()];
    for address in addresses {
        assert_ne!(address.port(), 0);
        TcpStream::connect(address).unwrap();
    }
    server.stops_cleanly();
}

#[test]
fn every_address_of_ipv6_takes_ipv4_too() {
    let mut server = Running::start(chatd().args(["--listen", "[::]:0"]));
    let port = server.listening_address().port();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    TcpStream::connect(("::1", port)).unwrap();
    server.stops_cleanly();
}

#[test]
fn an_address_that_another_of_ours_takes_too_is_one_line_and_exit_78() {
    let flags = ["--listen=[::]:5001", "--listen=127.0.0.1:5001"];
    let said = "--listen [::]:5001 takes 127.0.0.1:5001 too: leave one of the two out";
    assert_fault(chatd().args(flags), 78, said);
    assert_fault(chatd().args(flags).arg("--check"), 78, said);
}

#[test]
fn f06_too_few_files_is_one_line_and_exit_69() {
    let said = "only 63 open files are allowed";
    let start = "ulimit -n 63; exec \"$0\" --listen 127.0.0.1:0";
    assert_fault(&mut shell(start), 69, said);
    assert_fault(&mut shell("ulimit -n 63; exec \"$0\" --check"), 78, said);
}

#[test]
fn f06_the_file_limit_is_raised_and_bounds_the_clients() {
    let hard = &mut shell("ulimit -Sn 100; ulimit -Hn 300; exec \"$0\" --check --max-clients 250");
    assert!(checked(hard).contains("max-clients = 250\n"));
    // Sockets to listen on that the reserve has no room for are taken from the clients.
    let many = "--listen 127.0.0.1:0 ".repeat(14);
    let hard = &mut shell(&format!(
        "ulimit -n 300; exec \"$0\" --check --max-clients 258 {many}"
    ));
    assert!(checked(hard).contains("max-clients = 258\n"));
    let mut server = Running::start(&mut shell(&format!("ulimit -n 300; exec \"$0\" {many}")));
    server.line_with("--max-clients 10000 is lowered to 258");
    server.listening_address();
    server.stops_cleanly();
    assert_fault(
        &mut shell(&format!("ulimit -n 73; exec \"$0\" {many}")),
        69,
        "needs 74 or more",
    );
    let start = "ulimit -Sn 100; ulimit -Hn 300; exec \"$0\" --listen 127.0.0.1:0";
    let mut server = Running::start(&mut shell(start));
    let warning = server.line_with("--max-clients 10000 is lowered to 268");
    assert!(warning.contains("WARN"), "{warning}");
    server.listening_address();
    server.stops_cleanly();
}

// --- the log -------------------------------------------------------------------------------

#[test]
fn to_the_journal_lines_have_a_priority_and_no_time() {
    let log = ScratchFile::new("journal");
    let file = std::fs::File::create(&log.path).unwrap();
    let of_the_file = file.metadata().unwrap();
    let stream = format!("{}:{}", of_the_file.dev(), of_the_file.ino());
    let mut command = chatd();
    command.args(["--listen", "127.0.0.1:0"]);
    command.env("JOURNAL_STREAM", stream).stderr(file);
    let mut child = Ended(command.spawn().unwrap());
    let line = until("a line in the log", || {
        let text = std::fs::read_to_string(&log.path).unwrap();
        let mut whole = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        whole
            .find(|line| line.contains("listening"))
            .map(str::to_owned)
    });
    assert!(line.starts_with("<6>listening on 127.0.0.1:"), "{line:?}");
    terminate(&child.0);
    child.ends();
}

#[test]
fn elsewhere_lines_have_a_time_though_a_journal_is_named() {
    let mut command = chatd();
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("JOURNAL_STREAM", "1:2");
    let mut server = Running::start(&mut command);
    let line = server.line_with("listening on 127.0.0.1:");
    let (time, rest) = line.split_once(' ').unwrap();
    let shape = time.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(shape, "0000-00-00T00:00:00.000000Z", "{line:?}");
    assert!(rest.starts_with("[INFO] "), "{line:?}");
    server.stops_cleanly();
}

// --- the service manager -------------------------------------------------------------------

#[test]
fn sockets_that_are_handed_in_take_the_place_of_listen() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let second = TcpListener::bind("[::1]:0").unwrap();
    let expected = [first.local_addr().unwrap(), second.local_addr().unwrap()];
    let mut command = handed_in(2, "$$", OwnedFd::from(first), OwnedFd::from(second));
    command.env("CHATD_LISTEN", taken.local_addr().unwrap().to_string());
    let mut server = Running::start(&mut command);
    drop(command);
    assert_eq!(
        [server.listening_address(), server.listening_address()],
        expected
    );
    for address in expected {
        TcpStream::connect(address).unwrap();
    }
    server.stops_cleanly();
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let not_ours = first.local_addr().unwrap();
    let mut command = handed_in(1, "1", OwnedFd::from(first), Stdio::null());
    command.env("CHATD_LISTEN", "127.0.0.1:0");
    let mut server = Running::start(&mut command);
    assert_ne!(server.listening_address(), not_ours);
    server.stops_cleanly();
}

#[test]
fn f14_a_bad_socket_that_is_handed_in_is_one_line_and_exit_69() {
    let scratch = ScratchFile::new("bad-socket");
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = UnixListener::bind(&scratch.path).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let bad: [(Stdio, &str); 4] = [
        (Stdio::null(), "not a socket"),
        (OwnedFd::from(datagrams).into(), "not a valid tcp socket"),
        (OwnedFd::from(local).into(), "not a valid tcp socket"),
        (OwnedFd::from(connected).into(), "not listening"),
    ];
    for (descriptor, said) in bad {
        let mut command = handed_in(1, "$$", descriptor, Stdio::null());
        assert_fault(&mut command, 69, said);
    }
    let mut one_of_two = handed_in(2, "$$", OwnedFd::from(listener), Stdio::null());
    assert_fault(&mut one_of_two, 69, "socket 4");
}

#[test]
fn who_waits_at_a_socket_for_bad_settings_is_told_and_not_left_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // One who speaks, one who has gone again, and one who never says a word.
    let mut speaks = TcpStream::connect(address).unwrap();
    speaks.write_all(b"ann\nhello\n").unwrap();
    drop(TcpStream::connect(address).unwrap());
    let mut silent = TcpStream::connect(address).unwrap();
    let queue = listener.try_clone().unwrap();
    let mut command = handed_in(1, "$$", OwnedFd::from(listener), Stdio::null());
    command.env("CHATD_BURST", "0");
    let start = Instant::now();
    assert_fault(&mut command, 78, "--burst 0");
    // A service manager that starts it again for whoever comes next does so no oftener than that.
    assert!(start.elapsed() >= Duration::from_secs(1));
    queue.set_nonblocking(true).unwrap();
    let left = queue.accept().expect_err("somebody was left in the queue");
    assert_eq!(left.kind(), ErrorKind::WouldBlock);
    let mut heard = String::new();
    speaks.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "! shutting-down the server stops now\n");
    heard.clear();
    silent.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "");
}

#[test]
fn a_watchdog_that_is_never_satisfied_does_not_take_the_processor() {
    const WINDOW: Duration = Duration::from_secs(1);
    let scratch = ScratchFile::new("watchdog");
    let manager = UnixDatagram::bind(&scratch.path).unwrap();
    let mut command = chatd();
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &scratch.path)
        .env("WATCHDOG_USEC", "1");
    let server = Running::start(&mut command);
    next_news(&manager, "READY=1");
    let id = server.child.0.id();
    let before = processor_time(id);
    let until = Instant::now() + WINDOW;
    while Instant::now() < until {
        next_news(&manager, "WATCHDOG=1");
    }
    let took = processor_time(id) - before;
    assert!(took < WINDOW / 5, "{took:?} of a processor in {WINDOW:?}");
    server.stops_cleanly();
}

#[test]
fn f67_ready_comes_once_it_listens_and_stopping_when_it_stops() {
    let scratch = ScratchFile::new("notify");
    let by_path = UnixDatagram::bind(&scratch.path).unwrap();
    news_are_told(&by_path, &scratch.path.to_string_lossy());
    let name = format!("chatd-startup-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let abstract_address = UnixDatagram::bind_addr(&address).unwrap();
    news_are_told(&abstract_address, &format!("@{name}"));
}

fn news_are_told(manager: &UnixDatagram, path: &str) {
    // The port is known before the process is, so that READY can be the first to tell. A socket
    // that is bound and does not listen keeps it from all but those who ask for it by its number.
    let reserved = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    reserved.set_reuse_address(true).unwrap();
    let any_port: SocketAddr = "127.0.0.77:0".parse().unwrap();
    reserved.bind(&any_port.into()).unwrap();
    let address = reserved.local_addr().unwrap().as_socket().unwrap();
    let mut command = chatd();
    command.args(["--listen", &address.to_string(), "--drain-timeout=30"]);
    command
        .env("NOTIFY_SOCKET", path)
        .env("WATCHDOG_USEC", "40000");
    let server = Running::start(&mut command);
    next_news(manager, "READY=1");
    let mut member = TcpStream::connect(address).expect("READY was too early");
    member.write_all(b"ann\nhello\n").unwrap();
    // How many lines a second it was depends on when it was looked at.
    let mut is_talking = false;
    news_that(manager, "STATUS of one who talks", |line| {
        is_talking |= lines_a_second(line).is_some_and(|rate| rate > 0);
        is_talking && line.starts_with("STATUS=1 clients, 1 rooms, ")
    });
    drop(member);
    // Three, so that it is no accident.
    for _ in 0..3 {
        next_news(manager, "WATCHDOG=1");
    }
    terminate(&server.child.0);
    // With the time that the drain may take, so that the unit need not know the flag.
    next_news(manager, "STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000");
    server.stops_cleanly();
}

/// The last figure of `STATUS=3 clients, 2 rooms, 40 lines a second`.
fn lines_a_second(status: &str) -> Option<u64> {
    let rate = status.strip_prefix("STATUS=")?.rsplit(", ").next()?;
    rate.strip_suffix(" lines a second")?.parse().ok()
}

/// Waits for a datagram that holds `line`.
fn next_news(manager: &UnixDatagram, line: &str) {
    let mut wanted: Vec<&str> = line.lines().collect();
    news_that(manager, line, |said| {
        if wanted.first() == Some(&said) {
            wanted.remove(0);
        }
        wanted.is_empty()
    });
}

/// Waits for a datagram with a line that is wanted; `what` is for the one who reads of a failure.
fn news_that(manager: &UnixDatagram, what: &str, mut is_wanted: impl FnMut(&str) -> bool) {
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let deadline = Instant::now() + DEADLINE;
    let mut heard = Vec::new();
    while Instant::now() < deadline {
        let mut buffer = [0; 4096];
        let length = match manager.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => panic!("no {what} but {heard:?} and {error}"),
        };
        let news = text(&buffer[..length]).to_owned();
        if news.lines().any(&mut is_wanted) {
            return;
        }
        heard.push(news);
    }
    panic!("no {what} but {heard:?}");
}

// --- how it is run -------------------------------------------------------------------------

/// `chatd`, with nothing in its environment that would change what it does.
fn chatd() -> Command {
    clean(Command::new(CHATD))
}

/// A shell script in which `$0` is `chatd`.
fn shell(script: &str) -> Command {
    let mut command = clean(Command::new("sh"));
    command.args(["-c", script, CHATD]);
    command
}

fn clean(mut command: Command) -> Command {
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        let others = ["CHATD_", "LISTEN_", "NOTIFY_", "WATCHDOG_", "JOURNAL_"];
        if others.iter().any(|start| name.starts_with(start)) {
            command.env_remove(&variable);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// `chatd` with descriptors 3 and 4 as a service manager gives them.
fn handed_in(
    count: usize,
    pid: &str,
    first: impl Into<Stdio>,
    second: impl Into<Stdio>,
) -> Command {
    let closing = if count == 1 { "" } else { "4>&1" };
    let mut command = shell(&format!(
        "exec 3<&0 {closing} 0</dev/null 1>/dev/null; \
         LISTEN_FDS={count} LISTEN_PID={pid} exec \"$0\""
    ));
    command.stdin(first).stdout(second);
    command
}

/// Runs it to its end, which must come by itself.
fn run(command: &mut Command) -> Output {
    let what = format!("{command:?}");
    command.stdout(Stdio::piped());
    end_of(command.stderr(Stdio::piped()), &what)
}

fn end_of(command: &mut Command, what: &str) -> Output {
    let child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (to_us, ended) = mpsc::channel();
    thread::spawn(move || to_us.send(child.wait_with_output().unwrap()));
    ended.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        kill_process(pid, Signal::KILL).unwrap();
        panic!("{what} did not end: {:?}", ended.recv());
    })
}

/// It must end with this code and one plain line that holds `said`.
#[track_caller]
fn assert_fault(command: &mut Command, code: i32, said: &str) {
    let what = format!("{command:?}");
    let ended = end_of(command.stderr(Stdio::piped()), &what);
    let line = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(code), "{what} said {line:?}");
    assert!(ended.stdout.is_empty(), "{what} said {ended:?}");
    assert!(
        line.contains(said),
        "{what} does not say {said:?} but {line:?}"
    );
    let plain = line
        .strip_prefix("chatd: ")
        .and_then(|line| line.strip_suffix('\n'));
    let plain = plain.unwrap_or_else(|| panic!("{what} said {line:?}"));
    assert!(!plain.contains(char::is_control), "{what} said {line:?}");
}

/// What a check that finds no fault prints.
#[track_caller]
fn checked(command: &mut Command) -> String {
    let ended = run(command);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    text(&ended.stdout).to_owned()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

/// Asks until there is an answer.
#[track_caller]
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// A child that does not outlive its test.
struct Ended(Child);

impl Ended {
    #[track_caller]
    fn ends(&mut self) -> ExitStatus {
        assert!(ends_within(&self.0, DEADLINE), "the end did not come");
        self.0.wait().unwrap()
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // Fails when it has ended already, as it should have.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that runs, and its log line by line.
struct Running {
    child: Ended,
    lines: Receiver<String>,
    transcript: Vec<String>,
}

impl Running {
    fn start(command: &mut Command) -> Running {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (to_us, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.lines() {
                if to_us.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Running {
            child: Ended(child),
            lines,
            transcript: Vec::new(),
        }
    }

    /// The next line of the log that holds `said`.
    #[track_caller]
    fn line_with(&mut self, said: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        while let Ok(line) = self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.transcript.push(line.clone());
            if line.contains(said) {
                return line;
            }
        }
        panic!("no {said:?} in the log: {:#?}", self.transcript);
    }

    #[track_caller]
    fn listening_address(&mut self) -> SocketAddr {
        let line = self.line_with("listening on ");
        let (_, address) = line.split_once("listening on ").unwrap();
        address.parse().unwrap()
    }

    /// SIGTERM must end it with 0.
    #[track_caller]
    fn stops_cleanly(mut self) {
        terminate(&self.child.0);
        let status = self.child.ends();
        self.transcript.extend(self.lines.iter());
        assert_eq!(status.code(), Some(0), "log: {:#?}", self.transcript);
    }
}

/// A path of this test alone, removed at its end.
struct ScratchFile {
    path: PathBuf,
}

impl ScratchFile {
    fn new(name: &str) -> ScratchFile {
        let name = format!("chatd-startup-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        ScratchFile { path }
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
