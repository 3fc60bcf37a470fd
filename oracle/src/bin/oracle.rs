//! `oracle`: judges clips by their pixels.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use oracle::folder;
use oracle::truth::{Truth, Truths};

/// Judges clips by their pixels: decodes each one, reads the number drawn into every frame, and compares what is
/// there with what the manifest says. `silent` has to be 0.
#[derive(Parser)]
#[command(
    after_help = "Exit status: 0 all clips are true, 1 a clip is false, 2 bad input or nothing that can be judged.
A camera without stamps and truth log (a real one) is shown as not judged, and is no reason to fail."
)]
struct Arguments {
    /// Folder to search, at any depth, for `clip-*` folders
    recordings: PathBuf,
    /// The truth log of the camera NAME; without it, losses at either end of a clip can't be seen
    #[arg(long, value_name = "NAME=PATH", value_parser = parse_truth)]
    truth: Vec<(String, PathBuf)>,
    /// Print every verdict and every fault as JSON
    #[arg(long)]
    json: bool,
    /// Let clips without a manifest be: they are still being written
    #[arg(long)]
    allow_unfinished: bool,
}

fn parse_truth(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.into())),
        _ => Err("expected NAME=PATH, as in left=/tmp/left.truth".to_owned()),
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("oracle: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let mut truths = Truths::new();
    for (name, path) in arguments.truth {
        let truth = Truth::read(&path).with_context(|| format!("--truth {name}={}", path.display()))?;
        if truths.insert(name.clone(), truth).is_some() {
            anyhow::bail!("--truth {name} is given twice");
        }
    }
    let report = folder::judge(&arguments.recordings, &truths)?;
    let all_true = if arguments.allow_unfinished { report.finished_are_true() } else { report.is_true() };
    let text = if arguments.json {
        let document = serde_json::json!({ "version": 1, "true": all_true, "clips": report.clips });
        serde_json::to_string_pretty(&document)? + "\n"
    } else {
        report.to_string()
    };
    // Not print!: a closed pipe (`oracle … | head`) is no reason to panic, nor to change the verdict.
    _ = std::io::stdout().write_all(text.as_bytes());
    if !report.is_a_judgement() {
        anyhow::bail!("nothing was judged: no frame has a stamp, and no camera a truth log");
    }
    Ok(all_true)
}
