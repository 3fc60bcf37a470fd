//! `backend: gige`: a GigE Vision or USB3 Vision camera, by aravis.
//!
//! - Pure: `counting` (numbers and arrivals), `clock` (capture times), `pixels` (which format, and how is it copied), `features` (set and read back, behind
//!   a trait), `refused` (words); `cameras` chooses the one that a config means.
//! - aravis: `cameras` (who is there), `nodes` (a camera's features), `open` (all of opening), `link` (its stream), `source` (a
//!   camera that streams), [`list`] (all cameras).
//! - `bytes` and `realtime` are the only ones with `unsafe`; `gvcp` asks a camera by datagrams of its own.
//!
//! A camera that is lost is closed, and opened again by [`capture::reopening`].

mod bytes;
mod cameras;
mod clock;
mod counting;
mod features;
mod gvcp;
mod link;
pub(crate) mod list;
mod nodes;
mod open;
mod pixels;
mod realtime;
mod refused;
mod source;

use std::sync::Arc;

use capture::reopening::{Live, Reopening};
use capture::source::{CameraSetup, Source, SourceError};
use proto::config::{Backend, CameraConfig, GigeConfig};
use proto::offer::Offer;

use cameras::Heard;
use link::Lasting;
use open::{Opened, Request};
use refused::Refused;
use source::GigeCamera;

/// A camera that is opened again whenever it is lost.
///
/// # Errors
/// When the config's camera belongs to another executable.
pub(crate) fn reopening(setup: &CameraSetup) -> Result<Box<dyn Source>, SourceError> {
    let config = config(&setup.camera)?;
    let mut opener = Opener {
        request: Request::new(&setup.camera, config),
        before: None,
        lasting: Arc::new(Lasting::new(config.realtime_priority)),
        said: String::new(),
    };
    let setup_of = setup.clone();
    let open = move || opener.open(&setup_of).map(|camera| Box::new(camera) as Live);
    Ok(Reopening::of(setup, Box::new(open)))
}

/// Looks at a camera without streaming: it is opened as a capture would open it, and closed again.
///
/// # Errors
/// When it isn't there, or can't be used as the config says.
pub(crate) fn probe(camera: &CameraConfig) -> Result<Offer, SourceError> {
    let config = config(camera)?;
    match open::open(&Request::new(camera, config), None) {
        Ok(opened) => Ok(opened.offer()),
        Err(why) => Err(why.of(&config.camera, false)),
    }
}

fn config(camera: &CameraConfig) -> Result<&GigeConfig, SourceError> {
    match &camera.backend {
        Backend::Gige(config) => Ok(config),
        other => Err(SourceError::WrongBackend { opens: "gige", configured: other.name() }),
    }
}

/// Opens one camera, as often as it is lost.
struct Opener {
    request: Request,
    /// As it was found the last time.
    before: Option<Heard>,
    lasting: Arc<Lasting>,
    /// The line that was logged last. A camera that is opened again and again says the same each time.
    said: String,
}

impl Opener {
    fn open(&mut self, setup: &CameraSetup) -> Result<GigeCamera, SourceError> {
        let input = self.request.camera.clone();
        let opened = open::open(&self.request, self.before.as_ref());
        // A contradiction to what was typed is for good; anything else than the ring's gets another ring.
        let opened = opened.and_then(|opened| {
            setup.camera.resolved(&opened.offer()).map_err(Refused::from)?;
            Ok(opened)
        });
        let is_on_usb = self.before.as_ref().is_some_and(|before| before.is_on_usb);
        let opened = opened.map_err(|why| why.of(&input, is_on_usb))?;
        self.tell(&opened);
        self.before = Some(opened.heard.clone());
        Ok(GigeCamera::new(opened, setup, input, Arc::clone(&self.lasting)))
    }

    /// Logs how the camera came up, if that is another way than before.
    fn tell(&mut self, opened: &Opened) {
        let Opened { heard, layout, fps, is_triggered, .. } = opened;
        let when = if *is_triggered { ", when it is triggered" } else { "" };
        let said = format!(
            "{} (serial number {}, {}) gives {} {}x{} at {fps} frames a second{when}",
            heard.title(),
            heard.serial,
            heard.address,
            layout.format.name,
            layout.width,
            layout.height,
        );
        if self.said != said {
            tracing::info!("{said}");
            self.said = said;
        }
    }
}
