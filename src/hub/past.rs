//! What was said before, for whoever asks: from memory where that has all of it, else by a question
//! to the archive, whose answer comes later; until then the session's next lines wait. Functions over
//! the core.

use crate::archive::{self, Ask, Page, Query, Words};
use crate::chat::{Histories, Message, MessageId, Messages, PageEnd, PageOf, RoomId, SearchFor};
use crate::dialect::{Refusal, Reply};
use crate::session::{Hold, SessionId};

use super::core::Core;
use super::listeners::past_bytes;
use super::questions::{Asker, QuestionId, Wants};

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

/// An answer has come. Who waited for it and is still there; its lines may go on.
pub(super) fn release(core: &mut Core, question: QuestionId) -> Option<Asker> {
    let asker = core.questions.take(question)?;
    let session = core.session_mut(asker.session)?;
    session.hold = Hold::No;
    session.is_live().then_some(asker)
}

/// Tells a member what it has asked for.
pub(super) fn answer(core: &mut Core, asker: &Asker, reply: &archive::Reply) {
    let reference = asker.reference.as_deref();
    let none;
    let page = match reply {
        archive::Reply::Page(page) => page,
        // It was said in it a moment ago, if ever, or nothing of it is left.
        archive::Reply::NoRoom { kept_to } => {
            none = Page::empty(*kept_to);
            &none
        }
        _ => return core.reply(asker.session, &Reply::Refused(Refusal::Busy), reference),
    };
    let bytes_max = answer_bytes_max(core);
    let room = core.directory.find_room(&asker.room).ok();
    let memory = room.map(|room| (&core.listeners.histories, room));
    let Some(gathered) = gather(page, memory, asker, bytes_max) else {
        return core.reply(asker.session, &Reply::Refused(Refusal::Busy), reference);
    };
    let reply = Reply::Page {
        room: &asker.room,
        messages: Messages::from(gathered.messages.as_slice()),
        more: gathered.more,
    };
    let delivery = &mut core.listeners.delivery;
    delivery.reply(asker.session, &reply, reference);
}

/// A page as it is told.
pub(super) struct Gathered<'m> {
    pub(super) messages: Vec<Message<'m>>,
    pub(super) more: bool,
}

/// What the archive has, and what memory has beyond that, as much as may be told. `None` if
/// something between the two is in neither yet: the disk is behind.
pub(super) fn gather<'m>(
    page: &'m Page,
    memory: Option<(&'m Histories, RoomId)>,
    asker: &Asker,
    bytes_max: usize,
) -> Option<Gathered<'m>> {
    let mut messages: Vec<Message<'m>> = page.messages().collect();
    let mut more = page.more;
    let end = match asker.wants {
        Wants::Page(end) | Wants::Response(end) => {
            let is_cut = asker.limit == 0 || matches!(end, PageEnd::After(_)) && page.more;
            if let Some((histories, room)) = memory.filter(|_| !is_cut) {
                let is_joined = add_newer(histories, room, (end, page.kept_to), &mut messages);
                if !is_joined && (messages.is_empty() || !matches!(end, PageEnd::After(_))) {
                    return None;
                }
                more |= !is_joined;
            }
            end
        }
        Wants::Found => PageEnd::Newest,
    };
    let all = Messages::from(messages.as_slice());
    let (first, behind) = fitting(all, end, bytes_max, asker.limit);
    more |= behind - first < messages.len();
    messages.truncate(behind);
    messages.drain(..first);
    Some(Gathered { messages, more })
}

fn ask<'a>(
    core: &mut Core,
    id: SessionId,
    room: RoomId,
    ask: Ask,
    limit: usize,
    reference: Option<&str>,
) -> Result<(), Refusal<'a>> {
    let wants = match ask {
        Ask::Page(end) => Wants::Page(end),
        _ => Wants::Found,
    };
    let asker = Asker {
        session: id,
        room: core.directory.room_name(room).into(),
        wants,
        limit,
        reference: reference.map(Into::into),
        asked_at: core.now(),
    };
    put(core, ask, asker)
}

/// Asks the archive; until it has answered, nothing that the session sends is handled.
///
/// # Errors
/// Too many wait already.
pub(super) fn put(core: &mut Core, ask: Ask, asker: Asker) -> Result<(), Refusal<'static>> {
    let query = Query {
        room: asker.room.to_string(),
        ask,
        messages_max: asker.limit,
        bytes_max: answer_bytes_max(core) / 2,
    };
    let id = asker.session;
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

/// Where the disk is behind, what it lacks at the end of a page is in memory, or some of it: then
/// nothing is added, and that is `false`. What was said up to `kept_to` and is not there was not kept,
/// and is not waited for.
fn add_newer<'m>(
    histories: &'m Histories,
    room: RoomId,
    (end, kept_to): (PageEnd, MessageId),
    messages: &mut Vec<Message<'m>>,
) -> bool {
    let (start, before) = match end {
        PageEnd::After(known) => (known, MessageId::MAX),
        PageEnd::Before(before) => (MessageId::ZERO, before),
        PageEnd::Newest => (MessageId::ZERO, MessageId::MAX),
    };
    let known = messages.last().map_or(start, |last| last.id);
    if before <= kept_to {
        return true;
    }
    if histories.has_forgotten(room, kept_to) {
        return false;
    }
    let newer = histories.page(room, PageEnd::After(known), usize::MAX);
    messages.extend(newer.messages.take_while(|message| message.id < before));
    true
}

/// No answer may overflow the outbox of who asked for it.
pub(super) fn answer_bytes_max(core: &Core) -> usize {
    core.limits.outbox_bytes_max / 4
}

/// Which of these messages fit into an answer, as a range: those next to the end that was asked
/// from, and one always, if one was asked for.
pub(super) fn fitting(
    messages: Messages<'_>,
    end: PageEnd,
    bytes_max: usize,
    limit: usize,
) -> (usize, usize) {
    let bytes: Vec<usize> = messages.map(|message| past_bytes(&message)).collect();
    let mut left = bytes_max;
    let mut fits = |bytes: &usize| {
        let rest = left.checked_sub(*bytes);
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let count = bytes.len();
    let least = limit.min(count).min(1);
    match end {
        PageEnd::After(_) => {
            let fitting = bytes
                .iter()
                .take(limit)
                .take_while(|bytes| fits(bytes))
                .count();
            (0, fitting.max(least))
        }
        PageEnd::Before(_) | PageEnd::Newest => {
            let fitting = bytes
                .iter()
                .rev()
                .take(limit)
                .take_while(|bytes| fits(bytes))
                .count();
            (count - fitting.max(least), count)
        }
    }
}
