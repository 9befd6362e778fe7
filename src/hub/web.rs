//! HTTP, as far as the hub is concerned: requests are collected, posts are said and the past is
//! told. What a request asks for and what an answer looks like is `dialect::http`'s; a connection
//! that becomes a WebSocket is handed back to `intake`, which reads from it.

use std::collections::VecDeque;

use crate::archive;
use crate::dialect::http::{self, Collected, Head, History, HttpRequest, Post, Response, Site};
use crate::dialect::{Dialect, Framing, websocket};
use crate::password::KeptPassword;
use crate::session::{
    AddressGroup, CloseReason, Door, Frames, Posting, Reading, Session, SessionId,
};

use super::core::Core;
use super::later::Later;
use super::posts::Posts;
use super::questions::Asker;
use super::requests::Requests;
use super::web_past;
use super::{admission, ending};

/// What the web door needs beside its connections.
#[derive(Debug)]
pub(super) struct Web {
    site: Site,
    /// Requests that are whole, and of which is to be found out where they come from.
    to_locate: VecDeque<SessionId>,
    posts: Posts,
}

impl Web {
    /// An open door, without posts.
    pub(super) fn new(site: Site) -> Web {
        Web {
            site,
            to_locate: VecDeque::new(),
            posts: Posts::default(),
        }
    }

    /// A request that is whole: where it comes from is to be noted with [`locate`].
    pub(super) fn next_to_locate(&mut self) -> Option<SessionId> {
        self.to_locate.pop_front()
    }

    /// Bytes of a request.
    pub(super) fn read(&mut self, core: &mut Core, id: SessionId, bytes: &[u8]) -> Taken {
        let Some((session, memory)) = core.session_and_memory(id) else {
            return Taken::Whole;
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
                        return self.obey(core, id, behind);
                    }
                }
            }
            Some(Door::Posting(posting)) if !posting.is_whole() => {
                let before = posting.body.len();
                posting.take(bytes);
                memory.kept_bytes += posting.body.len() - before;
                self.expect(core, id);
            }
            // What is sent behind a request is nothing.
            _ => {}
        }
        Taken::Whole
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
                    let password = posting.password.as_ref();
                    let said = match admission::check_request(core, id, group, password) {
                        Ok(()) => self.posts.say(core, &mut requests.pace, id, posting, group),
                        Err(response) => Ok(response),
                    };
                    said.map(|response| answer(core, id, &response))
                }
                None => Ok(()),
            },
            Door::Reading(reading) => match reading.group {
                Some(group) => {
                    let password = reading.password.as_ref();
                    match admission::check_request(core, id, group, password) {
                        Ok(()) => read_room(core, requests, id, reading),
                        Err(response) => {
                            answer(core, id, &response.head_only(reading.is_head_only));
                            Ok(())
                        }
                    }
                }
                None => Ok(()),
            },
            Door::Head(_) | Door::Frames(_) => Ok(()),
        };
        match core.session_mut(id).filter(|session| session.is_live()) {
            Some(session) => session.door = Some(door),
            None => core.memory.kept_bytes -= door.kept_bytes(),
        }
        done
    }

    /// What the head asks for; `rest` came behind it.
    fn obey(&mut self, core: &mut Core, id: SessionId, rest: &[u8]) -> Taken {
        let taken = core.session_and_memory(id);
        let door = taken.and_then(|(session, memory)| memory.take_door(session));
        let Some(Door::Head(head)) = door else {
            return Taken::Whole;
        };
        match http::request(head.bytes(), &self.site) {
            HttpRequest::Answer(response) => answer(core, id, &response),
            HttpRequest::WebSocket { key } => {
                become_websocket(core, id, &websocket::accept_key(key));
                return Taken::Frames { behind: rest.len() };
            }
            HttpRequest::Post(post) => self.begin_post(core, id, &post, rest),
            HttpRequest::History(history) => self.begin_reading(core, id, &history),
        }
        Taken::Whole
    }

    fn begin_post(&mut self, core: &mut Core, id: SessionId, post: &Post<'_>, rest: &[u8]) {
        let password = post.password.as_deref().and_then(KeptPassword::of);
        if let Err(response) = admission::check_given(core, password.as_ref()) {
            return answer(core, id, &response);
        }
        let mut posting = Posting {
            room: post.room.to_string(),
            name: post.name.to_string(),
            password,
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
        self.expect(core, id);
    }

    fn begin_reading(&mut self, core: &mut Core, id: SessionId, history: &History<'_>) {
        let password = history.password.as_deref().and_then(KeptPassword::of);
        if let Err(response) = admission::check_given(core, password.as_ref()) {
            return answer(core, id, &response.head_only(history.is_head_only));
        }
        let reading = Reading {
            room: history.room.to_string(),
            since: history.since,
            limit: history.limit,
            password,
            group: None,
            is_head_only: history.is_head_only,
        };
        if let Some(session) = core.session_mut(id) {
            session.door = Some(Box::new(Door::Reading(Box::new(reading))));
        }
        self.expect(core, id);
    }

    /// A request that is whole is done next.
    fn expect(&mut self, core: &Core, id: SessionId) {
        if core.session(id).is_some_and(is_whole) {
            self.to_locate.push_back(id);
        }
    }
}

/// What became of bytes of a request.
pub(super) enum Taken {
    /// They were taken.
    Whole,
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

/// Whether this is a request for a room that is whole, which is answered in this turn, or held back.
pub(super) fn is_whole(session: &Session) -> bool {
    match session.door.as_deref() {
        Some(Door::Posting(posting)) => posting.is_whole(),
        Some(Door::Reading(_)) => true,
        Some(Door::Head(_) | Door::Frames(_)) | None => false,
    }
}

/// Notes where a request comes from.
pub(super) fn locate(session: &mut Session, group: AddressGroup) {
    match session.door.as_deref_mut() {
        Some(Door::Posting(posting)) => posting.group = Some(group),
        Some(Door::Reading(reading)) => reading.group = Some(group),
        Some(Door::Head(_) | Door::Frames(_)) | None => {}
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
