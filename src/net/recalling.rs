//! What the operator asks of the past: `/history` and `/forget`. From memory at once; what needs the
//! disk is answered when that has answered, and the console does not wait for it. Functions over the
//! hub and the store; nobody owns anything here.

use crate::archive::{Forget, Target};
use crate::chat::{Manner, Message, MessageId};
use crate::dialect::operator::Forgettable;
use crate::hub::Hub;

use super::keeping::Keeping;
use super::printer::Printer;

/// Takes messages back.
pub(super) fn forget(
    what: Forgettable<'_>,
    hub: &mut Hub,
    keeping: &mut Option<Keeping>,
    printer: &mut Printer,
) {
    let target = match what {
        Forgettable::Message(id) => Target::One(id),
        Forgettable::Sender(name) => Target::Sender(name),
    };
    let at = MessageId::MAX;
    let forgotten = hub.operator().forget(&Forget { at, target });
    match keeping {
        Some(keeping) => keeping.forget(hub, target, forgotten),
        None => {
            let count = forgotten.iter().map(|(_, ids)| ids.len()).sum();
            printer.line(&said_forgotten(count));
        }
    }
}

/// What is answered when that is done.
pub(super) fn said_forgotten(count: usize) -> String {
    match count {
        0 => "! no-such-name nothing of that is known".to_owned(),
        1 => "= 1 message was forgotten".to_owned(),
        _ => format!("= {count} messages were forgotten"),
    }
}

/// Shows the last messages of a room.
pub(super) fn print_history(
    room: &str,
    limit: usize,
    hub: &mut Hub,
    keeping: &mut Option<Keeping>,
    printer: &mut Printer,
) {
    let found = hub.operator().history(room, limit);
    match (found, keeping) {
        (Some((messages, true)), _) | (Some((messages, false)), None) => {
            said(messages).iter().for_each(|line| printer.line(line));
        }
        (_, Some(keeping)) => {
            if keeping.ask_history(room, limit).is_err() {
                printer.line("! busy too many wait for the history on disk, ask again in a moment");
            }
        }
        (None, None) => printer.line(&format!("! no-such-room there is no room {room}")),
    }
}

/// Messages as the operator sees them, and the line behind them.
pub(super) fn said<'m>(messages: impl Iterator<Item = Message<'m>>) -> Vec<String> {
    let mut lines: Vec<String> = messages
        .map(|message| {
            let action = match message.manner {
                Manner::Action => "/me ",
                Manner::Plain | Manner::Posted => "",
            };
            let at = jiff::Timestamp::from_millisecond(
                i64::try_from(message.id.at().as_millis()).unwrap_or(i64::MAX),
            );
            let at = at.map_or_else(
                |_| String::new(),
                |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            );
            let Message { id, from, text, .. } = message;
            format!("= {id} {at} <{from}> {action}{text}")
        })
        .collect();
    lines.push("= end".to_owned());
    lines
}
