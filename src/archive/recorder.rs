//! `Recorder`: a listener that writes down what is to be kept of a turn, as encoded records. Not
//! where they go: the loop hands them to the store before anything is flushed. Owned by the hub; a
//! server without a store has none.

use super::codec::encode;
use super::record::Record;
use crate::chat::{Fact, Listen, Message, MessageId, To, What};

/// The records of the turn so far, encoded.
#[derive(Debug, Default)]
pub struct Recorder {
    bytes: Vec<u8>,
    /// The newest fact of all that was heard, kept or not.
    last: MessageId,
}

/// Memory of one turn that is kept for the next.
const KEPT_BYTES: usize = 64 << 10;

impl Recorder {
    /// With nothing yet.
    pub fn new() -> Recorder {
        Recorder::default()
    }

    /// What is to be kept of this turn, as the codec of this module writes it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The newest id that was ever given, of whatever fact: no later run may give it again.
    pub fn last(&self) -> MessageId {
        self.last
    }

    /// The records of this turn are with the store.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
    }
}

impl Listen for Recorder {
    fn hear(&mut self, to: To<'_>, fact: &Fact<'_>) {
        self.last = self.last.max(fact.id);
        // What is for one member alone is private, or known to it in another way.
        let (Some(room), To::Room(_) | To::RoomBut(..)) = (fact.room, to) else {
            return;
        };
        let id = fact.id;
        match fact.what {
            What::Said { from, text, manner } => {
                let message = Message {
                    id,
                    from,
                    text,
                    manner,
                };
                let room = room.name;
                encode(&Record::Message { room, message }, &mut self.bytes);
            }
            What::Topic { text, by } => {
                let room = room.name;
                encode(&Record::Topic { room, id, by, text }, &mut self.bytes);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Records;
    use crate::chat::{Manner, MemberId, Place, RoomId};

    #[test]
    fn what_was_said_to_a_room_and_its_topics_are_kept_and_nothing_else() {
        let mut recorder = Recorder::new();
        let said = What::Said {
            from: "ann",
            text: "hello",
            manner: Manner::Plain,
        };
        let topic = What::Topic {
            text: "tea",
            by: "ben",
        };
        let private = What::Private {
            from: "ann",
            text: "psst",
        };
        let joined = What::Joined {
            who: "cyd",
            here: 3,
        };
        let room = To::Room(RoomId(0));
        let told = [
            (room, said),
            (room, topic),
            (room, joined),
            (To::Member(MemberId(1)), private),
        ];
        for (number, (to, what)) in told.into_iter().enumerate() {
            let fact = Fact {
                room: Some(Place {
                    id: RoomId(0),
                    name: "Lobby",
                }),
                id: format!("{}-0", number + 1).parse().unwrap(),
                what,
            };
            recorder.hear(to, &fact);
        }
        let kept: Vec<Record<'_>> = Records::new(recorder.bytes()).collect();
        assert!(matches!(
            kept[..],
            [
                Record::Message { room: "Lobby", .. },
                Record::Topic { text: "tea", .. }
            ]
        ));
        assert_eq!(recorder.last().to_string(), "4-0");
        recorder.clear();
        assert!(recorder.bytes().is_empty());
    }
}
