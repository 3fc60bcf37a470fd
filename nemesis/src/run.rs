//! A whole run: a Preroll of its own, blows and triggers by chance, the judge and the meter beside it, and what they found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use oracle::truth::Truth;
use proto::clip::MANIFEST;
use rig::supervisor::Supervisor;
use rig::wait;

use crate::blame::Sizes;
use crate::clips::{Judging, folders};
use crate::deal::{Struck, Target};
use crate::meter::{self, Meter};
use crate::neighbour;
use crate::report::{Findings, Words};
use crate::strike::{Blows, Strike};
use crate::triggers::Triggers;

/// The cameras of the instance that is struck.
const CAMERAS: [&str; 2] = ["left", "right"];
/// The length of a run for which no limit is given.
const A_WHILE: Duration = Duration::from_secs(60);
/// Rest before the first clip and after the last, so that processes at rest are measured.
const REST: Duration = Duration::from_secs(7);

/// The plan of a run, field by field as on the command line. The limits end it, whichever comes first; without any it takes a
/// minute.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of all chance.
    pub seed: u64,
    /// For so long.
    pub minutes: Option<f64>,
    /// For so many blows.
    pub blows: Option<usize>,
    /// For so many triggers.
    pub clips: Option<usize>,
    /// Kinds of blows that may be dealt.
    pub strikes: Vec<Strike>,
    /// From a blow's end to the next, at least and at most.
    pub every_ms: (u64, u64),
    /// From a trigger to the next, at least and at most.
    pub trigger_every_ms: (u64, u64),
    /// Each camera's pixels, as in 1280x720.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
    /// The payload of each camera's frames: raw, jpeg or h264.
    pub payload: String,
    /// The config's reserve.
    pub reserve_ms: u64,
    /// The config's `max_open_clips`.
    pub open_clips: u32,
    /// Keep the videos of true clips.
    pub keep: bool,
    /// Tell Preroll's log at the end.
    pub log: bool,
}

/// Runs a plan in a folder that exists, and tells each blow as it is dealt.
///
/// # Errors
/// When it could not be tried.
pub fn run(plan: &Plan, folder: &Path, tell: &dyn Fn(&str)) -> anyhow::Result<Findings> {
    let folder = folder.canonicalize()?;
    let config = folder.join("nemesis.yaml");
    std::fs::write(&config, config_of(plan, &folder.display().to_string())?)?;
    let target = Target {
        recordings: folder.join("recordings"),
        cameras: CAMERAS.map(proto::name::Name::new).into_iter().collect::<Result<_, _>>()?,
    };
    let truth_path = |name: &&str| (((*name).to_owned()), folder.join(format!("{name}.truth")));
    let with_neighbour = plan.strikes.contains(&Strike::NeighbourKilled);
    let clips = Judging {
        recordings: target.recordings.clone(),
        truths: CAMERAS.iter().chain(with_neighbour.then_some(&neighbour::CAMERA)).map(truth_path).collect(),
        keep: plan.keep,
    };

    let mut supervisor = start(&config)?;
    let instance = supervisor.instance().clone();
    let mut neighbour = with_neighbour.then(|| neighbour::start(&folder, plan)).transpose()?;
    let beside = neighbour.as_ref().map(|neighbour| neighbour.instance().clone());
    let sizes = sizes(&supervisor, plan)?;
    let (asking, measuring, judging) =
        (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
    let (triggers, mut meter) = (Triggers::default(), Meter::default());
    let mut wrong = Vec::new();
    let (blows, zombies, stray_segments, left, judged, seconds) = std::thread::scope(|scope| {
        let measures = scope.spawn(|| meter.run(&instance, &measuring));
        std::thread::sleep(REST);
        let began = Instant::now();
        let asks = scope.spawn(|| triggers.run(&instance, plan.seed, plan.trigger_every_ms, &asking));
        let asks_beside = beside.as_ref().map(|instance| {
            scope.spawn(|| triggers.run(instance, plan.seed + 1, plan.trigger_every_ms, &asking))
        });
        let judges = scope.spawn(|| clips.run(&judging));
        let mut blows = Vec::new();
        let limits = Limits::of(plan, began);
        let order = Blows::new(plan.seed, plan.strikes.clone(), plan.every_ms, CAMERAS.len());
        let mut both = Both { supervisor: &mut supervisor, neighbour: neighbour.as_mut() };
        if let Err(e) = strike_on(&target, &mut both, order, &limits, &triggers, tell, &mut blows) {
            wrong.push(format!("{e:#}"));
        }
        let seconds = began.elapsed().as_secs_f64();
        asking.store(true, Ordering::Relaxed);
        let _ = asks.join();
        let _ = asks_beside.map(|asks| asks.join());
        // A clip that is never finished is a finding, and no reason to end here.
        let _ = wait::until("every clip to be finished", || {
            unfinished(&target.recordings).is_empty().then_some(())
        });
        std::thread::sleep(REST);
        measuring.store(true, Ordering::Relaxed);
        let _ = measures.join();
        let (zombies, segments) = (meter::zombies(&instance), instance.segments().len());
        if plan.log {
            supervisor.log().texts().iter().for_each(|line| tell(line));
        }
        let stop = |supervisor: Supervisor| {
            supervisor.stop().unwrap_or_else(|e| format!("it can't be stopped: {e:#}"))
        };
        let left = stop(supervisor) + &neighbour.map(stop).unwrap_or_default();
        judging.store(true, Ordering::Relaxed);
        let judged = judges.join().unwrap_or_default();
        (blows, zombies, segments.saturating_sub(CAMERAS.len()), left, judged, seconds)
    });
    let read = |(name, path): (&String, &PathBuf)| Ok((name.clone(), Truth::read(path)?));
    let truths = clips.truths.iter().map(read).collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    Ok(Findings {
        seed: plan.seed,
        seconds,
        setup: setup(plan),
        blows,
        asked: triggers.asked.into_inner(),
        accepted: triggers.accepted.into_inner().unwrap_or_else(PoisonError::into_inner),
        words: Words {
            begun: triggers.begun.into_inner(),
            ended: triggers.ended.into_inner(),
            extended: triggers.extended.into_inner(),
            ..Words::default()
        },
        refused: triggers.refused.into_inner().unwrap_or_else(PoisonError::into_inner),
        judged,
        unfinished: unfinished(&target.recordings),
        truths,
        sizes,
        processes: meter.courses(),
        zombies,
        stray_segments,
        left,
        wrong,
    })
}

/// Starts an instance, and waits until its rings are full.
pub(crate) fn start(config: &Path) -> anyhow::Result<Supervisor> {
    let mut supervisor = Supervisor::start(config)?;
    supervisor.wait_until_ready()?;
    supervisor.wait("the rings to be full", |this| {
        Ok(this.stats()?.cameras.iter().all(|c| c.ring.filled_slots == c.ring.slots))
    })?;
    Ok(supervisor)
}

/// The clips without a manifest.
fn unfinished(recordings: &Path) -> Vec<PathBuf> {
    folders(recordings).into_iter().filter(|clip| !clip.join(MANIFEST).exists()).collect()
}

/// The cameras and the machine, in words.
fn setup(plan: &Plan) -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "two {} cameras ({}) at {} fps, reserve {} ms, overlap: {}, {cores} cores, load {} at the end",
        plan.size,
        plan.payload,
        plan.fps,
        plan.reserve_ms,
        overlap_of(plan),
        load.split(' ').next().unwrap_or("?")
    )
}

fn config_of(plan: &Plan, folder: &str) -> anyhow::Result<String> {
    let (width, height) =
        plan.size.split_once('x').context("--size: expected WIDTHxHEIGHT, as in 1280x720")?;
    // Most clips have a key frame then, and few begin with one.
    let gop = if plan.payload == "h264" { ", gop_ms: 1000" } else { "" };
    let payload = format!("{}{gop}", plan.payload);
    let camera = |name: &&str| {
        format!(
            "  - {{ name: {name}, backend: sim, payload: {payload}, truth_log: {folder}/{name}.truth }}\n"
        )
    };
    let cameras: String = CAMERAS.iter().map(camera).collect();
    let overlap = overlap_of(plan);
    Ok(format!(
        "camera: {{ width: {width}, height: {height}, fps: {} }}\ncameras:\n{cameras}recording: {{ output_dir: \
         {folder}/recordings, reserve_ms: {}, max_open_clips: {}, overlap: {overlap}, max_clip_ms: {LONGEST_CLIP_MS} }}\n",
        plan.fps, plan.reserve_ms, plan.open_clips
    ))
}

/// A clip whose begun trigger nobody ends, since the supervisor was away, ends after so long.
pub(crate) const LONGEST_CLIP_MS: u32 = 6000;

/// The config's `overlap`: one word for even seeds, the other for odd ones.
fn overlap_of(plan: &Plan) -> &'static str {
    if plan.seed.is_multiple_of(2) { "separate" } else { "extend" }
}

fn sizes(supervisor: &Supervisor, plan: &Plan) -> anyhow::Result<Sizes> {
    let stats = supervisor.stats()?;
    let slots = stats.cameras.iter().map(|camera| camera.ring.slots).max().context("no camera")?;
    let period_ns = 1_000_000_000 / u64::from(plan.fps.max(1));
    Ok(Sizes {
        period_ns,
        ring_ns: period_ns * u64::try_from(slots)?,
        reserve_ns: plan.reserve_ms * 1_000_000,
    })
}

/// The limits at which a run ends.
struct Limits {
    until: Option<Instant>,
    blows: usize,
    clips: usize,
}

impl Limits {
    fn of(plan: &Plan, began: Instant) -> Self {
        let alone = plan.blows.is_none() && plan.clips.is_none();
        let span = plan.minutes.map(|minutes| Duration::from_secs_f64(minutes.max(0.0) * 60.0));
        Self {
            until: span.or(alone.then_some(A_WHILE)).map(|span| began + span),
            blows: plan.blows.unwrap_or(usize::MAX),
            clips: plan.clips.unwrap_or(usize::MAX),
        }
    }

    fn reached(&self, blows: usize, triggers: &Triggers) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
            || blows >= self.blows
            || triggers.asked.load(Ordering::Relaxed) >= self.clips
    }
}

/// The instance that is struck, and the one beside it, if there is one.
struct Both<'a> {
    supervisor: &'a mut Supervisor,
    neighbour: Option<&'a mut Supervisor>,
}

fn strike_on(
    target: &Target,
    both: &mut Both<'_>,
    mut blows: Blows,
    limits: &Limits,
    triggers: &Triggers,
    tell: &dyn Fn(&str),
    struck: &mut Vec<Struck>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let blow = blows.next();
        let at = Instant::now() + blow.map_or(A_WHILE, |blow| blow.after);
        while Instant::now() < at {
            if limits.reached(struck.len(), triggers) {
                return Ok(());
            }
            let left = at.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
        let Some(blow) = blow else { continue };
        let dealt = target
            .deal(both.supervisor, both.neighbour.as_deref_mut(), &blow)
            .with_context(|| blow.strike.name())?;
        let on = dealt.camera.as_ref().map_or(String::new(), |camera| format!(" ({camera})"));
        tell(&format!("{:7.1} s  {}{on}", began.elapsed().as_secs_f64(), blow.strike.name()));
        struck.push(dealt);
    }
}
