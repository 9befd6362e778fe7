//! `Overview`: the engine, looked at: who is connected, which rooms there are, what was counted, how
//! much memory it takes. Changes nothing. Made by the hub for one look.

use std::net::IpAddr;
use std::time::Duration;

use crate::dialect::Dialect;
use crate::moderation::Sanction;
use crate::session::{SessionId, Transport};

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
    /// How long it has told nobody anything.
    pub idle: Duration,
    /// Bytes it has not taken yet.
    pub queued_bytes: usize,
    /// Lines that came from it, of all kinds.
    pub lines_in: u64,
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
                idle: core.now().since(session.silent_since()),
                queued_bytes: session.outbox.bytes(),
                lines_in: session.lines_in,
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

    /// Messages that were said in rooms since the start.
    pub fn messages(self) -> u64 {
        self.core.listeners.delivery.statistics.messages
    }

    /// How many connections there are of each language, by its place in [`Dialect::LANGUAGES`], plain
    /// ones and those over TLS; also those that have ended and are owed something.
    pub fn connections(self) -> [[usize; 2]; Dialect::LANGUAGES.len()] {
        let mut counts = [[0; 2]; Dialect::LANGUAGES.len()];
        for (_, session) in self.core.sessions().iter() {
            let is_tls = match session.transport {
                Transport::Plain | Transport::PlainUnwanted => false,
                Transport::Tls | Transport::TlsForHttp => true,
            };
            counts[session.dialect.language_index()][usize::from(is_tls)] += 1;
        }
        counts
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
            sent_bytes: sessions.sent_bytes,
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
