//! `benchmark smart`: the processor time of clips of an H.264 camera that are copied from a key frame on, beside that of clips
//! which are all decoded and encoded again. One after the other, of the same simulated camera.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use oracle::truth::Truth;
use proto::clip::{MANIFEST, Manifest, StretchHow};
use rig::instance::{self, Answer};
use rig::process;
use rig::supervisor::Supervisor;
use serde::{Deserialize, Serialize};

use crate::cameras::Cameras;
use crate::head::Head;

/// The time between two looks at the ring, and at most until it holds the pre-roll.
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

/// The plan of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Plan {
    /// The camera's pixels, as in 1920x1080.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
    /// From one key frame to the next.
    pub gop_ms: u64,
    /// Bytes of a frame.
    pub frame_bytes: u64,
    /// Before a trigger.
    pub pre_ms: u64,
    /// After it.
    pub post_ms: u64,
    /// Clips of each kind, whose windows begin at as many places between two key frames.
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
    /// Clips with `clip: smart`.
    pub smart: Clips,
    /// Clips with `clip: exact`.
    pub exact: Clips,
    /// Things that should not have happened, in words.
    pub broken: Vec<String>,
}

/// The clips of one kind, all together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Clips {
    /// The recorder's processor time for each, from the trigger to the manifest.
    pub cpu_ms: Vec<f64>,
    /// Frames that should be in them.
    pub frames_expected: u64,
    /// Frames that are not.
    pub frames_lost: u64,
    /// Frames that were copied.
    pub frames_copied: u64,
    /// Bytes of the videos.
    pub bytes: u64,
}

/// Measures.
///
/// # Errors
/// When Preroll can't be started.
pub fn measure(plan: &Plan) -> anyhow::Result<Results> {
    let head = Head::begin("smart");
    let mut broken = Vec::new();
    let smart = clips("smart", plan, &mut broken)?;
    let exact = clips("exact", plan, &mut broken)?;
    Ok(Results { head, plan: plan.clone(), smart, exact, broken })
}

/// Takes the clips of one kind.
fn clips(kind: &str, plan: &Plan, broken: &mut Vec<String>) -> anyhow::Result<Clips> {
    let folder = tempfile::tempdir()?;
    let (name, truth) = (Cameras::name(1), folder.path().join("truth"));
    let config = write_config(kind, plan, &name, &truth, folder.path())?;
    let mut supervisor = Supervisor::start(&config)?;
    supervisor.wait_until_ready()?;
    await_pre_roll(&supervisor, &name, plan)?;
    let mut clips = Clips::default();
    for n in 0..plan.clips {
        take_clip(&supervisor, &format!("{kind}-{n}"), &mut clips)?;
        // The next window begins at another place between two key frames.
        let step = plan.gop_ms / u64::from(plan.clips.max(1)) + 7;
        std::thread::sleep(Duration::from_millis(step));
    }
    broken.extend(Some(supervisor.stop()?).filter(|left| !left.is_empty()));
    let truths = [(name, Truth::read(&truth)?)].into_iter().collect();
    let report = oracle::folder::judge(&folder.path().join("recordings"), &truths)?;
    let is_false = report.clips.iter().filter(|clip| !clip.is_true());
    broken.extend(is_false.map(|clip| format!("{kind}: {} is false: {:?}", clip.name, clip.faults)));
    Ok(clips)
}

fn write_config(kind: &str, plan: &Plan, name: &str, truth: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let Plan { fps, gop_ms, frame_bytes, pre_ms, post_ms, .. } = plan;
    let (width, height) = plan.size.split_once('x').context("--size takes pixels, as in 1920x1080")?;
    let (truth, recordings) = (truth.display().to_string(), folder.join("recordings").display().to_string());
    let text = format!(
        "cameras:\n  - {{ name: {name}, backend: sim, width: {width}, height: {height}, fps: {fps}, payload: h264, \
         gop_ms: {gop_ms}, frame_bytes: {frame_bytes}, clip: {kind}, truth_log: {truth:?} }}\n\
         recording: {{ output_dir: {recordings:?}, preset: superfast, pre_roll_ms: {pre_ms}, post_roll_ms: {post_ms} }}\n"
    );
    let path = folder.join("smart.yaml");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Waits until the ring holds the pre-roll, and the key frame before it.
fn await_pre_roll(supervisor: &Supervisor, name: &str, plan: &Plan) -> anyhow::Result<()> {
    let span_ms = plan.pre_ms + plan.gop_ms;
    let until = Instant::now() + Duration::from_millis(span_ms) + PATIENCE;
    let ring = supervisor.instance().ring(name)?;
    while ring.head() <= span_ms * u64::from(plan.fps) / 1000 {
        ensure!(Instant::now() < until, "camera {name}: its ring does not get full");
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn take_clip(supervisor: &Supervisor, label: &str, clips: &mut Clips) -> anyhow::Result<()> {
    let recorder = instance::recorder_pid(&supervisor.stats()?).context("there is no recorder")?;
    let used = || process::used(recorder).map(|used| used.cpu).context("the recorder has ended");
    let before = used()?;
    let output = supervisor.trigger(label)?.wait_with_output()?;
    let spent = used()?.saturating_sub(before);
    let answer: Answer = serde_json::from_slice(&output.stdout).context("a trigger's answer")?;
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(Path::new(&answer.path).join(MANIFEST))?)?;
    clips.cpu_ms.push(spent.as_secs_f64() * 1e3);
    for camera in manifest.cameras.values() {
        clips.frames_expected += camera.frames_expected;
        clips.frames_lost += camera.frames_expected - camera.frames_written;
        let copied = camera.stretches.iter().filter(|stretch| stretch.how == StretchHow::Copied);
        clips.frames_copied += copied.map(|stretch| stretch.frames).sum::<u64>();
        clips.bytes += camera.size_bytes;
    }
    Ok(())
}

impl Clips {
    /// The processor time of a clip on the average.
    #[must_use]
    pub fn average_ms(&self) -> f64 {
        let clips = u32::try_from(self.cpu_ms.len()).unwrap_or(u32::MAX).max(1);
        self.cpu_ms.iter().sum::<f64>() / f64::from(clips)
    }
}

impl Results {
    /// The processor time of a smart clip over that of an exact one.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        let exact = self.exact.average_ms();
        if exact > 0.0 { self.smart.average_ms() / exact } else { 0.0 }
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, plan, smart, exact, .. } = self;
        writeln!(
            f,
            "1 camera (sim, H.264), {} at {} fps, a key frame every {} ms, {} bytes a frame, {} + {} ms; {} cores, load {}",
            plan.size,
            plan.fps,
            plan.gop_ms,
            plan.frame_bytes,
            plan.pre_ms,
            plan.post_ms,
            head.machine.cores,
            head.machine.load
        )?;
        writeln!(
            f,
            "{:>6} {:>6} {:>14} {:>8} {:>8} {:>13} {:>26}",
            "clip", "clips", "frames lost", "copied", "MB", "CPU a clip, ms", "each"
        )?;
        for (kind, clips) in [("smart", smart), ("exact", exact)] {
            let each: Vec<String> = clips.cpu_ms.iter().map(|ms| format!("{ms:.0}")).collect();
            writeln!(
                f,
                "{kind:>6} {:>6} {:>14} {:>8} {:>8.1} {:>13.0} {:>26}",
                clips.cpu_ms.len(),
                format!("{} of {}", clips.frames_lost, clips.frames_expected),
                clips.frames_copied,
                crate::cost::mega(clips.bytes),
                clips.average_ms(),
                each.join(" ")
            )?;
        }
        writeln!(f, "smart over exact: {:.3}", self.ratio())?;
        self.broken.iter().try_for_each(|why| writeln!(f, "BROKEN: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_that_of_the_averages() {
        let clips = |cpu_ms: &[f64]| Clips { cpu_ms: cpu_ms.to_vec(), ..Clips::default() };
        assert!((clips(&[100.0, 300.0]).average_ms() - 200.0).abs() < 1e-9);
        assert!(clips(&[]).average_ms().abs() < 1e-9);
    }
}
