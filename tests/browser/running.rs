//! [`Running`]: the process of a browser with a profile of its own, both gone when its test ends; and
//! [`Wire`]: what it is told and asked over a WebSocket. Chromium's DevTools protocol and WebDriver BiDi
//! have that much in common; what is said there is theirs to know (`devtools`, `firefox`).

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::common::process::ends_within;

/// How long a browser may take for anything, which on a busy machine is long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One runs at a time.
static TURN: Mutex<()> = Mutex::new(());
static PROFILES: AtomicU32 = AtomicU32::new(0);

/// See the file.
pub struct Running {
    child: Child,
    profile: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Running {
    /// Starts the program that this variable names, or else the first of these names that there is;
    /// `arguments` is told where the profile will be. Says why if there is none.
    pub fn start(
        variable: &str,
        names: &[&str],
        arguments: impl FnOnce(&Path) -> Vec<String>,
    ) -> Option<Running> {
        let Some(program) = program(variable, names) else {
            println!("skipped: there is no browser: none of {names:?}, and {variable} is not set");
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let number = PROFILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("chatd-browser-{}-{number}", std::process::id());
        let profile = std::env::temp_dir().join(name);
        fs::create_dir(&profile).expect("a profile that nobody has used");
        let child = Command::new(&program)
            .args(arguments(&profile))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {program}: {error}"));
        Some(Running {
            child,
            profile,
            _turn: turn,
        })
    }

    /// Waits for what it writes into a file of its profile.
    pub fn written<T>(&self, file: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(self.profile.join(file)).unwrap_or_default();
            if let Some(found) = find(&text) {
                return found;
            }
            assert!(Instant::now() < deadline, "the browser did not start");
            thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It was told to end: its other processes then have written their last.
        if !ends_within(&self.child, PATIENCE) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        // Processes of its own may still write as they end.
        let deadline = Instant::now() + PATIENCE;
        while fs::remove_dir_all(&self.profile).is_err()
            && self.profile.exists()
            && Instant::now() < deadline
        {
            thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn program(variable: &str, names: &[&str]) -> Option<String> {
    if let Ok(program) = std::env::var(variable) {
        return Some(program);
    }
    let paths = std::env::var_os("PATH")?;
    let paths: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let is_there = |name: &&&str| paths.iter().any(|path| path.join(name).is_file());
    names.iter().find(is_there).map(|name| (*name).to_owned())
}

/// See the file.
pub struct Wire {
    socket: WebSocket<TcpStream>,
    calls: u64,
}

impl Wire {
    /// To this port of this machine.
    pub fn to(port: u16, path: &str) -> Wire {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tungstenite::client(url, stream).expect("the browser listens");
        Wire { socket, calls: 0 }
    }

    /// Sends a call (it gets its number here) and gives the answer to it; what comes before is an event.
    pub fn call(&mut self, mut call: Value, mut event: impl FnMut(&Value)) -> Value {
        self.calls += 1;
        call["id"] = json!(self.calls);
        let text = Message::text(call.to_string());
        self.socket.send(text).expect("the browser takes a call");
        loop {
            let message = self.socket.read().expect("the browser answers");
            let heard: Value = serde_json::from_slice(&message.into_data()).expect("JSON");
            if heard["id"] == self.calls {
                return heard;
            }
            event(&heard);
        }
    }

    /// Sends the last call and waits for the end: so its other processes end in good order too.
    pub fn end(&mut self, method: &str) {
        let close = json!({"id": 0, "method": method, "params": {}}).to_string();
        if self.socket.send(Message::text(close)).is_ok() {
            while self.socket.read().is_ok() {}
        }
    }
}
