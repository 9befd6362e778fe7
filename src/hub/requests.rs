//! What each line asks for, and what is answered. What the rules of chat decide is the directory's;
//! here is what concerns a connection. Part of the hub.

use std::borrow::Cow;

use crate::chat::{Act, Answer, Command, Entry, LOBBY, PageOf, Request};
use crate::dialect::line::Piece;
use crate::dialect::{Dialect, Hello, Refusal, Reply, cleaning, json, text};
use crate::session::{CloseReason, SessionId};

use super::input::{Holds, Later, Postponed};
use super::listeners::{Replay, past_bytes};
use super::{Hub, Recorded};

/// Done, or to be done later.
type Handled = Result<(), Later>;

impl Hub {
    /// Does what a line asks for, or says that this is for later.
    pub(super) fn handle(
        &mut self,
        id: SessionId,
        piece: &Piece<'_>,
        holds: Holds,
    ) -> Result<(), Postponed> {
        let Piece::Line(line) = *piece else {
            self.count_line(id);
            self.greet(id);
            self.refuse(id, Refusal::LineTooLong);
            return Ok(());
        };
        self.greet(id);
        let dialect = self.session(id).map(|session| session.dialect);
        let postponed = if let Some(Dialect::Json(_)) = dialect {
            self.handle_json(id, line, holds)
        } else {
            let mut scratch = std::mem::take(&mut self.memory.scratch);
            let postponed = self.handle_text(id, cleaning::clean(line, &mut scratch), holds);
            self.memory.scratch = scratch;
            postponed
        };
        postponed.map_err(|later| Postponed {
            line: line.to_vec(),
            later,
        })
    }

    fn count_line(&mut self, id: SessionId) {
        let (now, rates) = (self.now(), self.rates);
        self.listeners.delivery.statistics.lines_in += 1;
        if let Some(session) = self.session_mut(id) {
            session.lines_in += 1;
            session.take_line(now, &rates);
        }
    }

    /// A program is told first what this server can do, whatever its first line is.
    fn greet(&mut self, id: SessionId) {
        let Some(session) = self.session_mut(id) else {
            return;
        };
        let Dialect::JsonUngreeted(framing) = session.dialect else {
            return;
        };
        session.dialect = Dialect::Json(framing);
        let hello = Hello {
            line_bytes_max: self.limits.line_bytes_max,
            history: self.limits.history_lines_max > 0,
        };
        self.reply(id, &Reply::Hello(&hello), None);
    }

    fn handle_json(&mut self, id: SessionId, line: &[u8], holds: Holds) -> Handled {
        if line.iter().all(u8::is_ascii_whitespace) {
            self.count_line(id);
            return Ok(());
        }
        let line = json::Line::read(line);
        let request = line.request(self.limits.line_bytes_max);
        self.handle_request(id, request, line.reference(), holds)
    }

    fn handle_text(&mut self, id: SessionId, line: &str, holds: Holds) -> Handled {
        let is_named = self.member_of(id).is_some();
        let request = match text::read(line) {
            Ok(request) if is_named && request.command == Command::Prompt => {
                self.count_line(id);
                return Ok(());
            }
            request if is_named => request,
            // Whoever has no name yet is asked for one: what is not one of these is meant as one.
            Ok(request)
                if matches!(
                    request.command,
                    Command::Help | Command::Quit(_) | Command::Prompt
                ) =>
            {
                Ok(request)
            }
            _ => Ok(Request {
                room: None,
                command: Command::Enter(Entry {
                    name: line.trim(),
                    rooms: &[(Cow::Borrowed(LOBBY), None)],
                    resume: None,
                    known: &[],
                }),
            }),
        };
        self.handle_request(id, request, None, holds)
    }

    fn handle_request(
        &mut self,
        id: SessionId,
        request: Result<Request<'_>, Refusal<'_>>,
        reference: Option<&str>,
        holds: Holds,
    ) -> Handled {
        if let Ok(request) = &request
            && holds == Holds::Apply
        {
            self.check_answer(id, request)?;
            self.check_pace(id, request)?;
        }
        self.count_line(id);
        let before = self.listeners.delivery.answered_bytes;
        let result = request.and_then(|request| self.obey(id, &request, reference));
        if let Err(refusal) = result {
            self.reply(id, &Reply::Refused(refusal), reference);
        }
        let bytes = self.listeners.delivery.answered_bytes - before;
        self.answers.charge(id, self.now(), bytes);
        Ok(())
    }

    fn obey<'a>(
        &mut self,
        id: SessionId,
        request: &Request<'a>,
        reference: Option<&str>,
    ) -> Result<(), Refusal<'a>> {
        self.charge(id, request);
        self.listeners
            .allow_replay(self.limits.outbox_bytes_max / 4);
        match request.command {
            Command::Help => self.reply(id, &Reply::Help, reference),
            Command::Prompt => self.reply(id, &Reply::Prompt, reference),
            Command::Ping(token) => self.reply(id, &Reply::Pong(token), reference),
            Command::Quit(reason) => self.end(id, CloseReason::Quit, reason),
            Command::Enter(entry) => return self.enter(id, &entry, reference),
            Command::Post { name, text } => {
                let room = request.room.unwrap_or(LOBBY);
                return self.post(id, room, name, text, reference);
            }
            Command::History(page) => return self.tell_page(id, request.room, page, reference),
            Command::Search(_) => return Err(Refusal::NoSearch),
            Command::Act(act) => return self.apply(id, request.room, act, reference),
        }
        Ok(())
    }

    /// Does what the rules of chat decide.
    fn apply<'a>(
        &mut self,
        id: SessionId,
        room: Option<&'a str>,
        act: Act<'a>,
        reference: Option<&str>,
    ) -> Result<(), Refusal<'a>> {
        let member = self.member_of(id);
        let Hub {
            directory,
            listeners,
            ..
        } = self;
        let answer = match (act, room, member) {
            (Act::Rooms, ..) => Ok(directory.list_rooms()),
            (Act::Who, Some(room), _) => directory.who(room),
            (_, _, None) => return Err(Refusal::NotEntered),
            (_, _, Some(member)) => {
                listeners.set_replay(match act {
                    Act::Join { since } => Replay::since(since),
                    _ => Replay::Newest,
                });
                directory.apply(member, room, act, listeners)
            }
        };
        let reply = match &answer {
            Ok(answer) => Reply::Answer(answer),
            Err(refusal) => Reply::Refused((*refusal).into()),
        };
        listeners.delivery.reply(id, &reply, reference);
        Ok(())
    }

    /// Takes from the session's rate what its line will cost others.
    fn charge(&mut self, id: SessionId, request: &Request<'_>) {
        let (now, rates) = (self.now(), self.rates);
        let bytes = match request.command {
            Command::Act(Act::Say { text, .. } | Act::Msg { text, .. } | Act::SetTopic(text))
            | Command::Post { text, .. } => text.len(),
            _ => return,
        };
        if let Some(session) = self.session_mut(id) {
            session.throttle.take_bytes(now, &rates, bytes);
        }
    }

    fn post<'a>(
        &mut self,
        id: SessionId,
        room: &'a str,
        name: &'a str,
        text: &str,
        reference: Option<&str>,
    ) -> Result<(), Refusal<'a>> {
        let posted = self.directory.post(room, name, text, &mut self.listeners)?;
        let (name, room) = (name.into(), room.into());
        let what = Recorded::Posted { name, room };
        self.listeners.records.push(Some(id), what);
        self.reply(id, &Reply::Answer(&Answer::Done(Some(posted))), reference);
        Ok(())
    }

    /// Tells a member a page of what was said in a room it is in.
    fn tell_page<'a>(
        &mut self,
        id: SessionId,
        room: Option<&'a str>,
        page: PageOf,
        reference: Option<&str>,
    ) -> Result<(), Refusal<'a>> {
        if self.limits.history_lines_max == 0 {
            return Err(Refusal::NoHistory);
        }
        let member = self.member_of(id).ok_or(Refusal::NotEntered)?;
        let room = self.directory.room_of(member, room)?;
        let histories = &self.listeners.histories;
        let mut limit = page.limit.min(self.limits.page_messages_max);
        let bytes_max = self.limits.outbox_bytes_max / 4;
        let found = loop {
            let found = histories.page(room, page.end, limit);
            // No answer may overflow the outbox of who asked for it.
            let bytes: usize = found
                .messages
                .clone()
                .map(|message| past_bytes(&message))
                .sum();
            if bytes <= bytes_max || limit <= 1 {
                break found;
            }
            limit /= 2;
        };
        let page = Reply::Page {
            room: self.directory.room_name(room),
            messages: found.messages,
            more: found.more,
        };
        self.listeners.delivery.reply(id, &page, reference);
        Ok(())
    }
}
