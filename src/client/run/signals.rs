//! Signals that ask the client to go: the first one is an event, so that it can say `/quit`; a
//! second one ends it at once, even while everything else is stuck.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::Event;

/// From now on such a signal is reported as [`Event::Interrupted`], from a thread of its own.
pub(super) fn watch(events: SyncSender<Event>) -> io::Result<()> {
    let wanted = [SIGINT, SIGTERM, SIGHUP];
    let seen = Arc::new(AtomicBool::new(false));
    for signal in wanted {
        // In this order: the first signal finds the flag unset and sets it for the second.
        flag::register_conditional_default(signal, Arc::clone(&seen))?;
        flag::register(signal, Arc::clone(&seen))?;
    }
    let mut signals = Signals::new(wanted)?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if events.send(Event::Interrupted).is_err() {
                return;
            }
        }
    });
    Ok(())
}
