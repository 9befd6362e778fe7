//! The shadow: who is where, and the facts of a turn held against what the rules demand, one by one,
//! in their order; each is then due to everybody whom it concerns. Written from the protocol alone;
//! it shares no code with `chat` or `hub`, and knows nothing of blocks and outboxes. Owned by a
//! simulation.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use chatd::chat::{MemberId, MessageId};
use chatd::config::Limits;
use chatd::hub::{Record, Recorded};
use chatd::session::{CloseReason, SessionId};
use chatd::time::{Time, WallTime};

use super::facts::Id;
use super::heard::Event;
use super::operator::Names;
use super::peer::{Member, Peer, State, Throttle};
use super::room::Room;
use super::sniff;
use super::takeover::Takeover;
use super::web::Ending;
use super::words::{Refused, Words};

/// What went wrong, for a person.
pub(crate) type Outcome = Result<(), String>;

pub(crate) const LOBBY: &str = "lobby";

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) limits: Limits,
    /// Whether requests over HTTP are understood.
    pub(crate) has_web: bool,
    pub(crate) now: Time,
    /// Which turn it is.
    pub(crate) turn: u64,
    pub(crate) wall: WallTime,
    /// The latest that it ever was.
    pub(crate) wall_max: WallTime,
    pub(crate) peers: Vec<Option<Peer>>,
    pub(crate) rooms: BTreeMap<Rc<str>, Room>,
    /// What was heard and is not explained yet.
    pub(crate) log: VecDeque<Event>,
    /// What the operator's log was told and is not explained yet.
    pub(crate) records: VecDeque<Record>,
    pub(crate) last_id: MessageId,
    /// Bytes that were said since the rooms were last sealed, whoever heard them.
    pub(crate) said_bytes: usize,
    /// The rooms that spoke since then, in the order in which they first did.
    pub(crate) spoke: Vec<Rc<str>>,
    /// Those who wait to take somebody's place, in the order in which they asked.
    pub(crate) takeovers: VecDeque<Takeover>,
    /// Those whose place was to be taken in this turn, and who are there still.
    pub(crate) survivors: Vec<usize>,
    /// Names that nobody may come under, and names whose bearers others do not hear.
    pub(crate) banned: Names,
    pub(crate) muted: Names,
    /// What those have left of their rate who post over HTTP, by where they come from.
    pub(crate) posted: BTreeMap<usize, Throttle>,
    /// How much may still be told of the past to who asked; and whether that is known.
    pub(crate) replay_left: usize,
    pub(crate) replay_is_known: bool,
    /// What is said now was held back by what readers take, if it was to be.
    pub(crate) is_paced: bool,
    /// The turn is being laid out: who ends now is too slow.
    pub(crate) sealing: bool,
    /// Who was cut at that.
    pub(crate) cuts: Vec<usize>,
    /// Memory may be short in this turn.
    pub(crate) may_be_short: bool,
}

impl World {
    pub(crate) fn new(limits: Limits, has_web: bool) -> World {
        let mut world = World {
            limits,
            has_web,
            now: Time::START,
            turn: 0,
            wall: WallTime::default(),
            wall_max: WallTime::default(),
            peers: Vec::new(),
            rooms: BTreeMap::new(),
            log: VecDeque::new(),
            records: VecDeque::new(),
            last_id: MessageId::ZERO,
            said_bytes: 0,
            spoke: Vec::new(),
            takeovers: VecDeque::new(),
            survivors: Vec::new(),
            banned: Names::default(),
            muted: Names::default(),
            posted: BTreeMap::new(),
            replay_left: 0,
            replay_is_known: true,
            is_paced: false,
            sealing: false,
            cuts: Vec::new(),
            may_be_short: false,
        };
        world.make_room(LOBBY);
        world
    }

    pub(crate) fn set_time(&mut self, now: Time, wall: WallTime) {
        self.now = now;
        self.turn += 1;
        self.wall = wall;
        self.wall_max = self.wall_max.max(wall);
    }

    pub(crate) fn peer(&mut self, slot: usize) -> &mut Peer {
        self.peers[slot].as_mut().expect("a peer is in this slot")
    }

    pub(crate) fn peer_ref(&self, slot: usize) -> &Peer {
        self.peers[slot].as_ref().expect("a peer is in this slot")
    }

    pub(crate) fn member(&self, slot: usize) -> Option<&Member> {
        self.peers.get(slot)?.as_ref()?.member()
    }

    /// Whether somebody was told something in this turn.
    pub(crate) fn was_told_anything(&self) -> bool {
        let mut peers = self.peers.iter().flatten();
        peers.any(|peer| !peer.stream.observed.is_empty())
    }

    pub(crate) fn connect(&mut self, slot: usize) -> Outcome {
        if self.peers.len() <= slot {
            self.peers.resize_with(slot + 1, || None);
        }
        if self.peers[slot].is_some() {
            return Err(format!("slot {slot} was given out twice"));
        }
        self.peers[slot] = Some(Peer::new(self.now, &self.limits, self.has_web));
        Ok(())
    }

    /// Who is called so.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let key = sniff::key(name);
        let is_called = |slot: &usize| {
            self.member(*slot)
                .is_some_and(|member| sniff::key(&member.name) == key)
        };
        (0..self.peers.len()).find(is_called)
    }

    pub(crate) fn slot_of(&self, id: MemberId) -> Option<usize> {
        (0..self.peers.len()).find(|&slot| {
            self.member(slot)
                .is_some_and(|member| member.id == Some(id))
        })
    }

    pub(crate) fn room_key(&self, name: &str) -> Option<Rc<str>> {
        let found = self.rooms.get_key_value(&*sniff::key(name));
        found.map(|(key, _)| Rc::clone(key))
    }

    pub(crate) fn room(&mut self, key: &str) -> &mut Room {
        self.rooms.get_mut(key).expect("the room is there")
    }

    pub(crate) fn make_room(&mut self, name: &str) -> Rc<str> {
        let key: Rc<str> = sniff::key(name).into();
        let room = Room::new(name, &self.limits);
        self.rooms.insert(Rc::clone(&key), room);
        key
    }

    /// The names of those in a room, as they are listed.
    pub(crate) fn names(&self, key: &str, names_max: usize) -> Vec<String> {
        let seats = self.rooms[key].seats.iter();
        let mut names: Vec<String> = seats
            .filter_map(|seat| Some(self.member(seat.slot)?.name.to_string()))
            .collect();
        names.sort_by_key(|name| name.to_lowercase());
        names.truncate(names_max);
        names
    }

    /// This one must be told this by itself, behind all that its rooms have said. If it is not,
    /// nothing has happened here.
    pub(crate) fn tell(&mut self, slot: usize, words: &[Words]) -> Outcome {
        let stream = &mut self.peer(slot).stream;
        stream
            .tell(words)
            .map_err(|fault| format!("slot {slot} {fault}"))?;
        self.said_bytes += words.iter().map(Words::bytes_max).sum::<usize>();
        Ok(())
    }

    /// The next record must be this one. Before it, some may have ended of whom no room knew.
    pub(crate) fn record(&mut self, slot: Option<usize>, what: &Recorded) -> Outcome {
        while let Some(ended) = self.ended_silently() {
            if Some(ended) == slot && *what == Recorded::Ended {
                break;
            }
            self.end_silently(ended)?;
        }
        let session = slot.map(|slot| SessionId(slot as u32));
        match self.records.pop_front() {
            Some(record) if record.session == session && record.what == *what => Ok(()),
            other => Err(format!(
                "{other:?} was recorded instead of {what:?} of {slot:?}"
            )),
        }
    }

    /// Who has ended according to the next record, although no fact tells it.
    pub(crate) fn ended_silently(&self) -> Option<usize> {
        let record = self
            .records
            .front()
            .filter(|record| record.what == Recorded::Ended)?;
        let slot = record.session?.slot();
        let peer = self.peers.get(slot)?.as_ref()?;
        let is_silent = peer.member().is_none_or(|member| member.rooms.is_empty());
        (peer.is_live() && is_silent).then_some(slot)
    }

    pub(crate) fn end_silently(&mut self, slot: usize) -> Outcome {
        self.run_while(slot, |_| true)?;
        if self.peer(slot).is_live() {
            self.end_with_cause(slot)?;
        }
        Ok(())
    }

    /// Ends a connection. `words` are its own with a quit, the operator's with a kick.
    pub(crate) fn end(&mut self, slot: usize, reason: CloseReason, words: Option<&str>) -> Outcome {
        if !self.peer(slot).is_live() {
            return Ok(());
        }
        // Not even with its last words is who is muted heard.
        let words = words.filter(|_| reason != CloseReason::Quit || !self.is_muted(slot));
        if let Some(member) = self.member(slot).cloned() {
            let mut id = None;
            for key in &member.rooms {
                id = Some(self.depart(slot, key, reason.cause(), words, Id::after(id))?);
            }
            for key in &member.rooms {
                self.close_if_empty(key)?;
            }
            self.peer(slot).left_as = Some(member.name);
        }
        self.last_word(slot, reason)
    }

    /// What it is told last, if it is told anything; then it has ended.
    pub(crate) fn last_word(&mut self, slot: usize, reason: CloseReason) -> Outcome {
        let is_unasked = matches!(
            reason,
            CloseReason::ServerFull | CloseReason::TooManyFromAddress
        );
        let peer = self.peer(slot);
        let ending = peer.input.ending();
        let is_told =
            is_unasked || (peer.bytes_in > 0 && !peer.input.door.is_http() && ending.is_none());
        let is_framed = peer.input.door.frames().is_some();
        let told = code(reason).filter(|_| is_told).map(|code| Refused {
            language: peer.language(),
            codes: vec![code],
            reference: None,
            ends: true,
        });
        let close = match ending {
            Some(Ending::Closed(code)) => code,
            Some(Ending::Failed(code)) => Some(code),
            None if told.is_some() => Some(close_code(reason)),
            None => Some(1000),
        };
        let words = told.map(Words::Refused).into_iter();
        let words = words.chain(is_framed.then_some(Words::Close(close)));
        self.tell(slot, &words.collect::<Vec<_>>())?;
        let (at, turn) = (self.now, self.turn);
        let peer = self.peer(slot);
        peer.state = State::Ended { reason, at, turn };
        peer.input.forget();
        peer.waits = false;
        self.record(Some(slot), &Recorded::Ended)
    }
}

/// How a WebSocket is told that its connection ends so (RFC 6455, 7.4).
fn close_code(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::ShuttingDown => 1001,
        CloseReason::WrongProtocol => 1002,
        _ => 1008,
    }
}

/// The code of the last line of a connection that the server ended.
fn code(reason: CloseReason) -> Option<&'static str> {
    match reason {
        CloseReason::Quit
        | CloseReason::HungUp
        | CloseReason::ConnectionLost
        | CloseReason::MadeRoom
        | CloseReason::Answered
        | CloseReason::TlsFault
        | CloseReason::HalfFrame => None,
        CloseReason::TlsRequired => Some("tls-required"),
        CloseReason::TooSlow => Some("too-slow"),
        CloseReason::Unfinished => Some("line-too-long"),
        CloseReason::NameTimeout => Some("name-timeout"),
        CloseReason::WrongPassword => Some("wrong-password"),
        CloseReason::Kicked => Some("kicked"),
        CloseReason::Banned => Some("banned"),
        CloseReason::Replaced => Some("replaced"),
        CloseReason::WrongProtocol => Some("wrong-protocol"),
        CloseReason::ServerFull => Some("server-full"),
        CloseReason::TooManyFromAddress => Some("too-many-from-your-address"),
        CloseReason::ShuttingDown => Some("shutting-down"),
    }
}
