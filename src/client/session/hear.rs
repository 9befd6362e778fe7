//! What the lines of the server mean to the session: the greeting, the room, returns of own
//! lines, refusals, and what cannot come from a chat server. No bytes and no link: those are
//! the parent's.

use std::time::Instant;

use super::life::GREETING_TIMEOUT;
use super::{BARRIER_TOKEN, Hearing, Identity, Manner, OwnLines, Phase, Session, Stage, counted};
use crate::clean::Clean;
use crate::client::end::End;
use crate::client::ledger::REMEMBERED_TEXTS_MAX;
use crate::client::shown::Shown;
use crate::dialect::reply::{News, Reply};

/// Characters of a foreign server's line that are repeated to the user.
const EXCERPT_CHARACTERS_MAX: usize = 60;

/// What a refusal means for the link, by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Nothing is refused: we are told that we are held back.
    Notice,
    /// A line of ours was not taken.
    Line,
    /// A line of ours was not taken because it is too long.
    LongLine,
    /// The name is somebody's.
    NameTaken,
    /// The command is not known.
    UnknownCommand,
    /// The server ends the link, and we may come back.
    Cut,
    /// The server ends the link, and does not want us back.
    Banishment,
}

impl Weight {
    fn of(code: &str) -> Self {
        match code {
            "slow-down" => Weight::Notice,
            "line-too-long" => Weight::LongLine,
            "name-in-use" => Weight::NameTaken,
            "unknown-command" => Weight::UnknownCommand,
            "too-slow" | "shutting-down" => Weight::Cut,
            "kicked" | "server-full" | "too-many-from-your-address" | "name-timeout" => {
                Weight::Banishment
            }
            _ => Weight::Line,
        }
    }
}

impl Session {
    /// A line of the server, without its ending.
    pub(super) fn hear(&mut self, line: &[u8], now: Instant) {
        let line = String::from_utf8_lossy(line);
        let Phase::Greeting { stage, .. } = self.phase else {
            return match Reply::of(&line) {
                _ if matches!(self.phase, Phase::Leaving { .. }) => {}
                Some(reply) => self.hear_talk(reply, now),
                None => self.not_chat(&line),
            };
        };
        match (stage, Reply::of(&line)) {
            (Stage::Naming, Some(reply)) => self.hear_naming(reply, &line, now),
            (Stage::Entering, Some(reply)) => self.hear_entering(reply, &line, now),
            (Stage::Settling, Some(reply)) => self.hear_settling(reply, &line, now),
            (_, None) => self.not_chat(&line),
        }
    }

    /// A line of the server that does not end.
    pub(super) fn hear_endless_line(&mut self) {
        if matches!(self.phase, Phase::Leaving { .. }) {
            return self.finish_as_left();
        }
        let server = &self.settings.server;
        let why = format!("{server} does not speak chat: it sends a line without an end");
        self.finish(End::NotChat(Clean::of(&why)));
    }

    /// The end that is due when a server has said this.
    pub(super) fn not_chat_end(&self, line: &str) -> End {
        let said = Clean::excerpt(line, EXCERPT_CHARACTERS_MAX);
        let server = &self.settings.server;
        let why = format!("{server} does not speak chat: it says \"{said}\"");
        End::NotChat(Clean::of(&why))
    }

    fn not_chat(&mut self, line: &str) {
        let end = self.not_chat_end(line);
        self.finish(end);
    }

    fn hear_naming(&mut self, reply: Reply<'_>, line: &str, now: Instant) {
        match reply {
            Reply::News(text) => {
                let News::Welcome { room, name } = News::of(text) else {
                    return;
                };
                self.welcomed(room, name);
                let wanted = self.settings.room.as_deref();
                if wanted.is_some_and(|wanted| wanted.to_lowercase() != room.to_lowercase()) {
                    self.enter_stage(Stage::Entering);
                } else {
                    self.enter_stage(Stage::Settling);
                    self.show_reply(reply);
                }
            }
            Reply::Answer(_) => {}
            Reply::Message { .. } | Reply::Private { .. } => self.not_chat(line),
            Reply::Refusal { code, words } => match Weight::of(code) {
                Weight::Notice => {}
                Weight::NameTaken if self.may_be_our_ghost(now) => {
                    let why = format!("our name is still held by the lost link ({words})");
                    self.lose(Clean::of(&why), now);
                }
                Weight::Cut if self.identity.is_some() => self.cut = Some(said(code, words)),
                _ => self.finish(End::Refused(refusal(code, words))),
            },
        }
    }

    /// Everything that is said in the room through which we only pass is hidden.
    fn hear_entering(&mut self, reply: Reply<'_>, line: &str, now: Instant) {
        match reply {
            Reply::News(text) => {
                if let News::Welcome { room, name } = News::of(text) {
                    self.welcomed(room, name);
                    self.enter_stage(Stage::Settling);
                    self.show_reply(reply);
                }
            }
            Reply::Answer("echo on") => self.talk(now),
            Reply::Refusal { code, words } => match Weight::of(code) {
                Weight::Notice => {}
                Weight::UnknownCommand => self.not_chat(line),
                Weight::Cut => self.cut = Some(said(code, words)),
                _ => self.finish(End::Refused(refusal(code, words))),
            },
            Reply::Answer(_) | Reply::Message { .. } | Reply::Private { .. } => {}
        }
    }

    fn hear_settling(&mut self, reply: Reply<'_>, line: &str, now: Instant) {
        match reply {
            Reply::Answer("echo on") => self.talk(now),
            Reply::Refusal { code, .. } => match Weight::of(code) {
                Weight::UnknownCommand => self.not_chat(line),
                // We were to join the room in which we are already: not worth a word.
                Weight::Line | Weight::LongLine | Weight::NameTaken => {}
                Weight::Notice | Weight::Cut | Weight::Banishment => self.hear_talk(reply, now),
            },
            _ => self.hear_talk(reply, now),
        }
    }

    fn hear_talk(&mut self, reply: Reply<'_>, now: Instant) {
        match reply {
            Reply::Message { from, text } if self.is_us(from) => self.hear_ourselves(text, now),
            Reply::Message { .. } | Reply::Private { .. } => self.show_reply(reply),
            Reply::News(text) => {
                self.hear_news(text);
                self.show_reply(reply);
            }
            Reply::Answer(text) => {
                self.ledger.heard(now);
                if self.ledger.awaits_barrier() && is_barrier_answer(text) {
                    self.ledger.passed_barrier(now);
                } else {
                    self.show_reply(reply);
                }
            }
            Reply::Refusal { code, words } => self.hear_refusal(code, words, now),
        }
    }

    fn hear_ourselves(&mut self, text: &str, now: Instant) {
        let message = Shown::Message {
            from: Clean::of(self.identity.as_ref().map_or("", |known| &known.name)),
            text: Clean::of(text),
        };
        if let Hearing::History(own_history) = &mut self.hearing {
            // A history is as long as the server likes; its last texts tell as much.
            if own_history.len() == REMEMBERED_TEXTS_MAX {
                own_history.remove(0);
            }
            own_history.push(text.to_owned());
            return self.show(message);
        }
        let Some(round_trip) = self.ledger.returned(text, now) else {
            return self.show(message);
        };
        self.round_trip = Some(round_trip);
        if self.own_lines == OwnLines::Shown {
            self.show(message);
        }
        self.show(Shown::Delivered { round_trip });
    }

    fn hear_news(&mut self, text: &str) {
        match News::of(text) {
            News::Welcome { room, name } => {
                self.welcomed(room, name);
                // Where we went by ourselves is where we come back to.
                let elsewhere = self
                    .identity
                    .as_ref()
                    .is_some_and(|known| known.first_room != known.room);
                self.settings.room = elsewhere.then(|| room.to_owned());
                self.ledger.learn(Vec::new());
            }
            News::Renamed { from, to } if self.is_us(from) => {
                if let Some(identity) = &mut self.identity {
                    identity.name = to.to_owned();
                }
            }
            News::HistoryBegins => self.hearing = Hearing::History(Vec::new()),
            News::HistoryEnds => {
                let heard = std::mem::replace(&mut self.hearing, Hearing::Live);
                let Hearing::History(own_history) = heard else {
                    return;
                };
                match self.phase {
                    Phase::Greeting { .. } => self.own_history = own_history,
                    _ => self.ledger.learn(own_history),
                }
            }
            News::Renamed { .. } | News::Other => {}
        }
    }

    fn hear_refusal(&mut self, code: &str, words: &str, now: Instant) {
        match Weight::of(code) {
            Weight::Notice => return self.show_reply(Reply::Refusal { code, words }),
            Weight::Cut => {
                self.cut = Some(said(code, words));
                return;
            }
            Weight::Banishment => return self.finish(End::Refused(refusal(code, words))),
            Weight::LongLine => self.ledger.refused_as_too_long(now),
            Weight::Line | Weight::NameTaken | Weight::UnknownCommand => self.ledger.refused(now),
        }
        match (self.settings.manner, &mut self.refusals) {
            (Manner::Poster, None) => self.refusals = Some((refusal(code, words), 1)),
            (Manner::Poster, Some((_, count))) => *count += 1,
            (Manner::Terminal | Manner::Seat | Manner::Pipe, _) => {
                self.show_reply(Reply::Refusal { code, words });
            }
        }
    }

    fn enter_stage(&mut self, next: Stage) {
        if let Phase::Greeting { stage, .. } = &mut self.phase {
            *stage = next;
        }
    }

    /// The greeting is over.
    fn talk(&mut self, now: Instant) {
        let doubtful = self.waiting.iter().take(self.doubtful).map(String::as_str);
        let own_history = std::mem::take(&mut self.own_history);
        let placed = self.ledger.placed_of(doubtful, &own_history);
        self.waiting.drain(..placed);
        self.doubtful = 0;
        if !own_history.is_empty() {
            self.ledger.learn(own_history);
        }
        if let Phase::Greeting { until, .. } = self.phase {
            self.round_trip = Some(now.saturating_duration_since(until - GREETING_TIMEOUT));
        }
        self.phase = Phase::Talking { since: now };
        let returned = self.lost_at.take().is_some();
        self.lost_why = None;
        let Some(Identity { name, room, .. }) = &self.identity else {
            return;
        };
        if returned {
            let again = match self.waiting.len() {
                0 => String::new(),
                count => format!("; sending {} that waited", counted(count, "line")),
            };
            let words = format!("back in {room} as {name}{again}");
            self.status(&words);
        } else if self.settings.manner.is_person() {
            let words = format!("you are {name} in {room}; /help lists commands, Ctrl-D leaves");
            self.status(&words);
        }
    }

    fn welcomed(&mut self, room: &str, name: &str) {
        let first_room = match (&self.phase, self.identity.take()) {
            (Phase::Greeting { stage, .. }, _) if *stage == Stage::Naming => room.to_owned(),
            (_, Some(known)) => known.first_room,
            (_, None) => room.to_owned(),
        };
        let (name, room) = (name.to_owned(), room.to_owned());
        self.identity = Some(Identity {
            name,
            first_room,
            room,
        });
    }

    fn is_us(&self, name: &str) -> bool {
        self.identity
            .as_ref()
            .is_some_and(|known| known.name == name)
    }

    fn may_be_our_ghost(&self, now: Instant) -> bool {
        self.lost_at
            .is_some_and(|at| now.saturating_duration_since(at) < super::GHOST_TIMEOUT)
    }

    fn show_reply(&mut self, reply: Reply<'_>) {
        self.show(Shown::of(reply));
    }
}

fn is_barrier_answer(text: &str) -> bool {
    text.strip_prefix("pong ") == Some(BARRIER_TOKEN)
}

fn refusal(code: &str, words: &str) -> Clean {
    Clean::of(&format!("refused: {}", said(code, words)))
}

fn said(code: &str, words: &str) -> Clean {
    match words {
        "" => Clean::of(code),
        _ => Clean::of(&format!("{words} ({code})")),
    }
}
