//! A capture process from its arguments to its exit code: opens its camera's ring and its camera, starts the two threads
//! that talk to the supervisor, and runs the [`CaptureLoop`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use proto::config::{Backend, Config};
use proto::exit;
use proto::instance::{ChildId, Rendezvous, RuntimeDir};
use proto::link::{self, Link, Reports};
use proto::log::{self, LogFormat};
use proto::messages::{BEAT, CameraState, CaptureOrder, CaptureReport};
use proto::name::Name;
use proto::panics;
use proto::parent::Parent;
use proto::priority;
use proto::process::Pid;
use proto::ring::Ring;
use proto::signals;
use proto::titles;

use crate::capture_loop::{CaptureLoop, LoopStatus, OpenRing};
use crate::source::{CameraSetup, Source, SourceError};

/// A capture: writes one camera's frames into its ring. The supervisor starts it; there is no need to start one by hand.
///
/// With --probe CAMERA --config FILE it looks at a camera instead, and prints as one line of JSON what the camera gives.
#[derive(Debug, Parser)]
#[command(version)]
struct CaptureArgs {
    /// The instance's runtime directory
    #[arg(long)]
    runtime_dir: PathBuf,
    /// The camera, by its name in the config
    #[arg(long)]
    camera: Name,
    /// The pid of the supervisor that starts this one
    #[arg(long)]
    parent: Option<Pid>,
    /// text or json
    #[arg(long, default_value = "text")]
    log_format: String,
}

/// The function that opens one kind of camera.
pub type OpenSource = fn(&CameraSetup) -> Result<Box<dyn Source>, SourceError>;

/// A loop that has not noticed the order to stop after this long is left where it is, and the process ends without it: the
/// ring is made for that.
const STOP_PATIENCE: Duration = Duration::from_millis(300);
/// The longest that the last report to the supervisor may take.
const LAST_REPORT_PATIENCE: Duration = Duration::from_millis(200);

/// The whole of a capture executable's main.
#[must_use]
pub fn main(open: OpenSource) -> ExitCode {
    signals::ignore_strays();
    signals::ignore_hangup();
    let args = CaptureArgs::parse();
    let format = LogFormat::from_name(&args.log_format).unwrap_or_default();
    log::start(format, "capture", Some(args.camera.as_str()));
    panics::install("capture", Some(args.camera.as_str()));
    titles::show(&ChildId::Capture(args.camera.clone()));
    priority::begin(priority::CAPTURE);
    match run(&args, open) {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(e) => {
            tracing::error!("camera {}: {e:#}", args.camera);
            let permanent = e.downcast_ref().is_some_and(SourceError::is_permanent);
            ExitCode::from(if permanent { exit::BAD_INPUT } else { exit::FAILED })
        }
    }
}

fn run(args: &CaptureArgs, open: OpenSource) -> anyhow::Result<()> {
    let dir = RuntimeDir::open(&args.runtime_dir)?;
    let config = Config::load_checked(&dir.config_path()).context("the instance's config")?;
    let camera = config.camera(&args.camera).context("it is not in the instance's config")?.clone();
    let status = Arc::new(LoopStatus::default());
    let link = link::start(
        &dir.rendezvous(&Rendezvous::Capture(camera.name.clone())),
        Parent::new(args.parent, &dir),
    )?;
    let reports = link.reports.clone();
    start_talking(link, &status)?;
    let ring = Ring::open(&dir.segment(&camera.name))?;
    let writer = ring.writer()?;
    // A film may show one picture for a while; a live camera's pictures always differ.
    let may_stand_still = matches!(camera.backend, Backend::File(_));
    let opened = open(&CameraSetup { camera: camera.clone(), ring })
        .inspect_err(|e| status.show(CameraState::Failed(e.to_string())));
    let (name, latency) = (args.camera.clone(), camera.latency());
    let open_ring: OpenRing = Box::new(move || {
        let camera = Config::load_checked(&dir.config_path()).ok()?.camera(&name)?.clone();
        let ring = Ring::open(&dir.segment(&name)).ok()?;
        let writer = ring.writer().ok()?;
        Some((CameraSetup { camera, ring }, writer))
    });
    let result = opened.and_then(|source| {
        let turning = CaptureLoop::new(&args.camera, source, writer, &status, may_stand_still);
        turning.behind_by(latency).with_other_rings(open_ring).run()
    });
    reports.send_last(status.report(), LAST_REPORT_PATIENCE);
    Ok(result?)
}

/// Starts the threads that talk to the supervisor, so that the loop needn't.
fn start_talking(link: Link<CaptureOrder, CaptureReport>, status: &Arc<LoopStatus>) -> std::io::Result<()> {
    let Link { orders, reports } = link;
    let shared = Arc::clone(status);
    std::thread::Builder::new().name("beat".into()).spawn(move || beat(&reports, &shared))?;
    let shared = Arc::clone(status);
    std::thread::Builder::new().name("stop".into()).spawn(move || {
        // No more orders: the supervisor is gone, and nobody will take this process over.
        while let Ok(CaptureOrder::Ring) = orders.recv() {
            shared.ring_is_there();
        }
        shared.stop();
        std::thread::sleep(STOP_PATIENCE);
        std::process::exit(i32::from(exit::DONE));
    })?;
    Ok(())
}

fn beat(reports: &Reports<CaptureReport>, status: &LoopStatus) {
    loop {
        reports.send(status.report());
        std::thread::sleep(BEAT);
    }
}
