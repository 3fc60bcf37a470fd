//! A capture process: opens its camera's ring and its camera, and moves frames from one to the other until it is
//! told to stop. The loop waits for nobody but the camera.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use proto::config::{Backend, Config};
use proto::exit;
use proto::frame::{LossBefore, Plane};
use proto::instance::{ChildId, RuntimeDir};
use proto::link::{self, Link, Reports};
use proto::log::{self, LogFormat};
use proto::messages::{BEAT, CameraState, CaptureOrder, CaptureReport};
use proto::name::Name;
use proto::ring::{Ring, RingWriter};
use proto::time::MonotonicNs;

use crate::sight::Sight;
use crate::source::{Arrival, Site, Source, SourceError};

/// A capture process. Started by the supervisor; there is no need to start one by hand.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The instance's runtime directory
    #[arg(long)]
    runtime_dir: PathBuf,
    /// The camera, by its name in the config
    #[arg(long)]
    camera: Name,
    /// text or json
    #[arg(long, default_value = "text")]
    log_format: String,
}

/// How a kind of source is opened.
pub type Open = fn(&Site) -> Result<Box<dyn Source>, SourceError>;

/// How long a loop may take to notice that it should stop. Then the process ends without it: the ring is made
/// for that.
const STOP_PATIENCE: Duration = Duration::from_millis(300);
/// How long the last word to the supervisor may take.
const LAST_WORD: Duration = Duration::from_millis(200);
/// Captures run ahead of everything else, where that is permitted: a frame that is missed is gone.
const NICE: i32 = -10;

/// The whole of a capture executable's main.
#[must_use]
pub fn main(open: Open) -> ExitCode {
    let args = Args::parse();
    log::start(LogFormat::from_name(&args.log_format).unwrap_or_default());
    // An ordinary user may not; then it runs like everything else.
    let _ = rustix::process::setpriority_process(None, NICE);
    match run(&args, open) {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(e) => {
            tracing::error!("camera {}: {e:#}", args.camera);
            let config = matches!(e.downcast_ref(), Some(SourceError::Config(_)));
            ExitCode::from(if config { exit::BAD_INPUT } else { exit::FAILED })
        }
    }
}

/// What the loop shows to the threads beside it.
struct Watch {
    turns: AtomicU64,
    stop: AtomicBool,
    camera: Mutex<CameraState>,
}

impl Watch {
    fn set(&self, state: CameraState) {
        *self.camera.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn report(&self) -> CaptureReport {
        let camera = self.camera.lock().unwrap_or_else(PoisonError::into_inner).clone();
        CaptureReport::Beat { progress: self.turns.load(Ordering::Relaxed), camera }
    }
}

fn run(args: &Args, open: Open) -> anyhow::Result<()> {
    let dir = RuntimeDir::open(&args.runtime_dir)?;
    let config = Config::load_checked(&dir.config_path())?;
    let camera =
        config.camera(&args.camera).ok_or_else(|| anyhow::anyhow!("it is not in the config"))?.clone();
    let watch = Arc::new(Watch {
        turns: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        camera: Mutex::new(CameraState::Opening),
    });
    let link = link::start(&dir.rendezvous(&ChildId::Capture(camera.name.clone())))?;
    let reports = link.reports.clone();
    stand_beside(link, &watch)?;
    let ring = Ring::open(&dir.segment(&camera.name))?;
    let writer = ring.writer()?;
    // A film may stand still; what a camera sees doesn't.
    let moves = !matches!(camera.backend, Backend::File(_));
    let result =
        open(&Site { camera, ring }).and_then(|source| capture(source, writer, &watch, &args.camera, moves));
    match &result {
        Ok(()) if watch.stop.load(Ordering::Relaxed) => {}
        Ok(()) => watch.set(CameraState::Ended),
        Err(e) => watch.set(CameraState::Failed(e.to_string())),
    }
    reports.send_last(watch.report(), LAST_WORD);
    Ok(result?)
}

/// The threads that talk, so that the loop needn't.
fn stand_beside(link: Link<CaptureOrder, CaptureReport>, watch: &Arc<Watch>) -> std::io::Result<()> {
    let Link { orders, reports } = link;
    let watched = Arc::clone(watch);
    std::thread::Builder::new().name("beat".into()).spawn(move || beat(&reports, &watched))?;
    let watched = Arc::clone(watch);
    std::thread::Builder::new().name("stop".into()).spawn(move || {
        if let Ok(CaptureOrder::Stop) = orders.recv() {
            watched.stop.store(true, Ordering::Relaxed);
            std::thread::sleep(STOP_PATIENCE);
            std::process::exit(i32::from(exit::DONE));
        }
    })?;
    Ok(())
}

fn beat(reports: &Reports<CaptureReport>, watch: &Watch) {
    loop {
        reports.send(watch.report());
        std::thread::sleep(BEAT);
    }
}

/// Whether the camera shows anything new.
struct Stillness {
    first: Plane,
    /// The last picture, and since when there has been no other.
    seen: Option<(Sight, MonotonicNs)>,
    frozen: bool,
}

impl Stillness {
    fn look(&mut self, frame: &[u8], frozen_after: Duration, watch: &Watch, name: &Name) {
        let (now, sight) = (MonotonicNs::now(), Sight::of(frame, &self.first));
        match self.seen {
            Some((seen, since)) if seen == sight => {
                if !self.frozen && now - since >= frozen_after {
                    self.frozen = true;
                    watch.set(CameraState::Frozen { black: sight.dark });
                    let what = if sight.dark { "the same black picture" } else { "the same picture" };
                    tracing::warn!("camera {name} has shown {what} for {:.1} s", (now - since).as_secs_f64());
                }
            }
            _ => {
                self.seen = Some((sight, now));
                if std::mem::take(&mut self.frozen) {
                    watch.set(CameraState::Live);
                    tracing::info!("camera {name} shows something new again");
                }
            }
        }
    }
}

/// From the camera to the ring, frame by frame.
fn capture(
    mut source: Box<dyn Source>,
    mut writer: RingWriter,
    watch: &Watch,
    name: &Name,
    moves: bool,
) -> Result<(), SourceError> {
    let counters = Arc::clone(writer.ring());
    let counters = counters.counters();
    let fps = writer.ring().spec().fps;
    // Flagged within two seconds or ten frames, whichever is longer.
    let silent_after = Duration::from_secs(2).max(fps.period() * 10);
    let mut last_frame = MonotonicNs::now();
    let mut last_source = writer.ring().newest().map(|m| m.source_sequence);
    let mut stillness =
        Stillness { first: writer.ring().spec().geometry.planes()[0], seen: None, frozen: false };
    let mut ring_was_full = false;
    let (mut live, mut silent) = (false, false);
    while !watch.stop.load(Ordering::Relaxed) {
        watch.turns.fetch_add(1, Ordering::Relaxed);
        match source.wait()? {
            Arrival::Frame { source_sequence, t_capture, before } => {
                let lost =
                    last_source.map_or(0, |last| source_sequence.saturating_sub(last.saturating_add(1)));
                last_source = Some(source_sequence);
                if !live {
                    watch.set(CameraState::Live);
                    if silent {
                        let away = (MonotonicNs::now() - last_frame).as_secs_f64();
                        tracing::info!("camera {name} delivers again after {away:.1} s");
                    }
                    (live, silent) = (true, false);
                    match writer.epoch() {
                        1 => tracing::info!("camera {name} is live"),
                        epoch => tracing::info!("camera {name} is live (start {epoch} in this ring)"),
                    }
                }
                last_frame = MonotonicNs::now();
                let before = if ring_was_full && before == LossBefore::Nothing {
                    LossBefore::RingFull
                } else {
                    before
                };
                counters.dropped_by_camera.fetch_add(lost, Ordering::Relaxed);
                match writer.slot() {
                    Some(mut slot) => {
                        source.write(slot.bytes_mut())?;
                        if moves {
                            stillness.look(slot.bytes_mut(), silent_after, watch, name);
                        }
                        slot.publish(source_sequence, t_capture, before);
                        ring_was_full = false;
                    }
                    None => ring_was_full = true,
                }
            }
            Arrival::Silence if !silent && last_frame + silent_after < MonotonicNs::now() => {
                watch.set(CameraState::Silent);
                (live, silent) = (false, true);
                (stillness.seen, stillness.frozen) = (None, false);
                tracing::warn!("camera {name} is silent: no frame for {:.1} s", silent_after.as_secs_f64());
            }
            Arrival::Silence => {}
            Arrival::End => {
                writer.end();
                return Ok(());
            }
        }
    }
    Ok(())
}
