//! `Server`: accepts and hangs up, until SIGTERM. The loop takes this place.

use std::io;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::SIGTERM;
use signal_hook_mio::v1_0::Signals;

use crate::config::Config;
use crate::net::systemd::Notify;

/// The sockets to listen on, and the signals.
pub struct Server {
    poll: Poll,
    signals: Signals,
    listeners: Vec<TcpListener>,
    notify: Notify,
}

impl Server {
    /// Registers everything.
    ///
    /// # Errors
    /// Those of poll.
    pub fn new(
        _config: &Config,
        mut listeners: Vec<TcpListener>,
        notify: Notify,
    ) -> io::Result<Server> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGTERM])?;
        let registry = poll.registry();
        registry.register(&mut signals, Token(usize::MAX), Interest::READABLE)?;
        for (index, listener) in listeners.iter_mut().enumerate() {
            registry.register(listener, Token(index), Interest::READABLE)?;
        }
        Ok(Server {
            poll,
            signals,
            listeners,
            notify,
        })
    }

    /// Accepts and hangs up until SIGTERM.
    ///
    /// # Errors
    /// Those of poll.
    pub fn run(&mut self) -> io::Result<()> {
        self.notify.ready();
        let mut events = Events::with_capacity(64);
        loop {
            let timeout = self.notify.watchdog_interval();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.notify.watchdog();
            if self.signals.pending().next().is_some() {
                self.notify.stopping();
                return Ok(());
            }
            for listener in &self.listeners {
                while listener.accept().is_ok() {}
            }
        }
    }
}
