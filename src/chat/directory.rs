//! `Directory`: the rules of chat, as those see them who ask: what each request does, and who is
//! called what, who is in which room, which rooms exist. Everything that happens is told to a listener
//! as a fact with its audience, in order; what is answered is returned. Not how it is written or
//! delivered. Owned by the hub.

use crate::time::{Time, WallTime};

use super::closing;
use super::command::Act;
use super::fact::{Answer, Cause, Fact, Listen, Manner, Refusal, RoomRow, To, What};
use super::fixed_rooms::FixedRooms;
use super::id::{MemberId, MessageId, RoomId};
use super::member::Hears;
use super::name::Name;
use super::presence::Presence;
use super::rules::Rules;
use super::talking::{self, OPERATOR};

/// Everybody who has a name, and every room. More than 20 methods, since it is all of the rules that
/// anybody outside may call, half of them questions of one line; what they stand on is `presence`'s
/// and `talking`'s, which know nothing of it.
#[derive(Debug)]
pub struct Directory {
    presence: Presence,
}

impl Directory {
    /// A directory with nobody in it, and the lobby.
    pub fn new(rules: Rules) -> Directory {
        Directory {
            presence: Presence::new(rules),
        }
    }

    /// Nobody is here any more, and nobody is told so. Time and ids go on.
    pub fn clear(&mut self) {
        self.presence.clear();
    }

    /// From now on there are no rooms but these, and they are always there.
    pub fn fix_rooms(&mut self, rooms: FixedRooms) {
        self.presence.rooms.fix(rooms);
    }

    /// What happens from now on happens at this time.
    pub fn set_time(&mut self, now: Time, wall: WallTime) {
        self.presence.set_time(now, wall);
    }

    /// A room as it was left in an earlier run: it rests, until somebody comes. Those that spoke last
    /// come first. `None` if there is nothing to remember of it, no place for one more, or its name
    /// could be taken for that of another.
    pub fn recall_room(&mut self, name: &str, topic: &str, last: MessageId) -> Option<RoomId> {
        self.presence.ids.skip(last);
        self.presence.rooms.recall(name, topic, last)
    }

    /// No id up to this one is given any more.
    pub fn skip_ids(&mut self, last: MessageId) {
        self.presence.ids.skip(last);
    }

    /// When [`Directory::handle_timeout`] is to be called.
    pub fn next_timeout(&self) -> Option<Time> {
        self.presence.rooms.next_churn_at()
    }

    /// Tells the rooms whose time has come the joins and leaves they have not heard of yet.
    pub fn handle_timeout(&mut self, listen: &mut dyn Listen) {
        self.presence.handle_timeout(listen);
    }

    /// Gives somebody the name it asks for. It is in no room yet.
    ///
    /// # Errors
    /// The name is none, or taken.
    pub fn admit<'a>(&mut self, asked: &'a str, hears: Hears) -> Result<MemberId, Refusal<'a>> {
        self.presence.members.admit(asked, hears)
    }

    /// Puts a member into the room of this name, which is made at need.
    ///
    /// # Errors
    /// Not a name, in it already, or one room too many.
    pub fn join<'a>(
        &mut self,
        member: MemberId,
        asked: &'a str,
        listen: &mut dyn Listen,
    ) -> Result<RoomId, Refusal<'a>> {
        self.presence.join(member, asked, listen)
    }

    /// The member is in the room already, but whoever hears for it now does not know that.
    pub fn enter_again(&mut self, member: MemberId, room: RoomId, listen: &mut dyn Listen) {
        self.presence.enter_again(member, room, listen);
    }

    /// Does what a member asks for, in this room; without one, in the only room that it is in.
    ///
    /// # Errors
    /// What the rules refuse; then nothing has happened.
    pub fn apply<'a>(
        &'a mut self,
        member: MemberId,
        room: Option<&'a str>,
        act: Act<'a>,
        listen: &mut dyn Listen,
    ) -> Result<Answer<'a>, Refusal<'a>> {
        let done = Ok(Answer::Done(None));
        let presence = &mut self.presence;
        match act {
            Act::Say { text, action } => {
                let room = presence.room_of(member, room)?;
                let manner = if action {
                    Manner::Action
                } else {
                    Manner::Plain
                };
                Ok(Answer::Done(Some(say(
                    presence, member, room, text, manner, listen,
                ))))
            }
            Act::Join { .. } => {
                let asked = room.ok_or(Refusal::WhichRoom)?;
                presence.join(member, asked, listen).and(done)
            }
            Act::Move => {
                let asked = room.ok_or(Refusal::WhichRoom)?;
                presence.change_room(member, asked, listen).and(done)
            }
            Act::Part => {
                let room = presence.room_of(member, room)?;
                presence.part(member, room, listen);
                done
            }
            Act::Nick(name) => {
                if presence.rename(member, name, listen)? {
                    return done;
                }
                Ok(Answer::SameName(presence.members.name_of(member)))
            }
            Act::Msg { to, text } => talking::message_of(presence, member, to, text, listen),
            Act::SetTopic(text) => {
                let room = presence.room_of(member, room)?;
                talking::set_topic_of(presence, member, room, text, listen).and(done)
            }
            Act::ShowTopic => {
                let room = presence.room_of(member, room)?;
                let room = presence.rooms.get(room);
                Ok(Answer::Topic {
                    room: room.name.as_str(),
                    topic: &room.topic,
                })
            }
            Act::Who => {
                let found = match room {
                    None => presence.room_of(member, None)?,
                    Some(asked) => find_awake(presence, asked)?,
                };
                Ok(who_in(presence, found))
            }
            Act::Rooms => Ok(list_rooms(presence)),
            Act::Echo(echo) => {
                presence.members.get_mut(member).hears.echo = echo;
                Ok(Answer::Echo(echo))
            }
        }
    }

    /// Takes a member out of all its rooms and frees its name.
    pub fn leave(
        &mut self,
        member: MemberId,
        cause: Cause,
        reason: Option<&str>,
        listen: &mut dyn Listen,
    ) {
        self.presence.leave(member, cause, reason, listen);
    }

    /// Says one thing in a room, under a name that nobody bears.
    ///
    /// # Errors
    /// A name that is none, or taken, or a room that is none or one too many.
    pub fn post<'a>(
        &mut self,
        room: &'a str,
        name: &'a str,
        text: &str,
        listen: &mut dyn Listen,
    ) -> Result<MessageId, Refusal<'a>> {
        talking::post(&mut self.presence, room, name, text, listen)
    }

    /// Tells everybody what the operator says.
    pub fn announce(&mut self, text: &str, listen: &mut dyn Listen) {
        talking::announce(&mut self.presence, text, listen);
    }

    /// Tells a room what the operator says to it alone. How many are in it.
    ///
    /// # Errors
    /// There is no such room, or nobody is in it and it is only remembered.
    pub fn announce_in<'a>(
        &mut self,
        room: &'a str,
        text: &str,
        listen: &mut dyn Listen,
    ) -> Result<usize, Refusal<'a>> {
        let room = find_awake(&self.presence, room)?;
        talking::announce_in(&mut self.presence, room, text, listen);
        Ok(self.presence.rooms.get(room).roster.len())
    }

    /// Tells one member what the operator says to it. What it is called.
    ///
    /// # Errors
    /// Nobody is called so.
    pub fn message_as_operator<'a>(
        &mut self,
        to: &'a str,
        text: &str,
        listen: &mut dyn Listen,
    ) -> Result<String, Refusal<'a>> {
        let sent = talking::message(&mut self.presence, OPERATOR, to, text, listen);
        sent.map(|(_, name)| name.to_owned())
            .map_err(|_| Refusal::NoSuchName(to))
    }

    /// Sets the topic of a room, whether anybody is in it or not. What the room is called.
    ///
    /// # Errors
    /// There is no such room, or the topic is too long.
    pub fn set_topic_as_operator<'a>(
        &mut self,
        room: &'a str,
        text: &str,
        listen: &mut dyn Listen,
    ) -> Result<String, Refusal<'a>> {
        let room = find_room(&self.presence, room)?;
        talking::set_topic(&mut self.presence, OPERATOR, room, text, listen)?;
        Ok(self.room_name(room).to_owned())
    }

    /// Sends everybody out of a room, each of whom is told why. How many they were, and those who are
    /// in no room now.
    ///
    /// # Errors
    /// There is no such room, or it is the lobby, or nobody is in it and it is only remembered.
    pub fn close_room<'a>(
        &mut self,
        room: &'a str,
        reason: Option<&str>,
        listen: &mut dyn Listen,
    ) -> Result<(usize, Vec<MemberId>), Refusal<'a>> {
        let room = find_awake(&self.presence, room)?;
        if self.presence.rooms.is_kept_when_empty(room) {
            return Err(Refusal::Lobby);
        }
        Ok(closing::close(&mut self.presence, room, reason, listen))
    }

    /// Tells a room which of its messages the operator has taken back.
    pub fn tell_forgotten(&mut self, room: RoomId, ids: &[MessageId], listen: &mut dyn Listen) {
        talking::tell_forgotten(&mut self.presence, room, ids, listen);
    }

    /// Who is in the room of this name.
    ///
    /// # Errors
    /// There is no such room.
    pub fn who<'a>(&'a self, room: &'a str) -> Result<Answer<'a>, Refusal<'a>> {
        let found = find_awake(&self.presence, room)?;
        Ok(who_in(&self.presence, found))
    }

    /// The rooms that have members, or are always there.
    pub fn list_rooms(&self) -> Answer<'_> {
        list_rooms(&self.presence)
    }

    /// The rooms that have members, and how many, in alphabetical order.
    pub fn occupied_rooms(&self) -> impl Iterator<Item = (&str, usize)> {
        let rooms = self.presence.rooms.occupied();
        rooms.map(|room| (room.name.as_str(), room.roster.len()))
    }

    /// The room that a member means: the one that is called so, or its only one.
    ///
    /// # Errors
    /// It is not in a room of that name; or it did not say which it means, and is in none or several.
    pub fn room_of<'a>(
        &self,
        member: MemberId,
        asked: Option<&'a str>,
    ) -> Result<RoomId, Refusal<'a>> {
        self.presence.room_of(member, asked)
    }

    /// The rooms that a member is in.
    pub fn rooms_of(&self, member: MemberId) -> impl Iterator<Item = RoomId> {
        let rooms = &self.presence.members.get(member).rooms;
        rooms.iter().map(|membership| membership.room)
    }

    /// What a room is called.
    pub fn room_name(&self, room: RoomId) -> &str {
        self.presence.rooms.get(room).name.as_str()
    }

    /// The room of this name, whoever asks, and whether anybody is in it or not.
    ///
    /// # Errors
    /// There is none.
    pub fn find_room<'a>(&self, asked: &'a str) -> Result<RoomId, Refusal<'a>> {
        find_room(&self.presence, asked)
    }

    /// What a member is called.
    pub fn name_of(&self, member: MemberId) -> &str {
        self.presence.members.name_of(member)
    }

    /// The same with all by which names are compared.
    pub fn full_name_of(&self, member: MemberId) -> &Name {
        &self.presence.members.get(member).name
    }

    /// The member that is called so. Not one whose name only looks so.
    pub fn member_named(&self, name: &str) -> Option<MemberId> {
        self.presence.members.named(name)
    }

    /// How many have a name.
    pub fn members(&self) -> usize {
        self.presence.members.len()
    }
}

/// A member says something in a room. The id of it.
fn say(
    presence: &mut Presence,
    member: MemberId,
    room: RoomId,
    text: &str,
    manner: Manner,
    listen: &mut dyn Listen,
) -> MessageId {
    let id = presence.ids.next();
    presence.rooms.get_mut(room).last = id;
    let speaker = presence.members.get(member);
    let fact = Fact {
        room: Some(presence.rooms.place(room)),
        id,
        what: What::Said {
            from: speaker.name.as_str(),
            text,
            manner,
        },
    };
    if speaker.hears.echo {
        listen.hear(To::Room(room), &fact);
    } else {
        listen.hear(To::RoomBut(room, &[member]), &fact);
    }
    id
}

/// The room of this name, unless nobody is in it and it is only remembered.
fn find_awake<'a>(presence: &Presence, asked: &'a str) -> Result<RoomId, Refusal<'a>> {
    let found = find_room(presence, asked)?;
    if presence.rooms.is_resting(found) {
        return Err(Refusal::NoSuchRoom(asked));
    }
    Ok(found)
}

fn find_room<'a>(presence: &Presence, asked: &'a str) -> Result<RoomId, Refusal<'a>> {
    let found = presence.rooms.find(asked);
    found.ok_or(Refusal::NoSuchRoom(asked))
}

fn who_in(presence: &Presence, room: RoomId) -> Answer<'_> {
    let room = presence.rooms.get(room);
    Answer::Who {
        room: room.name.as_str(),
        here: room.roster.len(),
        names: presence
            .members
            .names_of(&room.roster, presence.rules.who_names_max),
    }
}

fn list_rooms(presence: &Presence) -> Answer<'_> {
    let mut listed = presence.rooms.listed().map(|room| RoomRow {
        room: room.name.as_str(),
        here: room.roster.len(),
        topic: &room.topic,
    });
    let first = listed.by_ref().take(presence.rules.rooms_listed_max);
    Answer::Rooms {
        rooms: first.collect(),
        more: listed.count(),
    }
}

#[cfg(test)]
mod tests;
