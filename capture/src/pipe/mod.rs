//! Frames that another program writes into a FIFO, a device or a Unix socket. Preroll starts no program, and only the capture
//! opens a pipe: its writer may run but once, and ends when its reader goes.

mod input;
mod planes;
mod raw;
mod y4m;

use proto::config::{CameraConfig, PipeConfig, PipeFormat};
use proto::frame::Geometry;
use proto::offer::Offer;
use proto::ring::RingSpec;

use crate::h26x::Codec;
use crate::reopening::{Live, Reopening};
use crate::source::{CameraSetup, Source, SourceError};
use crate::stream::{AccessUnits, Expected, Framing, Jpegs, MOST_BYTES, StreamSource, most_bytes};
use input::Input;
use raw::Raw;
use y4m::Y4m;

/// The pipe of this config, opened again whenever its writer has gone.
pub(crate) fn reopening(setup: &CameraSetup, config: &PipeConfig) -> Box<dyn Source> {
    let (spec, format) = (*setup.ring.spec(), config.format);
    // A ring whose size was only assumed fits nothing yet.
    let ring = setup.camera.is_known.then_some(spec);
    let expected = Expected {
        size: ring.map(|ring| (ring.geometry.width(), ring.geometry.height())),
        fps: spec.fps,
        ..expected(&setup.camera, config)
    };
    let mut input = Input::new(&config.path);
    let open = move || {
        let stream = input.open()?;
        let framing = framing(format, ring.as_ref(), spec.geometry);
        Ok(Box::new(StreamSource::new(expected.clone(), stream, framing)) as Live)
    };
    Reopening::of(setup, Box::new(open))
}

/// The pipe's offer, as far as the config says it: only the capture opens a pipe.
///
/// # Errors
/// [`SourceError::Lost`] when the config says no size; [`SourceError::Unusable`] for a path at which no pipe can be.
pub(crate) fn probe(camera: &CameraConfig, config: &PipeConfig) -> Result<Offer, SourceError> {
    Input::new(&config.path).look()?;
    if camera.typed.size.is_none() {
        let reason = "its size shows when its writer writes; only the capture opens it, since a writer may run but once";
        return Err(SourceError::stalled(config.path.display().to_string(), reason));
    }
    Ok(Offer {
        payload: camera.payload,
        pixel_format: camera.geometry.format(),
        width: camera.geometry.width(),
        height: camera.geometry.height(),
        fps: camera.fps.as_f64(),
        variable_rate: false,
        capture_time: camera.capture_time(),
        reorders: false,
    })
}

fn expected(camera: &CameraConfig, config: &PipeConfig) -> Expected {
    Expected {
        input: config.path.display().to_string(),
        size: None,
        fps: camera.fps,
        is_rate_typed: camera.typed.fps.is_some(),
        may_change: camera.typed.size.is_none(),
        is_lost_when_silent: false,
    }
}

/// Frames in a form, for a ring or for none. Raw frames are of the `configured` size and format.
#[must_use]
pub fn framing(format: PipeFormat, ring: Option<&RingSpec>, configured: Geometry) -> Box<dyn Framing> {
    let most = ring.map_or(MOST_BYTES, most_bytes);
    match format {
        PipeFormat::Y4m => Box::new(Y4m::new(ring.map(|ring| ring.geometry))),
        PipeFormat::Raw => Box::new(Raw::new(configured)),
        PipeFormat::Mjpeg => Box::new(Jpegs::new(most)),
        PipeFormat::H264 => Box::new(AccessUnits::new(Codec::H264, most)),
        PipeFormat::H265 => Box::new(AccessUnits::new(Codec::H265, most)),
    }
}
