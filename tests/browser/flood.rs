//! D47: a room in which 10,000 lines a second are said. The page draws what it can, stays small, and
//! whoever types sees it at once.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::common::Daemon;
use super::page::{IS_UP, Page};

const SECONDS: u32 = 4;
const LINES_AT_ONCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);
const LINES: u32 = SECONDS * 100 * LINES_AT_ONCE;

/// What a person waits for a picture without noticing, in milliseconds.
const UNNOTICED: f64 = 100.0;

#[test]
fn d47_a_flood_leaves_the_page_usable() {
    let chatd = Daemon::start(&["--rate", "0"]);
    let Some(mut page) = Page::enter(chatd.address(), "ann") else {
        return;
    };
    // From a key to the picture that shows it.
    page.eval(
        "window.took = []; document.querySelector('#text').addEventListener('keydown', ({ timeStamp }) =>
            requestAnimationFrame(() => { const drawn = new MessageChannel();
                drawn.port1.onmessage = () => took.push(performance.now() - timeStamp);
                drawn.port2.postMessage(0); })); 0",
    );
    let flood = flood(chatd.address());
    let flooded = type_until(&mut page, |_| flood.is_finished());
    flood.join().unwrap();
    page.expect(&format!("line {} of a flood", LINES - 1));
    page.wait(&format!(
        "{IS_UP} && document.querySelectorAll('#lines > *').length === 1000"
    ));
    let quiet = type_until(&mut page, |keys| keys == 20);
    println!("from a key to its picture: {flooded:?} in the flood, {quiet:?} behind it");
    // Where others use the machine, all of it takes longer.
    assert!(
        flooded.median <= UNNOTICED.max(20.0 * quiet.median),
        "{flooded:?}, {quiet:?}"
    );
    assert_eq!(page.field().len(), flooded.keys + quiet.keys);
    page.expect_no_complaints();
}

/// In milliseconds.
#[derive(Debug)]
#[allow(dead_code, reason = "all of it is shown")]
struct Took {
    keys: usize,
    median: f64,
    worst: f64,
}

/// Types, each key when the one before it is to be seen.
fn type_until(page: &mut Page, is_enough: impl Fn(usize) -> bool) -> Took {
    page.eval("took.length = 0");
    let mut keys = 0;
    while keys == 0 || !is_enough(keys) {
        page.press("x");
        keys += 1;
        page.wait(&format!("took.length === {keys}"));
        assert!(page.is("document.querySelectorAll('#lines > *').length <= 1000"));
    }
    let took = page.eval("took.sort((a, b) => a - b)");
    let took: Vec<f64> = took
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    Took {
        keys,
        median: took[keys / 2],
        worst: took[keys - 1],
    }
}

/// Somebody says 10,000 lines a second, if the machine can.
fn flood(server: SocketAddr) -> JoinHandle<()> {
    let mut stream = TcpStream::connect(server).unwrap();
    let mut sink = stream.try_clone().unwrap();
    thread::spawn(move || while sink.read(&mut [0; 1 << 16]).is_ok_and(|read| read > 0) {});
    thread::spawn(move || {
        let mut lines = b"{\"do\":\"enter\",\"name\":\"fay\"}\n".to_vec();
        let start = Instant::now();
        for number in 0..LINES {
            let text = format!("line {number} of a flood");
            let line = json!({"do": "say", "room": "lobby", "text": text});
            writeln!(lines, "{line}").unwrap();
            if (number + 1).is_multiple_of(LINES_AT_ONCE) {
                stream.write_all(&lines).unwrap();
                lines.clear();
                let due = start + PAUSE * ((number + 1) / LINES_AT_ONCE);
                while Instant::now() < due {
                    thread::park_timeout(due.saturating_duration_since(Instant::now()));
                }
            }
        }
        stream.shutdown(Shutdown::Write).unwrap();
    })
}
