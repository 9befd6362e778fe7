//! [`TlsRecords`]: one connection over TLS that, once hands are shaken, seals whatever records a test
//! wants: such as no library sends, each whole and rightly sealed. It does not understand what the
//! server answers. Owned by the test that connected it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustls::client::ClientConnection;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::pki_types::ServerName;
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite};

use super::tls_client::TlsTerms;
use super::{LONG_PATIENCE, PATIENCE};

/// See the file.
pub struct TlsRecords {
    socket: TcpStream,
    sealing: Box<dyn MessageEncrypter>,
    version: ProtocolVersion,
    /// The number that the next record has.
    next: u64,
}

impl TlsRecords {
    /// Connects and shakes hands for TLS 1.3.
    #[track_caller]
    pub fn connect(server: SocketAddr) -> TlsRecords {
        TlsRecords::with(server, TLS13_CHACHA20_POLY1305_SHA256)
    }

    /// The same for TLS 1.2.
    #[track_caller]
    pub fn connect_tls12(server: SocketAddr) -> TlsRecords {
        TlsRecords::with(server, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)
    }

    #[track_caller]
    fn with(server: SocketAddr, suite: SupportedCipherSuite) -> TlsRecords {
        let mut socket = TcpStream::connect_timeout(&server, PATIENCE).expect("connecting");
        socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        let name = ServerName::try_from("localhost").expect("a name");
        let terms = TlsTerms::for_own_records(suite);
        let mut client = ClientConnection::new(terms.config(), name).expect("good terms");
        while client.is_handshaking() {
            client.complete_io(&mut socket).expect("a handshake");
        }
        let version = suite.version().version;
        let secrets = client
            .dangerous_extract_secrets()
            .expect("nothing was said yet");
        let (next, ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets.tx else {
            panic!("no other suite was offered");
        };
        let sealing = match suite {
            SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
            SupportedCipherSuite::Tls12(suite) => suite.aead_alg.encrypter(key, iv.as_ref(), &[]),
        };
        TlsRecords {
            socket,
            sealing,
            version,
            next,
        }
    }

    /// Sends one record.
    pub fn send(&mut self, kind: ContentType, payload: &[u8]) {
        let sealed = self.seal(kind, payload);
        self.socket.write_all(&sealed).expect("the server takes it");
    }

    /// Sends one record so often, as far as the server takes that.
    pub fn send_often(&mut self, count: usize, kind: ContentType, payload: &[u8]) {
        let sealed: Vec<u8> = (0..count).flat_map(|_| self.seal(kind, payload)).collect();
        let _ = self.socket.write_all(&sealed);
    }

    /// Says a line, in one record.
    pub fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.send(ContentType::ApplicationData, line.as_bytes());
    }

    /// Reads until the server ends the connection, in whatever way.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let mut raw = [0; 4096];
        let deadline = Instant::now() + LONG_PATIENCE;
        let patience = Some(Duration::from_secs(1));
        self.socket.set_read_timeout(patience).expect("a deadline");
        loop {
            assert!(Instant::now() < deadline, "wanted the end");
            match self.socket.read(&mut raw) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    fn seal(&mut self, kind: ContentType, payload: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ: kind,
            version: self.version,
            payload: OutboundChunks::Single(payload),
        };
        let sealed = self.sealing.encrypt(message, self.next).expect("sealing");
        self.next += 1;
        sealed.encode()
    }
}
