//! TLS, in the only file that knows rustls. [`Tls`] is the TLS of one link: bytes of the socket ↔ bytes
//! of the conversation, without a socket; the link owns it. [`Trust`] is which server is believed;
//! the run loop owns it. Which keys the user has trusted before, `known_servers` knows.

use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct,
    Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier as SystemVerifier;

use crate::flags::{Address, Flags};
use crate::known_servers;
use crate::session::LinkEnd;

/// What we say that we want to speak, so that a server of something else can tell.
const PROTOCOL: &[u8] = b"chatd";

/// See the file.
#[derive(Debug)]
pub struct Tls {
    connection: Box<ClientConnection>,
    server: Address,
    /// Whether the server has said that nothing more comes.
    is_over: bool,
}

impl Tls {
    /// Seals bytes for the server, behind what waits inside; before the handshake is done, they do.
    pub fn seal(&mut self, plain: &[u8], sealed: &mut Vec<u8>) {
        // It takes all, without a bound: how much comes here is bounded by the session.
        let _ = self.connection.writer().write_all(plain);
        self.take_sealed(sealed);
    }

    /// Opens all that is in bytes of the server, and appends what these ask us to write. With an
    /// error, what came before it is there all the same.
    pub fn open(
        &mut self,
        mut bytes: &[u8],
        plain: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<(), LinkEnd> {
        while !bytes.is_empty() && !self.is_over {
            let outcome = match self.connection.read_tls(&mut bytes) {
                Ok(_) => self.connection.process_new_packets(),
                Err(error) => Err(Error::General(error.to_string())),
            };
            // It ends with an error that says that there is no more for the moment.
            let _ = self.connection.reader().read_to_end(plain);
            self.take_sealed(sealed);
            self.is_over = outcome
                .map_err(|error| explain(&self.server, &error))?
                .peer_has_closed();
        }
        if self.is_over {
            Err(LinkEnd::Closed)
        } else {
            Ok(())
        }
    }

    /// Says that nothing more comes from us.
    pub fn close(&mut self, sealed: &mut Vec<u8>) {
        self.connection.send_close_notify();
        self.take_sealed(sealed);
    }

    fn take_sealed(&mut self, sealed: &mut Vec<u8>) {
        // Memory takes all of it at once, or in as many pieces as there are.
        while self.connection.wants_write() && self.connection.write_tls(sealed).is_ok() {}
    }
}

/// What an error means for the link.
fn explain(server: &Address, error: &Error) -> LinkEnd {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
            let told = why.downcast_ref().map(|Distrust(end)| end.clone());
            told.unwrap_or_else(|| LinkEnd::Refused(format!("{server} is not trusted: {why}")))
        }
        Error::InvalidCertificate(why) => {
            LinkEnd::Refused(format!("{server} is not trusted: {}", in_words(why)))
        }
        Error::InvalidMessage(_) => LinkEnd::Foreign(format!("{server} does not speak TLS")),
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            LinkEnd::Foreign(format!("{server} speaks TLS, but not chat"))
        }
        _ => LinkEnd::Broken(error.to_string()),
    }
}

fn in_words(error: &CertificateError) -> String {
    use CertificateError as Is;
    match error {
        Is::UnknownIssuer => "no known authority signed its certificate".into(),
        Is::Expired | Is::ExpiredContext { .. } => "its certificate has expired".into(),
        Is::NotValidForName | Is::NotValidForNameContext { .. } => {
            "its certificate is for another name".into()
        }
        _ => format!("its certificate is not valid ({error})"),
    }
}

/// Which server is believed, and how that is found out.
#[derive(Debug)]
pub struct Trust {
    server: Address,
    config: Arc<ClientConfig>,
}

/// What decides.
#[derive(Debug, Clone)]
enum Basis {
    /// The key that the command line says, alone.
    Given(String),
    /// The key that the user has once trusted, alone.
    Known(String),
    /// The authority that the command line says, alone.
    Authority(Arc<WebPkiServerVerifier>),
    /// The authorities of this machine, or the user. No verifier: there are none.
    System(Option<Arc<SystemVerifier>>),
}

impl Trust {
    /// As the command line says; else why it cannot be obeyed. `None` without TLS.
    pub fn of(flags: &Flags) -> Result<Option<Trust>, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let basis = match (&flags.tls_pin, &flags.tls_ca) {
            (Some(key), _) => Basis::Given(key.clone()),
            (None, Some(file)) => Basis::Authority(authority(file, &provider)?),
            _ if !flags.tls => return Ok(None),
            _ => match known_servers::key_of(&flags.address)? {
                Some(key) => Basis::Known(key),
                None => Basis::System(SystemVerifier::new(provider).ok().map(Arc::new)),
            },
        };
        let (server, config) = (flags.address.clone(), config(&flags.address, basis));
        Ok(Some(Trust { server, config }))
    }

    /// From now on this key is the one of the server, here and for every client of this user. An
    /// error means that the others will not know.
    pub fn remember(&mut self, key: &str) -> Result<(), String> {
        self.config = config(&self.server, Basis::Known(key.to_owned()));
        known_servers::remember(&self.server, key)
    }

    /// The TLS of a new link.
    pub fn start(&self) -> Result<Tls, LinkEnd> {
        let server = self.server.clone();
        let unreachable = |why: &dyn fmt::Display| {
            LinkEnd::Unreachable(format!("cannot speak TLS with {server}: {why}"))
        };
        let name = ServerName::try_from(server.host.clone()).map_err(|why| unreachable(&why))?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name);
        let mut connection = connection.map_err(|why| unreachable(&why))?;
        connection.set_buffer_limit(None);
        Ok(Tls {
            connection: Box::new(connection),
            server,
            is_over: false,
        })
    }
}

fn authority(
    file: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, String> {
    let fault = |why: &dyn fmt::Display| format!("--tls-ca {}: {why}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|why| fault(&why))? {
        let certificate = certificate.map_err(|why| fault(&why))?;
        roots.add(certificate).map_err(|why| fault(&why))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|_| fault(&"there is no certificate in it"))
}

fn config(server: &Address, basis: Basis) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier {
        server: server.clone(),
        basis,
        provider: Arc::clone(&provider),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Arc::new(config)
}

/// Judges certificates. That the server has the private key for it, is checked in any case.
#[derive(Debug)]
struct Verifier {
    server: Address,
    basis: Basis,
    provider: Arc<CryptoProvider>,
}

/// A judgement, on its way through rustls.
#[derive(Debug)]
struct Distrust(LinkEnd);

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Distrust {}

impl Verifier {
    /// Whether to believe the server that has this key; `vouch` asks an authority.
    fn judge(
        &self,
        key: String,
        vouch: impl Fn(&dyn ServerCertVerifier) -> Result<(), String>,
    ) -> Result<(), LinkEnd> {
        let server = &self.server;
        let vouched = match &self.basis {
            Basis::Given(known) | Basis::Known(known) if *known == key => return Ok(()),
            Basis::Given(known) => Err(format!(
                "{server} has the key {key}, and --tls-pin says {known}"
            )),
            Basis::Known(known) => Err(format!(
                "the key of {server} has changed: it was {known} and now is {key}. Somebody may \
                 stand between; if not, take the line of {server} out of {}",
                known_servers::file().unwrap_or_default().display()
            )),
            Basis::Authority(authority) => vouch(&**authority)
                .map_err(|why| format!("{server} is not trusted: {why}; its key is {key}")),
            Basis::System(authorities) => {
                let none = || Err("this machine knows no authority".to_owned());
                let authorities = authorities.as_ref();
                return authorities
                    .map_or_else(none, |authorities| vouch(&**authorities))
                    .map_err(|why| LinkEnd::Stranger { key, why });
            }
        };
        vouched.map_err(LinkEnd::Refused)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let vouch = |authority: &dyn ServerCertVerifier| {
            let outcome = authority.verify_server_cert(certificate, chain, name, ocsp, now);
            outcome.map(drop).map_err(|error| match error {
                Error::InvalidCertificate(why) => in_words(&why),
                error => error.to_string(),
            })
        };
        match self.judge(fingerprint(certificate)?, vouch) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(end) => Err(CertificateError::Other(OtherError(Arc::new(Distrust(end)))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// SHA-256 of the public key, which a renewed certificate may keep.
fn fingerprint(certificate: &CertificateDer<'_>) -> Result<String, Error> {
    let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    let suite = aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13();
    let hash = suite.expect("it is one of TLS 1.3").common.hash_provider;
    Ok(written(hash.hash(&key).as_ref()))
}

/// What is given as the SHA-256 of a key, in the form in which keys are compared and shown.
pub fn parse_key(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('=');
    let digest = BASE64_STANDARD_NO_PAD.decode(text.strip_prefix("SHA256:").unwrap_or(text));
    match digest {
        Ok(digest) if digest.len() == 32 => Ok(written(&digest)),
        _ => Err("expected is SHA256: and 43 characters, as chatd logs it at its start".to_owned()),
    }
}

fn written(digest: &[u8]) -> String {
    format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_given_in_several_forms() {
        let digits = "+/".repeat(21);
        let wanted = Ok(format!("SHA256:{digits}8"));
        for text in [
            format!("SHA256:{digits}8"),
            format!("{digits}8"),
            format!("{digits}8="),
        ] {
            assert_eq!(parse_key(&text), wanted, "{text}");
        }
        for text in ["", "SHA256:", "abcd", &"é".repeat(43), &"0".repeat(64)] {
            assert!(parse_key(text).is_err(), "{text}");
        }
    }
}
