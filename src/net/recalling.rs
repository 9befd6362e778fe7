//! What the operator asks of the past: `/history` and `/forget`. From memory at once; what needs the
//! disk is answered when that has answered, and the seat does not wait for it. Functions over the
//! hub and the store; nobody owns anything here.

use crate::archive::{Forget, Target};
use crate::chat::{self, MessageId};
use crate::dialect::Refusal;
use crate::dialect::operator::Forgettable;
use crate::hub::Hub;

use super::keeping::Keeping;
use super::past_lines::{said, said_forgotten};
use super::seats::SeatId;

/// Takes messages back. What is to be answered now.
pub(super) fn forget(
    what: Forgettable<'_>,
    hub: &mut Hub,
    keeping: &mut Option<Keeping>,
    seat: SeatId,
) -> Vec<String> {
    let target = match what {
        Forgettable::Message(id) => Target::One(id),
        Forgettable::Sender(name) => Target::Sender(name),
    };
    let at = MessageId::MAX;
    let forgotten = hub.operator().forget(&Forget { at, target });
    if let Some(keeping) = keeping {
        keeping.forget(hub, target, forgotten, seat);
        return Vec::new();
    }
    let count = forgotten.iter().map(|(_, ids)| ids.len()).sum();
    vec![said_forgotten(count)]
}

/// The last messages of a room, as far as they are to be answered now.
pub(super) fn history(
    room: &str,
    limit: usize,
    hub: &mut Hub,
    keeping: &mut Option<Keeping>,
    seat: SeatId,
) -> Vec<String> {
    let found = hub.operator().history(room, limit);
    match (found, keeping) {
        (Some((messages, true)), _) | (Some((messages, false)), None) => said(messages),
        (_, Some(keeping)) => match keeping.ask_history(room, limit, seat) {
            Ok(()) => Vec::new(),
            Err(_) => {
                let busy = "! busy too many wait for the history on disk, ask again in a moment";
                vec![busy.to_owned()]
            }
        },
        (None, None) => {
            let refusal = Refusal::from(chat::Refusal::NoSuchRoom(room));
            vec![format!("! {} {refusal}", refusal.code())]
        }
    }
}
