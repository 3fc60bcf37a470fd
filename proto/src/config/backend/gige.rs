//! `backend: gige`: a GigE Vision or USB3 Vision camera, by aravis.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::Mistake;
use super::super::camera_entry::Camera;
use super::super::checker::Checker;
use super::super::key::{Key, KeyOr, Row};
use super::super::value::{At, Mapping};
use super::BackendConfig;
use crate::clip::CaptureTime;
use crate::time::nanos;

/// The values of `camera`, for messages.
const CAMERAS: &str = "serial number, name or IP address";
/// The most features of a camera that a config sets: a config is read whole.
const MAX_FEATURES: usize = 256;
/// The longest value of a feature. GenICam has no bound, and no camera a value near it.
const MAX_VALUE_BYTES: usize = 1024;
/// The highest priority of a real-time thread on Linux (sched(7)).
const MAX_PRIORITY: u64 = 99;

static CAMERA: Key<String> = Key::text("camera", CAMERAS).such_as("192.168.1.20").required().own();
static FEATURES: Key<Vec<(String, String)>> = Key::texts("features", "{ ExposureTime: 5000 }");
static REALTIME_PRIORITY: KeyOr<u64> =
    Key::range("realtime_priority", 0, MAX_PRIORITY, "no real-time thread").or(0);
/// The keys of a GigE Vision or USB3 Vision camera.
pub(super) static KEYS: &[&Row] = &[&CAMERA.row, &FEATURES.row, &REALTIME_PRIORITY.row];

/// A GigE Vision or USB3 Vision camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GigeConfig {
    /// The camera as typed: its serial number, its name, its IP address or its MAC address.
    pub camera: String,
    /// The features to set, in this order.
    pub features: Vec<Feature>,
    /// The priority of the thread that takes the camera's packets, 1 to 99 in real time; 0 for an ordinary thread.
    pub realtime_priority: u8,
}

/// A feature of a camera, by its GenICam name, and the value that it is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// The name, such as `ExposureTime`.
    pub name: String,
    /// The value as typed. The camera knows whether it is a number, a choice, a switch or a text.
    pub value: String,
}

impl GigeConfig {
    /// The time that a frame waits for packets which didn't come at first. Those behind it wait too.
    pub const RETENTION: Duration = Duration::from_millis(100);
    /// The most buffers of one camera.
    const MOST_BUFFERS: u64 = 64;
    /// Buffers for the frames that are being filled and copied.
    const IN_WORK: u64 = 6;

    /// The buffers of a camera whose frames are a `period` apart: for what comes in twice the time that a frame waits.
    #[must_use]
    pub fn buffers(period: Duration) -> u64 {
        let waiting = nanos(Self::RETENTION * 2) / nanos(period).max(1);
        (waiting + Self::IN_WORK).min(Self::MOST_BUFFERS)
    }
}

impl BackendConfig for GigeConfig {
    const NAME: &'static str = "gige";
    const EXECUTABLE: &'static str = "capture-aravis";
    const CAPTURE_TIME: CaptureTime = CaptureTime::Device;
    const SOURCE_KEY: Option<&'static str> = Some("camera");
    const IS_LIVE: bool = true;

    fn check(checker: &Checker<'_>, camera: &Camera<'_>, fps: f64) -> Result<(Self, f64), Mistake> {
        let Some(typed) = camera.get(&CAMERA) else {
            return checker.wrong(camera.here, format!("camera: camera {} needs its {CAMERAS}", camera.name));
        };
        let name = checker.text(&typed, CAMERA.row.name)?;
        let features = camera.get(&FEATURES).map_or(Ok(Vec::new()), |typed| features(checker, typed))?;
        let realtime_priority = priority(checker, camera.typed(&REALTIME_PRIORITY))?;
        Ok((Self { camera: name, features, realtime_priority }, fps))
    }

    fn check_defaults(checker: &Checker<'_>, all: &Mapping) -> Result<(), Mistake> {
        all.get(&FEATURES).map_or(Ok(Vec::new()), |typed| features(checker, typed))?;
        priority(checker, all.typed(&REALTIME_PRIORITY)).map(drop)
    }
}

fn priority(checker: &Checker<'_>, typed: Option<At<u64>>) -> Result<u8, Mistake> {
    let Some(At { value, at }) = typed else { return Ok(0) };
    match u8::try_from(value).ok().filter(|_| value <= MAX_PRIORITY) {
        Some(priority) => Ok(priority),
        None => {
            let message = format!(
                "realtime_priority: {value} is out of range; it takes 0 (no real-time thread) to {MAX_PRIORITY}"
            );
            checker.wrong(at, message)
        }
    }
}

fn features(checker: &Checker<'_>, typed: At<Vec<(String, String)>>) -> Result<Vec<Feature>, Mistake> {
    if typed.value.len() > MAX_FEATURES {
        return checker.wrong(typed.at, format!("features: at most {MAX_FEATURES}"));
    }
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    for (name, value) in &typed.value {
        if !is_name(name) {
            let message = format!(
                "features: {name:?} is no feature's name; `arv-tool-0.8 features` shows them, such as ExposureTime"
            );
            return checker.wrong(typed.at, message);
        }
        if value.len() > MAX_VALUE_BYTES || value.contains('\0') {
            let message = format!(
                "features: the value of {name} is longer than {MAX_VALUE_BYTES} bytes, or holds a zero byte"
            );
            return checker.wrong(typed.at, message);
        }
    }
    Ok(typed.value.into_iter().map(|(name, value)| Feature { name, value }).collect())
}
