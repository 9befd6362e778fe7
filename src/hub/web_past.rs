//! What was said in a room, for whoever asks over HTTP: from memory where that has all of it, else by a
//! question to the archive. What a request asks for is read in `dialect::http`, and that it is answered
//! is `web`'s. Functions over the core.

use crate::archive::{self, Ask, Page};
use crate::chat::{Message, Messages, Name, PageEnd};
use crate::dialect::http::{Response, Status};
use crate::dialect::{self, Encoding, Refusal, Reply};
use crate::session::{Door, Reading, SessionId};

use super::core::Core;
use super::past;
use super::posts::refused;
use super::questions::{Asker, Wants};

/// Messages in an answer, where the request says nothing of how many.
const NEWEST_MESSAGES: usize = 50;

/// What a request is answered with; nothing if the archive is to say that.
pub(super) fn read(core: &mut Core, id: SessionId, reading: &Reading) -> Option<Response> {
    let limit = reading.limit.unwrap_or(NEWEST_MESSAGES);
    let limit = limit.min(core.limits.page_messages_max);
    let end = reading.since.map_or(PageEnd::Newest, PageEnd::After);
    let room = match core.directory.find_room(&reading.room) {
        Ok(room) => {
            let page = core.listeners.histories.page(room, end, limit);
            if page.is_whole || !core.questions.is_open {
                let missed = match reading.since {
                    Some(known) => core.listeners.histories.since(room, known).missed,
                    None => Some(0),
                };
                let bytes_max = past::answer_bytes_max(core);
                let (first, behind) = past::fitting(page.messages.clone(), end, bytes_max, limit);
                let fitting = page.messages.skip(first).take(behind - first);
                let messages: Vec<Message<'_>> = fitting.collect();
                let name = core.directory.room_name(room);
                let lines = past_lines(name, &messages, missed);
                return Some(lines.head_only(reading.is_head_only));
            }
            core.directory.room_name(room)
        }
        // The archive may know rooms that memory does not.
        Err(_) if core.questions.is_open && Name::parse(&reading.room).is_ok() => &reading.room,
        Err(refusal) => return Some(refused(&refusal.into()).head_only(reading.is_head_only)),
    };
    let asker = Asker {
        session: id,
        room: room.into(),
        wants: Wants::Response(end),
        limit,
        reference: None,
        asked_at: core.now(),
    };
    let asked = past::put(core, Ask::Page(end), asker);
    asked
        .err()
        .map(|busy| refused(&busy).head_only(reading.is_head_only))
}

/// What it is answered with, now that the archive has answered.
pub(super) fn response(core: &Core, asker: &Asker, reply: &archive::Reply) -> Response {
    let door = core
        .session(asker.session)
        .and_then(|session| session.door.as_deref());
    let is_head_only = matches!(door, Some(Door::Reading(reading)) if reading.is_head_only);
    lines_of(core, asker, reply).head_only(is_head_only)
}

fn lines_of(core: &Core, asker: &Asker, reply: &archive::Reply) -> Response {
    let room = core.directory.find_room(&asker.room);
    let none;
    let page = match (reply, &room) {
        (archive::Reply::Page(page), _) => page,
        // What was said in it is in memory alone.
        (archive::Reply::NoRoom { kept_to }, Ok(_)) => {
            none = Page::empty(*kept_to);
            &none
        }
        (archive::Reply::NoRoom { .. }, Err(refusal)) => return refused(&(*refusal).into()),
        _ => return refused(&Refusal::Busy),
    };
    let memory = room.ok().map(|room| (&core.listeners.histories, room));
    let bytes_max = past::answer_bytes_max(core);
    let Some(gathered) = past::gather(page, memory, asker, bytes_max) else {
        return refused(&Refusal::Busy);
    };
    let missed = match asker.wants {
        Wants::Response(PageEnd::After(_)) => page.not_kept.and_then(|count| count.try_into().ok()),
        _ => Some(0),
    };
    let name = if page.room.is_empty() {
        &*asker.room
    } else {
        &page.room
    };
    past_lines(name, &gathered.messages, missed)
}

fn past_lines(room: &str, messages: &[Message<'_>], missed: Option<usize>) -> Response {
    let past = Reply::Past {
        room,
        messages: Messages::from(messages),
        missed,
    };
    let mut lines = Vec::new();
    dialect::encode_reply(Encoding::Json, &past, None, &mut lines);
    Response::json_lines(Status::Ok, lines)
}
