//! How somebody comes in: the name, the rooms, and what was said in them before. Coming back while
//! the old connection is still there is in `takeover`. Part of the hub.

use crate::chat::{Entry, Hears, MemberId, MessageId, Name, Refusal as RulesRefusal};
use crate::dialect::{Encoding, Refusal, Reply};
use crate::session::{SessionId, Step};

use super::listeners::Replay;
use super::{Hub, Recorded};

impl Hub {
    /// Gives a session the name it asks for and lets it into the rooms.
    pub(super) fn enter<'a>(
        &mut self,
        id: SessionId,
        entry: &Entry<'a>,
        reference: Option<&str>,
    ) -> Result<(), Refusal<'a>> {
        if self.member_of(id).is_some() {
            return Err(Refusal::EnteredAlready);
        }
        self.check_rooms(entry)?;
        if let Some(old) = self.find_for_takeover(entry) {
            self.wait_for_takeover(old, id, entry, reference);
            return Ok(());
        }
        let hears = self.hears(id);
        let member = self.directory.admit(entry.name, hears)?;
        self.welcome(id, member, reference);
        let name = self.directory.name_of(member).into();
        self.listeners
            .records
            .push(Some(id), Recorded::Joined(name));
        for (room, since) in entry.rooms {
            self.enter_room(id, member, room, *since, reference);
        }
        Ok(())
    }

    /// The session is this member from now on, and is told so.
    pub(super) fn welcome(&mut self, id: SessionId, member: MemberId, reference: Option<&str>) {
        self.listeners.delivery.bind(member, id);
        let Some(session) = self.session_mut(id) else {
            return;
        };
        session.member = Some(member);
        session.advance(Step::Name);
        // Only programs are told a token, and only they can come back with it.
        if session.encoding() != Encoding::Text {
            let token = self.arrivals.new_token(member);
            let welcome = Reply::Welcome {
                name: self.directory.name_of(member),
                resume: &token,
            };
            self.listeners.delivery.reply(id, &welcome, reference);
        }
    }

    /// Lets a member into a room, with what it missed there; or tells it why not.
    pub(super) fn enter_room(
        &mut self,
        id: SessionId,
        member: MemberId,
        room: &str,
        since: Option<MessageId>,
        reference: Option<&str>,
    ) {
        self.listeners.set_replay(Replay::since(since));
        match self.directory.join(member, room, &mut self.listeners) {
            // Somebody may name a room twice.
            Ok(_) | Err(RulesRefusal::AlreadyHere(_)) => {}
            Err(refusal) => self.reply(id, &Reply::Refused(refusal.into()), reference),
        }
    }

    fn hears(&self, id: SessionId) -> Hears {
        let encoding = self.session(id).map(|session| session.encoding());
        let (echo, names_max) = match encoding {
            Some(Encoding::Json | Encoding::JsonFrames) => (true, self.limits.entered_names_max),
            Some(Encoding::Text) | None => (false, self.limits.welcome_names_max),
        };
        Hears {
            echo,
            names_max: u16::try_from(names_max).unwrap_or(u16::MAX),
        }
    }

    /// Nobody comes in by half: what can be known to be wrong is refused before.
    fn check_rooms<'a>(&self, entry: &Entry<'a>) -> Result<(), Refusal<'a>> {
        let rooms_max = self.limits.rooms_per_member_max;
        if entry.rooms.len() > rooms_max {
            return Err(RulesRefusal::TooManyRooms(rooms_max).into());
        }
        for (room, _) in entry.rooms {
            Name::parse(room).map_err(RulesRefusal::BadName)?;
        }
        Ok(())
    }
}
