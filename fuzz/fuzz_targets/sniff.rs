//! Which language a connection speaks: any bytes in any pieces give the verdict of the whole, as a
//! model says it that sees them at once; it is there in time, and nothing changes it.
#![no_main]

use chatd::dialect::sniff::{ForeignProtocol, SNIFF_BYTES_MAX, Verdict, verdict};
use libfuzzer_sys::fuzz_target;

const METHODS: [&[u8]; 10] = [
    b"GET", b"POST", b"HEAD", b"PUT", b"PATCH", b"OPTIONS", b"DELETE", b"CONNECT", b"TRACE", b"PRI",
];

fuzz_target!(|bytes: &[u8]| {
    let expected = model(bytes);
    assert_eq!(verdict(bytes, true), expected);
    let mut is_final = false;
    for length in 0..=bytes.len().min(2 * SNIFF_BYTES_MAX) {
        let early = verdict(&bytes[..length], false);
        if early == Verdict::More {
            assert!(length < SNIFF_BYTES_MAX, "{length} bytes say nothing");
            assert!(!is_final, "it is unsaid after {length} bytes");
            // Nothing but what all these bytes begin may be waited for.
            assert!(may_become_another(&bytes[..length]), "it waits for nothing");
        } else {
            assert_eq!(early, expected, "after {length} bytes");
            is_final = true;
        }
    }
});

/// What a stream is that ends here.
fn model(bytes: &[u8]) -> Verdict {
    let is_request = |method: &&[u8]| {
        let rest = bytes.strip_prefix(*method);
        rest.is_some_and(|rest| rest.starts_with(b" "))
    };
    if bytes.starts_with(&[22, 3]) {
        return Verdict::Tls;
    }
    if bytes.starts_with(b"SSH-1.") || bytes.starts_with(b"SSH-2.") {
        return Verdict::Foreign(ForeignProtocol::Ssh);
    }
    if METHODS.iter().any(is_request) {
        return Verdict::Http;
    }
    let blanks = bytes.iter().take_while(|byte| b" \t".contains(byte));
    match blanks.count() {
        blanks if blanks >= SNIFF_BYTES_MAX => Verdict::Text,
        blanks if bytes.get(blanks) == Some(&b'{') => Verdict::Json,
        _ => Verdict::Text,
    }
}

/// Whether what comes behind these bytes decides what they are.
fn may_become_another(bytes: &[u8]) -> bool {
    let continued = [&b" "[..], b"{", b"\x03", b"\n"];
    let endings = METHODS
        .iter()
        .copied()
        .chain([&b"SSH-1."[..], b"SSH-2.", &[22, 3]]);
    let whole = endings
        .filter(|ending| ending.starts_with(bytes))
        .map(|e| [e, b" "].concat());
    let longer = continued.iter().map(|more| [bytes, more].concat());
    let models: Vec<Verdict> = whole.chain(longer).map(|bytes| model(&bytes)).collect();
    models.iter().any(|&other| other != models[0])
}
