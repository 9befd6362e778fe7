//! [`TlsClient`]: one connection over TLS whose every byte the test has in its hand: what is sealed
//! can be cut, held back or spoilt before it is sent, and the end can come with a `close_notify` or
//! without. It takes any certificate and remembers it. Owned by the test that connected it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, DigitallySignedStruct, Error, HandshakeKind, ProtocolVersion,
    SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
};
use socket2::{Domain, Socket, Type};

use super::{LONG_PATIENCE, PATIENCE, hide_stamp};

/// What a client offers. Several connections of the same terms may resume.
#[derive(Clone)]
pub struct TlsTerms(Arc<ClientConfig>);

impl TlsTerms {
    /// TLS 1.2 and 1.3, no protocol named, no resumption.
    pub fn new() -> TlsTerms {
        TlsTerms::offering(&[&TLS13, &TLS12], &[], Resumption::disabled())
    }

    /// TLS 1.2 alone.
    pub fn tls12() -> TlsTerms {
        TlsTerms::offering(&[&TLS12], &[], Resumption::disabled())
    }

    /// With these protocols (ALPN).
    pub fn with_protocols(protocols: &[&str]) -> TlsTerms {
        TlsTerms::offering(&[&TLS13, &TLS12], protocols, Resumption::disabled())
    }

    /// A client that comes back with what it was given.
    pub fn resuming() -> TlsTerms {
        TlsTerms::offering(&[&TLS13, &TLS12], &[], Resumption::in_memory_sessions(8))
    }

    /// This suite alone, with keys that can be taken out.
    pub fn for_own_records(suite: SupportedCipherSuite) -> TlsTerms {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = vec![suite];
        let mut config = config(provider, &[suite.version()]);
        config.enable_secret_extraction = true;
        config.resumption = Resumption::disabled();
        TlsTerms(Arc::new(config))
    }

    /// The same for rustls.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }

    fn offering(
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
        resumption: Resumption,
    ) -> TlsTerms {
        let mut config = config(aws_lc_rs::default_provider(), versions);
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        config.resumption = resumption;
        TlsTerms(Arc::new(config))
    }
}

/// Takes any certificate.
fn config(
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let provider = Arc::new(provider);
    let verifier = AnyCertificate(Arc::clone(&provider));
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions that the provider has")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

/// How a connection ended, as this end saw it.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// By `close_notify`, then the end of the stream.
    InOrder,
    /// By the end of the stream alone.
    CutShort,
    /// By an alert of the server.
    Alert(AlertDescription),
    /// By a reset.
    Reset,
}

/// One connection over TLS.
pub struct TlsClient {
    socket: TcpStream,
    pub rustls: ClientConnection,
    received: Vec<u8>,
    looked_at: usize,
    has_fin: bool,
    alert: Option<AlertDescription>,
    pings: u32,
}

impl TlsClient {
    /// Connects and shakes hands.
    #[track_caller]
    pub fn connect(server: SocketAddr) -> TlsClient {
        TlsClient::connect_with(server, &TlsTerms::new())
    }

    /// The same, offering these terms.
    #[track_caller]
    pub fn connect_with(server: SocketAddr, terms: &TlsTerms) -> TlsClient {
        let mut client = TlsClient::silent(server, terms);
        client.shake_hands();
        client
    }

    /// Connects and says nothing yet.
    pub fn silent(server: SocketAddr, terms: &TlsTerms) -> TlsClient {
        let socket = TcpStream::connect_timeout(&server, PATIENCE).expect("connecting");
        TlsClient::over(socket, terms)
    }

    /// Connects with so small a receive buffer that a pause in reading soon stops the server; says
    /// nothing yet.
    pub fn silent_and_narrow(server: SocketAddr, terms: &TlsTerms, buffer: usize) -> TlsClient {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).expect("one");
        socket.set_recv_buffer_size(buffer).expect("narrowing it");
        socket
            .connect_timeout(&server.into(), PATIENCE)
            .expect("connecting");
        TlsClient::over(socket.into(), terms)
    }

    fn over(socket: TcpStream, terms: &TlsTerms) -> TlsClient {
        socket.set_nodelay(true).expect("each write at once");
        socket
            .set_write_timeout(Some(PATIENCE))
            .expect("a deadline for writes");
        let name = ServerName::try_from("localhost").expect("a name");
        TlsClient {
            socket,
            rustls: ClientConnection::new(Arc::clone(&terms.0), name).expect("good terms"),
            received: Vec::new(),
            looked_at: 0,
            has_fin: false,
            alert: None,
            pings: 0,
        }
    }

    /// The address of this end, which the operator sees.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a connected socket")
    }

    /// Sends and reads until the handshake is done on this side, and all of it is sent.
    #[track_caller]
    pub fn shake_hands(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.rustls.is_handshaking() || self.rustls.wants_write() {
            self.send_pending();
            if self.rustls.is_handshaking() {
                let end = self.fill(deadline);
                assert_eq!(end, None, "wanted a handshake");
            }
        }
    }

    /// What this side has to send now, sealed.
    pub fn take_pending(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.rustls.wants_write() {
            self.rustls.write_tls(&mut bytes).expect("into memory");
        }
        bytes
    }

    /// Seals this, together with whatever else there was to send.
    pub fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        self.rustls.set_buffer_limit(None);
        self.rustls.writer().write_all(plain).expect("sealing");
        self.take_pending()
    }

    /// Seals a `close_notify`.
    pub fn seal_end(&mut self) -> Vec<u8> {
        self.rustls.send_close_notify();
        self.take_pending()
    }

    /// Sends these bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.socket
            .write_all(bytes)
            .expect("the server takes what is sent to it");
    }

    /// Sends these bytes as they are, as far as the server takes them within this time.
    pub fn try_send_raw(&mut self, bytes: &[u8], patience: Duration) -> bool {
        self.socket
            .set_write_timeout(Some(patience))
            .expect("a deadline for writes");
        self.socket.write_all(bytes).is_ok()
    }

    pub fn send_pending(&mut self) {
        let bytes = self.take_pending();
        self.send_raw(&bytes);
    }

    /// Sends this as one write, in as few records as it takes.
    pub fn send(&mut self, plain: &[u8]) {
        let sealed = self.seal(plain);
        self.send_raw(&sealed);
    }

    /// Sends one line and its LF.
    pub fn say(&mut self, line: &str) {
        self.send(format!("{line}\n").as_bytes());
    }

    /// Ends the sending side of the socket, without a word of TLS.
    pub fn half_close(&mut self) {
        self.socket
            .shutdown(Shutdown::Write)
            .expect("closing the sending side");
    }

    /// The next line.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        match self.hear_for(PATIENCE) {
            Ok(line) => line,
            Err(end) => panic!("wanted a line, but: {end:?}"),
        }
    }

    /// The next line must be exactly this one, with its time hidden.
    #[track_caller]
    pub fn expect_line(&mut self, wanted: &str) {
        match self.hear_for(PATIENCE) {
            Ok(line) => assert_eq!(hide_stamp(&line), wanted),
            Err(end) => panic!("wanted `{wanted}`, but: {end:?}"),
        }
    }

    /// The next line must start like this; gives all of it.
    #[track_caller]
    pub fn expect_prefix(&mut self, wanted: &str) -> String {
        let line = self.next_line();
        assert!(line.starts_with(wanted), "wanted `{wanted}`, but: {line}");
        line
    }

    /// All lines that came before the answer to a ping.
    #[track_caller]
    pub fn lines_until_pong(&mut self) -> Vec<String> {
        self.pings += 1;
        let pong = format!("= pong barrier-{}", self.pings);
        self.say(&format!("/ping barrier-{}", self.pings));
        let mut lines = Vec::new();
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < LONG_PATIENCE, "wanted `{pong}`");
            match self.next_line() {
                line if line == pong => return lines,
                line => lines.push(line),
            }
        }
    }

    /// All lines up to the end of the connection, and how it ended.
    #[track_caller]
    pub fn lines_until_end(&mut self) -> (Vec<String>, Ended) {
        let mut lines = Vec::new();
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < LONG_PATIENCE, "wanted the end: {lines:?}");
            match self.hear_for(LONG_PATIENCE) {
                Ok(line) => lines.push(line),
                Err(Some(end)) => return (lines, end),
                Err(None) => panic!("wanted the end of the connection: {lines:?}"),
            }
        }
    }

    /// How the connection ends; nothing more is to be said on it.
    #[track_caller]
    pub fn expect_end(&mut self) -> Ended {
        let (lines, end) = self.lines_until_end();
        assert!(lines.is_empty(), "wanted the end, but: {lines:?}");
        end
    }

    /// Waits for the next line, at most so long; else how the connection ended, or nothing.
    pub fn hear_for(&mut self, patience: Duration) -> Result<String, Option<Ended>> {
        let deadline = Instant::now() + patience;
        loop {
            let rest = &self.received[self.looked_at..];
            if let Some(length) = rest.iter().position(|&byte| byte == b'\n') {
                let line = String::from_utf8(rest[..length].to_vec()).expect("UTF-8");
                self.looked_at += length + 1;
                return Ok(line);
            }
            if let Some(end) = self.fill(deadline) {
                return Err(Some(end));
            }
            if Instant::now() >= deadline {
                return Err(None);
            }
        }
    }

    /// Waits until anything comes, be it nothing that was said. Whether it did.
    pub fn expect_bytes(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        self.socket
            .set_read_timeout(Some(left))
            .expect("a deadline for reads");
        let mut raw = [0; 4096];
        let Ok(length @ 1..) = self.socket.read(&mut raw) else {
            return false;
        };
        self.take_in(&raw[..length]);
        true
    }

    /// The certificate that the server showed.
    pub fn certificate(&self) -> CertificateDer<'static> {
        let chain = self.rustls.peer_certificates().expect("a handshake");
        chain[0].clone()
    }

    /// Whether the handshake took up an earlier one.
    pub fn has_resumed(&self) -> bool {
        self.rustls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub fn version(&self) -> ProtocolVersion {
        self.rustls.protocol_version().expect("a handshake")
    }

    /// Reads once. The end, if that was it.
    fn fill(&mut self, deadline: Instant) -> Option<Ended> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = left.max(Duration::from_millis(1));
        self.socket
            .set_read_timeout(Some(timeout))
            .expect("a deadline for reads");
        let mut raw = [0; 16 << 10];
        match self.socket.read(&mut raw) {
            Ok(0) => {
                let was_cut = self.looked_at < self.received.len();
                assert!(!was_cut, "the server's last line has no end");
                Some(match self.alert {
                    Some(alert) => Ended::Alert(alert),
                    None if self.has_fin => Ended::InOrder,
                    None => Ended::CutShort,
                })
            }
            Ok(length) => {
                self.take_in(&raw[..length]);
                None
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => None,
                ErrorKind::ConnectionReset => Some(Ended::Reset),
                _ => panic!("reading: {error}"),
            },
        }
    }

    fn take_in(&mut self, mut raw: &[u8]) {
        if self.has_fin {
            panic!("{} bytes came behind the close_notify", raw.len());
        }
        while !raw.is_empty() && self.alert.is_none() {
            if self.rustls.read_tls(&mut raw).expect("from memory") == 0 {
                panic!("{} bytes came behind the close_notify", raw.len());
            }
            match self.rustls.process_new_packets() {
                Ok(state) => self.has_fin = state.peer_has_closed(),
                Err(Error::AlertReceived(alert)) => self.alert = Some(alert),
                Err(error) => panic!("the server sent no TLS: {error}"),
            }
            let mut plain = [0; 16 << 10];
            while let Ok(length @ 1..) = self.rustls.reader().read(&mut plain) {
                self.received.extend_from_slice(&plain[..length]);
            }
        }
    }
}

impl Drop for TlsClient {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = String::from_utf8_lossy(&self.received);
            let start = lines.len().saturating_sub(4000);
            let shown = lines.get(start..).unwrap_or(&lines);
            eprintln!("received over TLS at {}:\n{shown}", self.address());
        }
    }
}

/// Whatever the server shows.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
