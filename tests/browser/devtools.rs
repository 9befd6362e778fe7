//! [`Browser`]: one Chromium with one tab, spoken to in its DevTools protocol over a WebSocket. It knows
//! nothing of the page that is in it. Owned by the test that started it, killed when that ends.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// How long a browser may take for anything, which on a busy machine is long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The usual names, tried in this order.
const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

/// One runs at a time.
static TURN: Mutex<()> = Mutex::new(());
static PROFILES: AtomicU32 = AtomicU32::new(0);

/// A running browser.
pub struct Browser {
    child: Child,
    profile: PathBuf,
    socket: WebSocket<TcpStream>,
    session: String,
    calls: u64,
    /// What the tab complained about: exceptions, and what its policy forbade.
    complaints: Vec<String>,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts one, or says why not.
    pub fn start() -> Option<Browser> {
        let Some(program) = program() else {
            println!(
                "skipped: there is no browser: none of {NAMES:?}, and CHATD_BROWSER is not set"
            );
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let number = PROFILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("chatd-browser-{}-{number}", std::process::id());
        let profile = std::env::temp_dir().join(name);
        let child = Command::new(&program)
            .args([
                "--headless=new",
                "--remote-debugging-port=0",
                "--no-first-run",
                "--no-sandbox",
            ])
            .args([
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--mute-audio",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {program}: {error}"));
        let (port, path) = door(&profile);
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("its DevTools");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://127.0.0.1:{port}{path}");
        let (socket, _) = tungstenite::client(url, stream).expect("its DevTools");
        let mut browser = Browser {
            child,
            profile,
            socket,
            session: String::new(),
            calls: 0,
            complaints: Vec::new(),
            _turn: turn,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.call(
            "Emulation.setFocusEmulationEnabled",
            json!({"enabled": true}),
        );
        Some(browser)
    }

    /// Calls a method and gives its result.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        let mut answer = self.try_call(method, parameters);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    fn try_call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": parameters});
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        let text = Message::text(call.to_string());
        self.socket.send(text).expect("the browser takes a call");
        loop {
            let message = self.socket.read().expect("the browser answers");
            let heard: Value = serde_json::from_slice(&message.into_data()).expect("JSON");
            if heard["id"] == self.calls {
                return heard;
            }
            self.note(&heard);
        }
    }

    fn note(&mut self, event: &Value) {
        let entry = &event["params"]["entry"];
        let is_complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            // That a server is not there is what some tests are about.
            Some("Log.entryAdded") => entry["level"] == "error" && entry["source"] != "network",
            _ => false,
        };
        if is_complaint {
            self.complaints.push(event["params"].to_string());
        }
    }

    /// Goes to an address and waits until all of it is there.
    pub fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// What an expression is; a promise is waited for.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        let answer = self.try_eval(expression);
        let result = &answer["result"];
        assert!(
            result["result"].is_object() && result.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        result["result"]["value"].clone()
    }

    fn try_eval(&mut self, expression: &str) -> Value {
        let call = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        self.try_call("Runtime.evaluate", call)
    }

    /// Waits until an expression is true. It is looked at in the browser, 50 times a second.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let look = format!(
            "new Promise((done) => {{ const end = Date.now() + 5000; (function look() {{
                let is = false; try {{ is = {expression}; }} catch {{}}
                is || Date.now() > end ? done(!!is) : setTimeout(look, 20); }})(); }})"
        );
        let deadline = Instant::now() + PATIENCE;
        // Where the tab goes elsewhere meanwhile, there is an error instead of an answer.
        while self.try_eval(&look)["result"]["result"]["value"] != true {
            assert!(
                Instant::now() < deadline,
                "waited for {expression}, but there is:\n{}",
                self.text()
            );
        }
    }

    /// All that is to be read, for messages.
    fn text(&mut self) -> String {
        let text = self.eval("document.body?.innerText ?? ''");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// What the tab complained about since the last time.
    pub fn take_complaints(&mut self) -> Vec<String> {
        // What is on its way comes before the answer to this.
        self.eval("1");
        std::mem::take(&mut self.complaints)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // In good order first: so its other processes end too.
        self.session.clear();
        let close = json!({"id": 0, "method": "Browser.close"}).to_string();
        if self.socket.send(Message::text(close)).is_ok() {
            while self.socket.read().is_ok() {}
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

fn program() -> Option<String> {
    if let Ok(program) = std::env::var("CHATD_BROWSER") {
        return Some(program);
    }
    let paths = std::env::var_os("PATH")?;
    let paths: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let is_there = |name: &&str| paths.iter().any(|path| path.join(name).is_file());
    NAMES.into_iter().find(is_there).map(str::to_owned)
}

/// Port and path of its DevTools, as it writes them down when it is ready.
fn door(profile: &std::path::Path) -> (u16, String) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(profile.join("DevToolsActivePort")).unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n')
            && !path.is_empty()
        {
            return (port.parse().expect("a port"), path.trim().to_owned());
        }
        assert!(Instant::now() < deadline, "the browser did not start");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
