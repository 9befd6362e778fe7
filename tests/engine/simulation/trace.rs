//! The story of a simulation, for whoever has to understand a failure, and its numbers. Costs
//! nothing while nobody listens. Owned by a simulation.

use std::collections::VecDeque;

use chatd::session::CloseReason;
use chatd::turn::{Fill, Flush};

use super::heard::Event;

/// What simulations have seen, for the report.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) turns: u64,
    pub(crate) connections: u64,
    pub(crate) lines_in: u64,
    pub(crate) lines_out: u64,
    pub(crate) pongs: u64,
    pub(crate) promises: u64,
    pub(crate) promised_cuts: u64,
    pub(crate) truncated: u64,
    pub(crate) faults: u64,
    /// Turns, by readers for whom rooms went slower.
    pub(crate) slowed: u64,
    pub(crate) cuts: u64,
    /// Connections whose last bytes are written after their end.
    pub(crate) kept_ends: u64,
    pub(crate) gaps: u64,
    pub(crate) takeovers: u64,
    /// Over HTTP, of which something was said.
    pub(crate) posts: u64,
    /// Requests over HTTP that were told what a room had said.
    pub(crate) reads: u64,
}

impl Report {
    /// Counts what must not be missing from many simulations.
    pub(crate) fn count(&mut self, event: &Event) {
        let count = match event {
            Event::Flush(_, Flush::Promised(_)) => &mut self.promises,
            Event::Fill(.., Fill::Truncated) => &mut self.truncated,
            Event::Fill(.., Fill::Faulty) => &mut self.faults,
            Event::Close(_, summary) if summary.reason == CloseReason::Replaced => {
                &mut self.takeovers
            }
            _ => return,
        };
        *count += 1;
    }

    pub(crate) fn add(&mut self, other: Report) {
        self.turns += other.turns;
        self.connections += other.connections;
        self.lines_in += other.lines_in;
        self.lines_out += other.lines_out;
        self.pongs += other.pongs;
        self.promises += other.promises;
        self.promised_cuts += other.promised_cuts;
        self.truncated += other.truncated;
        self.faults += other.faults;
        self.slowed += other.slowed;
        self.cuts += other.cuts;
        self.kept_ends += other.kept_ends;
        self.gaps += other.gaps;
        self.takeovers += other.takeovers;
        self.posts += other.posts;
        self.reads += other.reads;
    }
}

/// Where the story goes.
#[derive(Debug)]
pub(crate) enum Trace {
    Off,
    /// Keeps the last lines.
    Tail(VecDeque<String>),
    Print,
}

/// Lines of the story that are shown when a simulation fails.
const TAIL_LINES: usize = 80;

impl Trace {
    pub(crate) fn is_on(&self) -> bool {
        !matches!(self, Trace::Off)
    }

    pub(crate) fn tell(&mut self, line: String) {
        match self {
            Trace::Off => {}
            Trace::Print => println!("{line}"),
            Trace::Tail(lines) => {
                if lines.len() == TAIL_LINES {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }
    }
}

/// Adds a line to the story of a simulation, if anybody listens.
macro_rules! story {
    ($simulation:expr, $($arguments:tt)*) => {
        if $simulation.trace.is_on() {
            $simulation.trace.tell(format!($($arguments)*));
        }
    };
}
pub(crate) use story;
