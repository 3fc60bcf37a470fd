//! What the processes cost: processor time, memory, bytes written.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proto::process::Pid;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Processor time is taken over this long.
const EVERY: Duration = Duration::from_secs(1);
/// Bytes written are taken over this long: a clip is written in a burst, and only what is sustained wears a disk.
const WRITES_EVERY: Duration = Duration::from_secs(10);

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
    cpu: HashMap<Pid, f64>,
    written: HashMap<Pid, u64>,
    last_writes: Instant,
    written_then: HashMap<Pid, u64>,
    write_rates: HashMap<Pid, f64>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            system: System::new().ok(),
            last: now,
            cpu: HashMap::new(),
            written: HashMap::new(),
            last_writes: now,
            written_then: HashMap::new(),
            write_rates: HashMap::new(),
        }
    }

    /// Measures, if it is time to.
    pub(crate) fn measure(&mut self, pids: &[Pid]) {
        let passed = self.last.elapsed();
        if passed < EVERY {
            return;
        }
        self.last = Instant::now();
        let what = ProcessRefreshKind::nothing().with_cpu().with_disk_usage().without_tasks();
        let Some(system) = &mut self.system else { return };
        // sysinfo forgets a process that has ended only when it is asked for it once more.
        let mut them: Vec<sysinfo::Pid> = system.processes().keys().copied().collect();
        them.extend(pids.iter().map(|p| sysinfo::Pid::from_u32(p.as_u32())));
        // Once each: between a look and the next at the same moment nobody has used the processor.
        them.sort_unstable();
        them.dedup();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&them), true, what);
        let known =
            |pid: &Pid| system.process(sysinfo::Pid::from_u32(pid.as_u32())).map(|process| (*pid, process));
        self.cpu = pids.iter().filter_map(known).map(|(pid, p)| (pid, f64::from(p.cpu_usage()))).collect();
        self.written =
            pids.iter().filter_map(known).map(|(pid, p)| (pid, p.disk_usage().total_written_bytes)).collect();
        let passed = self.last_writes.elapsed();
        if passed >= WRITES_EVERY {
            self.last_writes = Instant::now();
            let then = std::mem::replace(&mut self.written_then, self.written.clone());
            let rate = |(pid, total): (&Pid, &u64)| {
                #[expect(clippy::cast_precision_loss, reason = "bytes of ten seconds")]
                let since = total.saturating_sub(then.get(pid).copied().unwrap_or(0)) as f64;
                (*pid, since / passed.as_secs_f64())
            };
            self.write_rates = self.written.iter().map(rate).collect();
        }
    }

    /// What a process hands to disks, in bytes a second.
    pub(crate) fn read_rate(&self, pid: Pid) -> f64 {
        self.write_rates.get(&pid).copied().unwrap_or(0.0)
    }

    /// A process as it stands now; memory and descriptors are read at this moment.
    pub(crate) fn read(&self, pid: Pid) -> Reading {
        let cpu_percent = self.cpu.get(&pid).copied().unwrap_or(0.0);
        let memory = rollup(pid);
        let count =
            |what: &str| std::fs::read_dir(pid.proc(what)).map_or(0, |entries| entries.count() as u64);
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
fn rollup(pid: Pid) -> (u64, u64) {
    let text = std::fs::read_to_string(pid.proc("smaps_rollup")).unwrap_or_default();
    let kib = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    (kib("Rss:").unwrap_or(0) * 1024, kib("Pss:").unwrap_or(0) * 1024)
}
