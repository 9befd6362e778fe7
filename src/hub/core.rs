//! `Core`: what nearly every step of the hub needs at once: the limits, the rules of chat, and all
//! who listen to them, delivery and with it every session among these. It decides nothing: what is
//! done with it stands in the files that are handed it. Owned by the hub.

use std::collections::HashMap;

use crate::bucket::Rate;
use crate::chat::{Directory, MemberId, Rules};
use crate::config::Limits;
use crate::dialect::{Refusal, Reply};
use crate::session::{Rates, Session, SessionId};
use crate::time::Time;

use super::comebacks::{Comebacks, Random};
use super::delivery::Delivery;
use super::gate::Gate;
use super::listeners::Listeners;
use super::memory::Memory;
use super::questions::Questions;
use super::sessions::Sessions;
use super::standing::Standing;

/// See the file.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) limits: Limits,
    pub(super) rates: Rates,
    pub(super) directory: Directory,
    pub(super) listeners: Listeners,
    pub(super) memory: Memory,
    pub(super) comebacks: Comebacks,
    pub(super) questions: Questions,
    pub(super) gate: Gate,
    pub(super) standing: Standing,
    /// What sessions were called that have left and are still there.
    pub(super) left_names: HashMap<SessionId, Box<str>>,
}

impl Core {
    pub(super) fn new(limits: Limits, random: Random) -> Core {
        Core {
            directory: Directory::new(rules(&limits)),
            listeners: Listeners::new(&limits),
            rates: Rates::of(&limits),
            memory: Memory::default(),
            comebacks: Comebacks::new(random),
            questions: Questions::default(),
            gate: Gate::new(&limits),
            standing: Standing::new(&limits),
            left_names: HashMap::new(),
            limits,
        }
    }

    pub(super) fn now(&self) -> Time {
        self.sessions().now
    }

    /// The rules of chat, and who hears what they decide.
    pub(super) fn rules(&mut self) -> (&mut Directory, &mut Listeners) {
        (&mut self.directory, &mut self.listeners)
    }

    pub(super) fn delivery(&mut self) -> &mut Delivery {
        &mut self.listeners.delivery
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.listeners.delivery.sessions
    }

    pub(super) fn sessions_mut(&mut self) -> &mut Sessions {
        &mut self.listeners.delivery.sessions
    }

    pub(super) fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions().get(id)
    }

    pub(super) fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions_mut().get_mut(id)
    }

    /// A session, and where it is counted what it keeps.
    pub(super) fn session_and_memory(
        &mut self,
        id: SessionId,
    ) -> Option<(&mut Session, &mut Memory)> {
        let session = self.listeners.delivery.sessions.get_mut(id)?;
        Some((session, &mut self.memory))
    }

    /// Who a session is in the chat, if it has a name.
    pub(super) fn member_of(&self, id: SessionId) -> Option<MemberId> {
        self.session(id)?.member
    }

    pub(super) fn reply(&mut self, id: SessionId, reply: &Reply<'_>, reference: Option<&str>) {
        self.listeners.delivery.reply(id, reply, reference);
    }

    pub(super) fn refuse(&mut self, id: SessionId, refusal: Refusal<'_>) {
        self.reply(id, &Reply::Refused(refusal), None);
    }

    /// Makes sure that the session is looked at when something is due.
    pub(super) fn arm(&mut self, id: SessionId) {
        self.listeners.delivery.sessions.arm(id, &self.limits);
    }

    /// Keeps bytes of a session to be handled later.
    pub(super) fn keep(&mut self, id: SessionId, bytes: &[u8]) {
        if let Some((session, memory)) = self.session_and_memory(id) {
            memory.keep(session, bytes);
        }
    }

    /// From now on so much may be told of the past, in answer to one request.
    pub(super) fn allow_replay(&mut self) {
        let bytes = self.limits.outbox_bytes_max / 4;
        self.listeners.allow_replay(bytes);
    }
}

/// What of the limits concerns the rules of chat.
fn rules(limits: &Limits) -> Rules {
    Rules {
        announce_members_max: limits.announce_members_max,
        announce_rate: Rate::new(limits.announce_per_second, limits.announce_burst),
        churn_interval: limits.churn_interval,
        churn_hearers_per_turn_max: limits.hearers_per_turn_max,
        rooms_max: limits.rooms_max,
        resting_rooms_max: limits.resting_rooms_max,
        rooms_per_member_max: limits.rooms_per_member_max,
        topic_bytes_max: limits.topic_bytes_max,
        who_names_max: limits.who_names_max,
        rooms_listed_max: limits.rooms_listed_max,
    }
}
