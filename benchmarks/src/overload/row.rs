//! A row of the measurement: one load, an instance of its own, its clips one after the other, and what came of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use proto::failpoint;
use proto::instance::ChildId;
use proto::stats::BacklogStats;
use rig::dice::Dice;
use rig::instance::Instance;
use rig::process;
use rig::supervisor::Supervisor;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::Plan;
use super::clips::{Found, judge};
use super::load::Busy;
use crate::cameras::Cameras;

/// Clips that no recorder is killed in.
const CLIPS: u32 = 6;
/// The cameras of every row.
const SIZE: &str = "1280x720";
/// Frames a second of each of them.
const FPS: u32 = 60;
/// Before a trigger, in milliseconds.
const PRE_MS: u64 = 500;
/// The config's `reserve_ms` by default.
const RESERVE_MS: u64 = 200;
/// The time between two looks at the backlog.
const LOOK: Duration = Duration::from_millis(250);
/// The backlog has to be given back so soon after the last clip.
const GIVEN_BACK: Duration = Duration::from_secs(5);
/// The time between a clip and the next: a standby comes up again.
const REST: Duration = Duration::from_millis(1500);
/// The stall of the disk in the row `disk-stall`.
const STALL_MS: u64 = 3000;

/// A load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    cameras: u32,
    /// After a trigger, in milliseconds.
    post_ms: u64,
    /// Programs that use a processor all the time.
    busy: u32,
    /// The plan's preset is in the config.
    names_preset: bool,
    /// The disk stands still for [`STALL_MS`] in each clip.
    stalls: bool,
}

const fn beside(name: &'static str, busy: u32) -> Scenario {
    Scenario { name, cameras: 2, post_ms: 2000, busy, names_preset: false, stalls: false }
}

/// The rows.
pub(super) const ROWS: [Scenario; 7] = [
    beside("quiet", 0),
    beside("beside-2", 2),
    beside("beside-4", 4),
    beside("beside-8", 8),
    Scenario { post_ms: 4500, names_preset: true, ..beside("slow-preset", 0) },
    Scenario { cameras: 6, post_ms: 4500, ..beside("six-cameras", 0) },
    Scenario { post_ms: 4500, stalls: true, ..beside("disk-stall", 0) },
];

/// A row's result. One struct of many fields, since it is one row of a table and one object of JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// The row's name.
    pub name: String,
    /// The reason why there are no figures, if there are none.
    pub not_measured: Option<String>,
    /// Number of cameras.
    pub cameras: u32,
    /// Busy programs beside.
    pub busy: u32,
    /// The length of each clip.
    pub clip_s: f64,
    /// Clips that were taken.
    pub clips: u32,
    /// Recorders that were killed.
    pub kills: u32,
    /// Frames that should be in the clips.
    pub frames_expected: u64,
    /// Frames that are not.
    pub frames_lost: u64,
    /// Of those, the ones of clips in which nobody was away for longer than the reserve.
    pub frames_lost_within_reserve: u64,
    /// Declared missing frames by cause.
    pub causes: std::collections::BTreeMap<String, u64>,
    /// The most files that a camera's clip has.
    pub most_files: usize,
    /// Every preset that frames were encoded with.
    pub presets: Vec<String>,
    /// Frames that were moved into the backlog.
    pub moved_frames: u64,
    /// The most memory that the backlog took.
    pub backlog_peak_bytes: u64,
    /// The most that it may take.
    pub backlog_bound_bytes: u64,
    /// The backlog's memory was given back after the last clip.
    pub given_back: bool,
    /// From the window's start to the manifest, over the clip's length: half of the clips took no longer, and the slowest.
    pub finished_ratio: (f64, f64),
    /// The longest time without a recorder in a clip.
    pub longest_outage_ms: u64,
    /// Things that should not have happened, in words.
    pub broken: Vec<String>,
}

/// Measures one row.
pub(super) fn measure_row(scenario: &Scenario, plan: &Plan) -> anyhow::Result<Row> {
    let span_ms = PRE_MS + scenario.post_ms;
    let mut row = Row {
        name: scenario.name.to_owned(),
        cameras: scenario.cameras,
        busy: scenario.busy,
        clip_s: Duration::from_millis(span_ms).as_secs_f64(),
        ..Row::default()
    };
    if scenario.stalls && !cfg!(debug_assertions) {
        row.not_measured = Some("a release build can't hold a disk up; `cargo run -p benchmarks` can".into());
        return Ok(row);
    }
    let folder = tempfile::tempdir()?;
    let supervisor = start(scenario, plan, folder.path())?;
    let watch = Watch::default();
    let busy = Busy::start(scenario.busy)?;
    let ratios = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch.keep_looking(supervisor.instance()));
        let ratios = take_clips(scenario, plan, &supervisor, folder.path(), &mut row);
        watch.over.store(true, Ordering::Relaxed);
        // The watch says all it has to say by its fields.
        let _ = watching.join();
        ratios
    })?;
    drop(busy);
    row.given_back = is_given_back(supervisor.instance());
    let seen = *watch.seen.lock().unwrap_or_else(PoisonError::into_inner);
    (row.moved_frames, row.backlog_peak_bytes, row.backlog_bound_bytes) =
        (seen.moved, seen.peak_bytes, seen.bound_bytes);
    row.finished_ratio = middle_and_last(ratios);
    let left = supervisor.stop()?;
    row.broken.extend((!left.is_empty()).then_some(left));
    let cameras: Vec<String> = (1..=scenario.cameras).map(Cameras::name).collect();
    row.add(judge(folder.path(), &cameras, plan.reserve_ms.unwrap_or(RESERVE_MS))?);
    Ok(row)
}

/// Starts an instance for the row, and waits until its rings hold a pre-roll.
fn start(scenario: &Scenario, plan: &Plan, folder: &Path) -> anyhow::Result<Supervisor> {
    let (width, height) = SIZE.split_once('x').context("a size")?;
    let mut text = format!("camera: {{ width: {width}, height: {height}, fps: {FPS} }}\ncameras:\n");
    for name in (1..=scenario.cameras).map(Cameras::name) {
        let truth = folder.join(format!("{name}.truth"));
        text +=
            &format!("  - {{ name: {name}, backend: sim, truth_log: {:?} }}\n", truth.display().to_string());
    }
    let recordings = folder.join("recordings").display().to_string();
    text += &format!(
        "recording:\n  output_dir: {recordings:?}\n  pre_roll_ms: {PRE_MS}\n  post_roll_ms: {}\n",
        scenario.post_ms
    );
    if let Some(reserve_ms) = plan.reserve_ms {
        text += &format!("  reserve_ms: {reserve_ms}\n");
    }
    if scenario.names_preset {
        text += &format!("  preset: {}\n", plan.preset);
    }
    let config = folder.join("overload.yaml");
    std::fs::write(&config, text)?;
    let runtime_dir = folder.join("run");
    std::fs::create_dir(&runtime_dir)?;
    let mut supervisor = Supervisor::prepare(&config, &runtime_dir);
    let mut command = supervisor.start_command()?;
    command.env(failpoint::FOLDER, failpoints(folder));
    supervisor.launch(command)?;
    supervisor.wait_until_ready()?;
    std::thread::sleep(REST);
    Ok(supervisor)
}

fn failpoints(folder: &Path) -> PathBuf {
    folder.join("failpoints")
}

/// Takes clip after clip, each when the last is finished. Returns how long each took, over its length.
fn take_clips(
    scenario: &Scenario,
    plan: &Plan,
    supervisor: &Supervisor,
    folder: &Path,
    row: &mut Row,
) -> anyhow::Result<Vec<f64>> {
    let mut dice = Dice::new(plan.seed, 12);
    let mut ratios = Vec::new();
    for n in 0..CLIPS.max(plan.kills) {
        if scenario.stalls {
            stall(folder, scenario, n)?;
        }
        let began = Instant::now();
        let clip = supervisor.trigger(&format!("overload-{n}"))?;
        if n < plan.kills {
            std::thread::sleep(Duration::from_millis(dice.below(scenario.post_ms + 500)));
            let recorder = supervisor.instance().child(&ChildId::Recorder);
            recorder.into_iter().for_each(|pid| process::signal(pid, Signal::KILL));
            row.kills += u32::from(recorder.is_some());
        }
        wait_for(clip, row)?;
        let took = began.elapsed() + Duration::from_millis(PRE_MS);
        ratios.push(took.as_secs_f64() / row.clip_s);
        row.clips += 1;
        std::thread::sleep(REST);
    }
    Ok(ratios)
}

fn wait_for(clip: Child, row: &mut Row) -> anyhow::Result<()> {
    let output = clip.wait_with_output()?;
    // 4: finished with something missing, which the oracle counts.
    if !matches!(output.status.code(), Some(0 | 4)) {
        row.broken.push(format!("a trigger ended with {}", output.status));
    }
    Ok(())
}

/// Has the disk stand still once, for each camera's file, some way into the next clip.
fn stall(folder: &Path, scenario: &Scenario, clip: u32) -> anyhow::Result<()> {
    let points = failpoints(folder);
    if points.exists() {
        std::fs::remove_dir_all(&points)?;
    }
    std::fs::create_dir(&points)?;
    // A remark of its own, so that processes begin to count again.
    let mut text = format!("# clip {clip}\n");
    for name in (1..=scenario.cameras).map(Cameras::name) {
        text += &format!("disk.write:/{name}.part@60=sleep({STALL_MS})\n");
    }
    proto::durable::replace(&points.join(failpoint::POINTS), text.as_bytes())?;
    ensure!(points.join(failpoint::POINTS).is_file(), "the stall can't be prepared");
    Ok(())
}

/// Waits until nothing of a backlog is left.
fn is_given_back(instance: &Instance) -> bool {
    let until = Instant::now() + GIVEN_BACK;
    let is_backlog = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(proto::backlog::is_backlog)
    };
    loop {
        let is_empty = !instance.segments().iter().any(is_backlog);
        if is_empty || Instant::now() > until {
            return is_empty;
        }
        std::thread::sleep(LOOK);
    }
}

/// A look at the backlog, again and again.
#[derive(Default)]
struct Watch {
    over: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    moved: u64,
    last_moved: u64,
    peak_bytes: u64,
    bound_bytes: u64,
}

impl Seen {
    /// Each recorder counts from its own start.
    fn add(&mut self, backlog: &BacklogStats) {
        let BacklogStats { bytes, bound_bytes, moved_frames, .. } = *backlog;
        self.moved += moved_frames.checked_sub(self.last_moved).unwrap_or(moved_frames);
        self.last_moved = moved_frames;
        self.peak_bytes = self.peak_bytes.max(bytes);
        self.bound_bytes = bound_bytes;
    }
}

impl Watch {
    fn keep_looking(&self, instance: &Instance) {
        while !self.over.load(Ordering::Relaxed) {
            // An instance that is just doing something else is asked again.
            if let Ok(stats) = instance.stats() {
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).add(&stats.recorder.backlog);
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn middle_and_last(mut ratios: Vec<f64>) -> (f64, f64) {
    ratios.sort_by(f64::total_cmp);
    let middle = ratios.get(ratios.len() / 2).copied().unwrap_or(0.0);
    (middle, ratios.last().copied().unwrap_or(0.0))
}

impl Row {
    /// The titles of a row's columns.
    pub(super) const TITLES: &str = "row          frames lost  within the reserve  files  moved  backlog, MB  finished, x its length  outage, ms  presets";

    fn add(&mut self, found: Found) {
        self.frames_expected = found.expected;
        self.frames_lost = found.lost;
        self.frames_lost_within_reserve = found.lost_within_reserve;
        self.causes = found.causes;
        self.most_files = found.most_files;
        self.presets = found.presets.into_iter().collect();
        self.longest_outage_ms = found.longest_outage_ms;
        self.broken.extend(found.false_clips);
        if !self.given_back {
            self.broken.push("the backlog was not given back".into());
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.not_measured {
            return write!(f, "{:<12} not measured: {why}", self.name);
        }
        let (middle, last) = self.finished_ratio;
        write!(
            f,
            "{:<12} {:>4} of {:<6} {:>17} {:>6} {:>6} {:>6.0} of {:<5.0} {:>9.2}, at most {:<6.2} {:>6}  {}",
            self.name,
            self.frames_lost,
            self.frames_expected,
            self.frames_lost_within_reserve,
            self.most_files,
            self.moved_frames,
            proto::storage::mb(self.backlog_peak_bytes),
            proto::storage::mb(self.backlog_bound_bytes),
            middle,
            last,
            self.longest_outage_ms,
            self.presets.join(" ")
        )?;
        if !self.causes.is_empty() {
            write!(f, "; lost for {:?}", self.causes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_frames_are_those_of_all_recorders() {
        let mut seen = Seen::default();
        for (moved_frames, bytes) in [(0, 0), (40, 90), (60, 50), (5, 10), (5, 0), (25, 20)] {
            seen.add(&BacklogStats { moved_frames, bytes, bound_bytes: 100, frames: 0 });
        }
        assert_eq!((seen.moved, seen.peak_bytes, seen.bound_bytes), (85, 90, 100));
    }

    #[test]
    fn the_slowest_clip_and_the_one_in_the_middle_are_told() {
        assert_eq!(middle_and_last(vec![1.5, 1.1, 1.2]), (1.2, 1.5));
        assert_eq!(middle_and_last(Vec::new()), (0.0, 0.0));
    }
}
