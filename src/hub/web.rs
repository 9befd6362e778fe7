//! HTTP, as far as the hub is concerned: requests are collected, posts are said and the past is
//! told. What a request asks for and what an answer looks like is `dialect::http`'s; a connection
//! that becomes a WebSocket is handed back to `intake`, which reads from it.

use std::collections::VecDeque;

use crate::archive;
use crate::dialect::http::{self, Collected, Head, History, HttpRequest, Post, Response, Site};
use crate::dialect::{Dialect, Framing, websocket};
use crate::session::{
    AddressGroup, CloseReason, Door, Frames, Posting, Reading, Session, SessionId,
};

use super::core::Core;
use super::ending;
use super::later::Later;
use super::posts::Posts;
use super::questions::Asker;
use super::requests::Requests;
use super::web_past;

/// What the web door needs beside its connections.
#[derive(Debug)]
pub(super) struct Web {
    site: Site,
    /// Posts that are whole, and of which is to be found out where they come from.
    whole: VecDeque<SessionId>,
    posts: Posts,
}

impl Web {
    /// An open door, without posts.
    pub(super) fn new(site: Site) -> Web {
        Web {
            site,
            whole: VecDeque::new(),
            posts: Posts::default(),
        }
    }

    /// A post that is whole: where it comes from is to be noted with [`locate`].
    pub(super) fn next_post(&mut self) -> Option<SessionId> {
        self.whole.pop_front()
    }

    /// Bytes of a request.
    pub(super) fn read(
        &mut self,
        core: &mut Core,
        requests: &mut Requests,
        id: SessionId,
        bytes: &[u8],
    ) -> Taken {
        let Some((session, memory)) = core.session_and_memory(id) else {
            return Taken::Whole(Ok(()));
        };
        match session.door.as_deref_mut() {
            Some(Door::Head(head)) => {
                let before = head.bytes().len();
                let collected = head.take(bytes);
                memory.kept_bytes += head.bytes().len() - before;
                match collected {
                    Collected::More => {}
                    Collected::Bad(response) => answer(core, id, &response),
                    Collected::Whole { rest } => {
                        let behind = &bytes[bytes.len() - rest..];
                        return self.obey(core, requests, id, behind);
                    }
                }
            }
            Some(Door::Posting(posting)) if !posting.is_whole() => {
                let before = posting.body.len();
                posting.take(bytes);
                memory.kept_bytes += posting.body.len() - before;
                self.expect_post(core, id);
            }
            // What is sent behind a request is nothing.
            _ => {}
        }
        Taken::Whole(Ok(()))
    }

    /// Goes on with a request that had to wait, or says that it must wait again.
    pub(super) fn go_on(
        &mut self,
        core: &mut Core,
        requests: &mut Requests,
        id: SessionId,
    ) -> Result<(), Later> {
        let Some(door) = core.session_mut(id).and_then(|session| session.door.take()) else {
            return Ok(());
        };
        let done = match &*door {
            Door::Posting(posting) => match posting.group {
                Some(group) => {
                    let said = self.posts.say(core, &mut requests.pace, id, posting, group);
                    said.map(|response| answer(core, id, &response))
                }
                None => Ok(()),
            },
            Door::Reading(reading) => read_room(core, requests, id, reading),
            Door::Head(_) | Door::Frames(_) => Ok(()),
        };
        match core.session_mut(id).filter(|session| session.is_live()) {
            Some(session) => session.door = Some(door),
            None => core.memory.kept_bytes -= door.kept_bytes(),
        }
        done
    }

    /// What the head asks for; `rest` came behind it.
    fn obey(
        &mut self,
        core: &mut Core,
        requests: &mut Requests,
        id: SessionId,
        rest: &[u8],
    ) -> Taken {
        let taken = core.session_and_memory(id);
        let door = taken.and_then(|(session, memory)| memory.take_door(session));
        let Some(Door::Head(head)) = door else {
            return Taken::Whole(Ok(()));
        };
        match http::request(head.bytes(), &self.site) {
            HttpRequest::Answer(response) => answer(core, id, &response),
            HttpRequest::WebSocket { key } => {
                become_websocket(core, id, &websocket::accept_key(key));
                return Taken::Frames { behind: rest.len() };
            }
            HttpRequest::Post(post) => self.begin_post(core, id, &post, rest),
            HttpRequest::History(history) => {
                begin_reading(core, id, &history);
                return Taken::Whole(self.go_on(core, requests, id));
            }
        }
        Taken::Whole(Ok(()))
    }

    fn begin_post(&mut self, core: &mut Core, id: SessionId, post: &Post<'_>, rest: &[u8]) {
        let mut posting = Posting {
            room: post.room.to_string(),
            name: post.name.to_string(),
            body: Vec::new(),
            body_bytes: post.body_bytes,
            group: None,
        };
        posting.take(rest);
        core.memory.kept_bytes += posting.body.len();
        let waits = post.awaits_continue && posting.body.is_empty();
        let Some(session) = core.session_mut(id) else {
            return;
        };
        session.door = Some(Box::new(Door::Posting(Box::new(posting))));
        if waits {
            core.delivery().tell_one(id, |out| {
                out.extend_from_slice(http::CONTINUE);
                0
            });
        }
        self.expect_post(core, id);
    }

    /// A post whose body is whole is said next.
    fn expect_post(&mut self, core: &Core, id: SessionId) {
        if core.session(id).is_some_and(is_posting) {
            self.whole.push_back(id);
        }
    }
}

/// What became of bytes of a request.
pub(super) enum Taken {
    /// They were taken; or the request is to wait.
    Whole(Result<(), Later>),
    /// The connection is a WebSocket from here on, and so many of the bytes are frames.
    Frames {
        /// The last ones.
        behind: usize,
    },
}

/// A connection turned out to speak HTTP. What was kept of it is the first of the request.
pub(super) fn begin(core: &mut Core, id: SessionId) -> Vec<u8> {
    let Some((session, memory)) = core.session_and_memory(id) else {
        return Vec::new();
    };
    session.dialect = Dialect::Http;
    session.door = Some(Box::new(Door::Head(Head::default())));
    let first = session.lines.kept().to_vec();
    memory.forget_lines(session);
    // The time for a head is shorter than that for a name.
    core.arm(id);
    first
}

/// A browser came without TLS, which is required.
pub(super) fn refuse_plain(core: &mut Core, id: SessionId) {
    if let Some(session) = core.session_mut(id) {
        session.dialect = Dialect::Http;
    }
    core.delivery().tell_one(id, |out| {
        Response::wants_tls().write(out);
        0
    });
    ending::end(core, id, CloseReason::TlsRequired, None);
}

/// Whether this is a post that is whole, which is said and answered in this turn, or held back.
pub(super) fn is_posting(session: &Session) -> bool {
    match session.door.as_deref() {
        Some(Door::Posting(posting)) => posting.is_whole(),
        _ => false,
    }
}

/// Notes where a post comes from.
pub(super) fn locate(session: &mut Session, group: AddressGroup) {
    if let Some(Door::Posting(posting)) = session.door.as_deref_mut() {
        posting.group = Some(group);
    }
}

/// The answer, and the end.
pub(super) fn answer(core: &mut Core, id: SessionId, response: &Response) {
    if let Some((session, memory)) = core.session_and_memory(id) {
        memory.take_door(session);
    }
    core.delivery().tell_one(id, |out| {
        response.write(out);
        0
    });
    ending::end(core, id, CloseReason::Answered, None);
}

fn become_websocket(core: &mut Core, id: SessionId, accept: &str) {
    let Some(session) = core.session_mut(id) else {
        return;
    };
    session.dialect = Dialect::JsonUngreeted(Framing::Frames);
    session.door = Some(Box::new(Door::Frames(Frames::default())));
    core.delivery().tell_one(id, |out| {
        http::write_upgraded(accept, out);
        0
    });
    // A slice of frames begins with a frame.
    core.delivery().start_new_replies();
    core.arm(id);
}

fn begin_reading(core: &mut Core, id: SessionId, history: &History<'_>) {
    let reading = Reading {
        room: history.room.to_string(),
        since: history.since,
        limit: history.limit,
        is_head_only: history.is_head_only,
    };
    if let Some(session) = core.session_mut(id) {
        session.door = Some(Box::new(Door::Reading(Box::new(reading))));
    }
}

/// Tells what was said in a room, now or when the archive has answered.
fn read_room(
    core: &mut Core,
    requests: &mut Requests,
    id: SessionId,
    reading: &Reading,
) -> Result<(), Later> {
    requests.answers.check(id, core.now())?;
    let before = core.delivery().replies.told_bytes;
    if let Some(response) = web_past::read(core, id, reading) {
        answer(core, id, &response);
    }
    let bytes = core.delivery().replies.told_bytes - before;
    requests.answers.charge(id, core.now(), bytes);
    Ok(())
}

/// Tells what the archive has of a room.
pub(super) fn answer_reading(core: &mut Core, asker: &Asker, reply: &archive::Reply) {
    let response = web_past::response(core, asker, reply);
    answer(core, asker.session, &response);
}
