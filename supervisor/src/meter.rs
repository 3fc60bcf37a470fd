//! What the processes cost: processor time, memory, bytes written.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Rates are taken over this long.
const EVERY: Duration = Duration::from_secs(1);

/// One process's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Of one core.
    pub(crate) cpu_percent: f64,
    pub(crate) rss_bytes: u64,
    pub(crate) pss_bytes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) fds: u64,
    pub(crate) threads: u64,
}

/// Measures processes once a second.
pub(crate) struct Meter {
    /// `None` where sysinfo can't read this system; then there are no rates.
    system: Option<System>,
    last: Instant,
    rates: HashMap<u32, (f64, f64)>,
    written: HashMap<u32, u64>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            system: System::new().ok(),
            last: Instant::now(),
            rates: HashMap::new(),
            written: HashMap::new(),
        }
    }

    /// Measures, if it is time to.
    pub(crate) fn measure(&mut self, pids: &[u32]) {
        let passed = self.last.elapsed();
        if passed < EVERY {
            return;
        }
        self.last = Instant::now();
        let them: Vec<Pid> = pids.iter().map(|p| Pid::from_u32(*p)).collect();
        let what = ProcessRefreshKind::nothing().with_cpu().with_disk_usage().without_tasks();
        let Some(system) = &mut self.system else { return };
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&them), true, what);
        self.rates.clear();
        let mut written = HashMap::new();
        for pid in pids {
            let Some(process) = system.process(Pid::from_u32(*pid)) else { continue };
            let total = process.disk_usage().total_written_bytes;
            let since = self.written.get(pid).map_or(0, |before| total.saturating_sub(*before));
            #[expect(clippy::cast_precision_loss, reason = "bytes of one second")]
            let rate = since as f64 / passed.as_secs_f64();
            self.rates.insert(*pid, (f64::from(process.cpu_usage()), rate));
            written.insert(*pid, total);
        }
        self.written = written;
    }

    /// What a process hands to disks, in bytes a second.
    pub(crate) fn read_rate(&self, pid: u32) -> f64 {
        self.rates.get(&pid).map_or(0.0, |(_, rate)| *rate)
    }

    /// A process as it stands now; memory and descriptors are read at this moment.
    pub(crate) fn read(&self, pid: u32) -> Reading {
        let cpu_percent = self.rates.get(&pid).map_or(0.0, |(cpu, _)| *cpu);
        let memory = rollup(pid);
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let count =
            |what: &str| std::fs::read_dir(proc.join(what)).map_or(0, |entries| entries.count() as u64);
        Reading {
            cpu_percent,
            rss_bytes: memory.0,
            pss_bytes: memory.1,
            written_bytes: self.written.get(&pid).copied().unwrap_or(0),
            fds: count("fd"),
            threads: count("task"),
        }
    }
}

/// RSS and PSS in bytes. PSS divides each shared page among those that share it, so sums of it count a ring once;
/// sums of RSS count it once a reader. sysinfo knows only RSS.
fn rollup(pid: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    (kib("Rss:").unwrap_or(0) * 1024, kib("Pss:").unwrap_or(0) * 1024)
}
