//! `make nemesis`, `make kills`: a real Preroll, to which something is done every few seconds while clips are asked
//! for. Says what was done, what was expected and what was found; fails if the promise is broken.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use nemesis::failing;
use nemesis::report::Report;
use nemesis::run::{self, Plan};
use nemesis::strike::Strike;
use rig::ordinary_user;

/// Kills whatever there is, and finds out what it cost. The limits end it, whichever comes first.
#[derive(Debug, Parser)]
#[command(after_help = "Exit status: 0 the promise held, 1 it is broken, 2 it could not be tried.")]
struct Args {
    /// Seed of all chance: the same one strikes the same victims after the same intervals
    #[arg(long)]
    seed: Option<u64>,
    /// For so long
    #[arg(long)]
    minutes: Option<f64>,
    /// For so many blows
    #[arg(long)]
    blows: Option<usize>,
    /// For so many triggers
    #[arg(long)]
    clips: Option<usize>,
    /// Victims: recorder, standby, capture, supervisor, everything, several, command, sends, neighbour, machine; or one
    /// kind of blow, such as capture-stopped; or none
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    victims: Option<Vec<String>>,
    /// From a blow's end to the next, in milliseconds
    #[arg(long, default_value = "2000-10000", value_parser = parse_range, value_name = "MIN-MAX")]
    every_ms: (u64, u64),
    /// From a trigger to the next, in milliseconds
    #[arg(long, default_value = "500-3000", value_parser = parse_range, value_name = "MIN-MAX")]
    trigger_every_ms: (u64, u64),
    /// Each camera's pixels
    #[arg(long, default_value = "1280x720")]
    size: String,
    /// Frames a second
    #[arg(long, default_value_t = 60)]
    fps: u32,
    /// The payload of each camera's frames: raw, jpeg or h264
    #[arg(long, default_value = "raw")]
    payload: String,
    /// The config's reserve
    #[arg(long, default_value_t = 200)]
    reserve_ms: u64,
    /// The config's max_open_clips. The preset is chosen so that two of each camera can be encoded at once
    #[arg(long, default_value_t = 2)]
    open_clips: u32,
    /// The library by which sends and receives are made to fail (the example failing_calls of trials). Without it sends
    /// is no victim
    #[arg(long, value_name = "FILE")]
    failing_calls: Option<PathBuf>,
    /// Run it as the user nobody, if this is root: an ordinary user's processes go before nobody else's
    #[arg(long)]
    as_ordinary_user: bool,
    /// Write all of it to this file, as JSON
    #[arg(long)]
    output: Option<PathBuf>,
    /// Keep recordings and truth logs here, instead of removing the videos of clips that are true
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print Preroll's log at the end
    #[arg(long)]
    log: bool,
}

fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let range = text.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    range.filter(|(a, b)| a <= b).ok_or_else(|| "expected MIN-MAX, as in 2000-10000".to_owned())
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.as_ordinary_user {
        match as_ordinary_user(args.output.as_deref()) {
            Ok(Some(code)) => return code,
            Ok(None) => {}
            Err(e) => {
                eprintln!("nemesis: --as-ordinary-user: {e:#}");
                return ExitCode::from(2);
            }
        }
    }
    if let (Some(library), None) = (&args.failing_calls, failing::folder()) {
        let e = start_with(library);
        eprintln!("nemesis: --failing-calls {}: {e:#}", library.display());
        return ExitCode::from(2);
    }
    match run(&args) {
        Ok(report) => {
            println!("\n{report}");
            ExitCode::from(u8::from(!report.held))
        }
        Err(e) => {
            eprintln!("nemesis: {e:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<Report> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = args.seed.unwrap_or(now.as_secs() % 1_000_000);
    println!("seed {seed}");
    let plan = Plan {
        seed,
        minutes: args.minutes,
        blows: args.blows,
        clips: args.clips,
        strikes: strikes(args.victims.as_deref()).map_err(anyhow::Error::msg).context("--victims")?,
        every_ms: args.every_ms,
        trigger_every_ms: args.trigger_every_ms,
        size: args.size.clone(),
        fps: args.fps,
        payload: args.payload.clone(),
        reserve_ms: args.reserve_ms,
        open_clips: args.open_clips,
        keep: args.keep.is_some(),
        log: args.log,
    };
    let temporary = tempfile::tempdir()?;
    let folder = args.keep.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder)?;
    let report = run::run(&plan, folder, &|line| println!("{line}"))?.report();
    if let Some(path) = &args.output {
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| path.display().to_string())?;
    }
    if !report.held && args.keep.is_none() {
        println!("kept: {}", temporary.keep().display());
    }
    Ok(report)
}

/// Has this program run as an ordinary user, if this is root.
fn as_ordinary_user(output: Option<&Path>) -> anyhow::Result<Option<ExitCode>> {
    let mut arguments = Vec::new();
    let mut given = std::env::args_os().skip(1);
    while let Some(argument) = given.next() {
        match argument.to_str() {
            Some("--as-ordinary-user") => {}
            Some("--output") => drop(given.next()),
            Some(other) if other.starts_with("--output=") => {}
            _ => arguments.push(argument),
        }
    }
    let status = ordinary_user::run_again(arguments, output)?;
    Ok(status
        .map(|status| ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2))))
}

/// Starts this program anew with the library in it. Returns only if that fails.
fn start_with(library: &Path) -> anyhow::Error {
    let orders = || -> anyhow::Result<(PathBuf, PathBuf)> {
        let library = library.canonicalize()?;
        Ok((library, tempfile::tempdir()?.keep()))
    };
    match orders() {
        Ok((library, folder)) => failing::start_anew(&library, &folder, std::env::args_os().skip(1)).into(),
        Err(e) => e,
    }
}

fn strikes(victims: Option<&[String]>) -> Result<Vec<Strike>, String> {
    let can_fail = failing::folder().is_some();
    let Some(victims) = victims else {
        return Ok(Strike::ALL
            .into_iter()
            .filter(|strike| can_fail || *strike != Strike::SendsFailed)
            .collect());
    };
    let called = victims.iter().map(|name| Strike::called(name)).collect::<Result<Vec<_>, _>>()?.concat();
    if called.contains(&Strike::SendsFailed) && !can_fail {
        return Err("sends need --failing-calls".to_owned());
    }
    Ok(called)
}
