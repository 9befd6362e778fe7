//! `chat-client` as its users and scripts meet it: exit codes, modes, coming back, and servers
//! that are not what they should be (F46, F57, F59). The server is scripted by each test.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::client_support::{Client, FakeServer, Seated, command, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

fn start(server: &FakeServer, arguments: &[&str]) -> Client {
    Client::start(&with_address(server, arguments))
}

/// The arguments, with the server and the name `ann` before them.
fn with_address<'a>(server: &FakeServer, arguments: &[&'a str]) -> Vec<&'a str> {
    let address: &'a str = server.address().to_string().leak();
    [&[address, "ann"], arguments].concat()
}

fn interrupt(client: &Client) {
    let id = Pid::from_raw(client.id().try_into().unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
}

// Exit codes

#[test]
fn a_host_that_does_not_exist() {
    let ended = run(&["nowhere.invalid:1", "ann"]);
    ended.assert_one_line(69, "cannot find a host called nowhere.invalid");
    // Whoever says a name alone means its own.
    let ended = run(&["no_such_host", "ann"]);
    ended.assert_one_line(69, "or give your name behind the server's");
}

#[test]
fn a_port_where_nothing_listens() {
    let ended = run(&["127.0.0.1:1", "ann"]);
    ended.assert_one_line(69, "nothing listens there; is chatd running");
}

#[test]
fn the_first_connection_is_not_retried_at_a_terminal_either() {
    let seated = Seated::start(&mut command(&["127.0.0.1:1", "ann"]));
    seated.wait().assert_one_line(69, "nothing listens there");
}

#[test]
fn a_name_that_is_refused() {
    let server = FakeServer::new();
    let address = server.address().to_string();
    let client = Client::start(&[&address, "bad name"]);
    let mut peer = server.accept();
    peer.hears("enter bad name");
    peer.says_hello();
    peer.refuses("bad-name", "a name has no spaces");
    let ended = client.wait();
    ended.assert_one_line(77, "refused: a name has no spaces (bad-name)");
}

#[test]
fn a_room_that_is_refused() {
    let server = FakeServer::new();
    let client = start(&server, &["--room", "bad room"]);
    let mut peer = server.accept();
    peer.hears("enter ann in bad room");
    peer.says_hello();
    peer.refuses("bad-name", "no spaces");
    client.wait().assert_one_line(77, "no spaces (bad-name)");
}

#[test]
fn a_server_that_throws_us_out() {
    let server = FakeServer::new();
    let client = start(&server, &[]);
    let mut peer = server.accept_and_greet("ann");
    client.shows("welcome");
    peer.says("! kicked be nice\n");
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(77), "{ended:?}");
    assert_eq!(ended.errors, "chat-client: refused: be nice (kicked)\n");
}

#[test]
fn a_lost_link_without_return() {
    let server = FakeServer::new();
    let client = start(&server, &["--no-reconnect"]);
    drop(server.accept_and_greet("ann"));
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended.errors.ends_with("closed the connection\n"),
        "{ended:?}"
    );
}

#[test]
fn a_server_that_closes_without_a_word() {
    let server = FakeServer::new();
    let client = start(&server, &[]);
    drop(server.accept());
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(69), "{ended:?}");
    assert_eq!(ended.errors.lines().count(), 1, "{ended:?}");
}

#[test]
fn command_lines_that_cannot_be_obeyed() {
    for arguments in [
        &["host:0"][..],
        &["host:99999"],
        &["[::1"],
        &["--no-such-flag"],
        &["host", "name", "more"],
        &["host", ""],
        &["--send", "x", "--commands"],
        &["--send", ""],
        &["--color", "mauve"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?} {ended:?}");
        assert!(
            !ended.errors.is_empty() && ended.output.is_empty(),
            "{ended:?}"
        );
    }
    let nobody = Client::spawn(command(&[]).env_remove("USER").stdin(Stdio::null()));
    nobody.wait().assert_one_line(2, "Give a name");
}

#[test]
fn help_and_version() {
    let ended = run(&["--help"]);
    ended.assert_left();
    for part in [
        "--send",
        "--room",
        "--no-reconnect",
        "--rtt",
        "--color",
        "--commands",
        "76",
        "Ctrl-D",
    ] {
        assert!(ended.output.contains(part), "{part}: {ended:?}");
    }
    let ended = run(&["--version"]);
    ended.assert_left();
    assert!(ended.output.starts_with("chat-client "), "{ended:?}");
}

// Pipe mode

#[test]
fn a_pipe_carries_the_room_and_nothing_else() {
    let server = FakeServer::new();
    let mut client = start(&server, &["--color", "auto"]);
    let mut peer = server.accept_and_greet("ann");
    client.types("hello\r\n\n//slash\n/who\n");
    peer.returns("ann", "hello");
    peer.says("<ben> hi\n-ben- psst\n* ben left (1 here)\n");
    peer.returns("ann", "///slash");
    peer.returns("ann", "//who");
    peer.says("! slow-down wait\n");
    client.types("last");
    client.ends_input();
    peer.returns("ann", "last");
    peer.sees_off();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let wanted = "* welcome to lobby, ann (1 here: ann)\n\
        <ben> hi\n-ben- psst\n* ben left (1 here)\n";
    assert_eq!(ended.output, wanted);
    assert_eq!(ended.errors, "! slow-down wait\n");
}

#[test]
fn a_pipe_says_everything() {
    let server = FakeServer::new();
    let mut client = start(&server, &[]);
    client.types("/quit\n/nick eve\nexit\nend\n/msg ben secret\n");
    client.ends_input();
    let mut peer = server.accept_and_greet("ann");
    for line in ["//quit", "//nick eve", "exit", "end", "//msg ben secret"] {
        peer.returns("ann", line);
    }
    peer.sees_off();
    client.wait().assert_left();
}

#[test]
fn a_pipe_of_commands_does_them() {
    let server = FakeServer::new();
    let mut client = start(&server, &["--commands"]);
    client.types("//slash\n/who\n/WHO #den\n/nope\n/msg ben\nsaid\n");
    let mut peer = server.accept_and_greet("ann");
    peer.returns("ann", "//slash");
    peer.hears("/who lobby");
    peer.answers(json!({"is": "who", "room": "lobby", "here": 1, "names": ["ann"], "more": 0}));
    peer.hears("/who den");
    peer.refuses("no-such-room", "there is no den");
    peer.returns("ann", "said");
    client.types("/quit supper\n");
    peer.hears("/quit supper");
    drop(peer);
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(77), "{ended:?}");
    assert!(ended.output.ends_with("= 1 here: ann\n"), "{ended:?}");
    let wanted = "\
chat-client: line 4 is refused: there is no command nope; /help shows the commands, //text says /text (unknown-command)
chat-client: line 5 is refused: write it so: /msg NAME TEXT (bad-usage)
chat-client: line 3 is refused: there is no den (no-such-room)
";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&ended.errors), sorted(wanted));
}

#[test]
fn a_line_of_a_pipe_that_is_refused_is_named_and_the_others_are_said() {
    let server = FakeServer::new();
    let mut client = start(&server, &[]);
    client.types("one\n\nmuted\nthree\n");
    client.ends_input();
    let mut peer = server.accept_and_greet("ann");
    peer.returns("ann", "one");
    peer.hears("muted");
    peer.refuses("muted", "you are muted");
    peer.returns("ann", "three");
    peer.sees_off();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(77), "{ended:?}");
    assert_eq!(
        ended.errors,
        "chat-client: line 3 is refused: you are muted (muted)\n"
    );
}

#[test]
fn the_end_of_input_waits_for_the_last_return() {
    let server = FakeServer::new();
    let mut client = start(&server, &[]);
    client.types("one\ntwo\n");
    client.ends_input();
    let mut peer = server.accept_and_greet("ann");
    peer.returns("ann", "one");
    peer.hears("two");
    // It would say `/quit` now if it did not wait.
    peer.hears_nothing_for(Duration::from_millis(200));
    peer.says("<ann> two\n");
    peer.does_it();
    peer.sees_off();
    client.wait().assert_left();
}

#[test]
fn the_end_of_input_waits_for_answers() {
    let server = FakeServer::new();
    let mut client = start(&server, &["--commands"]);
    client.types("/rooms\n");
    client.ends_input();
    let mut peer = server.accept_and_greet("ann");
    peer.hears("/rooms");
    peer.hears_nothing_for(Duration::from_millis(200));
    peer.answers(json!({"is": "rooms", "rooms": [{"room": "lobby", "here": 1}], "more": 0}));
    peer.sees_off();
    let ended = client.wait();
    ended.assert_left();
    assert!(ended.output.ends_with("= lobby 1\n= end\n"), "{ended:?}");
}

#[test]
fn an_empty_input_is_a_short_visit() {
    let server = FakeServer::new();
    let mut client = start(&server, &[]);
    client.ends_input();
    server.accept_and_greet("ann").sees_off();
    client.wait().assert_left();
}

#[test]
fn words_that_leave_work_in_a_pipe_of_commands() {
    for line in ["exit\n", "end\n", "/quit\n"] {
        let server = FakeServer::new();
        let mut client = start(&server, &["--commands"]);
        client.types(line);
        server.accept_and_greet("ann").sees_off();
        client.wait().assert_left();
    }
}

#[test]
fn round_trips_in_a_pipe_stand_on_standard_error() {
    let server = FakeServer::new();
    let mut client = start(&server, &["--rtt"]);
    client.types("hello\n");
    client.ends_input();
    let mut peer = server.accept_and_greet("ann");
    peer.returns("ann", "hello");
    peer.sees_off();
    let ended = client.wait();
    assert!(is_round_trip(&ended.errors), "{ended:?}");
    assert_eq!(ended.output.lines().count(), 1, "{ended:?}");
}

#[test]
fn the_name_comes_from_the_environment() {
    let server = FakeServer::new();
    let address = server.address().to_string();
    let mut client = Client::start(&[&address]);
    client.ends_input();
    server.accept_and_greet("user").sees_off();
    client.wait().assert_left();
    let mut client = Client::spawn(command(&[&address]).env("LOGNAME", "login"));
    client.ends_input();
    server.accept_and_greet("login").sees_off();
    client.wait().assert_left();
}

#[test]
fn the_server_may_be_an_ipv6_address() {
    let server = FakeServer::on("[::1]:0");
    let mut client = start(&server, &[]);
    client.ends_input();
    server.accept_and_greet("ann").sees_off();
    client.wait().assert_left();
}

#[test]
fn a_room_is_entered_before_anything_is_said() {
    let server = FakeServer::new();
    let mut client = start(&server, &["--room", "garden"]);
    client.types("hello\n");
    client.ends_input();
    let mut peer = server.accept();
    peer.greets("ann");
    assert_eq!(peer.last["rooms"], json!(["garden"]));
    peer.hears("hello");
    assert_eq!(peer.last["room"], "garden");
    peer.does_it();
    peer.sees_off();
    let ended = client.wait();
    ended.assert_left();
    assert_eq!(ended.output, "* welcome to garden, ann (1 here: ann)\n");
}

#[test]
fn what_was_said_before_is_told_from_what_is_said_now() {
    let server = FakeServer::new();
    let mut client = start(&server, &[]);
    client.ends_input();
    let mut peer = server.accept();
    peer.hears("enter ann");
    peer.says_hello();
    peer.says("{\"is\":\"welcome\",\"name\":\"ann\",\"motd\":\"be nice\\nto all\"}");
    peer.enters("lobby", &["ann", "ben"]);
    let past = json!({"is": "said", "room": "lobby", "id": "1-0", "from": "ben", "text": "hi", "past": true});
    peer.says_line(&past);
    peer.catches_up("lobby", 0);
    peer.sees_off();
    let ended = client.wait();
    ended.assert_left();
    let wanted = "* be nice\n* to all\n* welcome to lobby, ann (2 here: ann, ben)\n\
        * said before:\n<ben> hi\n* end of history\n";
    assert_eq!(ended.output, wanted);
}

#[test]
fn a_reader_of_ours_that_goes_away_is_no_fault() {
    let server = FakeServer::new();
    let (read, write) = std::io::pipe().unwrap();
    let arguments = with_address(&server, &[]);
    let mut child = command(&arguments)
        .stdin(Stdio::piped())
        .stdout(write)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take();
    drop(read);
    server.accept_and_greet("ann").sees_off();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    drop(input);
}

#[test]
fn an_output_that_is_full_is_a_fault() {
    let server = FakeServer::new();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let arguments = with_address(&server, &[]);
    let child = command(&arguments)
        .stdin(Stdio::piped())
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    server.accept_and_greet("ann").sees_off();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(errors.contains("cannot write standard output"), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

// The poster

fn is_round_trip(line: &str) -> bool {
    let figure = line.strip_prefix("delivered in ");
    let figure = figure.and_then(|rest| rest.strip_suffix(" ms\n"));
    figure.is_some_and(|figure| figure.parse::<f64>().is_ok())
}

#[test]
fn a_poster_says_it_and_prints_the_round_trip() {
    let server = FakeServer::new();
    let client = start(&server, &["--send", "/quit\nexit", "--room", "ops"]);
    let mut peer = server.accept_poster();
    peer.hears("post ann: /quit exit");
    assert_eq!(peer.last["room"], "ops");
    peer.does_it();
    peer.sees_off();
    let ended = client.wait();
    ended.assert_left();
    assert!(is_round_trip(&ended.output), "{ended:?}");
}

#[test]
fn a_poster_whose_text_is_refused_has_failed() {
    let server = FakeServer::new();
    let long = "x".repeat(5000);
    let client = start(&server, &["--send", &long]);
    let mut peer = server.accept_poster();
    peer.hears(&format!("post ann: {long}"));
    peer.refuses("line-too-long", "at most 4096 bytes");
    peer.sees_off();
    let ended = client.wait();
    ended.assert_one_line(77, "at most 4096 bytes (line-too-long)");
}

#[test]
fn a_poster_takes_the_next_name_that_is_free() {
    let server = FakeServer::new();
    let address = server.address().to_string();
    let name = "a-name-of-24-characters-";
    let client = Client::start(&[&address, name, "--send", "done"]);
    let mut peer = server.accept_poster();
    for tried in [name, "a-name-of-24-character-2", "a-name-of-24-character-3"] {
        peer.hears(&format!("post {tried}: done"));
        peer.refuses("name-in-use", "taken");
    }
    peer.hears("post a-name-of-24-character-4: done");
    peer.does_it();
    peer.sees_off();
    client.wait().assert_left();
}

#[test]
fn a_poster_does_not_post_again_what_may_be_posted() {
    let server = FakeServer::new();
    let mut client = start(&server, &["--send", "-"]);
    client.types("one\ntwo\n");
    client.ends_input();
    let mut peer = server.accept_poster();
    peer.hears("post ann: one");
    drop(peer);
    let mut peer = server.accept_poster();
    peer.hears("post ann: two");
    peer.does_it();
    peer.sees_off();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended
            .errors
            .contains("line 1 is perhaps sent, not sent again: one"),
        "{ended:?}"
    );
}

#[test]
fn a_poster_that_has_nothing_to_say_keeps_no_link() {
    let server = FakeServer::new();
    let mut client = start(&server, &["--send", "-"]);
    for text in ["one", "two"] {
        client.types(&format!("{text}\n"));
        let mut peer = server.accept_poster();
        peer.hears(&format!("post ann: {text}"));
        peer.does_it();
        assert_eq!(peer.next_line(), None);
    }
    client.ends_input();
    let ended = client.wait();
    ended.assert_left();
    assert_eq!(ended.output.lines().count(), 2);
}

#[test]
fn a_pipe_that_is_held_back_goes_on_reading() {
    const LINES: usize = 2_000;
    let server = FakeServer::new();
    let mut client = start(&server, &["--rtt"]);
    let mut input = client.take_input();
    let typist = std::thread::spawn(move || {
        for number in 0..LINES {
            writeln!(input, "{number} {}", "x".repeat(3_000)).unwrap();
        }
    });
    let mut peer = server.accept_and_greet("ann");
    // The server does not read a byte, and says far more than all buffers between us hold.
    let noise = format!("<ben> {}\n", "y".repeat(4_000));
    for _ in 0..8_000 {
        peer.says(&noise);
    }
    for number in 0..LINES {
        let line = peer.next_line().unwrap();
        assert!(line.starts_with(&format!("{number} ")));
        peer.says(&format!("<ann> {line}"));
        peer.does_it();
    }
    peer.sees_off();
    typist.join().unwrap();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.errors.lines().count(), LINES);
}

// Coming back

#[test]
fn it_comes_back_with_what_was_unsent() {
    let server = FakeServer::new();
    let mut client = start(&server, &[]);
    let mut peer = server.accept_and_greet("ann");
    client.types("one\ntwo\n");
    peer.returns("ann", "one");
    peer.hears("two");
    drop(peer);
    client.complains("closed the connection; trying again in ");
    client.types("three\n");
    client.ends_input();
    let mut peer = server.accept_and_greet("ann");
    peer.returns("ann", "two");
    peer.returns("ann", "three");
    peer.sees_off();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.errors.contains("back in lobby as ann"), "{ended:?}");
}

#[test]
fn it_comes_back_after_a_restart_of_the_server() {
    let server = FakeServer::new();
    let client = start(&server, &[]);
    let mut peer = server.accept_and_greet("ann");
    let address = server.address().to_string();
    drop(server);
    peer.says("! shutting-down the server stops\n");
    drop(peer);
    client.complains("the server stops (shutting-down); trying again in ");
    client.complains("nothing listens there; is chatd running, and is this its port?; trying");
    let mut client = client;
    client.types("after the restart\n");
    client.ends_input();
    let server = FakeServer::on(&address);
    let mut peer = server.accept_and_greet("ann");
    peer.returns("ann", "after the restart");
    peer.sees_off();
    assert_eq!(client.wait().status.code(), Some(0));
}

#[test]
fn our_own_ghost_is_waited_for() {
    let server = FakeServer::new();
    let mut client = start(&server, &[]);
    let ghost = server.accept_and_greet("ann");
    ghost.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut peer = server.accept();
    peer.hears("enter ann in lobby again");
    peer.says_hello();
    peer.refuses("name-in-use", "ann is taken");
    client.complains("our name is still held by the lost link");
    let peer = server.accept_and_greet("ann");
    client.ends_input();
    peer.sees_off();
    assert_eq!(client.wait().status.code(), Some(0));
}

#[test]
fn a_refusal_ends_the_coming_back() {
    let server = FakeServer::new();
    let client = start(&server, &[]);
    drop(server.accept_and_greet("ann"));
    let mut peer = server.accept();
    peer.says_bytes(b"! server-full come later\n");
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(77), "{ended:?}");
    assert!(
        ended
            .errors
            .ends_with("refused: come later (server-full)\n"),
        "{ended:?}"
    );
}

// Leaving

#[test]
fn an_interrupt_leaves_politely() {
    let server = FakeServer::new();
    let client = start(&server, &[]);
    let peer = server.accept_and_greet("ann");
    client.shows("welcome");
    interrupt(&client);
    peer.sees_off();
    client.wait().assert_left();
}

#[test]
fn an_interrupt_ends_the_waiting_for_a_server() {
    let server = FakeServer::new();
    let client = start(&server, &[]);
    drop(server.accept_and_greet("ann"));
    client.complains("trying again");
    interrupt(&client);
    assert_eq!(client.wait().status.code(), Some(0));
}

#[test]
fn ctrl_d_and_words_leave_a_terminal() {
    for typed in ["\u{4}", "exit\n", "end\n", "/quit\n"] {
        let server = FakeServer::new();
        let mut seated = Seated::start(&mut command(&with_address(&server, &[])));
        let peer = server.accept_and_greet("ann");
        seated.shows("welcome");
        seated.types(typed);
        peer.sees_off();
        assert_eq!(seated.wait().status.code(), Some(0), "{typed:?}");
    }
}

#[test]
fn a_terminal_is_asked_for_a_name_and_told_what_to_do() {
    let server = FakeServer::new();
    let address = server.address().to_string();
    let mut seated = Seated::start(&mut command(&[&address, "--rtt"]));
    server.accept_poster();
    seated.complains(&format!(
        "chat on {address}: type your name and press Enter"
    ));
    seated.types("\nann\n");
    let mut peer = server.accept_and_greet("ann");
    seated.complains("you are ann in lobby; /help lists commands, Ctrl-D leaves");
    seated.types("hello\n");
    peer.returns("ann", "hello");
    seated.shows("delivered in ");
    peer.says("<ben> hi\n");
    seated.types("/what\n");
    seated.shows("! unknown-command there is no command what");
    seated.types("\u{4}");
    peer.sees_off();
    let ended = seated.wait();
    assert!(!ended.output.contains("<ann>"), "{ended:?}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    for (variable, value, argument, colored) in [
        ("OTHER", "1", "--color=auto", true),
        ("NO_COLOR", "1", "--color=auto", false),
        ("NO_COLOR", "", "--color=auto", true),
        ("TERM", "dumb", "--color=auto", false),
        ("NO_COLOR", "1", "--color=always", true),
        ("OTHER", "1", "--color=never", false),
    ] {
        let server = FakeServer::new();
        let arguments = with_address(&server, &[argument]);
        let mut seated = Seated::start(command(&arguments).env(variable, value));
        let mut peer = server.accept_and_greet("ann");
        peer.says("<ben> hi\n");
        seated.shows(" hi");
        seated.types("\u{4}");
        peer.sees_off();
        let output = seated.wait().output;
        let case = (variable, value, argument);
        assert_eq!(output.contains('\u{1b}'), colored, "{case:?}: {output:?}");
    }
}

// Servers that are not what they should be

#[test]
fn f57_other_protocols_are_told_from_chat() {
    for banner in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        "220 mail.example.org ESMTP\r\n",
        "-ERR unknown command\r\n",
        "! bad-name a name has no braces\r\n",
        "{\"is\":\"welcome\",\"name\":\"ann\"}\n",
        "<html> <body>\n",
        "\x15\x03\x03\x00\x02\x02\x46",
        "\u{1b}]0;title\u{7}\u{1b}[2J\r\n",
        "\n",
    ] {
        let server = FakeServer::new();
        let client = start(&server, &[]);
        server.accept().says_bytes(banner.as_bytes());
        client
            .wait()
            .assert_one_line(76, "does not speak chat: it says");
    }
}

#[test]
fn f59_garbage_is_told_from_chat() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..20 {
        let server = FakeServer::new();
        let client = start(&server, &[]);
        let mut peer = server.accept();
        // Without the first bytes that lines of chat have, it can be nothing else.
        let mut garbage: Vec<u8> = (0..1000).map(|_| random.u8(..)).collect();
        garbage[0] = random.u8(0x80..);
        let _ = peer.stream.write_all(&garbage);
        drop(peer);
        let ended = client.wait();
        let code = ended.status.code();
        // An unread hello of ours turns the close into a reset, which may overtake the garbage.
        let is_overtaken = code == Some(69) && ended.errors.contains("is lost");
        let case = format!("round {round}, seed {seed} (pass it to with_seed)");
        assert!(code == Some(76) || is_overtaken, "{case}: {ended:?}");
        assert_eq!(ended.errors.lines().count(), 1, "{case}: {ended:?}");
        assert!(
            ended.is_plain() && ended.output.is_empty(),
            "{case}: {ended:?}"
        );
    }
}

#[test]
fn f59_silence_is_told_from_chat() {
    let server = FakeServer::new();
    let client = start(&server, &[]);
    let peer = server.accept();
    let since = Instant::now();
    client
        .wait()
        .assert_one_line(76, "has not greeted us within 10 s");
    assert!(since.elapsed() >= Duration::from_secs(9));
    drop(peer);
}

#[test]
fn f59_a_line_without_end_costs_no_memory() {
    let server = FakeServer::new();
    let client = start(&server, &[]);
    let mut peer = server.accept();
    let writer = std::thread::spawn(move || {
        // A client that has gone with a closed window would hold a longer write for a minute.
        let patience = Some(Duration::from_secs(1));
        peer.stream.set_write_timeout(patience).unwrap();
        let chunk = vec![b'x'; 1 << 20];
        let taken = (0..1024).take_while(|_| peer.stream.write_all(&chunk).is_ok());
        taken.count()
    });
    client.wait().assert_one_line(76, "a line without an end");
    let taken = writer.join().unwrap();
    assert!(taken < 1024, "it read a gigabyte");
}

#[test]
fn f59_a_flood_costs_no_memory() {
    let server = FakeServer::new();
    let (read, write) = std::io::pipe().unwrap();
    let arguments = with_address(&server, &[]);
    let mut child = command(&arguments)
        .stdin(Stdio::piped())
        .stdout(write)
        .spawn()
        .unwrap();
    let mut peer = server.accept_and_greet("ann");
    // Nobody reads its output, so it cannot show what we send and has to stop reading.
    peer.stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let text = "z".repeat(100_000);
    let line = json!({"is": "said", "room": "lobby", "id": "1-0", "from": "ben", "text": text});
    let line = format!("{line}\n");
    while peer.stream.write_all(line.as_bytes()).is_ok() {}
    let peak = peak_kibibytes(child.id());
    assert!(peak < 32 << 10, "{peak} KiB at the most");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(read);
}

#[test]
fn f59_lines_that_swell_when_they_are_read_cost_no_memory() {
    let server = FakeServer::new();
    let client = start(&server, &[]);
    let mut peer = server.accept_and_greet("ann");
    client.shows("welcome");
    for element in ["[],", "{},", "\"\",", "0,", "null,"] {
        for field in ["names", "messages", "ids", "what"] {
            let list = element.repeat(1_000_000 / element.len());
            let line = format!(
                "{{\"is\":\"x\",\"{field}\":[{}]}}\n",
                list.trim_end_matches(',')
            );
            // All of the wrong kind ends it; all others are passed over.
            peer.says_bytes(line.as_bytes());
        }
    }
    let peak = peak_kibibytes(client.id());
    drop(peer);
    drop(client);
    assert!(peak < 64 << 10, "{peak} KiB at the most");
}

fn peak_kibibytes(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let mut lines = status.lines();
    let peak = lines
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("0 kB");
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn f46_what_the_server_says_cannot_drive_a_terminal() {
    let server = FakeServer::new();
    let seated = Seated::start(&mut command(&with_address(&server, &["--color=never"])));
    let mut peer = server.accept_and_greet("ann");
    let dirt = "\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}1m\u{85}\u{2028}\u{202e}\u{8}\ra\rb\n";
    for line in hostile_lines(dirt) {
        peer.says_line(&line);
    }
    peer.says_bytes(format!("x{dirt}\n").as_bytes());
    // The last is no line of chat: that is its end, with one clean line.
    seated.complains("does not speak chat");
    let ended = seated.wait();
    assert_eq!(ended.status.code(), Some(76), "{ended:?}");
    let said = format!("{}{}", ended.output, ended.errors);
    let said = said.replace("\r\n", "\n");
    let is_bad = |c: char| (c.is_control() && c != '\n') || "\u{2028}\u{202e}".contains(c);
    assert!(!said.contains(is_bad), "{said:?}");
    // Who joined is gathered, and is not told any more; the welcome is one more.
    let wanted = hostile_lines("").len();
    assert_eq!(ended.output.lines().count(), wanted, "{ended:?}");
}

/// Lines of each kind with this in every word that is shown.
pub fn hostile_lines(dirt: &str) -> Vec<Value> {
    let (name, text) = (format!("b{dirt}"), format!("x{dirt}"));
    let room = "lobby";
    vec![
        json!({"is": "said", "room": room, "id": text, "at": text, "from": name, "text": text}),
        json!({"is": "said", "room": text, "id": text, "from": name, "text": text}),
        json!({"is": "private", "from": name, "text": text}),
        json!({"is": "joined", "room": room, "name": text, "here": 2}),
        json!({"is": "left", "room": room, "name": text, "here": 1, "cause": text, "reason": text}),
        json!({"is": "renamed", "room": room, "from": text, "to": text}),
        json!({"is": "topic", "room": room, "by": text, "text": text}),
        json!({"is": "announcement", "text": text}),
        json!({"is": "refused", "code": format!("code{dirt}"), "text": text}),
    ]
}
