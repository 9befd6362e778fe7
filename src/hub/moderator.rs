//! `Moderator`: the operator's hands for bans and mutes: who is shut out or silenced, and let in or heard
//! again. What is typed for it is read in `dialect::operator`, how it is answered and kept is net's
//! business. Made by the hub for one call.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::chat::{BadName, Name};
use crate::moderation::{Change, Full, Guard, Guarded, Kind, Sanction, Target, Whom, net_of};
use crate::session::{CloseReason, SessionId};

use super::core::Core;
use super::ending;

/// Against whom, for how long and why, as the operator says it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Against whom.
    pub whom: Whom<'a>,
    /// For how long; for good, if that is not said.
    pub length: Option<Duration>,
    /// The words about it, which are clean.
    pub why: Option<&'a str>,
    /// At which seat it was said.
    pub by: &'a str,
    /// Whether it was insisted on: also what is guarded is meant. Nothing is, by a mute.
    pub is_forced: bool,
}

/// What has come of it.
#[derive(Debug)]
pub struct Imposed {
    /// What holds from now on.
    pub sanction: Sanction,
    /// Connections that were ended for it.
    pub ended: usize,
    /// Further ones that come from the same addresses: a ban lets them stay, a mute holds them too.
    pub others: usize,
}

/// Why nothing has come of it.
#[derive(Debug, PartialEq, Eq)]
pub enum NotImposed {
    /// What is no name.
    BadName(BadName),
    /// It must be insisted on, for the sake of these addresses.
    Guarded(IpNet, Guarded),
    /// As many as may be are in force.
    Full(usize),
}

/// What has come of letting somebody be heard again.
#[derive(Debug)]
pub enum Unmuted {
    /// These were lifted.
    Lifted(Vec<Sanction>),
    /// None is against this name; but its bearer comes from where this one is held.
    HeldWith(Target),
    /// None is against it.
    None,
}

/// See the file.
#[derive(Debug)]
pub struct Moderator<'h> {
    core: &'h mut Core,
}

impl<'h> Moderator<'h> {
    pub(super) fn new(core: &'h mut Core) -> Moderator<'h> {
        Moderator { core }
    }

    /// From now on these proxies are banned only by who insists.
    pub fn guard(self, proxies: &[IpNet]) {
        self.core.standing.guard = Guard::new(proxies.to_vec());
    }

    /// Takes up what an earlier run has left.
    pub fn recall(self, sanction: Sanction) {
        match sanction.kind {
            Kind::Ban => self.core.standing.bans.recall(sanction),
            Kind::Mute => self.core.standing.mutes.recall(sanction),
        }
    }

    /// What is to be written down of all that was changed since the last call.
    pub fn take_changes(self) -> Vec<Change> {
        let mut changes = self.core.standing.bans.take_changes();
        changes.extend(self.core.standing.mutes.take_changes());
        changes
    }

    /// Where a connection that was accepted comes from.
    pub fn learn_address(self, id: SessionId, address: IpAddr) {
        self.core.standing.learn_address(id, address);
    }

    /// Shuts somebody out: a name, the address that it has, and its connection; or all who come from
    /// there.
    ///
    /// # Errors
    /// What is no name, what must be insisted on, one too many: then nothing has happened.
    pub fn ban(
        self,
        wanted: &Wanted<'_>,
        address_of: impl Fn(SessionId) -> Option<IpAddr>,
    ) -> Result<Imposed, NotImposed> {
        let core = self.core;
        let (name, named) = who_is(core, wanted.whom)?;
        let net = match wanted.whom {
            Whom::From(net) => Some(net),
            Whom::Named(_) => named.and_then(&address_of).map(net_of),
        };
        if let (Some(net), false) = (net, wanted.is_forced) {
            let checked = core.standing.guard.check(net);
            checked.map_err(|why| NotImposed::Guarded(net, why))?;
        }
        let sanction = impose(core, Kind::Ban, name, net, wanted)?;
        let from_there = sessions_from(core, net, &address_of);
        let ended: Vec<SessionId> = match wanted.whom {
            Whom::Named(_) => named.into_iter().collect(),
            Whom::From(_) => from_there.clone(),
        };
        for &id in &ended {
            ending::end(core, id, CloseReason::Banned, wanted.why);
        }
        let others = from_there.iter().filter(|id| !ended.contains(id)).count();
        Ok(Imposed {
            sanction,
            ended: ended.len(),
            others: if named.is_some() { others } else { 0 },
        })
    }

    /// Silences somebody: a name, and the address that it has, whatever that is.
    ///
    /// # Errors
    /// What is no name, one too many.
    pub fn mute(
        self,
        wanted: &Wanted<'_>,
        address_of: impl Fn(SessionId) -> Option<IpAddr>,
    ) -> Result<Imposed, NotImposed> {
        let core = self.core;
        let (name, named) = who_is(core, wanted.whom)?;
        let net = match wanted.whom {
            Whom::From(net) => Some(net),
            Whom::Named(_) => named.and_then(&address_of).map(net_of),
        };
        let sanction = impose(core, Kind::Mute, name, net, wanted)?;
        let from_there = sessions_from(core, net, &address_of);
        for &id in &from_there {
            if let Some(address) = address_of(id) {
                core.standing.learn_address(id, address);
            }
        }
        let others = from_there.iter().filter(|&&id| Some(id) != named);
        Ok(Imposed {
            sanction,
            ended: 0,
            others: others.count(),
        })
    }

    /// Lifts the ban with this number, which it gives back.
    pub fn unban(self, number: u32) -> Option<Sanction> {
        self.core.standing.bans.remove(number)
    }

    /// Lifts all mutes against who is called so.
    pub fn unmute(self, asked: &str) -> Unmuted {
        let core = self.core;
        let Ok(name) = Name::parse(asked) else {
            return Unmuted::None;
        };
        let mut lifted = Vec::new();
        while let Some(number) = core.standing.mutes.number_against(&name) {
            lifted.extend(core.standing.mutes.remove(number));
        }
        if !lifted.is_empty() {
            return Unmuted::Lifted(lifted);
        }
        let member = core.directory.member_named(asked);
        let session = member.and_then(|member| core.delivery().speakers.of(member));
        let held = session.and_then(|id| core.standing.mute_on_address_of(id));
        held.map_or(Unmuted::None, |held| Unmuted::HeldWith(held.target.clone()))
    }

    /// The bans or mutes in force, by number.
    pub fn list(self, kind: Kind) -> impl Iterator<Item = &'h Sanction> {
        let standing = &self.core.standing;
        let sanctions = match kind {
            Kind::Ban => &standing.bans,
            Kind::Mute => &standing.mutes,
        };
        sanctions.in_force(standing.wall)
    }
}

/// The name that is meant, and the connection of who is called so.
fn who_is(
    core: &mut Core,
    whom: Whom<'_>,
) -> Result<(Option<Name>, Option<SessionId>), NotImposed> {
    let Whom::Named(asked) = whom else {
        return Ok((None, None));
    };
    let member = core.directory.member_named(asked);
    let session = member.and_then(|member| core.delivery().speakers.of(member));
    // As its bearer spells it.
    let name = match member {
        Some(member) => core.directory.full_name_of(member).clone(),
        None => Name::parse(asked).map_err(NotImposed::BadName)?,
    };
    Ok((Some(name), session))
}

fn impose(
    core: &mut Core,
    kind: Kind,
    name: Option<Name>,
    net: Option<IpNet>,
    wanted: &Wanted<'_>,
) -> Result<Sanction, NotImposed> {
    let target = Target::of(name, net).expect("a name or addresses are always given");
    let standing = &mut core.standing;
    let (end, now) = (standing.end_after(wanted.length), standing.wall);
    let sanctions = match kind {
        Kind::Ban => &mut standing.bans,
        Kind::Mute => &mut standing.mutes,
    };
    let added = sanctions.add(target, end, (wanted.by, wanted.why), now);
    added.cloned().map_err(|Full(max)| NotImposed::Full(max))
}

/// Live connections from there.
fn sessions_from(
    core: &Core,
    net: Option<IpNet>,
    address_of: &impl Fn(SessionId) -> Option<IpAddr>,
) -> Vec<SessionId> {
    let Some(net) = net else {
        return Vec::new();
    };
    let is_from = |address: IpAddr| net.contains(&address.to_canonical());
    let live = core.sessions().iter();
    let live = live.filter(|(_, session)| session.is_live());
    live.map(|(id, _)| id)
        .filter(|&id| address_of(id).is_some_and(is_from))
        .collect()
}
