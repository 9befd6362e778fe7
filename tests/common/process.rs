//! What the kernel says of a running process: memory, descriptors, time on the processor, its end; and
//! the one limit that can be changed from outside. Not how to start or end it (that is `Daemon`).
//! Linux only, as the server is where these tests run.

use std::collections::HashSet;
use std::fs;
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, getrlimit, pidfd_open, prlimit, setrlimit,
};

/// Whether a child has ended by now, or does within so long.
pub fn ends_within(child: &Child, patience: Duration) -> bool {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("a handle");
    let mut events = [PollFd::new(&process, PollFlags::IN)];
    let timeout = patience.try_into().expect("a timeout of some seconds");
    poll(&mut events, Some(&timeout)).expect("waiting for the process") > 0
}

/// Bytes of memory that the process holds now and that are no file's.
pub fn memory_bytes(process: u32) -> usize {
    kibibytes(process, "smaps_rollup", "Anonymous:") << 10
}

/// The most bytes of memory it ever held, files of the program included.
pub fn memory_peak_bytes(process: u32) -> usize {
    kibibytes(process, "status", "VmHWM:") << 10
}

fn kibibytes(process: u32, file: &str, field: &str) -> usize {
    let path = format!("/proc/{process}/{file}");
    let text = fs::read_to_string(&path).expect("the process runs");
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let value = line.and_then(|line| line.split_whitespace().next());
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {field} in {path}"))
}

/// How many files it has open.
pub fn open_files(process: u32) -> usize {
    descriptors(process).count()
}

fn descriptors(process: u32) -> impl Iterator<Item = u64> {
    let files = fs::read_dir(format!("/proc/{process}/fd")).expect("the process runs");
    files.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok())
}

/// The time it has spent on a processor.
pub fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    // The name, in parentheses, may hold anything; 11 fields on come the two times, in 1/100 s.
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    let times = fields.split(' ').skip(11).take(2);
    let ticks: u64 = times.filter_map(|time| time.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// From now on it can open no file beyond those it has. [`allow_files`] takes that back.
pub fn allow_no_more_files(process: u32) {
    let open: HashSet<u64> = descriptors(process).collect();
    let lowest_free = (0..).find(|number| !open.contains(number));
    set_files_max(process, lowest_free.expect("numbers are endless"));
}

/// It may open as many files as this process may.
pub fn allow_files(process: u32) {
    let most = getrlimit(Resource::Nofile).maximum;
    set_files_max(process, most.unwrap_or(1 << 20));
}

fn set_files_max(process: u32, files_max: u64) {
    let pid = Pid::from_raw(process.try_into().expect("a process id")).expect("not 0");
    let limit = Rlimit {
        current: Some(files_max),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    prlimit(Some(pid), Resource::Nofile, limit).expect("changing the limit of open files");
}

/// Lets this test open as many files as the system allows; gives how many.
pub fn raise_own_files_max() -> usize {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Where it cannot be raised, the test makes do.
    let _ = setrlimit(Resource::Nofile, raised);
    let now = getrlimit(Resource::Nofile).current;
    now.map_or(usize::MAX, |now| usize::try_from(now).unwrap_or(usize::MAX))
}
