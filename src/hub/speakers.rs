//! `Speakers`: which session speaks for which member, and is told what concerns it. The hub alone
//! knows: a session has no name and a member no connection. Owned by delivery.

use crate::chat::MemberId;
use crate::session::SessionId;

/// The session of each member.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    sessions: Vec<Option<SessionId>>,
}

impl Speakers {
    /// From now on this session is told what concerns this member.
    pub(super) fn bind(&mut self, member: MemberId, id: SessionId) {
        if self.sessions.len() <= member.slot() {
            self.sessions.resize(member.slot() + 1, None);
        }
        self.sessions[member.slot()] = Some(id);
    }

    /// Nobody is told any more what concerns this member.
    pub(super) fn unbind(&mut self, member: MemberId) {
        self.sessions[member.slot()] = None;
    }

    /// The session that is told what concerns a member.
    pub(super) fn of(&self, member: MemberId) -> Option<SessionId> {
        self.sessions.get(member.slot()).copied().flatten()
    }

    /// Those of all members.
    pub(super) fn all(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.iter().copied().flatten()
    }

    /// There are no members any more.
    pub(super) fn clear(&mut self) {
        self.sessions.clear();
    }
}
