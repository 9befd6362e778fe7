//! `Hub`: the engine between bytes and chat: it knows sessions, who they are in the chat, and who
//! hears what. No socket, no clock, no log, and not the order of a turn: that is the [`turn`]'s,
//! which owns it and calls it step by step. What each step does stands in a file of its own, and each
//! of these knows only those below it: `intake` → `requests` and `web` → `arrival` → `ending` →
//! `core` (the rules and the listeners) → `delivery` → `sessions`.
//!
//! [`turn`]: crate::turn

mod admission;
mod answers;
mod arrival;
mod audience;
mod backlog;
mod board;
mod comebacks;
mod core;
mod delivery;
mod ending;
mod frames;
mod gate;
mod guesses;
mod intake;
mod later;
mod listeners;
mod measure;
mod memory;
mod moderator;
mod muting;
mod operator;
mod overview;
mod pace;
mod past;
mod places;
mod posts;
mod pressure;
mod questions;
mod queues;
mod recall;
mod records;
mod replies;
mod requests;
mod sessions;
mod soundness;
mod speakers;
mod standing;
mod statistics;
mod takeover;
mod timeouts;
mod timers;
mod web;
mod web_past;

use crate::archive::{Query, Recorder, Reply};
use crate::chat::{FixedRooms, Listen, MessageId};
use crate::config::Limits;
use crate::dialect::http::Site;
use crate::password::Password;
use crate::session::{AddressGroup, CloseReason, ConnectionSummary, SessionId};
use crate::time::{Time, WallTime};

use self::core::Core;
use intake::Intake;
use places::Silent;
use questions::Wants;
use web::Web;

pub use comebacks::Random;
pub use moderator::{Imposed, Moderator, NotImposed, Unmuted, Wanted};
pub use operator::Operator;
pub use overview::{ConnectionRow, Overview};
pub use pressure::AfterWrite;
pub use questions::QuestionId;
pub use queues::Doomed;
pub use recall::Recall;
pub use records::{Arrival, Record, Recorded};
pub use sessions::Sessions;
pub use statistics::Statistics;

/// What has become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The other side has closed its side: what it sent is handled, an unfinished line at the end
    /// is a line, and then it leaves. While its lines are held back, so is its end.
    Ended,
    /// As [`Event::Ended`], but the other side has not said that this is its end: an unfinished line
    /// at the end is none. Somebody between the two may have cut it short.
    Truncated,
    /// What came cannot be understood by what carries it, or did not come whole in time. Nothing that
    /// was queued can be written.
    Faulty,
    /// What is to carry it did not come about in time.
    HandshakeExpired,
    /// What it has taken lies in the kernel for too long.
    Stalled,
    /// It is gone; nothing can be written to it any more. What its member had sent before and was
    /// held back for is still said, at the pace of its rate, for `drain_timeout`.
    Lost,
    /// Our side is shut and need not linger: if the other side has ended too, it is over.
    Shut,
}

/// How bytes are taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receive {
    /// Whole lines are handled until the session is held back, and what lies beyond is kept: so only
    /// while [`Sessions::wants_input`].
    Handle,
    /// They came before the connection broke: they are kept, to be handled in their time.
    Keep,
    /// They were sent before somebody came to take the place of this connection: they are handled
    /// whatever its rate.
    HandleLast,
}

/// All of chatd but its loop and its system calls. More than 20 methods, since it is all that a turn
/// calls: one for each of its steps, and none of them is called from within the hub.
#[derive(Debug)]
pub struct Hub {
    core: Core,
    intake: Intake,
    silent: Silent,
}

impl Hub {
    /// A hub without connections. `random` gives what nobody can guess.
    pub fn new(limits: Limits, random: Random) -> Hub {
        Hub {
            intake: Intake::new(&limits),
            core: Core::new(limits, random),
            silent: Silent::default(),
        }
    }

    /// Somebody who is told everything that happens, beside those that always are.
    pub fn listen(&mut self, witness: Box<dyn Listen>) {
        self.core.listeners.witness = Some(witness);
    }

    /// Opens the web door: from now on HTTP is understood. `site` knows whom to trust.
    pub fn open_web(&mut self, site: Site) {
        self.intake.web = Some(Web::new(site));
    }

    /// From now on who comes in must know this password, if there is one, and is told this message of
    /// the day, clean and of one line or several; an empty one is none.
    pub fn set_entrance(&mut self, password: Option<Password>, motd: &str) {
        self.core.gate.set_password(password);
        self.core.listeners.motd = Some(motd.into()).filter(|_| !motd.is_empty());
    }

    /// From now on there are no rooms but these, and they are always there.
    pub fn fix_rooms(&mut self, rooms: FixedRooms) {
        self.core.directory.fix_rooms(rooms);
    }

    /// Opens the archive: from now on what is said is recorded, and what was said can be asked for
    /// beyond memory. No id up to `last` is given any more.
    pub fn open_archive(&mut self, last: MessageId) {
        self.core.listeners.recorder = Some(Recorder::new());
        self.core.listeners.histories.open_archive();
        self.core.questions.is_open = true;
        self.core.directory.skip_ids(last);
    }

    /// What an earlier run has left.
    pub fn recall(&mut self) -> Recall<'_> {
        Recall::new(&mut self.core)
    }

    /// What is to be kept of this turn, if anything is kept; to be taken before the flush.
    pub fn recorder(&mut self) -> Option<&mut Recorder> {
        self.core.listeners.recorder.as_mut()
    }

    /// The next question that is to be carried to the archive.
    pub fn next_question(&mut self) -> Option<(QuestionId, Query)> {
        self.core.questions.next()
    }

    /// The archive has answered.
    pub fn answer_question(&mut self, question: QuestionId, reply: &Reply) {
        let core = &mut self.core;
        let Some(asker) = past::release(core, question) else {
            return;
        };
        let (id, before) = (asker.session, core.delivery().replies.told_bytes);
        match asker.wants {
            Wants::Page(_) | Wants::Found => past::answer(core, &asker, reply),
            Wants::Response(_) => web::answer_reading(core, &asker, reply),
        }
        let bytes = core.delivery().replies.told_bytes - before;
        self.intake.requests.answers.charge(id, core.now(), bytes);
        self.intake.go_on(core, id);
    }

    /// The archive is well behind, or is not any more: meanwhile, who says something to be kept is
    /// held back, as by a rate.
    pub fn set_archive_behind(&mut self, is_behind: bool) {
        let go_on = self.core.questions.set_behind(is_behind);
        self.core.sessions_mut().queues.held.extend(go_on);
    }

    /// What the operator does.
    pub fn operator(&mut self) -> Operator<'_> {
        Operator::new(&mut self.core)
    }

    /// What the operator does about bans and mutes.
    pub fn moderator(&mut self) -> Moderator<'_> {
        Moderator::new(&mut self.core)
    }

    /// The engine, to be looked at.
    pub fn overview(&self) -> Overview<'_> {
        Overview::new(&self.core)
    }

    /// The connections, and what they are owed.
    pub fn sessions(&self) -> &Sessions {
        self.core.sessions()
    }

    /// The connections, and what they are owed.
    pub fn sessions_mut(&mut self) -> &mut Sessions {
        self.core.sessions_mut()
    }

    /// When [`Hub::handle_timeout`] is to be called again if nothing else happens.
    pub fn next_timeout(&self) -> Option<Time> {
        let sessions = self.core.sessions();
        let requests = &self.intake.requests;
        let goes_on = !sessions.queues.held.is_empty()
            || !sessions.queues.released.is_empty()
            || !sessions.queues.doomed.is_empty()
            || self.core.gate.is_locating()
            || requests.answers.waiting() > 0;
        let delivery = &self.core.listeners.delivery;
        if goes_on || delivery.is_unfinished() || delivery.measure.has_ended_enough() {
            return Some(Time::START);
        }
        let due = sessions.timers.earliest().into_iter();
        due.chain(self.core.directory.next_timeout())
            .chain(self.core.questions.next_timeout())
            .chain(requests.pace.next_timeout())
            .min()
    }

    /// Starts a turn at `now`, which never goes back: handles what was held back in the turn
    /// before, and every deadline that has passed.
    pub fn handle_timeout(&mut self, now: Time, wall: WallTime) {
        let core = &mut self.core;
        core.delivery().start_turn(now);
        core.standing.wall = wall;
        core.directory.set_time(now, wall);
        self.intake.resume_held(core);
        core.directory.handle_timeout(&mut core.listeners);
        timeouts::handle(core, &mut self.intake);
        while let Some(overdue) = self.core.questions.next_overdue(now) {
            self.answer_question(overdue, &Reply::Failed);
        }
    }

    /// A connection was accepted; its slot is free here.
    pub fn connect(&mut self, id: SessionId) {
        self.core.sessions_mut().insert(id);
        self.core.arm(id);
    }

    /// A connection was accepted for which there is no place: it is told why, in the operator's words if
    /// there are any, and ends.
    pub fn refuse_connection(&mut self, id: SessionId, reason: CloseReason, words: Option<&str>) {
        self.connect(id);
        ending::end(&mut self.core, id, reason, words);
    }

    /// A connection was turned away before it became one.
    pub fn count_refused(&mut self, reason: CloseReason) {
        if let Some(refusal) = reason.refusal() {
            self.core.delivery().statistics.count_refusal(&refusal);
        }
    }

    /// Ends a connection that never spoke, if so many have no name. Whether there is a place now.
    pub fn make_place(&mut self, clients_max: usize) -> bool {
        self.silent.make_place(&mut self.core, clients_max)
    }

    /// Whether reading from this connection is better left for the next turn: its rooms have said
    /// enough in this one, so that what is read would only have to be kept.
    pub fn wants_input_later(&self, id: SessionId) -> bool {
        let session = self.core.session(id);
        let delivery = &self.core.listeners.delivery;
        session.is_some_and(|session| session.is_live() && delivery.has_said_enough(session))
    }

    /// Whether one of its rooms goes slower, so that what is read from it may have to be kept.
    pub fn is_paced(&self, id: SessionId) -> bool {
        let pace = &self.intake.requests.pace;
        pace.concerns(self.core.sessions(), id)
    }

    /// Bytes came from a connection.
    pub fn receive(&mut self, id: SessionId, bytes: &mut [u8], receive: Receive) {
        let core = &mut self.core;
        core.delivery().statistics.received_bytes += bytes.len() as u64;
        match receive {
            Receive::Handle => self.intake.receive(core, id, bytes),
            Receive::HandleLast => self.intake.receive_last(core, id, bytes),
            Receive::Keep => intake::keep_last(core, id, bytes),
        }
    }

    /// Something has become of a connection.
    pub fn handle_event(&mut self, id: SessionId, event: Event) {
        let core = &mut self.core;
        match event {
            Event::Ended => self.intake.half_close(core, id),
            Event::Truncated => {
                if let Some(session) = core.session_mut(id) {
                    session.lines.drop_unfinished();
                }
                self.intake.half_close(core, id);
            }
            Event::Faulty => ending::break_off(core, id),
            Event::HandshakeExpired => ending::expire_handshake(core, id),
            Event::Stalled => ending::end(core, id, CloseReason::TooSlow, None),
            Event::Lost => ending::hang_up(core, id),
            Event::Shut => ending::close_if_ended(core, id),
        }
    }

    /// Says what was posted in this turn, now that it is to be known from where; then answers those
    /// who were put off, now that everybody else was served, until the turn has answered enough.
    pub fn answer(&mut self, group_of: impl FnMut(SessionId) -> AddressGroup) {
        self.intake.answer(&mut self.core, group_of);
    }

    /// A connection whose place is to be taken: all that can be read from it is to be handed in with
    /// [`Receive::HandleLast`], then [`Hub::finish_takeover`] is to be called.
    pub fn next_takeover(&self) -> Option<SessionId> {
        self.core.comebacks.next()
    }

    /// The first of those who wait takes the place it waits for; or comes in as anybody does, if
    /// that place was left meanwhile.
    pub fn finish_takeover(&mut self) {
        takeover::finish(&mut self.core, &mut self.intake);
    }

    /// Seals what was said in this turn and lays it into the outboxes; whoever overflows is cut.
    pub fn seal(&mut self) {
        pressure::seal(&mut self.core);
    }

    /// As much was written as the socket takes: what the turn is to do with it now.
    pub fn after_write(&mut self, id: SessionId) -> AfterWrite {
        pressure::after_write(&mut self.core, id)
    }

    /// The end of the turn, after everything was written: memory is settled.
    pub fn settle(&mut self) {
        pressure::settle(&mut self.core);
    }

    /// What the transport of all connections holds: sealed and not written, or read and not whole.
    /// It counts as what outboxes hold does.
    pub fn set_transport_bytes(&mut self, bytes: usize) {
        self.core.memory.transport_bytes = bytes;
    }

    /// Whether more memory is taken than may be.
    pub fn is_short_of_memory(&self) -> bool {
        pressure::is_short_of_memory(&self.core)
    }

    /// The next thing of those that the operator's log is to say.
    pub fn poll_record(&mut self) -> Option<Record> {
        self.core.listeners.records.poll()
    }

    /// The server stops: everybody is told, and drains until `drain_timeout`.
    pub fn shut_down(&mut self) {
        ending::shut_down(&mut self.core);
    }

    /// The connection is closed and its slot is free.
    pub fn remove(&mut self, id: SessionId) -> Option<ConnectionSummary> {
        self.intake.requests.forget(id);
        self.core.questions.forget(id);
        self.core.gate.forget(id);
        self.core.standing.forget(id);
        ending::remove(&mut self.core, id)
    }
}
