//! What passes between chatd and a service manager: sockets handed in, and news handed back.
//! Without a service manager it does nothing. `main` takes the sockets; the loop owns the `Notify`.

use std::env;
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use listenfd::ListenFd;
use mio::net::TcpListener;

use crate::net::listener;

/// The number of the first descriptor that a service manager hands in.
const FIRST_DESCRIPTOR: usize = 3;
/// What must reach the service manager, also when its socket is full at the moment.
const READY: &str = "READY=1";
const STOPPING: &str = "STOPPING=1";
/// The watchdog is fed no more often, however short its period: it would take the whole processor.
const WATCHDOG_INTERVAL_MIN: Duration = Duration::from_millis(20);
/// What the end may take beside the drain.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// The listening sockets that were handed in (`LISTEN_FDS`), made like our own. Empty when the
/// variable is not set, or `LISTEN_PID` says that another process is meant. Takes the variables
/// out of the environment: call it once, before there is a second thread.
///
/// # Errors
/// The first socket that cannot be used.
pub fn inherited_listeners() -> Result<Vec<TcpListener>, BadSocket> {
    let mut handed_in = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed_in.len() {
        let bad = |reason| BadSocket {
            descriptor: FIRST_DESCRIPTOR + index,
            reason,
        };
        let listener = handed_in.take_tcp_listener(index).map_err(bad)?;
        if let Some(listener) = listener {
            listeners.push(listener::adopt(listener).map_err(bad)?);
        }
    }
    Ok(listeners)
}

/// A descriptor was handed in that is no listening TCP socket.
#[derive(Debug)]
pub struct BadSocket {
    /// Its number.
    pub descriptor: usize,
    /// What is wrong with it.
    pub reason: io::Error,
}

impl fmt::Display for BadSocket {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "cannot use socket {} of the service manager ({}): \
             it must be a listening TCP socket (ListenStream=PORT in the socket unit)",
            self.descriptor, self.reason
        )
    }
}

impl std::error::Error for BadSocket {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

/// Tells the service manager how it goes. It never blocks and never fails: news that do not pass
/// are dropped, save for READY and STOPPING, which go along with whatever is told next.
///
/// Our own few lines and not the crate sd-notify: that one (0.5) waits when the socket is full,
/// which would stop the loop, and does not know the abstract addresses that begin with `@`.
#[derive(Debug, Default)]
pub struct Notify {
    manager: Option<Manager>,
    owed: Vec<String>,
    watchdog_interval: Option<Duration>,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notify {
    /// As `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` say.
    pub fn from_env() -> Notify {
        let manager =
            env::var_os("NOTIFY_SOCKET").and_then(|path| Manager::at(path.as_bytes()).ok());
        let period = watchdog_period(
            env::var("WATCHDOG_USEC").ok().as_deref(),
            env::var("WATCHDOG_PID").ok().as_deref(),
            std::process::id(),
        );
        Notify {
            watchdog_interval: period
                .filter(|_| manager.is_some())
                .map(|period| (period / 2).max(WATCHDOG_INTERVAL_MIN)),
            manager,
            owed: Vec::new(),
        }
    }

    /// Whether anybody is told anything.
    pub fn is_active(&self) -> bool {
        self.manager.is_some()
    }

    /// The server listens.
    pub fn ready(&mut self) {
        self.owed.push(READY.to_owned());
        self.tell("");
    }

    /// The server drains and will end, at most so much later: it is not to be killed before, be
    /// the unit's TimeoutStopSec= shorter.
    pub fn stopping(&mut self, drain_timeout: Duration) {
        let micros = (drain_timeout + STOP_MARGIN).as_micros();
        self.owed
            .push(format!("{STOPPING}\nEXTEND_TIMEOUT_USEC={micros}"));
        self.tell("");
    }

    /// One line for `systemctl status`.
    pub fn status(&mut self, text: &str) {
        if self.manager.is_some() {
            // A second line would be another message.
            let line = text.lines().next().unwrap_or_default();
            self.tell(&format!("STATUS={line}\n"));
        }
    }

    /// How often the watchdog is fed: twice in its period, or as often as is worth it. `None` when
    /// there is none.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog_interval
    }

    /// Feeds the watchdog, if there is one.
    pub fn watchdog(&mut self) {
        if self.watchdog_interval.is_some() {
            self.tell("WATCHDOG=1\n");
        }
    }

    fn tell(&mut self, news: &str) {
        let Some(manager) = &self.manager else {
            self.owed.clear();
            return;
        };
        let mut message = String::new();
        for owed in &self.owed {
            message.push_str(owed);
            message.push('\n');
        }
        message.push_str(news);
        if manager.send(message.as_bytes()).is_ok() {
            self.owed.clear();
        }
    }
}

impl Manager {
    fn at(path: &[u8]) -> io::Result<Manager> {
        let address = match path.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Manager { socket, address })
    }

    /// By address and not over a connection, so that a service manager which has been replaced
    /// is found again.
    fn send(&self, message: &[u8]) -> io::Result<usize> {
        self.socket.send_to_addr(message, &self.address)
    }
}

/// The period of the watchdog, when it is this process that it watches.
fn watchdog_period(usec: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    let watched = pid.is_none_or(|pid| pid.parse() == Ok(own_pid));
    let micros = usec?.parse().ok()?;
    (watched && micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str) -> (UnixDatagram, Notify) {
        let name = format!("chatd-test-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let manager = UnixDatagram::bind_addr(&address).expect("bound");
        manager.set_nonblocking(true).expect("set");
        let notify = Notify {
            manager: Manager::at(format!("@{name}").as_bytes()).ok(),
            owed: Vec::new(),
            watchdog_interval: Some(Duration::from_secs(1)),
        };
        (manager, notify)
    }

    fn heard(manager: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 1024];
        let length = manager.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[test]
    fn each_news_is_one_datagram() {
        let (manager, mut notify) = pair("news");
        notify.ready();
        notify.status("3 clients\nREADY=0");
        notify.watchdog();
        notify.stopping(Duration::from_secs(20));
        for expected in [
            "READY=1\n",
            "STATUS=3 clients\n",
            "WATCHDOG=1\n",
            "STOPPING=1\nEXTEND_TIMEOUT_USEC=25000000\n",
        ] {
            assert_eq!(heard(&manager).as_deref(), Some(expected));
        }
        assert_eq!(heard(&manager), None);
    }

    #[test]
    fn a_full_socket_neither_blocks_nor_loses_what_matters() {
        let (manager, mut notify) = pair("full");
        for number in 0..10_000 {
            notify.status(&number.to_string());
        }
        notify.ready();
        notify.stopping(Duration::ZERO);
        assert_eq!(notify.owed.len(), 2, "10,000 datagrams found room");
        while heard(&manager).is_some() {}
        notify.watchdog();
        let expected = "READY=1\nSTOPPING=1\nEXTEND_TIMEOUT_USEC=5000000\nWATCHDOG=1\n";
        assert_eq!(heard(&manager).as_deref(), Some(expected));
        assert!(notify.owed.is_empty());
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let mut notify = Notify::default();
        notify.ready();
        notify.status("3 clients");
        notify.watchdog();
        notify.stopping(Duration::ZERO);
        assert!(notify.owed.is_empty());
        assert_eq!(notify.watchdog_interval(), None);
    }

    #[test]
    fn the_watchdog_is_fed_when_it_watches_us() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog_period(Some("1000000"), None, 7), second);
        assert_eq!(watchdog_period(Some("1000000"), Some("7"), 7), second);
        assert_eq!(watchdog_period(Some("1000000"), Some("8"), 7), None);
        assert_eq!(watchdog_period(Some("0"), None, 7), None);
        assert_eq!(watchdog_period(Some("soon"), None, 7), None);
        assert_eq!(watchdog_period(None, None, 7), None);
    }
}
