//! `Session`: one user's conversation with a server, sans-IO. Bytes of the server, lines of the
//! user, the fate of links and `now` go in; [`Effect`]s come out, in order. No socket, no thread,
//! no clock: [`crate::client::run`] does what the effects say. Here are its state
//! and its time; the life of its link is in `session/life.rs`, what the user's lines do in
//! `session/say.rs`, what the server's lines mean in `session/hear.rs`.

mod hear;
mod life;
mod say;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use standing::{Link, Standing};

use super::backoff::Backoff;
use super::end::End;
use super::ledger::Ledger;
use super::shown::Shown;
use crate::clean::Clean;
use crate::dialect::line::{LineBuffer, Piece};

/// Bytes of a line of the server. Its longest honest one names a thousand members.
const SERVER_LINE_BYTES_MAX: usize = 256 << 10;
/// Without any sign of life though a line of ours should have come back.
const RETURN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long after a loss our name may still be held by our own dead link: a server needs up to
/// a minute to notice that one has gone without a word.
const GHOST_TIMEOUT: Duration = Duration::from_secs(120);
/// The token of the barrier that asks whether all commands have been answered.
const BARRIER_TOKEN: &str = "chat-client-end";

/// What a session is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server as its user calls it, for what is said about it.
    pub server: String,
    /// The name asked for.
    pub name: String,
    /// The room to be in; without one, the room in which the server puts us.
    pub room: Option<String>,
    /// Whose session it is.
    pub manner: Manner,
    /// What to do when the link is lost.
    pub when_lost: WhenLost,
}

/// Whose session it is, which decides what its input means and when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A person at a terminal: leaves at once.
    Terminal,
    /// A person at the member's seat: as at a terminal, but what was typed is shown by us, where
    /// it stands in the room, and so is how the link stands.
    Seat,
    /// A program: leaves when everything it said has come back.
    Pipe,
    /// The bulletin board's poster: as a program, but all its lines are to be said (`exit` too),
    /// and a refusal of one of them is a failure.
    Poster,
}

/// What to do when a link that was up is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenLost {
    /// Try again until it is back.
    ComeBack,
    /// End.
    GiveUp,
}

/// What has to be done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make a connection, and report with [`Session::link_up`] or [`Session::link_down`].
    Connect,
    /// Write these bytes to the connection.
    Send(Vec<u8>),
    /// Close the connection. Nothing is to be reported of it from now on.
    HangUp,
    /// Show this to the user.
    Show(Shown),
}

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEnd {
    /// It did not come about; the words say why and what to do.
    Unreachable(Clean),
    /// The other side closed it.
    Closed,
    /// It broke; the words are the system's.
    Broken(Clean),
}

#[derive(Debug)]
enum Phase {
    /// Nothing has been asked for.
    New,
    /// A connection is being made.
    Connecting,
    /// It is made, and the server has not said all that must come before we talk.
    Greeting { stage: Stage, until: Instant },
    /// In the room.
    Talking { since: Instant },
    /// Waiting to try again.
    Away { until: Instant },
    /// `/quit` is said.
    Leaving { until: Instant },
    /// Over.
    Ended(End),
}

/// How far the greeting has come. We send name, `/join` and `/echo on` in one piece, and they are
/// answered in this order; `= echo on` is therefore the end of it, histories included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No welcome yet.
    Naming,
    /// In the room that every newcomer enters, on the way to the one that was wanted.
    Entering,
    /// In the room.
    Settling,
}

/// When the lines of the room that come now were said.
#[derive(Debug, PartialEq, Eq)]
enum Hearing {
    Live,
    /// Before we came; with our own texts in it.
    History(Vec<String>),
}

/// Who we are, as the server's welcome said. From the first one on there is a link to come back to.
#[derive(Debug)]
struct Identity {
    name: String,
    /// Where every newcomer enters.
    first_room: String,
    room: String,
}

#[derive(Debug)]
enum Input {
    Open,
    /// There will be no more. The last line to say is this `/quit`.
    Ended {
        farewell: String,
    },
}

/// Whether own lines are shown where they stand in the room's order.
#[derive(Debug, PartialEq, Eq)]
enum OwnLines {
    Hidden,
    Shown,
}

/// See the file.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    phase: Phase,
    identity: Option<Identity>,
    lines: LineBuffer,
    hearing: Hearing,
    input: Input,
    own_lines: OwnLines,
    /// Lines of the user that were not sent on this link.
    waiting: VecDeque<String>,
    /// How many of them, from the front, were sent on an earlier link and did not come back.
    doubtful: usize,
    /// Our own texts in the history of this link's greeting.
    own_history: Vec<String>,
    ledger: Ledger,
    backoff: Backoff,
    lost_at: Option<Instant>,
    /// Why the link was lost, as it was last said.
    lost_why: Option<Clean>,
    round_trip: Option<Duration>,
    /// Why the server is about to close the link, if it said so.
    cut: Option<Clean>,
    /// The poster's: the first refusal, and how many there were.
    refusals: Option<(Clean, usize)>,
    effects: VecDeque<Effect>,
}

impl Manner {
    fn is_person(self) -> bool {
        matches!(self, Manner::Terminal | Manner::Seat)
    }
}

impl Session {
    /// A session that has done nothing yet. `random` spreads the tries to come back.
    pub fn new(settings: Settings, random: fastrand::Rng) -> Self {
        let own_lines = match settings.manner {
            Manner::Seat => OwnLines::Shown,
            Manner::Terminal | Manner::Pipe | Manner::Poster => OwnLines::Hidden,
        };
        Session {
            settings,
            phase: Phase::New,
            identity: None,
            lines: LineBuffer::default(),
            hearing: Hearing::Live,
            input: Input::Open,
            own_lines,
            waiting: VecDeque::new(),
            doubtful: 0,
            own_history: Vec::new(),
            ledger: Ledger::default(),
            backoff: Backoff::new(random),
            lost_at: None,
            lost_why: None,
            round_trip: None,
            cut: None,
            refusals: None,
            effects: VecDeque::new(),
        }
    }

    /// Begins: asks for a connection.
    pub fn start(&mut self) {
        self.connect();
    }

    /// Bytes of the server, as they came.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        let mut lines = std::mem::take(&mut self.lines);
        let mut rest = bytes;
        while self.is_linked() {
            match lines.next(&mut rest, SERVER_LINE_BYTES_MAX) {
                Some(Piece::Line(line)) => self.hear(line, now),
                Some(Piece::TooLong) => self.hear_endless_line(),
                None => break,
            }
        }
        if self.is_linked() {
            self.lines = lines;
            self.advance(now);
        }
    }

    /// When [`Session::tick`] has something to do, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Greeting { until, .. } | Phase::Away { until } | Phase::Leaving { until } => {
                Some(until)
            }
            Phase::Talking { .. } => self.ledger.waits_since().map(|at| at + RETURN_TIMEOUT),
            Phase::New | Phase::Connecting | Phase::Ended(_) => None,
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::Greeting { .. } => self.greeting_timed_out(now),
            Phase::Talking { .. } => {
                let seconds = RETURN_TIMEOUT.as_secs();
                let why = format!("{} has not answered for {seconds} s", self.settings.server);
                self.lose(Clean::of(&why), now);
            }
            Phase::Away { .. } => self.connect(),
            Phase::Leaving { .. } => self.finish_as_left(),
            Phase::New | Phase::Connecting | Phase::Ended(_) => {}
        }
    }

    /// The next thing to do.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// How it ended, once it has.
    pub fn end(&self) -> Option<&End> {
        match &self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    fn is_linked(&self) -> bool {
        matches!(
            self.phase,
            Phase::Greeting { .. } | Phase::Talking { .. } | Phase::Leaving { .. }
        )
    }

    fn finish_as_left(&mut self) {
        let end = match self.refusals.take() {
            None => End::Left,
            Some((first, 1)) => End::Refused(first),
            Some((first, count)) => {
                End::Refused(Clean::of(&format!("{first}, and {} more", count - 1)))
            }
        };
        self.finish(end);
    }

    fn finish(&mut self, end: End) {
        self.effects.push_back(Effect::HangUp);
        self.phase = Phase::Ended(end);
    }

    fn show(&mut self, shown: Shown) {
        self.effects.push_back(Effect::Show(shown));
    }

    fn status(&mut self, words: &str) {
        self.show(Shown::Status(Clean::of(words)));
    }
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
