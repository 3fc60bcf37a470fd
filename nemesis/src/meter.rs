//! Memory, descriptors and threads of each process over time, as the kernel counts them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proto::process::Pid;
use rig::instance::Instance;
use rig::process;
use serde::Serialize;

use crate::slope::Slope;

/// From one sample of every process to the next.
const EVERY: Duration = Duration::from_secs(1);
/// A process that is younger is still finding its size.
const SETTLED: Duration = Duration::from_secs(5);

/// Of so many seconds the lowest sample counts: so many that every process has been at rest in them, a standby that
/// is warm during clips too.
const STRETCH_S: u64 = 60;

/// Memory, descriptors and threads of a process at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Since the measuring began.
    pub at: Duration,
    /// Memory of the process, each shared page divided among those that share it.
    pub pss_mb: f64,
    /// Of that, what is its own: heap and stacks. Rings and libraries are shared, so their part changes with who
    /// else runs.
    pub own_mb: f64,
    /// Open descriptors.
    pub fds: usize,
    /// Threads.
    pub threads: usize,
}

/// Everything seen of one process, through all of its lives.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Course {
    /// The number of pids it has had.
    pub lives: usize,
    /// Megabytes at the beginning and at the end.
    pub pss_mb: [f64; 2],
    /// Megabytes an hour, of all its memory: of the lowest that it had in each stretch of time.
    pub pss_slope: Option<Slope>,
    /// Megabytes an hour, of its own memory alone.
    pub own_slope: Option<Slope>,
    /// Descriptors at the beginning and at the end.
    pub fds: [usize; 2],
    /// Threads at the beginning and at the end.
    pub threads: [usize; 2],
}

/// Everyone's samples.
#[derive(Debug, Default)]
pub struct Meter {
    began: Option<Instant>,
    seen: BTreeMap<String, Vec<(Pid, Instant, Sample)>>,
}

impl Meter {
    /// Looks at everyone until it is told to end.
    pub fn run(&mut self, instance: &Instance, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            self.look(instance);
            std::thread::sleep(EVERY);
        }
        self.look(instance);
    }

    fn look(&mut self, instance: &Instance) {
        let began = *self.began.get_or_insert_with(Instant::now);
        for (member, pid) in instance.family() {
            let Some(sample) = sample(pid, began.elapsed()) else { continue };
            let seen = self.seen.entry(member.to_string()).or_default();
            let since = seen.last().filter(|last| last.0 == pid).map_or_else(Instant::now, |last| last.1);
            seen.push((pid, since, sample));
        }
    }

    /// The sum of it.
    #[must_use]
    pub fn courses(&self) -> BTreeMap<String, Course> {
        let Some(began) = self.began else { return BTreeMap::new() };
        let course = |samples: &Vec<(Pid, Instant, Sample)>| {
            let lives = samples.chunk_by(|a, b| a.0 == b.0).count();
            let settled = |(_, since, s): &&(Pid, Instant, Sample)| began + s.at >= *since + SETTLED;
            let settled: Vec<Sample> = samples.iter().filter(settled).map(|(_, _, s)| *s).collect();
            // Memory for an open clip is given back after it. A leak raises the floor.
            let slope = |of: fn(&Sample) -> f64| {
                let stretches =
                    settled.chunk_by(|a, b| a.at.as_secs() / STRETCH_S == b.at.as_secs() / STRETCH_S);
                let lowest = stretches.filter_map(|some| some.iter().min_by(|a, b| of(a).total_cmp(&of(b))));
                let points: Vec<_> = lowest.map(|s| (s.at.as_secs_f64() / 3600.0, of(s))).collect();
                Slope::through(&points)
            };
            let ends = settled.first().zip(settled.last()).map(|(a, b)| [*a, *b]);
            Course {
                lives,
                pss_mb: ends.map_or([0.0; 2], |e| e.map(|s| s.pss_mb)),
                pss_slope: slope(|s| s.pss_mb),
                own_slope: slope(|s| s.own_mb),
                fds: ends.map_or([0; 2], |e| e.map(|s| s.fds)),
                threads: ends.map_or([0; 2], |e| e.map(|s| s.threads)),
            }
        };
        self.seen.iter().map(|(who, samples)| (who.clone(), course(samples))).collect()
    }
}

fn sample(pid: Pid, at: Duration) -> Option<Sample> {
    let memory = process::memory(pid)?;
    Some(Sample {
        at,
        pss_mb: memory.pss_mb,
        own_mb: memory.own_mb,
        fds: process::descriptors(pid)?,
        threads: process::threads(pid)?,
    })
}

/// Ended processes that a process of this instance ought to have reaped.
#[must_use]
pub fn zombies(instance: &Instance) -> usize {
    let ours = instance.processes();
    let is_one = |pid: &Pid| {
        process::state(*pid) == Some('Z')
            && process::parent(*pid).is_some_and(|parent| ours.contains(&parent))
    };
    process::all().filter(is_one).count()
}
