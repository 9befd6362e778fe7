//! What the operator asks of the past: `/history` and `/forget`. From memory at once; what needs the
//! disk is answered when that has answered, and the console does not wait for it. Functions over the
//! hub and the store; nobody owns anything here.

use crate::archive::{Forget, Target};
use crate::chat::MessageId;
use crate::dialect::operator::Forgettable;
use crate::hub::Hub;

use super::keeping::Keeping;
use super::past_lines::{said, said_forgotten};
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
