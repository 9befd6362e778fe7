//! What the muted may not: they hear everything and are refused what others would hear of them. Functions
//! over the core, which change nothing.

use crate::chat::{Act, Command, Name};
use crate::dialect::Refusal;
use crate::moderation::End;
use crate::session::SessionId;

use super::core::Core;

/// Whether a session may do this.
///
/// # Errors
/// Others would hear of it, and it is muted.
pub(super) fn check(
    core: &Core,
    id: SessionId,
    command: &Command<'_>,
) -> Result<(), Refusal<'static>> {
    let posts_as = match command {
        Command::Act(Act::Say { .. } | Act::Msg { .. } | Act::SetTopic(_) | Act::Nick(_)) => None,
        Command::Post { name, .. } => Some(*name),
        _ => return Ok(()),
    };
    check_speaker(core, id, posts_as)
}

/// Whether a session may speak, be it under another name.
///
/// # Errors
/// It, or who is called so, is muted.
pub(super) fn check_speaker(
    core: &Core,
    id: SessionId,
    posts_as: Option<&str>,
) -> Result<(), Refusal<'static>> {
    match mute_on(core, id, posts_as) {
        Some(end) => Err(Refusal::Muted(end.at())),
        None => Ok(()),
    }
}

/// Whether a session is muted.
pub(super) fn is_muted(core: &Core, id: SessionId) -> bool {
    mute_on(core, id, None).is_some()
}

/// Until when.
fn mute_on(core: &Core, id: SessionId, posts_as: Option<&str>) -> Option<End> {
    let standing = &core.standing;
    if standing.mutes.is_empty() {
        return None;
    }
    let by_address = standing.mute_on_address_of(id);
    let member = core.member_of(id);
    let by_name = member.and_then(|member| {
        let name = core.directory.full_name_of(member);
        standing.mute_on_name(name)
    });
    let by_post = posts_as.and_then(|name| {
        let name = Name::parse(name).ok()?;
        standing.mute_on_name(&name)
    });
    let mutes = [by_address, by_name, by_post];
    mutes.into_iter().flatten().map(|mute| mute.end).max()
}
