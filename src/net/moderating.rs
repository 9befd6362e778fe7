//! What the operator asks for in bans and mutes, and how it is answered: at once where nothing is kept, else
//! when the disk has it, for which nobody waits. What comes of it in the engine is `hub::moderator`'s.
//! Functions over the hub and the store; nobody owns anything here.

use log::info;

use crate::clean::Clean;
use crate::dialect::operator::Moderation;
use crate::dialect::stamp;
use crate::hub::{Hub, Imposed, NotImposed, Unmuted, Wanted};
use crate::moderation::{End, Kind, Sanction, Target, Whom};
use crate::time::WallTime;

use super::conn::Conns;
use super::keeping::Keeping;
use super::log::quote;
use super::seats::SeatId;

/// Characters of a name that are given back where nobody is called so.
const EXCERPT_CHARS_MAX: usize = 40;
/// A reason is told to everybody who is refused for it, and kept.
const REASON_BYTES_MAX: usize = 300;

/// Does what was asked for at this seat. The answer; none yet, if the disk has to have it first.
pub(super) fn obey(
    order: Moderation<'_>,
    seat: SeatId,
    hub: &mut Hub,
    conns: &Conns,
    keeping: &mut Option<Keeping>,
) -> Vec<String> {
    let by = &seat.to_string();
    let said = match order {
        Moderation::Bans => return rows(Kind::Ban, hub),
        Moderation::Mutes => return rows(Kind::Mute, hub),
        Moderation::Ban {
            whom,
            length,
            reason,
            is_forced,
        } => {
            let wanted = Wanted {
                whom,
                length,
                why: reason,
                by,
                is_forced,
            };
            impose(Kind::Ban, &wanted, hub, conns)
        }
        Moderation::Mute { name, length } => {
            let wanted = Wanted {
                whom: Whom::Named(name),
                length,
                why: None,
                by,
                is_forced: false,
            };
            impose(Kind::Mute, &wanted, hub, conns)
        }
        Moderation::Unban(number) => unban(number, by, hub),
        Moderation::Unmute(name) => unmute(name, by, hub),
    };
    let done = match said {
        Ok(done) => done,
        Err(refused) => return vec![refused],
    };
    let changes = hub.moderator().take_changes();
    match keeping {
        Some(keeping) => {
            keeping.keep_changes(changes, done, seat);
            Vec::new()
        }
        None => vec![format!("{done}; in memory alone, since there is no --data")],
    }
}

/// What is said of it, or why not.
fn impose(kind: Kind, wanted: &Wanted<'_>, hub: &mut Hub, conns: &Conns) -> Result<String, String> {
    if wanted.why.is_some_and(|why| why.len() > REASON_BYTES_MAX) {
        return Err(format!(
            "! line-too-long a reason has at most {REASON_BYTES_MAX} bytes"
        ));
    }
    let address_of = |id| Some(conns.get(id)?.peer.ip());
    let imposed = match kind {
        Kind::Ban => hub.moderator().ban(wanted, address_of),
        Kind::Mute => hub.moderator().mute(wanted, address_of),
    };
    let imposed = imposed.map_err(|why| said_not(kind, wanted, &why))?;
    let Sanction {
        number,
        target,
        end,
        by,
        why,
        ..
    } = &imposed.sanction;
    let (word, whom, end) = (word(kind), logged(target), said_end(*end));
    let why = why
        .as_deref()
        .map_or(String::new(), |why| format!(": {}", quote(why)));
    info!("{word} {number} of {whom} by {by}, {end}{why}");
    Ok(said_done(&imposed))
}

fn unban(number: u32, by: &str, hub: &mut Hub) -> Result<String, String> {
    let Some(lifted) = hub.moderator().unban(number) else {
        return Err(format!(
            "! no-such-ban there is no ban {number}; /bans shows them"
        ));
    };
    info!("ban {number} of {} lifted by {by}", logged(&lifted.target));
    Ok(format!("= ban {number} of {} is lifted", lifted.target))
}

fn unmute(name: &str, by: &str, hub: &mut Hub) -> Result<String, String> {
    let unmuted = hub.moderator().unmute(name);
    let name = Clean::excerpt(name, EXCERPT_CHARS_MAX);
    match unmuted {
        Unmuted::Lifted(lifted) => {
            for mute in &lifted {
                info!("mute of {} lifted by {by}", logged(&mute.target));
            }
            let whom: Vec<String> = lifted.iter().map(|mute| mute.target.to_string()).collect();
            Ok(format!("= the mute of {} is lifted", whom.join(", ")))
        }
        Unmuted::HeldWith(target) => Err(format!(
            "! no-such-name {name} is muted for its address, with {target}"
        )),
        Unmuted::None => Err(format!("! no-such-name {name} is not muted")),
    }
}

/// Those in force, one line each, without the end of the answer.
fn rows(kind: Kind, hub: &mut Hub) -> Vec<String> {
    let rows = hub.moderator().list(kind).map(|sanction| {
        let Sanction {
            number,
            target,
            end,
            by,
            why,
            ..
        } = sanction;
        let end = said_end(*end);
        let why = why.as_deref().unwrap_or("no reason given");
        format!("= {number} {target}, {end}, by {by}, {why}")
    });
    rows.collect()
}

fn said_done(imposed: &Imposed) -> String {
    let Sanction {
        kind,
        number,
        target,
        end,
        ..
    } = &imposed.sanction;
    let end = said_end(*end);
    let mut said = match kind {
        Kind::Ban => {
            let ended = connections(imposed.ended);
            format!("= banned {target} {end}, as number {number}; {ended} ended")
        }
        Kind::Mute => format!("= muted {target} {end}"),
    };
    if imposed.others > 0 {
        let others = connections(imposed.others);
        said += &match kind {
            Kind::Ban => format!("; {others} more from that address, which /ban ADDRESS ends"),
            Kind::Mute => format!("; {others} more from that address, muted with it"),
        };
    }
    said
}

fn said_not(kind: Kind, wanted: &Wanted<'_>, why: &NotImposed) -> String {
    match why {
        NotImposed::BadName(bad) => format!("! bad-name {bad}"),
        NotImposed::Full(max) => {
            let word = word(kind);
            format!("! too-many there are {max} {word}s already; lift one first")
        }
        NotImposed::Guarded(net, why) => {
            let address = Target::of(None, Some(*net)).map_or(String::new(), |net| net.to_string());
            match wanted.whom {
                Whom::From(_) => {
                    format!(
                        "! bad-usage {address}: that is {why}; /ban! {address} bans it all the same"
                    )
                }
                Whom::Named(name) => format!(
                    "! bad-usage {name} comes from {address}, that is {why}; /ban! {name} bans both all \
                     the same, /kick {name} and then /ban {name} the name alone"
                ),
            }
        }
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Ban => "ban",
        Kind::Mute => "mute",
    }
}

fn connections(count: usize) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} connection{s}")
}

fn said_end(end: End) -> String {
    let at = |at: WallTime| {
        let mut out = Vec::new();
        stamp::write_seconds(at, &mut out);
        format!("until {}", String::from_utf8_lossy(&out))
    };
    end.at().map_or_else(|| "for good".to_owned(), at)
}

/// As the log has it: what a peer chose in quotes.
fn logged(target: &Target) -> String {
    let name = target.name().map(|name| quote(name.as_str()).to_string());
    let net = target.net().and_then(|net| Target::of(None, Some(net)));
    let net = net.map(|net| net.to_string());
    let parts: Vec<String> = name.into_iter().chain(net).collect();
    parts.join(" and ")
}
