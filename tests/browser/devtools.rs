//! [`Browser`]: one Chromium with one tab, spoken to in its DevTools protocol over a WebSocket. It knows
//! nothing of the page that is in it. Owned by the test that started it, killed when that ends.

use std::time::Instant;

use serde_json::{Value, json};

use super::running::{PATIENCE, Running, Wire};

/// The usual names, tried in this order.
const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

const FLAGS: [&str; 8] = [
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--mute-audio",
];

/// A running browser.
pub struct Browser {
    wire: Wire,
    session: String,
    /// What the tab complained about: exceptions, and what its policy forbade.
    complaints: Vec<String>,
    _running: Running,
}

impl Browser {
    /// Starts one with these flags beside the usual ones, or says why not.
    pub fn start(flags: &[&str]) -> Option<Browser> {
        let running = Running::start("CHATD_BROWSER", &NAMES, |profile| {
            let profile = format!("--user-data-dir={}", profile.display());
            let all = [&FLAGS, flags, &[&*profile, "about:blank"]].concat();
            all.into_iter().map(str::to_owned).collect()
        })?;
        // It writes down port and path when it is ready.
        let (port, path) = running.written("DevToolsActivePort", |text| {
            let (port, path) = text.split_once('\n')?;
            (!path.is_empty()).then(|| (port.parse().expect("a port"), path.trim().to_owned()))
        });
        let mut browser = Browser {
            wire: Wire::to(port, &path),
            session: String::new(),
            complaints: Vec::new(),
            _running: running,
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
        let mut call = json!({"method": method, "params": parameters});
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        let complaints = &mut self.complaints;
        self.wire
            .call(call, |event| complaints.extend(complaint(event)))
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
        self.wire.end("Browser.close");
    }
}

/// What an event complains of, if it does.
fn complaint(event: &Value) -> Option<String> {
    let entry = &event["params"]["entry"];
    let is_complaint = match event["method"].as_str() {
        Some("Runtime.exceptionThrown") => true,
        // That a server is not there is what some tests are about.
        Some("Log.entryAdded") => entry["level"] == "error" && entry["source"] != "network",
        _ => false,
    };
    is_complaint.then(|| event["params"].to_string())
}
