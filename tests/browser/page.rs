//! [`Page`]: the page in a browser, with the hands of a person: typing, keys, clicks; and what there is
//! to be seen. It holds no expectation of a single test.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use super::devtools::Browser;

pub const IS_UP: &str = "document.querySelector('#link').dataset.state === 'up'";
pub const IS_LOST: &str = "document.querySelector('#link').dataset.state !== 'up'";
pub const NOTHING_UNSENT: &str = "document.querySelectorAll('#unsent > *').length === 0";

/// The page, at a server.
pub struct Page(Browser);

impl Deref for Page {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.0
    }
}

impl DerefMut for Page {
    fn deref_mut(&mut self) -> &mut Browser {
        &mut self.0
    }
}

impl Page {
    /// Opens the page of the server at this address; `None` where there is no browser.
    pub fn open(server: SocketAddr) -> Option<Page> {
        Page::open_with(&format!("http://{server}/"), &[])
    }

    /// Opens the page at this address, in a browser with these flags.
    pub fn open_with(url: &str, flags: &[&str]) -> Option<Page> {
        let mut page = Page(Browser::start(flags)?);
        page.size(1280, 800);
        page.go(url);
        Some(page)
    }

    /// Opens it and comes in under this name.
    pub fn enter(server: SocketAddr, name: &str) -> Option<Page> {
        let mut page = Page::open(server)?;
        page.give_name(name);
        page.wait(IS_UP);
        Some(page)
    }

    /// Gives a name at the door.
    pub fn give_name(&mut self, name: &str) {
        self.wait("!document.querySelector('#door').hidden");
        self.eval("document.querySelector('#name').select()");
        self.say(name);
    }

    /// Changes the size of the window; a narrow one is a phone's.
    pub fn size(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Asks for the dark or the light of it.
    pub fn scheme(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Types into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        self.press_with(key, 0);
    }

    /// Presses a key with others held: 1 is Alt, 2 Control, 8 Shift.
    pub fn press_with(&mut self, key: &str, modifiers: u32) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            "ArrowUp" => (38, ""),
            "ArrowDown" => (40, ""),
            " " => (32, " "),
            "x" => (88, "x"),
            other => panic!("no code for {other}"),
        };
        let mut event = json!({"type": "keyDown", "key": key, "code": key, "modifiers": modifiers,
            "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", event.clone());
        event["type"] = json!("keyUp");
        event["text"] = json!("");
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Types a line and presses Enter.
    pub fn say(&mut self, text: &str) {
        self.type_text(text);
        self.press("Enter");
    }

    /// Presses Tab until something has the focus that this selector describes.
    #[track_caller]
    pub fn tab_to(&mut self, selector: &str) {
        for _ in 0..40 {
            if self.is(&format!("document.activeElement.matches('{selector}')")) {
                return;
            }
            self.press("Tab");
        }
        panic!("Tab does not lead to {selector}");
    }

    /// Clicks on what this selector describes.
    pub fn click(&mut self, selector: &str) {
        self.eval(&format!("document.querySelector('{selector}').click()"));
    }

    /// Whether an expression is true now.
    pub fn is(&mut self, expression: &str) -> bool {
        self.eval(&format!("!!({expression})")) == json!(true)
    }

    /// What stands in the field.
    pub fn field(&mut self) -> String {
        self.string("document.querySelector('#text').value")
    }

    /// An expression that is a string.
    pub fn string(&mut self, expression: &str) -> String {
        let value = self.eval(expression);
        value
            .as_str()
            .unwrap_or_else(|| panic!("{expression}: {value}"))
            .to_owned()
    }

    /// The texts that stand in the room, oldest first.
    pub fn texts(&mut self) -> Vec<String> {
        let texts =
            self.eval("[...document.querySelectorAll('#lines .said p')].map((p) => p.textContent)");
        texts
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    /// Waits until this text stands in the room.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let text = json!(text);
        self.wait(&format!(
            "[...document.querySelectorAll('#lines .line')].some((line) => line.textContent.includes({text}))"
        ));
    }

    /// Nothing in it was wrong, and its policy had to forbid nothing.
    #[track_caller]
    pub fn expect_no_complaints(&mut self) {
        let complaints = self.take_complaints();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
