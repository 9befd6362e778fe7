//! `chatd`: flags → `Config` → log → file limit → sockets → `Server::run` → exit code.
//! It decides in which order things start and with which code the process ends, nothing else.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "this is the edge: it starts what touches the system"
)]

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use chatd::config::Config;
use chatd::flags::{self, Flags};
use chatd::net::server::Server;
use chatd::net::systemd::{self, Notify};
use chatd::net::{file_limit, listener, log as server_log};
use mio::net::TcpListener;

/// Why the process ends otherwise than by a clean stop; the numbers are those of sysexits(3).
#[derive(Clone, Copy)]
enum Exit {
    Usage = 2,
    Unavailable = 69,
    Internal = 70,
    Settings = 78,
}

/// The one line that is said about it.
struct Fault {
    exit: Exit,
    said: String,
}

impl Fault {
    fn new(exit: Exit, said: impl fmt::Display) -> Fault {
        let said = said.to_string();
        Fault { exit, said }
    }
}

fn main() -> ExitCode {
    end_on_panic();
    let flags = match Flags::read() {
        Ok(flags) => flags,
        Err(answer) if !answer.use_stderr() => {
            // Help or version; whoever does not read it does not miss it.
            let _ = answer.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return end(&Fault::new(Exit::Usage, flags::one_line(&error))),
    };
    let result = match flags.check {
        true => check(&flags),
        false => serve(&flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => end(&fault),
    }
}

/// `--check`: every fault is one of the settings here, be it a name that is unknown.
fn check(flags: &Flags) -> Result<(), Fault> {
    let checked = resolve(flags).and_then(|listen| settings(flags, listen));
    let (config, warning) = checked.map_err(|fault| Fault::new(Exit::Settings, fault.said))?;
    if let Some(warning) = warning {
        complain(&warning);
    }
    let _ = write!(io::stdout(), "{config}");
    Ok(())
}

fn serve(flags: &Flags) -> Result<(), Fault> {
    let unavailable = |error: &dyn fmt::Display| Fault::new(Exit::Unavailable, error);
    // Before anything else opens a descriptor or starts a thread.
    let inherited = systemd::inherited_listeners().map_err(|bad| unavailable(&bad))?;
    let listen = match inherited.is_empty() {
        true => resolve(flags)?,
        false => addresses(&inherited)?,
    };
    let (config, warning) = settings(flags, listen)?;
    server_log::set_up(config.log_level);
    if let Some(warning) = warning {
        log::warn!("{warning}");
    }
    let listeners = match inherited.is_empty() {
        true => listener::bind_all(&config.listen).map_err(|error| unavailable(&error))?,
        false => inherited,
    };
    listener::allow_stalls(&listeners, config.limits.stall_timeout)
        .map_err(|error| unavailable(&error))?;
    let listening = addresses(&listeners)?;
    let cannot_poll = |error| Fault::new(Exit::Unavailable, format!("cannot poll: {error}"));
    let mut server = Server::new(&config, listeners, Notify::from_env()).map_err(cannot_poll)?;
    // Only now: whoever waits for this line may at once connect, or send a signal.
    log::info!("chatd {} starts", env!("CARGO_PKG_VERSION"));
    for address in listening {
        log::info!("listening on {address}");
    }
    server.run().map_err(cannot_poll)
}

fn resolve(flags: &Flags) -> Result<Vec<SocketAddr>, Fault> {
    let mut listen = Vec::new();
    for address in &flags.listen {
        let resolved = address.resolve();
        listen.extend(resolved.map_err(|unknown| Fault::new(Exit::Unavailable, unknown))?);
    }
    Ok(listen)
}

fn addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, Fault> {
    let addresses = listeners.iter().map(TcpListener::local_addr).collect();
    let cannot_listen = |error| Fault::new(Exit::Unavailable, format!("cannot listen: {error}"));
    io::Result::<Vec<_>>::map_err(addresses, cannot_listen)
}

/// The settings that take effect, and a warning where they are not those that were asked for.
fn settings(flags: &Flags, listen: Vec<SocketAddr>) -> Result<(Config, Option<String>), Fault> {
    let mut config = flags.config(listen);
    config
        .check()
        .map_err(|error| Fault::new(Exit::Settings, error))?;
    let wanted = config.limits.clients_max;
    let files_max = file_limit::raise();
    let possible = file_limit::clients_max(wanted, files_max)
        .map_err(|few| Fault::new(Exit::Unavailable, few))?;
    config.limits.clients_max = possible;
    let warning = (possible < wanted).then(|| {
        format!(
            "--max-clients {wanted} is lowered to {possible}: only {files_max} open files are \
             allowed (ulimit -n, or LimitNOFILE= in the unit)"
        )
    });
    Ok((config, warning))
}

/// A panic, in whatever thread, is one line and the end: never a backtrace, never half a server.
fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.to_string().replace('\n', " ");
        complain(&format!("internal fault, {what}; please report it"));
        std::process::exit(Exit::Internal as i32);
    }));
}

fn end(fault: &Fault) -> ExitCode {
    complain(&fault.said);
    ExitCode::from(fault.exit as u8)
}

/// One plain line, whatever was typed; in one write, and without a panic where standard error
/// is gone.
fn complain(what: &str) {
    let mut line = String::from("chatd: ");
    for character in what.chars() {
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line.push('\n');
    let _ = io::stderr().write_all(line.as_bytes());
}
