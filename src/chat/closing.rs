//! How the operator closes a room: everybody is sent out of it, and told why. Where they go then is not
//! decided here. A function over [`Presence`], for the directory; nobody owns anything here.

use super::fact::{Cause, Fact, Listen, Parting, To, What};
use super::id::{MemberId, RoomId};
use super::presence::Presence;

/// Sends everybody out of a room. Each is told of its own leave alone: nobody stays to whom the others'
/// would be news. How many they were, and those who are in no room now.
pub(super) fn close(
    presence: &mut Presence,
    room: RoomId,
    reason: Option<&str>,
    listen: &mut dyn Listen,
) -> (usize, Vec<MemberId>) {
    let members = presence.rooms.get(room).roster.members().to_vec();
    let mut homeless = Vec::new();
    // From the end of the roster, from where taking one out moves nobody.
    for (here, &member) in members.iter().enumerate().rev() {
        let id = presence.ids.next();
        let left = Fact {
            room: Some(presence.rooms.place(room)),
            id,
            what: What::Left {
                who: presence.members.name_of(member),
                here,
                cause: Cause::Closed,
                reason,
            },
        };
        listen.hear(To::Member(member), &left);
        presence.take_out(member, room, id, Parting::Sent, listen);
        if presence.members.get(member).rooms.is_empty() {
            homeless.push(member);
        }
    }
    presence.close_if_empty(room, listen);
    (members.len(), homeless)
}
