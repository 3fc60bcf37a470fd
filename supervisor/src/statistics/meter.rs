//! The cost of processes, read from /proc: processor time, memory, bytes written, descriptors, threads. Memory takes
//! milliseconds to read where many rings are mapped, so this is nothing for the loop's thread.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proto::process::Pid;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// The span of a write rate: a clip is written in a burst, and only a sustained rate wears a disk.
const WRITES_EVERY: Duration = Duration::from_secs(10);

/// One process's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Of one core, since the last reading.
    pub(crate) cpu_percent: f64,
    pub(crate) rss_bytes: u64,
    pub(crate) pss_bytes: u64,
    /// Since the process was started.
    pub(crate) written_bytes: u64,
    /// Over the last whole span of ten seconds.
    pub(crate) written_bytes_per_s: f64,
    pub(crate) fds: u64,
    pub(crate) threads: u64,
}

/// Reads processes, and remembers what rates are taken from.
pub(crate) struct Meter {
    /// `None` where sysinfo can't read this system; then processor time and written bytes are 0.
    system: Option<System>,
    writes: WriteRates,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { system: System::new().ok(), writes: WriteRates::new(Instant::now()) }
    }

    /// Reads these processes. A process that is gone has no reading.
    pub(crate) fn read(&mut self, pids: &[Pid]) -> HashMap<Pid, Reading> {
        let mut readings = HashMap::new();
        self.refresh(pids);
        for pid in pids {
            let process = self.system.as_ref().and_then(|system| system.process(for_sysinfo(*pid)));
            // Without sysinfo a process is there as long as /proc has it.
            if process.is_none() && (self.system.is_some() || !pid.proc("stat").exists()) {
                continue;
            }
            let (rss_bytes, pss_bytes) = memory(*pid);
            readings.insert(
                *pid,
                Reading {
                    cpu_percent: process.map_or(0.0, |process| f64::from(process.cpu_usage())),
                    rss_bytes,
                    pss_bytes,
                    written_bytes: process.map_or(0, |process| process.disk_usage().total_written_bytes),
                    written_bytes_per_s: 0.0,
                    fds: entries(*pid, "fd"),
                    threads: entries(*pid, "task"),
                },
            );
        }
        let written = readings.iter().map(|(pid, reading)| (*pid, reading.written_bytes)).collect();
        let rates = self.writes.look(Instant::now(), written);
        for (pid, reading) in &mut readings {
            reading.written_bytes_per_s = rates.get(pid).copied().unwrap_or(0.0);
        }
        readings
    }

    fn refresh(&mut self, pids: &[Pid]) {
        let Some(system) = &mut self.system else { return };
        let what = ProcessRefreshKind::nothing().with_cpu().with_disk_usage().without_tasks();
        // sysinfo forgets a process that has ended only when it is asked for it once more.
        let mut all: Vec<sysinfo::Pid> = system.processes().keys().copied().collect();
        all.extend(pids.iter().map(|pid| for_sysinfo(*pid)));
        // Once each: between two looks at the same moment no process has used the processor.
        all.sort_unstable();
        all.dedup();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&all), true, what);
    }
}

/// Bytes handed to disks a second, taken over ten seconds.
struct WriteRates {
    since: Instant,
    then: HashMap<Pid, u64>,
    rates: HashMap<Pid, f64>,
}

impl WriteRates {
    fn new(now: Instant) -> Self {
        Self { since: now, then: HashMap::new(), rates: HashMap::new() }
    }

    /// `written`: bytes so far, by pid. Returns the rates of the last whole span.
    fn look(&mut self, now: Instant, written: HashMap<Pid, u64>) -> &HashMap<Pid, f64> {
        let passed = now.saturating_duration_since(self.since);
        if passed >= WRITES_EVERY {
            let rate = |(pid, total): (&Pid, &u64)| {
                #[expect(clippy::cast_precision_loss, reason = "bytes of ten seconds")]
                let bytes = total.saturating_sub(self.then.get(pid).copied().unwrap_or(0)) as f64;
                (*pid, bytes / passed.as_secs_f64())
            };
            self.rates = written.iter().map(rate).collect();
            (self.since, self.then) = (now, written);
        }
        &self.rates
    }
}

fn for_sysinfo(pid: Pid) -> sysinfo::Pid {
    sysinfo::Pid::from_u32(pid.as_u32())
}

/// RSS and PSS in bytes. PSS divides each shared page among the processes that share it, so a sum of PSS counts a ring
/// once and a sum of RSS once a process. sysinfo knows only RSS.
fn memory(pid: Pid) -> (u64, u64) {
    let text = std::fs::read_to_string(pid.proc("smaps_rollup")).unwrap_or_default();
    (rollup(&text, "Rss:"), rollup(&text, "Pss:"))
}

/// A line of `smaps_rollup`, in bytes; 0 where it is missing.
fn rollup(text: &str, key: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(key));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The number of entries in one of a process's folders in /proc.
fn entries(pid: Pid, folder: &str) -> u64 {
    std::fs::read_dir(pid.proc(folder)).map_or(0, |entries| entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_read_its_own_figures_and_one_that_is_gone_has_none() {
        let own = Pid::this();
        let without_sysinfo = Meter { system: None, ..Meter::new() };
        for mut meter in [Meter::new(), without_sysinfo] {
            // No process has such a number: /proc/sys/kernel/pid_max is 2^22 at most.
            let readings = meter.read(&[own, Pid::new(u32::MAX >> 1).unwrap()]);
            assert_eq!(readings.len(), 1);
            let own = readings[&own];
            assert!(0 < own.pss_bytes && own.pss_bytes <= own.rss_bytes, "{own:?}");
            assert!(own.fds > 2 && own.threads > 0, "{own:?}");
        }
    }

    #[test]
    fn memory_is_read_by_its_exact_name() {
        let text = "00400000-7ffd [rollup]\nRss:   1024 kB\nPss:    512 kB\nPss_Dirty: 7 kB\n";
        assert_eq!(
            (rollup(text, "Rss:"), rollup(text, "Pss:"), rollup(text, "Swap:")),
            (1 << 20, 1 << 19, 0)
        );
    }

    #[test]
    fn a_write_rate_is_that_of_the_last_ten_seconds() {
        let start = Instant::now();
        let mut writes = WriteRates::new(start);
        let mut look = |s, bytes| {
            let written = HashMap::from([(Pid::this(), bytes)]);
            writes.look(start + Duration::from_secs(s), written).get(&Pid::this()).copied()
        };
        assert_eq!(look(9, 1_000), None);
        assert_eq!(look(10, 1_000), Some(100.0));
        assert_eq!(look(15, 9_000), Some(100.0));
        assert_eq!(look(20, 11_000), Some(1_000.0));
        assert_eq!(look(30, 11_000), Some(0.0));
    }
}
