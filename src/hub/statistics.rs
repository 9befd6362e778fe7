//! `Statistics`: what the hub has counted since it began. Only numbers; net logs them. Owned by
//! delivery.

use crate::dialect::Refusal;
use crate::dialect::refusal::CODES;
use crate::session::CloseReason;

/// Counters of one server.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Connections that have a name.
    pub clients: usize,
    /// Rooms that have members.
    pub rooms: usize,
    /// Lines that came in, of all kinds.
    pub lines_in: u64,
    /// Messages that were said in rooms, each counted once.
    pub messages: u64,
    /// Bytes that came from connections.
    pub received_bytes: u64,
    /// Bytes that connections took.
    pub sent_bytes: u64,
    /// Lines of rooms that were laid into outboxes.
    pub deliveries_out: u64,
    /// Memory that outboxes hold, each block counted once.
    pub unique_bytes: usize,
    /// Bytes queued, summed over all outboxes.
    pub queued_bytes: usize,
    /// Connections cut for reading too slowly.
    pub slow_consumers_cut: u64,
    /// Refusals by code.
    pub refusals: Vec<(&'static str, u64)>,
    /// Connections that have ended, by the place of their reason in [`CloseReason::ALL`].
    pub ends: [u64; CloseReason::ALL.len()],
}

impl Statistics {
    pub(super) fn count_refusal(&mut self, refusal: &Refusal<'_>) {
        let code = refusal.code();
        debug_assert!(CODES.contains(&code), "{code} is not among the codes");
        match self.refusals.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => self.refusals.push((code, 1)),
        }
    }

    pub(super) fn count_end(&mut self, reason: CloseReason) {
        self.ends[reason.index()] += 1;
    }
}
