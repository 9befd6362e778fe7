//! `Standing`: who may not come in and who may not speak, at this moment: bans, mutes, and what the
//! engine has to know of addresses for their sake. What comes of it is done by whoever asks. Owned by the core.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::chat::Name;
use crate::config::Limits;
use crate::moderation::{End, Guard, Kind, Sanction, Sanctions};
use crate::session::SessionId;
use crate::time::WallTime;

/// See the file.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) bans: Sanctions,
    pub(super) mutes: Sanctions,
    /// What is banned only by who insists.
    pub(super) guard: Guard,
    /// What the clock on the wall says in this turn.
    pub(super) wall: WallTime,
    /// Connections from addresses that a mute holds, or held: only of these is an address known here.
    held: HashMap<SessionId, IpAddr>,
}

impl Standing {
    pub(super) fn new(limits: &Limits) -> Standing {
        Standing {
            bans: Sanctions::new(Kind::Ban, limits.bans_max),
            mutes: Sanctions::new(Kind::Mute, limits.bans_max),
            guard: Guard::default(),
            wall: WallTime::default(),
            held: HashMap::new(),
        }
    }

    /// The ban on this address.
    pub(super) fn ban_on_address(&self, address: IpAddr) -> Option<&Sanction> {
        self.bans.on_address(address, self.wall)
    }

    /// The ban on who asks for this name.
    pub(super) fn ban_on_name(&self, asked: &str) -> Option<&Sanction> {
        if self.bans.is_empty() {
            return None;
        }
        self.bans.on_name(&Name::parse(asked).ok()?, self.wall)
    }

    /// The mute on who bears, or speaks under, this name.
    pub(super) fn mute_on_name(&self, name: &Name) -> Option<&Sanction> {
        self.mutes.on_name(name, self.wall)
    }

    /// The mute on the address that a connection comes from.
    pub(super) fn mute_on_address_of(&self, id: SessionId) -> Option<&Sanction> {
        let address = self.held.get(&id)?;
        self.mutes.on_address(*address, self.wall)
    }

    /// That long from now; without a length, for good.
    pub(super) fn end_after(&self, length: Option<Duration>) -> End {
        End::after(self.wall, length)
    }

    /// Where a connection comes from, for the sake of mutes.
    pub(super) fn learn_address(&mut self, id: SessionId, address: IpAddr) {
        if self.mutes.concerns(address) {
            self.held.insert(id, address);
        }
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self, id: SessionId) {
        self.held.remove(&id);
    }
}
