//! Bytes of a connection → lines → what they ask for, and why lines are sometimes held back: a
//! rate, a room that has said enough in this turn, answers that are not read. Part of the hub.

use crate::chat::{CloseReason, Command, Event, Refusal};
use crate::dialect::line::{LineBuffer, Piece};
use crate::dialect::text;

use super::Hub;
use super::delivery::{into, member};
use super::session::{Hold, Input, Phase};

/// Memory kept for unfinished lines to come: those of thousands who are in the middle of a usual
/// one, little beside what as many sessions take.
const SPARE_LINES_BYTES_MAX: usize = 1 << 20;

impl Hub {
    /// Bytes came from a connection. Whole lines are handled until the session is held back; what
    /// lies beyond is kept, so call this only while [`Hub::wants_input`].
    pub fn receive(&mut self, slot: u32, bytes: &[u8]) {
        let now = self.delivery.now;
        let Some(session) = self.delivery.session_mut(slot) else {
            return;
        };
        let first = session.bytes_in == 0;
        session.bytes_in += bytes.len() as u64;
        session.active_at = now;
        if first
            && session.is_live()
            && let Some(protocol) = text::foreign_protocol(bytes)
        {
            return self.end_foreign(slot, protocol);
        }
        self.handle_lines(slot, bytes);
    }

    /// The connection has closed its side: what it sent is handled, an unfinished line at the end
    /// is a line, and then it leaves. While its lines are held back, so is its end.
    pub fn half_close(&mut self, slot: u32) {
        if let Some(session) = self.delivery.session_mut(slot) {
            session.input = Input::Ended;
        }
        if self.wants_input(slot) {
            self.finish_input(slot);
        }
    }

    /// Whether reading from this connection is better left for the next turn: its room has said
    /// enough in this one, so that what is read would only have to be kept.
    pub fn wants_input_later(&self, slot: u32) -> bool {
        let session = self.delivery.session(slot);
        session
            .is_some_and(|session| session.is_live() && self.delivery.has_said_enough(session.room))
    }

    /// Whether this connection is to be read from. One that has ended is: what it sends is dropped.
    pub fn wants_input(&self, slot: u32) -> bool {
        let session = self.delivery.session(slot);
        session.is_some_and(|session| !session.is_live() || session.hold == Hold::No)
    }

    /// The next of those that may be read from again.
    pub fn take_released(&mut self) -> Option<u32> {
        self.released.pop()
    }

    /// Handles whole lines of what is kept and of `bytes`, until the session is held back.
    fn handle_lines(&mut self, slot: u32, mut bytes: &[u8]) {
        let line_bytes_max = self.limits.line_bytes_max;
        let Some(session) = self.delivery.session_mut(slot) else {
            return;
        };
        let mut lines = std::mem::take(&mut session.lines);
        if lines.wants_spare() && !bytes.ends_with(b"\n") {
            lines.give_spare(self.take_spare_line());
        }
        loop {
            let Some(session) = self.delivery.session_mut(slot) else {
                return;
            };
            if !session.is_live() {
                lines = LineBuffer::default();
                break;
            }
            let hold = self.hold_of(slot);
            if hold != Hold::No && lines.has_line(bytes, line_bytes_max) {
                lines.keep(bytes);
                self.hold(slot, hold);
                break;
            }
            let Some(piece) = lines.next(&mut bytes, line_bytes_max) else {
                break;
            };
            self.handle(slot, &piece);
        }
        if let Some(spare) = lines.take_spare() {
            self.keep_spare_line(spare);
        }
        if let Some(session) = self.delivery.session_mut(slot) {
            session.lines = lines;
        }
    }

    fn take_spare_line(&mut self) -> Vec<u8> {
        let spare = self.spare_lines.pop().unwrap_or_default();
        self.spare_lines_bytes -= spare.capacity();
        spare
    }

    /// A buffer larger than a line needs is not kept: a few bytes of somebody who then says
    /// nothing more would hold it.
    fn keep_spare_line(&mut self, spare: Vec<u8>) {
        let bytes = self.spare_lines_bytes + spare.capacity();
        if spare.capacity() <= 2 * self.limits.line_bytes_max && bytes <= SPARE_LINES_BYTES_MAX {
            self.spare_lines_bytes = bytes;
            self.spare_lines.push(spare);
        }
    }

    /// Why the next line of this session may not be handled now.
    fn hold_of(&self, slot: u32) -> Hold {
        let Some(session) = self.delivery.session(slot) else {
            return Hold::No;
        };
        if let Err(until) = session.bucket.check(self.delivery.now, self.rate) {
            return Hold::Rate(until);
        }
        if session.outbox.bytes() > self.limits.outbox_bytes_max / 2 {
            return Hold::Outbox;
        }
        match self.delivery.has_said_enough(session.room) {
            true => Hold::Turn,
            false => Hold::No,
        }
    }

    fn hold(&mut self, slot: u32, hold: Hold) {
        let Some(session) = self.delivery.session_mut(slot) else {
            return;
        };
        session.hold = hold;
        match hold {
            Hold::Turn => self.held.push(slot),
            Hold::Rate(_) => {
                if !std::mem::replace(&mut session.bucket.warned, true) {
                    self.refuse(slot, Refusal::SlowDown);
                }
                self.arm(slot);
            }
            Hold::No | Hold::Outbox => {}
        }
    }

    /// Goes on with a session that was held back.
    pub(super) fn resume(&mut self, slot: u32) {
        let Some(session) = self.delivery.session_mut(slot) else {
            return;
        };
        if !session.is_live() || session.hold == Hold::No {
            return;
        }
        session.hold = Hold::No;
        let input = session.input;
        self.handle_lines(slot, &[]);
        if self.wants_input(slot) {
            match input {
                Input::Open => self.released.push(slot),
                Input::Ended => self.finish_input(slot),
            }
        }
    }

    pub(super) fn handle(&mut self, slot: u32, piece: &Piece<'_>) {
        let now = self.delivery.now;
        self.delivery.statistics.lines_in += 1;
        let Some(session) = self.delivery.session_mut(slot) else {
            return;
        };
        session.lines_in += 1;
        session.bucket.take(now, self.rate);
        let phase = session.phase;
        match piece {
            Piece::TooLong => self.refuse(slot, Refusal::LineTooLong),
            Piece::Line(b"") => {}
            Piece::Line(line) => {
                let mut scratch = std::mem::take(&mut self.scratch);
                let line = text::clean(line, &mut scratch);
                match phase {
                    Phase::Naming { .. } => self.handle_name(slot, line),
                    _ => self.handle_chat(slot, line),
                }
                self.scratch = scratch;
            }
        }
    }

    /// A line of somebody who has no name yet.
    fn handle_name(&mut self, slot: u32, line: &str) {
        if let Some(protocol) = text::foreign_protocol(line.as_bytes()) {
            return self.end_foreign(slot, protocol);
        }
        match text::parse(line) {
            Ok(Command::Help) => self
                .delivery
                .tell_one(slot, |out| text::encode(&Event::Help, out)),
            Ok(Command::Quit(_)) => self.end(slot, CloseReason::Quit, None),
            _ => {
                if self
                    .directory
                    .enter(member(slot), line.trim(), &mut into(&mut self.delivery))
                {
                    self.follow_room(slot);
                    if let Some(session) = self.delivery.session_mut(slot) {
                        session.phase = Phase::Chatting;
                    }
                    self.joined.push(slot);
                }
            }
        }
    }

    /// A line of a member.
    fn handle_chat(&mut self, slot: u32, line: &str) {
        match text::parse(line) {
            Ok(Command::Quit(why)) => self.end(slot, CloseReason::Quit, why),
            Ok(command) => {
                if let Command::Say(text) = command {
                    self.write_on_board(slot, text);
                }
                self.directory
                    .apply(member(slot), command, &mut into(&mut self.delivery));
                if matches!(command, Command::Join(_)) {
                    self.follow_room(slot);
                }
            }
            Err(refusal) => self.refuse(slot, refusal),
        }
    }
}
