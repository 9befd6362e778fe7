//! What a connection hears in JSON. Part of `heard`.

use chatd::dialect::Encoding;

use super::{Expected, Heard, number};
use crate::json_line::JsonLine;
use crate::log::Log;

impl Heard {
    pub(super) fn hear_json(&mut self, line: &[u8], log: &Log) {
        assert_eq!(self.expected, Expected::Anything);
        let told = JsonLine::check(line);
        let line = std::str::from_utf8(line).expect("it was checked");
        let is_first = !std::mem::replace(&mut self.is_programs, true);
        // Its first line is greeted; it may be ended before that has come as a whole.
        let is_greeting = told.is() == "hello" || is_first && told.has("ends");
        assert_eq!(is_greeting, is_first, "the greeting comes first: {line}");
        if let Some(number) = told.text("ref").and_then(number) {
            self.pass_barrier(number);
        }
        match told.is() {
            "hello" | "who" | "rooms" | "page" | "pong" => {}
            "welcome" => self.welcomed = true,
            "entered" => self.hear_entered(&told, line, log),
            "said" if told.has("past") => self.hear_past(&told, line),
            "caught-up" => self.hear_caught_up(&told, log),
            "done" => self.hear_done(&told),
            "private" => self.hear_told(Encoding::Json, line, log),
            "announcement" => self.hear_announced(Encoding::Json, line, log),
            "refused" => self.hear_refused(&told),
            _ => {
                let room = told.text("room");
                assert!(room.is_some(), "where: {line}");
                self.hear_room(room, Encoding::Json, line, log);
                self.ids.extend(told.text("id").map(str::to_owned));
            }
        }
    }

    fn hear_entered(&mut self, told: &JsonLine, line: &str, log: &Log) {
        assert!(self.welcomed, "it is in a room and has no name");
        let room = told.text("room").unwrap_or_default();
        self.enter(room, Encoding::Json, line, log);
        if let Some(room) = self.rooms.last_mut() {
            room.past = Some(Vec::new());
        }
    }

    /// A message that was said before, as it was told to those who were there.
    fn hear_past(&mut self, told: &JsonLine, line: &str) {
        let room = told.text("room").unwrap_or_default();
        let mut rooms = self.rooms.iter_mut();
        let room = rooms.find(|other| other.room == room);
        let past = room.and_then(|room| room.past.as_mut());
        let past = past.unwrap_or_else(|| panic!("not the time for {line}"));
        let as_told = line.strip_suffix(",\"past\":true}");
        past.push(as_told.map_or(line.to_owned(), |rest| format!("{rest}}}")));
    }

    fn hear_caught_up(&mut self, told: &JsonLine, log: &Log) {
        let name = told.text("room").unwrap_or_default();
        let mut rooms = self.rooms.iter_mut();
        let room = rooms.find(|other| other.room == name);
        let room = room.unwrap_or_else(|| panic!("it is not in {name}"));
        let past = room.past.take().expect("once for each time it comes");
        room.check_past(&past, Encoding::Json, log);
    }

    /// What a program said in a room stands before the answer.
    fn hear_done(&mut self, told: &JsonLine) {
        let is_said = told
            .text("ref")
            .is_some_and(|reference| number(reference).is_some());
        if let (Some(id), true) = (told.text("id"), is_said) {
            assert!(self.ids.contains(id), "{id} was not heard before");
        }
    }

    fn hear_refused(&mut self, told: &JsonLine) {
        let code = told.text("code").unwrap_or_default();
        self.hear_refusal(code);
        let ends = self.expected == Expected::Nothing;
        assert_eq!(told.has("ends"), ends, "{told:?}");
    }
}
