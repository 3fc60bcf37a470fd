//! `--probe CAMERA`: a look at one camera of a config, which prints as one line of JSON what the camera gives, and captures
//! nothing. The config is read here, so that no URL is ever an argument. Each backend knows how to look; `offer` says which
//! one is asked.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser};
use proto::config::{Backend, CameraConfig, Config};
use proto::exit;
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::offer::{NoOffer, Offer};
use proto::panics;
use proto::parent;
use proto::process::Pid;
use proto::say;
use proto::signals;
use serde::Serialize;

use crate::mjpeg;
use crate::pipe;
use crate::sim;
use crate::source::SourceError;
use crate::v4l2;

/// The flag that asks for a look.
const FLAG: &str = "--probe";
/// A live camera that hasn't answered by then doesn't, as far as anybody waits for it.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at one camera, prints what it gives as one line of JSON, and captures nothing.
#[derive(Debug, Parser)]
#[command(version)]
struct ProbeArgs {
    /// The camera, by its name in the config
    #[arg(long, value_name = "CAMERA")]
    probe: Name,
    #[command(flatten)]
    of: ConfigOf,
    /// The process that this one must not outlive
    #[arg(long, value_name = "PID")]
    parent: Option<Pid>,
}

/// The config that names the camera.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ConfigOf {
    /// A config
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The runtime directory of an instance, whose config counts
    #[arg(long, value_name = "DIR")]
    runtime_dir: Option<PathBuf>,
}

/// Is a look asked for, by the arguments of this process?
#[must_use]
pub fn is_asked() -> bool {
    std::env::args_os().any(|argument| argument == FLAG)
}

/// The whole of main when a look is asked for. `title` names the process in a panic's text; a look that takes longer than
/// `patience` is given up.
pub fn main<T: Serialize>(
    title: &'static str,
    patience: Option<Duration>,
    look: fn(&CameraConfig) -> Result<T, SourceError>,
) -> ExitCode {
    signals::ignore_strays();
    let args = ProbeArgs::parse();
    panics::install(title, Some(args.probe.as_str()));
    if let Err(e) = args.parent.map_or(Ok(()), parent::end_with) {
        say::aside(&format!("camera {}: {e}\n", args.probe));
        return ExitCode::from(exit::FAILED);
    }
    let camera = match camera(&args) {
        Ok(camera) => camera,
        Err(why) => {
            say::aside(&format!("{why}\n"));
            return ExitCode::from(exit::BAD_INPUT);
        }
    };
    proto::failpoint::pass("probe.open", &camera.name);
    if let Some(patience) = patience {
        give_up_after(patience, &camera.name);
    }
    match look(&camera) {
        Ok(found) => answer(&camera.name, &found, exit::DONE),
        Err(error) => {
            say::aside(&format!("{error}\n"));
            let code = if error.is_permanent() { exit::BAD_INPUT } else { exit::FAILED };
            let refused = matches!(error, SourceError::Lost { refused: true, .. });
            answer(&camera.name, &NoOffer { error: error.to_string(), refused }, code)
        }
    }
}

fn camera(args: &ProbeArgs) -> Result<CameraConfig, String> {
    let name = &args.probe;
    let config = match (&args.of.config, &args.of.runtime_dir) {
        (Some(file), _) => Config::load(file).map_err(|mistake| mistake.to_string())?,
        (None, Some(dir)) => {
            let dir = RuntimeDir::open(dir).map_err(|e| e.to_string())?;
            let path = dir.config_path();
            Config::load_checked(&path)
                .map_err(|e| format!("camera {name}: {} can't be read: {e}", path.display()))?
        }
        (None, None) => return Err(format!("camera {name}: name its config with --config FILE")),
    };
    let known = || config.cameras.iter().map(|camera| camera.name.as_str()).collect::<Vec<_>>().join(", ");
    config
        .camera(name)
        .cloned()
        .ok_or_else(|| format!("there is no camera {name}; the config has {}", known()))
}

/// Prints one line of JSON. An answer that nobody can read is a failure, unless there was another before.
fn answer(camera: &Name, said: &impl Serialize, code: u8) -> ExitCode {
    let printed =
        serde_json::to_string(said).map_err(Into::into).and_then(|line| say::answer(&format!("{line}\n")));
    match printed {
        Err(e) if code == exit::DONE => {
            say::aside(&format!("camera {camera}: can't write what it gives: {e}\n"));
            ExitCode::from(exit::FAILED)
        }
        _ => ExitCode::from(code),
    }
}

/// Ends this process when a look takes too long: a question to a driver can't be taken back.
fn give_up_after(patience: Duration, camera: &Name) {
    let camera = camera.clone();
    let wait = move || {
        std::thread::sleep(patience);
        let error = format!("camera {camera}: it gives no answer within {} s", patience.as_secs());
        say::aside(&format!("{error}\n"));
        let _ = answer(&camera, &NoOffer { error, refused: false }, exit::FAILED);
        std::process::exit(i32::from(exit::FAILED));
    };
    // Without a thread whoever has asked gives up instead.
    let _ = std::thread::Builder::new().name("patience".into()).spawn(wait);
}

/// The offer of a camera that the executable `capture` opens. Looks at it, and leaves it as it was.
///
/// # Errors
/// [`SourceError`]: the camera isn't there or can't be used.
pub fn offer(camera: &CameraConfig) -> Result<Offer, SourceError> {
    match &camera.backend {
        Backend::Sim(_) => Ok(sim::offer(camera)),
        Backend::V4l2(config) => v4l2::probe(camera, config),
        Backend::Mjpeg(config) => mjpeg::probe(camera, config),
        Backend::Pipe(config) => pipe::probe(camera, config),
        other => Err(SourceError::WrongBackend { opens: "live", configured: other.name() }),
    }
}
