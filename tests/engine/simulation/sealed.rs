//! What stands for TLS: it seals any number of the bytes that it is offered, which may not have a place
//! in the kernel yet, and promises them; takes them once all of the sealed ones have one; and may end
//! without a word, or break. Owned by a virtual socket.

use fastrand::Rng;

/// What a record costs beside what is in it.
const RECORD_OVERHEAD: usize = 22;

/// The sealed side of a socket.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    /// What was promised, and is not taken.
    promised: Vec<u8>,
    /// Of the records that hold it, so much has no place in the kernel.
    unsent: usize,
    /// What was promised when the turn began.
    pub(crate) promised_before: usize,
    /// It ends without saying that this is its end.
    pub(crate) is_truncated: bool,
    /// What comes next cannot be understood.
    pub(crate) is_faulty: bool,
    /// Nor anything behind it.
    pub(crate) has_failed: bool,
}

impl Sealed {
    /// Seals some of what is offered, unless something is sealed. How much is to be written then; a
    /// fault if it is offered another beginning than it has promised.
    pub(crate) fn seal(&mut self, offered: &[u8], rng: &mut Rng) -> Result<usize, String> {
        if self.promised.is_empty() {
            let count = match rng.u32(..4) {
                0 => rng.usize(1..=offered.len()),
                _ => offered.len(),
            };
            self.promised.extend_from_slice(&offered[..count]);
            self.unsent = count + RECORD_OVERHEAD;
        }
        if !offered.starts_with(&self.promised) {
            return Err("it is offered something else than it has promised".into());
        }
        Ok(self.unsent)
    }

    /// So much of the records was written. What is taken, if that was all.
    pub(crate) fn sent(&mut self, count: usize) -> Option<usize> {
        self.unsent -= count;
        (self.unsent == 0).then(|| std::mem::take(&mut self.promised).len())
    }

    pub(crate) fn promised(&self) -> usize {
        self.promised.len()
    }

    /// What it holds beside the kernel.
    pub(crate) fn held_bytes(&self) -> usize {
        self.unsent
    }

    pub(crate) fn fail(&mut self) {
        self.has_failed = true;
        self.promised.clear();
        self.unsent = 0;
    }
}
