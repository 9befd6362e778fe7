//! [`Pair`]: two healthy members who talk in the background while a test does harm to the server,
//! and hold every line they hear against what a conversation must keep. A test that has one shows
//! that others are unharmed; it asserts no speed, but its figures can be read with `--nocapture`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::client::Heard;
use super::{Client, Daemon, News, PATIENCE, View};

/// Flags with which the two can talk all the time without being held back.
pub const ROOM_TO_TALK: [&str; 4] = ["--rate", "1000", "--burst", "1000"];

/// Two members of the lobby, `left` and `right`, and the thread in which they talk.
pub struct Pair {
    thread: Option<JoinHandle<Talk>>,
    orders: Arc<Orders>,
}

#[derive(Default)]
struct Orders {
    stop: AtomicBool,
    fault: AtomicBool,
    /// Lines that have reached the other.
    delivered: AtomicUsize,
}

/// So many lines at least before the fault, and as many since, so that the figures say something.
const LINES_MIN: usize = 20;

/// What the two have to say for themselves.
#[derive(Debug)]
pub struct Talk {
    /// How long each of their lines took to the other, before the fault and since.
    before: Vec<Duration>,
    during: Vec<Duration>,
    right: View,
}

impl Talk {
    /// All that both heard, in the order in which both heard it.
    pub fn events(&self) -> &[String] {
        self.right.events()
    }

    /// Who left, of those that both were told by name.
    pub fn leaves(&self) -> Vec<&str> {
        let news = self.events().iter().filter_map(|line| News::of(line));
        news.filter_map(|news| match news {
            News::Left { name, .. } => Some(name),
            News::Joined { .. } | News::Gathered { .. } => None,
        })
        .collect()
    }

    /// How many left, told by name or in a count.
    pub fn left(&self) -> usize {
        self.right.left()
    }

    /// How many are in the room, by joins less leaves.
    pub fn here(&self) -> usize {
        self.right.here()
    }
}

impl Pair {
    /// Lets both join and talk until [`Pair::finish`]. Whoever else speaks in the lobby and
    /// numbers its lines (`#1 …`, `#2 …`) has these checked too.
    #[track_caller]
    pub fn start(chatd: &Daemon) -> Pair {
        let (left, right) = (Member::join(chatd, "left"), Member::join(chatd, "right"));
        let orders: Arc<Orders> = Arc::default();
        let obeyed = Arc::clone(&orders);
        let thread = std::thread::spawn(move || talk(left, right, &obeyed));
        Pair {
            thread: Some(thread),
            orders,
        }
    }

    /// From here on the figures are those of the fault. Waits until the two are talking.
    pub fn fault_begins(&self) {
        let thread = self.thread.as_ref().expect("it is not finished");
        while self.orders.delivered.load(Ordering::Relaxed) < LINES_MIN && !thread.is_finished() {
            std::thread::yield_now();
        }
        self.orders.fault.store(true, Ordering::Relaxed);
    }

    /// Waits until both have heard all that was handled before this call. Floods wait for it:
    /// a test looks at each byte, and may be slower at that than the server is.
    pub fn hear_everything(&self) {
        let thread = self.thread.as_ref().expect("it is not finished");
        let delivered = self.orders.delivered.load(Ordering::Relaxed);
        // The round that is under way may have begun before.
        while self.orders.delivered.load(Ordering::Relaxed) < delivered + 4 {
            assert!(!thread.is_finished(), "the pair has come to grief");
            std::thread::yield_now();
        }
    }

    /// Both must have heard everything up to now, in one order; prints the figures.
    #[track_caller]
    pub fn finish(mut self, row: &str) -> Talk {
        self.orders.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is finished once");
        let talk = match thread.join() {
            Ok(talk) => talk,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        for (when, times) in [("before", &talk.before), ("during", &talk.during)] {
            eprintln!("{row}: delivery {when}: {}", figures(times));
        }
        talk
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.orders.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The test has failed already; the transcripts of both are printed there.
            let _ = thread.join();
        }
    }
}

struct Member {
    name: &'static str,
    client: Client,
    view: View,
    said: u64,
}

impl Member {
    #[track_caller]
    fn join(chatd: &Daemon, name: &'static str) -> Member {
        let mut client = chatd.connect();
        client.say(name);
        let welcome = client.expect_prefix(&format!("* welcome to lobby, {name} ("));
        Member {
            name,
            client,
            view: View::from_welcome(&welcome),
            said: 0,
        }
    }

    /// Says its next line, and how long that took to reach the other.
    fn tell(&mut self, other: &mut Member) -> Duration {
        self.said += 1;
        let line = format!("#{} and so on", self.said);
        let start = Instant::now();
        self.client.say(&line);
        other.hear_until(&format!("<{}> {line}", self.name));
        start.elapsed()
    }

    /// Hears everything up to this line.
    fn hear_until(&mut self, wanted: &str) {
        loop {
            match self.client.hear_for(PATIENCE) {
                Heard::Line(line) => {
                    self.view.hear(&line);
                    if line == wanted {
                        return;
                    }
                }
                other => panic!("wanted `{wanted}`, but: {other:?}"),
            }
        }
    }

    /// Hears what comes within a short while, so that the two do not keep a processor busy.
    fn hear_for_a_while(&mut self) {
        while let Heard::Line(line) = self.client.hear_for(Duration::from_millis(1)) {
            self.view.hear(&line);
            if self.client.has_line() {
                continue;
            }
            break;
        }
    }

    /// Hears on until it was told of everybody who came or went, gathered joins and leaves too:
    /// then those it knows of are as many as there are.
    fn hear_all(&mut self) {
        let start = Instant::now();
        loop {
            self.client.say("/who");
            let mut here = None;
            for line in self.client.lines_until_pong() {
                self.view.hear(&line);
                if let Some(answer) = line.strip_prefix("= ") {
                    let (count, _) = answer.split_once(" here: ").expect("who is here");
                    here = Some(count.parse::<usize>().expect("how many are here"));
                }
            }
            let here = here.expect("an answer");
            if self.view.here() == here {
                self.view.expect_all_announced();
                return;
            }
            let heard = self.view.here();
            assert!(start.elapsed() < PATIENCE, "{here} are here, {heard} told");
            if let Heard::Line(line) = self.client.hear_for(Duration::from_millis(200)) {
                self.view.hear(&line);
            }
        }
    }
}

fn talk(mut left: Member, mut right: Member, orders: &Orders) -> Talk {
    left.hear_until("* right joined (2 here)");
    let (mut before, mut during) = (Vec::new(), Vec::new());
    while !orders.stop.load(Ordering::Relaxed)
        || (orders.fault.load(Ordering::Relaxed) && during.len() < LINES_MIN)
    {
        let times = if orders.fault.load(Ordering::Relaxed) {
            &mut during
        } else {
            &mut before
        };
        times.push(left.tell(&mut right));
        times.push(right.tell(&mut left));
        orders.delivered.fetch_add(2, Ordering::Relaxed);
        left.hear_for_a_while();
    }
    left.hear_all();
    right.hear_all();
    let common = |view: &View| -> Vec<String> {
        let lines = view.events().iter();
        let mut lines: Vec<_> = lines
            .filter(|line| !line.starts_with("<left> ") && !line.starts_with("<right> "))
            .cloned()
            .collect();
        lines.retain(|line| line != "* right joined (2 here)");
        lines
    };
    let (by_left, by_right) = (common(&left.view), common(&right.view));
    // Others may go on while the two come to their ends.
    let both = by_left.len().min(by_right.len());
    assert!(by_left[..both] == by_right[..both], "two orders");
    Talk {
        before,
        during,
        right: right.view,
    }
}

fn figures(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let place = (sorted.len() as f64 * share) as usize;
        sorted.get(place.min(sorted.len().saturating_sub(1)))
    };
    match (at(0.5), at(0.99), sorted.last()) {
        (Some(half), Some(most), Some(all)) => {
            format!(
                "{} lines, p50 {half:?}, p99 {most:?}, max {all:?}",
                sorted.len()
            )
        }
        _ => "no line".into(),
    }
}
