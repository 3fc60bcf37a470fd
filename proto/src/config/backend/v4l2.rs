//! `backend: v4l2`: a camera with a device of Video4Linux, without any library between.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::Mistake;
use super::super::camera_entry::Camera;
use super::super::checker::Checker;
use super::super::key::{Key, KeyOr, Row};
use super::super::value::{At, Mapping};
use super::{BackendConfig, FORMAT_EXAMPLE, FORMAT_WHAT, PipeFormat};
use crate::clip::CaptureTime;
use crate::frame::{Payload, PixelFormat};
use crate::source::VideoDevice;

/// The values of `device`, for messages.
const DEVICES: &str = "a device's number, its path (best one below /dev/v4l/by-id or by-path) or its serial number";
/// The longest name of a menu's choice. V4L2's have 31 bytes.
const MAX_CHOICE_BYTES: usize = 64;
/// The most controls of a camera, far beyond those that any has: a config is read whole.
const MAX_CONTROLS: usize = 256;

static DEVICE: Key<String> = Key::number_or_text("device", DEVICES).required().own();
static FORMAT: KeyOr<String> = Key::text("format", FORMAT_WHAT).such_as(FORMAT_EXAMPLE).or(V4l2Format::Auto.name());
static CONTROLS: Key<BTreeMap<String, ControlValue>> = Key::settings("controls", "{ exposure_dynamic_framerate: 0 }");
/// The keys of a V4L2 camera.
pub(super) static KEYS: &[&Row] = &[&DEVICE.row, &FORMAT.row, &CONTROLS.row];

/// A camera with a device of Video4Linux.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct V4l2Config {
    /// The device as typed. [`V4l2Config::video_device`] says what it is.
    pub device: String,
    /// The format that the device is asked for.
    pub format: V4l2Format,
    /// The controls to set, by the names that `v4l2-ctl -L` shows.
    pub controls: BTreeMap<String, ControlValue>,
}

/// The value that a control is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ControlValue {
    /// A number, 0 or 1 for false or true, or the number of a menu's choice.
    Number(i64),
    /// A menu's choice by its name.
    Choice(String),
}

impl fmt::Display for ControlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Choice(name) => write!(f, "{name:?}"),
        }
    }
}

/// The formats that a V4L2 camera may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is named in the table of Video4Linux")]
pub enum V4l2Format {
    /// Raw, if the device gives the size and the rate that way; else Motion JPEG.
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "YUYV")]
    Yuyv,
    #[serde(rename = "NV12")]
    Nv12,
    #[serde(rename = "YU12")]
    Yu12,
    #[serde(rename = "GREY")]
    Grey,
    #[serde(rename = "BGR24")]
    Bgr24,
    #[serde(rename = "RGB24")]
    Rgb24,
    #[serde(rename = "BAYER_RGGB8")]
    BayerRggb8,
    #[serde(rename = "BAYER_GRBG8")]
    BayerGrbg8,
    #[serde(rename = "BAYER_GBRG8")]
    BayerGbrg8,
    #[serde(rename = "BAYER_BGGR8")]
    BayerBggr8,
    #[serde(rename = "MJPG")]
    Mjpg,
    #[serde(rename = "H264")]
    H264,
    #[serde(rename = "HEVC")]
    Hevc,
}

impl V4l2Format {
    /// Every format.
    pub const ALL: [Self; 14] = [
        Self::Auto,
        Self::Yuyv,
        Self::Nv12,
        Self::Yu12,
        Self::Grey,
        Self::Bgr24,
        Self::Rgb24,
        Self::BayerRggb8,
        Self::BayerGrbg8,
        Self::BayerGbrg8,
        Self::BayerBggr8,
        Self::Mjpg,
        Self::H264,
        Self::Hevc,
    ];

    /// The name used in configs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Yuyv => "YUYV",
            Self::Nv12 => "NV12",
            Self::Yu12 => "YU12",
            Self::Grey => "GREY",
            Self::Bgr24 => "BGR24",
            Self::Rgb24 => "RGB24",
            Self::BayerRggb8 => "BAYER_RGGB8",
            Self::BayerGrbg8 => "BAYER_GRBG8",
            Self::BayerGbrg8 => "BAYER_GBRG8",
            Self::BayerBggr8 => "BAYER_BGGR8",
            Self::Mjpg => "MJPG",
            Self::H264 => "H264",
            Self::Hevc => "HEVC",
        }
    }

    /// The pixel format in the ring of raw frames that come like this, if the format alone says it.
    #[must_use]
    pub fn pixel_format(self) -> Option<PixelFormat> {
        match self {
            Self::Yuyv => Some(PixelFormat::YUYV),
            Self::Nv12 => Some(PixelFormat::NV12),
            Self::Yu12 => Some(PixelFormat::I420),
            Self::Grey => Some(PixelFormat::GRAY8),
            Self::Bgr24
            | Self::Rgb24
            | Self::BayerRggb8
            | Self::BayerGrbg8
            | Self::BayerGbrg8
            | Self::BayerBggr8 => Some(PixelFormat::BGR24),
            Self::Auto | Self::Mjpg | Self::H264 | Self::Hevc => None,
        }
    }
}

impl V4l2Config {
    /// The device, by what was typed.
    #[must_use]
    pub fn video_device(&self) -> VideoDevice<'_> {
        VideoDevice::of(&self.device)
    }
}

impl BackendConfig for V4l2Config {
    const NAME: &'static str = "v4l2";
    const EXECUTABLE: &'static str = "capture";
    const CAPTURE_TIME: CaptureTime = CaptureTime::Driver;
    const SOURCE_KEY: Option<&'static str> = Some("device");
    const IS_LIVE: bool = true;

    fn check(checker: &Checker<'_>, camera: &Camera<'_>, fps: f64) -> Result<(Self, f64), Mistake> {
        let Some(typed) = camera.get(&DEVICE) else {
            return checker.wrong(camera.here, format!("device: camera {} needs {DEVICES}", camera.name));
        };
        let device = checker.text(&typed, DEVICE.row.name)?;
        let format = match camera.typed(&FORMAT) {
            Some(typed) => format(checker, &typed)?,
            None => V4l2Format::Auto,
        };
        let controls = camera.get(&CONTROLS).map_or(Ok(BTreeMap::new()), |typed| controls(checker, typed))?;
        Ok((Self { device, format, controls }, fps))
    }

    fn check_defaults(checker: &Checker<'_>, all: &Mapping) -> Result<(), Mistake> {
        all.get(&CONTROLS).map_or(Ok(BTreeMap::new()), |typed| controls(checker, typed))?;
        // The same key is a pipe's too.
        if let Some(typed) = all.typed(&FORMAT).filter(|typed| !PipeFormat::has(&typed.value)) {
            format(checker, &typed)?;
        }
        Ok(())
    }

    /// Of `auto` without a word from the device JPEG is taken to come: raw frames at the size and rate of a camera that says
    /// neither are more than USB carries.
    fn payload(&self) -> Payload {
        match self.format {
            V4l2Format::Auto | V4l2Format::Mjpg => Payload::Jpeg,
            V4l2Format::H264 => Payload::H264,
            V4l2Format::Hevc => Payload::H265,
            _ => Payload::Planes,
        }
    }

    fn says_payload(&self) -> bool {
        self.format != V4l2Format::Auto
    }

    fn pixel_format(&self) -> Option<PixelFormat> {
        self.format.pixel_format()
    }
}

fn format(checker: &Checker<'_>, typed: &At<String>) -> Result<V4l2Format, Mistake> {
    match V4l2Format::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(&typed.value)) {
        Some(format) => Ok(format),
        None => {
            let names = V4l2Format::ALL.map(V4l2Format::name).join(", ");
            let message = format!("format: {:?} is not one of {names}, those of a v4l2 camera", typed.value);
            checker.wrong(typed.at, message)
        }
    }
}

fn controls(
    checker: &Checker<'_>,
    typed: At<BTreeMap<String, ControlValue>>,
) -> Result<BTreeMap<String, ControlValue>, Mistake> {
    if typed.value.len() > MAX_CONTROLS {
        return checker.wrong(typed.at, format!("controls: at most {MAX_CONTROLS}"));
    }
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    match typed.value.keys().find(|name| !is_name(name)) {
        Some(name) => {
            let message = format!(
                "controls: {name:?} is no control's name; `v4l2-ctl -L` shows them, such as exposure_time_absolute"
            );
            checker.wrong(typed.at, message)
        }
        None => choices_are_names(checker, typed),
    }
}

fn choices_are_names(
    checker: &Checker<'_>,
    typed: At<BTreeMap<String, ControlValue>>,
) -> Result<BTreeMap<String, ControlValue>, Mistake> {
    let is_none = |value: &ControlValue| {
        matches!(value, ControlValue::Choice(name) if name.is_empty() || name.len() > MAX_CHOICE_BYTES || name.contains('\0'))
    };
    match typed.value.iter().find(|(_, value)| is_none(value)) {
        Some((control, _)) => {
            let message = format!(
                "controls: the value of {control} is a whole number, true, false, or the name of a menu's choice, which has at most \
                 {MAX_CHOICE_BYTES} bytes"
            );
            checker.wrong(typed.at, message)
        }
        None => Ok(typed.value),
    }
}
