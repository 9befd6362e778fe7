//! `Identity`: what the server shows that it is: a certificate and its key, read from PEM or made
//! here, and what there is to say of them. Where they come from and when they are read again is
//! `setup`'s. Owned by that.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::SignatureAlgorithm;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use webpki::EndEntityCert;

use super::validity::Validity;

/// How long a certificate of our own is good: nobody renews what nobody has asked for.
const OWN_DAYS: u64 = 3650;
/// A clock that is behind by less than this does not refuse it.
const CLOCK_SLACK: Duration = Duration::from_secs(24 * 60 * 60);
/// So long before the end it is said.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// A certificate with those that it hangs on, and its key.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    /// `SHA256:` and, in base64, the SHA-256 of the public key (SubjectPublicKeyInfo).
    pub(super) fingerprint: String,
    /// The names of machines that it is for.
    pub(super) names: Vec<String>,
    good_from: SystemTime,
    good_until: SystemTime,
    /// The last day on which it is good, as in 2036-11-25.
    pub(super) last_day: String,
}

/// A certificate or key that cannot be used; in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadIdentity(pub(super) String);

impl fmt::Display for BadIdentity {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for BadIdentity {}

impl Identity {
    /// From two files of PEM, which may be one.
    pub(super) fn read(cert_path: &Path, key_path: &Path) -> Result<Identity, BadIdentity> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map_err(|error| BadIdentity(format!("cannot read {}: {error}", path.display())))
        };
        let (cert_pem, key_pem) = (read(cert_path)?, read(key_path)?);
        let in_cert = |what: String| BadIdentity(format!("{}: {what}", cert_path.display()));
        let in_key = |what: String| BadIdentity(format!("{}: {what}", key_path.display()));
        let chain = certificates(&cert_pem).map_err(in_cert)?;
        let key = private_key(&key_pem).map_err(in_key)?;
        Identity::new(chain, key).map_err(|fault| match fault {
            Fault::Certificate(what) => in_cert(what),
            Fault::Key(what) => in_key(what),
        })
    }

    /// From the PEM that [`make`] gives.
    pub(super) fn of_pem(pem: &str) -> Result<Identity, BadIdentity> {
        let pem = pem.as_bytes();
        let chain = certificates(pem).map_err(BadIdentity)?;
        let key = private_key(pem).map_err(BadIdentity)?;
        Identity::new(chain, key).map_err(|fault| match fault {
            Fault::Certificate(what) | Fault::Key(what) => BadIdentity(what),
        })
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Identity, Fault> {
        let broken = |error: &dyn fmt::Display| {
            Fault::Certificate(format!("the certificate is broken: {error}"))
        };
        let first = chain.first().expect("a chain that is not empty");
        let certificate = EndEntityCert::try_from(first).map_err(|error| broken(&error))?;
        let public_key = certificate.subject_public_key_info();
        let names = certificate.valid_dns_names().map(str::to_owned).collect();
        let validity = Validity::of(first).map_err(|error| broken(&error))?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Fault::Key("this key is not the one of the certificate".into())
            }
            other => Fault::Key(format!("the key cannot be used: {other}")),
        })?;
        Ok(Identity {
            key: Arc::new(key),
            fingerprint: fingerprint(&public_key),
            names,
            good_from: validity.not_before.into(),
            good_until: validity.not_after.into(),
            last_day: validity.not_after.date().to_string(),
        })
    }

    /// Whether clients are going to refuse it for its dates.
    pub(super) fn is_out_of_date(&self, now: SystemTime) -> bool {
        !(self.good_from..=self.good_until).contains(&now)
    }

    /// What the operator is to be warned of.
    pub(super) fn warnings(&self, now: SystemTime) -> Vec<String> {
        let mut warnings = Vec::new();
        let day = &self.last_day;
        if now > self.good_until {
            warnings.push(format!(
                "the certificate expired on {day}: clients refuse it"
            ));
        } else if now + EXPIRES_SOON > self.good_until {
            warnings.push(format!("the certificate expires on {day}"));
        } else if now < self.good_from {
            warnings.push("the certificate is not good yet: clients refuse it".into());
        }
        if self.key.key.algorithm() == SignatureAlgorithm::RSA {
            warnings.push(
                "the certificate's key is RSA, which costs five times the CPU a handshake; \
                 prefer ECDSA (P-256)"
                    .into(),
            );
        }
        warnings
    }
}

enum Fault {
    Certificate(String),
    Key(String),
}

/// Makes a certificate for these names and addresses that its own key has signed, and gives both as
/// PEM.
pub(super) fn make(names: Vec<String>, now: SystemTime) -> Result<String, BadIdentity> {
    let made = || -> Result<String, rcgen::Error> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut subject = DistinguishedName::new();
        let name = names.first().map_or("chatd", String::as_str);
        subject.push(DnType::CommonName, name);
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = subject;
        params.not_before = offset(now - CLOCK_SLACK);
        params.not_after = offset(now + Duration::from_secs(OWN_DAYS * 24 * 60 * 60));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.self_signed(&key)?;
        Ok(certificate.pem() + &key.serialize_pem())
    };
    made().map_err(|error| BadIdentity(format!("cannot make a certificate: {error}")))
}

/// The cryptography that everything here uses.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| format!("this is no PEM: {error}"))?;
    if chain.is_empty() {
        return Err("there is no certificate in it".into());
    }
    Ok(chain)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    use rustls::pki_types::pem::Error;
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        Error::NoItemsFound => "there is no private key in it that is not encrypted".into(),
        other => format!("this is no PEM: {other}"),
    })
}

fn fingerprint(public_key: &[u8]) -> String {
    let suite = TLS13_AES_128_GCM_SHA256
        .tls13()
        .expect("a suite of TLS 1.3");
    let sha256 = suite.common.hash_provider.hash(public_key);
    format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(sha256))
}

fn offset(time: SystemTime) -> OffsetDateTime {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
