//! `benchmark run`: so many simulated cameras, for so long, by the real processes. The counterpart of the script that
//! measured the recorder Preroll began from, which measured capture alone; this one can record meanwhile.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use proto::clip::{MANIFEST, Manifest};
use rig::instance::Answer;
use rig::spread::Spread;
use rig::supervisor::Supervisor;
use serde::{Deserialize, Serialize};

use crate::cameras::Cameras;
use crate::cost::{self, Cost};
use crate::head::Head;
use crate::intervals::{Counted, Look};

/// After a start processes find their size; so long nothing is measured.
const SETTLE: Duration = Duration::from_secs(3);

/// The plan of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Plan {
    /// Number of cameras.
    pub cameras: u32,
    /// Each camera's pixels, as in 1280x720.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
    /// `sim`, or a video file that every camera plays.
    pub backend: String,
    /// For so long.
    pub duration_s: f64,
    /// So many triggers, spread evenly over that time.
    pub clips: u32,
}

/// The measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// The plan that was asked for.
    pub plan: Plan,
    /// Memory, processor, disk.
    pub cost: Cost,
    /// A ring for each camera.
    pub cameras: Vec<Camera>,
    /// The clips of all triggers.
    pub clips: Clips,
    /// By the indicators of the recorder that Preroll began from.
    pub verdict: Vec<Indicator>,
}

/// One camera.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Camera {
    /// The camera's name.
    pub name: String,
    /// Frames that it put into its ring in that time.
    pub frames: u64,
    /// Frames that it made and did not.
    pub dropped: u64,
    /// Milliseconds between one frame and the next, in that time: half are shorter, to a sixteenth of a period.
    pub interval_p50_ms: f64,
    /// 99 of 100 are shorter.
    pub interval_p99_ms: f64,
    /// The longest.
    pub interval_max_ms: f64,
}

impl Camera {
    fn between(name: String, before: &Look, after: &Look) -> Self {
        let counted = Counted::between(std::slice::from_ref(before), std::slice::from_ref(after));
        Self {
            name,
            frames: counted.frames,
            dropped: counted.dropped,
            interval_p50_ms: counted.p50.as_secs_f64() * 1e3,
            interval_p99_ms: counted.p99.as_secs_f64() * 1e3,
            interval_max_ms: counted.longest.as_secs_f64() * 1e3,
        }
    }
}

/// The clips.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Clips {
    /// Triggers.
    pub asked: u32,
    /// Clip sets with every frame.
    pub complete: u32,
    /// Frames that should be in them, of all cameras.
    pub frames_expected: u64,
    /// Frames that are.
    pub frames_written: u64,
    /// Bytes of video.
    pub bytes: u64,
    /// From the end of the window to the manifest, in milliseconds.
    pub finished_after_ms: Option<FinishedAfter>,
}

/// See [`Clips::finished_after_ms`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct FinishedAfter {
    /// Half took no longer.
    pub p50: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// The longest.
    pub worst: f64,
}

/// A pressure indicator of the kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Indicator {
    /// Of what.
    pub of: String,
    /// The figure.
    pub value: f64,
    /// "good", "fair" or "attention".
    pub grade: String,
}

impl Indicator {
    fn new(of: &str, value: f64, good_below: f64, attention_above: f64) -> Self {
        let grade = match value {
            v if v < good_below => "good",
            v if v <= attention_above => "fair",
            _ => "attention",
        };
        Self { of: of.into(), value, grade: grade.into() }
    }
}

/// Runs it.
///
/// # Errors
/// When Preroll can't be started, or ends meanwhile.
pub fn run(plan: &Plan) -> anyhow::Result<Results> {
    let head = Head::begin("run");
    let folder = tempfile::tempdir()?;
    let cameras = Cameras {
        count: plan.cameras,
        size: &plan.size,
        fps: plan.fps,
        backend: &plan.backend,
        pre_roll: None,
    };
    let config = cameras.write_config(folder.path())?;
    let mut supervisor = Supervisor::start(&config)?;
    supervisor.wait_until_ready()?;
    std::thread::sleep(SETTLE);
    let instance = supervisor.instance().clone();
    let names: Vec<String> = (1..=plan.cameras).map(Cameras::name).collect();
    let rings = names.iter().map(|name| instance.ring(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let over = AtomicBool::new(false);
    let before: Vec<Look> = rings.iter().map(|ring| Look::at(ring)).collect();
    let (cost, clips) = std::thread::scope(|scope| {
        let cost = scope.spawn(|| cost::measure(&instance, &over));
        let clips = keep_asking(plan, &supervisor);
        over.store(true, Ordering::Relaxed);
        (cost.join(), clips)
    });
    let (Ok(cost), clips) = (cost, clips?) else { bail!("the measuring thread panicked") };
    let after = rings.iter().map(|ring| Look::at(ring));
    let cameras = names.into_iter().zip(before.iter().zip(after));
    let cameras = cameras.map(|(name, (before, after))| Camera::between(name, before, &after)).collect();
    let leftover = supervisor.stop()?;
    if !leftover.is_empty() {
        bail!("{leftover}");
    }
    let cores = u32::try_from(head.machine.cores.max(1)).map_or(1.0, f64::from);
    let verdict = vec![
        Indicator::new("memory, MB", cost.memory_mb.average, 200.0, 500.0),
        Indicator::new("cpu, % of the machine", cost.cpu_percent.average / cores, 40.0, 70.0),
        Indicator::new("disk, MB/s", cost.disk_mb_per_s.average, 10.0, 20.0),
    ];
    Ok(Results { head, plan: plan.clone(), cameras, cost, clips, verdict })
}

/// Triggers, evenly spread, each waited for; and whatever is left of the time.
fn keep_asking(plan: &Plan, supervisor: &Supervisor) -> anyhow::Result<Clips> {
    let (began, all) = (Instant::now(), Duration::from_secs_f64(plan.duration_s));
    let mut clips = Clips::default();
    let mut finished_after = Vec::new();
    let mut answers = Vec::new();
    for n in 0..plan.clips {
        std::thread::sleep((all * n / plan.clips).saturating_sub(began.elapsed()));
        answers.push(supervisor.trigger(&format!("run-{n}"))?);
        clips.asked += 1;
    }
    std::thread::sleep(all.saturating_sub(began.elapsed()));
    for answer in answers {
        let output = answer.wait_with_output()?;
        let answer: Answer = serde_json::from_slice(&output.stdout).context("a trigger's answer")?;
        let manifest = std::fs::read(Path::new(&answer.path).join(MANIFEST))?;
        let manifest: Manifest = serde_json::from_slice(&manifest)?;
        clips.complete += u32::from(manifest.complete);
        for camera in manifest.cameras.values() {
            clips.frames_expected += camera.frames_expected;
            clips.frames_written += camera.frames_written;
            clips.bytes += camera.size_bytes;
        }
    }
    for line in supervisor.log().texts() {
        let after = line.rsplit_once(" ms after its end)").and_then(|(rest, _)| rest.rsplit_once('('));
        finished_after.extend(after.and_then(|(_, ms)| ms.parse::<f64>().ok()));
    }
    let spread = Spread::of(finished_after);
    clips.finished_after_ms =
        (spread.of > 0).then_some(FinishedAfter { p50: spread.p50, p99: spread.p99, worst: spread.worst });
    Ok(clips)
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plan, cost) = (&self.plan, &self.cost);
        writeln!(
            f,
            "{} cameras ({}), {} at {} fps, for {:.0} s, {} clips; {} cores, load {}",
            plan.cameras,
            plan.backend,
            plan.size,
            plan.fps,
            plan.duration_s,
            self.clips.asked,
            self.head.machine.cores,
            self.head.machine.load
        )?;
        writeln!(f, "{:<20} {:>9} {:>9}", "", "average", "peak")?;
        let mut line = |name: &str, unit: &str, level: &cost::Level| {
            writeln!(f, "{name:<20} {:>9.1} {:>9.1} {unit}", level.average, level.peak)
        };
        line("memory", "MB (PSS)", &cost.memory_mb)?;
        line("cpu", "% of a core", &cost.cpu_percent)?;
        line("disk", "MB/s", &cost.disk_mb_per_s)?;
        for (role, (mb, cpu)) in &cost.roles {
            line(&format!("  {role}, memory"), "MB (PSS)", mb)?;
            line(&format!("  {role}, cpu"), "% of a core", cpu)?;
        }
        for camera in &self.cameras {
            writeln!(
                f,
                "{:<20} {} frames, {} dropped; interval p50 {:.1}, p99 {:.1}, longest {:.1} ms",
                camera.name,
                camera.frames,
                camera.dropped,
                camera.interval_p50_ms,
                camera.interval_p99_ms,
                camera.interval_max_ms
            )?;
        }
        if self.clips.asked > 0 {
            writeln!(
                f,
                "clips                {} of {} complete, {} of {} frames, {:.1} MB",
                self.clips.complete,
                self.clips.asked,
                self.clips.frames_written,
                self.clips.frames_expected,
                self.clips.bytes as f64 / 1e6
            )?;
        }
        if let Some(after) = &self.clips.finished_after_ms {
            writeln!(
                f,
                "finished             p50 {:.0}, p99 {:.0}, worst {:.0} ms after the window's end",
                after.p50, after.p99, after.worst
            )?;
        }
        for indicator in &self.verdict {
            writeln!(f, "{:<24} {:>7.1}  {}", indicator.of, indicator.value, indicator.grade)?;
        }
        Ok(())
    }
}
