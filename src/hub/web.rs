//! HTTP, as far as the hub is concerned: requests are collected, posts are said and the past is
//! told, and a connection becomes a WebSocket. What a request asks for and what an answer looks
//! like is `dialect::http`'s. Part of the hub.

use std::collections::{HashMap, VecDeque};

use crate::chat::{Answer, PageEnd, Refusal as RulesRefusal, RoomId};
use crate::dialect::http::{
    self, BodyFault, Collected, Head, History, HttpRequest, Post, Response, Site, Status,
};
use crate::dialect::{self, Dialect, Encoding, Framing, Refusal, Reply, cleaning, websocket};
use crate::session::{
    AddressGroup, CloseReason, Door, Frames, Posting, Reading, SessionId, Throttle,
};
use crate::time::Time;

use super::input::{Holds, Later};
use super::{Hub, Recorded};

/// Messages in an answer, where the request says nothing of how many.
const NEWEST_MESSAGES: usize = 50;

/// What the web door needs beside its connections.
#[derive(Debug)]
pub(super) struct Web {
    site: Site,
    /// Posts that are whole, and of which is to be found out where they come from.
    posts: VecDeque<SessionId>,
    /// What those have left of their rate who posted lately.
    groups: HashMap<AddressGroup, Throttle>,
}

impl Hub {
    /// Opens the web door: from now on HTTP is understood. `site` knows whom to trust.
    pub fn open_web(&mut self, site: Site) {
        self.web = Some(Web {
            site,
            posts: VecDeque::new(),
            groups: HashMap::new(),
        });
    }

    /// A post that is whole: [`Hub::say_post`] is to be called with where it comes from.
    pub fn next_post(&mut self) -> Option<SessionId> {
        self.web.as_mut()?.posts.pop_front()
    }

    /// Whether this is a post that is whole, which is said and answered in this turn, or held back.
    pub(super) fn is_posting(&self, id: SessionId) -> bool {
        match self.session(id).and_then(|session| session.door.as_deref()) {
            Some(Door::Posting(posting)) => posting.is_whole(),
            _ => false,
        }
    }

    /// Says what a post asks for, unless that must wait.
    pub fn say_post(&mut self, id: SessionId, group: AddressGroup) {
        let session = self.session_mut(id);
        if let Some(Door::Posting(posting)) =
            session.and_then(|session| session.door.as_deref_mut())
        {
            posting.group = Some(group);
        }
        self.continue_request(id);
    }

    /// A connection turned out to speak HTTP.
    pub(super) fn begin_request(&mut self, id: SessionId) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        session.dialect = Dialect::Http;
        session.door = Some(Box::new(Door::Head(Head::default())));
        let mut first = session.lines.kept().to_vec();
        self.forget_lines(id);
        // The time for a head is shorter than that for a name.
        self.arm(id);
        self.read_request(id, &mut first);
    }

    /// A browser came without TLS, which is required.
    pub(super) fn refuse_plain_request(&mut self, id: SessionId) {
        if let Some(session) = self.session_mut(id) {
            session.dialect = Dialect::Http;
        }
        self.listeners.delivery.tell_one(id, |out| {
            Response::wants_tls().write(out);
            0
        });
        self.end(id, CloseReason::TlsRequired, None);
    }

    /// Bytes of a request.
    pub(super) fn read_request(&mut self, id: SessionId, bytes: &mut [u8]) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        match session.door.as_deref_mut() {
            Some(Door::Head(head)) => {
                let before = head.bytes().len();
                let collected = head.take(bytes);
                let now = head.bytes().len();
                self.memory.kept_bytes += now - before;
                match collected {
                    Collected::More => {}
                    Collected::Bad(response) => self.answer(id, &response),
                    Collected::Whole { rest } => {
                        let behind = bytes.len() - rest;
                        self.obey_request(id, &mut bytes[behind..]);
                    }
                }
            }
            Some(Door::Posting(posting)) if !posting.is_whole() => {
                let before = posting.body.len();
                posting.take(bytes);
                let taken = posting.body.len() - before;
                self.memory.kept_bytes += taken;
                self.expect_post(id);
            }
            // What is sent behind a request is nothing.
            _ => {}
        }
    }

    /// Goes on with a request that had to wait.
    pub(super) fn continue_request(&mut self, id: SessionId) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        let Some(door) = session.door.take() else {
            return;
        };
        let done = match &*door {
            Door::Posting(posting) => self.post_lines(id, posting),
            Door::Reading(reading) => self.read_room(id, reading),
            Door::Head(_) | Door::Frames(_) => Ok(()),
        };
        if let Some(session) = self.session_mut(id)
            && session.is_live()
        {
            session.door = Some(door);
        } else {
            self.memory.kept_bytes -= door.kept_bytes();
        }
        if let Err(later) = done {
            self.hold(id, later.hold());
        }
    }

    /// What the head asks for; `rest` came behind it.
    fn obey_request(&mut self, id: SessionId, rest: &mut [u8]) {
        let Some(Door::Head(head)) = self.take_door(id) else {
            return;
        };
        let Some(web) = &self.web else {
            return;
        };
        match http::request(head.bytes(), &web.site) {
            HttpRequest::Answer(response) => self.answer(id, &response),
            HttpRequest::WebSocket { key } => {
                let accept = websocket::accept_key(key);
                self.become_websocket(id, &accept, rest);
            }
            HttpRequest::Post(post) => self.begin_post(id, &post, rest),
            HttpRequest::History(history) => self.begin_reading(id, &history),
        }
    }

    fn become_websocket(&mut self, id: SessionId, accept: &str, rest: &mut [u8]) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        session.dialect = Dialect::JsonUngreeted(Framing::Frames);
        session.door = Some(Box::new(Door::Frames(Frames::default())));
        let delivery = &mut self.listeners.delivery;
        delivery.tell_one(id, |out| {
            http::write_upgraded(accept, out);
            0
        });
        // A slice of frames begins with a frame.
        delivery.start_new_answers();
        self.arm(id);
        self.read_frames(id, rest, Holds::Apply);
    }

    fn begin_post(&mut self, id: SessionId, post: &Post<'_>, rest: &[u8]) {
        let mut posting = Posting {
            room: post.room.to_string(),
            name: post.name.to_string(),
            body: Vec::new(),
            body_bytes: post.body_bytes,
            group: None,
        };
        posting.take(rest);
        self.memory.kept_bytes += posting.body.len();
        let waits = post.awaits_continue && posting.body.is_empty();
        let Some(session) = self.session_mut(id) else {
            return;
        };
        session.door = Some(Box::new(Door::Posting(posting)));
        if waits {
            self.listeners.delivery.tell_one(id, |out| {
                out.extend_from_slice(http::CONTINUE);
                0
            });
        }
        self.expect_post(id);
    }

    /// A post whose body is whole is said next.
    fn expect_post(&mut self, id: SessionId) {
        let session = self.listeners.delivery.session(id);
        let door = session.and_then(|session| session.door.as_deref());
        if let (Some(Door::Posting(posting)), Some(web)) = (door, &mut self.web)
            && posting.is_whole()
        {
            web.posts.push_back(id);
        }
    }

    /// Says all lines of a post, or none.
    fn post_lines(&mut self, id: SessionId, posting: &Posting) -> Result<(), Later> {
        let Some(group) = posting.group else {
            return Ok(());
        };
        let texts = match self.texts_of(&posting.body) {
            Ok(texts) => texts,
            Err(response) => {
                self.answer(id, &response);
                return Ok(());
            }
        };
        if let Err(until) = self.check_group(group) {
            let seconds = until.since(self.now()).as_secs_f64().ceil() as u64;
            let words = "too much was posted from your address; try again later";
            let response = Response::text(Status::TooManyRequests, words);
            self.answer(id, &response.retry_after(seconds.max(1)));
            return Ok(());
        }
        self.check_room_to_post(posting, group)?;
        let response = match self.say_all(id, posting, group, &texts) {
            Ok(done) => Response::json_lines(Status::Created, done),
            Err(refusal) => refused(&refusal.into()),
        };
        self.answer(id, &response);
        Ok(())
    }

    /// The lines of a body, clean, none of them too long.
    fn texts_of(&mut self, body: &[u8]) -> Result<Vec<String>, Response> {
        let lines = http::body_lines(body).map_err(|fault: BodyFault| Response::from(fault))?;
        let mut texts = Vec::new();
        for line in lines {
            if line.len() > self.limits.line_bytes_max {
                return Err(refused(&Refusal::LineTooLong));
            }
            let scratch = &mut self.memory.scratch;
            texts.push(cleaning::clean(line.as_bytes(), scratch).to_owned());
        }
        Ok(texts)
    }

    /// Says the lines one after the other; the answer to each. What can be refused is, with the
    /// first.
    fn say_all<'a>(
        &mut self,
        id: SessionId,
        posting: &'a Posting,
        group: AddressGroup,
        texts: &[String],
    ) -> Result<Vec<u8>, RulesRefusal<'a>> {
        let (now, rates) = (self.now(), self.rates);
        let mut done = Vec::new();
        for text in texts {
            let (room, name) = (&posting.room, &posting.name);
            let listeners = &mut self.listeners;
            let posted = self.directory.post(room, name, text, listeners)?;
            let answer = Reply::Answer(&Answer::Done(Some(posted)));
            dialect::encode_reply(Encoding::Json, &answer, None, &mut done);
            if let Some(web) = &mut self.web {
                let throttle = web.groups.entry(group).or_default();
                throttle.take_line(now, &rates);
                throttle.take_bytes(now, &rates, text.len());
            }
            self.listeners.delivery.statistics.lines_in += 1;
            if let Some(session) = self.session_mut(id) {
                session.lines_in += 1;
            }
        }
        let (name, room) = (posting.name.as_str().into(), posting.room.as_str().into());
        let what = Recorded::Posted { name, room };
        self.listeners.records.push(Some(id), what);
        Ok(done)
    }

    /// Whether something may be posted from there; else from when on.
    fn check_group(&mut self, group: AddressGroup) -> Result<(), Time> {
        let (now, rates) = (self.now(), self.rates);
        let groups_max = self.limits.post_address_groups_max;
        let Some(web) = &mut self.web else {
            return Ok(());
        };
        if web.groups.len() >= groups_max && !web.groups.contains_key(&group) {
            web.groups.retain(|_, throttle| throttle.rested_at() > now);
            if web.groups.len() >= groups_max {
                // Nobody is known who could be forgotten. Those who come next wait for one of them.
                let first = web.groups.values().map(|known| known.rested_at()).min();
                return Err(first.unwrap_or(now));
            }
        }
        let throttle = web.groups.get(&group).copied().unwrap_or_default();
        throttle.check(now, &rates)
    }

    /// Whether the room may hear something now, or has said enough for a while.
    fn check_room_to_post(&mut self, posting: &Posting, group: AddressGroup) -> Result<(), Later> {
        let Ok(room) = self.directory.find_room(&posting.room) else {
            return Ok(());
        };
        if self.listeners.delivery.has_room_said_enough(room) {
            return Err(Later::Turn);
        }
        let throttle = self.web.as_ref().and_then(|web| web.groups.get(&group));
        let debt = throttle.map_or(std::time::Duration::ZERO, |known| known.debt(self.now()));
        if self.pace.holds(room, debt) {
            return Err(Later::Pace);
        }
        self.pace.charge(room, posting.body.len());
        Ok(())
    }

    fn begin_reading(&mut self, id: SessionId, history: &History<'_>) {
        let reading = Reading {
            room: history.room.to_string(),
            since: history.since,
            limit: history.limit,
            is_head_only: history.is_head_only,
        };
        if let Some(session) = self.session_mut(id) {
            session.door = Some(Box::new(Door::Reading(reading)));
        }
        self.continue_request(id);
    }

    /// Tells what was said in a room.
    fn read_room(&mut self, id: SessionId, reading: &Reading) -> Result<(), Later> {
        self.answers.check(id, self.now())?;
        let before = self.listeners.delivery.answered_bytes;
        let response = match self.directory.find_room(&reading.room) {
            Ok(room) => Response::json_lines(Status::Ok, self.past_lines(room, reading)),
            Err(refusal) => refused(&refusal.into()),
        };
        self.answer(id, &response.head_only(reading.is_head_only));
        let bytes = self.listeners.delivery.answered_bytes - before;
        self.answers.charge(id, self.now(), bytes);
        Ok(())
    }

    fn past_lines(&self, room: RoomId, reading: &Reading) -> Vec<u8> {
        let limit = reading.limit.unwrap_or(NEWEST_MESSAGES);
        let limit = limit.min(self.limits.page_messages_max);
        let histories = &self.listeners.histories;
        let (end, missed) = match reading.since {
            Some(known) => (PageEnd::After(known), histories.since(room, known).missed),
            None => (PageEnd::Newest, Some(0)),
        };
        let messages = histories.page(room, end, limit).messages;
        let past = Reply::Past {
            room: self.directory.room_name(room),
            messages,
            missed,
        };
        let mut lines = Vec::new();
        dialect::encode_reply(Encoding::Json, &past, None, &mut lines);
        lines
    }

    /// The answer, and the end.
    pub(super) fn answer(&mut self, id: SessionId, response: &Response) {
        self.take_door(id);
        self.listeners.delivery.tell_one(id, |out| {
            response.write(out);
            0
        });
        self.end(id, CloseReason::Answered, None);
    }

    pub(super) fn take_door(&mut self, id: SessionId) -> Option<Door> {
        let door = self.session_mut(id)?.door.take()?;
        self.memory.kept_bytes -= door.kept_bytes();
        Some(*door)
    }
}

/// A refusal of the chat as an answer.
fn refused(refusal: &Refusal<'_>) -> Response {
    let status = match refusal.code() {
        "name-in-use" => Status::Conflict,
        "no-such-room" => Status::NotFound,
        "line-too-long" => Status::ContentTooLarge,
        "too-many-rooms" => Status::Unavailable,
        _ => Status::BadRequest,
    };
    Response::text(status, &format!("{} {refusal}", refusal.code()))
}
