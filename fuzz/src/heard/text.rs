//! What a connection hears in plain text. Part of `heard`.

use chatd::dialect::Encoding;

use super::{Expected, Heard, number};
use crate::log::Log;
use crate::server_line;
use crate::text_line::{News, Reply};

impl Heard {
    pub(super) fn hear_text(&mut self, line: &[u8], log: &Log) {
        match self.expected {
            Expected::HttpHead => {
                // The server does not count them: they are no lines of the protocol.
                self.lines -= 1;
                if line == b"\r" {
                    self.expected = Expected::WrongProtocol;
                }
            }
            Expected::Anything if line == b"HTTP/1.1 400 Bad Request\r" => {
                assert!(!self.welcomed, "a member was taken for a browser");
                self.lines -= 1;
                self.expected = Expected::HttpHead;
            }
            _ => {
                let reply = server_line::check(line);
                let line = std::str::from_utf8(line).expect("it was checked");
                self.hear_reply(reply, line, log);
            }
        }
    }

    fn hear_reply(&mut self, reply: Reply<'_>, line: &str, log: &Log) {
        match (std::mem::take(&mut self.expected), reply) {
            (Expected::Topic, Reply::News(text)) if News::of(text) == News::Topic => {
                return self.keep_welcomes(&[line.to_owned()], log);
            }
            // The rest of it was what it did not read.
            (
                Expected::Topic | Expected::History(..),
                Reply::Refusal {
                    code: "too-slow", ..
                },
            ) => {}
            (Expected::Topic, _) => self.keep_welcomes(&[], log),
            (Expected::History(left @ 1.., mut past), Reply::Message { .. }) => {
                past.push(line.to_owned());
                self.expected = Expected::History(left - 1, past);
                return;
            }
            (Expected::History(0, past), Reply::News("end of history")) => {
                let room = self.rooms.last_mut().expect("a welcome came before");
                return room.check_past(&past, Encoding::Text, log);
            }
            (Expected::History(left, _), _) => panic!("{left} are missing before {line}"),
            (Expected::WrongProtocol, Reply::Refusal { code, .. }) => {
                assert_eq!(code, "wrong-protocol");
            }
            (Expected::WrongProtocol, _) => panic!("a browser is told {line}"),
            _ => {}
        }
        match reply {
            Reply::Message { from, text } => {
                self.check_speaker(from, text);
                self.hear_room(None, Encoding::Text, line, log);
            }
            Reply::Private { .. } => self.hear_told(Encoding::Text, line, log),
            Reply::News(text) => self.hear_news(text, line, log),
            Reply::Answer(text) => self.hear_answer(text),
            Reply::Refusal { code, .. } => self.hear_refusal(code),
        }
    }

    fn keep_welcomes(&mut self, rest: &[String], log: &Log) {
        let room = self.rooms.last_mut().expect("a welcome came before");
        let is_kept = |&place: &_| log.rest_of_welcome(place, Encoding::Text) == rest;
        room.places.retain(is_kept);
        assert!(!room.places.is_empty(), "nobody was welcomed with {rest:?}");
    }

    fn check_speaker(&self, from: &str, text: &str) {
        assert!(self.welcomed, "{from} is heard from outside");
        if *from == *self.name {
            assert!(self.echo, "its own line came back");
            let number = number(text).unwrap_or(u64::MAX);
            assert!(number >= self.barrier, "{text} came after a later ping");
        }
    }

    fn hear_answer(&mut self, text: &str) {
        match text.split_once(' ') {
            Some(("echo", onoff)) => self.echo = onoff == "on",
            Some(("pong", token)) => number(token)
                .into_iter()
                .for_each(|number| self.pass_barrier(number)),
            _ => {}
        }
    }

    fn hear_news(&mut self, text: &str, line: &str, log: &Log) {
        match News::of(text) {
            News::Prompt => assert!(!self.welcomed, "a member is prompted"),
            News::Welcome { room, name } => {
                // Plain text is in one room at a time, and had heard all of the one before.
                self.check_complete(log);
                self.rooms.clear();
                self.enter(room, Encoding::Text, line, log);
                self.welcomed = true;
                self.name = name.into();
                self.expected = Expected::Topic;
            }
            News::HistoryBegins(count) => {
                assert!(self.welcomed, "a history before the welcome");
                self.expected = Expected::History(count, Vec::new());
            }
            News::HistoryEnds => panic!("the end of a history that did not begin"),
            News::Topic => panic!("a topic without a welcome"),
            News::Announcement => self.hear_announced(Encoding::Text, line, log),
            News::Room => {
                self.hear_room(None, Encoding::Text, line, log);
                if let Some((from, to)) = text.split_once(" is now ")
                    && *from == *self.name
                {
                    self.name = to.into();
                }
            }
        }
    }
}
