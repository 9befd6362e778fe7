//! What each line asks for, and what is answered. What the rules of chat decide is the directory's;
//! here is what concerns a connection, and for what a line has to wait. Not where lines come from
//! (`intake`).

use std::borrow::Cow;

use crate::chat::{Act, Answer, Command, Entry, LOBBY, Request};
use crate::config::Limits;
use crate::dialect::line::Piece;
use crate::dialect::{Dialect, Hello, Refusal, Reply, cleaning, json, text};
use crate::password::GivenPassword;
use crate::session::{CloseReason, Hold, Phase, SessionId, Step};

use super::admission::{self, Admitted};
use super::answers::Answers;
use super::core::Core;
use super::later::{Holds, Later, Postponed};
use super::listeners::Replay;
use super::pace::Pace;
use super::records::Recorded;
use super::{arrival, ending, muting, past};

/// Done, or to be done later.
type Handled = Result<(), Later>;

/// What requests may cost, and who waits for that.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) answers: Answers,
    pub(super) pace: Pace,
}

impl Requests {
    pub(super) fn new(limits: &Limits) -> Requests {
        Requests {
            answers: Answers::new(limits),
            pace: Pace::default(),
        }
    }

    /// Does what a line asks for, or says that this is for later.
    pub(super) fn handle(
        &mut self,
        core: &mut Core,
        id: SessionId,
        piece: &Piece<'_>,
        holds: Holds,
    ) -> Result<(), Postponed> {
        let Piece::Line(line) = *piece else {
            count_line(core, id);
            greet(core, id);
            core.refuse(id, Refusal::LineTooLong);
            return Ok(());
        };
        greet(core, id);
        let dialect = core.session(id).map(|session| session.dialect);
        let postponed = if let Some(Dialect::Json(_)) = dialect {
            self.handle_json(core, id, line, holds)
        } else {
            let mut scratch = std::mem::take(&mut core.memory.scratch);
            let line = cleaning::clean(line, &mut scratch);
            let postponed = self.handle_text(core, id, line, holds);
            core.memory.scratch = scratch;
            postponed
        };
        postponed.map_err(|later| Postponed {
            line: line.to_vec(),
            later,
        })
    }

    /// Holds a session's lines back, for this reason.
    pub(super) fn hold(&mut self, core: &mut Core, id: SessionId, hold: Hold) {
        let Some(session) = core.session_mut(id) else {
            return;
        };
        session.hold = hold;
        match hold {
            Hold::Turn => core.sessions_mut().queues.held.push(id),
            Hold::AnswersOfTurn => self.answers.wait(id),
            Hold::Answers(_) => core.arm(id),
            Hold::Pace => self.pace.hold(id),
            Hold::Rate(_) => {
                if !std::mem::replace(&mut session.is_warned, true) {
                    core.refuse(id, Refusal::SlowDown);
                }
                core.arm(id);
            }
            Hold::Behind => core.questions.hold(id),
            Hold::Location => core.gate.wait_for_location(id),
            Hold::No | Hold::Outbox | Hold::Takeover | Hold::Archive => {}
        }
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self, id: SessionId) {
        self.answers.forget(id);
        self.pace.forget(id);
    }

    fn handle_json(
        &mut self,
        core: &mut Core,
        id: SessionId,
        line: &[u8],
        holds: Holds,
    ) -> Handled {
        if line.iter().all(u8::is_ascii_whitespace) {
            count_line(core, id);
            return Ok(());
        }
        let line = json::Line::read(line);
        let request = line.request(core.limits.line_bytes_max);
        self.handle_request(core, id, request, line.reference(), holds)
    }

    fn handle_text(&mut self, core: &mut Core, id: SessionId, line: &str, holds: Holds) -> Handled {
        let is_named = core.member_of(id).is_some();
        let asked_of = if is_named {
            None
        } else {
            core.gate.name_of(id)
        };
        let asked_of = asked_of.map(str::to_owned);
        let request = match text::read(line) {
            Ok(request) if is_named && request.command == Command::Prompt => {
                count_line(core, id);
                return Ok(());
            }
            request if is_named => request,
            // Whoever has no name yet is asked for one, and maybe for the password then: what is not
            // one of these is meant as what was asked for.
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
                    name: asked_of.as_deref().unwrap_or(line.trim()),
                    rooms: &[(Cow::Borrowed(LOBBY), None)],
                    password: asked_of.as_ref().and(GivenPassword::of(line)),
                    resume: None,
                    known: &[],
                }),
            }),
        };
        self.handle_request(core, id, request, None, holds)
    }

    fn handle_request(
        &mut self,
        core: &mut Core,
        id: SessionId,
        request: Result<Request<'_>, Refusal<'_>>,
        reference: Option<&str>,
        holds: Holds,
    ) -> Handled {
        if let Ok(request) = &request
            && holds == Holds::Apply
        {
            self.answers.check_request(id, request, core.now())?;
            self.check_pace(core, id, request)?;
            check_archive(core, request)?;
            admission::check_location(core, id, request)?;
        }
        count_line(core, id);
        let before = core.delivery().replies.told_bytes;
        let result = request.and_then(|request| obey(core, id, &request, reference));
        if let Err(refusal) = result {
            core.reply(id, &Reply::Refused(refusal), reference);
        }
        let bytes = core.delivery().replies.told_bytes - before;
        self.answers.charge(id, core.now(), bytes);
        Ok(())
    }

    /// Whether what is to be said must wait for readers of its room.
    fn check_pace(&mut self, core: &Core, id: SessionId, request: &Request<'_>) -> Handled {
        let (room, text) = match request.command {
            Command::Act(Act::Say { text, .. }) => {
                let member = core.member_of(id);
                let room = member.map(|member| core.directory.room_of(member, request.room));
                (room.and_then(Result::ok), text)
            }
            Command::Post { text, .. } => {
                let room = core.directory.find_room(request.room.unwrap_or(LOBBY)).ok();
                // Who posts need not be in the room, so nothing else has asked this.
                let said_enough = |room| core.listeners.delivery.has_room_said_enough(room);
                if room.is_some_and(said_enough) {
                    return Err(Later::Turn);
                }
                (room, text)
            }
            _ => return Ok(()),
        };
        let Some(room) = room.filter(|_| self.pace.is_needed()) else {
            return Ok(());
        };
        let session = core.session(id);
        let debt = session.map(|session| session.throttle.debt(core.now()));
        let bytes = std::iter::once(text.len());
        if self.pace.admit(room, debt.unwrap_or_default(), bytes) {
            Ok(())
        } else {
            Err(Later::Pace)
        }
    }
}

/// Whether what is to be said must wait until the archive has caught up.
fn check_archive(core: &Core, request: &Request<'_>) -> Handled {
    let is_kept = matches!(
        request.command,
        Command::Act(Act::Say { .. } | Act::SetTopic(_)) | Command::Post { .. }
    );
    if is_kept && core.questions.is_behind() {
        return Err(Later::Behind);
    }
    Ok(())
}

fn count_line(core: &mut Core, id: SessionId) {
    let (now, rates) = (core.now(), core.rates);
    core.listeners.delivery.statistics.lines_in += 1;
    if let Some(session) = core.session_mut(id) {
        session.lines_in += 1;
        session.take_line(now, &rates);
        let (member, said_at) = (session.member, session.active_at);
        core.comebacks.confirm(member, said_at);
    }
}

/// A program is told first what this server can do, whatever its first line is.
fn greet(core: &mut Core, id: SessionId) {
    let Some(session) = core.session_mut(id) else {
        return;
    };
    let Dialect::JsonUngreeted(framing) = session.dialect else {
        return;
    };
    session.dialect = Dialect::Json(framing);
    let hello = Hello {
        line_bytes_max: core.limits.line_bytes_max,
        history: core.limits.history_lines_max > 0 || core.questions.is_open,
        search: core.questions.is_open,
        password: core.gate.is_closed(),
    };
    core.reply(id, &Reply::Hello(&hello), None);
}

fn obey<'a>(
    core: &mut Core,
    id: SessionId,
    request: &Request<'a>,
    reference: Option<&str>,
) -> Result<(), Refusal<'a>> {
    muting::check(core, id, &request.command)?;
    charge(core, id, request);
    core.allow_replay();
    match request.command {
        Command::Help => core.reply(id, &Reply::Help, reference),
        Command::Prompt if core.gate.name_of(id).is_some() => {
            core.reply(id, &Reply::PasswordPrompt, reference);
        }
        Command::Prompt => core.reply(id, &Reply::Prompt, reference),
        Command::Ping(token) => core.reply(id, &Reply::Pong(token), reference),
        Command::Quit(reason) => ending::end(core, id, CloseReason::Quit, reason),
        Command::Enter(entry) => return arrival::enter(core, id, &entry, reference),
        Command::Post {
            name,
            text,
            password,
        } => {
            let is_admitted = admission::check_post(core, id, password)? == Admitted::Yes;
            if !is_admitted || arrival::end_if_banned(core, id, name) {
                return Ok(());
            }
            let room = request.room.unwrap_or(LOBBY);
            return post(core, id, room, name, text, reference);
        }
        Command::History(page) => return past::tell_page(core, id, request.room, page, reference),
        Command::Search(what) => return past::search(core, id, request.room, what, reference),
        Command::Act(Act::Nick(name)) if core.standing.ban_on_name(name).is_some() => {
            return Err(Refusal::NameBanned);
        }
        Command::Act(act) => return apply(core, id, request.room, act, reference),
    }
    Ok(())
}

/// Does what the rules of chat decide.
fn apply<'a>(
    core: &mut Core,
    id: SessionId,
    room: Option<&'a str>,
    act: Act<'a>,
    reference: Option<&str>,
) -> Result<(), Refusal<'a>> {
    let member = core.member_of(id);
    let Core {
        directory,
        listeners,
        gate,
        ..
    } = core;
    let answer = match (act, room, member) {
        (Act::Rooms | Act::Who, _, None) if gate.is_closed() => {
            return Err(Refusal::NotEntered);
        }
        (Act::Rooms, ..) => Ok(directory.list_rooms()),
        (Act::Who, Some(room), _) => directory.who(room),
        (_, _, None) => return Err(Refusal::NotEntered),
        (_, _, Some(member)) => {
            listeners.set_replay(match act {
                Act::Join { since } => Replay::since(since),
                _ => Replay::Newest,
            });
            listeners.records.set_asked_by(Some(id));
            let answer = directory.apply(member, room, act, listeners);
            listeners.records.set_asked_by(None);
            answer
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
fn charge(core: &mut Core, id: SessionId, request: &Request<'_>) {
    let (now, rates) = (core.now(), core.rates);
    let bytes = match request.command {
        Command::Act(Act::Say { text, .. } | Act::Msg { text, .. } | Act::SetTopic(text))
        | Command::Post { text, .. } => text.len(),
        _ => return,
    };
    if let Some(session) = core.session_mut(id) {
        session.throttle.take_bytes(now, &rates, bytes);
    }
}

fn post<'a>(
    core: &mut Core,
    id: SessionId,
    room: &'a str,
    name: &'a str,
    text: &str,
    reference: Option<&str>,
) -> Result<(), Refusal<'a>> {
    let posted = core.directory.post(room, name, text, &mut core.listeners)?;
    let (name, room) = (name.into(), room.into());
    let what = Recorded::Posted { name, room };
    core.listeners.records.push(Some(id), what);
    let now = core.now();
    if let Some(session) = core.session_mut(id) {
        session.advance(Step::Post);
        if session.phase() == Phase::Posting {
            session.active_at = now;
        }
    }
    core.reply(id, &Reply::Answer(&Answer::Done(Some(posted))), reference);
    Ok(())
}
