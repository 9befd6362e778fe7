//! The reader of the journal: whatever the bytes are, it gives records up to some byte and none
//! behind it, says that byte, and never panics. What it gave is written as exactly those bytes; a cut
//! anywhere takes only the records that it cuts; and what is forgotten is not in what is left.
#![no_main]

use chatd::archive::{Record, Records, Recovery, Target, encode, without};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let summed = with_sums(bytes);
    for bytes in [bytes, &summed] {
        check(bytes);
    }
});

fn check(bytes: &[u8]) {
    let mut records = Records::new(bytes);
    let (mut written, mut ends) = (Vec::new(), Vec::new());
    while let Some(record) = records.next() {
        assert!(encode(&record, &mut written));
        assert_eq!(records.valid_bytes(), written.len());
        ends.push(written.len());
    }
    assert_eq!(written, bytes[..written.len()]);
    assert!(records.next().is_none());

    let cut = bytes
        .first()
        .map_or(0, |&byte| usize::from(byte) * bytes.len() / 256);
    let whole = ends.iter().filter(|&&end| end <= cut).count();
    assert_eq!(Records::new(&bytes[..cut]).count(), whole);

    let (older, newer) = bytes.split_at(ends.first().copied().unwrap_or(0));
    let recovery = Recovery::of(&[newer, older]);
    let newest = Records::new(bytes).map(|record| record.id()).max();
    assert_eq!(recovery.last, newest.unwrap_or_default());
    for forget in recovery.forgets.iter().take(4) {
        assert_is_left(bytes, forget);
        let brought_back = recovery
            .records
            .iter()
            .find(|record| is_meant(record, forget));
        assert!(brought_back.is_none(), "{brought_back:?}");
    }
}

fn assert_is_left(bytes: &[u8], forget: &chatd::archive::Forget<'_>) {
    let left = without(bytes, forget);
    let mut expected = Records::new(bytes).filter(|record| !is_meant(record, forget));
    let mut left = Records::new(&left);
    assert!(left.by_ref().all(|record| Some(record) == expected.next()));
    assert!(expected.next().is_none());
}

fn is_meant(record: &Record<'_>, forget: &chatd::archive::Forget<'_>) -> bool {
    let Record::Message { message, .. } = record else {
        return false;
    };
    match forget.target {
        Target::One(id) => message.id == id,
        Target::Sender(_) => message.id <= forget.at && forget.is_sender(message.from),
    }
}

/// The same bytes with lengths and checksums that are right, as far as that goes: else nothing
/// behind the first record would ever be read.
fn with_sums(bytes: &[u8]) -> Vec<u8> {
    let mut summed = Vec::new();
    let mut rest = bytes;
    while let Some((&[length], behind)) = rest.split_first_chunk::<1>() {
        let (body, behind) = behind.split_at(behind.len().min(length.into()));
        let stated = u32::try_from(body.len()).unwrap_or_default();
        summed.extend_from_slice(&stated.to_le_bytes());
        summed.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
        summed.extend_from_slice(body);
        rest = behind;
    }
    summed
}
