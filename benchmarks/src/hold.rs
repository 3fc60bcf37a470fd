//! So many cameras, armed, for so long: is every frame kept, and what does it cost? Nothing is recorded.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use proto::process::Pid;
use rig::instance::Instance;
use rig::process::{self, Used};
use rig::supervisor::Supervisor;
use serde::{Deserialize, Serialize};

use crate::cameras::Cameras;
use crate::cost;
use crate::intervals::{Counted, Look};
use crate::kernel::{Counts, Rates};

/// After a start processes find their size; so long nothing is counted, and longer if a ring is not full by then.
const SETTLE: Duration = Duration::from_secs(3);
/// Frames of a camera that may fall to the other side of a look: what its driver keeps, and one at each end.
const AT_THE_ENDS: u64 = 10;

/// A point: some cameras, armed for a while, with everything that was measured of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Point {
    /// Number of cameras.
    pub cameras: u32,
    /// No frame was dropped, no process ended.
    pub held: bool,
    /// The reason why they were not held.
    pub why: Option<String>,
    /// Percent of one core, all processes together.
    pub cpu_percent: f64,
    /// The same by role.
    pub roles: BTreeMap<String, f64>,
    /// Megabytes (PSS), all processes together, with full rings.
    pub memory_mb: f64,
    /// Frames that came into the rings.
    pub frames: u64,
    /// Bytes of frames that came into the rings, all of them together.
    #[serde(default)]
    pub bytes_per_s: f64,
    /// Frames that cameras made and rings did not get.
    pub dropped: u64,
    /// Milliseconds from one frame to the next: 99 of 100 are shorter.
    pub interval_p99_ms: f64,
    /// The longest.
    pub interval_max_ms: f64,
    /// The whole machine meanwhile.
    pub machine: Rates,
    /// Percent of a core for each camera, if its frames are only copied.
    pub copies_cpu_percent: Option<f64>,
    /// The same if its frames have hardly a pixel: what is left is waking for each of them, and announcing it.
    #[serde(default)]
    pub wakeups_cpu_percent: Option<f64>,
}

/// Starts so many cameras, looks on, and stops them.
///
/// # Errors
/// When Preroll isn't there, or leaves something behind. That it doesn't come up is an answer.
pub fn hold(cameras: &Cameras<'_>, seconds: f64) -> anyhow::Result<Point> {
    let folder = tempfile::tempdir()?;
    let config = cameras.write_config(folder.path())?;
    let mut supervisor = Supervisor::start(&config)?;
    // Readiness is read from the log: stats would have every process's memory looked through, again and again. Twice, since very many
    // cameras take their time.
    let ready = "[INFO] ready: ";
    if let Err(e) = supervisor.wait_for(ready).or_else(|_| supervisor.wait_for(ready)) {
        let text = format!("{e:#}");
        let why = text.lines().last().unwrap_or_default().to_owned();
        return Ok(Point { cameras: cameras.count, why: Some(why), ..Point::default() });
    }
    let point = look_on(cameras, supervisor.instance(), seconds)?;
    let leftover = supervisor.stop()?;
    ensure!(!point.held || leftover.is_empty(), "{leftover}");
    Ok(point)
}

#[expect(clippy::cast_precision_loss, reason = "a number of frames")]
fn look_on(cameras: &Cameras<'_>, instance: &Instance, seconds: f64) -> anyhow::Result<Point> {
    let names: Vec<String> = (1..=cameras.count).map(Cameras::name).collect();
    let rings = names.iter().map(|name| instance.ring(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let first = rings.first().context("no cameras")?.spec();
    let full = first.fps.period() * u32::try_from(first.size.slots() + 1).unwrap_or(u32::MAX);
    std::thread::sleep(SETTLE.max(full));
    let look = || rings.iter().map(|ring| Look::at(ring)).collect::<Vec<_>>();
    let (began, before, machine) = (Instant::now(), look(), Counts::now());
    let used = Spent::now(instance);
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let spent = Spent::now(instance);
    let (passed, machine) = (began.elapsed(), Counts::now().since(machine, began.elapsed()));
    let counted = Counted::between(&before, &look());
    // Only now: going through the pages of so many rings takes its time, and holds up who maps them.
    let memory_mb = cost::memory_mb(instance);
    // Of each: one that stands still must not hide behind the others.
    let missing = first.fps.as_f64() * passed.as_secs_f64() - (counted.fewest + AT_THE_ENDS) as f64;
    let ended = used.by_pid.keys().any(|pid| !spent.by_pid.contains_key(pid));
    let why = if counted.dropped > 0 {
        Some(format!("{} frames dropped", counted.dropped))
    } else if counted.restarts > 0 || ended {
        Some("a process ended".to_owned())
    } else if missing > 0.0 {
        Some(format!("{missing:.0} frames of one camera did not come in time"))
    } else {
        None
    };
    let roles = spent.since(&used, passed);
    Ok(Point {
        cameras: cameras.count,
        held: why.is_none(),
        why,
        cpu_percent: roles.values().sum(),
        roles,
        memory_mb,
        frames: counted.frames,
        bytes_per_s: counted.frames as f64 * first.geometry.frame_bytes() as f64 / passed.as_secs_f64(),
        dropped: counted.dropped,
        interval_p99_ms: counted.p99.as_secs_f64() * 1e3,
        interval_max_ms: counted.longest.as_secs_f64() * 1e3,
        machine,
        copies_cpu_percent: None,
        wakeups_cpu_percent: None,
    })
}

/// The processor time of everyone so far.
struct Spent {
    by_pid: HashMap<Pid, (String, Used)>,
}

impl Spent {
    fn now(instance: &Instance) -> Self {
        let look = |(role, pid)| Some((pid, (role, process::used(pid)?)));
        Self { by_pid: cost::everyone(instance).into_iter().filter_map(look).collect() }
    }

    /// Percent of a core by role.
    fn since(&self, before: &Self, passed: Duration) -> BTreeMap<String, f64> {
        let mut roles = BTreeMap::new();
        for (pid, (role, used)) in &self.by_pid {
            let then = before.by_pid.get(pid).map(|(_, used)| used.cpu).unwrap_or_default();
            let share = used.cpu.saturating_sub(then).as_secs_f64() / passed.as_secs_f64() * 100.0;
            *roles.entry(role.clone()).or_default() += share;
        }
        roles
    }
}
