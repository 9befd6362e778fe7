//! Records of TLS 1.3 under AES-128-GCM (RFC 8446, 5.2), sealed and opened where they lie. After
//! the handshake, which is rustls's, the generator's receivers read with this, without a copy; and
//! the bare loop that chatd's TLS is held against seals with it. No more of TLS than that: a peer
//! that changes its keys is a fault.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;

/// Bytes before what is sealed.
pub(crate) const HEAD_BYTES: usize = 5;
/// The most that one record holds.
pub(crate) const PLAIN_BYTES_MAX: usize = 16 << 10;
/// Behind the plain bytes: what kind they are, and the tag.
const TAIL_BYTES: usize = 1 + 16;
/// The longest record.
pub(crate) const RECORD_BYTES_MAX: usize = HEAD_BYTES + PLAIN_BYTES_MAX + 256;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const CLOSE_NOTIFY: u8 = 0;
/// A handshake message behind the handshake that may be passed over.
const NEW_SESSION_TICKET: u8 = 4;

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Direction {
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
}

/// What was in a record.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    /// What was said.
    Data(&'a [u8]),
    /// A ticket to come back with.
    Ticket,
    /// The peer says no more.
    End,
    /// An alert, or what else is not expected.
    Unexpected(String),
}

impl Direction {
    /// Goes on where a handshake ended; `None` under another cipher.
    pub(crate) fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Option<Self> {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            return None;
        };
        Some(Direction {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).ok()?),
            iv: iv.as_ref().try_into().ok()?,
            sequence,
        })
    }

    /// How long these bytes are once they are sealed.
    pub(crate) fn sealed_bytes(plain_bytes: usize) -> usize {
        plain_bytes + plain_bytes.div_ceil(PLAIN_BYTES_MAX) * (HEAD_BYTES + TAIL_BYTES)
    }

    /// Seals all of `plain` into records, which fill `out`: it must be as long as they are.
    pub(crate) fn seal(&mut self, plain: &[u8], mut out: &mut [u8]) {
        for plain in plain.chunks(PLAIN_BYTES_MAX) {
            let length = ((plain.len() + TAIL_BYTES) as u16).to_be_bytes();
            let head = [DATA, 3, 3, length[0], length[1]];
            let nonce = self.next_nonce();
            let (record, rest) = out.split_at_mut(Direction::sealed_bytes(plain.len()));
            let (place, body) = record.split_at_mut(HEAD_BYTES);
            place.copy_from_slice(&head);
            let (body, tail) = body.split_at_mut(plain.len());
            self.key
                .seal_out_of_place_scatter(nonce, Aad::from(head), plain, body, &[DATA], tail)
                .expect("the lengths fit each other");
            out = rest;
        }
    }

    /// Opens one whole record, in its place.
    pub(crate) fn open<'a>(&mut self, record: &'a mut [u8]) -> Content<'a> {
        let (head, body) = record.split_at_mut(HEAD_BYTES);
        if head[0] != DATA {
            return Content::Unexpected(format!("a record of kind {} in the clear", head[0]));
        }
        let mut bound = [0; HEAD_BYTES];
        bound.copy_from_slice(head);
        let nonce = self.next_nonce();
        let Ok(plain) = self.key.open_in_place(nonce, Aad::from(bound), body) else {
            return Content::Unexpected("a record that was changed on its way".into());
        };
        let Some(end) = plain.iter().rposition(|byte| *byte != 0) else {
            return Content::Unexpected("a record of no kind".into());
        };
        let (kind, plain) = (plain[end], &plain[..end]);
        match (kind, plain) {
            (DATA, _) => Content::Data(plain),
            (HANDSHAKE, [NEW_SESSION_TICKET, ..]) => Content::Ticket,
            (ALERT, [_, CLOSE_NOTIFY]) => Content::End,
            (ALERT, [_, alert]) => Content::Unexpected(format!("alert {alert}")),
            _ => Content::Unexpected(format!("a record of kind {kind}")),
        }
    }

    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        let sequence = self.sequence.to_be_bytes();
        for (byte, of) in nonce[NONCE_LEN - 8..].iter_mut().zip(sequence) {
            *byte ^= of;
        }
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The length of the record that these bytes begin with, if all of it is there.
pub(crate) fn whole_record(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..HEAD_BYTES)?;
    let length = HEAD_BYTES + usize::from(u16::from_be_bytes([head[3], head[4]]));
    (bytes.len() >= length).then_some(length)
}
