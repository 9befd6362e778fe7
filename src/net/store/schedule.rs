//! `Schedule`: when what was handed over is committed, and when that is synced, so that a power cut takes
//! a second of it at most. Owned by the writer, who does it.

use std::time::{Duration, Instant};

use super::pending::Pending;
use super::settings::StoreSettings;

/// So much is committed before its time, and at a time.
pub(super) const COMMIT_BYTES: usize = 4 << 20;

/// When to do what.
#[derive(Debug)]
pub(super) struct Schedule {
    commit_interval: Duration,
    sync_interval: Duration,
    /// When the last commit began that was synced.
    synced_at: Instant,
    /// How long one takes.
    takes: Duration,
}

impl Schedule {
    pub(super) fn new(settings: &StoreSettings, now: Instant) -> Schedule {
        Schedule {
            commit_interval: settings.commit_interval,
            sync_interval: settings.sync_interval,
            synced_at: now,
            // Until it is known better.
            takes: settings.sync_interval / 8,
        }
    }

    /// When the last commit began that was synced.
    pub(super) fn synced_at(&self) -> Instant {
        self.synced_at
    }

    /// When to commit at the latest.
    pub(super) fn commit_at(&self, pending: &Pending) -> Option<Instant> {
        Some(pending.uncommitted_since()? + self.commit_interval)
    }

    /// When to begin a sync at the latest: it is to end before the first message that is not synced
    /// has waited for longer than it may. Who is behind syncs no more often for that, and does not
    /// fall behind further.
    pub(super) fn sync_at(&self, pending: &Pending) -> Option<Instant> {
        let interval = self.sync_interval;
        let margin = (2 * self.takes).clamp(interval / 20, interval / 4);
        let sync_at = pending.unsynced_since()? + interval - margin;
        Some(if pending.uncommitted_bytes() > COMMIT_BYTES {
            sync_at.max(self.synced_at + interval)
        } else {
            sync_at
        })
    }

    /// Whether a commit now is to be synced.
    pub(super) fn does_sync(&self, pending: &Pending, now: Instant) -> bool {
        now >= self.synced_at + self.sync_interval
            || self.sync_at(pending).is_some_and(|at| now >= at)
    }

    /// A commit was synced.
    pub(super) fn note_sync(&mut self, began_at: Instant, took: Duration) {
        self.synced_at = began_at;
        // What took long will so again, for a while.
        self.takes = took.max(self.takes / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::MessageId;
    use crate::net::store::shared::Chunk;

    const RUN: Duration = Duration::from_secs(15);

    /// A writer that is handed something every so often, as the thread does it but with a clock of its
    /// own: how long anything waited until it was synced, at most, and how many syncs that were.
    fn run(every: Duration, bytes: usize, takes: impl Fn(u32) -> Duration) -> (Duration, u32) {
        let start = Instant::now();
        let mut schedule = Schedule::new(&StoreSettings::new("".into()), start);
        let mut pending = Pending::default();
        let (mut now, mut handed_at) = (start, start + Duration::from_millis(700));
        let (mut longest, mut syncs) = (Duration::ZERO, 0);
        while now < start + RUN {
            let mut chunks: Vec<Chunk> = Vec::new();
            while handed_at <= now {
                chunks.push(Chunk {
                    bytes: vec![0; bytes],
                    end: 0,
                    since: handed_at,
                });
                handed_at += every;
            }
            pending.extend(chunks);
            let due = schedule.commit_at(&pending).is_some_and(|at| now >= at);
            let is_late = schedule.sync_at(&pending).is_some_and(|at| now >= at);
            if due || is_late || pending.uncommitted_bytes() >= COMMIT_BYTES {
                let began_at = now;
                let syncs_now = schedule.does_sync(&pending, now);
                let count = pending.batch(COMMIT_BYTES).count();
                now += takes(syncs);
                pending.commit(count, MessageId::ZERO);
                if syncs_now {
                    syncs += 1;
                    let oldest = pending.unsynced_since().expect("there is something");
                    longest = longest.max(now - oldest);
                    pending.sync();
                    schedule.note_sync(began_at, now - began_at);
                }
            }
            now += Duration::from_millis(2);
        }
        (longest, syncs)
    }

    #[test]
    fn nothing_waits_for_longer_than_a_second() {
        let millis = Duration::from_millis;
        for every in [5, 40, 260, 700, 1100, 5000] {
            for took in [1, 20, 100] {
                let (longest, syncs) = run(millis(every), 100, |_| millis(took));
                let what = format!("one every {every} ms, {took} ms a sync: {longest:?}, {syncs}");
                assert!(longest <= millis(1010), "{what}");
                // Once a second, and earlier by as much as it may take.
                let most = RUN.as_millis() / u128::from(1000 - 2 * took.max(25)) + 1;
                assert!(u128::from(syncs) <= most, "{what}");
            }
        }
        // Where one takes long of a sudden, that and the commit before it come on top of it.
        let takes = |number| millis(if number % 7 == 0 { 240 } else { 5 });
        let (longest, _) = run(millis(10), 100, takes);
        assert!(longest <= millis(1000 + 2 * 240), "{longest:?}");
    }

    #[test]
    fn who_is_behind_syncs_once_a_second() {
        // Twice as much as can be committed.
        let (_, syncs) = run(Duration::from_millis(50), 1 << 20, |_| {
            Duration::from_millis(400)
        });
        assert!(
            (8..=u32::try_from(RUN.as_secs()).unwrap()).contains(&syncs),
            "{syncs}"
        );
    }
}
