//! `Listeners`: everybody who is told what happens: delivery, the histories, the board, the log's
//! records, and a witness if there is one. Nothing but the telling. Owned by the core.

use crate::archive::Recorder;
use crate::chat::{Fact, Histories, Listen, Message, MessageId, Messages, Tail, To, What};
use crate::config::Limits;
use crate::dialect::Reply;

use super::board::Board;
use super::delivery::Delivery;
use super::records::Records;

/// All listeners, in the order in which they hear.
pub(super) struct Listeners {
    pub(super) histories: Histories,
    pub(super) board: Board,
    pub(super) records: Records,
    /// What is to be kept of this turn, where anything is kept.
    pub(super) recorder: Option<Recorder>,
    /// A test, for instance.
    pub(super) witness: Option<Box<dyn Listen>>,
    pub(super) delivery: Delivery,
    /// The message of the day, if there is one.
    pub(super) motd: Option<Box<str>>,
    /// Whether who enters a room now comes in with that, and is told it.
    tells_motd: bool,
    /// What who enters a room now is told of its past.
    replay: Replay,
    replay_messages_max: usize,
    /// Bytes that may still be told of the past in answer to one request, which may concern many
    /// rooms: more would overflow the outbox of who asked.
    replay_bytes_left: usize,
}

/// What of its past a room tells who enters it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replay {
    /// The last few messages.
    Newest,
    /// Everything behind this message.
    Since(MessageId),
    Nothing,
}

impl Replay {
    /// Everything behind a message that is known; without one, the last few.
    pub(super) fn since(known: Option<MessageId>) -> Replay {
        known.map_or(Replay::Newest, Replay::Since)
    }
}

/// Bytes that a message of the past takes beside its name and its text, at most.
const PAST_ROW_BYTES: usize = 128;

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listeners")
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

impl Listeners {
    pub(super) fn new(limits: &Limits) -> Listeners {
        Listeners {
            histories: histories(limits),
            board: Board::default(),
            records: Records::default(),
            recorder: None,
            witness: None,
            delivery: Delivery::new(limits),
            motd: None,
            tells_motd: false,
            replay: Replay::Newest,
            replay_messages_max: limits.replay_messages_max,
            replay_bytes_left: 0,
        }
    }

    /// There are no rooms any more, so nothing was said in them.
    pub(super) fn forget_rooms(&mut self, limits: &Limits) {
        self.histories = histories(limits);
        self.delivery.forget_rooms();
    }

    /// Whether who enters a room from now on is told the message of the day, behind the welcome of
    /// that room.
    pub(super) fn tell_motd(&mut self, tells: bool) {
        self.tells_motd = tells;
    }

    /// From now on so much may be told of the past.
    pub(super) fn allow_replay(&mut self, bytes: usize) {
        self.replay_bytes_left = bytes;
    }

    /// Who enters a room from now on is told this of its past.
    pub(super) fn set_replay(&mut self, replay: Replay) {
        self.replay = replay;
    }

    /// Tells who has come in the message of the day; programs know it by their welcome.
    fn tell_motd_to(&mut self, to: To<'_>) {
        if let To::Member(member) = to
            && std::mem::take(&mut self.tells_motd)
            && let Some(motd) = &self.motd
            && let Some(id) = self.delivery.speakers.of(member)
        {
            self.delivery.reply(id, &Reply::Motd(motd), None);
        }
    }

    /// Tells who has entered a room what was said in it before; `last` is the newest message that
    /// ever was.
    fn tell_past(&mut self, to: To<'_>, fact: &Fact<'_>, last: MessageId) {
        let (To::Member(member), Some(room)) = (to, fact.room) else {
            return;
        };
        let limit = match self.replay {
            Replay::Newest => self.replay_messages_max,
            Replay::Nothing | Replay::Since(_) => 0,
        };
        let tail = match self.replay {
            Replay::Since(known) if known >= last => Tail {
                messages: Messages::default(),
                missed: (known == last && self.histories.is_certain(room.id)).then_some(0),
            },
            Replay::Since(known) => self.histories.since(room.id, known),
            Replay::Newest | Replay::Nothing => Tail {
                messages: self.histories.newest(room.id, limit),
                missed: Some(0),
            },
        };
        let fitting = take_fitting(&tail.messages, &mut self.replay_bytes_left);
        let dropped = match self.replay {
            Replay::Since(_) => tail.messages.len() - fitting,
            Replay::Newest | Replay::Nothing => 0,
        };
        let missed = tail.missed.map(|missed| missed + dropped);
        let past = Reply::Past {
            room: room.name,
            messages: self.histories.newest(room.id, fitting),
            missed,
        };
        if let Some(id) = self.delivery.speakers.of(member) {
            self.delivery.reply(id, &past, None);
        }
    }
}

impl Listen for Listeners {
    fn hear(&mut self, to: To<'_>, fact: &Fact<'_>) {
        self.histories.hear(to, fact);
        self.board.hear(to, fact);
        self.records.hear(to, fact);
        if let Some(recorder) = &mut self.recorder {
            recorder.hear(to, fact);
        }
        if let Some(witness) = &mut self.witness {
            witness.hear(to, fact);
        }
        self.delivery.hear(to, fact);
        if let What::Entered { last, .. } = fact.what {
            self.tell_motd_to(to);
            self.tell_past(to, fact, last);
        }
    }
}

/// How many of the newest of these messages fit into what may still be told, from which they are
/// taken.
fn take_fitting(messages: &Messages<'_>, bytes_left: &mut usize) -> usize {
    let bytes: Vec<usize> = messages
        .clone()
        .map(|message| past_bytes(&message))
        .collect();
    let newest_first = bytes.into_iter().rev();
    newest_first
        .take_while(|bytes| {
            let rest = bytes_left.checked_sub(*bytes);
            *bytes_left = rest.unwrap_or(0);
            rest.is_some()
        })
        .count()
}

/// What a message of the past takes at most, in whatever language: of a text, every character may
/// need an escape.
pub(super) fn past_bytes(message: &Message<'_>) -> usize {
    PAST_ROW_BYTES + message.from.len() + 2 * message.text.len()
}

fn histories(limits: &Limits) -> Histories {
    Histories::new(
        limits.history_lines_max,
        limits.history_bytes_max,
        limits.history_total_bytes_max,
    )
}
