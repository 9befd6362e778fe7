//! `Hub`: the engine. Bytes and `now` in, bytes and deadlines out: it knows sessions and what a
//! turn is, no socket, no clock, no log. Imports chat, dialect, fanout and config. Owned by `net::server`,
//! which calls, once a turn and in this order: [`Hub::begin_turn`]; [`Hub::receive`],
//! [`Hub::half_close`] and [`Hub::hang_up`] for what was read; [`Hub::connect`] for who was accepted;
//! [`Hub::end_turn`]; [`Hub::swap_dirty`] for who is to be written to, [`Hub::consume`] and
//! [`Hub::after_write`] for what was written; [`Hub::take_doomed`] and [`Hub::remove`] for who is
//! to be closed; [`Hub::finish_turn`].

mod deadlines;
mod delivery;
mod ending;
mod input;
mod operator;
mod session;
mod statistics;
mod turn;

use crate::chat::{Audience, Directory, Event, Name, Refusal, Rules};
use crate::config::Limits;
use crate::time::Time;

use deadlines::Deadlines;
use delivery::{Delivery, into, member};
use operator::Board;
use session::{Hold, Phase, Rate, Session};

pub use crate::chat::CloseReason;
pub use ending::Farewell;
pub use operator::Client;
pub use statistics::Statistics;
pub use turn::AfterWrite;

/// All of chatd but its system calls.
#[derive(Debug)]
pub struct Hub {
    limits: Limits,
    rate: Option<Rate>,
    directory: Directory,
    delivery: Delivery,
    deadlines: Deadlines,
    /// Where unclean text is made clean.
    scratch: String,
    /// Memory for unfinished lines.
    spare_lines: Vec<Vec<u8>>,
    spare_lines_bytes: usize,
    /// Sessions held back in the last turn for the sake of their room or of their own outbox.
    held: Vec<u32>,
    /// Empty between two turns: the memory of the list before, for the next.
    resuming: Vec<u32>,
    /// Sessions that are read from again.
    released: Vec<u32>,
    joined: Vec<u32>,
    ended: Vec<u32>,
    doomed: Vec<u32>,
    live: usize,
    board: Board,
}

impl Hub {
    /// A hub without connections.
    pub fn new(limits: Limits) -> Hub {
        Hub {
            directory: Directory::new(rules(&limits)),
            delivery: Delivery::new(&limits),
            rate: Rate::of(&limits),
            limits,
            deadlines: Deadlines::default(),
            scratch: String::new(),
            spare_lines: Vec::new(),
            spare_lines_bytes: 0,
            held: Vec::new(),
            resuming: Vec::new(),
            released: Vec::new(),
            joined: Vec::new(),
            ended: Vec::new(),
            doomed: Vec::new(),
            live: 0,
            board: Board::Off,
        }
    }

    /// Starts a turn at `now`, which never goes back: handles what was held back in the turn
    /// before, and every deadline that has passed.
    pub fn begin_turn(&mut self, now: Time) {
        self.delivery.start_turn(now);
        let resuming = std::mem::take(&mut self.resuming);
        let mut resuming = std::mem::replace(&mut self.held, resuming);
        for slot in resuming.drain(..) {
            self.resume(slot);
        }
        self.resuming = resuming;
        while let Some(room) = self.deadlines.next_room(now) {
            self.directory
                .tell_churn(room, &mut into(&mut self.delivery));
        }
        while let Some((at, slot)) = self.deadlines.next_session(now) {
            self.look_at(slot, at);
        }
    }

    /// A connection was accepted; its slot is free here.
    pub fn connect(&mut self, slot: u32) {
        let index = slot as usize;
        if self.delivery.sessions.len() <= index {
            self.delivery.sessions.resize_with(index + 1, || None);
        }
        debug_assert!(
            self.delivery.sessions[index].is_none(),
            "one live session, one slot"
        );
        self.delivery.sessions[index] = Some(Session::new(self.delivery.now));
        self.live += 1;
        self.arm(slot);
    }

    /// The connection is gone; nothing can be written to it any more.
    pub fn hang_up(&mut self, slot: u32) {
        self.end(slot, CloseReason::ConnectionLost, None);
    }

    /// When [`Hub::begin_turn`] is to be called again if nothing else happens.
    pub fn next_deadline(&self) -> Option<Time> {
        let goes_on = !self.held.is_empty() || !self.released.is_empty();
        if !goes_on && !self.delivery.is_unfinished() {
            self.deadlines.earliest()
        } else {
            Some(Time::START)
        }
    }

    /// The next of those that have got a name since the last call.
    pub fn take_joined(&mut self) -> Option<u32> {
        self.joined.pop()
    }

    /// What a session is called, or was when it left.
    pub fn name_of(&self, slot: u32) -> Option<&str> {
        let name = self.directory.name_of(member(slot)).map(Name::as_str);
        let session = self.delivery.session(slot)?;
        name.or(session.left_as.as_deref())
    }

    /// Sessions that have not ended.
    pub fn live(&self) -> usize {
        self.live
    }

    /// The counters as they stand.
    pub fn statistics(&self) -> Statistics {
        let sessions = self.delivery.sessions.iter().flatten();
        Statistics {
            clients: self.directory.members(),
            rooms: self.directory.occupied_rooms().count(),
            unique_bytes: self.delivery.store.unique_bytes(),
            queued_bytes: sessions.map(|session| session.outbox.bytes()).sum(),
            ..self.delivery.statistics.clone()
        }
    }

    /// Brings delivery in step with the directory after a session may have changed its room.
    fn follow_room(&mut self, slot: u32) {
        let now = self.delivery.now;
        let before = self.delivery.session(slot).and_then(|session| session.room);
        let after = self.directory.room_of(member(slot));
        while let Some(room) = self.directory.take_churning() {
            self.deadlines
                .add_room(now, self.limits.churn_interval, room);
        }
        if before != after {
            self.delivery.enter_room(slot, after);
            if let Some(room) = before.filter(|&room| !self.directory.has_room(room)) {
                self.delivery.close_room(room);
                self.deadlines.forget_room(room);
            }
        }
    }

    fn refuse(&mut self, slot: u32, refusal: Refusal<'_>) {
        self.delivery
            .tell(Audience::One(member(slot)), &Event::Refused(refusal));
    }

    /// Does what is due for a session, if the promise to look at it was made for this point.
    fn look_at(&mut self, slot: u32, promised: Time) {
        let now = self.delivery.now;
        let Some(session) = self.delivery.session_mut(slot) else {
            return;
        };
        if session.armed != promised {
            return;
        }
        session.armed = Time::NEVER;
        let phase = session.phase;
        match phase {
            Phase::Naming { .. } if session.connected_at + self.limits.name_timeout <= now => {
                self.end(slot, CloseReason::NameTimeout, None);
            }
            Phase::Draining { until, .. } | Phase::Lingering { until, .. } if until <= now => {
                self.doom(slot)
            }
            Phase::Draining { .. } | Phase::Lingering { .. } | Phase::Doomed { .. } => {}
            Phase::Naming { prompted } => {
                if !prompted
                    && session.bytes_in == 0
                    && session.connected_at + self.limits.prompt_timeout <= now
                {
                    session.phase = Phase::Naming { prompted: true };
                    self.delivery
                        .tell(Audience::One(member(slot)), &Event::Prompt);
                }
                self.look_at_live(slot);
            }
            Phase::Chatting => self.look_at_live(slot),
        }
        self.arm(slot);
    }

    /// Does what may be due for a session that has not ended, named or not.
    fn look_at_live(&mut self, slot: u32) {
        let now = self.delivery.now;
        let Some(session) = self.delivery.session(slot) else {
            return;
        };
        let oldest = session.outbox.oldest(&self.delivery.store);
        if oldest.is_some_and(|oldest| oldest + self.limits.stall_timeout <= now) {
            self.end(slot, CloseReason::TooSlow, None);
        } else if matches!(session.hold, Hold::Rate(until) if until <= now) {
            self.resume(slot);
        }
    }

    /// Makes sure that the session is looked at when something is due.
    fn arm(&mut self, slot: u32) {
        let Some(session) = self.delivery.sessions[slot as usize].as_mut() else {
            return;
        };
        let deadline = session.deadline(&self.delivery.store, &self.limits);
        if deadline < session.armed {
            session.armed = deadline;
            self.deadlines.add_session(deadline, slot);
        }
    }
}

/// What of the limits concerns the rules of chat.
fn rules(limits: &Limits) -> Rules {
    Rules {
        history_lines_max: limits.history_lines_max,
        replay_messages_max: limits.replay_messages_max,
        history_bytes_max: limits.history_bytes_max,
        history_total_bytes_max: limits.history_total_bytes_max,
        announce_members_max: limits.announce_members_max,
        welcome_names_max: limits.welcome_names_max,
        who_names_max: limits.who_names_max,
        rooms_listed_max: limits.rooms_listed_max,
    }
}
