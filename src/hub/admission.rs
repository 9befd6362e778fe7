//! Who comes in where there is a password, and what is said to who does not: the same for all
//! languages that come in lines, and for requests over HTTP. Whether a password is right is the
//! `gate`'s. Functions over the core.

use crate::chat::{Command, Entry, Request};
use crate::dialect::http::{Response, Status};
use crate::dialect::{Encoding, Refusal, Reply};
use crate::password::{GivenPassword, KeptPassword};
use crate::session::{AddressGroup, CloseReason, Session, SessionId};

use super::core::Core;
use super::ending;
use super::gate::Shut;
use super::later::Later;
use super::records::Recorded;

/// What becomes of who wants to come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// Its name is looked at next.
    Yes,
    /// It was asked for the password, or its connection ends.
    NotNow,
}

/// What is given here can only be judged once it is known from where it comes.
pub(super) fn check_location(
    core: &Core,
    id: SessionId,
    request: &Request<'_>,
) -> Result<(), Later> {
    let is_given = match request.command {
        Command::Enter(entry) => entry.password.is_some(),
        Command::Post { password, .. } => password.is_some(),
        _ => false,
    };
    if is_given && core.member_of(id).is_none() && core.gate.wants_location(id) {
        return Err(Later::Location);
    }
    Ok(())
}

/// Whether who wants to enter may. A person who gave a name is asked for the password first.
///
/// # Errors
/// The password is wrong, or was not given.
pub(super) fn check_entry<'a>(
    core: &mut Core,
    id: SessionId,
    entry: &Entry<'a>,
) -> Result<Admitted, Refusal<'a>> {
    let outcome = core.gate.check(id, entry.password, core.now());
    let is_person = core.session(id).map(Session::encoding) == Some(Encoding::Text);
    if outcome == Err(Shut::NotGiven) && is_person {
        core.gate.ask(id, entry.name);
        core.reply(id, &Reply::PasswordPrompt, None);
        return Ok(Admitted::NotNow);
    }
    admitted(core, id, outcome)
}

/// Whether who wants to post may. Who is in the chat has shown that it knows the password.
///
/// # Errors
/// The password is wrong, or was not given.
pub(super) fn check_post(
    core: &mut Core,
    id: SessionId,
    password: Option<GivenPassword<'_>>,
) -> Result<Admitted, Refusal<'static>> {
    if core.member_of(id).is_some() {
        return Ok(Admitted::Yes);
    }
    let outcome = core.gate.check(id, password, core.now());
    admitted(core, id, outcome)
}

/// Whether a request over HTTP is looked at, as far as that can be told by whether it gives a password
/// at all.
pub(super) fn check_given(core: &Core, password: Option<&KeptPassword>) -> Result<(), Response> {
    if core.gate.is_closed() && password.is_none() {
        return Err(Response::wants_password());
    }
    Ok(())
}

/// Whether a request over HTTP is looked at that comes from there; what is answered if not.
pub(super) fn check_request(
    core: &mut Core,
    id: SessionId,
    group: AddressGroup,
    password: Option<&KeptPassword>,
) -> Result<(), Response> {
    if !core.gate.is_closed() {
        return Ok(());
    }
    let now = core.now();
    let password = password.ok_or_else(Response::wants_password)?;
    let outcome = core.gate.check_from(group, password.given(), now);
    outcome.map_err(|shut| {
        record(core, id, shut);
        match shut {
            Shut::NotGiven | Shut::Wrong { .. } => Response::wants_password(),
            Shut::Unheard(until) => {
                let words = Refusal::PasswordTriedTooOften.to_string();
                let seconds = until.since(now).as_secs_f64().ceil() as u64;
                Response::text(Status::TooManyRequests, &words).retry_after(seconds.max(1))
            }
        }
    })
}

fn admitted(
    core: &mut Core,
    id: SessionId,
    outcome: Result<(), Shut>,
) -> Result<Admitted, Refusal<'static>> {
    let Err(shut) = outcome else {
        return Ok(Admitted::Yes);
    };
    record(core, id, shut);
    if core.gate.has_had_its_tries(id) {
        ending::end(core, id, CloseReason::WrongPassword, None);
        return Ok(Admitted::NotNow);
    }
    Err(match shut {
        Shut::NotGiven => Refusal::PasswordNotGiven,
        Shut::Wrong { .. } => Refusal::WrongPassword,
        Shut::Unheard(_) => Refusal::PasswordTriedTooOften,
    })
}

fn record(core: &mut Core, id: SessionId, shut: Shut) {
    if let Shut::Wrong { is_last_of_address } = shut {
        let what = Recorded::WrongPassword { is_last_of_address };
        core.listeners.records.push(Some(id), what);
    }
}
