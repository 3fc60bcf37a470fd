//! The config: what was typed ([`raw`]) becomes what is meant ([`Config`]); nothing past start-up sees the former.

mod check;
mod mistake;
mod raw;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_saphyr::Location;

pub use mistake::Mistake;

use crate::clip::CaptureTime;
use crate::codec::Codec;
use crate::frame::{Fps, Geometry};
use crate::name::Name;
use crate::ring::{RingSize, RingSpec};

/// A checked config: every value is possible, and they are possible together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The file it was read from.
    pub source: PathBuf,
    /// The name of this machine with its cameras, for the people who read the clips.
    pub rig: Name,
    /// Every camera, in the file's order.
    pub cameras: Vec<CameraConfig>,
    /// What is recorded, and how.
    pub recording: RecordingConfig,
}

/// One camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraConfig {
    /// Its name: of its ring, its files, its column.
    pub name: Name,
    /// Its position in the config, from 0.
    pub index: u8,
    /// Its frames' size and format.
    pub geometry: Geometry,
    /// Frames a second, at most.
    pub fps: Fps,
    /// Where its frames come from.
    pub backend: Backend,
}

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Backend {
    /// A simulated camera.
    Sim(SimConfig),
    /// A video file, played by libav.
    File(FileConfig),
    /// What OpenCV's `VideoCapture` opens.
    Opencv(OpencvConfig),
}

/// A simulated camera: `frame-stamp` frames, and faults to rehearse with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SimConfig {
    /// A line for each frame it makes, before it is published: `source_sequence,t_capture_monotonic_ns`.
    pub truth_log: Option<PathBuf>,
    /// Faults to rehearse.
    pub faults: SimFaults,
}

/// A time of a simulated camera's life, by its own clock, which began with its ring and goes on while nobody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// It begins when the camera has made so many frames …
    pub after_frames: u64,
    /// … and lasts for so long (for ever, if not given).
    pub ms: Option<u64>,
}

/// Faults that a simulated camera has on purpose. Counted in frames of one life of its process, but for the episodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SimFaults {
    /// Abort after so many frames.
    pub crash_after_frames: Option<u64>,
    /// Fall silent after so many frames …
    pub stall_after_frames: Option<u64>,
    /// … for so long (for ever, if not given).
    pub stall_ms: Option<u64>,
    /// Be unplugged: lost, and not there to be opened.
    pub unplug: Option<Episode>,
    /// Deliver the same picture again and again.
    pub freeze: Option<Episode>,
    /// Deliver black pictures.
    pub black: Option<Episode>,
    /// Deliver frames of another size than the config's.
    pub resize: Option<Episode>,
    /// Lose every nth frame.
    pub drop_every: Option<u64>,
    /// Deliver each frame late by a random time up to this.
    pub jitter_ms: u64,
    /// Take so long to open.
    pub slow_start_ms: u64,
}

/// A video file as a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileConfig {
    /// The file.
    pub path: PathBuf,
    /// Begin again at its end.
    pub looping: bool,
    /// At the pace of its own timestamps; otherwise as fast as it can be decoded.
    pub realtime: bool,
    /// Scale frames of another size to the config's. Otherwise they are an error.
    pub scale: bool,
}

/// A camera that OpenCV opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpencvConfig {
    /// A device's number, a URL, a file or a GStreamer pipeline.
    pub source: String,
    /// Scale frames of another size to the config's. Otherwise they are an error.
    pub scale: bool,
}

/// A key whose value may turn out wrong only when it is tried out.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// A camera's `path`.
    Path(&'a Name),
    /// A camera's `source`.
    Source(&'a Name),
    /// The list of cameras.
    Cameras,
    /// `recording.pre_roll_ms`.
    PreRoll,
    /// `recording.output_dir`.
    OutputDir,
}

/// What is recorded, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingConfig {
    /// Where run folders are made.
    pub output_dir: PathBuf,
    /// The name that run folders begin with.
    pub run_name: Name,
    /// Before the trigger.
    pub pre_roll_ms: u64,
    /// After the trigger.
    pub post_roll_ms: u64,
    /// What an encoder may be late by, or away for, without losing a frame.
    pub reserve_ms: u64,
    /// One codec by name; `None` goes down the chain.
    pub preferred_codec: Option<Codec>,
    /// CRF, 0 (lossless) to 51; lower is better and larger.
    pub codec_quality: u8,
    /// An x264 preset by name; `None` takes the best that keeps up.
    pub preset: Option<String>,
    /// Clips that may be open at once.
    pub max_open_clips: usize,
    /// Keep a second recorder waiting, started and idle, to take over from one that ends.
    pub standby_recorder: bool,
    /// With less than this free, the disk counts as full.
    pub min_free_bytes: u64,
}

impl Config {
    /// Reads and checks a config file. Relative paths in it are relative to the current folder, as they would be
    /// on a command line.
    ///
    /// # Errors
    /// [`Mistake`], which shows the line.
    pub fn load(path: &Path) -> Result<Self, Mistake> {
        let text = std::fs::read_to_string(path).map_err(|e| Mistake::unreadable(path, &e))?;
        Self::parse(path, &text)
    }

    /// Checks a config's text; `path` is for messages.
    ///
    /// # Errors
    /// [`Mistake`], which shows the line.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Mistake> {
        check::config(path, text)
    }

    /// A mistake that showed only when a value was tried out, at its key's place. The file is read again for that:
    /// past its check nothing needs to know where a value stood.
    #[must_use]
    pub fn mistake(&self, key: Key<'_>, message: impl Into<String>) -> Mistake {
        let text = std::fs::read_to_string(&self.source).unwrap_or_default();
        let place = check::place(&text, key).unwrap_or(Location::UNKNOWN);
        Mistake::at(&self.source, &text, place, message)
    }

    /// Leaves the checked config where the children of this instance find it.
    ///
    /// # Errors
    /// The system's word.
    pub fn save_checked(&self, path: &Path) -> io::Result<()> {
        crate::durable::replace(path, &serde_json::to_vec_pretty(self)?)
    }

    /// Reads what [`Config::save_checked`] left.
    ///
    /// # Errors
    /// The system's word, or that the file is not such a config.
    pub fn load_checked(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }

    /// The camera of this name.
    #[must_use]
    pub fn camera(&self, name: &Name) -> Option<&CameraConfig> {
        self.cameras.iter().find(|c| c.name == *name)
    }

    /// What a camera's ring is made for.
    #[must_use]
    pub fn ring_spec(&self, camera: &CameraConfig) -> Option<RingSpec> {
        let r = &self.recording;
        let size = RingSize::for_camera(r.pre_roll_ms, r.reserve_ms, camera.fps)?;
        Some(RingSpec { geometry: camera.geometry, fps: camera.fps, size })
    }
}

impl Backend {
    /// The name used in configs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sim(_) => "sim",
            Self::File(_) => "file",
            Self::Opencv(_) => "opencv",
        }
    }

    /// The executable that knows this source. A process loads only the libraries of its own.
    #[must_use]
    pub fn executable(&self) -> &'static str {
        match self {
            Self::Sim(_) => "capture",
            Self::File(_) => "capture-libav",
            Self::Opencv(_) => "capture-opencv",
        }
    }

    /// What this source's capture times are the times of.
    #[must_use]
    pub fn capture_time(&self) -> CaptureTime {
        match self {
            Self::Sim(_) | Self::File(_) => CaptureTime::Device,
            Self::Opencv(_) => CaptureTime::Arrival,
        }
    }
}
