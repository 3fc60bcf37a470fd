//! `backend: v4l2`: a camera with a device of Video4Linux, by ioctls of our own and without a library.
//!
//! - `kernel`: the calls as traits. `ioctl`, `mapping`, `structs` and `meaning` make the real ones, `system` finds real
//!   devices; tests have a fake that follows a script.
//! - Pure: `format` (pixel formats), `choose` (which mode of those that are offered), `counting` (numbers and times), `frames`
//!   (is a frame whole, and how is it copied), `refused` (words).
//! - `devices` (which node), `menu` (what is offered), `controls`, `open` (all of opening), `source` (a camera that streams). [`list`] is of all cameras.
//!
//! A camera that is lost is closed, and opened again by [`crate::reopening`], under whatever node it has then.

mod choose;
mod controls;
mod counting;
mod devices;
#[cfg(test)]
mod fake_kernel;
mod format;
mod frames;
mod ioctl;
mod kernel;
pub mod list;
mod mapping;
mod meaning;
mod menu;
mod open;
mod refused;
mod source;
mod structs;
mod system;
#[cfg(test)]
mod tests;

use proto::clip::CaptureTime;
use proto::config::{CameraConfig, V4l2Config};
use proto::frame::Geometry;
use proto::offer::Offer;
use proto::time::MonotonicNs;

use crate::reopening::{Live, Reopening};
use crate::source::{CameraSetup, Source, SourceError};
use choose::{Mode, Wanted};
use devices::{DeviceName, Node};
use format::Format;
use kernel::Kernel;
use open::{Opened, Request};
use source::V4l2Camera;
use system::System;

/// A V4L2 camera that is opened again whenever it is lost.
#[must_use]
pub fn reopening(setup: &CameraSetup, config: &V4l2Config) -> Box<dyn Source> {
    let mut opener = Opener::new(&setup.camera, config);
    let of_ring = setup.clone();
    let open = move || {
        let newest = of_ring.newest().map(|frame| frame.t_capture);
        opener.open(Box::new(System::default()), newest).map(|camera| Box::new(camera) as Live)
    };
    Reopening::of(setup, Box::new(open))
}

/// Looks at a camera without streaming: it is opened as a capture would open it, up to its buffers, and closed again.
///
/// # Errors
/// When it isn't there, or can't be used as the config says.
pub fn probe(camera: &CameraConfig, config: &V4l2Config) -> Result<Offer, SourceError> {
    offer(&System::default(), camera, config)
}

fn offer(kernel: &dyn Kernel, camera: &CameraConfig, config: &V4l2Config) -> Result<Offer, SourceError> {
    let wanted = Wanted {
        format: Format::named(config.format.name()),
        in_ring: None,
        width: camera.typed.size.map(|(width, _)| width),
        height: camera.typed.size.map(|(_, height)| height),
        fps: camera.typed.fps,
    };
    let request =
        Request { device: DeviceName::of(&config.device), wanted, controls: config.controls.clone() };
    let opened = open::open(kernel, &request, None).map_err(|why| why.of(&config.device))?;
    let format = opened.mode.format;
    let (payload, pixel_format) = format.in_ring();
    Ok(Offer {
        payload,
        pixel_format,
        width: opened.mode.size.0,
        height: opened.mode.size.1,
        fps: opened.fps.as_f64(),
        variable_rate: false,
        capture_time: if opened.buffers.has_monotonic_times {
            CaptureTime::Driver
        } else {
            CaptureTime::Arrival
        },
        reorders: false,
    })
}

/// Opens one camera, as often as it is lost.
struct Opener {
    request: Request,
    /// The device as the config names it.
    input: String,
    geometry: Geometry,
    /// The node that it had last time, by which it is known again.
    before: Option<Node>,
    /// The lines that were logged last. A camera that is opened again and again says the same each time.
    said: Vec<String>,
}

impl Opener {
    /// The way to a camera whose ring is there.
    fn new(camera: &CameraConfig, config: &V4l2Config) -> Self {
        let geometry = camera.geometry;
        let wanted = Wanted {
            format: Format::named(config.format.name()),
            in_ring: Some((camera.payload, geometry.format())),
            width: Some(geometry.width()),
            height: Some(geometry.height()),
            fps: Some(camera.fps).filter(|_| camera.is_known),
        };
        let request =
            Request { device: DeviceName::of(&config.device), wanted, controls: config.controls.clone() };
        Self { request, input: config.device.clone(), geometry, before: None, said: Vec::new() }
    }

    fn open(
        &mut self,
        kernel: Box<dyn Kernel>,
        newest: Option<MonotonicNs>,
    ) -> Result<V4l2Camera, SourceError> {
        let opened = open::open(kernel.as_ref(), &self.request, self.before.as_ref());
        let mut opened = opened.map_err(|why| why.of(&self.input))?;
        opened.start(kernel.as_ref()).map_err(|why| why.of(&self.input))?;
        self.tell(&opened);
        self.before = Some(opened.node.clone());
        let fps = opened.fps;
        Ok(V4l2Camera::new(kernel, opened, self.input.clone(), self.geometry, fps, newest))
    }

    /// Logs how the camera came up, if that is another way than before.
    fn tell(&mut self, opened: &Opened) {
        let Opened { mode: Mode { format, size: (w, h), .. }, node, fps, remarks, .. } = opened;
        let up = format!("{node} gives {} {w}x{h} at {fps} frames a second", format.name);
        let said: Vec<String> = std::iter::once(up).chain(remarks.iter().cloned()).collect();
        if self.said != said {
            tracing::info!("{}", said[0]);
            said[1..].iter().for_each(|remark| tracing::warn!("{}: {remark}", self.input));
            self.said = said;
        }
    }
}
