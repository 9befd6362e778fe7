//! Help for the tests of `chat-client`: a scripted server, and the client as a process. Every wait
//! has a deadline, and what a failing test prints is all that both sides said.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

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
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    stream.set_write_timeout(Some(PATIENCE)).unwrap();
                    let unread = Vec::new();
                    return Peer { stream, unread };
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "the client does not connect");
                    thread::sleep(Duration::from_millis(2));
                }
                Err(error) => panic!("accept: {error}"),
            }
        }
    }

    /// The next connection, greeted as a chat server does.
    pub fn accept_and_greet(&self, name: &str) -> Peer {
        let mut peer = self.accept();
        peer.hears(name);
        peer.hears("/echo on");
        peer.says(&format!(
            "* welcome to lobby, {name} (1 here: {name})\n= echo on\n"
        ));
        peer
    }
}

/// The server's end of one connection.
pub struct Peer {
    pub stream: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    /// The next line of the client; `None` at the end of what it says.
    pub fn next_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
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

    pub fn hears(&mut self, line: &str) {
        assert_eq!(self.next_line().as_deref(), Some(line));
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

    /// That the client may have gone already is for the test to find out from the client.
    pub fn says(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes());
    }

    /// Hears a message of `name`, and gives it back.
    pub fn returns(&mut self, name: &str, text: &str) {
        self.hears(text);
        self.says(&format!("<{name}> {text}\n"));
    }

    /// Hears `/quit`, and closes.
    pub fn sees_off(mut self) {
        self.hears("/quit");
    }
}

/// What one stream of the client has said so far.
type Heard = Arc<Mutex<Vec<u8>>>;

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
        let deadline = Instant::now() + PATIENCE;
        while !text(heard).contains(part) {
            let transcript = self.transcript();
            assert!(
                Instant::now() < deadline,
                "no {part:?} in time\n{transcript}"
            );
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let transcript = self.transcript();
            assert!(Instant::now() < deadline, "it does not end\n{transcript}");
            thread::sleep(Duration::from_millis(2));
        };
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
            heard.lock().unwrap().extend_from_slice(&chunk[..count]);
        }
    })
}

fn text(heard: &Heard) -> String {
    String::from_utf8_lossy(&heard.lock().unwrap()).into_owned()
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
