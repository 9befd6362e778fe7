//! What is said otherwise than by a member to its room (which is `directory`'s): by somebody who is not
//! there, to one member, to everybody; and the topics of rooms. Functions over [`Presence`], for the
//! directory; nobody owns anything here.

use super::fact::{Answer, Fact, Listen, Manner, Refusal, To, What};
use super::id::{MemberId, MessageId, RoomId};
use super::presence::Presence;

/// How the operator is called where it is named as members are; nobody can take that name.
pub(super) const OPERATOR: &str = "operator";
/// Ids that are told at once: more would make a long line.
const FORGOTTEN_IDS_MAX: usize = 50;

/// Says one thing in a room, under a name that nobody bears.
pub(super) fn post<'a>(
    presence: &mut Presence,
    room: &'a str,
    name: &'a str,
    text: &str,
    listen: &mut dyn Listen,
) -> Result<MessageId, Refusal<'a>> {
    let name = presence.members.free_name(None, name)?;
    let found = presence
        .rooms
        .find_or_check(room, None, presence.rules.rooms_max)?;
    let room = presence.open(found, listen);
    let id = presence.ids.next();
    presence.rooms.get_mut(room).last = id;
    let what = What::Said {
        from: name.as_str(),
        text,
        manner: Manner::Posted,
    };
    presence.tell_room(room, id, what, listen);
    presence.close_if_empty(room, listen);
    Ok(id)
}

/// Tells everybody what the operator says.
pub(super) fn announce(presence: &mut Presence, text: &str, listen: &mut dyn Listen) {
    let fact = Fact {
        room: None,
        id: presence.ids.next(),
        what: What::Announcement { text },
    };
    listen.hear(To::Everybody, &fact);
}

/// The same to one room alone.
pub(super) fn announce_in(
    presence: &mut Presence,
    room: RoomId,
    text: &str,
    listen: &mut dyn Listen,
) {
    let id = presence.ids.next();
    presence.tell_room(room, id, What::Announcement { text }, listen);
}

/// Tells a room which of its messages the operator has taken back.
pub(super) fn tell_forgotten(
    presence: &mut Presence,
    room: RoomId,
    ids: &[MessageId],
    listen: &mut dyn Listen,
) {
    for ids in ids.chunks(FORGOTTEN_IDS_MAX) {
        let id = presence.ids.next();
        presence.tell_room(room, id, What::Forgotten { ids }, listen);
    }
}

/// A member says something to another alone.
pub(super) fn message_of<'a>(
    presence: &'a mut Presence,
    member: MemberId,
    to: &'a str,
    text: &str,
    listen: &mut dyn Listen,
) -> Result<Answer<'a>, Refusal<'a>> {
    let from = presence.members.name_of(member).to_owned();
    let (id, name) = message(presence, &from, to, text, listen)?;
    Ok(Answer::Sent(id, name))
}

/// A member sets the topic of a room.
pub(super) fn set_topic_of(
    presence: &mut Presence,
    member: MemberId,
    room: RoomId,
    text: &str,
    listen: &mut dyn Listen,
) -> Result<(), Refusal<'static>> {
    let by = presence.members.name_of(member).to_owned();
    set_topic(presence, &by, room, text, listen)
}

/// Somebody says something to one member alone: the id of it, and what that one is called.
pub(super) fn message<'a>(
    presence: &'a mut Presence,
    from: &str,
    to: &'a str,
    text: &str,
    listen: &mut dyn Listen,
) -> Result<(MessageId, &'a str), Refusal<'a>> {
    let other = presence.members.named(to).ok_or(Refusal::NoSuchName(to))?;
    let id = presence.ids.next();
    let fact = Fact {
        room: None,
        id,
        what: What::Private { from, text },
    };
    listen.hear(To::Member(other), &fact);
    Ok((id, presence.members.name_of(other)))
}

/// Somebody sets the topic of a room.
pub(super) fn set_topic(
    presence: &mut Presence,
    by: &str,
    room: RoomId,
    text: &str,
    listen: &mut dyn Listen,
) -> Result<(), Refusal<'static>> {
    if text.len() > presence.rules.topic_bytes_max {
        return Err(Refusal::TopicTooLong(presence.rules.topic_bytes_max));
    }
    presence.rooms.get_mut(room).topic = text.into();
    let id = presence.ids.next();
    presence.tell_room(room, id, What::Topic { text, by }, listen);
    Ok(())
}
