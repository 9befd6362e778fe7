//! `Metrics`: the port for monitoring: who asks there for `/metrics` or `/healthz` is answered and let go.
//! What it is told stands in `page`, how a request is read in `dialect::http`. It has no password and
//! no TLS: where it listens is the operator's to choose. Owned by the server.

mod exposition;
mod page;
mod process;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry};

use crate::config::Limits;
use crate::dialect::http::{self, Collected, Head, Probed, Response, Status};

use super::tokens::Source;

pub(super) use page::Numbers;

/// See the file.
#[derive(Debug)]
pub(super) struct Metrics {
    listeners: Vec<TcpListener>,
    /// Those who ask, the longest there first.
    askers: VecDeque<Asker>,
    /// The kernel has said something of one of the sockets.
    is_noted: bool,
    /// When to go on whatever it says: there was more to do than fits into a turn, or accepting has
    /// failed.
    next_at: Option<Instant>,
    bounds: Bounds,
}

#[derive(Debug)]
struct Bounds {
    askers_max: usize,
    head_timeout: Duration,
    answer_timeout: Duration,
    linger_timeout: Duration,
}

#[derive(Debug)]
struct Asker {
    socket: TcpStream,
    stage: Stage,
    /// When it is let go, however far it has come.
    until: Instant,
}

#[derive(Debug)]
enum Stage {
    Asking(Head),
    /// Its head is whole.
    Asked(Head),
    Answered {
        answer: Vec<u8>,
        taken: usize,
    },
    /// All is written and our side is shut: what it still sends is read for a moment, so that no reset
    /// destroys the answer.
    Lingering,
    Over,
}

/// How much was read of what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    All,
    /// As much as one may say in a turn.
    Enough,
}

/// How long accepting rests after it has failed.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// What is read at once, and how often from one in a turn.
const READ_BYTES: usize = 4 << 10;
const READS_PER_TURN_MAX: usize = 4;

impl Metrics {
    /// Registers the sockets; without any there is nobody to serve.
    ///
    /// # Errors
    /// Those of registering.
    pub(super) fn register(
        registry: &Registry,
        mut listeners: Vec<TcpListener>,
        limits: &Limits,
    ) -> io::Result<Metrics> {
        for listener in &mut listeners {
            registry.register(listener, Source::Metrics.token(), Interest::READABLE)?;
        }
        Ok(Metrics {
            listeners,
            askers: VecDeque::with_capacity(limits.metrics_clients_max),
            is_noted: false,
            next_at: None,
            bounds: Bounds {
                askers_max: limits.metrics_clients_max,
                head_timeout: limits.http_head_timeout,
                answer_timeout: limits.http_answer_timeout,
                linger_timeout: limits.linger_timeout,
            },
        })
    }

    /// The event of any of these sockets.
    pub(super) fn note(&mut self) {
        self.is_noted = true;
    }

    /// When there is something to do though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let askers = self.askers.iter().map(|asker| asker.until);
        askers.chain(self.next_at).min()
    }

    /// Goes as far with everybody as sockets and this turn allow. One is answered in a turn, since to
    /// count takes a while where thousands are connected.
    pub(super) fn serve<'n>(
        &mut self,
        registry: &Registry,
        now: Instant,
        is_running: bool,
        numbers: impl FnOnce() -> Numbers<'n>,
    ) {
        if !self.is_noted && self.deadline().is_none_or(|at| at > now) {
            return;
        }
        (self.is_noted, self.next_at) = (false, None);
        self.accept(registry, now);
        let mut answer = Some(|probed| match probed {
            Probed::Metrics => Response::metrics(numbers().page()),
            Probed::Health => health(is_running),
        });
        for asker in &mut self.askers {
            if asker.until <= now {
                asker.stage = Stage::Over;
            }
            if asker.read(now, &self.bounds) == Heard::Enough {
                self.next_at = Some(now);
            }
            if let Stage::Asked(head) = &asker.stage {
                let Some(answer) = answer.take() else {
                    self.next_at = Some(now);
                    continue;
                };
                let mut bytes = Vec::new();
                http::probe(head.bytes(), answer).write(&mut bytes);
                asker.answer(bytes, now, &self.bounds);
            }
            asker.write(now, &self.bounds);
        }
        self.askers
            .retain(|asker| !matches!(asker.stage, Stage::Over));
    }

    fn accept(&mut self, registry: &Registry, now: Instant) {
        for listener in &self.listeners {
            for accepted in 0.. {
                if accepted == self.bounds.askers_max {
                    self.next_at = Some(now);
                    break;
                }
                match take_in(listener, registry) {
                    Ok(socket) => {
                        make_place(&mut self.askers, self.bounds.askers_max);
                        self.askers.push_back(Asker {
                            socket,
                            stage: Stage::Asking(Head::default()),
                            until: now + self.bounds.head_timeout,
                        });
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {
                        self.next_at = Some(now + RETRY_INTERVAL);
                        break;
                    }
                }
            }
        }
    }
}

/// Who comes while there are as many as may be takes the place of the one that is there for longest
/// without having asked: an honest one has in a moment.
fn make_place(askers: &mut VecDeque<Asker>, askers_max: usize) {
    if askers.len() < askers_max {
        return;
    }
    let has_asked = |asker: &Asker| match asker.stage {
        Stage::Asked(_) | Stage::Answered { .. } => true,
        Stage::Asking(_) | Stage::Lingering | Stage::Over => false,
    };
    let silent = askers.iter().position(|asker| !has_asked(asker));
    askers.remove(silent.unwrap_or(0));
}

fn take_in(listener: &TcpListener, registry: &Registry) -> io::Result<TcpStream> {
    let (mut socket, _) = listener.accept()?;
    let interest = Interest::READABLE | Interest::WRITABLE;
    registry.register(&mut socket, Source::Metrics.token(), interest)?;
    Ok(socket)
}

impl Asker {
    /// Reads what is there, as long as something is waited for.
    fn read(&mut self, now: Instant, bounds: &Bounds) -> Heard {
        let mut buffer = [0; READ_BYTES];
        for _ in 0..READS_PER_TURN_MAX {
            if !matches!(self.stage, Stage::Asking(_) | Stage::Lingering) {
                return Heard::All;
            }
            match self.socket.read(&mut buffer) {
                Ok(0) => self.stage = Stage::Over,
                Ok(length) => self.take(&buffer[..length], now, bounds),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::All,
                Err(_) => self.stage = Stage::Over,
            }
        }
        // Who was answered and goes on sending is not heard any more.
        if matches!(self.stage, Stage::Lingering) {
            self.stage = Stage::Over;
        }
        Heard::Enough
    }

    fn take(&mut self, bytes: &[u8], now: Instant, bounds: &Bounds) {
        let Stage::Asking(head) = &mut self.stage else {
            return;
        };
        match head.take(bytes) {
            Collected::More => {}
            Collected::Whole { .. } => self.stage = Stage::Asked(std::mem::take(head)),
            Collected::Bad(response) => {
                let mut bytes = Vec::new();
                response.write(&mut bytes);
                self.answer(bytes, now, bounds);
            }
        }
    }

    fn answer(&mut self, answer: Vec<u8>, now: Instant, bounds: &Bounds) {
        self.stage = Stage::Answered { answer, taken: 0 };
        self.until = now + bounds.answer_timeout;
    }

    /// Writes what it is owed, as far as its socket takes it.
    fn write(&mut self, now: Instant, bounds: &Bounds) {
        let Stage::Answered { answer, taken } = &mut self.stage else {
            return;
        };
        while *taken < answer.len() {
            match self.socket.write(&answer[*taken..]) {
                Ok(count) => *taken += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.stage = Stage::Over;
                    return;
                }
            }
        }
        // One that cannot be shut is broken, and reading will say so.
        let _ = self.socket.shutdown(Shutdown::Write);
        self.stage = Stage::Lingering;
        self.until = now + bounds.linger_timeout;
        // What came meanwhile lies there already, and no event will tell of it.
        let _ = self.read(now, bounds);
    }
}

/// What `/healthz` is answered: whether whoever comes finds a place to talk.
fn health(is_running: bool) -> Response {
    if is_running {
        Response::text(Status::Ok, "ok")
    } else {
        Response::text(Status::Unavailable, "the server is stopping")
    }
}
