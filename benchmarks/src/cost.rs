//! What a running Preroll costs, as the kernel counts it: looked at twice a second, all its processes together and by
//! role. Or what any other processes cost, by the same way of counting.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use rig::supervisor::Place;

/// How often everyone is looked at. A peak that is shorter is averaged over this.
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

/// What it cost.
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

/// What one process had used up at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) cpu: Duration,
    written_bytes: u64,
}

/// Looks at every process of a Preroll until it is told to end.
#[must_use]
pub fn measure(place: &Place, over: &AtomicBool) -> Cost {
    watch(|| everyone(place), over)
}

/// Looks at some processes, each by its role, until it is told to end.
#[must_use]
pub fn watch(processes: impl Fn() -> Vec<(String, Pid)>, over: &AtomicBool) -> Cost {
    let (mut memory, mut cpu, mut disk, mut disk_mb) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    let mut roles: BTreeMap<String, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    let mut before: BTreeMap<i32, Used> = BTreeMap::new();
    let mut at = Instant::now();
    loop {
        let now = Instant::now();
        let passed = (now - at).as_secs_f64();
        let (mut all_mb, mut all_cpu, mut all_disk) = (0.0, 0.0, 0.0);
        let mut used = BTreeMap::new();
        let mut of_role: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for (role, pid) in processes() {
            let raw = pid.as_raw_nonzero().get();
            let proc = format!("/proc/{raw}");
            let (Some(mb), Some(now)) = (pss_mb(&proc), used_up(Path::new(&proc))) else { continue };
            // Of one that is new, what it has used since it began.
            let last = before.get(&raw).copied().unwrap_or_default();
            let share = now.cpu.saturating_sub(last.cpu).as_secs_f64() / passed * 100.0;
            let written = mega(now.written_bytes.saturating_sub(last.written_bytes));
            (all_mb, all_cpu, all_disk) = (all_mb + mb, all_cpu + share, all_disk + written);
            let entry = of_role.entry(role).or_default();
            *entry = (entry.0 + mb, entry.1 + share);
            used.insert(raw, now);
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
pub(super) fn everyone(place: &Place) -> Vec<(String, Pid)> {
    let supervisor = place.supervisor().map(|pid| ("supervisor".to_owned(), pid));
    let role = |id: String| id.split(' ').next().unwrap_or_default().to_owned();
    let children = place.children().into_iter().map(|(id, pid)| (role(id.to_string()), pid));
    supervisor.into_iter().chain(children).collect()
}

/// Megabytes (PSS) of all processes together, now.
pub(super) fn memory_mb(place: &Place) -> f64 {
    let mb = |(_, pid): &(String, Pid)| pss_mb(&format!("/proc/{}", pid.as_raw_nonzero()));
    everyone(place).iter().filter_map(mb).sum()
}

/// A process and all that it has started, directly or not, and that still runs.
#[must_use]
pub fn descendants(root: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((Pid::from_raw(name.parse().ok()?)?, Pid::from_raw(parent)?))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// What some processes have used of a processor since they began.
#[must_use]
pub fn processor_time(processes: &[Pid]) -> Duration {
    let used = |pid: &Pid| used_up(Path::new(&format!("/proc/{}", pid.as_raw_nonzero())));
    processes.iter().filter_map(used).map(|used| used.cpu).sum()
}

fn pss_mb(proc: &str) -> Option<f64> {
    let rollup = std::fs::read_to_string(format!("{proc}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1.024e-3)
}

/// Processor time in clock ticks, of threads that have ended too; and what was handed to disks.
pub(super) fn used_up(proc: &Path) -> Option<Used> {
    let stat = std::fs::read_to_string(proc.join("stat")).ok()?;
    // Behind the name, which may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let cpu = Duration::from_millis((ticks()? + ticks()?) * 1000 / rustix::param::clock_ticks_per_second());
    let io = std::fs::read_to_string(proc.join("io")).ok()?;
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?;
    Some(Used { cpu, written_bytes: written.trim().parse().ok()? })
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
pub(super) fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
