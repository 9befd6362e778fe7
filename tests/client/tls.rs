//! `chat-client` over TLS: which server it believes (D35), and that the conversation is the same.
//! The server is scripted, behind a front that speaks TLS.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::client_support::{Client, Ended, FakeServer, Seated, command};
use crate::terminal_support::{Sitting, client};
use crate::tls_support::{Authority, Folder, Front, Identity};

/// A server, TLS before it, and where its clients keep what they trust.
struct Place {
    server: FakeServer,
    front: Front,
    home: Folder,
}

impl Place {
    fn of(identity: &Identity) -> Self {
        let server = FakeServer::new();
        let front = Front::of(server.address(), identity);
        let home = Folder::new();
        Place {
            server,
            front,
            home,
        }
    }

    /// The client of a program, with its input open.
    fn start(&self, arguments: &[&str]) -> Client {
        self.start_with("OTHER", "1", arguments)
    }

    fn start_with(&self, variable: &str, value: &str, arguments: &[&str]) -> Client {
        let address = self.front.address();
        let mut command = command(&[&[address.as_str(), "ann"], arguments].concat());
        let command = command
            .env("XDG_STATE_HOME", self.home.path(""))
            .env(variable, value);
        Client::spawn(command.stdin(Stdio::piped()))
    }

    /// Runs the client of a program, without any input.
    fn run(&self, arguments: &[&str]) -> Ended {
        let mut client = self.start(arguments);
        client.ends_input();
        client.wait()
    }

    /// The client of a person.
    fn sit(&self) -> Sitting {
        let command = client()
            .args([self.front.address().as_str(), "ann", "--tls"])
            .env("XDG_STATE_HOME", self.home.path(""));
        Sitting::start(command)
    }

    /// A program comes in and leaves.
    #[track_caller]
    fn lets_in(&self, arguments: &[&str]) {
        let mut client = self.start(arguments);
        let peer = self.server.accept_and_greet("ann");
        client.shows("* welcome to lobby, ann");
        client.ends_input();
        peer.sees_off();
        client.wait().assert_left();
    }

    /// The server is in the list, with the key of this one.
    fn knows(&self, identity: &Identity) {
        let line = format!("{} {}\n", self.front.address(), identity.key);
        std::fs::create_dir_all(self.home.path("chat-client")).unwrap();
        self.home.write("chat-client/known_servers", &line);
    }
}

// First use

#[test]
fn a_server_of_its_own_is_asked_about_once_and_remembered() {
    let identity = Identity::of_its_own();
    let place = Place::of(&identity);
    let mut sitting = place.sit();
    sitting.sees_text(&identity.key);
    sitting.sees_text("no known authority signed its certificate");
    sitting.sees_draft("");
    sitting.types("hello\r");
    sitting.sees_text("~ yes or no?");
    sitting.types("yes\r");
    let mut peer = place.server.accept_and_greet("ann");
    sitting.sees_text("~ you are ann in lobby");
    sitting.types("hi\r");
    peer.returns("ann", "hi");
    sitting.types("/quit\r");
    peer.sees_off();
    assert!(sitting.waits_and_finds_the_terminal_whole().success());
    let known = format!("{} {}\n", place.front.address(), identity.key);
    assert_eq!(place.home.known_servers(), Some(known));
    let file = place.home.path("chat-client/known_servers");
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // From now on nobody is asked, nor needs to be there.
    place.lets_in(&["--tls"]);
    let sitting = place.sit();
    place.server.accept_and_greet("ann");
    sitting.sees_text("~ you are ann in lobby");
    assert!(!sitting.shows(&identity.key), "{}", sitting.screen());
}

#[test]
fn who_says_no_leaves_and_nothing_is_remembered() {
    let place = Place::of(&Identity::of_its_own());
    let mut sitting = place.sit();
    sitting.sees_text("yes or no>");
    sitting.types("no\r");
    assert_eq!(sitting.waits().code(), Some(77));
    assert_eq!(place.home.known_servers(), None);
    let mut sitting = place.sit();
    sitting.sees_text("yes or no>");
    sitting.types("\u{4}");
    assert_eq!(sitting.waits().code(), Some(0));
    assert_eq!(place.home.known_servers(), None);
}

#[test]
fn a_terminal_without_sequences_is_asked_too_and_the_list_goes_on() {
    let identity = Identity::of_its_own();
    let place = Place::of(&identity);
    std::fs::create_dir(place.home.path("chat-client")).unwrap();
    let other = format!("127.0.0.1:1 SHA256:{}", "0".repeat(43));
    place.home.write("chat-client/known_servers", &other);
    let mut command = command(&[&place.front.address(), "ann", "--tls"]);
    let mut seated = Seated::start(command.env("XDG_STATE_HOME", place.home.path("")));
    seated.complains(&identity.key);
    seated.complains("the right one, for now and later? yes or no");
    seated.types("y\n");
    let peer = place.server.accept_and_greet("ann");
    seated.shows("* welcome");
    seated.types("\u{4}");
    peer.sees_off();
    assert_eq!(seated.wait().status.code(), Some(0));
    let known = format!("{other}\n{} {}\n", place.front.address(), identity.key);
    assert_eq!(place.home.known_servers(), Some(known));
}

#[test]
fn who_has_no_home_is_told_that_nothing_is_remembered() {
    let place = Place::of(&Identity::of_its_own());
    let mut seated = Seated::start(&mut command(&[&place.front.address(), "ann", "--tls"]));
    seated.complains("yes or no");
    seated.types("yes\n");
    place.server.accept_and_greet("ann");
    seated.complains("cannot be remembered: neither XDG_STATE_HOME nor HOME is set");
    seated.shows("* welcome");
}

// D35

#[test]
fn d35_a_changed_key_is_refused_with_both() {
    let (known, now) = (Identity::of_its_own(), Identity::of_its_own());
    let place = Place::of(&now);
    place.knows(&known);
    let ended = place.run(&["--tls"]);
    ended.assert_one_line(77, &known.key);
    ended.assert_one_line(77, &now.key);
    let mut sitting = place.sit();
    assert_eq!(sitting.waits().code(), Some(77));
    let screen = sitting.model().screen().contents();
    assert!(screen.contains(&known.key[..20]), "{screen}");
    assert!(screen.contains(&now.key[..20]), "{screen}");
}

#[test]
fn d35_a_known_key_decides_alone() {
    let identity = Identity::of_its_own();
    let place = Place::of(&identity.renewed_badly());
    place.knows(&identity);
    place.lets_in(&["--tls"]);
    // Also against an authority: the key has changed all the same.
    let authority = Authority::new();
    place.front.shows(&authority.signs("127.0.0.1"));
    let file = place.home.write("authority.pem", &authority.pem);
    let mut client = place.start_with("SSL_CERT_FILE", &file, &["--tls"]);
    client.ends_input();
    client.wait().assert_one_line(77, "has changed");
}

#[test]
fn d35_without_a_terminal_only_a_known_authority_is_believed() {
    let authority = Authority::new();
    let place = Place::of(&authority.signs("127.0.0.1"));
    let file = place.home.write("authority.pem", &authority.pem);
    let mut client = place.start_with("SSL_CERT_FILE", &file, &["--tls"]);
    let peer = place.server.accept_and_greet("ann");
    client.ends_input();
    peer.sees_off();
    client.wait().assert_left();
    for (identity, why) in [
        (Identity::of_its_own(), "no known authority signed"),
        (Authority::new().signs("127.0.0.1"), "no known authority"),
        (authority.signs("elsewhere.example"), "is for another name"),
        (authority.signed_once("127.0.0.1"), "has expired"),
    ] {
        place.front.shows(&identity);
        for arguments in [["--tls", "--no-reconnect"], ["--tls", "--send=hello"]] {
            let mut client = place.start_with("SSL_CERT_FILE", &file, &arguments);
            client.ends_input();
            let ended = client.wait();
            ended.assert_one_line(77, why);
            ended.assert_one_line(77, &identity.key);
            ended.assert_one_line(77, "--tls-pin");
        }
    }
    assert_eq!(place.home.known_servers(), None);
}

#[test]
fn an_authority_that_is_given_decides_alone() {
    let (authority, other) = (Authority::new(), Authority::new());
    let identity = authority.signs("127.0.0.1");
    let place = Place::of(&identity);
    let good = place.home.write("good.pem", &authority.pem);
    let bad = place.home.write("bad.pem", &other.pem);
    // The list does not count then.
    place.knows(&Identity::of_its_own());
    place.lets_in(&["--tls", "--tls-ca", &good]);
    place.lets_in(&["--tls-ca", &good]);
    let ended = place.run(&["--tls-ca", &bad]);
    ended.assert_one_line(77, "no known authority signed its certificate");
    ended.assert_one_line(77, &identity.key);
    // A certificate may vouch for itself.
    let own = Identity::of_its_own();
    place.front.shows(&own);
    let file = place.home.write("own.pem", &own.pem);
    place.lets_in(&["--tls-ca", &file]);
}

#[test]
fn a_key_that_is_given_decides_alone() {
    let (identity, other) = (Identity::of_its_own(), Identity::of_its_own());
    let place = Place::of(&identity.renewed_badly());
    place.knows(&other);
    place.lets_in(&["--tls", "--tls-pin", &identity.key]);
    place.lets_in(&["--tls-pin", &identity.key["SHA256:".len()..]]);
    place.front.shows(&identity.clone().of_tls_1_2());
    place.lets_in(&["--tls-pin", &identity.key]);
    let ended = place.run(&["--tls-pin", &other.key]);
    ended.assert_one_line(77, &identity.key);
    ended.assert_one_line(77, &other.key);
}

#[test]
fn flags_that_cannot_be_obeyed_are_two() {
    let place = Place::of(&Identity::of_its_own());
    let empty = place.home.write("empty.pem", "");
    let missing = place.home.path("missing.pem");
    for arguments in [
        ["--tls-pin", "abc"],
        ["--tls-ca", &empty],
        ["--tls-ca", missing.to_str().unwrap()],
    ] {
        let ended = place.run(&arguments);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.errors.contains(arguments[0]), "{ended:?}");
    }
    // The server may stand in a list that cannot be read.
    std::fs::create_dir_all(place.home.path("chat-client/known_servers")).unwrap();
    place.run(&["--tls"]).assert_one_line(2, "known_servers: ");
}

// The conversation

#[test]
fn one_message_is_sent_over_tls() {
    let identity = Identity::of_its_own();
    let place = Place::of(&identity);
    let client = place.start(&["--tls-pin", &identity.key, "--send", "backup is done"]);
    let mut peer = place.server.accept_poster();
    peer.hears("post ann: backup is done");
    peer.does_it();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.output.starts_with("delivered in "), "{ended:?}");
}

#[test]
fn much_is_said_both_ways_in_any_pieces() {
    let identity = Identity::of_its_own();
    for piece_bytes in [0, 1, 7, 5000] {
        let place = Place::of(&identity);
        place.front.writes_in_pieces(piece_bytes);
        let mut client = place.start(&["--tls-pin", &identity.key]);
        let mut peer = place.server.accept_and_greet("ann");
        let lines = if piece_bytes == 1 { 20 } else { 1000 };
        let text = "x".repeat(300);
        let all: Vec<String> = (0..lines).map(|n| format!("<ben> {n} {text}\n")).collect();
        peer.says(&all.concat());
        client.shows(&all[lines - 1]);
        let mut input = client.take_input();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let all: Vec<String> = (0..lines).map(|n| format!("{n} {text}\n")).collect();
                std::io::Write::write_all(&mut input, all.concat().as_bytes()).unwrap();
                drop(input);
            });
            for number in 0..lines {
                peer.hears(&format!("{number} {text}"));
                peer.does_it();
            }
        });
        peer.sees_off();
        let ended = client.wait();
        ended.assert_left();
        assert!(ended.output.ends_with(&all.concat()), "{piece_bytes}");
    }
}

#[test]
fn leaving_is_said_to_tls_too() {
    let identity = Identity::of_its_own();
    let place = Place::of(&identity);
    place.lets_in(&["--tls-pin", &identity.key]);
    assert!(place.front.finish(), "no close_notify");
}

#[test]
fn a_lost_link_is_come_back_to_over_tls() {
    let identity = Identity::of_its_own();
    let place = Place::of(&identity);
    place.knows(&identity);
    let sitting = place.sit();
    let mut peer = place.server.accept_and_greet("ann");
    sitting.sees_text("~ you are ann in lobby");
    sitting.types("unreturned\r");
    peer.hears("unreturned");
    drop(peer);
    sitting.sees_text("closed the connection");
    let mut peer = place.server.accept_and_greet("ann");
    peer.returns("ann", "unreturned");
    sitting.sees_text("~ back in lobby as ann; sending 1 line that waited");
    // Cut off in the middle of a line, which nobody sees.
    place.front.cuts(true);
    peer.says("<ben> whole\n");
    peer.says_bytes(b"{\"is\":\"said\",\"from\":\"ben\",\"text\":\"half\"}");
    sitting.sees_text("<ben> whole");
    drop(peer);
    sitting.sees_text("is lost (it was cut off)");
    let peer = place.server.accept_and_greet("ann");
    sitting.sees_text("~ back in lobby as ann");
    assert!(!sitting.shows("half"), "{}", sitting.screen());
    drop(peer);
}

#[test]
fn a_key_that_changes_while_we_are_away_is_the_end() {
    let (identity, other) = (Identity::of_its_own(), Identity::of_its_own());
    let place = Place::of(&identity);
    place.knows(&identity);
    let client = place.start(&["--tls"]);
    let peer = place.server.accept_and_greet("ann");
    client.shows("* welcome");
    place.front.shows(&other);
    drop(peer);
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(77), "{ended:?}");
    for key in [&identity.key, &other.key] {
        assert!(ended.errors.contains(key), "{ended:?}");
    }
}

// What speaks something else

#[test]
fn what_speaks_no_tls_or_no_chat_is_something_else() {
    let identity = Identity::of_its_own();
    let place = Place::of(&identity.clone().speaking("http/1.1"));
    place
        .run(&["--tls-pin", &identity.key])
        .assert_one_line(76, "speaks TLS, but not chat");
    place.front.shows(&identity.clone().speaking("chatd"));
    place.lets_in(&["--tls-pin", &identity.key]);
    let address = place.server.address().to_string();
    let mut client = Client::start(&[&address, "ann", "--tls"]);
    client.ends_input();
    let mut peer = place.server.accept();
    peer.says_bytes(b"! wrong-protocol this is chatd\n");
    client.wait().assert_one_line(76, "does not speak TLS");
}

#[test]
fn a_server_that_wants_tls_says_so() {
    let server = FakeServer::new();
    let mut client = Client::start(&[&server.address().to_string(), "ann"]);
    client.ends_input();
    let mut peer = server.accept();
    peer.says_bytes(b"! tls-required use TLS\n");
    client.wait().assert_one_line(77, "use TLS (tls-required)");
}
