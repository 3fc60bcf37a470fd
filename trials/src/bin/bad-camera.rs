//! `bad-camera`: the tests' RTSP camera as a program, for `ffprobe`, for benchmarks, and for whoever wants to see what Preroll
//! makes of it.

use std::io::BufRead;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use trials::rtsp_camera::{Options, Pictures, RtspCamera, words};

/// Cameras that send H.264, H.265 or JPEG by RTSP, and misbehave as their URL says.
///
/// rtsp://127.0.0.1:PORT/loss+gdr is a camera without key frames that loses packets; rtsp://127.0.0.1:PORT/loss+gdr/left and
/// …/right are two of the kind. Each picture carries the stamp of docs/frame-stamp.md. The first line on standard output is the URL of
/// the server; then cameras can be asked.
#[derive(Parser)]
#[command(after_help = words::table())]
struct Arguments {
    /// The port to listen at; 0 for any
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Width and height of the pictures, 256x64 at least
    #[arg(long, default_value = "256x128")]
    size: String,
    /// Frames a second
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=240))]
    fps: u32,
    /// Seconds of the film; after that it begins again, and so do the numbers in its stamps
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Frames from one key frame to the next
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    gop: u32,
    /// Kilobits a second; without it, as few as a picture of plain areas needs
    #[arg(long)]
    kbps: Option<u32>,
    /// The most bytes of a packet's payload
    #[arg(long, default_value_t = 1400, value_parser = clap::value_parser!(u16).range(200..=60_000))]
    packet: u16,
    /// Frames of a session before what happens "later"
    #[arg(long, default_value_t = 30)]
    after: u32,
    /// The camera's index in the stamps
    #[arg(long, default_value_t = 0)]
    camera_index: u8,
    /// Write a line for each frame to this file:
    /// path,session,number,position,t_monotonic_ns,whole|disordered|headless|part,key|recovery:FRAMES|-,sure|doubtful
    #[arg(long, value_name = "FILE")]
    truth_log: Option<PathBuf>,
    /// Make the films for these words before the URL is printed; may be given again
    #[arg(long, value_name = "WORDS")]
    prepare: Vec<String>,
    /// Take commands from standard input, a line each, and end with it: `cut` closes every connection, `leave` stops listening
    /// too, `return` listens again
    #[arg(long)]
    commands: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bad-camera: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let size = arguments
        .size
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let size: (u32, u32) = size.context("--size takes pixels, as in 256x128")?;
    ensure!(size.0 >= 256 && size.1 >= 64, "--size: the stamp needs 256x64 at least");
    let Arguments { fps, gop, kbps, camera_index, .. } = *arguments;
    let pictures = Pictures { size, fps, frames: arguments.seconds * fps, gop, kbps, camera_index };
    let options = Options {
        port: arguments.port,
        pictures,
        packet: arguments.packet.into(),
        after: arguments.after,
        truth_log: arguments.truth_log.clone(),
    };
    let mut camera = RtspCamera::start(options)?;
    let words: Vec<&str> = arguments.prepare.iter().map(String::as_str).collect();
    let known = words.iter().all(|words| words::Words::parse(words).is_some());
    ensure!(known, "--prepare: one of {words:?} is no word; --help lists them");
    camera.prepare(if words.is_empty() { &["ok"] } else { &words });
    println!("{}", camera.url(""));
    if !arguments.commands {
        loop {
            std::thread::sleep(Duration::MAX);
        }
    }
    for command in std::io::stdin().lock().lines() {
        match command?.trim() {
            "cut" => {
                camera.leave();
                camera.come_back();
            }
            "leave" => camera.leave(),
            "return" => camera.come_back(),
            other => eprintln!("bad-camera: no such command: {other}"),
        }
    }
    Ok(())
}
