//! [`Firefox`]: one with a new profile and one page, spoken to by WebDriver BiDi. It knows nothing of the
//! page that is in it. Owned by the test that started it, killed when that ends.

use std::time::Instant;

use serde_json::{Value, json};

use super::running::{PATIENCE, Running, Wire};

const NAMES: [&str; 2] = ["firefox", "firefox-esr"];

/// Of WebDriver: the key Enter.
const ENTER: &str = "\u{e007}";

/// A running Firefox.
pub struct Firefox {
    wire: Wire,
    /// The tab it began with.
    context: Value,
    _running: Running,
}

impl Firefox {
    /// Starts one that opens this address by itself, as when a person follows a link and had none
    /// running; or says why not.
    pub fn start_at(url: &str) -> Option<Firefox> {
        let running = Running::start("CHATD_FIREFOX", &NAMES, |profile| {
            let profile = profile.display().to_string();
            let flags = ["--headless", "--remote-debugging-port=0", "--no-remote"];
            let all = [&flags[..], &["--profile", &*profile, url]].concat();
            all.into_iter().map(str::to_owned).collect()
        })?;
        let port = running.written("WebDriverBiDiServer.json", |text| {
            let written: Value = serde_json::from_str(text).ok()?;
            written["ws_port"].as_u64()?.try_into().ok()
        });
        let mut firefox = Firefox {
            wire: Wire::to(port, "/session"),
            context: Value::Null,
            _running: running,
        };
        firefox.call("session.new", json!({"capabilities": {}}));
        let tree = firefox.call("browsingContext.getTree", json!({"maxDepth": 0}));
        firefox.context = tree["contexts"][0]["context"].clone();
        Some(firefox)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        let mut answer = self.try_call(method, parameters);
        assert_eq!(answer["type"], "success", "{method}: {answer}");
        answer["result"].take()
    }

    fn try_call(&mut self, method: &str, parameters: Value) -> Value {
        let call = json!({"method": method, "params": parameters});
        self.wire.call(call, |_| ())
    }

    /// What an expression is, with the answer around it; an error where the tab goes elsewhere.
    fn try_eval(&mut self, expression: &str) -> Value {
        let target = json!({"context": self.context});
        let call = json!({"expression": expression, "target": target, "awaitPromise": true});
        self.try_call("script.evaluate", call)
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let look = format!(
            "new Promise((done) => {{ const end = Date.now() + 2000; (function look() {{
                let is = false; try {{ is = {expression}; }} catch {{}}
                is || Date.now() > end ? done(!!is) : setTimeout(look, 20); }})(); }})"
        );
        let deadline = Instant::now() + PATIENCE;
        while self.try_eval(&look)["result"]["result"]["value"] != true {
            let text = "`${location.href}\\n${document.body?.innerText}`";
            assert!(
                Instant::now() < deadline,
                "waited for {expression}, but there is: {}",
                self.try_eval(text)
            );
        }
    }

    /// Types a line into what has the focus, key by key, and presses Enter.
    pub fn say(&mut self, text: &str) {
        let keys = text.chars().map(String::from).chain([ENTER.to_owned()]);
        let strokes: Vec<Value> = keys
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes});
        let call = json!({"context": self.context, "actions": [keyboard]});
        self.call("input.performActions", call);
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        self.wire.end("browser.close");
    }
}
