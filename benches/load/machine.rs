//! What the generator asks of Linux: cores, descriptors, and the CPU time and memory of a
//! process out of /proc. Nothing here knows chat.

use std::fs;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity, set_current_timer_slack};

/// Which core is the server's and which are the generator's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    server: CpuSet,
    own: CpuSet,
    own_count: usize,
}

impl Cores {
    /// The server gets `server_cpu`, the generator all others it may use; on a machine
    /// with a single core both share it.
    pub(crate) fn split(server_cpu: usize) -> Self {
        let all = sched_getaffinity(None).unwrap_or_default();
        let mut server = CpuSet::new();
        server.set(server_cpu);
        let mut own = all;
        own.unset(server_cpu);
        if own.count() == 0 {
            own = all;
        }
        Cores {
            server,
            own,
            own_count: own.count().max(1) as usize,
        }
    }

    /// Number of cores of the generator.
    pub(crate) fn own_count(&self) -> usize {
        self.own_count
    }

    /// Keeps the calling thread, and threads and children it starts, to the generator's cores.
    pub(crate) fn keep_to_own(&self) {
        set(&self.own);
    }

    /// Runs `start` on the server's core, so that a child started in it stays there.
    pub(crate) fn on_server_core<T>(&self, start: impl FnOnce() -> T) -> T {
        set(&self.server);
        let started = start();
        set(&self.own);
        started
    }
}

fn set(cores: &CpuSet) {
    if let Err(error) = sched_setaffinity(None, cores) {
        eprintln!("load: cannot pin to a core, figures will be less steady: {error}");
    }
}

/// Raises the soft limit of open files to the hard one.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        eprintln!("load: cannot raise the limit of open files: {error}");
    }
}

/// Makes sleeps of the calling thread end when they should; without it Linux adds 50 µs.
pub(crate) fn sleep_exactly() {
    // A kernel without this call only makes the pauses longer.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
}

/// What a process had of its cores.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CpuTime {
    /// On a core.
    pub(crate) used: Duration,
    /// Ready, but the core was taken.
    pub(crate) waited: Duration,
}

/// A process seen from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) id: u32,
}

impl Process {
    /// CPU time of all its threads, exact to the nanosecond, and the time they were ready to run
    /// while somebody else had the core.
    pub(crate) fn cpu(&self) -> CpuTime {
        let Ok(threads) = fs::read_dir(self.file("task")) else {
            return CpuTime::default();
        };
        let files = threads
            .flatten()
            .map(|thread| thread.path().join("schedstat"));
        let mut total = CpuTime::default();
        for words in files.filter_map(|file| fs::read_to_string(file).ok()) {
            let mut nanos = words.split_whitespace().map_while(|word| word.parse().ok());
            total.used += Duration::from_nanos(nanos.next().unwrap_or(0));
            total.waited += Duration::from_nanos(nanos.next().unwrap_or(0));
        }
        total
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let rollup = fs::read_to_string(self.file("smaps_rollup"));
        let Ok(words) = rollup.or_else(|_| fs::read_to_string(self.file("status"))) else {
            return 0;
        };
        let line = words
            .lines()
            .find_map(|line| line.strip_prefix("Rss:").or(line.strip_prefix("VmRSS:")));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or(0) * 1024
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.id))
    }
}
