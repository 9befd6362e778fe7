//! What is read from the connections in a turn, and what comes of it: lines up to where their sender
//! was held back, which nobody can see; the end of a stream; a connection that is gone. Part of the
//! walk through a turn.

use chatd::session::CloseReason;
use chatd::turn::Fill;

use super::heard::Event;
use super::input::Came;
use super::judge::Asker;
use super::peer::Warned;
use super::web::Request;
use super::words::Words;
use super::world::{Outcome, World};

impl World {
    /// Everything that is read, and what comes of it.
    pub(crate) fn play_reads(&mut self) -> Outcome {
        while let Some(event) = self.log.front() {
            if !matches!(event, Event::Fill(..)) {
                self.play_unasked()?;
                continue;
            }
            self.settle()?;
            if self.is_takeover_next() {
                break;
            }
            let Some(Event::Fill(slot, bytes, fill)) = self.log.pop_front() else {
                break;
            };
            self.play_fill(slot, &bytes, fill)?;
        }
        Ok(())
    }

    fn play_fill(&mut self, slot: usize, bytes: &[u8], fill: Fill) -> Outcome {
        let now = self.now;
        let is_read_on = matches!(self.log.front(), Some(Event::Fill(next, ..)) if *next == slot);
        let peer = self.peer(slot);
        // Whoever is held back is read from only when it is broken, and then to its end; who is
        // not, once, and then again if it is broken.
        let may_be_held = peer.input.has_line()
            || peer.input.ended
            || peer.waits
            || peer.survived
            || peer.input.door.awaits_answer();
        let is_held = peer.failed && may_be_held && (fill == Fill::Lost) != is_read_on;
        // Where memory is short, it is not read to its end.
        let is_cut_short = self.may_be_short && fill == Fill::Full && !is_read_on;
        let peer = self.peer(slot);
        // Not all of its lines were handled.
        let has_more = peer.input.has_line() && peer.input.pending.len() as u64 > peer.budget;
        let is_held = is_held || (is_cut_short && peer.failed && has_more);
        if peer.is_live() && is_held {
            self.run_unseen_answers(slot)?;
            // This is the first of what is read then.
            self.log.push_front(Event::Fill(slot, bytes.to_vec(), fill));
            return self.after_fill(slot, Fill::Lost);
        }
        // What was handled before was not seen, if it is blind.
        while self.can_run(slot) && self.peer(slot).stream.blind && self.peer(slot).input.has_line()
        {
            self.run_unseen_line(slot)?;
        }
        let peer = self.peer(slot);
        if peer.is_live() && (peer.input.has_line() || peer.waits) {
            return Err(format!("slot {slot} was read from although it has lines"));
        }
        peer.bytes_in += bytes.len() as u64;
        if !bytes.is_empty() {
            peer.active_at = now;
        }
        if peer.is_live() {
            let came = peer.input.feed(bytes);
            self.obey(slot, came)?;
            self.run_what_fits(slot)?;
            if self.peer(slot).input.ending().is_some() {
                // That is over before it matters what became of the socket.
                while self.can_run(slot) && self.peer(slot).stream.blind {
                    self.run_unseen_line(slot)?;
                }
                self.after_run(slot)?;
            }
        }
        self.after_fill(slot, fill)
    }

    /// What came of bytes beside lines.
    fn obey(&mut self, slot: usize, came: Option<Came>) -> Outcome {
        match came {
            None => Ok(()),
            Some(Came::Foreign(head)) => self.end_foreign(slot, head),
            Some(Came::Request(Request::Upgrade)) => self.tell(slot, &[Words::Upgraded]),
            Some(Came::Request(Request::Answered(status))) => self.answer_request(slot, status),
            // Both are answered in their time.
            Some(Came::Request(Request::Post(_))) => Ok(()),
            Some(Came::Request(Request::Read(reading))) => {
                self.note_reading(slot, &reading.room);
                Ok(())
            }
        }
    }

    /// A request is answered, and that is the end.
    pub(crate) fn answer_request(&mut self, slot: usize, status: u16) -> Outcome {
        self.tell(slot, &[Words::Answer(status)])?;
        self.end(slot, CloseReason::Answered, None)
    }

    /// What became of a socket, after what was read from it was handled.
    pub(crate) fn after_fill(&mut self, slot: usize, fill: Fill) -> Outcome {
        match fill {
            Fill::Full | Fill::Exhausted => {}
            Fill::Lost => {
                self.read_to_end(slot, World::keep_last)?;
                return self.hang_up(slot);
            }
            Fill::Ended | Fill::Truncated if self.peer(slot).is_live() => {
                if fill == Fill::Truncated {
                    self.peer(slot).input.drop_unfinished();
                }
                let is_held = self.peer(slot).input.has_line() || self.peer(slot).waits;
                let came = self.peer(slot).input.end();
                self.obey(slot, came)?;
                if is_held {
                    return Ok(());
                }
                self.run_what_fits(slot)?;
            }
            Fill::Ended | Fill::Truncated => {}
            Fill::Faulty => {
                while self.can_run(slot) && self.peer(slot).stream.blind {
                    self.run_unseen_line(slot)?;
                }
                return self.end(slot, CloseReason::TlsFault, None);
            }
        }
        self.after_run(slot)
    }

    /// What was handled of somebody who is blind before it was read from, as far as it was answered
    /// alone: of the rest facts tell.
    fn run_unseen_answers(&mut self, slot: usize) -> Outcome {
        let now = self.now;
        while self.can_run(slot)
            && self.peer(slot).stream.blind
            && self.peer(slot).throttle.allows(now)
            && self.try_line(slot, false)?
        {}
        Ok(())
    }

    /// Bytes that came before the connection broke: they are kept.
    fn keep_last(&mut self, slot: usize, bytes: &[u8], _: Fill) -> Outcome {
        let peer = self.peer(slot);
        peer.bytes_in += bytes.len() as u64;
        if peer.is_live() {
            peer.input.feed_last(bytes);
        }
        Ok(())
    }

    /// A connection is gone. What its member had sent before is still said in its time.
    fn hang_up(&mut self, slot: usize) -> Outcome {
        let until = self.now + self.limits.drain_timeout;
        let peer = self.peer(slot);
        if !peer.is_live() || peer.gone.is_some() {
            return Ok(());
        }
        if peer.member().is_none() || !peer.input.has_whole_line() {
            while self.can_run(slot) && self.peer(slot).stream.blind {
                self.run_unseen_line(slot)?;
            }
            return self.end(slot, CloseReason::ConnectionLost, None);
        }
        let reason = match peer.input.ended {
            true => CloseReason::HungUp,
            false => CloseReason::ConnectionLost,
        };
        peer.gone = Some((reason, until));
        peer.stream.blind = true;
        Ok(())
    }

    /// Handles the next lines of a connection, up to where it was held back, which nobody can see:
    /// as long as what was heard next comes of them.
    pub(crate) fn run_what_fits(&mut self, slot: usize) -> Outcome {
        let now = self.now;
        while self.can_run(slot) {
            let is_last = !self.peer(slot).input.has_line();
            if !is_last && !self.peer(slot).throttle.allows(now) {
                break;
            }
            if self.try_line(slot, false)? {
                continue;
            }
            if self.actor() != Some(slot) && self.ended_silently() != Some(slot) {
                break;
            }
            self.run_line(slot, false)?;
        }
        let _ = self.greet(slot);
        let _ = self.warn_perhaps(slot);
        Ok(())
    }

    /// Those who were put off are answered, now that everybody else was served.
    pub(crate) fn play_postponed(&mut self) -> Outcome {
        self.settle()?;
        while matches!(self.log.front(), Some(Event::Fact(_) | Event::Token(_)))
            && (self.takeovers.is_empty() || self.is_post_next())
        {
            self.play_unasked()?;
            self.settle()?;
        }
        Ok(())
    }

    /// All that was handled of a connection is explained: it is told that it is held back, if it
    /// is; and if it has ended its side, it leaves.
    pub(crate) fn after_run(&mut self, slot: usize) -> Outcome {
        let peer = self.peer(slot);
        let is_done = peer.input.pending.is_empty() && !peer.input.door.awaits_answer();
        if peer.is_live() && peer.input.ended && is_done && !peer.waits {
            let reason = peer.input.reason_of_end();
            self.end(slot, reason, None)?;
        }
        Ok(())
    }

    /// If it is held back, it may be told so here.
    pub(crate) fn warn_perhaps(&mut self, slot: usize) -> Outcome {
        match &self.peers[slot] {
            // A last line that was put off is a line as any other.
            Some(peer) if !peer.input.pending.is_empty() => self.say_slow_down(slot),
            _ => Ok(()),
        }
    }

    /// If it is held back, it must have been told so by now.
    pub(crate) fn warn(&mut self, slot: usize) -> Outcome {
        match &self.peers[slot] {
            Some(peer) if peer.input.has_line() => self.say_slow_down(slot),
            _ => Ok(()),
        }
    }

    fn say_slow_down(&mut self, slot: usize) -> Outcome {
        let now = self.now;
        let peer = self.peer(slot);
        let is_held = peer.is_live() && !peer.waits && !peer.throttle.allows(now);
        let warned = peer.throttle.warned;
        if !is_held || warned == Warned::Yes {
            return Ok(());
        }
        let asker = Asker {
            slot,
            reference: None,
        };
        let words = self.refused(asker, vec!["slow-down"]);
        match (self.tell(slot, &[words]), warned) {
            (Ok(()), _) => self.peer(slot).throttle.warned = Warned::Yes,
            (Err(_), Warned::Unknown) => {}
            (Err(fault), _) => return Err(fault),
        }
        Ok(())
    }
}
