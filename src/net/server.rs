//! `Server`: the one loop, and the phases of a turn. It moves readiness and bytes between the
//! kernel and the hub; it knows sockets, the clock and the log, and nothing of chat. Owned by main.

use std::io;
use std::time::{Duration, Instant};

use log::{info, warn};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::config::{Config, Limits};
use crate::hub::{AfterWrite, Hub};
use crate::time::Time;

use super::accept::Acceptor;
use super::conn::{Conn, Fill, Flush};
use super::console::{CONSOLE, Console};
use super::log::EventLog;
use super::printer::Printer;
use super::report;
use super::signals::{Request, Signals};
use super::systemd::Notify;

/// All of a running chatd.
#[derive(Debug)]
pub struct Server {
    pub(super) poll: Poll,
    events: Events,
    signals: Signals,
    signalled: bool,
    pub(super) acceptor: Acceptor,
    pub(super) conns: Slab<Conn>,
    pub(super) hub: Hub,
    pub(super) limits: Limits,
    started_at: Instant,
    /// The clock of this turn.
    pub(super) now: Instant,
    life: Life,
    /// Where everything that is read arrives first.
    scratch: Vec<u8>,
    /// Connections that are to be read from, and the same list of the turn before, for its memory.
    to_read: Vec<u32>,
    reading: Vec<u32>,
    flushing: Vec<u32>,
    pub(super) log: EventLog,
    pub(super) counters: report::Counters,
    pub(super) console: Option<Console>,
    pub(super) printer: Option<Printer>,
    /// Messages of this turn, on their way to the printer.
    pub(super) board: Vec<u8>,
    notify: Notify,
    /// When the service manager is told next that the loop turns.
    house_at: Instant,
}

/// How far the server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// It was asked to stop; what was sent before is still read, once.
    Stopping,
    /// Everybody was told; it waits for them to take what they are owed, until then.
    Draining(Instant),
    Over,
}

pub(super) const SIGNALS: Token = Token(usize::MAX);
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;
/// How often the service manager hears of the numbers when no watchdog asks for more.
const HOUSE_INTERVAL: Duration = Duration::from_secs(10);

impl Server {
    /// A server on these sockets. It accepts nobody before [`Server::run`].
    ///
    /// # Errors
    /// Those of poll and of taking over the signals.
    pub fn new(config: &Config, listeners: Vec<TcpListener>, notify: Notify) -> io::Result<Server> {
        let poll = Poll::new()?;
        let signals = Signals::register(poll.registry(), SIGNALS)?;
        let acceptor = Acceptor::register(
            poll.registry(),
            listeners,
            config.limits.clients_per_address_max,
        )?;
        let now = Instant::now();
        let mut hub = Hub::new(config.limits.clone());
        if config.board {
            hub.turn_board_on();
        }
        let console = config
            .console
            .then(|| Console::register(poll.registry()))
            .transpose()?;
        Ok(Server {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            signals,
            signalled: false,
            acceptor,
            conns: Slab::new(),
            hub,
            scratch: vec![0; config.limits.read_bytes_max],
            limits: config.limits.clone(),
            started_at: now,
            now,
            life: Life::Running,
            to_read: Vec::new(),
            reading: Vec::new(),
            flushing: Vec::new(),
            log: EventLog::new(),
            counters: report::Counters::new(now),
            console,
            printer: (config.board || config.console).then(Printer::new),
            board: Vec::new(),
            notify,
            house_at: now,
        })
    }

    /// Serves until a signal asks it to stop and everybody is gone, or the time to drain is over.
    ///
    /// # Errors
    /// Those of poll; nothing that a peer does.
    pub fn run(&mut self) -> io::Result<()> {
        self.notify.ready();
        while self.life != Life::Over {
            self.turn()?;
        }
        Ok(())
    }

    /// One pass. Deadlines come before reading, so that what they release is read in this turn;
    /// new connections come last, so that those who are here go first.
    fn turn(&mut self) -> io::Result<()> {
        self.wait()?;
        self.now = Instant::now();
        self.note_events();
        self.handle_signals();
        self.hub
            .begin_turn(Time::after_start(self.now - self.started_at));
        self.read();
        self.accept();
        self.serve_console();
        self.start_draining();
        self.hub.end_turn();
        self.flush();
        self.report_joined();
        self.reap();
        self.hub.finish_turn();
        self.serve_board(self.now);
        self.keep_house();
        self.end_draining();
        self.counters.turn_took(self.now.elapsed());
        Ok(())
    }

    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            other => other,
        }
    }

    /// How long to wait at most for something to happen.
    fn timeout(&self) -> Option<Duration> {
        let typed = self.console.as_ref().is_some_and(Console::has_more);
        if typed || !self.to_read.is_empty() || self.acceptor.has_more() {
            return Some(Duration::ZERO);
        }
        let hub = self
            .hub
            .next_deadline()
            .map(|at| self.started_at + at.since(Time::START));
        let life = match self.life {
            Life::Draining(until) => Some(until),
            Life::Running | Life::Stopping | Life::Over => None,
        };
        let house = self.notify.is_active().then_some(self.house_at);
        let printer = self.printer.as_ref().and_then(Printer::deadline);
        let first = [
            printer,
            hub,
            life,
            house,
            self.acceptor.retry_at(),
            self.log.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()?;
        // Poll rounds it up to the milliseconds that the kernel counts in.
        Some(first.saturating_duration_since(Instant::now()))
    }

    /// Events only set bits: what the kernel said and nobody has exhausted.
    fn note_events(&mut self) {
        for event in &self.events {
            let token = event.token();
            if token == CONSOLE {
                self.console.iter_mut().for_each(Console::note);
                continue;
            }
            if token == SIGNALS {
                self.signalled = true;
                continue;
            }
            if self.acceptor.note(token) {
                continue;
            }
            let (slot, generation) = slot_of(token);
            let Some(conn) = self.conns.get_mut(slot as usize) else {
                continue;
            };
            if conn.generation != generation {
                continue;
            }
            conn.failed |= event.is_error();
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                conn.readable = true;
                list(conn, slot, &mut self.to_read);
            }
            if event.is_writable() || event.is_error() {
                conn.writable = true;
                self.hub.mark_dirty(slot);
            }
        }
    }

    fn handle_signals(&mut self) {
        if !std::mem::take(&mut self.signalled) {
            return;
        }
        let requests: Vec<_> = self.signals.pending().collect();
        for request in requests {
            match (request, self.life) {
                (Request::Statistics, _) => info!("{}", self.statistics_line()),
                (Request::Reload, _) => info!("asked to reload: there is nothing to read again"),
                (Request::Stop, Life::Running) => self.stop(),
                (Request::Stop, _) => {
                    warn!("asked to stop again: not waiting for anybody");
                    self.life = Life::Over;
                }
            }
        }
    }

    /// The server is to drain and stop; what was sent before is still read.
    pub(super) fn stop(&mut self) {
        if self.life == Life::Running {
            info!("asked to stop: draining {} clients", self.hub.live());
            self.notify.stopping();
            self.life = Life::Stopping;
        }
    }

    /// Reads from everybody who has something, one buffer each.
    fn read(&mut self) {
        while let Some(slot) = self.hub.take_released() {
            if let Some(conn) = self.conns.get_mut(slot as usize)
                && conn.readable
            {
                list(conn, slot, &mut self.to_read);
            }
        }
        std::mem::swap(&mut self.to_read, &mut self.reading);
        while let Some(slot) = self.reading.pop() {
            self.read_one(slot);
        }
    }

    fn read_one(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot as usize) else {
            return;
        };
        conn.listed = false;
        if !conn.readable {
            return;
        }
        if !self.hub.wants_input(slot) {
            // Held back; it comes again when it is released. A broken one would haunt its name.
            if conn.failed {
                self.hub.hang_up(slot);
            }
            return;
        }
        if self.hub.wants_input_later(slot) {
            return list(conn, slot, &mut self.to_read);
        }
        let (length, fill) = conn.fill(&mut self.scratch);
        if conn.readable {
            list(conn, slot, &mut self.to_read);
        }
        if length > 0 {
            self.hub.receive(slot, &self.scratch[..length]);
        }
        match fill {
            Fill::Open => {}
            Fill::Ended => self.hub.half_close(slot),
            Fill::Lost => self.hub.hang_up(slot),
        }
    }

    /// Everybody is told that the server stops, after what they had sent by then was read.
    fn start_draining(&mut self) {
        if self.life == Life::Stopping {
            self.acceptor.close(self.poll.registry());
            self.hub.shut_down();
            self.life = Life::Draining(self.now + self.limits.drain_timeout);
        }
    }

    fn end_draining(&mut self) {
        if let Life::Draining(until) = self.life
            && (self.conns.is_empty() || until <= self.now)
        {
            info!("stopped with {} connections left", self.conns.len());
            self.life = Life::Over;
        }
    }

    /// Writes to everybody who is owed something.
    fn flush(&mut self) {
        let mut flushing = std::mem::take(&mut self.flushing);
        self.hub.swap_dirty(&mut flushing);
        for &slot in &flushing {
            self.flush_one(slot);
        }
        self.flushing = flushing;
    }

    fn flush_one(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot as usize) else {
            return;
        };
        match conn.flush(&mut self.hub, slot, self.limits.write_bytes_max) {
            Flush::Rest => {}
            Flush::Again => self.hub.mark_dirty(slot),
            Flush::Lost => self.hub.hang_up(slot),
        }
        match self.hub.after_write(slot) {
            AfterWrite::KeepOpen => {}
            AfterWrite::MakeRoom => {
                if conn.make_room() {
                    self.flush_one(slot);
                }
            }
            AfterWrite::Shut => conn.shut(),
        }
    }

    /// Closes what is doomed: here, and nowhere else, is a slot freed.
    fn reap(&mut self) {
        while let Some(slot) = self.hub.take_ended() {
            if let Some(conn) = self.conns.get_mut(slot as usize) {
                self.acceptor.forget_address(conn);
            }
        }
        while let Some(slot) = self.hub.take_doomed() {
            let Some(conn) = self.conns.try_remove(slot as usize) else {
                continue;
            };
            self.acceptor.descriptor_is_free();
            if let Some(farewell) = self.hub.remove(slot) {
                self.report_end(conn.peer, &farewell);
            }
        }
    }

    /// What is done now and then: the log's count of what it left out, the service manager.
    fn keep_house(&mut self) {
        self.log.flush(self.now);
        if self.notify.is_active() && self.house_at <= self.now {
            self.house_at = self.now + self.notify.watchdog_interval().unwrap_or(HOUSE_INTERVAL);
            self.notify.watchdog();
            let status = self.status();
            self.notify.status(&status);
        }
    }

    /// Takes a connection in.
    pub(super) fn add_conn(&mut self, mut conn: Conn) -> io::Result<u32> {
        let entry = self.conns.vacant_entry();
        let slot = u32::try_from(entry.key()).expect("fewer descriptors than u32 holds");
        let token = token_of(slot, conn.generation);
        self.poll.registry().register(
            &mut conn.stream,
            token,
            Interest::READABLE | Interest::WRITABLE,
        )?;
        entry.insert(conn);
        Ok(slot)
    }
}

fn list(conn: &mut Conn, slot: u32, to_read: &mut Vec<u32>) {
    if !conn.listed {
        conn.listed = true;
        to_read.push(slot);
    }
}

fn token_of(slot: u32, generation: u32) -> Token {
    Token((generation as usize) << 32 | slot as usize)
}

fn slot_of(token: Token) -> (u32, u32) {
    (token.0 as u32, (token.0 >> 32) as u32)
}
