//! `benchmark`: where every figure about speed and memory comes from.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use benchmarks::bench::compare::Comparison;
use benchmarks::bench::run::{self, Plan, Results};
use benchmarks::bench::{encode, peers, ring};
use clap::{Parser, Subcommand};

/// Measures the real processes. Figures of one machine, at one time: compare only what was measured together.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What some cameras cost, armed and recording
    Run {
        /// For so many seconds
        #[arg(long, default_value_t = 30.0)]
        duration: f64,
        /// sim, or a video file that every camera plays
        #[arg(long, default_value = "sim")]
        backend: String,
        /// How many cameras
        #[arg(long, default_value_t = 2)]
        cameras: u32,
        /// Each camera's pixels
        #[arg(long, default_value = "1280x720")]
        size: String,
        /// Frames a second
        #[arg(long, default_value_t = 60)]
        fps: u32,
        /// So many triggers, spread evenly over the time
        #[arg(long, default_value_t = 0)]
        clips: u32,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// What publishing, leasing and waking cost, beside the least that they could
    Ring {
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Processor time a frame costs the recorder, beside the ffmpeg command with the same settings
    Encode {
        /// How often each
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Preroll beside what a person would use instead, each on two cameras of the same kind
    ///
    /// Each records a few clips, is judged by the numbers in the pictures and by when frames were taken from the
    /// cameras, and has its encoder killed in the middle of one more. benchmarks/peers/install installs what the
    /// others need; those that are not there are left out.
    Peers {
        /// Clips of each
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Only these: preroll, preroll-bgr, preroll-sim, opencv-seed, opencv-threads, gstreamer, ffmpeg-segments, motion
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Each camera's pixels
        #[arg(long, default_value = "1280x720")]
        size: String,
        /// Frames a second
        #[arg(long, default_value_t = 60)]
        fps: u32,
        /// Milliseconds before a trigger
        #[arg(long, default_value_t = 500)]
        pre_ms: u32,
        /// Milliseconds after it
        #[arg(long, default_value_t = 500)]
        post_ms: u32,
        /// Seconds between clips
        #[arg(long, default_value_t = 3.0)]
        armed: f64,
        /// Leave clips and logs in this folder
        #[arg(long)]
        keep: Option<PathBuf>,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// The second process of `ring`
    #[command(hide = true)]
    Sleeper {
        /// ring or futex
        what: String,
        /// Where it is
        at: PathBuf,
    },
    /// Two runs side by side
    Compare {
        /// What `run --output` wrote
        first: PathBuf,
        /// Another
        second: PathBuf,
    },
}

fn main() -> ExitCode {
    match measure(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("benchmark: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { duration, backend, cameras, size, fps, clips, output } => {
            let results = run::run(&Plan { cameras, size, fps, backend, duration_s: duration, clips })?;
            print!("{results}");
            write(output.as_deref(), &results)?;
        }
        Command::Ring { output } => {
            let results = ring::measure()?;
            print!("{results}");
            write(output.as_deref(), &results)?;
        }
        Command::Encode { rounds, output } => {
            let results = encode::measure(rounds)?;
            print!("{results}");
            write(output.as_deref(), &results)?;
        }
        Command::Peers { rounds, only, size, fps, pre_ms, post_ms, armed, keep, output } => {
            let plan = peers::Plan { size, fps, pre_ms, post_ms, rounds, armed_s: armed, only };
            let results = peers::measure(&plan, keep.as_deref())?;
            print!("{results}");
            write(output.as_deref(), &results)?;
        }
        Command::Sleeper { what, at } => ring::sleep(&what, &at)?,
        Command::Compare { first, second } => print!("{}", Comparison::of(&read(&first)?, &read(&second)?)),
    }
    Ok(())
}

fn write(path: Option<&Path>, results: &impl serde::Serialize) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, serde_json::to_vec_pretty(results)?).with_context(|| path.display().to_string())
}

fn read(path: &Path) -> anyhow::Result<Results> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not what `run` wrote", path.display()))
}
