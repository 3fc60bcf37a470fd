//! `benchmark memory`: what a longer pre-roll costs, beside what its rings should take. A ring's pages count when they have
//! been touched, so it is full before anybody looks.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::ensure;
use rig::supervisor::Supervisor;
use serde::{Deserialize, Serialize};

use crate::cameras::Cameras;
use crate::cost;
use crate::head::Head;

/// After the rings are full, until the memory is looked at.
const SETTLE: Duration = Duration::from_secs(1);
/// From one look at the rings to the next, and the time beyond their need that they may take to be full.
const GLANCE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(30);

/// The measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// Number of cameras, all simulated and armed.
    pub cameras: u32,
    /// Each one's pixels, as in 1280x720.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
    /// A point for each pre-roll.
    pub points: Vec<Point>,
}

/// The memory at one length of pre-roll.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Point {
    /// The pre-roll.
    pub pre_roll_ms: u64,
    /// Megabytes of all rings, by the formula.
    pub rings_mb: f64,
    /// Megabytes (PSS) of all processes together, rings included.
    pub memory_mb: f64,
}

/// Measures each pre-roll, given in milliseconds.
///
/// # Errors
/// When Preroll doesn't start, or leaves something behind.
pub fn measure(cameras: u32, size: &str, fps: u32, pre_rolls_ms: &[u64]) -> anyhow::Result<Results> {
    let head = Head::begin("memory");
    let point = |ms: &u64| {
        let pre_roll = Some(Duration::from_millis(*ms));
        point(&Cameras { pre_roll, ..Cameras::simulated(cameras, size, fps) })
    };
    let points = pre_rolls_ms.iter().map(point).collect::<anyhow::Result<_>>()?;
    Ok(Results { head, cameras, size: size.into(), fps, points })
}

fn point(cameras: &Cameras<'_>) -> anyhow::Result<Point> {
    let folder = tempfile::tempdir()?;
    let mut supervisor = Supervisor::start(&cameras.write_config(folder.path())?)?;
    supervisor.wait_for("[INFO] ready: ")?;
    let mut rings_mb = 0.0;
    for name in (1..=cameras.count).map(Cameras::name) {
        let ring = supervisor.instance().ring(&name)?;
        let slots = ring.spec().size.slots();
        let until = Instant::now() + ring.spec().fps.period() * u32::try_from(slots)? + PATIENCE;
        while ring.head() <= slots as u64 {
            ensure!(Instant::now() < until, "camera {name}: its ring does not get full");
            std::thread::sleep(GLANCE);
        }
        rings_mb += cost::mega(ring.total_bytes() as u64);
    }
    std::thread::sleep(SETTLE);
    let memory_mb = cost::memory_mb(supervisor.instance());
    let leftover = supervisor.stop()?;
    ensure!(leftover.is_empty(), "{leftover}");
    let pre_roll_ms = cameras.pre_roll.map_or(0, |pre_roll| pre_roll.as_millis());
    Ok(Point { pre_roll_ms: u64::try_from(pre_roll_ms)?, rings_mb, memory_mb })
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} cameras (sim), {} at {} fps, armed, rings full; load {}",
            self.cameras, self.size, self.fps, self.head.machine.load
        )?;
        writeln!(f, "{:>11} {:>11} {:>16} {:>11}", "pre-roll ms", "rings MB", "all MB (PSS)", "the rest MB")?;
        for point in &self.points {
            let rest = point.memory_mb - point.rings_mb;
            writeln!(
                f,
                "{:>11} {:>11.1} {:>16.1} {rest:>11.1}",
                point.pre_roll_ms, point.rings_mb, point.memory_mb
            )?;
        }
        Ok(())
    }
}
