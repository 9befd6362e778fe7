//! Signals that ask the client to go, the first of which is reported, so that it can take its
//! leave; a second one ends it at once, even while everything else is stuck, and gives the
//! terminal back first. At a seat also those that have to do with the terminal.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::screen::Notice;
use crate::seat::terminal;
use crate::session::Manner;

const GO: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
const OF_A_SEAT: [i32; 4] = [SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT];

/// What a byte from other threads asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To look what has become of the connection.
    Look,
    Leave,
    Notice(Notice),
}

impl Asked {
    /// What the byte asks for: that of a signal is its number.
    pub fn of(byte: u8) -> Self {
        match i32::from(byte) {
            0 => Asked::Look,
            SIGWINCH => Asked::Notice(Notice::Resized),
            SIGTSTP => Asked::Notice(Notice::SuspendAsked),
            SIGCONT => Asked::Notice(Notice::Resumed),
            _ => Asked::Leave,
        }
    }
}

/// From now on such signals are written to the stream, one byte each, by a thread.
pub fn watch(manner: Manner, mut write: UnixStream) -> io::Result<()> {
    let mut signals = Signals::new(GO)?;
    if manner == Manner::Seat {
        for signal in OF_A_SEAT {
            signals.add_signal(signal)?;
        }
    }
    thread::spawn(move || {
        let mut is_asked_to_leave = false;
        for signal in signals.forever() {
            let byte = u8::try_from(signal).unwrap_or_default();
            if Asked::of(byte) == Asked::Leave && std::mem::replace(&mut is_asked_to_leave, true) {
                terminal::restore();
                let _ = emulate_default_handler(signal);
            }
            let _ = write.write(&[byte]);
        }
    });
    Ok(())
}
