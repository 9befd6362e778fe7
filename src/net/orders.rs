//! What comes of a line that an operator typed, at whatever seat: done, and answered in lines. What
//! a line asks for is read in `dialect::operator`, what it does to the chat stands in
//! `hub::Operator`; what concerns the whole server is left to that, as an [`Outcome`]. Functions over
//! what the server lends for one line.

use log::info;

use crate::chat;
use crate::dialect::operator::{self, COMMANDS, Moderation, NoOrder, Order};
use crate::dialect::{Refusal, cleaning};
use crate::hub::{ConnectionRow, Hub};

use super::conn::Conns;
use super::keeping::Keeping;
use super::log::quote;
use super::moderating;
use super::recalling;
use super::reread::Reread;
use super::seats::SeatId;
use super::typed_lines::Typed;

/// What an order works on.
pub(super) struct Desk<'d> {
    pub(super) hub: &'d mut Hub,
    pub(super) conns: &'d Conns,
    pub(super) keeping: &'d mut Option<Keeping>,
    /// Bytes of one answer; what does not fit is counted.
    pub(super) answer_bytes_max: usize,
}

/// What an order leaves to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing.
    Done,
    /// To answer with the numbers.
    Statistics,
    /// To read again what can be read again.
    Reload,
    /// To show messages at this seat, or not.
    Watch(bool),
    /// To stop.
    Quit,
}

/// Characters of a word that are given back where it is not understood.
const EXCERPT_CHARS_MAX: usize = 40;
/// Messages of one answer.
const HISTORY_MESSAGES_MAX: usize = 1000;

/// Does what a line asks for: the lines of the answer, and what the server is to do beside.
pub(super) fn obey(desk: &mut Desk<'_>, seat: SeatId, typed: &Typed) -> (Vec<String>, Outcome) {
    let Typed::Line(line) = typed else {
        let words = "! line-too-long that line is too long, nothing of it was done".to_owned();
        return (vec![words], Outcome::Done);
    };
    let mut scratch = String::new();
    let order = match operator::read(cleaning::clean(line, &mut scratch)) {
        Ok(order) => order,
        Err(no_order) => return (vec![refused(&no_order)], Outcome::Done),
    };
    let outcome = match order {
        Order::Statistics => Outcome::Statistics,
        Order::Reload => Outcome::Reload,
        Order::Watch(is_on) => Outcome::Watch(is_on),
        Order::Quit => Outcome::Quit,
        _ => Outcome::Done,
    };
    (answer(desk, seat, order), outcome)
}

/// The answer to an order that the server has no part in; none to others.
fn answer(desk: &mut Desk<'_>, seat: SeatId, order: Order<'_>) -> Vec<String> {
    let hub = &mut *desk.hub;
    let one = |line: String| vec![line];
    match order {
        Order::Nothing | Order::Statistics | Order::Reload | Order::Watch(_) | Order::Quit => {
            Vec::new()
        }
        Order::Help => {
            let rows = COMMANDS.iter();
            let rows = rows.map(|(usage, does)| format!("= {usage:<21} {does}"));
            rows.chain(["= end".to_owned()]).collect()
        }
        Order::Who(room) => who_in(desk, room),
        Order::WhoFrom(net) => who(desk, |client| {
            let peer = desk.conns.get(client.session).map(|conn| conn.peer.ip());
            peer.is_some_and(|peer| net.contains(&peer.to_canonical()))
        }),
        Order::Rooms => {
            let rooms = hub.overview().rooms();
            let rows = rooms.map(|(room, here)| format!("= {room} {here}"));
            fitting(rows, desk.answer_bytes_max)
        }
        Order::Announce(text) => one(format!("= said to {}", hub.operator().announce(text))),
        Order::Say { room, text } => {
            let said = hub.operator().say(room, text);
            one(told(said, |here| format!("= said to {here} in {room}")))
        }
        Order::Msg { name, text } => {
            let sent = hub.operator().message(name, text);
            one(told(sent, |name| format!("= sent to {name}")))
        }
        Order::Topic { room, text } => {
            let set = hub.operator().set_topic(room, text);
            if let Ok(room) = &set {
                info!("{seat} sets the topic of {}", quote(room));
            }
            one(told(set, |room| format!("= topic of {room} is set")))
        }
        Order::Kick { name, reason } => one(kick(hub, seat, name, reason)),
        Order::Moderate(order) => {
            let is_list = matches!(order, Moderation::Bans | Moderation::Mutes);
            let lines = moderating::obey(order, seat, hub, desk.conns, desk.keeping);
            if is_list {
                fitting(lines.into_iter(), desk.answer_bytes_max)
            } else {
                lines
            }
        }
        Order::Close { room, reason } => one(close(hub, seat, room, reason)),
        Order::Forget(what) => recalling::forget(what, hub, desk.keeping, seat),
        Order::History { room, limit } => {
            let limit = limit.min(HISTORY_MESSAGES_MAX);
            recalling::history(room, limit, hub, desk.keeping, seat)
        }
    }
}

fn kick(hub: &mut Hub, seat: SeatId, name: &str, reason: Option<&str>) -> String {
    match hub.operator().kick(name, reason) {
        Some(kicked) => {
            info!("kick {} by {seat}{}", quote(&kicked), Why(reason));
            format!("= kicked {kicked}")
        }
        None => format!("! no-such-name nobody is called {}", excerpt(name)),
    }
}

fn close(hub: &mut Hub, seat: SeatId, room: &str, reason: Option<&str>) -> String {
    let closed = hub.operator().close(room, reason);
    if let Ok(count) = closed {
        info!(
            "close {} with {count} by {seat}{}",
            quote(room),
            Why(reason)
        );
    }
    told(closed, |count| {
        format!("= closed {room}, {count} were in it")
    })
}

/// Who is connected; in that room, if one is named.
fn who_in(desk: &Desk<'_>, room: Option<&str>) -> Vec<String> {
    let overview = desk.hub.overview();
    if let Some(asked) = room.filter(|asked| !overview.is_same_room(asked, asked)) {
        return vec![said(&chat::Refusal::NoSuchRoom(asked).into())];
    }
    who(desk, |client| {
        room.is_none_or(|asked| {
            let mut rooms = client.rooms.iter();
            rooms.any(|room| overview.is_same_room(room, asked))
        })
    })
}

/// Those of who is connected who are meant.
fn who(desk: &Desk<'_>, is_meant: impl FnMut(&ConnectionRow<'_>) -> bool) -> Vec<String> {
    let clients = desk.hub.overview().clients().filter(is_meant);
    let mut rows: Vec<String> = clients.map(|client| row(desk.conns, &client)).collect();
    rows.sort();
    let count = rows.len();
    let mut lines = fitting(rows.into_iter(), desk.answer_bytes_max);
    if let Some(last) = lines.last_mut() {
        *last = format!("= {count} connected");
    }
    lines
}

fn row(conns: &Conns, client: &ConnectionRow<'_>) -> String {
    let rooms = if client.rooms.is_empty() {
        "-".to_owned()
    } else {
        client.rooms.join(",")
    };
    let peer = conns.get(client.session);
    let peer = peer.map_or(String::new(), |conn| conn.peer.to_string());
    format!(
        "= {rooms} {} {peer} idle {} s, queued {} bytes, {} lines",
        client.name.unwrap_or("(no name yet)"),
        client.idle.as_secs(),
        client.queued_bytes,
        client.lines_in
    )
}

/// The first of these lines that fit into an answer, how many more there are, and its end.
fn fitting(rows: impl Iterator<Item = String>, bytes_max: usize) -> Vec<String> {
    let (mut lines, mut bytes, mut more) = (Vec::new(), 0, 0);
    for row in rows {
        bytes += row.len() + 1;
        if bytes <= bytes_max {
            lines.push(row);
        } else {
            more += 1;
        }
    }
    if more > 0 {
        lines.push(format!("= … and {more} more"));
    }
    lines.push("= end".to_owned());
    lines
}

/// What came of reading files again.
pub(super) fn said_reread(came: &[Reread]) -> Vec<String> {
    let said = came.iter().map(|reread| match reread {
        Ok(said) => format!("= {said}"),
        Err(said) => format!("! bad-file {said}"),
    });
    let mut lines: Vec<String> = said.collect();
    if lines.is_empty() {
        lines.push(
            "= nothing to read: no certificate, password or message of the day was given".into(),
        );
    }
    lines.push("= end".to_owned());
    lines
}

fn refused(no_order: &NoOrder<'_>) -> String {
    match no_order {
        NoOrder::UnknownCommand(word) => format!(
            "! unknown-command there is no /{}; /help shows the commands, //text says /text",
            excerpt(word)
        ),
        NoOrder::BadUsage(usage) => format!("! bad-usage write it so: {usage}"),
    }
}

/// What was done, or why not.
fn told<T>(outcome: Result<T, chat::Refusal<'_>>, done: impl FnOnce(T) -> String) -> String {
    outcome.map_or_else(|refusal| said(&refusal.into()), done)
}

fn said(refusal: &Refusal<'_>) -> String {
    format!("! {} {refusal}", refusal.code())
}

fn excerpt(text: &str) -> &str {
    let end = text.char_indices().nth(EXCERPT_CHARS_MAX);
    end.map_or(text, |(end, _)| &text[..end])
}

/// The words of the operator, for the log.
struct Why<'a>(Option<&'a str>);

impl std::fmt::Display for Why<'_> {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .map_or(Ok(()), |reason| write!(to, ": {}", quote(reason)))
    }
}
