//! What the generator's ends of TLS agree on: TLS 1.3, X25519, AES-128-GCM, no resumption; and as
//! little of it at the client as there can be, since the server is measured: no certificate is
//! looked at. Used by `stream`, the bare loops and the handshakes.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{self as provider, Ticketer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
};

use super::fault::Fault;

/// A client that is about to say hello.
pub(crate) fn client() -> Result<ClientConnection, Fault> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = match CONFIG.get() {
        Some(config) => config,
        None => {
            let made = Arc::new(client_config().map_err(Fault::tls("preparing a client"))?);
            CONFIG.get_or_init(|| made)
        }
    };
    let name = ServerName::try_from("localhost").expect("it is a name");
    ClientConnection::new(Arc::clone(config), name).map_err(Fault::tls("making a client"))
}

/// The first words of a client, for those who never say a second.
pub(crate) fn hello() -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    client()?
        .write_tls(&mut bytes)
        .map_err(Fault::io("writing a hello"))?;
    Ok(bytes)
}

fn client_config() -> Result<ClientConfig, Error> {
    let mut crypto = provider::default_provider();
    crypto.cipher_suites = vec![provider::cipher_suite::TLS13_AES_128_GCM_SHA256];
    crypto.kx_groups = vec![provider::kx_group::X25519];
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_secret_extraction = true;
    Ok(config)
}

/// A server on chatd's terms: with the certificate that it was given on its command line, or one
/// like that which it makes for itself.
pub(crate) fn server_config(server_args: &[String]) -> Result<ServerConfig, Fault> {
    let (chain, key) = match given_files(server_args) {
        Some((cert, key)) => read_identity(&cert, &key)?,
        None => make_identity()?,
    };
    let made = || {
        let crypto = Arc::new(provider::default_provider());
        let mut config = ServerConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new()?;
        config.send_tls13_tickets = 1;
        config.enable_secret_extraction = true;
        Ok(config)
    };
    made().map_err(Fault::tls("preparing a server"))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn make_identity() -> Result<Identity, Fault> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.map_err(|error| Fault::NoServer(format!("making a certificate: {error}")))?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}

fn read_identity(cert: &PathBuf, key: &PathBuf) -> Result<Identity, Fault> {
    let read = |path| fs::read(path).map_err(Fault::io(format!("reading {path:?}")));
    let unusable = |error| Fault::NoServer(format!("reading {cert:?} and {key:?}: {error}"));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(cert)?).collect();
    let chain = chain.map_err(unusable)?;
    let key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(unusable)?;
    Ok((chain, key))
}

/// What chatd was told with `--tls-cert` and `--tls-key`.
fn given_files(args: &[String]) -> Option<(PathBuf, PathBuf)> {
    let value = |flag: &str| {
        let at = args.iter().position(|arg| arg.starts_with(flag))?;
        let attached = args[at].strip_prefix(flag)?.strip_prefix('=');
        let value = attached.map(str::to_owned);
        value.or_else(|| args.get(at + 1).cloned())
    };
    Some((value("--tls-cert")?.into(), value("--tls-key")?.into()))
}

/// Whoever it is, it is the server that was started here.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let crypto = provider::default_provider();
        crypto.signature_verification_algorithms.supported_schemes()
    }
}
