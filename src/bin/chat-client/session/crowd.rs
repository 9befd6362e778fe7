//! `Crowd`: those who come to a room and go without having spoken lately. They are gathered, so that
//! a hundred of them are one line: `… 97 joined, 3 left (120 here)`. Pure; owned by its room.

use std::time::{Duration, Instant};

use super::words::{churn, news};
use crate::wire::Event;

/// Whoever spoke within this is missed, or welcome, by name.
const LATELY: Duration = Duration::from_secs(600);
/// Speakers that are remembered, the last ones.
const SPEAKERS_MAX: usize = 200;
/// What is gathered is told after this.
const FIRST_REST: Duration = Duration::from_secs(1);
/// After this long, when it was a crowd the last time.
const REST: Duration = Duration::from_secs(30);
/// So many at once are a crowd.
const CROWD: u64 = 3;
/// So many are told by their names.
const FEW: usize = 3;
/// Names of those who are gathered.
const NAMES_MAX: usize = 200;

/// See the file.
#[derive(Debug, Default)]
pub struct Crowd {
    /// Who has spoken when, the last one at the end.
    speakers: Vec<(String, Instant)>,
    /// Since when there is something to tell.
    since: Option<Instant>,
    joined: u64,
    left: u64,
    here: u64,
    /// Who came, or else went.
    names: Vec<(String, bool)>,
    /// The words for what is gathered, if it is one event.
    words: Option<String>,
    /// When a crowd was told last.
    crowd_at: Option<Instant>,
}

impl Crowd {
    /// Somebody has said something.
    pub fn spoke(&mut self, name: &str, now: Instant) {
        self.speakers.retain(|(speaker, _)| speaker != name);
        let surplus = (self.speakers.len() + 1).saturating_sub(SPEAKERS_MAX);
        self.speakers.drain(..surplus);
        self.speakers.push((name.to_owned(), now));
    }

    /// Whether somebody only comes or goes, by its own will.
    pub fn is_coming(event: &Event) -> bool {
        let is_own_will = matches!(event.cause.as_str(), "" | "quit" | "lost");
        matches!(event.is.as_str(), "joined" | "churn") || event.is == "left" && is_own_will
    }

    /// Gathers this, if it is not to be told by name; whether it did.
    pub fn takes(&mut self, event: &Event, now: Instant) -> bool {
        let is_late = |at: Instant| now.saturating_duration_since(at) < LATELY;
        let mut speakers = self.speakers.iter();
        let has_spoken = speakers.any(|(name, at)| *name == event.name && is_late(*at));
        if !Crowd::is_coming(event) || has_spoken {
            return false;
        }
        let (joined, left) = match event.is.as_str() {
            "joined" => (1, 0),
            "left" => (0, 1),
            _ => (event.joined, event.left),
        };
        let is_first = self.since.is_none();
        self.words = news(event).filter(|_| is_first);
        self.since.get_or_insert(now);
        self.joined = self.joined.saturating_add(joined);
        self.left = self.left.saturating_add(left);
        self.here = event.here;
        if self.names.len() < NAMES_MAX {
            self.names.push((event.name.clone(), joined > 0));
        }
        true
    }

    /// Whether somebody is among those who are gathered.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|(gathered, _)| gathered == name)
    }

    /// When it is to be told.
    pub fn due(&self) -> Option<Instant> {
        let first = self.since? + FIRST_REST;
        Some(self.crowd_at.map_or(first, |at| first.max(at + REST)))
    }

    /// The words for all that is gathered, which is told with that.
    pub fn tell(&mut self, now: Instant) -> Option<String> {
        self.since.take()?;
        let (joined, left) = (self.joined, self.left);
        let crowd = || format!("… {}", churn(joined, left, self.here));
        let words = self.words.take().or_else(|| self.by_name());
        let words = words.unwrap_or_else(crowd);
        self.crowd_at = (joined.saturating_add(left) >= CROWD).then_some(now);
        self.forget();
        Some(words)
    }

    /// `dan, eve joined, bob left (12 here)`, if they are few and nobody without a name is among them.
    fn by_name(&self) -> Option<String> {
        let count = self.joined.saturating_add(self.left);
        let is_few = self.names.len() <= FEW && self.names.len() as u64 == count;
        let all_named = self.names.iter().all(|(name, _)| !name.is_empty());
        let who = |came: bool, does: &str| {
            let names = self
                .names
                .iter()
                .filter(|(_, is_coming)| *is_coming == came);
            let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
            (!names.is_empty()).then(|| format!("{} {does}", names.join(", ")))
        };
        let parts = [who(true, "joined"), who(false, "left")]
            .into_iter()
            .flatten();
        let parts: Vec<String> = parts.collect();
        (is_few && all_named).then(|| format!("{} ({} here)", parts.join(", "), self.here))
    }

    /// The link is lost: those who were here come back too, and are no news each.
    pub fn start_anew(&mut self) {
        self.forget();
        self.speakers.clear();
    }

    /// All that is gathered is of no more interest.
    fn forget(&mut self) {
        (self.since, self.words) = (None, None);
        (self.joined, self.left) = (0, 0);
        self.names.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(is: &str, name: &str, here: u64) -> Event {
        Event {
            is: is.to_owned(),
            name: name.to_owned(),
            here,
            ..Event::default()
        }
    }

    #[test]
    fn who_comes_and_goes_is_gathered_and_who_has_spoken_is_not() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        assert!(crowd.takes(&event("joined", "ben", 2), now));
        assert_eq!(crowd.due(), Some(now + FIRST_REST));
        assert_eq!(crowd.tell(now).as_deref(), Some("ben joined (2 here)"));
        for number in 0..12 {
            assert!(crowd.takes(&event("joined", &number.to_string(), 3 + number), now));
        }
        crowd.spoke("ben", now);
        assert!(!crowd.takes(&event("left", "ben", 13), now));
        assert!(crowd.takes(&event("left", "3", 12), now));
        assert!(crowd.has("3") && !crowd.has("ben"));
        let words = crowd.tell(now);
        assert_eq!(words.as_deref(), Some("… 12 joined, 1 left (12 here)"));
        // Few have their names.
        for (is, name) in [("joined", "dan"), ("left", "5"), ("joined", "eve")] {
            assert!(crowd.takes(&event(is, name, 13), now));
        }
        let words = crowd.tell(now);
        assert_eq!(words.as_deref(), Some("dan, eve joined, 5 left (13 here)"));
        // That was a crowd: the next ones wait longer. And ben has not spoken for long by then.
        let later = now + LATELY;
        assert!(!crowd.takes(&event("left", "ben", 11), now + REST / 2));
        assert!(crowd.takes(&event("left", "ben", 11), later));
        assert_eq!(crowd.due(), Some(later + FIRST_REST));
        assert_eq!(crowd.tell(later).as_deref(), Some("ben left (11 here)"));
        assert_eq!(crowd.tell(later), None);
    }

    #[test]
    fn after_a_crowd_the_next_one_is_told_later() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        let churn = Event {
            joined: 40,
            left: 2,
            ..event("churn", "", 50)
        };
        assert!(crowd.takes(&churn, now));
        assert_eq!(
            crowd.tell(now).as_deref(),
            Some("40 joined, 2 left (50 here)")
        );
        assert!(crowd.takes(&event("joined", "ben", 51), now));
        assert_eq!(crowd.due(), Some(now + REST));
    }

    #[test]
    fn a_server_may_count_as_far_as_numbers_go() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        let churn = Event {
            joined: u64::MAX,
            ..event("churn", "", 2)
        };
        assert!(crowd.takes(&churn, now) && crowd.takes(&event("left", "ben", 1), now));
        let words = format!("… {} joined, 1 left (1 here)", u64::MAX);
        assert_eq!(crowd.tell(now), Some(words));
    }

    #[test]
    fn behind_a_lost_link_speakers_come_back_as_others_do() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        crowd.spoke("ben", now);
        assert!(!crowd.takes(&event("left", "ben", 1), now));
        crowd.start_anew();
        assert!(crowd.takes(&event("joined", "ben", 2), now));
    }

    #[test]
    fn who_is_thrown_out_is_told() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        let kicked = Event {
            cause: "kicked".to_owned(),
            ..event("left", "eve", 1)
        };
        assert!(!crowd.takes(&kicked, now));
    }
}
