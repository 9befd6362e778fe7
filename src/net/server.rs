//! `Server`: readiness in, turns out. It waits for the kernel, hands what became ready to the
//! [`Turn`], and gives each phase beside that the parts it needs: accepting, the operator, signals,
//! the log, the service manager. Owned by main.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use log::{info, warn};
use mio::net::TcpListener;
use mio::{Events, Poll};

use crate::chat::FixedRooms;
use crate::config::{Config, Switch, TlsMode};
use crate::hub::Random;
use crate::time::Time;
use crate::turn::Turn;

use super::accept::Acceptor;
use super::conn::Conns;
use super::heap::Heap;
use super::keeping::{self, Keeping};
use super::life::{Clock, Life, STOP_AGAIN_MIN};
use super::metrics::{Metrics, Numbers};
use super::operator_socket::OperatorSocket;
use super::orders::{self, Desk, Outcome};
use super::outside::{random_bytes, wall_time};
use super::peers;
use super::readiness;
use super::reloads::Reloads;
use super::report::Reporter;
use super::seats::{SeatId, Seats};
use super::signals::{Request, Signals};
use super::site::site;
use super::store::StoreError;
use super::supervisor::Supervisor;
use super::systemd::Notify;
use super::tls::TlsStreams;
use super::tokens::Source;

/// All of a running chatd: the loop, its sockets, and one part for each thing beside it. Its fields are
/// many since it alone owns these parts, none of which knows another; it decides little itself.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    events: Events,
    turn: Turn,
    conns: Conns,
    acceptor: Acceptor,
    signals: Signals,
    seats: Seats,
    reporter: Reporter,
    heap: Heap,
    supervisor: Supervisor,
    keeping: Option<Keeping>,
    metrics: Metrics,
    clock: Clock,
    life: Life,
    reloads: Reloads,
    drain_timeout: Duration,
    operator_answer_bytes_max: usize,
}

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;

impl Server {
    /// A server on these sockets, the operator's and those for monitoring among them. It accepts nobody
    /// before [`Server::run`].
    ///
    /// # Errors
    /// Those of poll and of taking over the signals.
    pub fn new(
        config: &Config,
        listeners: Vec<TcpListener>,
        operators: Option<OperatorSocket>,
        metrics: Vec<TcpListener>,
        reloads: Reloads,
        notify: Notify,
    ) -> io::Result<Server> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        let signals = Signals::register(registry, Source::Signals.token())?;
        let acceptor = Acceptor::register(registry, listeners, config)?;
        let metrics = Metrics::register(registry, metrics, &config.limits)?;
        let now = Instant::now();
        let seats = Seats::register(registry, config, operators, now)?;
        let mut turn = Turn::new(config.limits.clone(), Random::new(random_bytes));
        reloads.open_entrance(turn.hub_mut());
        let streams = reloads
            .tls()
            .map(|tls| TlsStreams::new(tls.config(), &config.limits));
        turn.hub_mut().moderator().guard(&config.proxy_from);
        if seats.has_watchers() {
            turn.hub_mut().operator().turn_board_on();
        }
        if config.web == Switch::On {
            turn.hub_mut().open_web(site(config, reloads.tls()));
        }
        Ok(Server {
            events: Events::with_capacity(EVENTS_MAX),
            turn,
            conns: Conns::new(streams, config.tls == TlsMode::Only, &config.limits, now),
            acceptor,
            metrics,
            signals,
            seats,
            reporter: Reporter::new(now),
            heap: Heap::new(now),
            supervisor: Supervisor::new(notify, now),
            keeping: None,
            clock: Clock::new(now, wall_time()),
            life: Life::Running,
            reloads,
            drain_timeout: config.limits.drain_timeout,
            operator_answer_bytes_max: config.limits.operator_answer_bytes_max,
            poll,
        })
    }

    /// Keeps from now on what is said in this folder, and takes up what an earlier run has left
    /// there. Before anybody is served.
    ///
    /// # Errors
    /// The folder is another server's, or nothing can be kept in it.
    pub fn keep(&mut self, folder: &Path, config: &Config) -> Result<(), StoreError> {
        let (registry, hub) = (self.poll.registry(), self.turn.hub_mut());
        self.keeping = Some(Keeping::start(folder, config, registry, hub)?);
        Ok(())
    }

    /// There are no rooms but these, and they are always there. Before anybody is served.
    pub fn fix_rooms(&mut self, rooms: FixedRooms) {
        self.turn.hub_mut().fix_rooms(rooms);
    }

    /// Says in the log by which certificate it is known.
    pub fn announce(&self) {
        self.reloads.tls().iter().for_each(|tls| tls.announce());
    }

    /// Serves until a signal asks it to stop and everybody is gone, or the time to drain is over.
    ///
    /// # Errors
    /// Those of poll; nothing that a peer does.
    pub fn run(&mut self) -> io::Result<()> {
        self.supervisor.notify.ready();
        while self.life != Life::Over {
            self.wait()?;
            self.turn();
        }
        if let Some(keeping) = self.keeping.take() {
            keeping.stop();
        }
        Ok(())
    }

    /// One pass, after the kernel has said what is ready.
    fn turn(&mut self) {
        self.clock.now = Instant::now();
        let now = self.clock.now;
        let is_signalled = self.note_events();
        if is_signalled {
            self.handle_signals();
        }
        let since_start = self.clock.since_start();
        self.turn.start(since_start, wall_time(), &mut self.conns);
        if let Some(keeping) = &mut self.keeping {
            for (seat, lines) in keeping.bring_answers(self.turn.hub_mut(), since_start) {
                lines.iter().for_each(|line| self.seats.answer(seat, line));
            }
        }
        // Before accepting: who connected before the operator ended it all is told so.
        self.serve_operators();
        let (registry, log) = (self.poll.registry(), &mut self.reporter.log);
        self.acceptor
            .accept(registry, &mut self.conns, &mut self.turn, log, now);
        peers::look_after(&mut self.turn, &mut self.conns, now);
        self.start_draining();
        if let Some(keeping) = &mut self.keeping {
            keeping.carry_questions(self.turn.hub_mut());
        }
        let held = self.conns.held_bytes();
        self.turn.hub_mut().set_transport_bytes(held);
        self.turn.finish(&mut self.conns, |recorder| {
            if let Some(keeping) = &mut self.keeping {
                keeping.keep(recorder);
            }
        });
        self.reporter
            .flushed(&self.turn, since_start, now.elapsed());
        self.report();
        self.housekeeping();
        self.serve_metrics();
        self.end_draining();
        self.reporter.turn_took(now.elapsed());
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
        if self.acceptor.has_more() || self.conns.is_ready() || self.life == Life::Closed {
            return Some(Duration::ZERO);
        }
        let kept = self.keeping.as_ref().and_then(Keeping::deadline);
        let turn = self.turn.next_timeout().into_iter().chain(kept).min();
        let first = [
            turn.map(|at| self.clock.started_at + at.since(Time::START)),
            self.seats.deadline(),
            self.life.deadline(),
            self.metrics.deadline(),
            self.supervisor.deadline(),
            self.acceptor.retry_at(),
            self.acceptor.deadline(),
            self.reporter.log.deadline(),
            self.conns.watch_deadline(),
            self.conns.tls_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()?;
        // Poll rounds it up to the milliseconds that the kernel counts in.
        Some(first.saturating_duration_since(Instant::now()))
    }

    /// Events only set bits: what the kernel said and nobody has exhausted. Whether there are
    /// signals.
    fn note_events(&mut self) -> bool {
        let mut is_signalled = false;
        for (id, event) in self.conns.start_turn() {
            self.turn.note(id, event);
        }
        for event in &self.events {
            match Source::of(event.token()) {
                Source::Signals => is_signalled = true,
                Source::Metrics => self.metrics.note(),
                Source::Console => self.seats.note_console(),
                Source::OperatorSocket => self.seats.note_socket(),
                Source::Operator(index) => {
                    let event = readiness::of(event);
                    self.seats
                        .note_operator(index, event.readable, event.writable);
                }
                // Its answers are taken in every turn.
                Source::Store => {}
                Source::Listener(index) => self.acceptor.note(index),
                Source::Proxied(index) => self.acceptor.note_proxied(index),
                Source::Conn(id, generation) if self.conns.is_current(id, generation) => {
                    let event = readiness::of(event);
                    if event.writable {
                        self.conns.note_writable(id);
                    }
                    self.turn.note(id, event);
                }
                Source::Conn(id, generation) => self.conns.note_over(id, generation),
            }
        }
        is_signalled
    }

    fn handle_signals(&mut self) {
        let requests: Vec<_> = self.signals.pending().collect();
        for request in requests {
            match (request, self.life) {
                (Request::Statistics, _) => info!("{}", self.statistics_line()),
                (Request::Reload, _) => {
                    self.reloads.reload(&mut self.conns, self.turn.hub_mut());
                }
                (Request::Stop, Life::Running) => self.stop(),
                (Request::Stop, Life::Draining { since, .. })
                    if self.clock.now >= since + STOP_AGAIN_MIN =>
                {
                    warn!("asked to stop again: not waiting for anybody");
                    self.life = Life::Over;
                }
                (Request::Stop, _) => {}
            }
        }
    }

    fn serve_operators(&mut self) {
        self.seats.read(self.poll.registry(), self.clock.now);
        while let Some((seat, typed)) = self.seats.next_line() {
            let mut desk = Desk {
                hub: self.turn.hub_mut(),
                conns: &self.conns,
                keeping: &mut self.keeping,
                answer_bytes_max: self.operator_answer_bytes_max,
            };
            let (mut lines, outcome) = orders::obey(&mut desk, seat, &typed);
            lines.extend(self.do_beside(seat, outcome));
            lines.iter().for_each(|line| self.seats.answer(seat, line));
        }
    }

    /// What an order asks of the server itself; the answer to that.
    fn do_beside(&mut self, seat: SeatId, outcome: Outcome) -> Vec<String> {
        vec![match outcome {
            Outcome::Done => return Vec::new(),
            Outcome::Statistics => format!("= {}", self.statistics_line()),
            Outcome::Reload => {
                let came = self.reloads.reload(&mut self.conns, self.turn.hub_mut());
                return orders::said_reread(&came);
            }
            Outcome::Watch(_) if seat == SeatId::Console => {
                "! bad-usage the console always shows what is said".to_owned()
            }
            Outcome::Watch(is_on) => {
                self.seats.watch(seat, is_on);
                format!("= watch {}", if is_on { "on" } else { "off" })
            }
            Outcome::Quit => {
                self.stop();
                format!("= draining {} clients", self.turn.hub().sessions().live())
            }
        }]
    }

    fn statistics_line(&mut self) -> String {
        let line = self.reporter.statistics_line(
            self.turn.hub(),
            &self.acceptor,
            self.seats.lines_lost(),
            self.clock.now,
        );
        line + &keeping::statistics(&mut self.keeping, self.clock.since_start())
    }

    /// Goes on with those who ask how it goes.
    fn serve_metrics(&mut self) {
        let (now, since_start) = (self.clock.now, self.clock.since_start());
        let (registry, is_running) = (self.poll.registry(), self.life == Life::Running);
        self.metrics.serve(registry, now, is_running, || Numbers {
            hub: self.turn.hub(),
            measures: &self.reporter.measures,
            archive: keeping::numbers(&mut self.keeping, since_start),
            accept_errors: self.acceptor.errors,
            clients_max: self.acceptor.clients_max,
            started_at: self.clock.started_on,
        });
    }

    fn report(&mut self) {
        let now = self.clock.now;
        let hub = self.turn.hub_mut();
        self.reporter
            .report(hub, &mut self.conns, &mut self.acceptor, now);
        let hub = self.turn.hub_mut();
        self.reporter.show_board(hub, &mut self.seats);
        let keeping = self.keeping.as_ref();
        let waits = |seat| keeping.is_some_and(|keeping| keeping.is_asked_by(seat));
        self.seats.flush(now, waits);
    }

    /// The server is to drain and stop; what was sent before is still read.
    fn stop(&mut self) {
        if self.life == Life::Running {
            let clients = self.turn.hub().sessions().live();
            info!("asked to stop: draining {clients} clients");
            self.supervisor.notify.stopping(self.drain_timeout);
            self.life = Life::Stopping;
        }
    }

    /// Everybody is told that the server stops, after what they had sent by then was read.
    fn start_draining(&mut self) {
        match self.life {
            Life::Stopping => {
                self.acceptor.close(self.poll.registry());
                self.seats.close_door();
                self.life = Life::Closed;
            }
            Life::Closed => {
                self.turn.hub_mut().shut_down();
                self.life = Life::Telling;
            }
            Life::Running | Life::Telling | Life::Draining { .. } | Life::Over => {}
        }
    }

    fn end_draining(&mut self) {
        if self.life == Life::Telling {
            // Now and not when the turn began: to tell thousands takes longer than a second signal.
            self.life = Life::Draining {
                since: Instant::now(),
                until: self.clock.now + self.drain_timeout,
            };
        }
        if let Life::Draining { until, .. } = self.life
            && (self.conns.len() == 0 || until <= self.clock.now)
        {
            info!("stopped with {} connections left", self.conns.len());
            self.life = Life::Over;
        }
    }

    /// What is done now and then: the log's count of what it left out, the service manager.
    fn housekeeping(&mut self) {
        let now = self.clock.now;
        self.reporter.log.flush(now);
        self.heap
            .note(self.turn.hub().overview().memory_bytes(), now);
        if self.supervisor.is_due(now) {
            let since_start = self.clock.since_start();
            let status = self.reporter.status(self.turn.hub(), now)
                + &keeping::status(&mut self.keeping, since_start);
            self.supervisor.tell(&status, now);
        }
    }
}
