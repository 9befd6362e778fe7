//! `Ledger`: what was sent on this link and has not been settled. It turns the return of an own
//! line into an acknowledgement with its round trip, and knows what has to be sent again when the
//! link is lost. Pure; owned by the session, which says what was sent and what came back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the protocol lets a line be unless a server was told otherwise.
const USUAL_LINE_BYTES_MAX: usize = 4096;
/// Own texts remembered in order to find them in a history again, and looked at in a history.
pub(super) const REMEMBERED_TEXTS_MAX: usize = 64;
/// Commands remembered; only a refusal of one that is too long asks for them.
const REMEMBERED_COMMANDS_MAX: usize = 256;

/// What a line that is sent asks of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It comes back to its sender: its return settles it.
    Message,
    /// It is answered by any number of lines; whatever is settled after it settles it too.
    Command,
    /// A command whose one answer is known: it settles everything before it.
    Barrier,
}

impl Kind {
    /// What a line typed by a user is. The server reads it in the same way.
    pub fn of(line: &str) -> Self {
        if line.starts_with('/') && !line.starts_with("//") {
            Kind::Command
        } else {
            Kind::Message
        }
    }
}

/// The text that a message line says: `//text` says `/text`.
fn said(line: &str) -> &str {
    match line.strip_prefix('/') {
        Some(rest) if rest.starts_with('/') => rest,
        _ => line,
    }
}

#[derive(Debug)]
struct Sent {
    line: String,
    kind: Kind,
    at: Instant,
}

/// See the file.
#[derive(Debug, Default)]
pub struct Ledger {
    unsettled: VecDeque<Sent>,
    messages: usize,
    progress_at: Option<Instant>,
    /// Own texts that the room has had, oldest first.
    placed: VecDeque<String>,
}

impl Ledger {
    /// A line goes out.
    pub fn sent(&mut self, line: String, kind: Kind, now: Instant) {
        if kind == Kind::Message {
            self.messages += 1;
        } else if self.unsettled.len() - self.messages >= REMEMBERED_COMMANDS_MAX {
            self.forget_oldest_command();
        }
        let at = now;
        self.unsettled.push_back(Sent { line, kind, at });
    }

    /// An own message came back, with this text. Its round trip, or `None` if none was out.
    pub fn returned(&mut self, text: &str, now: Instant) -> Option<Duration> {
        let index = self.position(Kind::Message)?;
        let sent = self.settle_up_to(index, now)?;
        self.remember(text);
        Some(now.saturating_duration_since(sent.at))
    }

    /// The barrier was answered.
    pub fn passed_barrier(&mut self, now: Instant) {
        if let Some(index) = self.position(Kind::Barrier) {
            self.settle_up_to(index, now);
        }
    }

    /// The server refused a line as too long: the first that is longer than the protocol's usual
    /// bound, or the longest, if the server has a lower one.
    pub fn refused_as_too_long(&mut self, now: Instant) {
        let bytes = |index: &usize| self.unsettled[*index].line.len();
        let mut all = 0..self.unsettled.len();
        let found = all
            .clone()
            .find(|index| bytes(index) > USUAL_LINE_BYTES_MAX)
            .or_else(|| all.by_ref().rev().max_by_key(bytes));
        self.remove(found);
        self.heard(now);
    }

    /// The server refused a line for any other reason. Refusals are for commands; only where none
    /// is out can it have been for a message.
    pub fn refused(&mut self, now: Instant) {
        let command = self.position(Kind::Command);
        self.remove(command.or_else(|| self.position(Kind::Message)));
        self.heard(now);
    }

    /// The server did something for us, though nothing was settled by it.
    pub fn heard(&mut self, now: Instant) {
        self.progress_at = Some(now);
    }

    /// Messages that have not come back.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Those messages, as they were sent, oldest first.
    pub fn unreturned(&self) -> impl Iterator<Item = &str> {
        let messages = self
            .unsettled
            .iter()
            .filter(|sent| sent.kind == Kind::Message);
        messages.map(|sent| sent.line.as_str())
    }

    /// Whether there is nothing to wait for.
    pub fn is_empty(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// Whether a barrier is out.
    pub fn awaits_barrier(&self) -> bool {
        self.position(Kind::Barrier).is_some()
    }

    /// Since when a return that is due has not come, and nothing else has come in its stead.
    pub fn waits_since(&self) -> Option<Instant> {
        let first = self.unsettled.iter().find(|one| one.kind != Kind::Command);
        first.map(|one| self.progress_at.map_or(one.at, |at| at.max(one.at)))
    }

    /// The link is lost: the messages whose fate is unknown, oldest first. Commands are not sent
    /// a second time: what they asked about is past.
    pub fn lose(&mut self) -> Vec<String> {
        self.messages = 0;
        self.progress_at = None;
        let lost = self.unsettled.drain(..);
        lost.filter(|sent| sent.kind == Kind::Message)
            .map(|sent| sent.line)
            .collect()
    }

    /// How many of the messages in `doubtful` (lines whose fate was unknown when the link was
    /// lost, oldest first) had reached the room, judged by our own texts in the room's history.
    /// Where the history leaves it open, as few as possible: a line twice is better than none.
    pub fn placed_of<'a>(
        &self,
        doubtful: impl Iterator<Item = &'a str>,
        own_history: &[String],
    ) -> usize {
        let mut known: Vec<&str> = self.placed.iter().map(String::as_str).collect();
        let fits = |known: &[&str]| {
            own_history.len() <= known.len()
                && own_history
                    .iter()
                    .rev()
                    .zip(known.iter().rev())
                    .all(|(text, known)| text == known)
        };
        if fits(&known) {
            return 0;
        }
        for (index, line) in doubtful.enumerate() {
            known.push(said(line));
            if fits(&known) {
                return index + 1;
            }
        }
        0
    }

    /// What the room's history shows of ourselves is all there is to know about what we said.
    pub fn learn(&mut self, own_history: Vec<String>) {
        self.placed = own_history.into();
    }

    fn remember(&mut self, text: &str) {
        while self.placed.len() >= REMEMBERED_TEXTS_MAX {
            self.placed.pop_front();
        }
        self.placed.push_back(text.to_owned());
    }

    fn position(&self, kind: Kind) -> Option<usize> {
        self.unsettled.iter().position(|sent| sent.kind == kind)
    }

    fn settle_up_to(&mut self, index: usize, now: Instant) -> Option<Sent> {
        self.heard(now);
        let mut last = None;
        for _ in 0..=index {
            last = self.remove(Some(0));
        }
        last
    }

    fn remove(&mut self, index: Option<usize>) -> Option<Sent> {
        let sent = self.unsettled.remove(index?)?;
        if sent.kind == Kind::Message {
            self.messages -= 1;
        }
        Some(sent)
    }

    fn forget_oldest_command(&mut self) {
        self.remove(self.position(Kind::Command));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(lines: &[&str], now: Instant) -> Ledger {
        let mut ledger = Ledger::default();
        for line in lines {
            ledger.sent((*line).to_owned(), Kind::of(line), now);
        }
        ledger
    }

    #[test]
    fn only_so_many_texts_are_remembered_whatever_the_history_held() {
        let now = Instant::now();
        let texts: Vec<String> = (0..1000).map(|number| format!("text {number}")).collect();
        let mut ledger = Ledger::default();
        ledger.learn(texts.clone());
        for text in &texts {
            ledger.sent(text.clone(), Kind::Message, now);
            ledger.returned(text, now);
        }
        let first = texts.len() - REMEMBERED_TEXTS_MAX;
        assert!(ledger.placed.iter().eq(&texts[first..]));
        let mut history = texts[first + 1..].to_vec();
        history.push("new".to_owned());
        assert_eq!(ledger.placed_of(["new"].into_iter(), &history), 1);
    }

    #[test]
    fn returns_settle_in_order_with_their_round_trip() {
        let start = Instant::now();
        let mut ledger = ledger(&["one", "/who", "//two"], start);
        let later = start + Duration::from_millis(3);
        assert_eq!(ledger.messages(), 2);
        let round_trip = ledger.returned("one", later);
        assert_eq!(round_trip, Some(Duration::from_millis(3)));
        assert_eq!(ledger.waits_since(), Some(later));
        assert!(ledger.returned("/two", later).is_some());
        assert!(ledger.is_empty());
        assert_eq!(ledger.returned("three", later), None);
    }

    #[test]
    fn too_long_a_line_is_the_one_settled() {
        let now = Instant::now();
        let long = "x".repeat(5000);
        let mut ledger = ledger(&["short", &long, "after"], now);
        ledger.refused_as_too_long(now);
        assert_eq!(ledger.lose(), ["short", "after"]);
        let mut ledger = self::ledger(&["short", "/msg ben a longer one", "longer"], now);
        ledger.refused_as_too_long(now);
        assert_eq!(ledger.messages(), 2);
    }

    #[test]
    fn a_refusal_settles_a_message_only_where_no_command_is_out() {
        let now = Instant::now();
        let mut ledger = ledger(&["hello", "/nope"], now);
        ledger.refused(now);
        assert_eq!(ledger.messages(), 1);
        ledger.refused(now);
        assert!(ledger.is_empty());
    }

    #[test]
    fn a_barrier_settles_all_before_it() {
        let now = Instant::now();
        let mut ledger = ledger(&["/who", "/rooms"], now);
        ledger.sent("/ping x".into(), Kind::Barrier, now);
        assert!(ledger.awaits_barrier());
        ledger.passed_barrier(now);
        assert!(ledger.is_empty());
    }

    #[test]
    fn commands_without_end_are_not_kept_without_end() {
        let now = Instant::now();
        let mut ledger = ledger(&["message"], now);
        for _ in 0..10 * REMEMBERED_COMMANDS_MAX {
            ledger.sent("/who".into(), Kind::Command, now);
        }
        assert!(ledger.unsettled.len() <= REMEMBERED_COMMANDS_MAX + 1);
        assert_eq!(ledger.messages(), 1);
    }

    #[test]
    fn a_history_tells_what_had_arrived() {
        let placed_of = |placed: &[&str], doubtful: &[&str], history: &[&str]| {
            let mut ledger = Ledger::default();
            placed.iter().for_each(|text| ledger.remember(text));
            let history: Vec<String> = history.iter().map(|text| (*text).to_owned()).collect();
            ledger.placed_of(doubtful.iter().copied(), &history)
        };
        assert_eq!(placed_of(&["a"], &["b", "c"], &["a"]), 0);
        assert_eq!(placed_of(&["a"], &["b", "c"], &["a", "b"]), 1);
        assert_eq!(placed_of(&["a"], &["b", "//c"], &["b", "/c"]), 2);
        assert_eq!(placed_of(&[], &["b"], &[]), 0);
        // The same text once more: only a history that shows it twice proves it.
        assert_eq!(placed_of(&["ok"], &["ok"], &["ok"]), 0);
        assert_eq!(placed_of(&["ok"], &["ok"], &["ok", "ok"]), 1);
        // A history that does not fit says nothing.
        assert_eq!(placed_of(&["a"], &["b"], &["z"]), 0);
    }
}
