//! `make nemesis`, `make kills`: a real Preroll, to which something is done every few seconds while clips are asked
//! for. Says what was done, what was expected and what was found; fails if the promise is broken.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use benchmarks::nemesis::blame::Sizes;
use benchmarks::nemesis::clips::{Bench, folders};
use benchmarks::nemesis::hand::{Scene, Struck};
use benchmarks::nemesis::meter::{self, Meter};
use benchmarks::nemesis::report::{Findings, Report};
use benchmarks::nemesis::strike::{Blows, Strike};
use benchmarks::nemesis::triggers::Triggers;
use benchmarks::supervisor::Supervisor;
use benchmarks::truth::Truth;
use clap::Parser;

/// Kills whatever there is, and finds out what it cost. The limits end it, whichever comes first.
#[derive(Debug, Parser)]
#[command(after_help = "Exit status: 0 the promise held, 1 it is broken, 2 it could not be tried.")]
struct Args {
    /// Where chance begins: the same seed strikes the same victims after the same intervals
    #[arg(long)]
    seed: Option<u64>,
    /// For so long
    #[arg(long)]
    minutes: Option<f64>,
    /// For so many blows
    #[arg(long)]
    blows: Option<usize>,
    /// For so many triggers
    #[arg(long)]
    clips: Option<usize>,
    /// Whom to strike: recorder, standby, capture, supervisor, everything, command; or one way of it, such as
    /// capture-stopped; or none
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    victims: Option<Vec<String>>,
    /// From a blow's end to the next, in milliseconds
    #[arg(long, default_value = "2000-10000", value_parser = parse_range, value_name = "MIN-MAX")]
    every_ms: (u64, u64),
    /// From a trigger to the next, in milliseconds
    #[arg(long, default_value = "500-3000", value_parser = parse_range, value_name = "MIN-MAX")]
    trigger_every_ms: (u64, u64),
    /// Each camera's pixels
    #[arg(long, default_value = "1280x720")]
    size: String,
    /// Frames a second
    #[arg(long, default_value_t = 60)]
    fps: u32,
    /// The config's reserve
    #[arg(long, default_value_t = 250)]
    reserve_ms: u64,
    /// The config's max_open_clips. The preset is chosen so that two of each camera can be encoded at once
    #[arg(long, default_value_t = 2)]
    open_clips: u32,
    /// Write all of it to this file, as JSON
    #[arg(long)]
    output: Option<PathBuf>,
    /// Keep recordings and truth logs here, instead of removing the videos of clips that are true
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print Preroll's log at the end
    #[arg(long)]
    log: bool,
}

const CAMERAS: [&str; 2] = ["left", "right"];
/// When nothing else is asked for.
const A_WHILE: Duration = Duration::from_secs(60);
/// Clips that aren't finished so long after the last trigger never are.
const PATIENCE: Duration = Duration::from_secs(60);
/// What processes have before the first clip and after the last is measured when they have come to rest.
const REST: Duration = Duration::from_secs(7);

fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let range = text.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    range.filter(|(a, b)| a <= b).ok_or_else(|| "expected MIN-MAX, as in 2000-10000".to_owned())
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(report) => {
            println!("\n{report}");
            ExitCode::from(u8::from(!report.held))
        }
        Err(e) => {
            eprintln!("nemesis: {e:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<Report> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = args.seed.unwrap_or(now.as_secs() % 1_000_000);
    println!("seed {seed}");
    let strikes = strikes(args.victims.as_deref()).map_err(anyhow::Error::msg).context("--victims")?;
    let temporary = tempfile::tempdir()?;
    let folder = args.keep.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let config = folder.join("nemesis.yaml");
    std::fs::write(&config, config_of(args, &folder.display().to_string())?)?;
    let scene = Scene {
        recordings: folder.join("recordings"),
        cameras: CAMERAS.map(proto::name::Name::new).into_iter().collect::<Result<_, _>>()?,
    };
    let truth_path = |name: &&str| (((*name).to_owned()), folder.join(format!("{name}.truth")));
    let bench = Bench {
        recordings: scene.recordings.clone(),
        truths: CAMERAS.iter().map(truth_path).collect(),
        keep: args.keep.is_some(),
    };

    let mut supervisor = Supervisor::start(&config)?;
    supervisor.wait_until_ready()?;
    supervisor.wait("the rings don't fill", |this| {
        Ok(this.stats()?.cameras.iter().all(|c| c.ring.filled_slots == c.ring.slots))
    })?;
    let place = supervisor.place().clone();
    let sizes = sizes(&supervisor, args)?;
    let (asking, measuring, judging) =
        (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
    let (triggers, mut meter) = (Triggers::default(), Meter::default());
    let mut wrong = Vec::new();
    let (blows, zombies, stray_segments, left, judged, seconds) = std::thread::scope(|scope| {
        let measures = scope.spawn(|| meter.run(&place, &measuring));
        std::thread::sleep(REST);
        let began = Instant::now();
        let asks = scope.spawn(|| triggers.run(&place, seed, args.trigger_every_ms, &asking));
        let judges = scope.spawn(|| bench.run(&judging));
        let mut blows = Vec::new();
        let limits = Limits::of(args, began);
        let order = Blows::new(seed, strikes, args.every_ms, CAMERAS.len());
        if let Err(e) = strike_on(&scene, &mut supervisor, order, &limits, &triggers, &mut blows) {
            wrong.push(format!("{e:#}"));
        }
        let seconds = began.elapsed().as_secs_f64();
        asking.store(true, Ordering::Relaxed);
        let _ = asks.join();
        let unfinished =
            || folders(&scene.recordings).iter().any(|clip| !clip.join("manifest.json").exists());
        let until = Instant::now() + PATIENCE;
        while unfinished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(REST);
        measuring.store(true, Ordering::Relaxed);
        let _ = measures.join();
        let (zombies, segments) = (meter::zombies(&place), place.segments().len());
        if args.log {
            supervisor
                .log_since(proto::time::MonotonicNs(0))
                .iter()
                .for_each(|line| println!("{}", line.text));
        }
        let left = supervisor.stop().unwrap_or_else(|e| format!("it can't be stopped: {e:#}"));
        judging.store(true, Ordering::Relaxed);
        let judged = judges.join().unwrap_or_default();
        (blows, zombies, segments.saturating_sub(CAMERAS.len()), left, judged, seconds)
    });
    let read = |(name, path): (&String, &PathBuf)| Ok((name.clone(), Truth::read(path)?));
    let truths = bench.truths.iter().map(read).collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    let unfinished =
        folders(&scene.recordings).into_iter().filter(|clip| !clip.join("manifest.json").exists()).collect();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let setup = format!(
        "two {} cameras at {} fps, reserve {} ms, {cores} cores, load {} at the end",
        args.size,
        args.fps,
        args.reserve_ms,
        load.split(' ').next().unwrap_or("?")
    );
    let report = Findings {
        seed,
        seconds,
        setup,
        blows,
        asked: triggers.asked.into_inner(),
        accepted: triggers.accepted.into_inner().unwrap_or_else(PoisonError::into_inner),
        refused: triggers.refused.into_inner().unwrap_or_else(PoisonError::into_inner),
        judged,
        unfinished,
        truths,
        sizes,
        processes: meter.courses(),
        zombies,
        stray_segments,
        left,
        wrong,
    }
    .report();
    if let Some(path) = &args.output {
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| path.display().to_string())?;
    }
    if !report.held && args.keep.is_none() {
        println!("kept: {}", temporary.keep().display());
    }
    Ok(report)
}

fn strikes(victims: Option<&[String]>) -> Result<Vec<Strike>, String> {
    let Some(victims) = victims else { return Ok(Strike::ALL.to_vec()) };
    let called = victims.iter().map(|name| Strike::called(name)).collect::<Result<Vec<_>, _>>()?;
    Ok(called.concat())
}

fn config_of(args: &Args, folder: &str) -> anyhow::Result<String> {
    let (width, height) =
        args.size.split_once('x').context("--size: expected WIDTHxHEIGHT, as in 1280x720")?;
    let camera =
        |name: &&str| format!("  - {{ name: {name}, backend: sim, truth_log: {folder}/{name}.truth }}\n");
    let cameras: String = CAMERAS.iter().map(camera).collect();
    Ok(format!(
        "camera: {{ width: {width}, height: {height}, fps: {} }}\ncameras:\n{cameras}recording: {{ output_dir: \
         {folder}/recordings, reserve_ms: {}, max_open_clips: {} }}\n",
        args.fps, args.reserve_ms, args.open_clips
    ))
}

fn sizes(supervisor: &Supervisor, args: &Args) -> anyhow::Result<Sizes> {
    let stats = supervisor.stats()?;
    let slots = stats.cameras.iter().map(|camera| camera.ring.slots).max().context("no camera")?;
    let period_ns = 1_000_000_000 / u64::from(args.fps.max(1));
    Ok(Sizes {
        period_ns,
        ring_ns: period_ns * u64::try_from(slots)?,
        reserve_ns: args.reserve_ms * 1_000_000,
    })
}

/// When it is enough.
struct Limits {
    until: Option<Instant>,
    blows: usize,
    clips: usize,
}

impl Limits {
    fn of(args: &Args, began: Instant) -> Self {
        let alone = args.blows.is_none() && args.clips.is_none();
        let span = args.minutes.map(|minutes| Duration::from_secs_f64(minutes.max(0.0) * 60.0));
        Self {
            until: span.or(alone.then_some(A_WHILE)).map(|span| began + span),
            blows: args.blows.unwrap_or(usize::MAX),
            clips: args.clips.unwrap_or(usize::MAX),
        }
    }

    fn reached(&self, blows: usize, triggers: &Triggers) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
            || blows >= self.blows
            || triggers.asked.load(Ordering::Relaxed) >= self.clips
    }
}

fn strike_on(
    scene: &Scene,
    supervisor: &mut Supervisor,
    mut blows: Blows,
    limits: &Limits,
    triggers: &Triggers,
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
        let dealt = scene.deal(supervisor, &blow).with_context(|| blow.strike.name())?;
        let on = dealt.camera.as_ref().map_or(String::new(), |camera| format!(" ({camera})"));
        println!("{:7.1} s  {}{on}", began.elapsed().as_secs_f64(), blow.strike.name());
        struck.push(dealt);
    }
}
