//! `benchmark`: where every figure about speed and memory comes from.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use benchmarks::compare::Comparison;
use benchmarks::run::{self, Plan, Results};
use benchmarks::{
    copied, copies, encode, loop_delay, memory, overload, peers, report, restart, ring, rtsp, scale, size,
    smart, triggers, wake,
};
use clap::{Parser, Subcommand};
use rig::ordinary_user;

/// Measures the real processes. Figures of one machine, at one time: compare only what was measured together.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the cost of some cameras, armed and recording
    Run {
        /// For so many seconds
        #[arg(long, default_value_t = 30.0)]
        duration: f64,
        /// sim, or a video file that every camera plays
        #[arg(long, default_value = "sim")]
        backend: String,
        /// Number of cameras
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
    /// Measure publishing, leasing and waking, beside the least that they could cost
    Ring {
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Processor time a frame costs the recorder, beside the ffmpeg command with the same settings
    Encode {
        /// Repetitions of each
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// From killing the recorder to the next encoded frame, again and again
    Restart {
        /// So many times
        #[arg(long, default_value_t = 100)]
        kills: usize,
        /// Seed of all chance: the same one kills after the same intervals
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Each camera's pixels
        #[arg(long, default_value = "1280x720")]
        size: String,
        /// Frames a second
        #[arg(long, default_value_t = 60)]
        fps: u32,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Measure how much larger MJPG's files are than H264's when both are equally like the film
    Size {
        /// A real film, of some seconds. All there are to be had were compressed before; the less, the better
        #[arg(long)]
        film: PathBuf,
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
    /// Results as one page, with pictures; exit status 2 if a file is none
    Report {
        /// Files that `--output` of any of these commands wrote
        #[arg(required = true)]
        results: Vec<PathBuf>,
        /// Write the page to this file
        #[arg(long)]
        output: PathBuf,
        /// Write the pictures into this folder too, each as a file
        #[arg(long, value_name = "DIR")]
        pictures: Option<PathBuf>,
    },
    /// Find the number of cameras that this machine holds armed without losing a frame, and the cost of each
    Scale {
        /// Each camera's pixels; may be given again
        #[arg(long, default_values = ["1280x720", "1920x1080", "3840x2160"])]
        size: Vec<String>,
        /// Frames a second
        #[arg(long, default_value_t = 60)]
        fps: u32,
        /// Frames are counted for so many seconds with each number of cameras
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
        /// So many cameras first, then more; fewer only if these don't hold
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
        least: u32,
        /// No more cameras than this
        #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=256))]
        most: u32,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Measure the memory of a longer pre-roll, beside what its rings should take
    Memory {
        /// Number of cameras
        #[arg(long, default_value_t = 2)]
        cameras: u32,
        /// Each camera's pixels
        #[arg(long, default_value = "1280x720")]
        size: String,
        /// Frames a second
        #[arg(long, default_value_t = 60)]
        fps: u32,
        /// Milliseconds of pre-roll; may be given again
        #[arg(long, default_values_t = [500, 1000, 2000, 5000, 10_000])]
        pre_roll_ms: Vec<u64>,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Does asking for statistics hold up the supervisor's loop?
    ///
    /// Spans without questions and with them take turns. The supervisor itself records how long its
    /// children's reports wait for the loop.
    Loop {
        /// How many cameras
        #[arg(long, default_value_t = 64)]
        cameras: u32,
        /// Each camera's pixels: small ones, since the machine has to hold all of them
        #[arg(long, default_value = "256x64")]
        size: String,
        /// Frames a second
        #[arg(long, default_value_t = 5)]
        fps: u32,
        /// Questions a second, in every second span
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        questions: u32,
        /// Pairs of spans
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Seconds of a span; with less than 12 the spans mix
        #[arg(long, default_value_t = 12)]
        seconds: u64,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// The price of a machine that is too slow for a while, in frames and time
    ///
    /// Each row is an instance of its own under a load of its own: busy programs, a slow preset, many cameras, a disk that
    /// stands still. Root measures as an ordinary user, whose recorder has no precedence. Exit status 1 if a clip is
    /// false, or something is left behind.
    Overload {
        /// Only these rows: quiet, beside-2, beside-4, beside-8, slow-preset, six-cameras, disk-stall
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Kill the recorder so often in each row, once in a clip
        #[arg(long, default_value_t = 0)]
        kills: u32,
        /// Milliseconds of reserve; the config's default, if it is left out
        #[arg(long)]
        reserve_ms: Option<u64>,
        /// The preset of the row slow-preset: one that reaches about 25 frames/s here
        #[arg(long, default_value = "veryslow")]
        preset: String,
        /// Seed of all chance
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Cameras that send JPEGs, recorded as they came: cost, memory, and finishing beside dd
    ///
    /// Exit status 1 if a clip is false, or something is left behind.
    Copied {
        /// Number of cameras
        #[arg(long, default_value_t = 2)]
        cameras: u32,
        /// Each camera's pixels
        #[arg(long, default_value = "1920x1080")]
        size: String,
        /// Frames a second
        #[arg(long, default_value_t = 60)]
        fps: u32,
        /// Bytes of a frame
        #[arg(long, default_value_t = 400_000)]
        frame_bytes: u64,
        /// The largest frame that a ring takes
        #[arg(long, default_value_t = 1_000_000)]
        max_frame_bytes: u64,
        /// Milliseconds before a trigger
        #[arg(long, default_value_t = 10_000)]
        pre_ms: u64,
        /// Milliseconds after it
        #[arg(long, default_value_t = 5000)]
        post_ms: u64,
        /// Seconds without a clip, in which the cost of being armed is measured
        #[arg(long, default_value_t = 10.0)]
        armed: f64,
        /// Clips, one after the other
        #[arg(long, default_value_t = 3)]
        clips: u32,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Clips of an H.264 camera that are copied from a key frame on, beside such that are all encoded again: processor time
    ///
    /// Exit status 1 if a clip is false, or something is left behind.
    Smart {
        /// The camera's pixels
        #[arg(long, default_value = "1920x1080")]
        size: String,
        /// Frames a second
        #[arg(long, default_value_t = 30)]
        fps: u32,
        /// Milliseconds from one key frame to the next
        #[arg(long, default_value_t = 2000)]
        gop_ms: u64,
        /// Bytes of the largest frames; the stamp alone takes 74 kB of a frame of 1920x1080
        #[arg(long, default_value_t = 90_000)]
        frame_bytes: u64,
        /// Milliseconds before a trigger
        #[arg(long, default_value_t = 10_000)]
        pre_ms: u64,
        /// Milliseconds after it
        #[arg(long, default_value_t = 2000)]
        post_ms: u64,
        /// Clips of each kind
        #[arg(long, default_value_t = 5)]
        clips: u32,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Cameras that send H.264 over RTSP: cost armed, frames lost, and being live again after a cut
    ///
    /// The cameras are bad-camera, a process of its own that isn't counted. Exit status 1 if a frame is lost, or something is
    /// left behind.
    Rtsp {
        /// Number of cameras
        #[arg(long, default_value_t = 8)]
        cameras: u32,
        /// Each camera's pixels
        #[arg(long, default_value = "1920x1080")]
        size: String,
        /// Frames a second
        #[arg(long, default_value_t = 30)]
        fps: u32,
        /// Kilobits a second of each camera
        #[arg(long, default_value_t = 4000)]
        kbps: u32,
        /// Milliseconds before a trigger
        #[arg(long, default_value_t = 10_000)]
        pre_ms: u64,
        /// Milliseconds after it
        #[arg(long, default_value_t = 2000)]
        post_ms: u64,
        /// Seconds without a clip, in which the cost of being armed is measured
        #[arg(long, default_value_t = 30.0)]
        armed: f64,
        /// So often all streams are cut
        #[arg(long, default_value_t = 5)]
        cuts: u32,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Triggers through `preroll trigger --follow` at a steady rate: from the line to the answer, beside bare flushes
    ///
    /// Exit status 1 if one is not answered, or a clip is false, or something is left behind.
    Triggers {
        /// Triggers a second
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
        rate: u32,
        /// For so many seconds
        #[arg(long, default_value_t = 10)]
        seconds: u32,
        /// extend: one clip that grows; separate: a clip for each
        #[arg(long, default_value = "extend", value_parser = ["extend", "separate"])]
        overlap: String,
        /// Milliseconds after each trigger
        #[arg(long, default_value_t = 500)]
        post_ms: u64,
        /// Write the results to this file, as JSON
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// A busy program of `overload`
    #[command(hide = true)]
    Spin,
    /// A process of `scale` that only copies
    #[command(hide = true)]
    Copier {
        /// Each frame's pixels
        size: String,
        /// Frames a second
        fps: u32,
        /// For so many seconds
        seconds: f64,
    },
    /// The second process of `ring`
    #[command(hide = true)]
    Sleeper {
        /// ring or futex
        what: String,
        /// Folder or file that it sleeps on
        at: PathBuf,
    },
    /// Two runs side by side
    Compare {
        /// Files that `run --output` wrote
        first: PathBuf,
        /// Another
        second: PathBuf,
    },
}

fn main() -> ExitCode {
    let command = Args::parse().command;
    // As with arguments that make no sense: what it was given can't be used.
    let failed =
        if matches!(command, Command::Report { .. }) { ExitCode::from(2) } else { ExitCode::FAILURE };
    match measure(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("benchmark: {e:#}");
            failed
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
        Command::Restart { kills, seed, size, fps, output } => {
            let results = restart::measure(&restart::Plan { kills, seed, size, fps })?;
            print!("{results}");
            write(output.as_deref(), &results)?;
            ensure!(results.broken.is_empty(), "{} things should not have happened", results.broken.len());
        }
        Command::Size { film, output } => {
            let results = size::measure(&film)?;
            print!("{results}");
            write(output.as_deref(), &results)?;
        }
        Command::Peers { rounds, only, size, fps, pre_ms, post_ms, armed, keep, output } => {
            let plan = peers::plan::Plan { size, fps, pre_ms, post_ms, rounds, armed_s: armed, only };
            let results = peers::measure(&plan, keep.as_deref())?;
            print!("{results}");
            write(output.as_deref(), &results)?;
        }
        Command::Report { results, output, pictures } => {
            print!("{}", report::write(&results, &output, pictures.as_deref())?);
        }
        Command::Scale { size: sizes, fps, seconds, least, most, output } => {
            let plan = scale::Plan { sizes, fps, seconds, least, most };
            scale::measure(&plan, |said| println!("{said}"), |by_now| write(output.as_deref(), by_now))?;
        }
        Command::Memory { cameras, size, fps, pre_roll_ms, output } => {
            let results = memory::measure(cameras, &size, fps, &pre_roll_ms)?;
            print!("{results}");
            write(output.as_deref(), &results)?;
        }
        Command::Loop { cameras, size, fps, questions, rounds, seconds, output } => {
            let span = Duration::from_secs(seconds);
            let plan = loop_delay::Plan { cameras, size, fps, questions, rounds, span };
            let results = loop_delay::measure(&plan)?;
            print!("{results}");
            write(output.as_deref(), &results)?;
        }
        Command::Overload { only, kills, reserve_ms, preset, seed, output } => {
            overload_as_ordinary_user(
                &overload::Plan { only, kills, reserve_ms, preset, seed },
                output.as_deref(),
            )?;
        }
        Command::Copied {
            cameras,
            size,
            fps,
            frame_bytes,
            max_frame_bytes,
            pre_ms,
            post_ms,
            armed,
            clips,
            output,
        } => {
            let plan = copied::Plan {
                cameras,
                size,
                fps,
                frame_bytes,
                max_frame_bytes,
                pre_ms,
                post_ms,
                armed_s: armed,
                clips,
            };
            let results = copied::measure(&plan)?;
            print!("{results}");
            write(output.as_deref(), &results)?;
            ensure!(results.broken.is_empty(), "{} things should not have happened", results.broken.len());
        }
        Command::Smart { size, fps, gop_ms, frame_bytes, pre_ms, post_ms, clips, output } => {
            let plan = smart::Plan { size, fps, gop_ms, frame_bytes, pre_ms, post_ms, clips };
            let results = smart::measure(&plan)?;
            print!("{results}");
            write(output.as_deref(), &results)?;
            ensure!(results.broken.is_empty(), "{} things should not have happened", results.broken.len());
        }
        Command::Triggers { rate, seconds, overlap, post_ms, output } => {
            let results = triggers::measure(&triggers::Plan { rate, seconds, overlap, post_ms })?;
            print!("{results}");
            write(output.as_deref(), &results)?;
            let refused: u64 = results.refused.values().sum();
            let unanswered = results.sent - results.accepted - refused;
            ensure!(unanswered == 0, "{unanswered} triggers were not answered");
            ensure!(results.broken.is_empty(), "{} things should not have happened", results.broken.len());
        }
        Command::Rtsp { cameras, size, fps, kbps, pre_ms, post_ms, armed, cuts, output } => {
            let plan = rtsp::Plan { cameras, size, fps, kbps, pre_ms, post_ms, armed_s: armed, cuts };
            let results = rtsp::measure(&plan)?;
            print!("{results}");
            write(output.as_deref(), &results)?;
            let lost = results.lost + results.clip_lost;
            ensure!(lost == 0, "{lost} frames were lost");
            ensure!(results.broken.is_empty(), "{} things should not have happened", results.broken.len());
        }
        Command::Spin => overload::spin()?,
        Command::Copier { size, fps, seconds } => copies::copy(&size, fps, seconds)?,
        Command::Sleeper { what, at } => wake::sleep(&what, &at)?,
        Command::Compare { first, second } => print!("{}", Comparison::of(&read(&first)?, &read(&second)?)),
    }
    Ok(())
}

fn overload_as_ordinary_user(plan: &overload::Plan, output: Option<&Path>) -> anyhow::Result<()> {
    if let Some(status) = ordinary_user::run_again(plan.arguments(), output)? {
        ensure!(status.success(), "the measurement failed ({status})");
        return Ok(());
    }
    // On the other stream: the rows take minutes.
    let results = overload::measure(plan, |row| eprintln!("{row}"))?;
    print!("{results}");
    write(output, &results)?;
    let broken: usize = results.rows.iter().map(|row| row.broken.len()).sum();
    ensure!(broken == 0, "{broken} things should not have happened");
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
