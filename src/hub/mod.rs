//! `Hub`: the engine between bytes and chat: it knows sessions, who they are in the chat, and who
//! hears what. No socket, no clock, no log, and not the order of a turn: that is the [`turn`]'s,
//! which owns it and calls what stands in `input`, `pressure` and `ending`.
//!
//! [`turn`]: crate::turn

mod answers;
mod arrival;
mod audience;
mod backlog;
mod board;
mod delivery;
mod ending;
mod frames;
mod input;
mod listeners;
mod memory;
mod operator;
mod pace;
mod places;
mod pressure;
mod queues;
mod records;
mod requests;
mod soundness;
mod statistics;
mod takeover;
mod web;

use std::collections::HashMap;

use crate::bucket::Rate;
use crate::chat::{Directory, Listen, MemberId, Rules};
use crate::config::Limits;
use crate::dialect::{Refusal, Reply};
use crate::session::{CloseReason, Deadlines, Due, Rates, Session, SessionId, Step};
use crate::time::{Time, WallTime};

use listeners::Listeners;
pub use operator::ConnectionRow;
pub use pressure::AfterWrite;
pub use records::{Record, Recorded};
pub use statistics::Statistics;
pub use takeover::Random;

/// All of chatd but its loop and its system calls. Its fields are the two halves of the engine
/// (who is there; who hears what) and the lists of sessions that wait for a step of the turn. It has
/// many methods, since each step needs both halves at once; they lie in one file for each step.
#[derive(Debug)]
pub struct Hub {
    limits: Limits,
    rates: Rates,
    directory: Directory,
    listeners: Listeners,
    deadlines: Deadlines,
    arrivals: takeover::Arrivals,
    memory: memory::Memory,
    /// Sessions that were held back for the sake of a turn or of their outbox, and go on in the next.
    held: Vec<SessionId>,
    answers: answers::Answers,
    pace: pace::Pace,
    /// `None` while that door is closed.
    web: Option<web::Web>,
    /// Sessions that are read from again.
    released: Vec<SessionId>,
    /// Sessions that have ended and were not yet looked at by a flush.
    just_ended: Vec<SessionId>,
    /// Until when what was sent by those whose connection is gone may still be said.
    gone: HashMap<SessionId, Time>,
    /// What sessions were called that have left and are still there.
    left_names: HashMap<SessionId, Box<str>>,
    silent: places::Silent,
    doomed: Vec<SessionId>,
    live: usize,
}

impl Hub {
    /// A hub without connections. `random` gives what nobody can guess.
    pub fn new(limits: Limits, random: Random) -> Hub {
        Hub {
            directory: Directory::new(rules(&limits)),
            listeners: Listeners::new(&limits),
            rates: Rates::of(&limits),
            deadlines: Deadlines::default(),
            arrivals: takeover::Arrivals::new(random),
            memory: memory::Memory::default(),
            held: Vec::new(),
            answers: answers::Answers::new(&limits),
            pace: pace::Pace::default(),
            web: None,
            released: Vec::new(),
            just_ended: Vec::new(),
            gone: HashMap::new(),
            left_names: HashMap::new(),
            silent: places::Silent::default(),
            doomed: Vec::new(),
            live: 0,
            limits,
        }
    }

    /// Somebody who is told everything that happens, beside those that always are.
    pub fn listen(&mut self, witness: Box<dyn Listen>) {
        self.listeners.witness = Some(witness);
    }

    /// Starts a turn at `now`, which never goes back: handles what was held back in the turn
    /// before, and every deadline that has passed.
    pub fn handle_timeout(&mut self, now: Time, wall: WallTime) {
        self.listeners.delivery.start_turn(now);
        self.answers.start_turn();
        self.directory.set_time(now, wall);
        self.update_pace(now);
        for id in std::mem::take(&mut self.held) {
            self.resume(id);
        }
        self.directory.handle_timeout(&mut self.listeners);
        for _ in 0..self.limits.deadlines_per_turn_max {
            let Some((at, id)) = self.deadlines.next(now) else {
                break;
            };
            self.handle_deadline(id, at);
        }
    }

    /// When [`Hub::handle_timeout`] is to be called again if nothing else happens.
    pub fn next_timeout(&self) -> Option<Time> {
        let goes_on = !self.held.is_empty()
            || !self.released.is_empty()
            || !self.doomed.is_empty()
            || self.answers.is_waited_for();
        if goes_on || self.listeners.delivery.is_unfinished() {
            return Some(Time::START);
        }
        let sessions = self.deadlines.earliest();
        sessions
            .into_iter()
            .chain(self.directory.next_timeout())
            .chain(self.pace.next_timeout())
            .min()
    }

    /// A connection was accepted; its slot is free here.
    pub fn connect(&mut self, id: SessionId) {
        let delivery = &mut self.listeners.delivery;
        if delivery.sessions.len() <= id.slot() {
            delivery.sessions.resize_with(id.slot() + 1, || None);
        }
        debug_assert!(
            delivery.sessions[id.slot()].is_none(),
            "one live session, one slot"
        );
        delivery.sessions[id.slot()] = Some(Session::new(delivery.now));
        self.live += 1;
        self.arm(id);
    }

    /// The next thing of those that the operator's log is to say.
    pub fn poll_record(&mut self) -> Option<Record> {
        self.listeners.records.poll()
    }

    /// Sessions that have not ended.
    pub fn live(&self) -> usize {
        self.live
    }

    /// The counters as they stand.
    pub fn statistics(&self) -> Statistics {
        let delivery = &self.listeners.delivery;
        let sessions = delivery.sessions.iter().flatten();
        Statistics {
            clients: self.directory.members(),
            rooms: self.directory.occupied_rooms().count(),
            unique_bytes: delivery.store.unique_bytes(),
            queued_bytes: sessions.map(|session| session.outbox.bytes()).sum(),
            ..delivery.statistics.clone()
        }
    }

    fn session(&self, id: SessionId) -> Option<&Session> {
        self.listeners.delivery.session(id)
    }

    fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.listeners.delivery.session_mut(id)
    }

    /// Who a session is in the chat, if it has a name.
    fn member_of(&self, id: SessionId) -> Option<MemberId> {
        self.session(id)?.member
    }

    fn now(&self) -> Time {
        self.listeners.delivery.now
    }

    fn reply(&mut self, id: SessionId, reply: &Reply<'_>, reference: Option<&str>) {
        self.listeners.delivery.reply(id, reply, reference);
    }

    fn refuse(&mut self, id: SessionId, refusal: Refusal<'_>) {
        self.reply(id, &Reply::Refused(refusal), None);
    }

    /// Does what is due for a session, if the promise to look at it was made for this point.
    fn handle_deadline(&mut self, id: SessionId, promised: Time) {
        let now = self.now();
        let Some(session) = self.session_mut(id) else {
            return;
        };
        if session.armed != promised {
            return;
        }
        session.armed = Time::NEVER;
        // Each thing done takes its deadline away, so that this ends.
        while let Some(due) = self.poll_due(id, now) {
            match due {
                Due::Close => self.doom(id),
                Due::NameTimeout => self.end_unnamed(id),
                Due::Stall => self.end(id, CloseReason::TooSlow, None),
                Due::Resume => self.resume(id),
                Due::Forget => self.end_gone(id),
                Due::Ping => self.ping(id),
                Due::HalfFrame => self.end_half_frame(id),
                Due::Prompt => {
                    if let Some(session) = self.session_mut(id) {
                        session.advance(Step::Prompt);
                    }
                    self.reply(id, &Reply::Prompt, None);
                }
            }
        }
        self.arm(id);
    }

    fn poll_due(&self, id: SessionId, now: Time) -> Option<Due> {
        let delivery = &self.listeners.delivery;
        let gone_until = self.gone.get(&id).copied();
        let waiting_since = delivery.queues.waiting_since;
        let (store, limits) = (&delivery.store, &self.limits);
        self.session(id)?
            .poll_due(now, store, limits, gone_until, waiting_since)
    }

    /// Makes sure that the session is looked at when something is due.
    fn arm(&mut self, id: SessionId) {
        let delivery = &mut self.listeners.delivery;
        let Some(session) = delivery.sessions[id.slot()].as_mut() else {
            return;
        };
        let gone_until = self.gone.get(&id).copied();
        let waiting_since = delivery.queues.waiting_since;
        let (store, limits) = (&delivery.store, &self.limits);
        let deadline = session.next_timeout(store, limits, gone_until, waiting_since);
        if deadline < session.armed {
            session.armed = deadline;
            self.deadlines.add(deadline, id);
        }
    }
}

/// What of the limits concerns the rules of chat.
fn rules(limits: &Limits) -> Rules {
    Rules {
        announce_members_max: limits.announce_members_max,
        announce_rate: Rate::new(limits.announce_per_second, limits.announce_burst),
        churn_interval: limits.churn_interval,
        rooms_max: limits.rooms_max,
        resting_rooms_max: limits.resting_rooms_max,
        rooms_per_member_max: limits.rooms_per_member_max,
        topic_bytes_max: limits.topic_bytes_max,
        who_names_max: limits.who_names_max,
        rooms_listed_max: limits.rooms_listed_max,
    }
}
