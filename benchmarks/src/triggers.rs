//! `benchmark triggers`: triggers through `preroll trigger --follow` at a steady rate, each from the line to its answer, beside
//! appending to a file on the same disk and flushing it.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use oracle::truth::Truth;
use rig::supervisor::Supervisor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cameras::Cameras;
use crate::cost::mega;
use crate::head::Head;
use crate::took::Took;

/// Bare flushes.
const FLUSHES: usize = 1000;
/// Bytes of each: about those of a trigger's line.
const FLUSHED_BYTES: usize = 200;

/// The plan of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Plan {
    /// Triggers a second.
    pub rate: u32,
    /// For so long.
    pub seconds: u32,
    /// `extend` or `separate`.
    pub overlap: String,
    /// After each trigger.
    pub post_ms: u64,
}

/// The measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// The plan that was asked for.
    pub plan: Plan,
    /// Triggers that were sent.
    pub sent: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Of these, refused, by reason.
    pub refused: HashMap<String, u64>,
    /// Last answers: the clip is finished.
    pub finished: u64,
    /// The clips that they came to.
    pub clips: u64,
    /// Frames that are missing in them.
    pub frames_lost: u64,
    /// From writing the line to its first answer.
    pub answered: Took,
    /// A bare append and flush on the same disk, before the triggers and after them.
    pub flush: [Took; 2],
    /// The supervisor's memory before the first trigger, and after the last answer.
    pub supervisor_bytes: [u64; 2],
    /// Things that should not have happened, in words.
    pub broken: Vec<String>,
}

/// Measures.
///
/// # Errors
/// When Preroll can't be started, or its answers can't be read.
pub fn measure(plan: &Plan) -> anyhow::Result<Results> {
    let head = Head::begin("triggers");
    let folder = tempfile::tempdir()?;
    let config = write_config(plan, folder.path())?;
    let mut supervisor = Supervisor::start(&config)?;
    supervisor.wait_until_ready()?;
    std::thread::sleep(Duration::from_secs(1));
    let memory = |supervisor: &Supervisor| -> anyhow::Result<u64> {
        let stats = supervisor.stats()?;
        Ok(stats.processes.first().map_or(0, |process| process.pss_bytes))
    };
    let before = (flushes(folder.path())?, memory(&supervisor)?);
    let heard = trigger(&supervisor, plan)?;
    // The figures of /proc are up to a second old.
    std::thread::sleep(Duration::from_millis(1200));
    let after = (flushes(folder.path())?, memory(&supervisor)?);
    let mut broken: Vec<String> =
        Some(supervisor.stop()?).filter(|left| !left.is_empty()).into_iter().collect();
    let mut truths = oracle::truth::Truths::new();
    for n in 1..=2 {
        let name = Cameras::name(n);
        truths.insert(name.clone(), Truth::read(&folder.path().join(format!("{name}.truth")))?);
    }
    let report = oracle::folder::judge(&folder.path().join("recordings"), &truths)?;
    let is_false = report.clips.iter().filter(|clip| !clip.is_true());
    broken.extend(is_false.map(|clip| format!("{} is false: {:?}", clip.name, clip.faults)));
    let lost = |clip: &oracle::report::Clip| {
        clip.cameras.values().map(|camera| camera.expected.saturating_sub(camera.present)).sum::<u64>()
    };
    Ok(Results {
        head,
        plan: plan.clone(),
        sent: heard.sent,
        accepted: heard.accepted,
        refused: heard.refused,
        finished: heard.finished,
        clips: heard.clips.len() as u64,
        frames_lost: report.clips.iter().map(lost).sum(),
        answered: Took::of(heard.took_ns),
        flush: [before.0, after.0],
        supervisor_bytes: [before.1, after.1],
        broken,
    })
}

fn write_config(plan: &Plan, folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let camera = |n| {
        let name = Cameras::name(n);
        let truth = folder.join(format!("{name}.truth")).display().to_string();
        format!("  - {{ name: {name}, backend: sim, truth_log: {truth:?} }}\n")
    };
    let (recordings, Plan { overlap, post_ms, .. }) = (folder.join("recordings").display().to_string(), plan);
    let text = format!(
        "camera: {{ width: 320, height: 192, fps: 60 }}\ncameras:\n{}{}\
         recording: {{ output_dir: {recordings:?}, overlap: {overlap}, post_roll_ms: {post_ms}, reserve_ms: 4000 }}\n",
        camera(1),
        camera(2)
    );
    let path = folder.join("triggers.yaml");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Appends and flushes, again and again.
fn flushes(folder: &Path) -> anyhow::Result<Took> {
    let mut file = File::create(folder.join("recordings").join("flushed"))?;
    let line = [b'x'; FLUSHED_BYTES];
    let took = (0..FLUSHES).map(|_| {
        let begun = Instant::now();
        file.write_all(&line)?;
        file.sync_data()?;
        Ok(crate::took::nanos(begun))
    });
    let took = took.collect::<std::io::Result<Vec<u64>>>()?;
    std::fs::remove_file(folder.join("recordings").join("flushed"))?;
    Ok(Took::of(took))
}

/// The answers to the triggers so far.
#[derive(Default)]
struct Heard {
    sent: u64,
    accepted: u64,
    refused: HashMap<String, u64>,
    finished: u64,
    clips: BTreeSet<String>,
    took_ns: Vec<u64>,
}

/// When each line was written, by its id.
type Written = Arc<Mutex<HashMap<String, Instant>>>;

fn trigger(supervisor: &Supervisor, plan: &Plan) -> anyhow::Result<Heard> {
    let mut command = supervisor.instance().command()?;
    command.args(["trigger", "--follow"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdin, stdout) =
        (child.stdin.take().context("its input")?, child.stdout.take().context("its output")?);
    let written = Written::default();
    let (rate, all) = (plan.rate, u64::from(plan.rate) * u64::from(plan.seconds));
    let sending = Arc::clone(&written);
    let sender = std::thread::spawn(move || send(stdin, rate, all, &sending));
    let heard = hear(BufReader::new(stdout), &written);
    let sent = sender.join().map_err(|_| anyhow::anyhow!("the thread that sends has panicked"))??;
    end(child)?;
    Ok(Heard { sent, ..heard? })
}

fn send(mut to: ChildStdin, rate: u32, all: u64, written: &Written) -> anyhow::Result<u64> {
    let begun = Instant::now();
    for n in 0..all {
        let due = begun + Duration::from_secs(n) / rate;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let id = format!("t{n}");
        let line = format!("{{\"op\":\"trigger\",\"id\":\"{id}\"}}\n");
        written.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Instant::now());
        to.write_all(line.as_bytes())?;
    }
    Ok(all)
}

fn hear(lines: impl BufRead, written: &Written) -> anyhow::Result<Heard> {
    let mut heard = Heard::default();
    for line in lines.lines() {
        let answer: Value = serde_json::from_str(&line?)?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        match text("answer").as_str() {
            "finished" => heard.finished += 1,
            first => {
                let since = written.lock().unwrap_or_else(PoisonError::into_inner).remove(&text("id"));
                heard.took_ns.extend(since.map(crate::took::nanos));
                if first == "accepted" {
                    heard.accepted += 1;
                    heard.clips.insert(text("clip_id"));
                } else {
                    *heard.refused.entry(text("reason")).or_default() += 1;
                }
            }
        }
    }
    Ok(heard)
}

fn end(mut child: Child) -> anyhow::Result<()> {
    let status = child.wait()?;
    ensure!(status.success(), "trigger --follow: {status}");
    Ok(())
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, plan, sent, accepted, refused, finished, clips, frames_lost, .. } = self;
        let [before, after] = self.supervisor_bytes;
        writeln!(
            f,
            "{} triggers a second for {} s, overlap {}, {} ms after each; 2 cameras of 320x192 at 60 fps; {} cores, load {}",
            plan.rate, plan.seconds, plan.overlap, plan.post_ms, head.machine.cores, head.machine.load
        )?;
        writeln!(
            f,
            "sent {sent}, accepted {accepted}, refused {refused:?}, finished {finished}; {clips} clips, {frames_lost} frames lost"
        )?;
        writeln!(f, "{:>24} {:>10} {:>10}", "", "p50, ms", "p99, ms")?;
        let [first, last] = self.flush;
        for (name, took) in
            [("line to answer", self.answered), ("bare flush, before", first), ("bare flush, after", last)]
        {
            writeln!(f, "{name:>24} {:>10.2} {:>10.2}", ms(took.p50_ns), ms(took.p99_ns))?;
        }
        writeln!(f, "supervisor: {:.1} MB before, {:.1} MB after", mega(before), mega(after))?;
        self.broken.iter().try_for_each(|why| writeln!(f, "BROKEN: {why}"))
    }
}

fn ms(ns: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "times of a measurement")]
    let ns = ns as f64;
    ns / 1e6
}
