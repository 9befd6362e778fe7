//! Coming back while the old connection is still there: somebody who proves by a token that it is
//! the same member takes the name and the rooms over, without a leave. What the old connection had
//! sent is said first, so that who sends again what it does not find said sends nothing twice.
//! Part of the hub.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use crate::chat::{Entry, MemberId, MessageId};
use crate::session::{CloseReason, Hold, SessionId};
use crate::time::Time;

use super::Hub;
use super::input::Holds;
use super::listeners::Replay;

const TOKEN_BYTES: usize = 32;
/// By what somebody comes back.
pub(super) type Token = [u8; TOKEN_BYTES];

/// A source of what nobody can guess: bits of the kernel, or of a seed in a test.
pub struct Random(Box<dyn FnMut() -> [u8; TOKEN_BYTES]>);

impl Random {
    /// This source.
    pub fn new(source: impl FnMut() -> [u8; TOKEN_BYTES] + 'static) -> Random {
        Random(Box::new(source))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

/// The tokens of those who can come back, and who waits to.
#[derive(Debug)]
pub(super) struct Arrivals {
    random: Random,
    tokens: HashMap<MemberId, Token>,
    /// By which tokens these came back, and when: what they are told then may be lost on its way, so
    /// the old one is good until they have said something after that.
    before: HashMap<MemberId, (Token, Time)>,
    takeovers: Vec<Takeover>,
}

/// A session that waits until its member's old connection has been read to its end.
#[derive(Debug)]
pub(super) struct Takeover {
    old: SessionId,
    new: SessionId,
    proof: Token,
    name: String,
    rooms: Vec<(Cow<'static, str>, Option<MessageId>)>,
    known: Vec<(String, MessageId)>,
    reference: Option<String>,
}

impl Arrivals {
    pub(super) fn new(random: Random) -> Arrivals {
        Arrivals {
            random,
            tokens: HashMap::new(),
            before: HashMap::new(),
            takeovers: Vec::new(),
        }
    }

    /// A token for this member.
    pub(super) fn new_token(&mut self, member: MemberId) -> String {
        let token = (self.random.0)();
        self.tokens.insert(member, token);
        token.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn forget(&mut self, member: MemberId) {
        self.tokens.remove(&member);
        self.before.remove(&member);
    }

    /// The token that was given, if it proves to be this member.
    fn proof(&self, member: MemberId, given: &str) -> Option<Token> {
        let newest = self.tokens.get(&member);
        let before = self.before.get(&member).map(|(token, _)| token);
        let mut good = newest.into_iter().chain(before);
        good.find(|token| is(token, given)).copied()
    }
}

/// Whether this is the token, in a time that does not tell how much of it is right.
fn is(token: &Token, given: &str) -> bool {
    let digits = token
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    let difference = digits
        .zip(given.bytes())
        .fold(0, |difference, (right, byte)| difference | (right ^ byte));
    given.len() == 2 * TOKEN_BYTES && difference == 0
}

impl Hub {
    /// The connection of the member whom this entry proves to be, and by which token.
    pub(super) fn find_for_takeover(&self, entry: &Entry<'_>) -> Option<(SessionId, Token)> {
        let member = self.directory.member_named(entry.name)?;
        let proof = self.arrivals.proof(member, entry.resume?)?;
        let session = self.listeners.delivery.session_of(member)?;
        Some((session, proof))
    }

    /// A line of this session is handled. One that came after it was told its token shows that it has
    /// read that.
    pub(super) fn confirm_token(&mut self, id: SessionId) {
        if self.arrivals.before.is_empty() {
            return;
        }
        let Some((member, said_at)) = self
            .session(id)
            .and_then(|session| Some((session.member?, session.active_at)))
        else {
            return;
        };
        let before = &mut self.arrivals.before;
        if before.get(&member).is_some_and(|&(_, at)| at < said_at) {
            before.remove(&member);
        }
    }

    /// `new` takes the place of `old` once that has been read to its end, in this turn.
    pub(super) fn wait_for_takeover(
        &mut self,
        (old, proof): (SessionId, Token),
        new: SessionId,
        entry: &Entry<'_>,
        reference: Option<&str>,
    ) {
        let rooms = entry.rooms.iter();
        self.arrivals.takeovers.push(Takeover {
            old,
            new,
            proof,
            name: entry.name.to_owned(),
            rooms: rooms
                .map(|(room, since)| (Cow::Owned(room.clone().into_owned()), *since))
                .collect(),
            known: entry.known.to_vec(),
            reference: reference.map(str::to_owned),
        });
        if let Some(session) = self.session_mut(new) {
            session.hold = Hold::Takeover;
        }
    }

    /// A connection whose place is to be taken: all that can be read from it is to be handed to
    /// [`Hub::receive_last`], then [`Hub::finish_takeover`] is to be called.
    pub fn next_takeover(&self) -> Option<SessionId> {
        self.arrivals.takeovers.first().map(|takeover| takeover.old)
    }

    /// Bytes that were sent before somebody came to take the place of this connection. They are
    /// handled now whatever its rate: what it costs is its successor's to wait for.
    pub fn receive_last(&mut self, id: SessionId, bytes: &mut [u8]) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        session.bytes_in += bytes.len() as u64;
        if session.is_live() {
            self.take_in(id, bytes, Holds::Waived);
        }
    }

    /// The first of those who wait takes the place it waits for; or comes in as anybody does, if
    /// that place was left meanwhile.
    pub fn finish_takeover(&mut self) {
        if self.arrivals.takeovers.is_empty() {
            return;
        }
        let takeover = self.arrivals.takeovers.remove(0);
        self.receive_last(takeover.old, &mut []);
        let Some(session) = self.session_mut(takeover.new) else {
            return;
        };
        session.hold = Hold::No;
        if !session.is_live() {
            return;
        }
        let member = self.session(takeover.old).and_then(|old| old.member);
        let is_its_name = member.is_some() && self.directory.member_named(&takeover.name) == member;
        self.listeners
            .allow_replay(self.limits.outbox_bytes_max / 4);
        match member.filter(|_| is_its_name) {
            Some(member) => self.take_over(member, &takeover),
            None => self.enter_after_all(&takeover),
        }
        self.go_on(takeover.new);
    }

    fn take_over(&mut self, member: MemberId, takeover: &Takeover) {
        let (old, new) = (takeover.old, takeover.new);
        self.listeners.delivery.leave_rooms(old);
        let old_session = self.session(old);
        let rate = old_session.map(|session| (session.throttle, session.is_warned));
        self.end_replaced(old);
        if let (Some(session), Some(rate)) = (self.session_mut(new), rate) {
            (session.throttle, session.is_warned) = rate;
        }
        let now = self.now();
        self.arrivals.before.insert(member, (takeover.proof, now));
        let reference = takeover.reference.as_deref();
        self.welcome(new, member, reference);
        for room in self.directory.rooms_of(member).collect::<Vec<_>>() {
            let name = self.directory.room_name(room);
            let is_meant = |asked: &str| {
                asked == name || self.directory.room_of(member, Some(asked)) == Ok(room)
            };
            let known = takeover.known.iter().find(|(asked, _)| is_meant(asked));
            let since = known.map(|&(_, since)| since);
            let replay = since.map_or(Replay::Nothing, Replay::Since);
            self.listeners.set_replay(replay);
            self.directory
                .enter_again(member, room, &mut self.listeners);
        }
        for (room, since) in &takeover.rooms {
            self.enter_room(new, member, room, *since, reference);
        }
    }

    fn enter_after_all(&mut self, takeover: &Takeover) {
        let entry = Entry {
            name: &takeover.name,
            rooms: &takeover.rooms,
            resume: None,
            known: &takeover.known,
        };
        let reference = takeover.reference.as_deref();
        if let Err(refusal) = self.enter(takeover.new, &entry, reference) {
            let refused = crate::dialect::Reply::Refused(refusal);
            self.reply(takeover.new, &refused, reference);
        }
    }

    /// The old connection of a member that goes on elsewhere: nobody is told of a leave.
    fn end_replaced(&mut self, id: SessionId) {
        if let Some(member) = self.member_of(id) {
            let name = self.directory.name_of(member).into();
            self.left_names.insert(id, name);
        }
        if let Some(session) = self.session_mut(id) {
            session.member = None;
        }
        self.start_ending(id, CloseReason::Replaced, None);
    }
}
