//! `TlsSetup`: where certificate and key come from, the terms on which TLS is spoken, and both read
//! again when the operator asks. What a certificate is, is `identity`'s. Owned by the server.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use log::{info, warn};
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::SingleCertAndKey;

use crate::config::{Config, TlsMode};

use super::super::reread::Reread;
use super::connection::HTTP;
use super::identity::{self, BadIdentity, Identity};

/// What is spoken inside: HTTP and WebSocket, or the languages of chatd. Who offers only others is
/// refused (RFC 7301, 3.2); who offers none is listened to.
const PROTOCOLS: [&[u8]; 2] = [HTTP, b"chatd"];
/// In the directory of what is kept.
const OWN_FILE: &str = "tls.pem";
/// Nobody but the server.
const OWN_FILE_MODE: u32 = 0o600;

/// The terms on which TLS is spoken, and how they are read again.
#[derive(Debug)]
pub struct TlsSetup {
    config: Arc<ServerConfig>,
    identity: Identity,
    source: Source,
}

/// Where certificate and key come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// The operator's files.
    Given { cert: PathBuf, key: PathBuf },
    /// Made here once, and kept in this file.
    Kept(PathBuf),
    /// Made at the start, and kept nowhere.
    Made,
}

impl Source {
    fn of(config: &Config) -> Source {
        match (&config.tls_cert, &config.tls_key, &config.data) {
            (Some(cert), Some(key), _) => Source::Given {
                cert: cert.clone(),
                key: key.clone(),
            },
            (_, _, Some(data)) => Source::Kept(data.join(OWN_FILE)),
            _ => Source::Made,
        }
    }
}

impl TlsSetup {
    /// Certificate and key as the settings say; a certificate of our own for a server that listens
    /// on these addresses where they say nothing. `None` where TLS is off.
    ///
    /// # Errors
    /// What cannot be read or used, or not be written.
    pub fn load(config: &Config, listening: &[SocketAddr]) -> Result<Option<Self>, BadIdentity> {
        if config.tls == TlsMode::Off {
            return Ok(None);
        }
        let source = Source::of(config);
        let identity = match &source {
            Source::Given { cert, key } => Identity::read(cert, key)?,
            Source::Kept(path) if exists(path) => Identity::read(path, path)?,
            Source::Kept(path) => {
                let pem = identity::make(own_names(listening), SystemTime::now())?;
                keep(path, &pem).map_err(|error| {
                    let is_new = error.kind() == ErrorKind::NotFound;
                    let folder = path.parent().filter(|_| is_new);
                    let why = folder.map(|folder| {
                        let folder = folder.display();
                        format!("there is no folder {folder} for --data: make it first")
                    });
                    let other = || format!("cannot write {}: {error}", path.display());
                    BadIdentity(why.unwrap_or_else(other))
                })?;
                Identity::of_pem(&pem)?
            }
            Source::Made => {
                Identity::of_pem(&identity::make(own_names(listening), SystemTime::now())?)?
            }
        };
        Ok(Some(TlsSetup {
            config: Arc::new(server_config(&identity)?),
            identity,
            source,
        }))
    }

    /// Whether what there is can be used. Makes nothing: what it warns of.
    ///
    /// # Errors
    /// What cannot be read or used.
    pub fn check(config: &Config) -> Result<Vec<String>, BadIdentity> {
        let identity = match Source::of(config) {
            _ if config.tls == TlsMode::Off => return Ok(Vec::new()),
            Source::Given { cert, key } => Identity::read(&cert, &key)?,
            Source::Kept(path) if exists(&path) => Identity::read(&path, &path)?,
            Source::Kept(path) => {
                let folder = path.parent().unwrap_or(Path::new("."));
                if !folder.is_dir() {
                    let said = format!("--data {}: there is no such directory", folder.display());
                    return Err(BadIdentity(said));
                }
                return Ok(Vec::new());
            }
            Source::Made => return Ok(Vec::new()),
        };
        Ok(identity.warnings(SystemTime::now()))
    }

    /// The terms as they are now.
    pub(in crate::net) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Says in the log which certificate is shown.
    pub(in crate::net) fn announce(&self) {
        info!("{}", self.announcement());
        self.warn();
    }

    /// Says in the log what is wrong with it.
    pub(in crate::net) fn warn(&self) {
        for warning in self.identity.warnings(SystemTime::now()) {
            warn!("TLS: {warning}");
        }
    }

    fn announcement(&self) -> String {
        let (day, fingerprint) = (&self.identity.last_day, &self.identity.fingerprint);
        let whose = match &self.source {
            Source::Given { cert, .. } => format!("the certificate of {}", cert.display()),
            Source::Kept(path) => format!("a certificate of its own ({})", path.display()),
            Source::Made => {
                "a certificate of its own, which is new at each start and so is its fingerprint: \
                 --data keeps it"
                    .into()
            }
        };
        format!("TLS with {whose}; good until {day}, public key {fingerprint}")
    }

    /// Reads certificate and key again. Whoever comes from now on is shown these; a ticket for the
    /// old ones is worth nothing any more. With any fault the old ones stay. What came of it, unless
    /// there is no file.
    pub(in crate::net) fn reload(&mut self) -> Option<Reread> {
        let read = match &self.source {
            Source::Given { cert, key } => Identity::read(cert, key),
            Source::Kept(path) => Identity::read(path, path),
            Source::Made => return None,
        };
        let replaced = read.and_then(|identity| {
            if identity.is_out_of_date(SystemTime::now()) {
                let said = format!(
                    "the new one is out of date (last day {})",
                    identity.last_day
                );
                return Err(BadIdentity(said));
            }
            Ok((server_config(&identity)?, identity))
        });
        Some(match replaced {
            Ok((config, identity)) => {
                self.config = Arc::new(config);
                self.identity = identity;
                Ok(self.announcement())
            }
            Err(fault) => Err(format!("TLS: the old certificate stays: {fault}")),
        })
    }

    /// The names of machines that the certificate is for.
    pub fn names(&self) -> &[String] {
        &self.identity.names
    }
}

/// TLS 1.2 and 1.3, the suites of rustls (all of them AEAD, with forward secrecy), no certificates
/// of clients.
pub(super) fn server_config(identity: &Identity) -> Result<ServerConfig, BadIdentity> {
    let unusable = |error: rustls::Error| BadIdentity(format!("TLS cannot be spoken: {error}"));
    let builder = ServerConfig::builder_with_provider(identity::provider());
    let builder = builder.with_safe_default_protocol_versions();
    let resolver = SingleCertAndKey::from(Arc::clone(&identity.key));
    let mut config = builder
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // Tickets are kept by the clients: a storm of handshakes costs no memory. One each: a second
    // would cost as much as the sealing of a hundred lines, and is for clients that open several
    // connections at once.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new().map_err(unusable)?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// What a certificate of our own is for: how this machine may be called from near.
fn own_names(listening: &[SocketAddr]) -> Vec<String> {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    let is_name = |name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        !name.is_empty() && name.chars().all(is_part)
    };
    let mut names = Vec::new();
    if is_name(&host) {
        names.push(host.into_owned());
    }
    names.push("localhost".into());
    names.extend(["127.0.0.1", "::1"].map(str::to_owned));
    let addresses = listening.iter().map(SocketAddr::ip);
    let addresses = addresses.filter(|ip| !ip.is_unspecified());
    names.extend(addresses.map(|ip| ip.to_canonical().to_string()));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// A path that cannot be looked at is read, and that says why.
fn exists(path: &Path) -> bool {
    !matches!(fs::metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// Writes a file that only we can read, as a whole or not at all.
fn keep(path: &Path, pem: &str) -> io::Result<()> {
    let new = path.with_extension("pem.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(OWN_FILE_MODE)
        .open(&new)?;
    // Whatever the umask took away.
    file.set_permissions(Permissions::from_mode(OWN_FILE_MODE))?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
