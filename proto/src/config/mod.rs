//! The config: the text that was typed becomes a checked [`Config`], and nothing past start-up sees the text.
//!
//! [`check`] and [`camera`] hold what all cameras have in common, [`backend`] a file for each backend, [`recording`]
//! the rest. The keys are data ([`key`]): the same tables read the file ([`mapping`]), give the words for a wrong value
//! ([`mistake`]) and are compared with docs/config.md by a test. [`fit`] asks whether a video suits its camera.

mod access;
mod backend;
mod camera;
mod camera_entry;
mod check;
mod checker;
mod compressed;
mod fit;
mod keep;
mod key;
mod mapping;
mod mistake;
mod read;
mod recording;
mod resolve;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_saphyr::Location;

pub use access::AccessConfig;
pub use backend::{
    Backend, ControlValue, Episode, Feature, FileConfig, GigeConfig, MjpegConfig, OpencvConfig, PipeConfig,
    PipeFormat, RtspConfig, RtspTransport, SimConfig, SimFaults, V4l2Config, V4l2Format,
};
pub use compressed::{ClipMode, Compressed};
pub use fit::{Misfit, check_rate, check_size};
pub use keep::KeepConfig;
pub use mistake::Mistake;
pub use recording::{JpegContainer, Overlap, RecordingConfig};
pub use resolve::{Contradiction, Typed};

use crate::clip::{CaptureTime, VideoMode};
use crate::frame::{Fps, Geometry, Payload};
use crate::name::Name;
use crate::ring::RingSpec;
use crate::ring::layout::Stream;
use crate::secret::Secret;

/// A checked config: every value is possible, and they are possible together.
///
/// Serialised or printed it shows no password. Only [`Config::save_checked`] keeps them, for this instance's children.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The file it was read from.
    pub source: PathBuf,
    /// The name of this machine with its cameras, for the people who read the clips.
    pub rig: Name,
    /// Every camera, in the file's order.
    pub cameras: Vec<CameraConfig>,
    /// The settings of `recording`.
    pub recording: RecordingConfig,
    /// The groups that are let in; none in what an older version left.
    #[serde(default)]
    pub access: AccessConfig,
}

/// One camera, as it counts after resolution: what its config leaves out is what the camera offers, and what nobody says is
/// assumed ([`CameraConfig::resolved`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraConfig {
    /// The name of its ring, its files, its column.
    pub name: Name,
    /// The position in the config, from 0.
    pub index: u8,
    /// Size and format of its frames.
    pub geometry: Geometry,
    /// Frames a second, at most.
    pub fps: Fps,
    /// The source of its frames.
    pub backend: Backend,
    /// The payload of its frames.
    #[serde(default)]
    pub payload: Payload,
    /// The part of size, rate and format that the config says.
    #[serde(default)]
    pub typed: Typed,
    /// The way of compressed frames into clips.
    #[serde(default)]
    pub clip: ClipMode,
    /// The room for compressed frames, as typed.
    #[serde(default)]
    pub compressed: Compressed,
    /// The meaning of its capture times, if the camera has said it.
    #[serde(default)]
    pub capture_time: Option<CaptureTime>,
    /// The nanoseconds that are subtracted from the times that its source gives: by so much they lie behind exposure.
    #[serde(default)]
    pub latency_ns: u64,
    /// Size and payload are what the config or the camera has said, now or earlier; false when they are assumed.
    #[serde(default = "known_before")]
    pub is_known: bool,
}

/// Cameras of a version without offers were always known.
fn known_before() -> bool {
    true
}

impl CameraConfig {
    /// A camera that says nothing beside this.
    #[must_use]
    pub fn new(name: Name, index: u8, geometry: Geometry, fps: Fps, backend: Backend) -> Self {
        let typed = Typed {
            size: Some((geometry.width(), geometry.height())),
            fps: Some(fps),
            pixel_format: Some(geometry.format()),
        };
        Self {
            name,
            index,
            geometry,
            fps,
            payload: backend.payload(),
            backend,
            typed,
            clip: ClipMode::default(),
            compressed: Compressed::default(),
            capture_time: None,
            latency_ns: 0,
            is_known: true,
        }
    }

    /// Its stream of compressed frames, as far as its ring's size follows from it; `None` for raw frames.
    #[must_use]
    pub fn stream(&self) -> Option<Stream> {
        self.compressed.stream(self.payload, &self.geometry, self.fps, self.backend.frame_bytes())
    }

    /// Are its frames put into clips as they come, without a decoder and an encoder?
    #[must_use]
    pub fn is_copied(&self) -> bool {
        self.payload == Payload::Jpeg && self.clip != ClipMode::Exact
    }

    /// By how much the times that its source gives lie behind exposure.
    #[must_use]
    pub fn latency(&self) -> Duration {
        Duration::from_nanos(self.latency_ns)
    }

    /// Are its frames put into clips as they come, but for those before a clip's first key frame?
    #[must_use]
    pub fn is_mostly_copied(&self) -> bool {
        matches!(VideoMode::of(self.payload, self.clip), VideoMode::Smart | VideoMode::Verbatim)
    }

    /// The meaning of its capture times.
    #[must_use]
    pub fn capture_time(&self) -> CaptureTime {
        self.capture_time.unwrap_or_else(|| self.backend.capture_time())
    }
}

/// A value of the file that may turn out wrong only when it is tried out.
#[derive(Clone, Copy, Debug)]
pub enum ValueOf<'a> {
    /// A camera's `path` or `source`.
    Source(&'a Name),
    /// A camera's whole entry.
    Camera(&'a Name),
    /// The list of cameras.
    Cameras,
    /// `recording.pre_roll_ms`.
    PreRoll,
    /// `recording.output_dir`.
    OutputDir,
    /// `access.clips_group`.
    ClipsGroup,
    /// `access.control_group`.
    ControlGroup,
    /// `access.rings_group`.
    RingsGroup,
}

/// A config as this instance's children read it: with the passwords beside it, by camera.
#[derive(Serialize, Deserialize)]
struct WithSecrets<C> {
    #[serde(flatten)]
    config: C,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
}

impl Config {
    /// Reads and checks a config file. Relative paths in it are relative to the current folder, as they would be
    /// on a command line.
    ///
    /// # Errors
    /// [`Mistake`], which shows the line.
    pub fn load(path: &Path) -> Result<Self, Mistake> {
        let text = read::text(path).map_err(|e| Mistake::unreadable(path, &e))?;
        Self::parse(path, &text)
    }

    /// Checks a config's text; `path` is for messages.
    ///
    /// # Errors
    /// [`Mistake`], which shows the line.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Mistake> {
        check::config(path, text)
    }

    /// A mistake that showed only when a value was tried out, at that value's place. The file is read again for that:
    /// past its check nothing needs to know where a value stood.
    #[must_use]
    pub fn mistake(&self, value: ValueOf<'_>, message: impl Into<String>) -> Mistake {
        let text = read::text(&self.source).unwrap_or_default();
        let place = check::place(&text, value).unwrap_or(Location::UNKNOWN);
        Mistake::at(&self.source, &text, place, message)
    }

    /// Leaves the checked config where the children of this instance find it: in a file that only its owner can read,
    /// since the passwords of its cameras are in it.
    ///
    /// # Errors
    /// The system's word.
    pub fn save_checked(&self, path: &Path) -> io::Result<()> {
        crate::durable::replace(path, &self.to_checked()?)
    }

    /// Reads what [`Config::save_checked`] left.
    ///
    /// # Errors
    /// The system's word, or that the file is not such a config.
    pub fn load_checked(path: &Path) -> io::Result<Self> {
        Self::from_checked(&std::fs::read(path)?)
    }

    /// The bytes of [`Config::save_checked`].
    ///
    /// # Errors
    /// When it can't be serialised, such as a path that is not UTF-8.
    pub fn to_checked(&self) -> io::Result<Vec<u8>> {
        let secret = |camera: &CameraConfig| {
            let secret = camera.backend.secret().filter(|secret| secret.has_password())?;
            Some((camera.name.to_string(), secret.reveal().to_owned()))
        };
        let secrets = self.cameras.iter().filter_map(secret).collect();
        Ok(serde_json::to_vec_pretty(&WithSecrets { config: self, secrets })?)
    }

    /// A config from the bytes of [`Config::to_checked`].
    ///
    /// # Errors
    /// When they are none.
    pub fn from_checked(bytes: &[u8]) -> io::Result<Self> {
        let WithSecrets { mut config, mut secrets } = serde_json::from_slice::<WithSecrets<Self>>(bytes)?;
        for camera in &mut config.cameras {
            if let (Some(secret), Some(text)) =
                (camera.backend.secret_mut(), secrets.remove(camera.name.as_str()))
            {
                *secret = Secret::from(text);
            }
        }
        Ok(config)
    }

    /// The config as it was typed, without anything that cameras have offered.
    #[must_use]
    pub fn without_offers(&self) -> Self {
        let cameras = self.cameras.iter().map(CameraConfig::without_offer).collect();
        Self { cameras, ..self.clone() }
    }

    /// The camera of this name.
    #[must_use]
    pub fn camera(&self, name: &Name) -> Option<&CameraConfig> {
        self.cameras.iter().find(|c| c.name == *name)
    }

    /// The shape of a camera's ring.
    #[must_use]
    pub fn ring_spec(&self, camera: &CameraConfig) -> Option<RingSpec> {
        self.recording.ring_spec(camera)
    }
}
