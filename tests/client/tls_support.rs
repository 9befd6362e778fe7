//! Help for the tests of TLS: certificates of all kinds, and a front that speaks TLS with the client
//! and plain bytes with a scripted server. rustls and rcgen are known here alone.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData};
use rustix::event::{PollFd, PollFlags, poll};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

/// An authority, which signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each has a name of its own, by which it is looked for.
        let name = fingerprint(&key.subject_public_key_info());
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Authority { issuer, pem }
    }

    /// A server with a certificate for this name.
    pub fn signs(&self, name: &str) -> Identity {
        Identity::new(Some(self), &KeyPair::generate().unwrap(), &params(name))
    }

    /// A server whose certificate was for this name in the past.
    pub fn signed_once(&self, name: &str) -> Identity {
        let expired = expired(params(name));
        Identity::new(Some(self), &KeyPair::generate().unwrap(), &expired)
    }
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn expired(mut params: CertificateParams) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    params
}

/// What a server shows.
#[derive(Clone)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    private_key: Vec<u8>,
    /// The SHA-256 of its public key, as it is shown.
    pub key: String,
    /// Its certificate in PEM.
    pub pem: String,
    protocols: Vec<Vec<u8>>,
    versions: &'static [&'static SupportedProtocolVersion],
}

impl Identity {
    /// A certificate that nobody but itself has signed, for the address of the tests.
    pub fn of_its_own() -> Self {
        Identity::new(None, &KeyPair::generate().unwrap(), &params("127.0.0.1"))
    }

    fn new(authority: Option<&Authority>, key: &KeyPair, params: &CertificateParams) -> Self {
        let certificate = match authority {
            None => params.self_signed(key),
            Some(authority) => params.signed_by(key, &authority.issuer),
        };
        let certificate = certificate.unwrap();
        Identity {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            private_key: key.serialize_der(),
            key: fingerprint(&key.subject_public_key_info()),
            protocols: Vec::new(),
            versions: rustls::ALL_VERSIONS,
        }
    }

    /// Another certificate for the same key: expired, and for another name.
    pub fn renewed_badly(&self) -> Self {
        let key = KeyPair::try_from(self.private_key.as_slice()).unwrap();
        Identity::new(None, &key, &expired(params("elsewhere.example")))
    }

    /// The same, of a server that speaks only this.
    pub fn speaking(mut self, protocol: &str) -> Self {
        self.protocols = vec![protocol.as_bytes().to_vec()];
        self
    }

    /// The same, of a server that knows nothing newer than TLS 1.2.
    pub fn of_tls_1_2(mut self) -> Self {
        static ONLY: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
        self.versions = &ONLY;
        self
    }

    fn config(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.private_key.clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(self.versions).unwrap();
        let builder = builder.with_no_client_auth();
        let mut config = builder
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        config.alpn_protocols.clone_from(&self.protocols);
        Arc::new(config)
    }
}

fn fingerprint(key: &[u8]) -> String {
    let suite = aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13();
    let digest = suite.unwrap().common.hash_provider.hash(key);
    format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(digest))
}

/// How the front goes about its work, which a test may change for the connections to come.
#[derive(Default)]
struct Manner {
    config: Option<Arc<ServerConfig>>,
    /// Bytes that are written at once; 0 is all.
    piece_bytes: usize,
    /// Whether it ends connections without saying so.
    cuts: bool,
}

/// Speaks TLS before a server that does not.
pub struct Front {
    address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    has_heard_close: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Front {
    /// Before the server that listens there.
    pub fn of(behind: SocketAddr, identity: &Identity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut front = Front {
            address,
            manner: Arc::default(),
            has_heard_close: Arc::default(),
            is_over: Arc::default(),
            acceptor: None,
        };
        front.shows(identity);
        let (manner, is_over) = (Arc::clone(&front.manner), Arc::clone(&front.is_over));
        let has_heard_close = Arc::clone(&front.has_heard_close);
        let acceptor = thread::spawn(move || {
            let mut links = Vec::new();
            for outside in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                let (manner, heard) = (Arc::clone(&manner), Arc::clone(&has_heard_close));
                let link = move || relay(outside.unwrap(), behind, &manner, &heard);
                links.push(thread::spawn(link));
            }
            for link in links {
                let _ = link.join();
            }
        });
        front.acceptor = Some(acceptor);
        front
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From the next connection on, this is what it shows.
    pub fn shows(&self, identity: &Identity) {
        self.manner.lock().unwrap().config = Some(identity.config());
    }

    /// What it writes, comes in pieces of so many bytes.
    pub fn writes_in_pieces(&self, bytes: usize) {
        self.manner.lock().unwrap().piece_bytes = bytes;
    }

    /// When the server behind it closes, it cuts the connection off.
    pub fn cuts(&self, cuts: bool) {
        self.manner.lock().unwrap().cuts = cuts;
    }

    /// Waits for the end of all connections: whether a client has said that nothing more comes from
    /// it.
    pub fn finish(mut self) -> bool {
        self.stop();
        self.has_heard_close.load(Ordering::SeqCst)
    }

    fn stop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // It waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if self.acceptor.is_some() && !thread::panicking() {
            self.stop();
        }
    }
}

/// Passes on what both sides say, until one of them ends or makes a mistake.
fn relay(
    mut outside: TcpStream,
    behind: SocketAddr,
    manner: &Mutex<Manner>,
    has_heard_close: &AtomicBool,
) {
    let config = manner.lock().unwrap().config.clone().unwrap();
    let mut tls = ServerConnection::new(config).unwrap();
    outside.set_nodelay(true).unwrap();
    // Only who has shaken hands is passed on.
    let (mut inside, mut has_ended): (Option<TcpStream>, bool) = (None, false);
    let mut chunk = [0; 16 << 10];
    loop {
        let mut wanted = vec![PollFd::new(&outside, PollFlags::IN)];
        wanted.extend(
            inside
                .iter()
                .map(|inside| PollFd::new(inside, PollFlags::IN)),
        );
        let _ = poll(&mut wanted, None);
        let ready: Vec<bool> = wanted.iter().map(|one| !one.revents().is_empty()).collect();
        if ready[0] {
            let count = outside.read(&mut chunk).unwrap_or(0);
            let mut bytes = &chunk[..count];
            let mut is_well = count > 0;
            while is_well && !bytes.is_empty() && tls.read_tls(&mut bytes).is_ok_and(|n| n > 0) {
                is_well = match tls.process_new_packets() {
                    Ok(state) if state.peer_has_closed() => {
                        has_heard_close.store(true, Ordering::SeqCst);
                        false
                    }
                    outcome => outcome.is_ok(),
                };
                let mut plain = Vec::new();
                let _ = tls.reader().read_to_end(&mut plain);
                if !tls.is_handshaking() && inside.is_none() && is_well && !has_ended {
                    inside = TcpStream::connect(behind).ok();
                }
                if let Some(inside) = &mut inside {
                    let _ = inside.write_all(&plain);
                }
            }
            write(&mut tls, &mut outside, manner);
            if !is_well {
                break;
            }
        }
        if ready.get(1) == Some(&true) {
            let count = inside
                .as_ref()
                .map_or(0, |mut inside| inside.read(&mut chunk).unwrap_or(0));
            tls.writer().write_all(&chunk[..count]).unwrap();
            if count > 0 {
                write(&mut tls, &mut outside, manner);
                continue;
            }
            if manner.lock().unwrap().cuts {
                break;
            }
            tls.send_close_notify();
            write(&mut tls, &mut outside, manner);
            let _ = outside.shutdown(Shutdown::Write);
            (inside, has_ended) = (None, true);
        }
    }
    let _ = outside.shutdown(Shutdown::Both);
}

fn write(tls: &mut ServerConnection, outside: &mut TcpStream, manner: &Mutex<Manner>) {
    let mut sealed = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut sealed).unwrap();
    }
    let piece_bytes = match manner.lock().unwrap().piece_bytes {
        0 => sealed.len().max(1),
        bytes => bytes,
    };
    for piece in sealed.chunks(piece_bytes) {
        // That the client may have gone already is for the test to find out.
        let _ = outside.write_all(piece);
    }
}

/// A folder for the files of one test, which goes with it.
pub struct Folder(PathBuf);

static NEXT_FOLDER: AtomicU64 = AtomicU64::new(0);

impl Folder {
    pub fn new() -> Self {
        let number = NEXT_FOLDER.fetch_add(1, Ordering::SeqCst);
        let name = format!("chat-client-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, and gives its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The servers that clients have been told to trust.
    pub fn known_servers(&self) -> Option<String> {
        std::fs::read_to_string(self.path("chat-client/known_servers")).ok()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
