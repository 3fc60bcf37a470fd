//! From what a config says of a camera and what the camera offers to what counts: size, rate, format and payload. Pure. The
//! config comes first; then the camera's offer; then its last offer; and what nobody has said is assumed.

use serde::{Deserialize, Serialize};

use super::CameraConfig;
use crate::frame::{Fps, Geometry, GeometryError, Payload, PixelFormat};
use crate::offer::Offer;

/// The part of size, rate and format that the config says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    /// Width and height, in pixels.
    pub size: Option<(u32, u32)>,
    /// The rate.
    pub fps: Option<Fps>,
    /// The pixel format.
    pub pixel_format: Option<PixelFormat>,
}

/// The size and rate of a camera of which neither its config nor the camera has said anything.
pub(super) struct Assumed {
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) fps: f64,
    pub(super) is_of_a_live_camera: bool,
}

impl Assumed {
    /// A camera that says its own size and isn't there: the most that such cameras usually give.
    pub(super) const LIVE: Self = Self { width: 1920, height: 1080, fps: 60.0, is_of_a_live_camera: true };
    /// A camera that gives what it is asked for.
    pub(super) const OTHERS: Self = Self { width: 1280, height: 720, fps: 60.0, is_of_a_live_camera: false };
}

/// A camera that offers something else than its config says. The text goes behind the camera's name.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Contradiction {
    /// Frames of another size.
    #[error(
        "gives frames of {}x{} and the config says {}x{}: write width: {} and height: {}, or leave both out",
        offered.0, offered.1, typed.0, typed.1, offered.0, offered.1
    )]
    Size {
        /// Width and height of the camera's frames, in pixels.
        offered: (u32, u32),
        /// Width and height in the config.
        typed: (u32, u32),
    },
    /// More frames a second, which is what the ring's length follows from.
    #[error(
        "gives {offered} frames a second and the config says {typed}: write fps: {offered}, or leave it out"
    )]
    TooFast {
        /// The camera's frames a second.
        offered: Fps,
        /// The config's.
        typed: Fps,
    },
    /// A size that no frame can have.
    #[error("offers frames that can't be recorded: {0}")]
    NoPicture(#[from] GeometryError),
    /// A rate that no camera can have.
    #[error("offers {0} frames a second, which is no rate")]
    NoRate(f64),
}

impl CameraConfig {
    /// The camera as its config alone has it, without anything that it has offered.
    #[must_use]
    pub fn without_offer(&self) -> Self {
        let mut camera = self.clone();
        camera.payload = self.backend.payload();
        camera.capture_time = None;
        camera.is_known =
            !self.backend.is_live() || (self.typed.size.is_some() && self.backend.says_payload());
        if !self.backend.is_live() {
            return camera;
        }
        // The sides that are assumed are even, and typed ones were checked with the format that was typed.
        let (width, height) = self.typed.size.unwrap_or((1920, 1080));
        let format = self.typed.pixel_format.unwrap_or(PixelFormat::I420);
        camera.geometry = Geometry::new(width, height, format).unwrap_or(self.geometry);
        camera.fps = self.typed.fps.or_else(|| Fps::new(Assumed::LIVE.fps)).unwrap_or(self.fps);
        camera
    }

    /// The camera as it counts when it offers this. An offer is taken from cameras that say their own size alone.
    ///
    /// # Errors
    /// [`Contradiction`].
    pub fn resolved(&self, offer: &Offer) -> Result<Self, Contradiction> {
        let mut camera = self.without_offer();
        if !self.backend.is_live() {
            return Ok(camera);
        }
        let offered = (offer.width, offer.height);
        if let Some(typed) = self.typed.size.filter(|typed| *typed != offered) {
            return Err(Contradiction::Size { offered, typed });
        }
        let fps = Fps::new(offer.fps).ok_or(Contradiction::NoRate(offer.fps))?;
        if let Some(typed) = self.typed.fps
            && fps.as_f64() > typed.as_f64() * super::fit::FPS_MARGIN
        {
            return Err(Contradiction::TooFast { offered: fps, typed });
        }
        camera.fps = self.typed.fps.unwrap_or(fps);
        camera.geometry = self.offered_geometry(offer)?;
        camera.payload = offer.payload;
        camera.capture_time = Some(offer.capture_time);
        camera.is_known = true;
        Ok(camera)
    }

    /// A decoder can be asked for any format, so the config's counts, and one that takes odd sides where the usual doesn't.
    /// Raw frames are what they are.
    fn offered_geometry(&self, offer: &Offer) -> Result<Geometry, GeometryError> {
        let of = |format| Geometry::new(offer.width, offer.height, format);
        match (self.typed.pixel_format, offer.payload) {
            (_, Payload::Planes) => of(offer.pixel_format),
            (Some(typed), _) => of(typed),
            (None, _) => of(offer.pixel_format).or_else(|_| of(PixelFormat::BGR24)),
        }
    }

    /// The offer that this camera was resolved by, or an earlier one; `None` for a camera that is only assumed.
    #[must_use]
    pub fn last_offer(&self) -> Option<Offer> {
        (self.is_known && self.backend.is_live()).then(|| Offer {
            payload: self.payload,
            pixel_format: self.geometry.format(),
            width: self.geometry.width(),
            height: self.geometry.height(),
            fps: self.fps.as_f64(),
            variable_rate: false,
            capture_time: self.capture_time.unwrap_or_else(|| self.backend.capture_time()),
            reorders: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clip::CaptureTime;
    use crate::config::Config;

    fn camera(keys: &str) -> CameraConfig {
        let text = format!("cameras: [{{ name: left, {keys} }}]\n");
        Config::parse(Path::new("rig.yaml"), &text).unwrap().cameras.remove(0)
    }

    fn offer(width: u32, height: u32, fps: f64) -> Offer {
        Offer {
            payload: Payload::Jpeg,
            pixel_format: PixelFormat::I420,
            width,
            height,
            fps,
            variable_rate: false,
            capture_time: CaptureTime::Driver,
            reorders: false,
        }
    }

    /// Size, format, rate, payload, and whether they are known.
    fn counts(camera: &CameraConfig) -> (String, String, &'static str, bool) {
        (camera.geometry.to_string(), camera.fps.to_string(), camera.payload.name(), camera.is_known)
    }

    #[test]
    fn the_config_counts_then_the_offer_and_what_nobody_says_is_assumed() {
        let v4l2 = "backend: v4l2, device: 0";
        let with = |keys: &str| camera(&format!("{v4l2}{keys}"));
        let hd = offer(1280, 720, 30.0);
        for (keys, offered, size, fps, payload, is_known) in [
            ("", None, "1920x1080 I420", "60", "jpeg", false),
            (", format: YUYV", None, "1920x1080 YUYV", "60", "planes", false),
            (", width: 640, height: 480", None, "640x480 I420", "60", "jpeg", false),
            (", width: 640, height: 480, format: MJPG", None, "640x480 I420", "60", "jpeg", true),
            (", width: 640, height: 480, format: YUYV", None, "640x480 YUYV", "60", "planes", true),
            (", fps: 25", None, "1920x1080 I420", "25", "jpeg", false),
            ("", Some(hd), "1280x720 I420", "30", "jpeg", true),
            (", fps: 60", Some(hd), "1280x720 I420", "60", "jpeg", true),
            (", width: 1280, height: 720", Some(hd), "1280x720 I420", "30", "jpeg", true),
            (", pixel_format: NV12", Some(hd), "1280x720 NV12", "30", "jpeg", true),
            ("", Some(offer(641, 361, 30.0)), "641x361 BGR24", "30", "jpeg", true),
            (
                ", pixel_format: NV12",
                Some(Offer { payload: Payload::Planes, pixel_format: PixelFormat::YUYV, ..hd }),
                "1280x720 YUYV",
                "30",
                "planes",
                true,
            ),
        ] {
            let camera = with(keys);
            let resolved = offered.map_or_else(|| camera.clone(), |offer| camera.resolved(&offer).unwrap());
            let expected = (size.to_owned(), fps.to_owned(), payload, is_known);
            assert_eq!(counts(&resolved), expected, "{keys} {offered:?}");
            assert_eq!(resolved.without_offer(), camera, "{keys}: what was typed is still known");
            assert_eq!(resolved.last_offer().is_some(), is_known, "{keys}");
        }
    }

    #[test]
    fn an_offer_that_the_config_contradicts_is_told_what_to_write() {
        let camera = camera("backend: v4l2, device: 0, width: 640, height: 480, fps: 30");
        for (offered, words) in [
            (offer(1280, 720, 30.0), &["1280x720", "640x480", "width: 1280", "height: 720"][..]),
            (offer(640, 480, 60.0), &["60 frames", "says 30", "fps: 60"]),
            (offer(640, 480, 0.0), &["0 frames a second"]),
        ] {
            let says = camera.resolved(&offered).unwrap_err().to_string();
            assert!(words.iter().all(|word| says.contains(word)), "{says}");
        }
        // 29.97 of 30, and a lens cap's 15 of 30.
        for fps in [30.3, 15.0] {
            assert_eq!(camera.resolved(&offer(640, 480, fps)).unwrap().fps.to_string(), "30");
        }
    }

    #[test]
    fn a_camera_that_gives_what_it_is_asked_for_takes_no_offer() {
        let sim = camera("backend: sim, payload: jpeg");
        assert_eq!(sim.resolved(&offer(640, 480, 5.0)).unwrap(), sim);
        assert_eq!((sim.payload, sim.last_offer()), (Payload::Jpeg, None));
    }

    #[test]
    fn the_last_offer_of_a_camera_resolves_it_to_the_same() {
        let camera = camera("backend: mjpeg, url: 'http://h/x'");
        let resolved = camera.resolved(&offer(800, 600, 12.5)).unwrap();
        assert_eq!(camera.resolved(&resolved.last_offer().unwrap()).unwrap(), resolved);
    }
}
