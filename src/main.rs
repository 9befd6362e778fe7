//! `chatd`: `Config` → log → file limit → sockets → `Server::run` → exit code.
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
use std::path::Path;
use std::process::ExitCode;

use chatd::chat::FixedRooms;
use chatd::clean::Clean;
use chatd::config::address::ListenAddress;
use chatd::config::{Config, NoConfig};
use chatd::net::entrance::Entrance;
use chatd::net::listener::LISTENERS_MAX;
use chatd::net::operator_socket::OperatorSocket;
use chatd::net::reloads::Reloads;
use chatd::net::server::Server;
use chatd::net::systemd::{self, Notify};
use chatd::net::tls::TlsSetup;
use chatd::net::turn_away::turn_away;
use chatd::net::{file_limit, listener, log as server_log, resolve, signals};
use mio::net::TcpListener;

/// Why the process ends otherwise than by a clean stop; the numbers are those of sysexits(3).
#[derive(Clone, Copy, PartialEq, Eq)]
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
    /// The sockets that the service manager has handed in, if they were taken already.
    handed_in: Vec<TcpListener>,
}

impl Fault {
    fn new(exit: Exit, said: impl fmt::Display) -> Fault {
        let said = said.to_string();
        Fault {
            exit,
            said,
            handed_in: Vec::new(),
        }
    }
}

fn main() -> ExitCode {
    end_on_panic();
    signals::ignore_terminal_stops();
    let result = match Config::read() {
        Ok(config) if config.check => check(config),
        Ok(config) => serve(config),
        Err(NoConfig::Answer(answer)) => {
            // Help or version; whoever does not read it does not miss it.
            let _ = answer.print();
            Ok(())
        }
        Err(NoConfig::Usage(said)) => Err(Fault::new(Exit::Usage, said)),
        Err(NoConfig::Settings(said)) => Err(Fault::new(Exit::Settings, said)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            report_fault(&fault.said);
            if matches!(fault.exit, Exit::Usage | Exit::Settings) {
                let mut handed_in = fault.handed_in;
                handed_in.extend(systemd::inherited_listeners().unwrap_or_default());
                if !handed_in.is_empty() {
                    turn_away(handed_in);
                }
            }
            ExitCode::from(fault.exit as u8)
        }
    }
}

/// `--check`: every fault is one of the settings here, be it a name that is unknown.
fn check(mut config: Config) -> Result<(), Fault> {
    let settings = |fault: Fault| Fault::new(Exit::Settings, fault.said);
    let listen = resolve(&config).map_err(settings)?;
    let metrics = resolve_metrics(&config, &listen).map_err(settings)?;
    let warning = fit_to_machine(&mut config, listen.len(), metrics.len()).map_err(settings)?;
    let of_tls = TlsSetup::check(&config).map_err(|bad| Fault::new(Exit::Settings, bad))?;
    fixed_rooms(&config)?;
    entrance(&config)?;
    if let Some(path) = &config.operator_socket {
        // A server that runs is no fault of the settings.
        let checked = OperatorSocket::check(path).or_else(|bad| match bad.is_of_settings() {
            true => Err(Fault::new(Exit::Settings, bad)),
            false => Ok(()),
        });
        checked?;
    }
    for warning in warning.into_iter().chain(of_tls) {
        report_fault(&warning);
    }
    config.listen = listen.into_iter().map(ListenAddress::Numeric).collect();
    let _ = write!(io::stdout(), "{config}");
    Ok(())
}

fn serve(mut config: Config) -> Result<(), Fault> {
    let unavailable = |error: &dyn fmt::Display| Fault::new(Exit::Unavailable, error);
    // Before anything else opens a descriptor or starts a thread.
    let inherited = systemd::inherited_listeners().map_err(|bad| unavailable(&bad))?;
    let listen = if inherited.is_empty() {
        resolve(&config)?
    } else {
        addresses(&inherited)?
    };
    let metrics = resolve_metrics(&config, &listen)?;
    let warning = fit_to_machine(&mut config, listen.len(), metrics.len())?;
    server_log::set_up(config.log_level);
    if let Some(warning) = warning {
        log::warn!("{warning}");
    }
    let is_handed_in = !inherited.is_empty();
    let listeners = if inherited.is_empty() {
        listener::bind_all(&listen).map_err(|error| unavailable(&error))?
    } else {
        inherited
    };
    let listening = addresses(&listeners)?;
    let metrics = listener::bind_all(&metrics).map_err(|error| of_metrics(&error))?;
    let asked_at = addresses(&metrics)?;
    let operators = config.operator_socket.as_deref().map(operator_socket);
    let loaded = load(&config, &listening);
    let (rooms, reloads, operators) =
        match loaded.and_then(|(rooms, reloads)| Ok((rooms, reloads, operators.transpose()?))) {
            Ok(all) => all,
            Err(fault) => {
                let handed_in = if is_handed_in { listeners } else { Vec::new() };
                return Err(Fault { handed_in, ..fault });
            }
        };
    let cannot_poll = |error| Fault::new(Exit::Unavailable, format!("cannot poll: {error}"));
    let mut server = Server::new(
        &config,
        listeners,
        operators,
        metrics,
        reloads,
        Notify::from_env(),
    )
    .map_err(cannot_poll)?;
    if let Some(rooms) = rooms {
        server.fix_rooms(rooms);
    }
    if let Some(folder) = &config.data {
        server.keep(folder, &config).map_err(|bad| Fault {
            exit: if bad.exit_code() == Exit::Settings as u8 {
                Exit::Settings
            } else {
                Exit::Unavailable
            },
            ..Fault::new(Exit::Unavailable, bad)
        })?;
    }
    // Only now: whoever waits for this line may at once connect, or send a signal.
    log::info!("chatd {} starts", env!("CARGO_PKG_VERSION"));
    server.announce();
    announce(&config, &asked_at, &listening);
    server.run().map_err(cannot_poll)
}

/// Says in the log where it is to be reached.
fn announce(config: &Config, metrics: &[SocketAddr], listening: &[SocketAddr]) {
    if let Some(path) = &config.operator_socket {
        let path = path.display().to_string();
        log::info!("operators sit at {}", Clean::of(&path));
    }
    for address in metrics {
        log::info!("metrics at http://{address}/metrics");
    }
    for address in listening {
        log::info!("listening on {address}");
    }
}

fn operator_socket(path: &Path) -> Result<OperatorSocket, Fault> {
    OperatorSocket::bind(path).map_err(|bad| {
        let exit = if bad.is_of_settings() {
            Exit::Settings
        } else {
            Exit::Unavailable
        };
        Fault::new(exit, bad)
    })
}

fn resolve(config: &Config) -> Result<Vec<SocketAddr>, Fault> {
    let mut listen = Vec::new();
    for address in &config.listen {
        let found = resolve::socket_addresses(address);
        listen.extend(found.map_err(|unknown| Fault::new(Exit::Unavailable, unknown))?);
    }
    if let Some((all, one)) = listener::contradiction(&listen) {
        let said = format!("--listen {all} takes {one} too: leave one of the two out");
        return Err(Fault::new(Exit::Settings, said));
    }
    Ok(listen)
}

/// Where `--metrics` listens, if it is set.
fn resolve_metrics(config: &Config, listen: &[SocketAddr]) -> Result<Vec<SocketAddr>, Fault> {
    let Some(address) = &config.metrics else {
        return Ok(Vec::new());
    };
    let found = resolve::socket_addresses(address).map_err(|unknown| of_metrics(&unknown))?;
    let is_taken = |one: &SocketAddr, by: &SocketAddr| {
        one == by && one.port() != 0 || listener::contradiction(&[*one, *by]).is_some()
    };
    if found
        .iter()
        .any(|one| listen.iter().any(|by| is_taken(one, by)))
    {
        let said = format!("--metrics {address} is where --listen listens: choose another port");
        return Err(Fault::new(Exit::Settings, said));
    }
    Ok(found)
}

fn of_metrics(error: &dyn fmt::Display) -> Fault {
    Fault::new(Exit::Unavailable, format!("--metrics: {error}"))
}

/// What the settings name beside numbers: the only rooms, if they name any, and what is in files.
fn load(config: &Config, listening: &[SocketAddr]) -> Result<(Option<FixedRooms>, Reloads), Fault> {
    let (rooms, entrance) = (fixed_rooms(config)?, entrance(config)?);
    let tls = TlsSetup::load(config, listening);
    let tls = tls.map_err(|bad| Fault::new(Exit::Settings, bad))?;
    Ok((rooms, Reloads::new(tls, entrance)))
}

/// The only rooms that there are to be, if the settings name any.
fn fixed_rooms(config: &Config) -> Result<Option<FixedRooms>, Fault> {
    if config.rooms.is_empty() {
        return Ok(None);
    }
    let rooms = FixedRooms::read(&config.rooms);
    let rooms = rooms.map_err(|bad| Fault::new(Exit::Settings, format!("--rooms: {bad}")))?;
    Ok(Some(rooms))
}

fn entrance(config: &Config) -> Result<Entrance, Fault> {
    Entrance::load(config).map_err(|bad| Fault::new(Exit::Settings, bad))
}

fn addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>, Fault> {
    let addresses = listeners.iter().map(TcpListener::local_addr).collect();
    let cannot_listen = |error| Fault::new(Exit::Unavailable, format!("cannot listen: {error}"));
    io::Result::<Vec<_>>::map_err(addresses, cannot_listen)
}

/// Lowers the settings to what this machine allows, where so many sockets listen, and so many for
/// monitoring: a warning if they then are not those that were asked for.
fn fit_to_machine(
    config: &mut Config,
    listeners: usize,
    metrics: usize,
) -> Result<Option<String>, Fault> {
    if listeners > LISTENERS_MAX {
        let said = format!(
            "{listeners} addresses to listen on are too many: choose {LISTENERS_MAX} or fewer"
        );
        return Err(Fault::new(Exit::Settings, said));
    }
    let wanted = config.limits.clients_max;
    let files_max = file_limit::raise();
    let askers = if metrics > 0 {
        config.limits.metrics_clients_max
    } else {
        0
    };
    let sockets = listeners + operator_sockets(config) + metrics + askers;
    let possible = file_limit::clients_max(wanted, files_max, sockets)
        .map_err(|few| Fault::new(Exit::Unavailable, few))?;
    config.limits.clients_max = possible;
    Ok((possible < wanted).then(|| {
        format!(
            "--max-clients {wanted} is lowered to {possible}: only {files_max} open files are \
             allowed (ulimit -n, or LimitNOFILE= in the unit)"
        )
    }))
}

/// Descriptors that the operator's socket and those who sit there may take.
fn operator_sockets(config: &Config) -> usize {
    let seats = config.limits.operator_seats_max;
    config.operator_socket.as_ref().map_or(0, |_| 1 + seats)
}

/// A panic, in whatever thread, is one line and the end: never a backtrace, never half a server.
fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.to_string().replace('\n', " ");
        report_fault(&format!("internal fault, {what}; please report it"));
        std::process::exit(Exit::Internal as i32);
    }));
}

/// One plain line, whatever was typed; in one write, and without a panic where standard error
/// is gone.
fn report_fault(what: &str) {
    let mut line = String::from("chatd: ");
    for character in what.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    let _ = io::stderr().write_all(line.as_bytes());
}
