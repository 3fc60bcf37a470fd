//! A manifest's word on a camera's capture times.

use serde::{Deserialize, Serialize};

use super::PlannedCamera;
use crate::frame::CaptureTime;

/// Where a camera's capture times come from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraTime {
    /// The event that they are times of.
    pub source: CaptureTime,
    /// An estimate of how far they lie from a constant offset to that event, at the trigger; null where nobody can tell, and in
    /// clips of a version that didn't estimate it.
    #[serde(default)]
    pub error_ms: Option<f64>,
    /// How often the camera's clock was tied to this machine's anew within the clip: times before and behind such a frame lie
    /// otherwise. 0 in clips of a version that didn't count it.
    #[serde(default)]
    pub anchors: u64,
    /// The latency that the config had subtracted from the times.
    #[serde(default)]
    pub latency_ms: f64,
}

impl CameraTime {
    /// The word on a planned camera's times, in a clip within which its clock was tied anew so often.
    #[must_use]
    pub fn of(camera: &PlannedCamera, anchors: u64) -> Self {
        Self {
            source: camera.capture_time,
            error_ms: camera.time_error_ns.map(ms),
            anchors,
            latency_ms: ms(camera.latency_ns),
        }
    }
}

/// Nanoseconds as milliseconds.
#[expect(clippy::cast_precision_loss, reason = "microseconds of an estimate are enough")]
fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
