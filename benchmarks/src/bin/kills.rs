//! `make kills`: clips whose recorder is killed at a random moment, one after the other. Says how many frames that
//! cost, by the oracle, and how long nothing was encoded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use benchmarks::oracle;
use benchmarks::supervisor::{Answer, Supervisor, recorder_pid};
use benchmarks::truth::Truth;
use clap::Parser;
use proto::clip::{MANIFEST, Manifest};
use proto::stats::Stats;
use rustix::process::Signal;

/// Kills recorders in the middle of clips, and counts what that costs.
#[derive(Debug, Parser)]
struct Args {
    /// How many clips
    #[arg(long, default_value_t = 50)]
    clips: u32,
    /// Where chance begins; the same seed kills at the same moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A clip's window and what comes after it.
const MOMENTS_MS: u64 = 850;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("kills: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let config = format!(
        "cameras:\n  - {{ name: left, backend: sim, truth_log: {0}/left.truth }}\n  - {{ name: right, backend: sim, \
         truth_log: {0}/right.truth }}\nrecording: {{ output_dir: {0}/recordings }}\n",
        folder.path().display()
    );
    std::fs::write(path("kills.yaml"), config)?;
    println!("seed {}: {} clips of two 1280x720 cameras at 60 fps", args.seed, args.clips);
    let mut supervisor = Supervisor::start(&path("kills.yaml"))?;
    supervisor.wait_for("ready:")?;
    let captures = capture_pids(&supervisor.stats()?);
    let mut dice = Dice(args.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut kills, mut complete) = (0_u32, 0_u32);
    let (mut outages_ms, mut finishes_ms) = (Vec::new(), Vec::new());
    for n in 0..args.clips {
        let trigger = supervisor.trigger(&format!("kill-{n}"))?;
        // One in four is killed again while it recovers.
        for span_ms in [MOMENTS_MS, 300].into_iter().take(if dice.below(4) == 0 { 2 } else { 1 }) {
            std::thread::sleep(Duration::from_millis(dice.below(span_ms)));
            if let Some(pid) = recorder_pid(&supervisor.stats()?) {
                // It may have ended since: then there was nothing to kill.
                kills += u32::from(rustix::process::kill_process(pid, Signal::KILL).is_ok());
            }
        }
        let output = trigger.wait_with_output()?;
        let answer: Answer = serde_json::from_slice(&output.stdout).context("the trigger's answer")?;
        complete += u32::from(answer.complete);
        let manifest: Manifest =
            serde_json::from_slice(&std::fs::read(PathBuf::from(answer.path).join(MANIFEST))?)?;
        let interruptions = manifest.cameras.values().flat_map(|c| &c.interruptions);
        outages_ms.extend(interruptions.map(|i| i.outage_ms));
        finishes_ms.extend(supervisor.stats()?.recorder.last_finish_ms);
    }
    let stats = supervisor.stats()?;
    let same = capture_pids(&stats) == captures;
    let leftover = supervisor.stop()?;
    let truth =
        |name: &str| Ok::<_, anyhow::Error>((name.to_owned(), Truth::read(&path(&format!("{name}.truth")))?));
    let truths = ["left", "right"].into_iter().map(truth).collect::<Result<BTreeMap<_, _>, _>>()?;
    let report = oracle::judge_folder(&path("recordings"), &truths)?;
    let sum = |of: fn(&benchmarks::judge::Verdict) -> u64| report.verdicts().map(of).sum::<u64>();
    println!("did       {kills} kills in {} clips", args.clips);
    println!("expected  {} frames", sum(|v| v.expected));
    println!(
        "found     {} frames, {} declared missing; {complete} clips complete",
        sum(|v| v.present),
        sum(|v| v.declared)
    );
    println!("oracle    {}", if report.is_true() { "every clip is true" } else { "SOME CLIPS ARE NOT TRUE" });
    println!("outage    {}", spread(&mut outages_ms));
    println!("finished  {}, after the clip's end", spread(&mut finishes_ms));
    for camera in &stats.cameras {
        println!(
            "interval  {}: p99 {:.1} ms, longest {:.1} ms",
            camera.name, camera.interval_ms.p99, camera.interval_ms.max
        );
    }
    println!(
        "captures  {}",
        if same { "the same processes throughout" } else { "NOT the same processes throughout" }
    );
    println!("memory    {:.0} MB at the end", mb(stats.totals.memory_bytes));
    if !leftover.is_empty() {
        println!("left      {leftover}");
    }
    let good = report.is_true() && complete == args.clips && same && leftover.is_empty();
    if !good {
        println!("{report}");
    }
    Ok(good)
}

fn capture_pids(stats: &Stats) -> Vec<Option<u32>> {
    stats.processes.iter().filter(|p| p.role == "capture").map(|p| p.pid).collect()
}

/// Median, 99th percentile and worst of so many.
fn spread(values_ms: &mut [u64]) -> String {
    values_ms.sort_unstable();
    let at = |percent: usize| {
        values_ms.get((values_ms.len() * percent / 100).min(values_ms.len().saturating_sub(1)))
    };
    match (at(50), at(99), values_ms.last()) {
        (Some(p50), Some(p99), Some(worst)) => {
            format!("p50 {p50} ms, p99 {p99} ms, worst {worst} ms, of {}", values_ms.len())
        }
        _ => "none".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// xorshift64: chance that can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
