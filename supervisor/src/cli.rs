//! The command line, as typed.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use proto::exit;
use proto::say;

use crate::clips_command::args::ClipsArgs;

/// Keeps the last moments of every camera in memory, and on a trigger writes them, and the moments after, as one
/// clip per camera.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// The runtime directory of the instance. Several instances run beside each other in directories of their own.
    /// Default: preroll under $XDG_RUNTIME_DIR, else /run/preroll for root, else /tmp/preroll-UID
    #[arg(long, global = true, env = "PREROLL_RUNTIME_DIR", value_name = "DIR")]
    pub(crate) runtime_dir: Option<PathBuf>,

    /// The form of log lines
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: Format,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Reads the command line of the program that was called by `name`. Help and mistakes end the process here.
pub(crate) fn parse(name: &'static str) -> Cli {
    let command = Cli::command().name(name).bin_name(name).after_help(after_help(name));
    let matches = command.try_get_matches().unwrap_or_else(|mistake| end(&mistake));
    Cli::from_arg_matches(&matches).unwrap_or_else(|mistake| end(&mistake))
}

/// Prints help, the version or a mistake, and ends the process. Help that could not be printed is a failure.
fn end(said: &clap::Error) -> ! {
    let printed = say::unless_unread(said.print().and_then(|()| std::io::stdout().flush()));
    let code = match printed {
        Err(e) if !said.use_stderr() => {
            say::aside(&format!("can't write the answer: {e}\n"));
            i32::from(exit::FAILED)
        }
        _ => said.exit_code(),
    };
    std::process::exit(code)
}

fn after_help(name: &str) -> String {
    format!(
        "\
Exit codes:
  0  done
  1  failed
  2  bad input: an argument or the config; nothing was done
  3  no supervisor is running in this runtime directory
  4  a clip came out incomplete; its manifest says what is missing
  5  the time of --timeout is over; what was waited for goes on

Begin with:
  {name} start --config configs/default.yaml
and, in another terminal:
  {name} trigger --label first --wait"
    )
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// `TIME [INFO] what happened`; under systemd, the journal's own form with priority and fields
    Text,
    /// A JSON object a line, with process, camera and clip as fields
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start capturing, in the foreground, until it is told to stop
    ///
    /// Brings up a capture process for each camera and a recorder, watches and restarts them. SIGTERM,
    /// SIGINT, SIGQUIT, a closed terminal (SIGHUP) and the command `stop` close open clips and end everything in
    /// order; a second signal ends it at once. Other signals are ignored.
    Start {
        /// The config: the cameras, and how clips are recorded
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Record a clip of what has just happened
    ///
    /// Prints JSON: trigger_id, clip_id, path, how much pre-roll it will hold. The clip's plan is on disk when this
    /// returns, so that the clip will exist whatever crashes. With --wait also the verdict and each camera's counts; then
    /// the exit code is 4 unless every frame of what was asked for is there.
    ///
    /// With --begin the clip goes on until --end names the trigger; nobody has to be there for it to end at
    /// recording.max_clip_ms. --extend gives a trigger that has an end a later one.
    Trigger(TriggerArgs),
    /// Print what has happened, as JSON, a line an event; with --follow also what happens from now on
    ///
    /// Camera states, triggers accepted and refused, clips finished with their verdict, clips removed, sums, the disk and health:
    /// docs/operations.md explains each. The last 1,000 events of the running supervisor are kept. Without --follow it ends with
    /// 0 when those are printed; with it, when the supervisor has ended.
    Events {
        /// Go on with what happens from now on
        #[arg(long)]
        follow: bool,
        /// Only events after this number, the seq of an earlier line
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        since: u64,
    },
    /// Wait until the instance is ready: every camera delivers, and clips can be recorded
    ///
    /// Ends with 0 then; with 5 when the time of --timeout is over before, and with 3 if nothing runs by then. Without
    /// --timeout it waits for as long as it takes, and 10 s for a supervisor that isn't there.
    Wait(WaitArgs),
    /// Print everything there is to know, as one JSON document
    ///
    /// docs/formats.md explains it field by field.
    Stats,
    /// Show how things stand, for people; with --check in one line and an exit code, for scripts
    ///
    /// Exit codes with --check: 0 good, 1 fair (a person should know), 2 attention (a person should look) or nothing
    /// runs, 3 it can't be known (no answer, no right to ask). The line begins with the word and names the reasons;
    /// docs/alerting.md has worked examples.
    Status {
        /// One line with the verdict on health, and an exit code that says it
        #[arg(long)]
        check: bool,
    },
    /// Show which encoders work for each camera, how fast they were in the last clips, and which is in use
    Codecs {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List the cameras with a video device, what they offer, and an entry for the config for each
    ///
    /// Ends with 0 also where there is no camera.
    Cameras {
        /// As JSON: a list
        #[arg(long)]
        json: bool,
    },
    /// Write what a camera sees now into a JPEG
    ///
    /// Neither the camera nor a clip notices it.
    Still {
        /// The camera's name
        #[arg(value_name = "CAMERA")]
        camera: String,
        /// The JPEG; - for standard output
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// The width of the JPEG; its height follows from the picture's shape
        #[arg(long, value_name = "PIXELS", default_value_t = 640, value_parser = clap::value_parser!(u32).range(2..=8192))]
        width: u32,
    },
    /// Decode a finished clip, and compare it with its timestamps, its manifest and its sums
    ///
    /// Needs no instance. The clip may be a copy. The exit code is 4 if anything is wrong, and the answer names the file or the
    /// camera. A clip that lacks frames and says so is not wrong.
    Verify {
        /// The clip's folder
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List the clips on the disk, look at them, keep or remove them; without a further word, list them
    ///
    /// Works with and without a running instance. An ID may be a clip's, a trigger's, or a short form that fits one clip, such as
    /// clip-0001 of the newest run. docs/clips.md explains all of it.
    Clips(ClipsArgs),
    /// Measure which camera's capture times are late, by a lamp that all of them see
    ///
    /// Switch a lamp on and off some twenty times meanwhile, not in step with anything. Prints latency_ms for each camera's
    /// entry in the config. docs/operations.md says how to do it well. The exit code is 1 if there were too few flashes.
    Skew {
        /// A camera (repeated); without it, all of them
        #[arg(long = "camera", value_name = "NAME", allow_hyphen_values = true)]
        cameras: Vec<String>,
        /// Look for so long
        #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
        seconds: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what a config would cost, and refuse one that can't work here
    ///
    /// Cameras that say their own size are asked what they give, for 5 s at most. One that isn't there is a warning, since it
    /// may come later.
    Check {
        /// The config
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Fail (1) if such a camera gives no picture just now. Pipes are not opened: a look would end their writers
        #[arg(long)]
        open: bool,
    },
    /// End a process and start it again: the recorder, or one camera's capture
    ///
    /// An open clip goes on: the new recorder continues where the old one was. Restarting a camera loses the frames
    /// it makes meanwhile, and the clip says so.
    Restart {
        /// `recorder`, or a camera's name
        #[arg(value_name = "recorder|CAMERA")]
        what: String,
    },
    /// Close open clips and end everything, in order
    Stop,
}

#[derive(Debug, Args)]
pub(crate) struct TriggerArgs {
    /// The clip's label: 1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter, digit or _
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    pub(crate) label: Option<String>,
    /// Only this camera (may be repeated); without it, all of them
    #[arg(long = "camera", value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) cameras: Vec<String>,
    /// The moment that matters: "$(date -Ins)" or another date and time with its zone, Unix seconds such as
    /// 1795342500.25 (time.time() in Python), or nanoseconds of CLOCK_MONOTONIC (time.monotonic_ns())
    ///
    /// A time without a fraction of a second, such as that of date -Is, is taken, and the answer notes that it may be
    /// 1 s off. A whole number of 10 digits is Unix seconds, of 19 digits Unix nanoseconds, and of any other length
    /// nanoseconds of CLOCK_MONOTONIC.
    #[arg(long, value_name = "T", conflicts_with = "ago", allow_hyphen_values = true)]
    pub(crate) at: Option<String>,
    /// The moment that matters, as milliseconds ago
    #[arg(long, value_name = "MS", allow_hyphen_values = true)]
    pub(crate) ago: Option<String>,
    /// Milliseconds to record before that moment, other than the config's pre_roll_ms
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) pre_ms: Option<u64>,
    /// Milliseconds to record after that moment, other than the config's post_roll_ms; with --end, after the end: none if left
    /// out
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) post_ms: Option<u64>,
    #[command(flatten)]
    pub(crate) length: LengthArgs,
    #[command(flatten)]
    pub(crate) brings: BringsArgs,
    /// Wait until the clip is finished. A terminal shows meanwhile how far it is
    #[arg(long)]
    pub(crate) wait: bool,
    /// For detectors: read requests from standard input, a JSON object a line, and print their answers the same way, one when
    /// a request is on the disk and one when its clip is finished. docs/detectors.md has all of it
    #[arg(long, conflicts_with_all = ["label", "cameras", "at", "ago", "pre_ms", "post_ms", "begin", "end", "extend", "id",
          "meta", "note", "wait"])]
    pub(crate) follow: bool,
    /// Wait no longer than this; the exit code is 5 then, and the clip goes on
    #[arg(long, value_name = "SECONDS", requires = "wait", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct LengthArgs {
    /// Begin: the clip goes on until --end
    #[arg(long, conflicts_with_all = ["post_ms", "end", "extend"])]
    pub(crate) begin: bool,
    /// End the trigger that was begun, by its id or its clip's: now, or at the moment of --at or --ago
    #[arg(long, value_name = "ID", allow_hyphen_values = true,
          conflicts_with_all = ["label", "cameras", "pre_ms", "id", "meta", "note", "extend"])]
    pub(crate) end: Option<String>,
    /// Move the end of a trigger, by its id or its clip's, by so many milliseconds
    #[arg(long, num_args = 2, value_names = ["ID", "MS"], allow_hyphen_values = true,
          conflicts_with_all = ["label", "cameras", "pre_ms", "post_ms", "id", "meta", "note", "at", "ago"])]
    pub(crate) extend: Option<Vec<String>>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct BringsArgs {
    /// The trigger's id: 1 to 128 printable characters without a space. The same id twice is one clip and one answer, as long
    /// as its clip is on disk
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) id: Option<String>,
    /// A value that comes with the trigger, into the manifest (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value, allow_hyphen_values = true)]
    pub(crate) meta: Vec<(String, String)>,
    /// A text that comes with the trigger, into the manifest
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Wait for this: the state that status shows as ready
    #[arg(long, required = true)]
    pub(crate) ready: bool,
    /// Wait no longer than this
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
}

/// A key and a value with `=` between them; the value may hold more of these.
fn key_and_value(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    split.ok_or_else(|| "must be KEY=VALUE, such as animal=m12".to_owned())
}

/// A span of time in seconds, with or without a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "must be seconds, such as 30 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_is_in_seconds() {
        assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for wrong in ["", "soon", "-1", "inf", "NaN", "5s", "1e30"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_value_may_hold_what_stands_between_it_and_its_key() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(key_and_value("a=b=c"), pair("a", "b=c"));
        assert_eq!(key_and_value("a="), pair("a", ""));
        assert!(key_and_value("a").is_err());
    }

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
