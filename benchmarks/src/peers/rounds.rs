//! The rounds that each contender is put through: a few clips, and one in the middle of which its encoder is killed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use proto::process::Pid;
use proto::time::MonotonicNs;
use rig::process;
use rig::spread::Spread;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::contender::{CAMERAS, Contender};
use super::driver::Frame;
use super::judge::{self, Count, Rhythm, ms};
use super::plan::Plan;
use crate::cost::{self, Level};
use crate::run::FinishedAfter;

/// After a start processes find their size, and pre-roll fills.
const SETTLE: Duration = Duration::from_secs(3);
/// A clip that isn't there so long after its window never will be.
const PATIENCE: Duration = Duration::from_secs(30);
/// And one whose encoder was killed.
const KILLED_PATIENCE: Duration = Duration::from_secs(5);
/// Holes are looked for from so long before the trigger …
const BEFORE: Duration = Duration::from_millis(250);
/// … to so long after the clip is finished.
const AFTER: Duration = Duration::from_millis(500);
/// From the window's end to the end of the round, if the clip is there by then: costs are averaged over the same time,
/// however soon a clip is finished.
const AFTER_WINDOW: Duration = Duration::from_millis(1500);

/// The figures of a contender, each with the name that the results' JSON gives it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Clips.
    pub rounds: u32,
    /// Of these, never announced.
    pub unfinished: u32,
    /// Frames due, of all cameras and clips.
    pub frames_expected: u64,
    /// Of these, in the videos.
    pub frames_found: u64,
    /// In a video more than once.
    pub duplicated: u64,
    /// Pictures in the videos that can't be told.
    pub unreadable: usize,
    /// Files that could not be played.
    pub broken: Vec<String>,
    /// Frames that a camera dropped around a trigger, because nobody took them.
    pub camera_dropped: usize,
    /// The longest from one frame being taken to the next.
    pub hole_worst_ms: f64,
    /// In the worst round, of the worst camera: milliseconds since the trigger, and since the frame before.
    pub around: Vec<(f64, f64)>,
    /// Megabytes (PSS) of all its processes, and of the files that it keeps in memory.
    pub memory_mb: Level,
    /// Percent of a core, of all its processes.
    pub cpu_percent: Level,
    /// The same while armed alone, on the average.
    pub armed_cpu_percent: f64,
    /// From the window's end to the announcement, if there was one.
    pub file_after_ms: Option<FinishedAfter>,
    /// Bytes of a camera's file for each frame in it, on the average.
    pub bytes_a_frame: u64,
    /// The recorder's own words about its encoder.
    pub codec: String,
    /// The clip whose encoder was killed.
    pub killed: Killed,
}

/// See [`Figures::killed`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Killed {
    /// Frames due in its window, of all cameras.
    pub frames_expected: u64,
    /// Of these, in any file that was left or made later.
    pub frames_found: u64,
    /// The longest from one frame being taken to the next.
    pub hole_ms: f64,
    /// The clip was announced as finished.
    pub finished: bool,
    /// The process that was killed, and what that means.
    pub note: String,
}

/// A trigger, and what came of it.
struct Round {
    trigger: MonotonicNs,
    finished: Option<MonotonicNs>,
    over: MonotonicNs,
    files: Vec<PathBuf>,
}

/// Puts it through all of it.
///
/// # Errors
/// When it can't be asked, or ends by itself; or when what is measured can't be so.
pub fn measure(mut contender: Box<dyn Contender>, plan: &Plan) -> anyhow::Result<Figures> {
    std::thread::sleep(SETTLE);
    let (over, root) = (AtomicBool::new(false), contender.root());
    let (cost, clips) = std::thread::scope(|scope| {
        let cost = scope.spawn(|| cost::watch(|| everyone(root), &over));
        let clips = clips(&mut *contender, plan);
        over.store(true, Ordering::Relaxed);
        (cost.join(), clips)
    });
    let (rounds, armed_cpu_percent) = clips?;
    let mut cost = cost.ok().context("the measuring thread panicked")?;
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let files_mb = contender.files_in_memory() as f64 / 1e6;
    cost.memory_mb.average += files_mb;
    cost.memory_mb.peak += files_mb;
    let killed = kill(&mut *contender, plan)?;
    let (frames, codec) = (contender.frames(), contender.codec());
    contender.stop()?;
    // Only now: decoding would be measured too.
    let mut figures = Figures {
        memory_mb: cost.memory_mb,
        cpu_percent: cost.cpu_percent,
        armed_cpu_percent,
        codec,
        killed: killed.judge(plan, &frames)?,
        ..judge_all(&rounds, plan, &frames)?
    };
    figures.rounds = plan.rounds;
    Ok(figures)
}

/// The processes of a contender. Their roles aren't asked.
fn everyone(root: Pid) -> Vec<(String, Pid)> {
    process::descendants(root).into_iter().map(|pid| (String::new(), pid)).collect()
}

/// The clips, one after the other; and what being armed costs, as a share of a core.
fn clips(contender: &mut dyn Contender, plan: &Plan) -> anyhow::Result<(Vec<Round>, f64)> {
    let (mut rounds, mut used, mut armed) = (Vec::new(), Duration::ZERO, Duration::ZERO);
    for n in 0..plan.rounds {
        let (began, before) = (MonotonicNs::now(), processor_time(contender));
        std::thread::sleep(plan.armed());
        used += processor_time(contender).saturating_sub(before);
        armed += MonotonicNs::now().since(began);
        let (label, trigger) = (format!("round-{n}"), MonotonicNs::now());
        contender.trigger(&label)?;
        let clip = contender.clip(&label, trigger + plan.post() + PATIENCE)?;
        (MonotonicNs::now() + AFTER).max(trigger + plan.post() + AFTER_WINDOW).sleep_until();
        let finished = clip.as_ref().map(|clip| clip.finished);
        let files = clip.map(|clip| clip.files.into_values().flatten().collect()).unwrap_or_default();
        rounds.push(Round { trigger, finished, over: MonotonicNs::now(), files });
    }
    Ok((rounds, used.as_secs_f64() / armed.as_secs_f64().max(f64::MIN_POSITIVE) * 100.0))
}

fn processor_time(contender: &dyn Contender) -> Duration {
    let used = process::descendants(contender.root()).into_iter().filter_map(process::used);
    used.map(|used| used.cpu).sum()
}

/// The clip in the middle of whose post-roll the encoder is killed.
fn kill(contender: &mut dyn Contender, plan: &Plan) -> anyhow::Result<Round> {
    std::thread::sleep(plan.armed());
    let before: BTreeSet<PathBuf> = contender.output().into_iter().collect();
    let encoder = contender.encoder().context("who encodes is not known")?;
    let trigger = MonotonicNs::now();
    contender.trigger("killed")?;
    (trigger + plan.post() / 2).sleep_until();
    process::send(encoder, Signal::KILL).context("the encoder is gone already")?;
    contender.revive()?;
    let clip = contender.clip("killed", trigger + plan.post() + KILLED_PATIENCE)?;
    std::thread::sleep(AFTER);
    let files = contender.output().into_iter().filter(|file| !before.contains(file) && judge::is_video(file));
    let finished = clip.map(|clip| clip.finished);
    Ok(Round { trigger, finished, over: MonotonicNs::now(), files: files.collect() })
}

impl Round {
    fn count(&self, seen: &judge::Seen, plan: &Plan, frames: &[Vec<Frame>; 2]) -> anyhow::Result<Count> {
        let mut all = Count::default();
        for (camera, (frames, numbers)) in frames.iter().zip(&seen.numbers).enumerate() {
            let never = judge::never_taken(frames, numbers);
            ensure!(
                never.is_empty(),
                "{}: frames {never:?} are in a clip and were never taken",
                CAMERAS[camera]
            );
            let period = plan.fps()?.period();
            let expected = judge::asked_for(frames, self.trigger, (plan.pre(), plan.post()), period);
            all = all.and(Count::of(&expected, numbers));
        }
        Ok(all)
    }

    fn rhythm(&self, frames: &[Vec<Frame>; 2]) -> Rhythm {
        Rhythm::of(frames, self.trigger, self.trigger.before(BEFORE), self.over)
    }

    fn judge(&self, plan: &Plan, frames: &[Vec<Frame>; 2]) -> anyhow::Result<Killed> {
        let count = self.count(&judge::read(&self.files), plan, frames)?;
        Ok(Killed {
            frames_expected: count.expected,
            frames_found: count.found,
            hole_ms: ms(self.rhythm(frames).worst),
            finished: self.finished.is_some(),
            note: String::new(),
        })
    }
}

fn judge_all(rounds: &[Round], plan: &Plan, frames: &[Vec<Frame>; 2]) -> anyhow::Result<Figures> {
    let (mut figures, mut all, mut after) = (Figures::default(), Count::default(), Vec::new());
    let (mut bytes, mut pictures) = (0, 0);
    for round in rounds {
        let seen = judge::read(&round.files);
        all = all.and(round.count(&seen, plan, frames)?);
        pictures += seen.numbers.iter().map(Vec::len).sum::<usize>() + seen.unreadable;
        bytes += round.files.iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>();
        figures.unreadable += seen.unreadable;
        figures.broken.extend(seen.broken);
        let rhythm = round.rhythm(frames);
        figures.camera_dropped += rhythm.dropped;
        if ms(rhythm.worst) > figures.hole_worst_ms {
            (figures.hole_worst_ms, figures.around) = (ms(rhythm.worst), rhythm.around);
        }
        match round.finished {
            Some(finished) => after.push(ms(finished.since(round.trigger + plan.post()))),
            None => figures.unfinished += 1,
        }
    }
    (figures.frames_expected, figures.frames_found, figures.duplicated) =
        (all.expected, all.found, all.duplicated);
    figures.bytes_a_frame = bytes / (pictures as u64).max(1);
    let spread = Spread::of(after);
    figures.file_after_ms =
        (spread.of > 0).then_some(FinishedAfter { p50: spread.p50, p99: spread.p99, worst: spread.worst });
    Ok(figures)
}
