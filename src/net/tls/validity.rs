//! `Validity`: from when until when a certificate is good, which webpki keeps to itself. Nothing else
//! is read of the certificate, and nothing is judged. Owned by an identity, while it is made.

use time::OffsetDateTime;
use yasna::tags::TAG_UTCTIME;
use yasna::{ASN1Result, BERReader, BERReaderSeq, Tag};

/// The two times in a certificate (RFC 5280, 4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: OffsetDateTime,
    pub(super) not_after: OffsetDateTime,
}

impl Validity {
    /// That of a certificate in DER.
    ///
    /// # Errors
    /// What is not as in RFC 5280, 4.1.
    pub(super) fn of(certificate: &[u8]) -> ASN1Result<Validity> {
        yasna::parse_der(certificate, |certificate| {
            certificate.read_sequence(|parts| {
                let validity = parts.next().read_sequence(to_be_signed);
                skip_rest(parts)?;
                validity
            })
        })
    }
}

fn to_be_signed(fields: &mut BERReaderSeq<'_, '_>) -> ASN1Result<Validity> {
    // Version (which may be left out), serial number, signature algorithm, issuer.
    fields
        .read_optional(|version| version.read_tagged(Tag::context(0), |number| number.read_u8()))?;
    for _ in 0..3 {
        fields.next().read_der()?;
    }
    let validity = fields.next().read_sequence(|times| {
        Ok(Validity {
            not_before: time(times.next())?,
            not_after: time(times.next())?,
        })
    })?;
    skip_rest(fields)?;
    Ok(validity)
}

fn time(reader: BERReader<'_, '_>) -> ASN1Result<OffsetDateTime> {
    if reader.lookahead_tag()? == TAG_UTCTIME {
        Ok(*reader.read_utctime()?.datetime())
    } else {
        Ok(*reader.read_generalized_time()?.datetime())
    }
}

fn skip_rest(fields: &mut BERReaderSeq<'_, '_>) -> ASN1Result<()> {
    while fields.read_optional(|field| field.read_der())?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_dates_of_a_certificate_are_read_in_both_their_forms() {
        let key = KeyPair::generate().unwrap();
        // From 2050 on a year has four digits.
        for (first, last) in [
            (date_time_ymd(1970, 1, 1), date_time_ymd(2049, 12, 31)),
            (date_time_ymd(2050, 1, 1), date_time_ymd(9999, 12, 31)),
        ] {
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            (params.not_before, params.not_after) = (first, last);
            let certificate = params.self_signed(&key).unwrap();
            let validity = Validity::of(certificate.der()).unwrap();
            assert_eq!((validity.not_before, validity.not_after), (first, last));
            let length = certificate.der().len();
            for cut in 0..length {
                assert!(
                    Validity::of(&certificate.der()[..cut]).is_err(),
                    "{cut} bytes"
                );
            }
        }
    }
}
