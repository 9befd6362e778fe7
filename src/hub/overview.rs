//! `Overview`: the engine, looked at: who is connected, which rooms there are, what was counted, how
//! much memory it takes. Changes nothing. Made by the hub for one look.

use std::net::IpAddr;
use std::time::Duration;

use crate::moderation::Sanction;
use crate::session::SessionId;

use super::core::Core;
use super::statistics::Statistics;
use super::{pressure, soundness};

/// One connection, as the operator sees it.
#[derive(Debug)]
pub struct ConnectionRow<'a> {
    /// Which connection.
    pub session: SessionId,
    /// Its name, once it has one.
    pub name: Option<&'a str>,
    /// The rooms that it is in.
    pub rooms: Vec<&'a str>,
    /// How long it has said nothing.
    pub idle: Duration,
    /// Bytes it has not taken yet.
    pub queued_bytes: usize,
}

/// The engine, looked at.
#[derive(Debug, Clone, Copy)]
pub struct Overview<'h> {
    core: &'h Core,
}

impl<'h> Overview<'h> {
    pub(super) fn new(core: &'h Core) -> Overview<'h> {
        Overview { core }
    }

    /// Everybody who is connected and has not ended, in the order of their slots.
    pub fn clients(self) -> impl Iterator<Item = ConnectionRow<'h>> {
        let core = self.core;
        let sessions = core.sessions().iter();
        let live = sessions.filter(|(_, session)| session.is_live());
        live.map(|(id, session)| {
            let rooms = session.member.map_or_else(Vec::new, |member| {
                let rooms = core.directory.rooms_of(member);
                rooms.map(|room| core.directory.room_name(room)).collect()
            });
            ConnectionRow {
                session: id,
                name: session.member.map(|member| core.directory.name_of(member)),
                rooms,
                idle: core.now().since(session.active_at),
                queued_bytes: session.outbox.bytes(),
            }
        })
    }

    /// Name and number of members of each room that has any, in alphabetical order.
    pub fn rooms(self) -> impl Iterator<Item = (&'h str, usize)> {
        self.core.directory.occupied_rooms()
    }

    /// Whether the room that is called `room` is the one that is asked for.
    pub fn is_same_room(self, room: &str, asked: &str) -> bool {
        let find = |name| self.core.directory.find_room(name).ok();
        find(room).is_some() && find(room) == find(asked)
    }

    /// The counters as they stand.
    pub fn statistics(self) -> Statistics {
        let core = self.core;
        let sessions = core.sessions();
        let queued = sessions.iter().map(|(_, session)| session.outbox.bytes());
        Statistics {
            clients: core.directory.members(),
            rooms: core.directory.occupied_rooms().count(),
            unique_bytes: sessions.store.unique_bytes(),
            queued_bytes: queued.sum(),
            ..core.listeners.delivery.statistics.clone()
        }
    }

    /// The ban on who comes from this address.
    pub fn ban_on(self, address: IpAddr) -> Option<&'h Sanction> {
        self.core.standing.ban_on_address(address)
    }

    /// Bytes of all that can grow, histories included.
    pub fn memory_bytes(self) -> usize {
        pressure::memory_bytes(self.core)
    }

    /// The first thing found that must not be.
    pub fn unsound(self) -> Option<String> {
        soundness::unsound(self.core)
    }
}
