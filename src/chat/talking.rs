//! What is said: to a room, to one member, to everybody; and the topics of rooms. Part of the
//! directory.

use super::directory::Directory;
use super::fact::{Answer, Fact, Listen, Manner, Refusal, To, What};
use super::id::{MemberId, MessageId, RoomId};
use super::presence::Found;

impl Directory {
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
        let name = self.free_name(None, name)?;
        let room = match self.find_or_check(room, None)? {
            Found::Room(room) => room,
            Found::Place(name) => self.open(name, listen),
        };
        self.rooms.wake(room);
        let id = self.next_id();
        self.rooms.get_mut(room).last = id;
        let what = What::Said {
            from: name.as_str(),
            text,
            manner: Manner::Posted,
        };
        self.tell_room(room, id, what, listen);
        self.close_if_empty(room, listen);
        Ok(id)
    }

    /// Tells everybody what the operator says.
    pub fn announce(&mut self, text: &str, listen: &mut dyn Listen) {
        let fact = Fact {
            room: None,
            id: self.next_id(),
            what: What::Announcement { text },
        };
        listen.hear(To::Everybody, &fact);
    }

    pub(super) fn say(
        &mut self,
        member: MemberId,
        room: RoomId,
        text: &str,
        manner: Manner,
        listen: &mut dyn Listen,
    ) -> MessageId {
        let id = self.next_id();
        self.rooms.get_mut(room).last = id;
        let speaker = self.member(member);
        let fact = Fact {
            room: Some(self.rooms.place(room)),
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

    pub(super) fn message<'a>(
        &'a mut self,
        member: MemberId,
        to: &'a str,
        text: &str,
        listen: &mut dyn Listen,
    ) -> Result<Answer<'a>, Refusal<'a>> {
        let other = self.member_named(to).ok_or(Refusal::NoSuchName(to))?;
        let id = self.next_id();
        let fact = Fact {
            room: None,
            id,
            what: What::Private {
                from: self.name_of(member),
                text,
            },
        };
        listen.hear(To::Member(other), &fact);
        Ok(Answer::Sent(id, self.name_of(other)))
    }

    pub(super) fn set_topic(
        &mut self,
        member: MemberId,
        room: RoomId,
        text: &str,
        listen: &mut dyn Listen,
    ) -> Result<(), Refusal<'static>> {
        if text.len() > self.rules.topic_bytes_max {
            return Err(Refusal::TopicTooLong(self.rules.topic_bytes_max));
        }
        self.rooms.get_mut(room).topic = text.into();
        let id = self.next_id();
        let by = self.name_of(member);
        self.tell_room(room, id, What::Topic { text, by }, listen);
        Ok(())
    }
}
