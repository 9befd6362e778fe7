//! Signals as readiness of the loop: which there are and what they ask for. What is done about
//! them is the server's business; it owns this.

use std::fmt;
use std::io;

use mio::{Interest, Registry, Token};
use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook_mio::v1_0::Signals as Source;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// SIGTERM, SIGINT: drain and stop; at once when asked again later.
    Stop,
    /// SIGHUP: read again what can be read again.
    Reload,
    /// SIGUSR1: one line of statistics.
    Statistics,
}

/// Keeps the terminal from stopping the whole server when it runs in the background (SIGTTIN,
/// SIGTTOU): reading it then fails, and writing to it passes. Before there is a second thread.
pub fn ignore_terminal_stops() {
    let mut stops = SigSet::empty();
    stops.add(Signal::SIGTTIN);
    stops.add(Signal::SIGTTOU);
    // Blocked is as good as ignored to the terminal, and needs no handler. It fails for no set.
    let _ = stops.thread_block();
}

/// The signals that the server listens to.
pub(super) struct Signals(Source);

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signals")
    }
}

impl Signals {
    /// Takes them over from their default actions.
    pub(super) fn register(registry: &Registry, token: Token) -> io::Result<Signals> {
        let mut source = Source::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        registry.register(&mut source, token, Interest::READABLE)?;
        Ok(Signals(source))
    }

    /// What was asked for since the last call.
    pub(super) fn pending(&mut self) -> impl Iterator<Item = Request> {
        self.0.pending().map(|signal| match signal {
            SIGHUP => Request::Reload,
            SIGUSR1 => Request::Statistics,
            _ => Request::Stop,
        })
    }
}
