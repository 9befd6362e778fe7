//! Signals that ask the client to go, the first of which is an event, so that it can say `/quit`; a
//! second one ends it at once, even while everything else is stuck, and gives the terminal back
//! first. At a seat also those that have to do with the terminal.

use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::Event;
use crate::client::seat::{SeatEvent, terminal};
use crate::client::session::Manner;

const GO: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
const OF_A_SEAT: [i32; 4] = [SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT];

/// From now on such signals are reported as events, from a thread of its own.
pub(super) fn watch(events: SyncSender<Event>, manner: Manner) -> io::Result<()> {
    let mut signals = Signals::new(GO)?;
    if manner == Manner::Seat {
        for signal in OF_A_SEAT {
            signals.add_signal(signal)?;
        }
    }
    thread::spawn(move || {
        let mut first = None;
        for signal in signals.forever() {
            if let Some(event) = seat_event(signal) {
                // A queue that is full will be drawn anyway.
                let _ = events.try_send(Event::Seat(event));
            } else if first.replace(signal).is_none() {
                // In a thread: the queue may be full for ever, and a second signal must get through.
                let events = events.clone();
                thread::spawn(move || events.send(Event::Interrupted));
            } else {
                terminal::restore();
                let _ = emulate_default_handler(signal);
            }
        }
    });
    Ok(())
}

fn seat_event(signal: i32) -> Option<SeatEvent> {
    match signal {
        SIGWINCH => Some(SeatEvent::Resized),
        SIGTSTP => Some(SeatEvent::SuspendAsked),
        SIGCONT => Some(SeatEvent::Resumed),
        _ => None,
    }
}
