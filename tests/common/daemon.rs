//! [`Daemon`]: a running `chatd` of this build, its log, its signals and its end. Not the way to
//! talk to it (that is `Client`). Owned by the test that started it, killed when that ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::process::{ends_within, raise_own_files_max};
use super::{Client, PATIENCE, PROMPT, Program};

/// A running server on a port of its own.
pub struct Daemon {
    child: Child,
    log: Lines,
    output: Lines,
    addresses: Vec<SocketAddr>,
}

/// The command `chatd FLAGS`, all three streams piped, nothing of our environment in its settings.
pub fn chatd_command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatd"));
    command.args(flags);
    plain(command)
}

/// As [`chatd_command`], with this shell script before it: `ulimit -n 64`, a redirection.
pub fn shell_command(script: &str, flags: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{script}; exec \"$0\" \"$@\"")]);
    command.arg(env!("CARGO_BIN_EXE_chatd")).args(flags);
    plain(command)
}

fn plain(mut command: Command) -> Command {
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("CHATD_") {
            command.env_remove(variable);
        }
    }
    command
        .env_remove("RUNTIME_DIRECTORY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Daemon {
    /// Starts `chatd` with these flags and waits until it listens: on `127.0.0.1:0` unless the
    /// flags say otherwise.
    pub fn start(flags: &[&str]) -> Daemon {
        let mut all = flags.to_vec();
        if !flags.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        let listeners = all.iter().filter(|flag| **flag == "--listen").count();
        Daemon::spawn(chatd_command(&all), listeners)
    }

    /// As [`Daemon::start`], where a [`Pair`](super::Pair) is to talk all the time.
    pub fn start_for_talk(flags: &[&str]) -> Daemon {
        Daemon::start(&[&super::ROOM_TO_TALK, flags].concat())
    }

    /// Starts this command (made by [`chatd_command`]) and waits until its log told of so many
    /// `listening on ADDR:PORT`.
    pub fn spawn(mut command: Command, listeners: usize) -> Daemon {
        // Crowds of several tests share the files of this process.
        raise_own_files_max();
        let mut child = command.spawn().expect("starting chatd");
        let log = Lines::of(child.stderr.take().expect("standard error is piped"));
        // A test that gave it another standard output looks there itself.
        let output = match child.stdout.take() {
            Some(output) => Lines::of(output),
            None => Lines::of(std::io::empty()),
        };
        let mut daemon = Daemon {
            child,
            log,
            output,
            addresses: Vec::new(),
        };
        daemon.addresses = daemon
            .log
            .wait("chatd to listen", |lines| {
                let found: Vec<_> = lines.iter().filter_map(|line| listening(line)).collect();
                (found.len() >= listeners).then_some(found)
            })
            .to_vec();
        daemon
    }

    /// Where it listens (the first place, if there are several).
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Everywhere it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    // Clients.

    /// A connection that has said nothing yet.
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// A connection that gave this name and has read its welcome (its line itself, not the
    /// history that may follow).
    #[track_caller]
    pub fn join(&self, name: &str) -> Client {
        let mut client = self.connect();
        client.say(name);
        client.expect_prefix(&format!("* welcome to lobby, {name} ("));
        client
    }

    /// A connection that will speak JSON lines and has said nothing yet.
    pub fn program(&self) -> Program {
        Program::over(self.connect())
    }

    /// A program that has taken this name and entered these rooms, and has read all it was told on
    /// the way.
    #[track_caller]
    pub fn enter(&self, name: &str, rooms: &[&str]) -> Program {
        let mut program = self.program();
        program.enter(name, rooms);
        program
    }

    /// These names join one after the other, as the first in the lobby of an empty server; each
    /// has read the `joined` of those that came later, so nothing is on its way to anybody.
    #[track_caller]
    pub fn join_all<const N: usize>(&self, names: [&str; N]) -> [Client; N] {
        let mut clients: Vec<Client> = Vec::with_capacity(N);
        for name in names {
            let newcomer = self.join(name);
            let here = clients.len() + 1;
            for client in &mut clients {
                client.expect_line(&format!("* {name} joined ({here} here)"));
            }
            clients.push(newcomer);
        }
        let Ok(clients) = clients.try_into() else {
            unreachable!("one client for each name")
        };
        clients
    }

    /// So many connections at once, named `PREFIX0`, `PREFIX1` …, each of which has read its
    /// welcome; what came behind that is still to be read.
    #[track_caller]
    pub fn crowd(&self, prefix: &str, count: usize) -> Vec<Client> {
        let mut clients: Vec<Client> = (0..count).map(|_| self.connect()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            client.say(&format!("{prefix}{number}"));
        }
        for client in &mut clients {
            client.expect_welcome();
        }
        clients
    }

    /// Lets the server's clock go on by the 300 ms after which it prompts a silent connection, if
    /// it was started with [`ONLY_PEOPLE`].
    ///
    /// [`ONLY_PEOPLE`]: super::ONLY_PEOPLE
    pub fn pass_prompt_time(&self) {
        self.connect().expect_line(PROMPT);
    }

    /// Waits until all connections before this call have been accepted: one that came after them
    /// presses Enter and is told what to do.
    pub fn pass_accepting(&self) {
        let mut last = self.connect();
        last.say("");
        last.expect_line(PROMPT);
    }

    // Log, output, input.

    /// The log so far: one entry for each line on standard error.
    pub fn log_lines(&self) -> Vec<String> {
        self.log.all()
    }

    /// All of the log, once the process has ended.
    pub fn log_lines_until_end(&self) -> Vec<String> {
        self.log.all_until_end()
    }

    /// Waits for the first line of the log that holds all of these parts, and gives it.
    #[track_caller]
    pub fn expect_log(&self, parts: &[&str]) -> String {
        self.log.wait_for(parts)
    }

    /// Waits for the first line on standard output that holds all of these parts, and gives it.
    #[track_caller]
    pub fn expect_output(&self, parts: &[&str]) -> String {
        self.output.wait_for(parts)
    }

    /// Asks for the line of statistics, and gives it.
    #[track_caller]
    pub fn statistics(&self) -> String {
        let is_one = |line: &&String| line.contains("statistics: ");
        let before = self.log_lines().iter().filter(is_one).count();
        self.signal(Signal::USR1);
        self.log.wait("the statistics", |lines| {
            lines.iter().filter(is_one).nth(before).cloned()
        })
    }

    /// The number behind these words in the line of statistics as it stands now.
    #[track_caller]
    pub fn statistic(&self, words: &str) -> u64 {
        let line = self.statistics();
        let (_, rest) = line.split_once(words).expect("these words");
        let digits: String = rest
            .trim_start()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().expect("a number")
    }

    /// Closes a connection that the server has ended, and waits until the server has forgotten it:
    /// its socket is closed on both sides, and the log has said so.
    #[track_caller]
    pub fn expect_log_of_end(&self, client: Client) -> String {
        let address = client.address().to_string();
        drop(client);
        self.expect_log(&["end ", &address])
    }

    /// Its standard output so far.
    pub fn output_lines(&self) -> Vec<String> {
        self.output.all()
    }

    /// Ends its standard input.
    pub fn close_input(&mut self) {
        self.child.stdin = None;
    }

    /// Types one line on its standard input (for `--console`).
    pub fn type_line(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("standard input is piped");
        writeln!(input, "{line}").expect("the daemon reads its standard input");
    }

    // Signals and the end.

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the daemon can be signalled");
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether it still runs after so long.
    pub fn runs_for(&self, duration: Duration) -> bool {
        !ends_within(&self.child, duration)
    }

    /// Waits for its end, at most so long, and gives its status. After that the log and the output
    /// are complete.
    #[track_caller]
    pub fn expect_exit(&mut self, patience: Duration) -> ExitStatus {
        let status = wait_for_exit(&mut self.child, patience);
        self.log.all_until_end();
        self.output.all_until_end();
        status
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log.all_until_end();
        if std::thread::panicking() {
            /// Lines of the log's end that help.
            const SHOWN_LINES: usize = 60;
            let shown = &log[log.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("log of chatd:\n  {}", shown.join("\n  "));
        } else {
            let panicked = log.iter().any(|line| line.contains("panicked at"));
            assert!(!panicked, "chatd panicked: {log:#?}");
        }
    }
}

/// What a `chatd` left behind that ended by itself.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All of its standard output.
    pub output: String,
    /// All of its standard error.
    pub errors: String,
    /// From the start of the process to its end.
    pub took: Duration,
}

/// Runs a command that is expected to end by itself (made by [`chatd_command`]).
#[track_caller]
pub fn run_to_end(mut command: Command) -> Finished {
    let start = Instant::now();
    let mut child = command.spawn().expect("starting chatd");
    let errors = Lines::of(child.stderr.take().expect("standard error is piped"));
    let output = Lines::of(child.stdout.take().expect("standard output is piped"));
    let status = wait_for_exit(&mut child, PATIENCE);
    Finished {
        code: status.code(),
        took: start.elapsed(),
        output: output.all_until_end().join("\n"),
        errors: errors.all_until_end().join("\n"),
    }
}

/// Waits with a deadline, which std cannot. Kills a child that does not end, and panics.
#[track_caller]
fn wait_for_exit(child: &mut Child, patience: Duration) -> ExitStatus {
    if !ends_within(child, patience) {
        let _ = child.kill();
        let _ = child.wait();
        panic!("chatd did not end within {patience:?}");
    }
    child.wait().expect("the status of an ended process")
}

/// `ADDR:PORT` of a log line that says `listening on ADDR:PORT`.
fn listening(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The lines of one stream of the process, collected by a thread of its own.
struct Lines(Arc<(Mutex<Collected>, Condvar)>);

#[derive(Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Lines {
        let lines = Lines(Arc::default());
        let shared = Arc::clone(&lines.0);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                shared.0.lock().expect("no poison").lines.push(line);
                shared.1.notify_all();
            }
            shared.0.lock().expect("no poison").ended = true;
            shared.1.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.0.lock().expect("no poison")
    }

    fn all(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// All there will ever be: the process has ended.
    fn all_until_end(&self) -> Vec<String> {
        let (lines, _) = self
            .0
            .1
            .wait_timeout_while(self.lock(), PATIENCE, |collected| !collected.ended)
            .expect("no poison");
        lines.lines.clone()
    }

    #[track_caller]
    fn wait_for(&self, parts: &[&str]) -> String {
        let holds = |line: &&String| parts.iter().all(|part| line.contains(part));
        self.wait(&format!("a line with {parts:?}"), |lines| {
            lines.iter().find(holds).cloned()
        })
    }

    /// Waits until `find` finds something; it sees all lines each time.
    #[track_caller]
    fn wait<T>(&self, wanted: &str, find: impl Fn(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut collected = self.lock();
        loop {
            if let Some(found) = find(&collected.lines) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let (ended, lines) = (collected.ended, &collected.lines);
            if ended || left.is_zero() {
                let lines = lines.join("\n  ");
                drop(collected);
                panic!("waited for {wanted}, ended: {ended}, but there was only:\n  {lines}");
            }
            (collected, _) = self.0.1.wait_timeout(collected, left).expect("no poison");
        }
    }
}
