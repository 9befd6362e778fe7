//! Help for the tests of `chat-client`: a scripted server, and the client as a process. Every wait
//! has a deadline, and what a failing test prints is all that both sides said.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use serde_json::{Value, json};

use super::common::process::ends_within;

/// Long enough for a loaded machine; reached only by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server that does what the test says.
pub struct FakeServer {
    listener: TcpListener,
}

impl FakeServer {
    pub fn new() -> Self {
        FakeServer::on("127.0.0.1:0")
    }

    pub fn on(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        FakeServer { listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection.
    pub fn accept(&self) -> Peer {
        let mut events = [PollFd::new(&self.listener, PollFlags::IN)];
        let patience = PATIENCE.try_into().unwrap();
        let ready = poll(&mut events, Some(&patience)).unwrap();
        assert!(ready > 0, "the client does not connect");
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Peer {
            stream,
            unread: Vec::new(),
            last: Value::Null,
        }
    }

    /// The next connection, greeted as a chat server does.
    pub fn accept_and_greet(&self, name: &str) -> Peer {
        let mut peer = self.accept();
        peer.greets(name);
        peer
    }

    /// The next connection, of somebody who will not enter.
    pub fn accept_poster(&self) -> Peer {
        let mut peer = self.accept();
        peer.hears("/ping");
        peer.says_hello();
        peer.answers(json!({"is": "pong"}));
        peer
    }
}

/// The server's end of one connection. What it hears and says is written as a person would write
/// it in plain text, and translated: `<ben> hi` is `{"is":"said","from":"ben","text":"hi",…}`.
pub struct Peer {
    pub stream: TcpStream,
    unread: Vec<u8>,
    /// The last request that was heard.
    pub last: Value,
}

/// Ids grow over all servers of a test.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Peer {
    /// The next request of the client; `None` at the end of what it says.
    pub fn next_request(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                self.last = serde_json::from_slice(&line).unwrap();
                return Some(self.last.clone());
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the client says nothing: {error}"),
            }
        }
    }

    /// The next request, as a person would type it.
    pub fn next_line(&mut self) -> Option<String> {
        self.next_request().map(|request| as_typed(&request))
    }

    #[track_caller]
    pub fn hears(&mut self, line: &str) {
        assert_eq!(self.next_line().as_deref(), Some(line));
    }

    /// Hears `enter`, and lets in.
    #[track_caller]
    pub fn greets(&mut self, name: &str) {
        let heard = self.next_line().unwrap_or_default();
        assert_eq!(
            heard.split(' ').take(2).collect::<Vec<_>>(),
            ["enter", name]
        );
        let room = self.last["rooms"][0].as_str().unwrap_or("lobby").to_owned();
        self.says_hello();
        self.says_line(&json!({"is": "welcome", "name": name, "resume": "token"}));
        self.enters(&room, &[name]);
        self.catches_up(&room, 0);
    }

    pub fn says_hello(&mut self) {
        self.says_line(&json!({
            "is": "hello", "server": "chatd", "version": "0.1.0", "json": 1, "line_max": 4096,
            "history": true, "search": false, "password": false,
        }));
    }

    pub fn enters(&mut self, room: &str, names: &[&str]) {
        let last = format!("{}-0", NEXT_ID.load(Ordering::SeqCst) - 1);
        self.says_line(&json!({
            "is": "entered", "room": room, "here": names.len(), "names": names, "more": 0,
            "last": last,
        }));
    }

    pub fn catches_up(&mut self, room: &str, missed: u64) {
        self.says_line(&json!({"is": "caught-up", "room": room, "missed": missed}));
    }

    /// Nothing comes from the client for so long.
    #[track_caller]
    pub fn hears_nothing_for(&mut self, silence: Duration) {
        assert_eq!(self.unread, b"", "it says something");
        self.stream.set_read_timeout(Some(silence)).unwrap();
        let mut byte = [0];
        assert!(self.stream.peek(&mut byte).is_err(), "it says something");
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    /// Bytes as they are. That the client may have gone already is for the test to find out from
    /// the client.
    pub fn says_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn says_line(&mut self, line: &Value) {
        self.says_bytes(format!("{line}\n").as_bytes());
    }

    /// Says these lines, in one piece.
    pub fn says(&mut self, text: &str) {
        let lines: Vec<String> = text
            .lines()
            .map(|line| format!("{}\n", of_text(line)))
            .collect();
        self.says_bytes(lines.concat().as_bytes());
    }

    /// Answers the last request.
    pub fn answers(&mut self, mut answer: Value) {
        answer["ref"] = self.last["ref"].clone();
        self.says_line(&answer);
    }

    pub fn does_it(&mut self) {
        self.answers(json!({"is": "done"}));
    }

    pub fn refuses(&mut self, code: &str, words: &str) {
        self.answers(json!({"is": "refused", "code": code, "text": words}));
    }

    /// Hears a message of `name`, gives it back to all, and answers it.
    #[track_caller]
    pub fn returns(&mut self, name: &str, text: &str) {
        self.hears(text);
        let text = self.last["text"].as_str().unwrap().to_owned();
        self.says(&format!("<{name}> {text}"));
        self.does_it();
    }

    /// Hears that the client leaves, and closes.
    #[track_caller]
    pub fn sees_off(mut self) {
        self.hears("/quit");
    }
}

/// A request as a person would type it. `enter` says what it comes back with, too.
fn as_typed(request: &Value) -> String {
    let field = |name: &str| {
        request[name]
            .as_str()
            .map(str::to_owned)
            .unwrap_or_default()
    };
    let what = field("do");
    let typed = match what.as_str() {
        "say" if request["action"] == true => format!("/me {}", field("text")),
        "say" if field("text").starts_with('/') => format!("/{}", field("text")),
        "say" => return field("text"),
        "post" => format!("post {}: {}", field("name"), field("text")),
        "enter" => {
            let rooms = request["rooms"].as_array();
            let rooms = rooms.map(|rooms| rooms.iter().map(|room| room.as_str().unwrap()));
            let rooms: Option<Vec<&str>> = rooms.map(Iterator::collect);
            let room = rooms.map_or(String::new(), |rooms| format!(" in {}", rooms.join(",")));
            let again = if request["resume"].is_string() {
                " again"
            } else {
                ""
            };
            format!("enter {}{room}{again}", field("name"))
        }
        "msg" => format!("/msg {} {}", field("to"), field("text")),
        "history" => format!("/history {}", request["limit"]),
        "topic" => format!("/topic {}", field("text")),
        _ => format!(
            "/{what} {}{}{}",
            field("room"),
            field("name"),
            field("reason")
        ),
    };
    typed.trim_end().to_owned()
}

/// A line of plain text as the server's JSON; what is JSON already stays.
fn of_text(line: &str) -> Value {
    let at = jiff::Timestamp::now().to_string();
    let (first, rest) = line.split_at_checked(1).unwrap_or((line, ""));
    let words: Vec<&str> = rest.split_whitespace().collect();
    let here = |word: Option<&&str>| -> u64 { word.unwrap()[1..].parse().unwrap() };
    match (first, words.as_slice()) {
        ("{", _) => serde_json::from_str(line).unwrap(),
        ("<", _) => {
            let (from, text) = rest.split_once("> ").unwrap();
            let id = format!("{}-0", NEXT_ID.fetch_add(1, Ordering::SeqCst));
            json!({"is": "said", "room": "lobby", "id": id, "at": at, "from": from, "text": text})
        }
        ("-", _) => {
            let (from, text) = rest.split_once("- ").unwrap();
            json!({"is": "private", "at": at, "from": from, "text": text})
        }
        ("*", [name, what @ ("joined" | "left"), ..]) => {
            let here = here(words.get(2));
            json!({"is": what, "room": "lobby", "at": at, "name": name, "here": here})
        }
        ("*", [from, "is", "now", to]) => {
            json!({"is": "renamed", "room": "lobby", "at": at, "from": from, "to": to})
        }
        ("!", [code, ..]) => {
            let ends = matches!(
                *code,
                "kicked" | "banned" | "replaced" | "server-full" | "too-slow" | "shutting-down"
            );
            let text = rest.trim_start()[code.len()..].trim_start();
            json!({"is": "refused", "code": code, "text": text, "ends": ends})
        }
        _ => panic!("no line of a server: {line:?}"),
    }
}

/// What one stream of the client has said so far.
type Heard = Arc<(Mutex<Vec<u8>>, Condvar)>;

/// A running client.
pub struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: Heard,
    errors: Heard,
    readers: Vec<thread::JoinHandle<()>>,
}

/// How a client ended, and all it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
    pub errors: String,
}

impl Ended {
    /// Ended with this code, with nothing on standard output and one plain line on standard error.
    #[track_caller]
    pub fn assert_one_line(&self, code: i32, part: &str) {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        assert_eq!(self.output, "", "{self:?}");
        assert!(self.errors.starts_with("chat-client: "), "{self:?}");
        assert!(self.errors.ends_with('\n'), "{self:?}");
        assert_eq!(self.errors.lines().count(), 1, "{self:?}");
        assert!(self.errors.contains(part), "{self:?}");
        assert!(self.is_plain(), "{self:?}");
    }

    /// Whether standard error holds nothing that drives a terminal.
    pub fn is_plain(&self) -> bool {
        let is_harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
        self.errors.chars().all(is_harmless)
    }

    /// Left, and had no reason to complain.
    #[track_caller]
    pub fn assert_left(&self) {
        assert_eq!(self.status.code(), Some(0), "{self:?}");
        assert_eq!(self.errors, "", "{self:?}");
    }
}

/// The client, not yet started, in an environment without surprises.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-client"));
    command
        .args(arguments)
        .env_clear()
        .env("TERM", "xterm")
        .env("USER", "user");
    command
}

/// Runs the client to its end, without any input.
pub fn run(arguments: &[&str]) -> Ended {
    let mut client = Client::start(arguments);
    client.ends_input();
    client.wait()
}

impl Client {
    pub fn start(arguments: &[&str]) -> Self {
        Client::spawn(command(arguments).stdin(Stdio::piped()))
    }

    /// Starts it with the standard input that `command` has.
    pub fn spawn(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (output, errors) = (Heard::default(), Heard::default());
        let readers = vec![
            listen(child.stdout.take().unwrap(), &output),
            listen(child.stderr.take().unwrap(), &errors),
        ];
        let input = child.stdin.take();
        Client {
            child,
            input,
            output,
            errors,
            readers,
        }
    }

    pub fn types(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
    }

    pub fn ends_input(&mut self) {
        self.input = None;
    }

    /// Its input, for a thread that types.
    pub fn take_input(&mut self) -> ChildStdin {
        self.input.take().unwrap()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until standard output contains `part`.
    #[track_caller]
    pub fn shows(&self, part: &str) {
        self.wait_for(&self.output, part);
    }

    /// Waits until standard error contains `part`.
    #[track_caller]
    pub fn complains(&self, part: &str) {
        self.wait_for(&self.errors, part);
    }

    #[track_caller]
    fn wait_for(&self, heard: &Heard, part: &str) {
        let (bytes, grown) = &**heard;
        let is_missing = |bytes: &mut Vec<u8>| !String::from_utf8_lossy(bytes).contains(part);
        let (bytes, waited) = grown
            .wait_timeout_while(bytes.lock().unwrap(), PATIENCE, is_missing)
            .unwrap();
        drop(bytes);
        assert!(
            !waited.timed_out(),
            "no {part:?} in time\n{}",
            self.transcript()
        );
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let has_ended = ends_within(&self.child, PATIENCE);
        assert!(has_ended, "it does not end\n{}", self.transcript());
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ended {
            status,
            output: text(&self.output),
            errors: text(&self.errors),
        }
    }

    fn transcript(&self) -> String {
        let mut all = String::new();
        for (name, heard) in [("output", &self.output), ("errors", &self.errors)] {
            write!(all, "--- {name}\n{}\n", text(heard)).unwrap();
        }
        all
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It has ended already, save in a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(mut source: impl Read + Send + 'static, heard: &Heard) -> thread::JoinHandle<()> {
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        let mut chunk = [0; 65536];
        // A pseudo-terminal ends with an error.
        while let Ok(count @ 1..) = source.read(&mut chunk) {
            heard.0.lock().unwrap().extend_from_slice(&chunk[..count]);
            heard.1.notify_all();
        }
    })
}

fn text(heard: &Heard) -> String {
    String::from_utf8_lossy(&heard.0.lock().unwrap()).into_owned()
}

/// A client at a pseudo-terminal.
pub struct Seated {
    client: Client,
    terminal: std::fs::File,
}

impl Seated {
    /// Standard input and output are the terminal; standard error is not, so that it can be told apart.
    pub fn start(command: &mut Command) -> Self {
        use rustix::fs::OFlags;
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let path = ptsname(&ours, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).unwrap();
        let terminal = std::fs::File::from(ours);
        command.stdin(theirs.try_clone().unwrap());
        command.stdout(theirs).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The test's own handles of the client's side would keep the terminal from ending.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let (output, errors) = (Heard::default(), Heard::default());
        let readers = vec![
            listen(terminal.try_clone().unwrap(), &output),
            listen(child.stderr.take().unwrap(), &errors),
        ];
        let client = Client {
            child,
            input: None,
            output,
            errors,
            readers,
        };
        Seated { client, terminal }
    }

    pub fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    pub fn shows(&self, part: &str) {
        self.client.shows(part);
    }

    #[track_caller]
    pub fn complains(&self, part: &str) {
        self.client.complains(part);
    }

    #[track_caller]
    pub fn wait(self) -> Ended {
        self.client.wait()
    }
}
