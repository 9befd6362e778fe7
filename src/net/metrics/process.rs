//! What the kernel says of this process, as every program tells it to Prometheus. Functions; they own
//! nothing.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Files and sockets that are open.
pub(super) fn open_files() -> u64 {
    const FOLDER: &str = "/proc/self/fd";
    // Linux tells how many there are as the size of the folder since 6.2; before that it says 0,
    // and they are counted, of which one is the folder itself.
    match fs::metadata(FOLDER).map(|folder| folder.len()) {
        Ok(size) if size > 0 => size,
        _ => fs::read_dir(FOLDER).map_or(0, |files| files.count().saturating_sub(1) as u64),
    }
}

/// How many there may be; `None` if there is no limit.
pub(super) fn files_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// What the processor has worked for it so far.
pub(super) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
