//! The cost of a running Preroll, as the kernel counts it: looked at twice a second, all its processes together and by
//! role. The cost of any other processes, by the same way of counting.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proto::process::Pid;
use rig::instance::Instance;
use rig::process::{self, Used};
use serde::{Deserialize, Serialize};

/// From one look at every process to the next. A peak that is shorter is averaged over this.
const EVERY: Duration = Duration::from_millis(500);
/// The pages of many rings take their time to be gone through, which holds up who maps them: no more than this part of
/// the time is spent on it.
const PART: u32 = 20;

/// On the average, and at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Over the whole time.
    pub average: f64,
    /// In one look.
    pub peak: f64,
}

impl Level {
    #[expect(clippy::cast_precision_loss, reason = "a number of samples")]
    fn of(values: &[f64]) -> Self {
        let sum: f64 = values.iter().sum();
        let peak = values.iter().copied().fold(0.0, f64::max);
        Self { average: if values.is_empty() { 0.0 } else { sum / values.len() as f64 }, peak }
    }
}

/// Cost of some processes over a while.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Megabytes (PSS: each shared page divided among those that share it), all processes together.
    pub memory_mb: Level,
    /// Percent of one core, all processes together.
    pub cpu_percent: Level,
    /// Megabytes a second handed to disks, all processes together.
    pub disk_mb_per_s: Level,
    /// Megabytes handed to disks.
    pub disk_mb: f64,
    /// The same by role: megabytes, and percent of one core.
    pub roles: BTreeMap<String, (Level, Level)>,
}

/// Looks at every process of a Preroll until it is told to end.
#[must_use]
pub fn measure(instance: &Instance, over: &AtomicBool) -> Cost {
    watch(|| everyone(instance), over)
}

/// Looks at some processes, each by its role, until it is told to end.
#[must_use]
pub fn watch(processes: impl Fn() -> Vec<(String, Pid)>, over: &AtomicBool) -> Cost {
    let (mut memory, mut cpu, mut disk, mut disk_mb) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    let mut roles: BTreeMap<String, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    let mut before: HashMap<Pid, Used> = HashMap::new();
    let mut at = Instant::now();
    loop {
        let now = Instant::now();
        let passed = (now - at).as_secs_f64();
        let (mut all_mb, mut all_cpu, mut all_disk) = (0.0, 0.0, 0.0);
        let mut used = HashMap::new();
        let mut of_role: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for (role, pid) in processes() {
            let (Some(memory), Some(now)) = (process::memory(pid), process::used(pid)) else { continue };
            let mb = memory.pss_mb;
            // Of one that is new, what it has used since it began.
            let last = before.get(&pid).copied().unwrap_or_default();
            let share = now.cpu.saturating_sub(last.cpu).as_secs_f64() / passed * 100.0;
            let written = mega(now.written_bytes.saturating_sub(last.written_bytes));
            (all_mb, all_cpu, all_disk) = (all_mb + mb, all_cpu + share, all_disk + written);
            let entry = of_role.entry(role).or_default();
            *entry = (entry.0 + mb, entry.1 + share);
            used.insert(pid, now);
        }
        // The first look is only where the counting begins.
        if !before.is_empty() {
            memory.push(all_mb);
            cpu.push(all_cpu);
            disk.push(all_disk / passed);
            disk_mb += all_disk;
            for (role, (mb, share)) in of_role {
                let (mbs, shares) = roles.entry(role).or_default();
                mbs.push(mb);
                shares.push(share);
            }
        }
        (before, at) = (used, now);
        if over.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(EVERY.max(now.elapsed() * PART));
    }
    Cost {
        memory_mb: Level::of(&memory),
        cpu_percent: Level::of(&cpu),
        disk_mb_per_s: Level::of(&disk),
        disk_mb,
        roles: roles.into_iter().map(|(role, (mb, cpu))| (role, (Level::of(&mb), Level::of(&cpu)))).collect(),
    }
}

/// The supervisor and its children, by role.
pub(super) fn everyone(instance: &Instance) -> Vec<(String, Pid)> {
    instance.family().into_iter().map(|(member, pid)| (member.role(), pid)).collect()
}

/// Megabytes (PSS) of all processes together, now.
pub(super) fn memory_mb(instance: &Instance) -> f64 {
    everyone(instance).iter().filter_map(|(_, pid)| process::memory(*pid)).map(|memory| memory.pss_mb).sum()
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
pub(super) fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
