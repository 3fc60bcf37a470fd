//! The supervisor: `start` brings up and keeps up the tree of processes; the other commands talk to it.

mod ask;
mod child;
mod cli;
mod control;
mod cost;
mod events;
mod grant;
mod health;
mod heap;
mod hung;
mod killed;
mod limits;
mod lock;
mod meter;
mod plan;
mod restart;
mod rings;
mod run_file;
mod service;

mod show;
mod start;
mod state;
mod survey;
mod trigger;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use proto::control::Request;
use proto::exit;
use proto::instance::RuntimeDir;
use proto::log::{self, LogFormat};

use cli::{Cli, Command, Format};

/// Why a command was not done, and with which code it ends.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// What was asked can't be done as asked.
    pub(crate) fn bad_input(message: impl std::fmt::Display) -> Self {
        Self { code: exit::BAD_INPUT, message: message.to_string() }
    }

    /// It was tried, and failed.
    pub(crate) fn failed(message: impl std::fmt::Display) -> Self {
        Self { code: exit::FAILED, message: message.to_string() }
    }

    /// With a code of its own.
    pub(crate) fn with_code(code: u8, message: impl std::fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }
}

fn main() -> ExitCode {
    heap::keep_small();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(Failure { code, message }) => {
            eprintln!("supervisor: {message}");
            ExitCode::from(code)
        }
    }
}

fn run(cli: Cli) -> Result<u8, Failure> {
    let format = match cli.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    let dir = cli.runtime_dir.unwrap_or_else(RuntimeDir::default_path);
    match cli.command {
        Command::Start { config } => {
            log::start(format);
            start::start(&config, &dir, format)
        }
        Command::Check { config } => cost::check(&config),
        Command::Trigger(args) => ask::trigger(&dir, &args),
        Command::Stats => ask::stats(&dir),
        Command::Status => ask::status(&dir),
        Command::Codecs { json } => ask::codecs(&dir, json),
        Command::Restart { what } => ask::plain(&dir, &Request::Restart(what)),
        Command::Stop => ask::stop(&dir),
    }
}

/// The folder of the executables: captures and the recorder lie beside the supervisor.
pub(crate) fn executable(name: &str) -> Result<PathBuf, Failure> {
    let own =
        std::env::current_exe().map_err(|e| Failure::failed(format!("can't find my own executable: {e}")))?;
    let path = own.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::failed(format!("{} is missing; build all of Preroll (make build)", path.display())))
}
