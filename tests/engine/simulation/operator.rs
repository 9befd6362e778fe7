//! What the operator does to people, beside ending a connection: rooms that are closed, names that are shut out
//! or silenced, and what that does to who asks for them or bears them. Part of the world.

use std::collections::BTreeMap;
use std::time::Duration;

use chatd::chat::Cause;
use chatd::hub::{Hub, Wanted};
use chatd::moderation::{Kind, Whom};
use chatd::session::CloseReason;
use chatd::time::WallTime;

use super::asked::Asked;
use super::coming::Wish;
use super::facts::{For, Id};
use super::heard::{Audience, Event, Happened};
use super::sniff::{is_name, key};
use super::world::{LOBBY, Outcome, World};

/// What the operator wants.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// A room is to be closed.
    Close(String, Option<String>),
    /// A name is to be shut out, or silenced; for so long, else for good.
    Impose(Kind, String, Option<Duration>),
    /// A name is to be let in, or heard, again.
    Lift(Kind, String),
}

/// What the engine says has come of it: how many were sent out or ended; nothing, if it was refused.
pub(crate) type Done = Option<usize>;

const WHY: &str = "that will do";

/// Does it.
pub(crate) fn operate(hub: &mut Hub, wish: &Order) -> Done {
    match wish {
        Order::Close(room, why) => hub.operator().close(room, why.as_deref()).ok(),
        Order::Impose(kind, name, length) => {
            let wanted = Wanted {
                whom: Whom::Named(name),
                length: *length,
                why: Some(WHY),
                by: "the simulation",
                is_forced: false,
            };
            let imposed = match kind {
                Kind::Ban => hub.moderator().ban(&wanted, |_| None),
                Kind::Mute => hub.moderator().mute(&wanted, |_| None),
            };
            imposed.ok().map(|imposed| imposed.ended)
        }
        Order::Lift(kind, name) => {
            let mut listed = hub.moderator().list(*kind);
            let is_meant = |target: Option<&str>| target.is_some_and(|own| key(own) == key(name));
            let found = listed.find(|one| is_meant(one.target.name().map(|name| name.as_str())));
            let number = found.map(|sanction| sanction.number);
            drop(listed);
            let lifted = number.map(|number| match kind {
                Kind::Ban => hub.moderator().unban(number).is_some(),
                Kind::Mute => {
                    hub.moderator().unmute(name);
                    true
                }
            });
            lifted.map(usize::from)
        }
    }
}

/// The names that are shut out, or silenced, and until when.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Option<WallTime>>);

impl Names {
    fn holds(&self, name: &str, wall: WallTime) -> bool {
        let end = self.0.get(&key(name));
        is_name(name) && end.is_some_and(|end| end.is_none_or(|end| end > wall))
    }
}

impl World {
    /// Whether nobody may come under this name.
    pub(crate) fn is_banned(&self, name: &str) -> bool {
        self.banned.holds(name, self.wall)
    }

    /// Whether others do not hear who is called so.
    pub(crate) fn is_muted_name(&self, name: &str) -> bool {
        self.muted.holds(name, self.wall)
    }

    pub(crate) fn is_muted(&self, slot: usize) -> bool {
        let member = self.member(slot);
        member.is_some_and(|member| self.is_muted_name(&member.name))
    }

    /// Whether others would hear of this, and its sender is muted.
    pub(crate) fn is_unheard(&self, slot: usize, asked: &Asked) -> bool {
        match asked {
            Asked::Say { .. } | Asked::Msg { .. } | Asked::SetTopic { .. } | Asked::Nick(_) => {
                self.is_muted(slot)
            }
            Asked::Post { name, .. } => self.is_muted(slot) || self.is_muted_name(name),
            _ => false,
        }
    }

    /// Whether this ends who asks for it, since the name is banned.
    pub(crate) fn ends_as_banned(&self, asked: &Asked) -> bool {
        match asked {
            Asked::Enter(entry) => {
                self.is_banned(&entry.name) && self.may_take_over(entry).is_none()
            }
            Asked::Post { name, .. } => self.is_banned(name),
            _ => false,
        }
    }

    /// Somebody has asked for a banned name.
    pub(crate) fn end_as_banned(&mut self, slot: usize) -> Outcome {
        self.end(slot, CloseReason::Banned, Some(WHY))
    }

    /// What the operator has done.
    pub(crate) fn play_wish(&mut self, wish: Order, done: Done) -> Outcome {
        match wish {
            Order::Close(room, why) => self.play_close(&room, why.as_deref(), done),
            Order::Impose(kind, name, length) => {
                let found = self.find(&name);
                let ended = usize::from(kind == Kind::Ban && found.is_some());
                let expected = is_name(&name).then_some(ended);
                if done != expected {
                    return Err(format!("{kind:?} of {name}: {done:?}, not {expected:?}"));
                }
                if expected.is_none() {
                    return Ok(());
                }
                let millis = length.map(|length| length.as_millis() as u64);
                let end = millis.map(|ms| WallTime::from_millis(self.wall.as_millis() + ms));
                self.names_of(kind).0.insert(key(&name), end);
                match found {
                    Some(slot) if kind == Kind::Ban => self.end_as_banned(slot),
                    _ => Ok(()),
                }
            }
            Order::Lift(kind, name) => {
                let wall = self.wall;
                let names = self.names_of(kind);
                let expected = names.holds(&name, wall).then_some(1);
                if done != expected {
                    return Err(format!("lifting {kind:?} of {name}: {done:?}"));
                }
                if expected.is_some() {
                    names.0.remove(&key(&name));
                }
                Ok(())
            }
        }
    }

    fn names_of(&mut self, kind: Kind) -> &mut Names {
        match kind {
            Kind::Ban => &mut self.banned,
            Kind::Mute => &mut self.muted,
        }
    }

    /// Everybody is sent out of a room and told of its own leave alone; who is in no other then comes into
    /// the lobby, without what was said there.
    fn play_close(&mut self, name: &str, why: Option<&str>, done: Done) -> Outcome {
        let found = self.room_key(name).filter(|key| **key != *LOBBY);
        let expected = found.as_ref().map(|key| self.rooms[key].seats.len());
        if done != expected {
            return Err(format!("closing {name}: {done:?}, not {expected:?}"));
        }
        let Some(key) = found else {
            return Ok(());
        };
        let mut homeless = Vec::new();
        for here in (0..expected.unwrap_or(0)).rev() {
            let slot = self.sent_out()?;
            let what = Happened::Left {
                who: self.name(slot),
                here,
                cause: Cause::Closed,
                reason: why.map(str::to_owned),
            };
            let id = self.fact(&For::One(slot), Some(&key), what, Id::New)?;
            self.fact(&For::One(slot), Some(&key), Happened::Parted, Id::Same(id))?;
            self.room(&key).seats.retain(|seat| seat.slot != slot);
            let member = self.peer(slot).member_mut().expect("it has a name");
            member.rooms.retain(|other| *other != key);
            if member.rooms.is_empty() {
                homeless.push(slot);
            }
        }
        self.close_if_empty(&key)?;
        let lobby = self.room_key(LOBBY).expect("it is always there");
        for slot in homeless {
            self.arrive(slot, &lobby, Wish::Nothing)?;
        }
        Ok(())
    }

    /// Who is sent out next: in which order is not said anywhere.
    fn sent_out(&self) -> Result<usize, String> {
        let slot = match self.log.front() {
            Some(Event::Fact(heard)) => match (&heard.to, &heard.what) {
                (Audience::Member(_), Happened::Left { who, .. }) => self.find(who),
                _ => None,
            },
            _ => None,
        };
        slot.ok_or_else(|| format!("{:?} instead of a leave", self.log.front()))
    }
}
