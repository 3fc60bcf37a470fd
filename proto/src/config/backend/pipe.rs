//! `backend: pipe`: frames that another program writes, into a FIFO, a device or a Unix socket.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::Mistake;
use super::super::camera_entry::Camera;
use super::super::checker::Checker;
use super::super::key::{Key, Row};
use super::super::value::At;
use super::{BackendConfig, FORMAT_EXAMPLE, FORMAT_WHAT, PATH_EXAMPLE, PATH_WHAT};
use crate::clip::CaptureTime;
use crate::frame::Payload;

static PATH: Key<String> = Key::text("path", PATH_WHAT).such_as(PATH_EXAMPLE).required().own();
static FORMAT: Key<String> = Key::text("format", FORMAT_WHAT).such_as(FORMAT_EXAMPLE).required();
/// The keys of a pipe.
pub(super) static KEYS: &[&Row] = &[&PATH.row, &FORMAT.row];

/// Frames that another program writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipeConfig {
    /// A FIFO, a device or a Unix socket.
    pub path: PathBuf,
    /// The form of the bytes.
    pub format: PipeFormat,
}

/// The forms in which frames come through a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PipeFormat {
    /// YUV4MPEG2: a line that says size and rate, then raw frames with a line before each.
    Y4m,
    /// Raw frames one behind the other, each as long as size and pixel format make it.
    Raw,
    /// JPEGs one behind the other.
    Mjpeg,
    /// H.264 with start codes (Annex B).
    H264,
    /// H.265 with start codes (Annex B).
    H265,
}

impl PipeFormat {
    /// Every form.
    pub const ALL: [Self; 5] = [Self::Y4m, Self::Raw, Self::Mjpeg, Self::H264, Self::H265];

    /// The name used in configs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Y4m => "y4m",
            Self::Raw => "raw",
            Self::Mjpeg => "mjpeg",
            Self::H264 => "h264",
            Self::H265 => "h265",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// Is it the name of one of these?
    pub(super) fn has(name: &str) -> bool {
        Self::from_name(name).is_some()
    }
}

impl BackendConfig for PipeConfig {
    const NAME: &'static str = "pipe";
    const EXECUTABLE: &'static str = "capture";
    const CAPTURE_TIME: CaptureTime = CaptureTime::Arrival;
    const SOURCE_KEY: Option<&'static str> = Some("path");
    const IS_LIVE: bool = true;

    fn check(checker: &Checker<'_>, camera: &Camera<'_>, fps: f64) -> Result<(Self, f64), Mistake> {
        let name = camera.name;
        let Some(typed) = camera.get(&PATH) else {
            let message = format!("path: camera {name} needs the path of a FIFO, a device or a Unix socket");
            return checker.wrong(camera.here, message);
        };
        let path = checker.path(&typed, PATH.row.name)?;
        let Some(typed) = camera.get(&FORMAT) else {
            let message = format!("format: camera {name} needs one of {}", names());
            return checker.wrong(camera.here, message);
        };
        let format = format(checker, &typed)?;
        if format == PipeFormat::Raw && !camera.has_typed_size {
            let message = format!("format: raw frames of camera {name} say no size; write width and height");
            return checker.wrong(typed.at, message);
        }
        Ok((Self { path, format }, fps))
    }

    fn payload(&self) -> Payload {
        match self.format {
            PipeFormat::Y4m | PipeFormat::Raw => Payload::Planes,
            PipeFormat::Mjpeg => Payload::Jpeg,
            PipeFormat::H264 => Payload::H264,
            PipeFormat::H265 => Payload::H265,
        }
    }
}

fn names() -> String {
    PipeFormat::ALL.map(PipeFormat::name).join(", ")
}

fn format(checker: &Checker<'_>, typed: &At<String>) -> Result<PipeFormat, Mistake> {
    match PipeFormat::from_name(&typed.value) {
        Some(format) => Ok(format),
        None => {
            let message = format!("format: {:?} is not one of {}, those of a pipe", typed.value, names());
            checker.wrong(typed.at, message)
        }
    }
}
