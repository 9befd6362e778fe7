//! What is posted to a room over HTTP, and read of it: all lines of a post are said, in order, or none;
//! and each request is answered once, with what came of it. Part of the world.

use std::rc::Rc;

use chatd::chat::Manner;
use chatd::hub::Recorded;
use chatd::session::CloseReason;

use super::ends::is_late;
use super::facts::For;
use super::judge::Verdict;
use super::past::PageTold;
use super::peer::Throttle;
use super::sniff::{Language, clean, key};
use super::web::{Door, Posting, Reading};
use super::words::Words;
use super::world::{Outcome, World};

/// So many lines a body has at most.
const LINES_MAX: usize = 100;
/// So many messages are told of a room, if nothing else is asked for.
const NEWEST_MESSAGES: usize = 50;

impl World {
    /// All lines of a post are said.
    pub(crate) fn play_post(&mut self, slot: usize) -> Outcome {
        let Some(posting) = self.posting_of(slot) else {
            return Err(format!("slot {slot} has not posted"));
        };
        if let Err(statuses) = self.judge_body(slot, &posting) {
            return Err(format!("slot {slot} was heard instead of {statuses:?}"));
        }
        let name: Rc<str> = posting.name.as_str().into();
        let mut ids = Vec::new();
        for text in lines(&posting.body) {
            let room = &posting.room;
            let key = self.room_key(room).unwrap_or_else(|| self.make_room(room));
            self.is_paced = true;
            let said = self.said(&For::Room, &key, &name, &text, Manner::Posted);
            self.is_paced = false;
            ids.push(said?);
            self.close_if_empty(&key)?;
            let now = self.now;
            let throttle = self.posting_rate(slot);
            throttle.take_line(now);
            throttle.take_bytes(now, text.len());
            let peer = self.peer(slot);
            peer.lines_in += 1;
            let budget = peer.budget.checked_sub(1);
            peer.budget = budget.ok_or("more lines of a post were said than were handled")?;
        }
        let (name, room) = (posting.name.as_str().into(), posting.room.as_str().into());
        self.record(Some(slot), &Recorded::Posted { name, room })?;
        self.tell(slot, &[Words::Posted(ids)])?;
        self.end(slot, CloseReason::Answered, None)
    }

    /// A request that waited has its answer, and nothing was said for it.
    pub(crate) fn answer_in_time(&mut self, slot: usize) -> Outcome {
        let is_late = is_late(self.peer_ref(slot), self.now, &self.limits);
        let words: Vec<Words> = match &self.peer_ref(slot).input.door {
            // It waited for too long.
            _ if is_late => vec![Words::Answer(503)],
            Door::Posting(posting) => match self.judge_body(slot, &posting.clone()) {
                Ok(()) => return Err(format!("slot {slot}: its post was not said")),
                Err(statuses) => statuses.into_iter().map(Words::Answer).collect(),
            },
            Door::Reading(reading) => self.read(&reading.clone()),
            door => return Err(format!("slot {slot} asks for nothing: {door:?}")),
        };
        let mut fault = Ok(());
        for words in words {
            fault = self.tell(slot, &[words]);
            if fault.is_ok() {
                return self.end(slot, CloseReason::Answered, None);
            }
        }
        fault
    }

    /// What may be told of a room: as it was when it was asked for, or as it is now.
    fn read(&self, reading: &Reading) -> Vec<Words> {
        let Some(room) = self.rooms.get(&*key(&reading.room)) else {
            return vec![Words::Answer(404)];
        };
        let (least, most) = room.kept(&self.limits);
        let all = room.said.len();
        let since = reading.said_before.unwrap_or(all).min(all);
        let at = |count: usize| PageTold {
            language: Language::Json,
            room: Rc::clone(&room.name),
            reference: None,
            messages: room.said[..count].to_vec(),
            least: if count == all { least.min(count) } else { 0 },
            most: most.min(count),
            before: None,
            after: reading.since,
            limit: NEWEST_MESSAGES.min(self.limits.page_messages_max),
            bytes_max: self.limits.outbox_bytes_max / 4,
        };
        let mut words: Vec<Words> = (since..=all)
            .rev()
            .map(|count| Words::Read(at(count)))
            .collect();
        // The room may have been made in between.
        words.extend((reading.said_before.is_none()).then_some(Words::Answer(404)));
        words
    }

    /// Notes how much the room had said when it was asked for.
    pub(crate) fn note_reading(&mut self, slot: usize, room: &str) {
        let said = self.rooms.get(&*key(room)).map(|room| room.said.len());
        if let Door::Reading(reading) = &mut self.peer(slot).input.door {
            reading.said_before = said;
        }
    }

    fn posting_of(&self, slot: usize) -> Option<Posting> {
        match &self.peer_ref(slot).input.door {
            Door::Posting(posting) => Some((**posting).clone()),
            _ => None,
        }
    }

    fn posting_rate(&mut self, slot: usize) -> &mut Throttle {
        let limits = &self.limits;
        let rate = self.posted.entry(slot);
        rate.or_insert_with(|| Throttle::new(limits))
    }

    /// With which statuses it must be refused, if it must.
    fn judge_body(&mut self, slot: usize, posting: &Posting) -> Result<(), Vec<u16>> {
        let Ok(text) = std::str::from_utf8(&posting.body) else {
            return Err(vec![400]);
        };
        let said = lines(text.as_bytes());
        if said.is_empty() {
            return Err(vec![400]);
        }
        let raw = text
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line));
        let is_blank = |line: &str| line.bytes().all(|byte| b" \t".contains(&byte));
        let bytes_max = self.limits.line_bytes_max;
        let is_long = raw
            .filter(|line| !is_blank(line))
            .any(|line| line.len() > bytes_max);
        if said.len() > LINES_MAX || is_long {
            return Err(vec![413]);
        }
        if self.is_banned(&posting.name) || self.is_muted_name(&posting.name) {
            return Err(vec![403]);
        }
        let now = self.now;
        if !self.posting_rate(slot).allows(now) {
            return Err(vec![429]);
        }
        let status = |code: &str| match code {
            "name-in-use" => 409,
            "too-many-rooms" => 503,
            _ => 400,
        };
        match self.judge_post(&posting.room, &posting.name) {
            Ok(Verdict::Deed | Verdict::Answer(_)) => Ok(()),
            Err(codes) => Err(codes.into_iter().map(status).collect()),
        }
    }
}

fn lines(body: &[u8]) -> Vec<String> {
    let lines = body.split(|&byte| byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let is_blank = |line: &[u8]| line.iter().all(|byte| b" \t".contains(byte));
    lines.filter(|line| !is_blank(line)).map(clean).collect()
}
