//! The whole machine meanwhile, as the kernel counts it: what is left of its processors, how often they turn to
//! another thread, how often memory is touched that isn't mapped yet.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Counts since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    user: u64,
    system: u64,
    stolen: u64,
    idle: u64,
    switches: u64,
    faults: u64,
}

/// The same over some time. Percentages are of the whole machine: 100 is every core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Programs' own time.
    pub user_percent: f64,
    /// The kernel's time.
    pub system_percent: f64,
    /// Time in which this machine, a virtual one, did not get its turn.
    pub stolen_percent: f64,
    /// Idle time.
    pub idle_percent: f64,
    /// From one thread to another.
    pub switches_per_s: f64,
    /// Page faults.
    pub faults_per_s: f64,
}

impl Counts {
    /// Now. What can't be read is zero.
    #[must_use]
    pub fn now() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/stat"), &read("/proc/vmstat"))
    }

    /// `proc(5)`: user, nice, system, idle, iowait, irq, softirq, steal, in clock ticks.
    fn parse(stat: &str, vmstat: &str) -> Self {
        let numbers = |text: &str, key: &str| -> Vec<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
            line.unwrap_or_default().split_whitespace().filter_map(|n| n.parse().ok()).collect()
        };
        let cpu = numbers(stat, "cpu");
        let sum =
            |fields: &[usize]| fields.iter().map(|field| cpu.get(*field).copied().unwrap_or(0)).sum::<u64>();
        let one = |text: &str, key: &str| numbers(text, key).first().copied().unwrap_or(0);
        Self {
            user: sum(&[0, 1]),
            system: sum(&[2, 5, 6]),
            stolen: sum(&[7]),
            idle: sum(&[3, 4]),
            switches: one(stat, "ctxt"),
            faults: one(vmstat, "pgfault"),
        }
    }

    /// From then until now, which took so long.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
    pub fn since(self, then: Self, passed: Duration) -> Rates {
        let grown = |of: fn(&Self) -> u64| of(&self).saturating_sub(of(&then)) as f64;
        let (user, system) = (grown(|c| c.user), grown(|c| c.system));
        let (stolen, idle) = (grown(|c| c.stolen), grown(|c| c.idle));
        let percent = |ticks: f64| ticks / (user + system + stolen + idle).max(1.0) * 100.0;
        let seconds = passed.as_secs_f64().max(1e-9);
        Rates {
            user_percent: percent(user),
            system_percent: percent(system),
            stolen_percent: percent(stolen),
            idle_percent: percent(idle),
            switches_per_s: grown(|c| c.switches) / seconds,
            faults_per_s: grown(|c| c.faults) / seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read_as_they_are_documented() {
        let then =
            Counts::parse("cpu  10 5 7 100 3 1 2 4 0 0\ncpu0 1 1 1\nctxt 50\n", "pgfault_x 9\npgfault 7\n");
        let expected = Counts { user: 15, system: 10, stolen: 4, idle: 103, switches: 50, faults: 7 };
        assert_eq!(then, expected);
        let now = Counts { user: 75, system: 30, idle: 123, switches: 250, ..then };
        let rates = now.since(then, Duration::from_secs(2));
        assert_eq!((rates.user_percent, rates.system_percent, rates.idle_percent), (60.0, 20.0, 20.0));
        assert_eq!((rates.switches_per_s, rates.faults_per_s), (100.0, 0.0));
    }

    #[test]
    fn a_kernel_that_says_nothing_is_no_panic() {
        assert_eq!(Counts::parse("", ""), Counts::default());
        assert_eq!(Counts::default().since(Counts::default(), Duration::ZERO), Rates::default());
    }
}
