//! The servers that the generator starts and ends: chatd, redis-server, the raw ceiling;
//! each its own process on the server's core. A server that runs already is only spoken to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::experiment::Entry;
use crate::fault::Fault;
use crate::frame::Contender;
use crate::machine::{Cores, Process};
use crate::options::Options;

/// How long a server may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines of a server's own words that are kept, for when it fails.
const WORDS_LINES_MAX: usize = 20;

/// A server to measure; one that was started here is ended when this goes out of scope.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Whose CPU time and memory are read, if known.
    pub(crate) process: Option<Process>,
    child: Option<Child>,
    words: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Starts the server of this entry with room for its workload, or finds the one named by
    /// `--target`.
    pub(crate) fn start(entry: &Entry, options: &Options, cores: &Cores) -> Result<Server, Fault> {
        let (contender, workload) = (entry.contender, &entry.workload);
        let connections = workload.connections + workload.stalled;
        let publishers = workload.senders * workload.rooms;
        match (contender, options.target) {
            (Contender::Chatd, Some(address)) if !entry.is_before => Ok(Server {
                address,
                process: options.target_pid.map(|id| Process { id }),
                child: None,
                words: Arc::default(),
            }),
            (Contender::Chatd, _) => start_chatd(connections, entry, options, cores),
            (Contender::Redis, _) => start_redis(connections + publishers, cores),
            (Contender::RawBlast, _) => start_raw("blast", connections, options, cores),
            (Contender::RawRelay, _) => start_raw("relay", connections, options, cores),
            (Contender::RawSealed, _) => start_raw("sealed", connections, options, cores),
            (Contender::RawRustls, _) => start_raw("rustls", connections, options, cores),
            (Contender::RustlsAlone, _) => Ok(Server {
                address: SocketAddr::from(([0, 0, 0, 0], 0)),
                process: None,
                child: None,
                words: Arc::default(),
            }),
        }
    }

    /// The last words of the server, for when a run failed.
    pub(crate) fn last_words(&self) -> String {
        let words = self.words.lock().map(|words| words.clone());
        let words: Vec<String> = words.unwrap_or_default().into();
        words.join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; then there is nothing left to end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether redis-server can be started here.
pub(crate) fn has_redis() -> bool {
    let version = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

fn start_chatd(
    connections: usize,
    entry: &Entry,
    options: &Options,
    cores: &Cores,
) -> Result<Server, Fault> {
    let own = env!("CARGO_BIN_EXE_chatd");
    let given = match entry.is_before {
        true => &options.before,
        false => &options.server,
    };
    let program = given.clone().unwrap_or_else(|| own.into());
    let mut command = Command::new(program);
    command
        .args(["--listen", "127.0.0.1:0", "--rate", "0", "--max-clients"])
        .arg((connections + 64).to_string())
        .args(options.server_arg.iter().filter(|_| !entry.is_before))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = spawn(command, cores)?;
    let words = child.stderr.take().expect("standard error is piped");
    await_address(child, words)
}

fn start_raw(
    role: &str,
    connections: usize,
    options: &Options,
    cores: &Cores,
) -> Result<Server, Fault> {
    let own = std::env::current_exe().map_err(Fault::io("finding this program"))?;
    let mut command = Command::new(own);
    command
        .args(["--bench", "--raw-server", role, "--connections"])
        .arg(connections.to_string())
        .arg("--raw-send-bytes")
        .arg(options.raw_send_bytes.to_string())
        .stdout(Stdio::piped());
    let mut child = spawn(command, cores)?;
    let words = child.stdout.take().expect("standard output is piped");
    await_address(child, words)
}

fn start_redis(connections: usize, cores: &Cores) -> Result<Server, Fault> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.map_err(Fault::io("finding a free port"))?;
    let mut command = Command::new("redis-server");
    command
        .args(["--bind", "127.0.0.1", "--port"])
        .arg(address.port().to_string())
        // Bound to loopback it needs no password, though clients come from 127.0.1.x.
        .args(["--protected-mode", "no", "--save", "", "--appendonly", "no"])
        .args(["--tcp-backlog", "4096"])
        .args(["--client-output-buffer-limit", "pubsub 0 0 0"])
        .arg("--maxclients")
        .arg((connections + 64).to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = spawn(command, cores)?;
    let server = Server {
        address,
        process: Some(Process { id: child.id() }),
        child: Some(child),
        words: Arc::default(),
    };
    let deadline = Instant::now() + START_TIMEOUT;
    while Instant::now() < deadline {
        if TcpStream::connect(address).is_ok() {
            return Ok(server);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(Fault::NoServer("redis-server does not listen".into()))
}

fn spawn(mut command: Command, cores: &Cores) -> Result<Child, Fault> {
    command.stdin(Stdio::null());
    let program = command.get_program().to_string_lossy().into_owned();
    cores
        .on_server_core(|| command.spawn())
        .map_err(Fault::io(format!("starting {program}")))
}

/// Waits for `listening on ADDR:PORT` and goes on reading, so that the server never waits for us.
fn await_address(child: Child, source: impl Read + Send + 'static) -> Result<Server, Fault> {
    let words: Arc<Mutex<VecDeque<String>>> = Arc::default();
    let (found, awaited) = mpsc::channel();
    let kept = Arc::clone(&words);
    thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("listening on ") {
                let word = rest.split_whitespace().next().unwrap_or_default();
                // Nobody waits any more for the address of a second listener.
                let _ = found.send(word.parse());
            }
            let Ok(mut kept) = kept.lock() else { return };
            kept.push_back(line);
            if kept.len() > WORDS_LINES_MAX {
                kept.pop_front();
            }
        }
    });
    let mut server = Server {
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        process: Some(Process { id: child.id() }),
        child: Some(child),
        words,
    };
    match awaited.recv_timeout(START_TIMEOUT) {
        Ok(Ok(address)) => {
            server.address = address;
            Ok(server)
        }
        _ => Err(Fault::NoServer(format!(
            "the server did not say where it listens; its last words:\n{}",
            server.last_words()
        ))),
    }
}
