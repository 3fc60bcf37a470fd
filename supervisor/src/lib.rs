//! The supervisor: `start` brings up and keeps up the tree of processes; the other commands talk to it.
//!
//! The program has two names, `preroll` and `supervisor`, which are the executables in `bin/`. Both are [`main`], and speak
//! of themselves by the name that they were called by.

mod ask;
mod backlog;
mod cameras;
mod check;
mod child;
mod cli;
mod clips;
mod clips_command;
mod config_on_disk;
mod control;
mod descriptors;
mod event_log;
mod failure;
mod health;
mod heap;
mod inflow;
mod invoked;
mod lock;
mod loop_events;
mod mappers;
mod programs;
mod retention;
mod rings;
mod run_file;
mod service;
mod settled;
mod start;
mod state;
mod statistics;
mod stop_signals;
mod stored_clips;
mod trigger;
mod umask;
mod watch;
mod world;

use std::process::ExitCode;

use proto::instance::RuntimeDir;
use proto::log::{self, LogFormat};
use proto::panics;
use proto::say;
use proto::signals;

use cli::{Command, Format};
use failure::Failure;

/// The whole of the program's main. `executable` is the name that it was built under.
#[must_use]
pub fn main(executable: &'static str) -> ExitCode {
    umask::spare_the_owner();
    heap::keep_small();
    signals::ignore_file_size_limit();
    panics::install("supervisor", None);
    invoked::remember(executable);
    match run(cli::parse(invoked::name())) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let why = format!("{}: {failure}", invoked::name());
            if log::is_journal() {
                // The same words, with the priority of an error: a unit that does not start is what alerts are for.
                tracing::error!("{why}");
            } else {
                say::aside(&format!("{why}\n"));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: cli::Cli) -> Result<u8, Failure> {
    let format = match cli.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    let is_named = cli.runtime_dir.is_some();
    let dir = cli.runtime_dir.unwrap_or_else(RuntimeDir::default_path);
    let of = ask::Address { dir, is_named };
    match cli.command {
        Command::Start { config } => {
            log::start(format, "supervisor", None);
            start::start(&config, &of.dir, format)
        }
        Command::Check { config, open } => check::check(&config, open),
        Command::Trigger(args) if args.follow => ask::follow::follow(&of),
        Command::Trigger(args) => ask::trigger(&of, &args),
        Command::Events { follow, since } => ask::events::events(&of, follow, since),
        Command::Wait(args) => ask::wait::ready(&of, args.timeout),
        Command::Stats => ask::stats(&of),
        Command::Status { check: false } => ask::status(&of),
        Command::Status { check: true } => ask::check::status(&of),
        Command::Codecs { json } => ask::codecs(&of, json),
        Command::Cameras { json } => cameras::cameras(json),
        Command::Still { camera, width, output } => ask::media::still(&of, &camera, width, &output),
        Command::Verify { folder, json } => ask::media::verify(&folder, None, json),
        Command::Clips(args) => clips_command::clips(&of, args),
        Command::Skew { cameras, seconds, json } => ask::media::skew(&of, &cameras, seconds, json),
        Command::Restart { what } => ask::restart(&of, what),
        Command::Stop => ask::stop(&of),
    }
}
