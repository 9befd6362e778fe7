//! What a handled line does: the facts it must have caused, in their order, and what its sender must
//! have been answered behind them. Part of the world.

use std::rc::Rc;

use chatd::chat::{Manner, MessageId};
use chatd::hub::Recorded;
use chatd::session::CloseReason;
use serde_json::json;

use super::asked::{self, Asked};
use super::facts::{For, Id};
use super::heard::Happened;
use super::input::Item;
use super::judge::{Asker, Verdict};
use super::past::Said;
use super::sniff::Language;
use super::words::Words;
use super::world::{Outcome, World};

/// A line that comes next, as it is understood.
pub(crate) struct Next {
    asked: Asked,
    reference: Option<String>,
    is_last: bool,
}

/// What lines come to.
#[derive(Debug, Default)]
pub(crate) struct Foreseen {
    /// Facts tell of some of them.
    pub(crate) has_facts: bool,
    pub(crate) quits: bool,
    /// Somebody takes its own place elsewhere.
    pub(crate) comes_back: bool,
}

impl World {
    /// What the next line of a connection asks for.
    fn next_line(&self, slot: usize) -> Option<Next> {
        let item = self.peer_ref(slot).input.pending.front()?;
        Some(self.understand(slot, item))
    }

    fn understand(&self, slot: usize, item: &Item) -> Next {
        let peer = self.peer_ref(slot);
        let (asked, reference) = match item {
            Item::TooLong => (Asked::Refused(vec!["line-too-long"]), None),
            Item::Line(line) | Item::LastLine(line) => match peer.language() {
                Language::Text => (asked::text(line, peer.member().is_some()), None),
                Language::Json => asked::json(line, self.limits.line_bytes_max),
            },
        };
        Next {
            asked,
            reference,
            is_last: matches!(item, Item::LastLine(_)),
        }
    }

    /// What its handled lines must come to, as things stand.
    pub(crate) fn foresee(&self, slot: usize) -> Foreseen {
        let peer = self.peer_ref(slot);
        let mut foreseen = Foreseen::default();
        for item in peer.input.pending.iter().take(peer.budget as usize) {
            let next = self.understand(slot, item);
            let asker = Asker {
                slot,
                reference: None,
            };
            match next.asked {
                Asked::Quit(_) => foreseen.quits = true,
                Asked::Enter(entry) if self.takes_over_now(slot, &entry) => {
                    foreseen.comes_back = true;
                    break;
                }
                asked if self.ends_as_banned(&asked) => {
                    let verdict = self.judge(asker, &asked);
                    foreseen.quits |= matches!(verdict, Verdict::Deed);
                }
                asked => {
                    let is_deed = matches!(self.judge(asker, &asked), Verdict::Deed);
                    foreseen.has_facts |= is_deed;
                }
            }
        }
        foreseen
    }

    /// Handles the next line of a connection, whatever comes of it. `unheld`: without regard to its
    /// rate.
    pub(crate) fn run_line(&mut self, slot: usize, unheld: bool) -> Outcome {
        let next = self.next_line(slot);
        let next =
            next.ok_or_else(|| format!("slot {slot}: more lines were handled than it sent"))?;
        let asker = Asker {
            slot,
            reference: next.reference.as_deref(),
        };
        self.greet(slot)?;
        match self.judge(asker, &next.asked) {
            Verdict::Answer(words) => {
                self.tell(slot, &words)?;
                self.take_line(slot, &next, unheld)
            }
            Verdict::Deed => {
                if !unheld {
                    self.check_pace(slot, &next.asked)?;
                }
                self.take_line(slot, &next, unheld)?;
                let is_said = matches!(next.asked, Asked::Say { .. } | Asked::Post { .. });
                self.is_paced = is_said && !unheld;
                let outcome = self.act(asker, next.asked);
                self.is_paced = false;
                outcome
            }
        }
    }

    /// The next line of a connection was handled, nobody saw when, and no fact tells of it: if it
    /// would do something now, it was refused then.
    pub(crate) fn run_unseen_line(&mut self, slot: usize) -> Outcome {
        let Some(next) = self.next_line(slot) else {
            return Ok(());
        };
        let asker = Asker {
            slot,
            reference: None,
        };
        match (self.judge(asker, &next.asked), &next.asked) {
            (Verdict::Answer(_), _) | (_, Asked::Quit(_)) => self.run_line(slot, false),
            (Verdict::Deed, asked) if self.ends_as_banned(asked) => self.run_line(slot, false),
            (Verdict::Deed, _) => self.take_line(slot, &next, false),
        }
    }

    /// Handles the next line of a connection if it may be handled here: it changes nothing for
    /// anybody, and its answer stands here.
    pub(crate) fn try_line(&mut self, slot: usize, unheld: bool) -> Result<bool, String> {
        let now = self.now;
        let may = unheld || self.peer(slot).throttle.allows(now);
        let Some(next) = self.next_line(slot).filter(|next| may || next.is_last) else {
            return Ok(false);
        };
        let asker = Asker {
            slot,
            reference: next.reference.as_deref(),
        };
        let is_fit = match (self.judge(asker, &next.asked), &next.asked) {
            (Verdict::Answer(words), _) => {
                self.greet(slot).is_ok() && self.tell(slot, &words).is_ok()
            }
            // No fact tells of that, but the old connection is read to its end then.
            (Verdict::Deed, Asked::Enter(entry)) if self.takes_over_now(slot, entry) => {
                return self.run_line(slot, unheld).map(|()| true);
            }
            (Verdict::Deed, _) => false,
        };
        if is_fit {
            self.take_line(slot, &next, unheld)?;
        }
        Ok(is_fit)
    }

    fn hello(&self, slot: usize) -> Option<Words> {
        let peer = self.peer_ref(slot);
        let is_due =
            peer.language() == Language::Json && !peer.greeted && !peer.input.pending.is_empty();
        is_due.then(|| {
            Words::json(
                json!({ "is": "hello", "server": "chatd", "version": env!("CARGO_PKG_VERSION"),
                "json": 1, "line_max": self.limits.line_bytes_max,
                "history": self.limits.history_lines_max > 0, "search": false, "password": false }),
            )
        })
    }

    /// A program is told what this server can do, even if its first line is for later.
    pub(crate) fn greet(&mut self, slot: usize) -> Outcome {
        if let Some(hello) = self.hello(slot) {
            self.tell(slot, &[hello])?;
            self.peer(slot).greeted = true;
        }
        Ok(())
    }

    /// The line is handled: it costs its sender.
    fn take_line(&mut self, slot: usize, next: &Next, unheld: bool) -> Outcome {
        let now = self.now;
        let peer = self.peer(slot);
        if peer.budget == 0 {
            return Err(format!("slot {slot}: {:?} was not handled", next.asked));
        }
        if !next.is_last && !unheld && !peer.throttle.allows(now) {
            return Err(format!(
                "slot {slot}: {:?} was handled beyond its rate",
                next.asked
            ));
        }
        peer.input.pending.pop_front();
        peer.budget -= 1;
        peer.lines_in += 1;
        let active_at = peer.active_at;
        if let Some(member) = peer.member_mut() {
            // Who says something after it was told another has read that.
            member.token_before = member
                .token_before
                .take()
                .filter(|&(_, at)| at >= active_at);
        }
        peer.throttle.take_line(now);
        if !self.is_unheard(slot, &next.asked) {
            let said_bytes = next.asked.said_bytes();
            self.peer(slot).throttle.take_bytes(now, said_bytes);
        }
        self.allow_replay();
        let peer = self.peer(slot);
        if let (Asked::Echo(on), Some(member)) = (&next.asked, peer.member_mut()) {
            member.echo = *on;
        }
        Ok(())
    }

    fn act(&mut self, asker: Asker<'_>, asked: Asked) -> Outcome {
        let slot = asker.slot;
        if self.ends_as_banned(&asked) {
            return self.end_as_banned(slot);
        }
        match asked {
            Asked::Quit(why) => self.end(slot, CloseReason::Quit, why.as_deref()),
            Asked::Enter(entry) => self.enter(asker, entry),
            Asked::Post { room, name, text } => self.post(asker, &room, &name, &text),
            Asked::Say { room, text, action } => {
                let key = self.room_of(slot, room.as_deref()).expect("it was judged");
                let manner = if action {
                    Manner::Action
                } else {
                    Manner::Plain
                };
                self.say(asker, &key, &text, manner)
            }
            Asked::SetTopic { room, text } => {
                let key = self.room_of(slot, room.as_deref()).expect("it was judged");
                self.room(&key).topic.clone_from(&text);
                let by = self.name(slot);
                self.fact(
                    &For::Room,
                    Some(&key),
                    Happened::Topic { text, by },
                    Id::New,
                )?;
                self.done(asker, None)
            }
            Asked::Part(room) => {
                let key = self.room_of(slot, Some(&room)).expect("it was judged");
                self.part(slot, &key)?;
                self.done(asker, None)
            }
            Asked::Join { room, since } => {
                self.join(slot, &room, since)?;
                self.done(asker, None)
            }
            Asked::Move(room) => self.change_room(slot, &room),
            Asked::Nick(name) => self.rename(asker, &name),
            Asked::Msg { to, text } => {
                let other = self.find(&to).expect("it was judged");
                let what = Happened::Private {
                    from: self.name(slot),
                    text,
                };
                let id = self.fact(&For::One(other), None, what, Id::New)?;
                let sent = format!("= sent to {}", self.name(other));
                let done = json!({ "is": "done", "id": id.to_string() });
                let answer = self.answer(asker, sent, done);
                self.tell(slot, &[answer])
            }
            asked => unreachable!("{asked:?} is no deed"),
        }
    }

    pub(crate) fn name(&self, slot: usize) -> String {
        self.member(slot).expect("it has a name").name.to_string()
    }

    /// A program is told that it is done; to others it shows.
    fn done(&mut self, asker: Asker<'_>, id: Option<MessageId>) -> Outcome {
        if self.peer(asker.slot).language() == Language::Text {
            return Ok(());
        }
        let mut done = json!({ "is": "done" });
        if let Some(id) = id {
            done["id"] = id.to_string().into();
        }
        self.tell(asker.slot, &[Words::answer(done, asker.reference)])
    }

    fn say(&mut self, asker: Asker<'_>, key: &Rc<str>, text: &str, manner: Manner) -> Outcome {
        let member = self.member(asker.slot).expect("it has a name");
        let to = if member.echo {
            For::Room
        } else {
            For::RoomBut(vec![asker.slot])
        };
        let from = Rc::clone(&member.name);
        let id = self.said(&to, key, &from, text, manner)?;
        self.done(asker, Some(id))
    }

    pub(crate) fn said(
        &mut self,
        to: &For,
        key: &Rc<str>,
        from: &Rc<str>,
        text: &str,
        manner: Manner,
    ) -> Result<MessageId, String> {
        let what = Happened::Said {
            from: from.to_string(),
            text: text.to_owned(),
            manner,
        };
        let id = self.fact(to, Some(key), what, Id::New)?;
        let room = self.room(key);
        room.last = id;
        room.said.push(Said {
            id,
            from: Rc::clone(from),
            text: text.into(),
            manner,
        });
        Ok(id)
    }

    fn post(&mut self, asker: Asker<'_>, room: &str, name: &str, text: &str) -> Outcome {
        let key = self.room_key(room).unwrap_or_else(|| self.make_room(room));
        let id = self.said(&For::Room, &key, &name.into(), text, Manner::Posted)?;
        self.close_if_empty(&key)?;
        let (name, room) = (name.into(), room.into());
        self.record(Some(asker.slot), &Recorded::Posted { name, room })?;
        let now = self.now;
        let peer = self.peer(asker.slot);
        if peer.member().is_none() {
            (peer.has_posted, peer.active_at) = (true, now);
        }
        self.done(asker, Some(id))
    }

    fn rename(&mut self, asker: Asker<'_>, name: &str) -> Outcome {
        let slot = asker.slot;
        let from = self.name(slot);
        let member = self.peer(slot).member_mut().expect("it has a name");
        member.name = name.into();
        let what = Happened::Renamed {
            from: from.clone(),
            to: name.into(),
        };
        let rooms = member.rooms.clone();
        let mut id = None;
        for key in &rooms {
            id = Some(self.fact(&For::Room, Some(key), what.clone(), Id::after(id))?);
        }
        if rooms.is_empty() {
            self.fact(&For::One(slot), None, what, Id::New)?;
        }
        let (from, to) = (from.as_str().into(), name.into());
        self.record(Some(slot), &Recorded::Renamed { from, to })?;
        self.done(asker, None)
    }
}
