//! `benchmark scale`: how many cameras this machine holds armed without losing a frame, what each of them costs on the way
//! there, and what sets the limit.

use std::fmt;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::cameras::Cameras;
use crate::copies;
use crate::head::Head;
use crate::hold::{self, Point};
use crate::search::Search;

/// A frame of this size costs only that there is one.
const NO_PIXELS: &str = "16x16";
/// With less than this of its time left a machine has none.
const NOTHING_LEFT_PERCENT: f64 = 5.0;

/// The plan of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Plan {
    /// Sizes of frames, as in 1280x720.
    pub sizes: Vec<String>,
    /// Frames a second.
    pub fps: u32,
    /// So long frames are counted, with each number of cameras.
    pub seconds: f64,
    /// So many cameras first.
    pub least: u32,
    /// No more cameras than this.
    pub most: u32,
}

/// The measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// The plan that was asked for.
    pub plan: Plan,
    /// A series for each size.
    pub series: Vec<Series>,
}

/// Cameras with one size of frame, more and more of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    /// As in 1280x720.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
    /// The largest number of cameras that was held.
    pub held: u32,
    /// The resource that sets that limit.
    pub bound: String,
    /// Bytes a second that one core copies, and all of them together, from frames into rings.
    pub copy_bytes_per_s: [f64; 2],
    /// In the order in which they were tried, one that failed twice.
    pub points: Vec<Point>,
}

/// Measures all of it, says each point as it comes, and has what is known by then kept: it takes its time, and who ends it
/// early has the rest.
///
/// # Errors
/// When not even one camera runs here, or what is known can't be kept.
pub fn measure(
    plan: &Plan,
    mut say: impl FnMut(&dyn fmt::Display),
    keep: impl Fn(&Results) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let head = Head::begin("scale");
    let cores = head.machine.cores;
    let series = Vec::new();
    let mut results = Results { head, plan: plan.clone(), series };
    for size in &plan.sizes {
        say(&format_args!("{size} at {} fps\n{}", plan.fps, Heading));
        let fps = plan.fps;
        let copy_bytes_per_s =
            [copies::at_full_speed(size, fps, 1)?, copies::at_full_speed(size, fps, cores)?];
        let (size, bound) = (size.clone(), String::new());
        let mut series = Series { size, fps, held: 0, bound, copy_bytes_per_s, points: Vec::new() };
        let mut search = Search::between(plan.least, plan.most);
        while let Some(count) = search.next() {
            let point = try_out(count, &series, plan)?;
            match point.frames {
                // A start that fails takes minutes, and is no matter of one bad moment.
                0 => search.is_too_much(count),
                _ => search.tried(count, point.held),
            }
            say(&point);
            series.points.push(point);
            series.held = search.held();
            series.bound = series.bound();
            let mut by_now = results.clone();
            by_now.series.push(series.clone());
            keep(&by_now)?;
        }
        say(&format_args!("held: {}; {}\n", series.held, series.bound));
        results.series.push(series);
    }
    Ok(())
}

fn try_out(count: u32, series: &Series, plan: &Plan) -> anyhow::Result<Point> {
    let Series { size, fps, .. } = series;
    let mut point = hold::hold(&Cameras::simulated(count, size, *fps), plan.seconds)?;
    let why = point.why.as_deref().unwrap_or_default();
    ensure!(count > 1 || point.held || point.frames > 0, "not even one camera: {why}");
    if point.held {
        let seconds = plan.seconds / 2.0;
        point.copies_cpu_percent = Some(copies::paced(count, size, *fps, seconds)?);
        point.wakeups_cpu_percent = Some(copies::paced(count, NO_PIXELS, *fps, seconds)?);
    }
    Ok(point)
}

impl Series {
    /// The resource that sets the limit, by what was measured where it was passed.
    fn bound(&self) -> String {
        let Some(failed) =
            self.points.iter().filter(|p| !p.held && p.cameras > self.held).min_by_key(|p| p.cameras)
        else {
            return "no limit was met: no more were asked for".into();
        };
        let why = failed.why.as_deref().unwrap_or_default();
        if failed.frames == 0 {
            return format!("with {} it does not come up: {why}", failed.cameras);
        }
        let machine = &failed.machine;
        let what = match machine.idle_percent {
            idle if idle < NOTHING_LEFT_PERCENT => "the processor",
            _ => "not the processor",
        };
        let held = self.points.iter().rev().find(|p| p.held && p.cameras == self.held);
        let parts = held.and_then(|p| {
            Some((p.cpu_percent / f64::from(p.cameras), p.copies_cpu_percent?, p.wakeups_cpu_percent?))
        });
        let parts = parts.map_or(String::new(), |(all, copies, wakeups)| {
            format!(
                "; with {}, a camera takes {all:.2} % of a core, of which copying its frames {:.2} and waking for them \
                 {wakeups:.2}",
                self.held,
                copies - wakeups
            )
        });
        format!(
            "{what}: with {} ({why}) the machine is {:.0} % in programs, {:.0} % in the kernel, {:.0} % stolen, {:.0} % \
             idle{parts}; {:.1} GB/s came into rings, where one core alone copies {:.1} and all together {:.1}; {:.0} \
             switches and {:.0} page faults a second",
            failed.cameras,
            machine.user_percent,
            machine.system_percent,
            machine.stolen_percent,
            machine.idle_percent,
            failed.bytes_per_s / 1e9,
            self.copy_bytes_per_s[0] / 1e9,
            self.copy_bytes_per_s[1] / 1e9,
            machine.switches_per_s,
            machine.faults_per_s,
        )
    }
}

/// The line above points.
struct Heading;

impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>7} {:>8} {:>9} {:>9} {:>9} {:>9} {:>10} {:>8} {:>8} {:>8}  ",
            "cameras",
            "cpu %",
            "a camera",
            "copies",
            "wakeups",
            "idle %",
            "memory MB",
            "p99 ms",
            "max ms",
            "frames"
        )
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent =
            |percent: Option<f64>| percent.map_or("–".into(), |percent: f64| format!("{percent:.2}"));
        let (copies, wakeups) = (percent(self.copies_cpu_percent), percent(self.wakeups_cpu_percent));
        write!(
            f,
            "{:>7} {:>8.1} {:>9.2} {copies:>9} {wakeups:>9} {:>9.0} {:>10.0} {:>8.1} {:>8.1} {:>8}  {}",
            self.cameras,
            self.cpu_percent,
            self.cpu_percent / f64::from(self.cameras.max(1)),
            self.machine.idle_percent,
            self.memory_mb,
            self.interval_p99_ms,
            self.interval_max_ms,
            self.frames,
            self.why.as_deref().unwrap_or("held"),
        )
    }
}
