//! Cameras that send over RTSP (RFC 2326). Opening one is a session of requests, some seconds at most ([`session`]); after that
//! its packets are put together to frames ([`capture::rtp`]) and passed on ([`source`]). The client is the crate retina; tokio
//! runs it on the thread that asks. Both are in this executable alone.

mod content;
mod facts;
mod look;
mod refusal;
mod session;
mod source;
mod stamps;

use std::time::Duration;

use capture::reopening::{Live, Reopening};
use capture::source::{CameraSetup, Source, SourceError};
use proto::config::{Backend, CameraConfig, RtspConfig};
use proto::offer::Offer;
use proto::time::MonotonicNs;

use facts::{Expected, RingShape};
use session::Opener;
use source::RtspSource;
use stamps::Newest;

/// The time in which a camera that is looked at shows a frame. A look has five seconds for everything.
const SHOWS_WITHIN: Duration = Duration::from_secs(3);

/// Opens a camera, again whenever it is lost.
pub(crate) fn open(setup: &CameraSetup) -> Result<Box<dyn Source>, SourceError> {
    let config = config_of(&setup.camera)?;
    let spec = setup.ring.spec();
    let ring = setup.camera.is_known.then(|| RingShape::of(spec));
    let expected = Expected { ring, fps: spec.fps, ..expected(&setup.camera, config) };
    let mut opener = Opener::new(config);
    let newest = Newest::new(setup.newest().map(|frame| frame.t_capture));
    let open = move || {
        let (session, described) = opener.open()?;
        let source = RtspSource::new(expected.clone(), &described, newest.clone(), Box::new(session));
        Ok(Box::new(source) as Live)
    };
    Ok(Reopening::of(setup, Box::new(open)))
}

/// Asks the camera what it gives: opens its stream, looks at the first frames, and closes it.
pub(crate) fn probe(camera: &CameraConfig) -> Result<Offer, SourceError> {
    let config = config_of(camera)?;
    let until = MonotonicNs::now() + SHOWS_WITHIN;
    let (session, described) = Opener::new(config).open()?;
    let expected = expected(camera, config);
    RtspSource::new(expected, &described, Newest::default(), Box::new(session)).look(until)
}

fn config_of(camera: &CameraConfig) -> Result<&RtspConfig, SourceError> {
    match &camera.backend {
        Backend::Rtsp(config) => Ok(config),
        other => Err(SourceError::WrongBackend { opens: "rtsp", configured: other.name() }),
    }
}

/// The facts that are known without a ring.
fn expected(camera: &CameraConfig, config: &RtspConfig) -> Expected {
    Expected {
        input: config.url.to_string(),
        ring: None,
        fps: camera.fps,
        is_rate_typed: camera.typed.fps.is_some(),
        may_change: camera.typed.size.is_none(),
    }
}
