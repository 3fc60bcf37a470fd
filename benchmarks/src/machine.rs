//! The machine that a figure was measured on. Without it a figure says nothing.

use serde::{Deserialize, Serialize};

/// A machine, as far as it matters for what is measured here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Cores that may be used.
    pub cores: usize,
    /// Main memory in megabytes.
    pub memory_mb: u64,
    /// The kernel's version.
    pub kernel: String,
    /// The system's name.
    pub system: String,
    /// Processes that wanted to run when it began: more than none of them shared the machine.
    pub load: String,
    /// The date and time, in UTC.
    pub date: String,
}

impl Machine {
    /// This machine, now.
    #[must_use]
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, key: &str, between: char| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(between)?.1.trim().trim_matches('"').to_owned())
        };
        let memory = value(&read("/proc/meminfo"), "MemTotal", ':').unwrap_or_default();
        let kib: u64 = memory.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let load = read("/proc/loadavg");
        Self {
            processor: value(&read("/proc/cpuinfo"), "model name", ':').unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mb: kib * 1024 / 1_000_000,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            system: value(&read("/etc/os-release"), "PRETTY_NAME", '=').unwrap_or_default(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            date: proto::time::UtcTime::from_unix_ns(proto::time::WallAnchor::now().unix_ns).to_string(),
        }
    }
}
