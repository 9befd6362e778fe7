//! `Comebacks`: who can prove by a token that it is a member that is still there, and who waits to
//! take such a member's place. How the place is taken is in `takeover`. Owned by the core.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fmt;

use crate::chat::{Entry, MemberId, MessageId};
use crate::session::SessionId;
use crate::time::Time;

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
pub(super) struct Comebacks {
    random: Random,
    /// By member, since every program has one: a map would take twice as much.
    tokens: Vec<Option<Token>>,
    /// By which tokens these came back, and when: what they are told then may be lost on its way, so
    /// the old one is good until they have said something after that.
    before: HashMap<MemberId, (Token, Time)>,
    waiting: VecDeque<Takeover>,
}

/// A session that waits until its member's old connection has been read to its end.
#[derive(Debug)]
pub(super) struct Takeover {
    pub(super) old: SessionId,
    pub(super) new: SessionId,
    pub(super) proof: Token,
    pub(super) name: String,
    pub(super) rooms: Vec<(Cow<'static, str>, Option<MessageId>)>,
    pub(super) known: Vec<(String, MessageId)>,
    pub(super) reference: Option<String>,
}

impl Comebacks {
    pub(super) fn new(random: Random) -> Comebacks {
        Comebacks {
            random,
            tokens: Vec::new(),
            before: HashMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// A token for this member.
    pub(super) fn new_token(&mut self, member: MemberId) -> String {
        let token = (self.random.0)();
        if self.tokens.len() <= member.slot() {
            self.tokens.resize(member.slot() + 1, None);
        }
        self.tokens[member.slot()] = Some(token);
        token.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn forget(&mut self, member: MemberId) {
        if let Some(token) = self.tokens.get_mut(member.slot()) {
            *token = None;
        }
        self.before.remove(&member);
    }

    /// A member has come back, by this token, and is told another now.
    pub(super) fn came_back(&mut self, member: MemberId, proof: Token, now: Time) {
        self.before.insert(member, (proof, now));
    }

    /// A line of a member is handled, which came then. One that came after it was told its token shows
    /// that it has read that.
    pub(super) fn confirm(&mut self, member: Option<MemberId>, said_at: Time) {
        if let Some(member) = member.filter(|_| !self.before.is_empty())
            && self
                .before
                .get(&member)
                .is_some_and(|&(_, at)| at < said_at)
        {
            self.before.remove(&member);
        }
    }

    /// The token that was given, if it proves to be this member.
    pub(super) fn proof(&self, member: MemberId, given: &str) -> Option<Token> {
        let newest = self.tokens.get(member.slot()).and_then(Option::as_ref);
        let before = self.before.get(&member).map(|(token, _)| token);
        let mut good = newest.into_iter().chain(before);
        good.find(|token| is(token, given)).copied()
    }

    /// `new` takes the place of `old` once that has been read to its end, in this turn.
    pub(super) fn wait(
        &mut self,
        (old, proof): (SessionId, Token),
        new: SessionId,
        entry: &Entry<'_>,
        reference: Option<&str>,
    ) {
        let rooms = entry.rooms.iter();
        self.waiting.push_back(Takeover {
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
    }

    /// The connection whose place is the next to be taken.
    pub(super) fn next(&self) -> Option<SessionId> {
        self.waiting.front().map(|takeover| takeover.old)
    }

    /// Who is the next to take a place.
    pub(super) fn pop(&mut self) -> Option<Takeover> {
        self.waiting.pop_front()
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
