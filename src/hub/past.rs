//! What was said before, for whoever asks: from memory where that has all of it, else by a question
//! to the archive, whose answer comes later; until then the session's next lines wait. Functions over
//! the core.

use crate::archive::{self, Ask, Query, Words};
use crate::chat::{Histories, Message, MessageId, Messages, PageEnd, PageOf, RoomId, SearchFor};
use crate::dialect::{Refusal, Reply};
use crate::session::{Hold, SessionId};

use super::core::Core;
use super::listeners::past_bytes;
use super::questions::{Asker, QuestionId};

/// Tells a member a page of what was said in a room it is in, now or later.
///
/// # Errors
/// There is no history, it is not in that room, or too many wait for an answer.
pub(super) fn tell_page<'a>(
    core: &mut Core,
    id: SessionId,
    room: Option<&'a str>,
    page: PageOf,
    reference: Option<&str>,
) -> Result<(), Refusal<'a>> {
    if core.limits.history_lines_max == 0 && !core.questions.is_open {
        return Err(Refusal::NoHistory);
    }
    let room = room_of(core, id, room)?;
    let limit = page.limit.min(core.limits.page_messages_max);
    let found = core.listeners.histories.page(room, page.end, limit);
    if core.questions.is_open && !found.is_whole {
        return ask(core, id, room, Ask::Page(page.end), limit, reference);
    }
    let (messages, more) = (found.messages, found.more);
    let bytes_max = answer_bytes_max(core);
    let (first, end) = fitting(messages.clone(), page.end, bytes_max, limit);
    let is_cut = end - first < messages.len();
    // As they lie in memory, unless some do not fit: the others are then gathered first.
    let listed: Vec<Message<'_>>;
    let messages = if is_cut {
        listed = messages.skip(first).take(end - first).collect();
        Messages::from(listed.as_slice())
    } else {
        messages
    };
    let page = Reply::Page {
        room: core.directory.room_name(room),
        messages,
        more: more || is_cut,
    };
    core.listeners.delivery.reply(id, &page, reference);
    Ok(())
}

/// Searches for a member in a room it is in.
///
/// # Errors
/// There is nothing to search in, it is not in that room, or too many wait for an answer.
pub(super) fn search<'a>(
    core: &mut Core,
    id: SessionId,
    room: Option<&'a str>,
    search: SearchFor<'a>,
    reference: Option<&str>,
) -> Result<(), Refusal<'a>> {
    if !core.questions.is_open {
        return Err(Refusal::NoSearch);
    }
    let room = room_of(core, id, room)?;
    let limit = search.limit.min(core.limits.page_messages_max);
    let Some(words) = Words::parse(search.words) else {
        // Blanks alone, which no message lacks: it is a page that is asked for.
        let end = search.before.map_or(PageEnd::Newest, PageEnd::Before);
        return ask(core, id, room, Ask::Page(end), limit, reference);
    };
    let before = search.before;
    let ask_for = Ask::Search { words, before };
    ask(core, id, room, ask_for, limit, reference)
}

/// An answer has come. Who waited for it, and whose lines may go on.
pub(super) fn answer(
    core: &mut Core,
    question: QuestionId,
    reply: &archive::Reply,
) -> Option<SessionId> {
    let asker = core.questions.take(question)?;
    let session = core.session_mut(asker.session)?;
    session.hold = Hold::No;
    if !session.is_live() {
        return None;
    }
    let reference = asker.reference.as_deref();
    match reply {
        archive::Reply::Page(page) => {
            let mut messages: Vec<Message<'_>> = page.messages().collect();
            if let Some(end) = asker.page_end {
                let is_cut = matches!(end, PageEnd::After(_)) && page.more;
                let room = core.directory.find_room(&asker.room).ok();
                if let Some(room) = room.filter(|_| !is_cut) {
                    add_newer(&core.listeners.histories, room, end, &mut messages);
                }
            }
            let end = asker.page_end.unwrap_or(PageEnd::Newest);
            let all = Messages::from(messages.as_slice());
            let (first, end) = fitting(all, end, answer_bytes_max(core), asker.limit);
            let reply = Reply::Page {
                room: &asker.room,
                messages: Messages::from(&messages[first..end]),
                more: page.more || end - first < messages.len(),
            };
            let delivery = &mut core.listeners.delivery;
            delivery.reply(asker.session, &reply, reference);
        }
        _ => core.reply(asker.session, &Reply::Refused(Refusal::Busy), reference),
    }
    Some(asker.session)
}

fn ask<'a>(
    core: &mut Core,
    id: SessionId,
    room: RoomId,
    ask: Ask,
    limit: usize,
    reference: Option<&str>,
) -> Result<(), Refusal<'a>> {
    let room: Box<str> = core.directory.room_name(room).into();
    let query = Query {
        room: room.to_string(),
        ask,
        messages_max: limit,
        bytes_max: answer_bytes_max(core) / 2,
    };
    let page_end = match query.ask {
        Ask::Page(end) => Some(end),
        _ => None,
    };
    let asker = Asker {
        session: id,
        room,
        page_end,
        limit,
        reference: reference.map(Into::into),
        asked_at: core.now(),
    };
    core.questions.ask(query, asker)?;
    if let Some(session) = core.session_mut(id) {
        session.hold = Hold::Archive;
    }
    Ok(())
}

fn room_of<'a>(core: &Core, id: SessionId, room: Option<&'a str>) -> Result<RoomId, Refusal<'a>> {
    let member = core.member_of(id).ok_or(Refusal::NotEntered)?;
    Ok(core.directory.room_of(member, room)?)
}

/// Where the disk is behind, what it lacks at the end of a page is in memory, or some of it.
fn add_newer<'m>(
    histories: &'m Histories,
    room: RoomId,
    end: PageEnd,
    messages: &mut Vec<Message<'m>>,
) {
    let known = messages.last().map_or_else(
        || match end {
            PageEnd::After(known) => known,
            PageEnd::Before(_) | PageEnd::Newest => MessageId::ZERO,
        },
        |last| last.id,
    );
    let newer = histories.page(room, PageEnd::After(known), usize::MAX);
    messages.extend(newer.messages.take_while(|message| match end {
        PageEnd::Before(before) => message.id < before,
        PageEnd::After(_) | PageEnd::Newest => true,
    }));
}

/// No answer may overflow the outbox of who asked for it.
fn answer_bytes_max(core: &Core) -> usize {
    core.limits.outbox_bytes_max / 4
}

/// Which of these messages fit into an answer, as a range: those next to the end that was asked
/// from, and one always.
fn fitting(messages: Messages<'_>, end: PageEnd, bytes_max: usize, limit: usize) -> (usize, usize) {
    let bytes: Vec<usize> = messages.map(|message| past_bytes(&message)).collect();
    let mut left = bytes_max;
    let mut fits = |bytes: &usize| {
        let rest = left.checked_sub(*bytes);
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let count = bytes.len();
    match end {
        PageEnd::After(_) => {
            let fitting = bytes
                .iter()
                .take(limit)
                .take_while(|bytes| fits(bytes))
                .count();
            (0, fitting.max(1).min(count))
        }
        PageEnd::Before(_) | PageEnd::Newest => {
            let fitting = bytes
                .iter()
                .rev()
                .take(limit)
                .take_while(|bytes| fits(bytes))
                .count();
            (count - fitting.max(1).min(count), count)
        }
    }
}
