//! `Posts`: what is said over HTTP by somebody who is not there, at a rate by where it comes from. How
//! it is collected, and that it is answered, is `web`'s, which owns this.

use std::collections::HashMap;
use std::time::Duration;

use crate::chat::{Answer, Refusal as RulesRefusal};
use crate::dialect::http::{self, BodyFault, Response, Status};
use crate::dialect::{self, Encoding, Refusal, Reply, cleaning};
use crate::session::{AddressGroup, Posting, SessionId, Throttle};
use crate::time::Time;

use super::core::Core;
use super::later::Later;
use super::muting;
use super::pace::Pace;
use super::records::Recorded;

/// What those have left of their rate who posted lately.
#[derive(Debug, Default)]
pub(super) struct Posts {
    groups: HashMap<AddressGroup, Throttle>,
}

impl Posts {
    /// Says all lines of a post, or none: with what it is answered; unless it must wait.
    pub(super) fn say(
        &mut self,
        core: &mut Core,
        pace: &mut Pace,
        id: SessionId,
        posting: &Posting,
        group: AddressGroup,
    ) -> Result<Response, Later> {
        let texts = match texts_of(core, &posting.body) {
            Ok(texts) => texts,
            Err(response) => return Ok(response),
        };
        if let Err(refusal) = check_poster(core, id, &posting.name) {
            return Ok(refused(&refusal));
        }
        if let Err(until) = self.check_group(core, group) {
            let seconds = until.since(core.now()).as_secs_f64().ceil() as u64;
            let words = "too much was posted from your address; try again later";
            let response = Response::text(Status::TooManyRequests, words);
            return Ok(response.retry_after(seconds.max(1)));
        }
        self.check_room(core, pace, (&posting.room, &texts), group)?;
        Ok(match self.say_all(core, id, posting, group, &texts) {
            Ok(done) => Response::json_lines(Status::Created, done),
            Err(refusal) => refused(&refusal.into()),
        })
    }

    /// Says the lines one after the other; the answer to each. What can be refused is, with the
    /// first.
    fn say_all<'a>(
        &mut self,
        core: &mut Core,
        id: SessionId,
        posting: &'a Posting,
        group: AddressGroup,
        texts: &[String],
    ) -> Result<Vec<u8>, RulesRefusal<'a>> {
        let (now, rates) = (core.now(), core.rates);
        let mut done = Vec::new();
        for text in texts {
            let (room, name) = (&posting.room, &posting.name);
            let listeners = &mut core.listeners;
            let posted = core.directory.post(room, name, text, listeners)?;
            let answer = Reply::Answer(&Answer::Done(Some(posted)));
            dialect::encode_reply(Encoding::Json, &answer, None, &mut done);
            let throttle = self.groups.entry(group).or_default();
            throttle.take_line(now, &rates);
            throttle.take_bytes(now, &rates, text.len());
            core.listeners.delivery.statistics.lines_in += 1;
            if let Some(session) = core.session_mut(id) {
                session.lines_in += 1;
            }
        }
        let (name, room) = (posting.name.as_str().into(), posting.room.as_str().into());
        let what = Recorded::Posted { name, room };
        core.listeners.records.push(Some(id), what);
        Ok(done)
    }

    /// Whether something may be posted from there; else from when on.
    fn check_group(&mut self, core: &Core, group: AddressGroup) -> Result<(), Time> {
        let (now, rates) = (core.now(), core.rates);
        let groups_max = core.limits.post_address_groups_max;
        if self.groups.len() >= groups_max && !self.groups.contains_key(&group) {
            self.groups.retain(|_, throttle| throttle.rested_at() > now);
            if self.groups.len() >= groups_max {
                // Nobody is known who could be forgotten. Those who come next wait for one of them.
                let first = self.groups.values().map(|known| known.rested_at()).min();
                return Err(first.unwrap_or(now));
            }
        }
        let throttle = self.groups.get(&group).copied().unwrap_or_default();
        throttle.check(now, &rates)
    }

    /// Whether the room may hear something now, or has said enough for a while.
    fn check_room(
        &self,
        core: &Core,
        pace: &mut Pace,
        (room, texts): (&str, &[String]),
        group: AddressGroup,
    ) -> Result<(), Later> {
        let Ok(room) = core.directory.find_room(room) else {
            return Ok(());
        };
        if core.listeners.delivery.has_room_said_enough(room) {
            return Err(Later::Turn);
        }
        let throttle = self.groups.get(&group);
        let debt = throttle.map_or(Duration::ZERO, |known| known.debt(core.now()));
        if pace.admit(room, debt, texts.iter().map(String::len)) {
            Ok(())
        } else {
            Err(Later::Pace)
        }
    }
}

/// Whether somebody may post, and under this name.
fn check_poster<'c>(core: &'c Core, id: SessionId, name: &str) -> Result<(), Refusal<'c>> {
    if let Some(ban) = core.standing.ban_on_name(name) {
        return Err(Refusal::Banned(ban.why.as_deref()));
    }
    muting::check_speaker(core, id, Some(name))
}

/// The lines of a body, clean, none of them too long.
fn texts_of(core: &mut Core, body: &[u8]) -> Result<Vec<String>, Response> {
    let lines = http::body_lines(body).map_err(|fault: BodyFault| Response::from(fault))?;
    let mut texts = Vec::new();
    for line in lines {
        if line.len() > core.limits.line_bytes_max {
            return Err(refused(&Refusal::LineTooLong));
        }
        let scratch = &mut core.memory.scratch;
        texts.push(cleaning::clean(line.as_bytes(), scratch).to_owned());
    }
    Ok(texts)
}

/// A refusal of the chat as an answer.
pub(super) fn refused(refusal: &Refusal<'_>) -> Response {
    let status = match refusal.code() {
        "name-in-use" => Status::Conflict,
        "banned" | "muted" => Status::Forbidden,
        "no-such-room" => Status::NotFound,
        "line-too-long" => Status::ContentTooLarge,
        "too-many-rooms" | "busy" => Status::Unavailable,
        _ => Status::BadRequest,
    };
    Response::text(status, &format!("{} {refusal}", refusal.code()))
}
