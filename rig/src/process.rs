//! One process, as the kernel describes it in `/proc`. A process that is gone answers `None`, never an error.

use std::time::Duration;

use proto::process::Pid;
use rustix::process::Signal;

/// Sends a signal.
///
/// # Errors
/// When the process is gone, or is somebody else's.
pub fn send(pid: Pid, signal: Signal) -> std::io::Result<()> {
    Ok(rustix::process::kill_process(pid.for_rustix(), signal)?)
}

/// Sends a signal to a process that may be gone by now.
pub fn signal(pid: Pid, signal: Signal) {
    let _ = send(pid, signal);
}

/// Every process of this machine.
pub fn all() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Does a process have this among its arguments?
#[must_use]
pub fn has_argument(pid: Pid, argument: &[u8]) -> bool {
    let line = std::fs::read(pid.proc("cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|its| its == argument)
}

/// The state's letter: `R` runs, `S` sleeps, `T` was stopped, `Z` waits to be reaped.
#[must_use]
pub fn state(pid: Pid) -> Option<char> {
    field(pid, STATE)?.chars().next()
}

/// Neither gone, nor waiting to be reaped, nor stopped.
#[must_use]
pub fn is_alive(pid: Pid) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X' | 'T'))
}

/// The process that started it, or that took it over.
#[must_use]
pub fn parent(pid: Pid) -> Option<Pid> {
    field(pid, PARENT)?.parse().ok()
}

/// The session that a process belongs to, by the pid of its first process.
#[must_use]
pub fn session(pid: Pid) -> Option<Pid> {
    field(pid, SESSION)?.parse().ok()
}

/// A process and all that it has started, directly or not, and that still runs.
#[must_use]
pub fn descendants(root: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = all().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// A process's memory in megabytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// All of it, each shared page divided among those that share it (PSS).
    pub pss_mb: f64,
    /// Heap and stacks: the part of it that is nobody else's.
    pub own_mb: f64,
}

/// Reads how much memory a process has. The kernel goes through its pages for this, which takes long with many rings.
#[must_use]
pub fn memory(pid: Pid) -> Option<Memory> {
    let rollup = std::fs::read_to_string(pid.proc("smaps_rollup")).ok()?;
    let mb = |key: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.split_whitespace().next()?.parse::<f64>().ok()? * KIB_IN_MB)
    };
    Some(Memory { pss_mb: mb("Pss:")?, own_mb: mb("Pss_Anon:")? })
}

/// Processor time and disk writes of a process since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Processor time, of threads that have ended too.
    pub cpu: Duration,
    /// Bytes handed to disks.
    pub written_bytes: u64,
}

/// Reads a process's processor time and disk writes.
#[must_use]
pub fn used(pid: Pid) -> Option<Used> {
    let ticks =
        field(pid, USER_TICKS)?.parse::<u64>().ok()? + field(pid, SYSTEM_TICKS)?.parse::<u64>().ok()?;
    let cpu = Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second());
    let io = std::fs::read_to_string(pid.proc("io")).ok()?;
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?;
    Some(Used { cpu, written_bytes: written.trim().parse().ok()? })
}

/// The number of descriptors that a process has open.
#[must_use]
pub fn descriptors(pid: Pid) -> Option<usize> {
    std::fs::read_dir(pid.proc("fd")).map(Iterator::count).ok()
}

/// The number of a process's threads.
#[must_use]
pub fn threads(pid: Pid) -> Option<usize> {
    std::fs::read_dir(pid.proc("task")).map(Iterator::count).ok()
}

/// The kernel's `kB` are 1024 bytes, and our megabytes are 10^6.
const KIB_IN_MB: f64 = 1.024e-3;

// The fields of /proc/PID/stat behind the name, by proc_pid_stat(5): there the state is the third.
const STATE: usize = 0;
const PARENT: usize = 1;
const SESSION: usize = 3;
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;

fn field(pid: Pid, number: usize) -> Option<String> {
    let stat = std::fs::read_to_string(pid.proc("stat")).ok()?;
    // The name before them may hold anything, a bracket too.
    stat.rsplit_once(") ")?.1.split(' ').nth(number).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_described_while_it_is_there() {
        let own = Pid::this();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::of(&child);
        assert_eq!(parent(pid), Some(own));
        assert!(descendants(own).contains(&pid) && all().any(|it| it == pid));
        crate::wait::until("its program", || has_argument(pid, b"600").then_some(())).unwrap();
        assert!(!has_argument(pid, b"60"));
        assert!(is_alive(pid) && threads(pid) == Some(1) && descriptors(pid) >= Some(3));
        assert!(memory(pid).is_some_and(|m| m.pss_mb > 0.0 && m.own_mb <= m.pss_mb));

        signal(pid, Signal::STOP);
        crate::wait::until("it to be stopped", || (state(pid) == Some('T')).then_some(())).unwrap();
        assert!(!is_alive(pid));
        signal(pid, Signal::KILL);
        crate::wait::until("it to wait to be reaped", || (state(pid) == Some('Z')).then_some(())).unwrap();
        child.wait().unwrap();
        assert_eq!((state(pid), parent(pid), memory(pid), used(pid)), (None, None, None, None));
    }

    #[test]
    fn processor_time_and_written_bytes_only_rise() {
        let own = Pid::this();
        let before = used(own).unwrap();
        let spun = crate::wait::until_every(Duration::ZERO, "some processor time", || {
            used(own).filter(|now| now.cpu > before.cpu)
        });
        assert!(spun.unwrap().written_bytes >= before.written_bytes);
    }
}
