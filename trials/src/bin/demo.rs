//! `make demo`: the main job, for real, in a few lines. Starts the default config, triggers, kills the recorder with
//! -9 in the middle of the clip, and counts the frames in the files by the numbers drawn into them. Fails if a single
//! one is missing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use oracle::{decode, stamp, timestamps};
use proto::clip::{MANIFEST, Manifest, Window};
use proto::frame::Fps;
use proto::stats::Stats;
use proto::storage::mb;
use rig::instance::{Answer, recorder_pid};
use rig::process;
use rig::supervisor::Supervisor;
use rustix::process::Signal;

/// Shows Preroll at its main job, and checks it.
#[derive(Debug, Parser)]
struct Args {
    /// A config with simulated cameras
    #[arg(long, default_value = "configs/default.yaml")]
    config: PathBuf,
    /// Kill the recorder so many milliseconds after the trigger
    #[arg(long, default_value_t = 200)]
    kill_after_ms: u64,
}

fn main() -> ExitCode {
    match demo(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("\ndemo: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn line(what: &str, text: &str) {
    println!("  {what:<11}{text}");
}

fn demo(args: &Args) -> anyhow::Result<bool> {
    println!("\nPreroll keeps the last moments of every camera, and records them when something happens.\n");
    let supervisor = start(&args.config)?;
    let trigger = supervisor.trigger("demo")?;
    kill_the_recorder(&supervisor, args.kill_after_ms)?;

    let output = trigger.wait_with_output().context("the trigger's answer")?;
    let answer: Answer =
        serde_json::from_slice(&output.stdout).context("the trigger's answer makes no sense")?;
    let folder = PathBuf::from(&answer.path);
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(folder.join(MANIFEST))?)?;
    say_how_it_went_on(&manifest, &supervisor.stats()?);
    println!();
    let mut whole = count_all(&folder, &manifest)?;
    println!();
    line("clip", &shown(&folder));
    let leftover = supervisor.stop()?;
    line("stopped", if leftover.is_empty() { "nothing is left but the clip" } else { &leftover });
    println!();
    whole &= manifest.complete && leftover.is_empty();
    println!("{}", if whole { "Every frame is there." } else { "SOMETHING IS MISSING." });
    Ok(whole)
}

/// Starts Preroll, and says what it costs while it waits for a trigger.
fn start(config: &Path) -> anyhow::Result<Supervisor> {
    let began = Instant::now();
    let mut supervisor = Supervisor::start(config)?;
    supervisor.wait_for("ready:")?;
    let stats = supervisor.stats()?;
    let recorder = &stats.recorder;
    let preset = recorder.preset.as_deref().map_or(String::new(), |p| format!(" {p}"));
    let (cameras, took) = (stats.cameras.len(), began.elapsed().as_secs_f64());
    let encoder = format!("{} by {}{preset}", recorder.codec, recorder.encoder);
    line("started", &format!("{cameras} cameras in {took:.1} s; {encoder}"));
    // Rates are measured over a second: what starting cost should be over by then.
    let armed = supervisor.stats_after(Duration::from_millis(2500))?;
    let (memory, cpu) = (mb(armed.totals.memory_bytes), armed.totals.cpu_percent);
    line("armed", &format!("{memory:.0} MB of memory in all, {cpu:.1} % of one core"));
    Ok(supervisor)
}

fn kill_the_recorder(supervisor: &Supervisor, after_ms: u64) -> anyhow::Result<()> {
    std::thread::sleep(Duration::from_millis(after_ms));
    let victim = recorder_pid(&supervisor.stats()?).context("there is no recorder to kill")?;
    process::send(victim, Signal::KILL).context("the recorder can't be killed")?;
    line("killed", &format!("the recorder (pid {victim}) with -9, {after_ms} ms after the trigger"));
    Ok(())
}

fn say_how_it_went_on(manifest: &Manifest, after: &Stats) {
    let away = manifest.cameras.values().flat_map(|c| &c.interruptions).map(|i| i.outage_ms).max();
    let successor = recorder_pid(after).map_or("?".to_owned(), |pid| pid.to_string());
    let outage = match away {
        Some(ms) => format!(", {ms} ms after the last frame before the kill"),
        None => "; the kill hit no frame being recorded".to_owned(),
    };
    line("went on", &format!("with another recorder (pid {successor}){outage}"));
    if let Some(ms) = after.recorder.last_finish_ms {
        line("finished", &format!("{ms} ms after the clip's end"));
    }
}

/// Counts the frames in every camera's files. True if none is missing.
fn count_all(folder: &Path, manifest: &Manifest) -> anyhow::Result<bool> {
    let mut whole = true;
    for (name, clip) in manifest.cameras.iter() {
        let fps = Fps::new(clip.fps).context("a rate that is none")?;
        let count = count(folder, name.as_str(), &clip.files, manifest.window, fps)?;
        whole &= count.is_whole();
        line(clip.file.as_deref().unwrap_or(name.as_str()), &count.to_string());
    }
    Ok(whole)
}

/// Relative to here, if it is below here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// A count of a camera's frames by their stamps.
struct Count {
    expected: u64,
    found: u64,
    doubled: u64,
    out_of_order: u64,
    unreadable: u64,
}

impl Count {
    fn is_whole(&self) -> bool {
        self.found == self.expected && self.doubled + self.out_of_order + self.unreadable == 0
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} frames expected, {} found by their stamps", self.expected, self.found)?;
        for (n, what) in
            [(self.doubled, "doubled"), (self.out_of_order, "out of order"), (self.unreadable, "unreadable")]
        {
            if n > 0 {
                write!(f, ", {n} {}", what.to_uppercase())?;
            }
        }
        if self.is_whole() { write!(f, ", in order, none doubled") } else { Ok(()) }
    }
}

/// Decodes a camera's files and reads the stamps. A simulated camera's clock runs evenly, so one frame's number and
/// time tell when every other was due, and so which ones the window should hold.
fn count(folder: &Path, camera: &str, files: &[String], window: Window, fps: Fps) -> anyhow::Result<Count> {
    let mut stamps = Vec::new();
    for file in files {
        let path = folder.join(file);
        let decoded = decode::each_frame(&path, |luma| {
            stamps.push(stamp::read(luma.plane, luma.stride, luma.width, luma.height));
        })
        .with_context(|| path.display().to_string())?;
        ensure!(decoded.errors.is_empty(), "{}: {}", path.display(), decoded.errors.join("; "));
    }
    let csv = folder.join(format!("{camera}_timestamps.csv"));
    let rows =
        timestamps::parse(&std::fs::read_to_string(&csv)?).with_context(|| csv.display().to_string())?;
    let sequences: Vec<u64> = stamps.iter().flatten().map(|s| u64::from(s.source_sequence)).collect();
    let (Some(Some(first)), Some(row)) = (stamps.first(), rows.first()) else {
        bail!("camera {camera}: no frame to count from")
    };
    let zero = row.t_ns - fps.due_ns(u64::from(first.source_sequence));
    let before = |t: u64| fps.frames_in(t.saturating_sub(zero));
    let expected = before(window.end_ns.0) - before(window.start_ns.0 - 1);
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    sequences.iter().for_each(|s| *seen.entry(*s).or_default() += 1);
    Ok(Count {
        expected,
        found: seen
            .keys()
            .filter(|s| {
                window.start_ns.0 <= zero + fps.due_ns(**s) && zero + fps.due_ns(**s) <= window.end_ns.0
            })
            .count() as u64,
        doubled: seen.values().map(|n| n - 1).sum(),
        out_of_order: sequences.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64,
        unreadable: stamps.iter().filter(|s| s.is_none()).count() as u64,
    })
}
