//! `preroll-media`: decodes for people. Stills and posters, the verification and the export of finished clips, and the skew of a rig's
//! cameras.
//! It is started as a child by `preroll` and by the recorder, ends with whoever asked, bounds its own time and memory, and
//! writes nothing but what it was asked for.
//!
//! - [`still`]: one picture as a JPEG, out of a [`film`] or a [`ring`], by way of a [`picture`] and its [`colour`].
//! - [`verify`]: a clip's files compared with what is said of them.
//! - [`export`]: a clip for somebody else: copied, beside each other, as pictures; [`unfinished`]: whole or not at all.
//! - [`clip`], [`rows`], [`sums`]: a clip's folder and its documents.
//! - [`skew`]: edges of light in the brightness ([`luma`]) of two cameras' pictures.
//! - [`deadline`]: the bounds; [`plain_file`]: how files are opened; [`decoder`]: single frames.

mod clip;
mod colour;
mod deadline;
mod decoder;
mod export;
mod film;
mod luma;
mod picture;
mod plain_file;
mod ring;
mod rows;
mod skew;
mod still;
mod sums;
mod unfinished;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use proto::exit;
use proto::failpoint;
use proto::parent;
use proto::priority;
use proto::process::Pid;
use proto::say;
use serde::Serialize;

use skew::CameraToWatch;
use still::{From, Which};

/// The time for one still: some seconds of decoding from a key frame on, on a machine that is busy.
const STILL: Duration = Duration::from_secs(20);
/// The time that `skew` may take behind the time that it looks.
const BEHIND_SKEW: Duration = Duration::from_secs(20);

/// Decodes for people. `preroll still`, `preroll verify` and `preroll skew` start it; a still of a file is made by hand.
#[derive(Debug, Parser)]
#[command(name = "preroll-media", version)]
struct MediaArgs {
    /// The pid of the process that starts this one, which ends when that one is gone
    #[arg(long, global = true)]
    parent: Option<Pid>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One picture as a JPEG, of a video file or of a camera's ring
    Still(StillArgs),
    /// Decode every video of a clip and compare it with its timestamps, its manifest and its sums
    Verify {
        /// The clip's folder
        folder: PathBuf,
        /// The clip's name in the answer, instead of the folder's
        #[arg(long)]
        clip_id: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a clip away: as it is, as one video, as pictures
    Export(ExportArgs),
    /// Measure by flashes of light which camera's capture times are late, and by how much
    Skew {
        /// A camera, at least two of them: NAME:PATH, its name and its ring
        #[arg(long = "camera", required = true)]
        cameras: Vec<CameraToWatch>,
        /// The uid of the user whose instance it is
        #[arg(long)]
        owner: Option<u32>,
        /// Look for so long
        #[arg(long, default_value_t = 20)]
        seconds: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The clip's folder
    folder: PathBuf,
    /// The name that it gets, instead of the folder's
    #[arg(long)]
    clip_id: Option<String>,
    /// The folder that it goes to
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// One archive of its files
    #[arg(long)]
    zip: bool,
    /// One video of all cameras
    #[arg(long)]
    side_by_side: bool,
    /// With words below each picture. By itself, of one video
    #[arg(long)]
    burn_in: bool,
    /// Each frame as a picture
    #[arg(long, value_name = "FORMAT")]
    frames: Option<PictureFormat>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PictureFormat {
    Png,
}

#[derive(Debug, Args)]
struct StillArgs {
    /// The video file; - for standard input, which has to be a file
    #[arg(required_unless_present = "ring")]
    file: Option<PathBuf>,
    /// A camera's ring, by its path in stats: the newest picture
    #[arg(long, value_name = "PATH", conflicts_with = "file")]
    ring: Option<PathBuf>,
    /// The uid of the user whose instance it is
    #[arg(long)]
    owner: Option<u32>,
    /// This frame of the file, from 0
    #[arg(long, value_name = "N", conflicts_with_all = ["at_ns", "ring"])]
    frame: Option<u64>,
    /// The newest frame at this time or before: nanoseconds from the file's beginning, or of a ring the capture time
    #[arg(long, value_name = "NS")]
    at_ns: Option<u64>,
    /// The width of the JPEG
    #[arg(long, value_name = "PIXELS", default_value_t = 640, value_parser = clap::value_parser!(u32).range(2..=8192))]
    width: u32,
    /// The JPEG; - for standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

fn main() -> ExitCode {
    let args = MediaArgs::parse();
    match run(args) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            say::aside(&format!("preroll-media: {}\n", failure.why));
            ExitCode::from(failure.code)
        }
    }
}

/// A command that was not done.
struct Failure {
    code: u8,
    why: String,
}

impl Failure {
    fn failed(why: String) -> Self {
        Self { code: exit::FAILED, why }
    }
}

fn run(args: MediaArgs) -> Result<u8, Failure> {
    let is_export = matches!(args.command, Command::Export(_));
    let heeded = if is_export { deadline::heed_signals() } else { Ok(()) };
    heeded.map_err(|e| Failure::failed(format!("signals can't be heeded: {e}")))?;
    if let Some(parent) = args.parent {
        // An export has something to clear away.
        let tied = if is_export { parent::end_in_order_with(parent) } else { parent::end_with(parent) };
        tied.map_err(|e| Failure::failed(e.to_string()))?;
    }
    failpoint::pass("media.begun", "");
    // Registers names, without which libav's errors print as nothing. Decoding works without them.
    let _ = ffmpeg_next::init();
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Quiet);
    match args.command {
        Command::Still(args) => make_still(args),
        Command::Verify { folder, clip_id, json } => {
            bound(format!("verifying {}", folder.display()), None, deadline::ONE_PICTURE)?;
            let report =
                verify::clip(&folder, clip_id).map_err(|why| Failure { code: exit::BAD_INPUT, why })?;
            print(&report, report.text(), json)?;
            Ok(if report.good { exit::DONE } else { exit::INCOMPLETE })
        }
        Command::Export(args) => export(args),
        Command::Skew { cameras, owner, seconds, json } => {
            if cameras.len() < 2 {
                let why = "a skew is between two cameras: name both with --camera".into();
                return Err(Failure { code: exit::BAD_INPUT, why });
            }
            let lasts = Duration::from_secs(seconds);
            bound("measuring the skew".into(), Some(lasts + BEHIND_SKEW), deadline::ONE_PICTURE)?;
            let answer =
                skew::measure(&cameras, owner.unwrap_or_else(this_user), lasts).map_err(Failure::failed)?;
            print(&answer, answer.text(), json)?;
            Ok(if answer.measured { exit::DONE } else { exit::FAILED })
        }
    }
}

fn export(args: ExportArgs) -> Result<u8, Failure> {
    let ExportArgs { folder, clip_id, to, zip, side_by_side, burn_in, frames } = args;
    bound(format!("exporting {}", folder.display()), None, deadline::MANY_PICTURES)?;
    priority::set(priority::EXPORT);
    let asked = export::Asked { folder, clip_id, to, zip, side_by_side, burn_in, frames: frames.is_some() };
    let (made, remarks) =
        export::make(&asked).map_err(|export::Failed { code, why }| Failure { code, why })?;
    remarks.iter().for_each(|remark| say::aside(&format!("preroll-media: {remark}\n")));
    let paths: String = made.iter().map(|path| format!("{}\n", path.display())).collect();
    say::answer(&paths).map_err(|e| Failure::failed(format!("can't write the answer: {e}")))?;
    Ok(exit::DONE)
}

fn make_still(args: StillArgs) -> Result<u8, Failure> {
    let StillArgs { file, ring, owner, frame, at_ns, width, output } = args;
    let shown = file.as_ref().or(ring.as_ref()).map(|path| path.display().to_string()).unwrap_or_default();
    bound(format!("making a still of {shown}"), Some(STILL), deadline::ONE_PICTURE)?;
    let which = match (frame, at_ns) {
        (Some(number), _) => Which::Number(number),
        (None, Some(at_ns)) => Which::At(at_ns),
        (None, None) if ring.is_some() => Which::Newest,
        (None, None) => Which::Number(0),
    };
    let from = match (file, ring) {
        (None, Some(path)) => From::Ring { path, owner: owner.unwrap_or_else(this_user) },
        (file, _) => From::File(file.unwrap_or_default()),
    };
    let jpeg = still::make(&from, &which, width).map_err(Failure::failed)?;
    still::put(&jpeg, &output).map_err(Failure::failed)?;
    Ok(exit::DONE)
}

fn this_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn bound(work: String, all: Option<Duration>, memory: u64) -> Result<(), Failure> {
    deadline::begin(work, all, memory).map_err(|e| Failure::failed(format!("no thread can be started: {e}")))
}

fn print(document: &impl Serialize, text: String, json: bool) -> Result<(), Failure> {
    let text = if json {
        let text = serde_json::to_string_pretty(document);
        text.map_err(|e| Failure::failed(format!("the answer can't be written as JSON: {e}")))? + "\n"
    } else {
        text
    };
    say::answer(&text).map_err(|e| Failure::failed(format!("can't write the answer: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        MediaArgs::command().debug_assert();
        for wrong in [
            &["still", "--output", "x.jpg"][..],
            &["still", "a.mp4", "--ring", "/dev/shm/b", "--output", "x.jpg"],
            &["still", "a.mp4", "--frame", "1", "--at-ns", "2", "--output", "x.jpg"],
            &["still", "--ring", "/dev/shm/b", "--frame", "1", "--output", "x.jpg"],
            &["skew", "--camera", "left"],
            &["export", "clip"],
            &["export", "clip", "--to", "x", "--frames", "gif"],
        ] {
            let typed = [&["preroll-media"][..], wrong].concat();
            assert!(MediaArgs::try_parse_from(&typed).is_err(), "{typed:?}");
        }
    }
}
