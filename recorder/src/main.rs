//! The recorder: on a trigger, from the cameras' rings to a finished clip.
//!
//! The life of a clip, in file names: [`intake`] reads a plan and hands it to each camera's [`worker`], which moves the
//! camera's [`take`] on, frame by frame: from [`frames`] through a [`feed`] into a [`track`] with its [`journal`]. Frames
//! that the encoder reaches too late are put into the [`backlog`] by the [`mover`]. At
//! the end of the window [`finish`] joins the parts, [`account`] says what is missing, and the manifest is written
//! last; [`sums`] come after it. [`probe`] finds out beforehand which encoders work here, and [`ladder`] decides which of them is used.

mod account;
mod assignment;
mod backlog;
mod clip_lock;
mod clock;
mod colour;
mod container;
mod copied;
mod copying;
mod crash_note;
mod decode;
mod decoded;
mod disk;
mod encode;
mod evidence;
#[cfg(test)]
mod fakes;
mod feed;
mod filling;
mod finish;
mod fitting;
mod fragment;
mod frames;
mod h264;
mod intake;
mod journal;
mod jpeg;
mod known_clips;
mod ladder;
mod left_alone;
mod libav;
mod media;
#[cfg(test)]
mod memory_tests;
mod mover;
mod open_window;
mod opening;
mod part;
mod passing;
mod poison;
mod posters;
mod probe;
mod pulse;
mod rings;
mod run;
mod runs;
mod scaler;
mod shared_ring;
mod stop;
mod sums;
mod suspects;
mod take;
mod timestamps;
mod track;
mod video_time;
mod whose;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use proto::exit;
use proto::log::{self, LogFormat};
use proto::panics;
use proto::priority;
use proto::process::Pid;
use proto::signals;

/// The recorder: turns the cameras' rings into clips. The supervisor starts it; there is no need to start one by hand.
#[derive(Debug, Parser)]
#[command(version)]
struct RecorderArgs {
    /// The instance's runtime directory
    #[arg(long)]
    runtime_dir: PathBuf,
    /// Wait, started and idle, to take over from a recorder that ends
    #[arg(long)]
    standby: bool,
    /// Try every codec, print what works, and end
    #[arg(long)]
    probe: bool,
    /// The pid of the process that starts this one, which ends when that one is gone
    #[arg(long)]
    parent: Option<Pid>,
    /// text or json
    #[arg(long, default_value = "text")]
    log_format: String,
}

fn main() -> ExitCode {
    signals::ignore_strays();
    signals::ignore_hangup();
    let args = RecorderArgs::parse();
    let role = if args.probe { "recorder --probe" } else { "recorder" };
    log::start(LogFormat::from_name(&args.log_format).unwrap_or_default(), role, None);
    panics::install(role, None);
    // A recorder without one of its threads would record half of what it is told to. Another takes its place at once.
    panics::end_the_process();
    if args.probe {
        // The probe inherits its recorder's niceness, and gives way to it.
        let _ = rustix::process::nice(-priority::RECORDER);
    } else {
        priority::begin(priority::RECORDER);
    }
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Quiet);
    let done = if args.probe {
        run::probe(&args.runtime_dir, args.parent)
    } else {
        run::run(&args.runtime_dir, args.standby, args.parent)
    };
    match done {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(e) => {
            tracing::error!("recorder: {e:#}");
            ExitCode::from(exit::FAILED)
        }
    }
}
