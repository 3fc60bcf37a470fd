//! `benchmark restart`: from killing the recorder to the next frame that is encoded, again and again, while clips are asked
//! for. The blows, the clips and the judge are the nemesis's; here the single figures are kept.

use std::fmt;

use anyhow::Context;
use nemesis::report::Findings;
use nemesis::run;
use nemesis::strike::Strike;
use rig::spread::Spread;
use serde::{Deserialize, Serialize};

use crate::head::Head;
use crate::histogram;

/// From a blow to the next: a standby has the time to come up. As in `make kills`.
const EVERY_MS: (u64, u64) = (1300, 2500);
/// From a trigger to the next: mostly a clip is open. As in `make kills`.
const TRIGGER_EVERY_MS: (u64, u64) = (300, 1500);
/// The config's, by default.
const RESERVE_MS: u64 = 200;

/// The plan of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// So many times.
    pub kills: usize,
    /// The seed of all chance.
    pub seed: u64,
    /// Each camera's pixels, as in 1280x720.
    pub size: String,
    /// Frames a second.
    pub fps: u32,
}

/// The measurement, each field with its name in the results' JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Version, kind, machine.
    #[serde(flatten)]
    pub head: Head,
    /// The plan that was asked for.
    pub plan: Plan,
    /// Recorders killed.
    pub kills: usize,
    /// From the kill to the first frame encoded after it, for each camera that was being recorded.
    pub encoding_again_ms: Vec<f64>,
    /// From the kill to the supervisor's word of it.
    pub noticed_ms: Vec<f64>,
    /// Clips that were finished.
    pub clips: usize,
    /// Frames that should be in them.
    pub frames_expected: u64,
    /// Frames that are in them.
    pub frames_present: u64,
    /// Frames that are declared missing.
    pub frames_declared: u64,
    /// Frames that are missing in silence.
    pub frames_silent: i64,
    /// Things that should not have happened, in words.
    pub broken: Vec<String>,
}

/// Kills, and measures.
///
/// # Errors
/// When it could not be tried.
pub fn measure(plan: &Plan) -> anyhow::Result<Results> {
    let head = Head::begin("restart");
    let folder = tempfile::tempdir().context("a folder for the clips")?;
    let nemesis = run::Plan {
        seed: plan.seed,
        minutes: None,
        blows: Some(plan.kills),
        clips: None,
        strikes: vec![Strike::RecorderKilled],
        every_ms: EVERY_MS,
        trigger_every_ms: TRIGGER_EVERY_MS,
        size: plan.size.clone(),
        fps: plan.fps,
        payload: "raw".into(),
        reserve_ms: RESERVE_MS,
        open_clips: 2,
        keep: false,
        log: false,
    };
    // On the other stream: a hundred kills take minutes, and the results are read by others.
    let findings = run::run(&nemesis, folder.path(), &|line| eprintln!("{line}"))?;
    Ok(results(plan, head, findings))
}

fn results(plan: &Plan, head: Head, findings: Findings) -> Results {
    let ms = |span: std::time::Duration| span.as_secs_f64() * 1e3;
    let blows = &findings.blows;
    let encoding_again_ms = blows.iter().flat_map(|blow| blow.encoding.values().copied().map(ms)).collect();
    let noticed_ms = blows.iter().filter_map(|blow| blow.detected.map(ms)).collect();
    let kills = blows.len();
    let report = findings.report();
    Results {
        head,
        plan: plan.clone(),
        kills,
        encoding_again_ms,
        noticed_ms,
        clips: report.clips,
        frames_expected: report.frames.expected,
        frames_present: report.frames.present,
        frames_declared: report.frames.declared,
        frames_silent: report.frames.silent,
        broken: report.broken,
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "the recorder killed {} times, two {} cameras at {} fps, seed {}; {} cores, load {}",
            self.kills,
            self.plan.size,
            self.plan.fps,
            self.plan.seed,
            self.head.machine.cores,
            self.head.machine.load
        )?;
        writeln!(f, "\nkill to the next encoded frame, for each camera that was being recorded")?;
        write!(f, "{}", histogram::in_lines(&self.encoding_again_ms, "ms"))?;
        let mut line = |what: &str, values: &[f64]| {
            let Spread { of, p50, p99, worst } = Spread::of(values.iter().copied());
            match of {
                0 => writeln!(f, "{what:<16} never seen"),
                _ => writeln!(f, "{what:<16} p50 {p50:.1}, p99 {p99:.1}, worst {worst:.1} ms, of {of}"),
            }
        };
        line("encoding again", &self.encoding_again_ms)?;
        line("noticed", &self.noticed_ms)?;
        writeln!(
            f,
            "frames           {} of {} in {} clips; {} declared missing, {} in silence",
            self.frames_present, self.frames_expected, self.clips, self.frames_declared, self.frames_silent
        )?;
        for why in &self.broken {
            writeln!(f, "BROKEN: {why}")?;
        }
        Ok(())
    }
}
