//! `benchmark copied`: cameras that send JPEGs, whose frames are recorded as they came. What they cost armed, the memory of their
//! rings beside the formula, and how soon a clip is finished beside `dd` with a flush of the same bytes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use oracle::truth::{Truth, Truths};
use proto::clip::{MANIFEST, Manifest};
use rig::instance::Answer;
use rig::supervisor::Supervisor;
use serde::{Deserialize, Serialize};

use crate::cameras::Cameras;
use crate::cost::{self, Cost};
use crate::head::Head;

/// The time between two looks at the rings, and at most until they are full.
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);
/// Room beyond the frames that the pre-roll and the reserve hold: so much of the camera's rate, and so many frames of the
/// largest size (docs/decisions: the ring's size).
const HEADROOM: f64 = 1.2;
const LARGEST_FRAMES: u64 = 4;

/// The plan of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Plan {
    /// Number of cameras.
    pub cameras: u32,
    /// Each camera's pixels, as in 1920x1080.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
    /// Bytes of a frame.
    pub frame_bytes: u64,
    /// The largest frame that a ring takes.
    pub max_frame_bytes: u64,
    /// Before a trigger.
    pub pre_ms: u64,
    /// After it.
    pub post_ms: u64,
    /// Armed and without a clip for so long.
    pub armed_s: f64,
    /// Clips, one after the other.
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
    /// Of all processes, while no clip is open.
    pub armed: Cost,
    /// Megabytes of all rings.
    pub rings_mb: f64,
    /// The same by the formula.
    pub formula_mb: f64,
    /// The clips.
    pub clips: Vec<Clip>,
    /// Things that should not have happened, in words.
    pub broken: Vec<String>,
}

/// A clip of all cameras.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Clip {
    /// Frames that should be in it.
    pub frames_expected: u64,
    /// Frames that are not.
    pub frames_lost: u64,
    /// The most files that a camera has.
    pub most_files: usize,
    /// Bytes of its videos.
    pub bytes: u64,
    /// From the window's end to the manifest.
    pub finished_after_ms: f64,
    /// `dd conv=fsync` of the same bytes, a process for each camera, right after.
    pub dd_ms: f64,
}

/// Measures.
///
/// # Errors
/// When Preroll can't be started, or something that is measured beside it.
pub fn measure(plan: &Plan) -> anyhow::Result<Results> {
    let head = Head::begin("copied");
    let folder = tempfile::tempdir()?;
    let mut supervisor = Supervisor::start(&write_config(plan, folder.path())?)?;
    supervisor.wait_until_ready()?;
    let names: Vec<String> = (1..=plan.cameras).map(Cameras::name).collect();
    let rings_mb = fill_rings(&supervisor, &names, plan)?;
    let armed = armed(&supervisor, Duration::from_secs_f64(plan.armed_s))?;
    let mut results = Results {
        head,
        plan: plan.clone(),
        armed,
        rings_mb,
        formula_mb: formula_mb(plan),
        clips: Vec::new(),
        broken: Vec::new(),
    };
    for n in 0..plan.clips {
        results.clips.push(take_clip(&supervisor, n, folder.path())?);
    }
    results.broken.extend(Some(supervisor.stop()?).filter(|left| !left.is_empty()));
    results.broken.extend(false_clips(folder.path(), &names)?);
    Ok(results)
}

fn write_config(plan: &Plan, folder: &Path) -> anyhow::Result<PathBuf> {
    let Plan { frame_bytes, max_frame_bytes, fps, .. } = plan;
    let (width, height) = plan.size.split_once('x').context("--size takes pixels, as in 1920x1080")?;
    let mbps = (frame_bytes * u64::from(*fps) * 8).div_ceil(1_000_000);
    let mut text = format!("camera: {{ width: {width}, height: {height}, fps: {fps} }}\ncameras:\n");
    for name in (1..=plan.cameras).map(Cameras::name) {
        let truth = truth_log(folder, &name).display().to_string();
        text += &format!(
            "  - {{ name: {name}, backend: sim, truth_log: {truth:?}, payload: jpeg, frame_bytes: {frame_bytes}, \
             max_frame_bytes: {max_frame_bytes}, max_bitrate_mbps: {mbps} }}\n"
        );
    }
    let recordings = recordings(folder).display().to_string();
    text += &format!(
        "recording: {{ output_dir: {recordings:?}, pre_roll_ms: {}, post_roll_ms: {} }}\n",
        plan.pre_ms, plan.post_ms
    );
    let path = folder.join("copied.yaml");
    std::fs::write(&path, text)?;
    Ok(path)
}

fn truth_log(folder: &Path, camera: &str) -> PathBuf {
    folder.join(format!("{camera}.truth"))
}

fn recordings(folder: &Path) -> PathBuf {
    folder.join("recordings")
}

/// Waits until every ring holds its pre-roll. Returns their megabytes.
fn fill_rings(supervisor: &Supervisor, names: &[String], plan: &Plan) -> anyhow::Result<f64> {
    let frames = plan.pre_ms * u64::from(plan.fps) / 1000;
    let until = Instant::now() + Duration::from_millis(plan.pre_ms) + PATIENCE;
    let mut bytes = 0;
    for name in names {
        let ring = supervisor.instance().ring(name)?;
        while ring.head() <= frames {
            ensure!(Instant::now() < until, "camera {name}: its ring does not get full");
            std::thread::sleep(LOOK);
        }
        bytes += ring.total_bytes() as u64;
    }
    Ok(cost::mega(bytes))
}

/// Megabytes of all rings by the formula, with the config's default reserve.
fn formula_mb(plan: &Plan) -> f64 {
    const RESERVE_MS: u64 = 200;
    let held = plan.frame_bytes * u64::from(plan.fps) * (plan.pre_ms + RESERVE_MS) / 1000;
    let each = cost::mega(held) * HEADROOM + cost::mega(LARGEST_FRAMES * plan.max_frame_bytes);
    each * f64::from(plan.cameras)
}

/// The cost of a supervisor and its children in this span.
pub(crate) fn armed(supervisor: &Supervisor, span: Duration) -> anyhow::Result<Cost> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cost = scope.spawn(|| cost::measure(supervisor.instance(), &over));
        std::thread::sleep(span);
        over.store(true, Ordering::Relaxed);
        cost.join().or_else(|_| bail!("the measuring thread panicked"))
    })
}

/// Takes a clip, and has `dd` write the same bytes again.
fn take_clip(supervisor: &Supervisor, number: u32, folder: &Path) -> anyhow::Result<Clip> {
    let output = supervisor.trigger(&format!("copied-{number}"))?.wait_with_output()?;
    let answer: Answer = serde_json::from_slice(&output.stdout).context("a trigger's answer")?;
    let clip_folder = Path::new(&answer.path);
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(clip_folder.join(MANIFEST))?)?;
    let name = clip_folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut clip = Clip { finished_after_ms: finished_after_ms(supervisor, &name)?, ..Clip::default() };
    let mut videos = Vec::new();
    for camera in manifest.cameras.values() {
        clip.frames_expected += camera.frames_expected;
        clip.frames_lost += camera.frames_expected - camera.frames_written;
        clip.most_files = clip.most_files.max(camera.files.len());
        clip.bytes += camera.size_bytes;
        videos.extend(camera.files.iter().map(|file| clip_folder.join(file)));
    }
    clip.dd_ms = dd(&videos, folder)?.as_secs_f64() * 1e3;
    Ok(clip)
}

/// The time from a window's end to the manifest, as the log tells it.
fn finished_after_ms(supervisor: &Supervisor, clip: &str) -> anyhow::Result<f64> {
    let told = supervisor
        .log()
        .texts()
        .into_iter()
        .rev()
        .find(|line| line.contains(clip) && line.contains(" ms after its end)"));
    let told = told.with_context(|| format!("the log doesn't say when {clip} was finished"))?;
    let (before, _) = told.rsplit_once(" ms after its end)").context("a time")?;
    let (_, ms) = before.rsplit_once('(').context("a time")?;
    Ok(ms.parse()?)
}

/// Copies files beside each other, each with a flush at its end. Returns how long all took.
fn dd(files: &[PathBuf], folder: &Path) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let copies = files.iter().enumerate().map(|(n, file)| {
        let copy = folder.join(format!("dd-{n}"));
        let mut command = Command::new("dd");
        command.arg(format!("if={}", file.display())).arg(format!("of={}", copy.display()));
        command.args(["bs=1M", "conv=fsync"]).stdin(Stdio::null()).stderr(Stdio::null());
        Ok((command.spawn().context("dd")?, copy))
    });
    let copies = copies.collect::<anyhow::Result<Vec<_>>>()?;
    let mut written = Vec::new();
    for (mut process, copy) in copies {
        ensure!(process.wait()?.success(), "dd can't write {}", copy.display());
        written.push(copy);
    }
    let took = began.elapsed();
    written.iter().try_for_each(std::fs::remove_file)?;
    Ok(took)
}

/// The clips that the oracle doesn't call true, in words.
fn false_clips(folder: &Path, names: &[String]) -> anyhow::Result<Vec<String>> {
    let truth =
        |name: &String| Ok::<_, anyhow::Error>((name.clone(), Truth::read(&truth_log(folder, name))?));
    let truths = names.iter().map(truth).collect::<Result<Truths, _>>()?;
    let report = oracle::folder::judge(&recordings(folder), &truths)?;
    let is_false = report.clips.iter().filter(|clip| !clip.is_true());
    Ok(is_false.map(|clip| format!("{} is false: {:?}", clip.name, clip.faults)).collect())
}

impl Clip {
    /// The time to finish it, over that of `dd`.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        if self.dd_ms > 0.0 { self.finished_after_ms / self.dd_ms } else { 0.0 }
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, plan, armed, .. } = self;
        writeln!(
            f,
            "{} cameras (sim, JPEG), {} at {} fps, {} bytes a frame, {} + {} ms; {} cores, load {}",
            plan.cameras,
            plan.size,
            plan.fps,
            plan.frame_bytes,
            plan.pre_ms,
            plan.post_ms,
            head.machine.cores,
            head.machine.load
        )?;
        let each = armed.cpu_percent.average / f64::from(plan.cameras.max(1));
        writeln!(
            f,
            "armed: {:.1} % of a core, {each:.1} % a camera; {:.0} MB (PSS)",
            armed.cpu_percent.average, armed.memory_mb.average
        )?;
        for (role, (mb, cpu)) in &armed.roles {
            writeln!(f, "  {role}: {:.1} % of a core, {:.0} MB", cpu.average, mb.average)?;
        }
        writeln!(
            f,
            "rings: {:.1} MB, {:.2} of the formula's {:.1} MB",
            self.rings_mb,
            self.rings_mb / self.formula_mb,
            self.formula_mb
        )?;
        writeln!(
            f,
            "{:>6} {:>14} {:>6} {:>8} {:>13} {:>8} {:>6}",
            "clip", "frames lost", "files", "MB", "finished, ms", "dd, ms", "ratio"
        )?;
        for (n, clip) in self.clips.iter().enumerate() {
            writeln!(
                f,
                "{:>6} {:>14} {:>6} {:>8.1} {:>13.0} {:>8.0} {:>6.2}",
                n + 1,
                format!("{} of {}", clip.frames_lost, clip.frames_expected),
                clip.most_files,
                cost::mega(clip.bytes),
                clip.finished_after_ms,
                clip.dd_ms,
                clip.ratio()
            )?;
        }
        self.broken.iter().try_for_each(|why| writeln!(f, "BROKEN: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_is_that_of_the_ring() {
        let plan = Plan {
            cameras: 2,
            size: "1920x1080".into(),
            fps: 60,
            frame_bytes: 400_000,
            max_frame_bytes: 1_000_000,
            pre_ms: 10_000,
            post_ms: 5000,
            armed_s: 10.0,
            clips: 1,
        };
        // 24 MB/s for 10.2 s, and a fifth more; and four frames of a megabyte.
        assert!((formula_mb(&plan) - 2.0 * (293.76 + 4.0)).abs() < 0.01);
    }

    #[test]
    fn a_copy_is_timed_and_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("video");
        std::fs::write(&file, vec![7; 100_000]).unwrap();
        assert!(dd(&[file.clone(), file], folder.path()).unwrap() > Duration::ZERO);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(dd(&[folder.path().join("none")], folder.path()).is_err());
    }
}
