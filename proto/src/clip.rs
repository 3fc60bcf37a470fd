//! A clip on disk, as documents: the plan that it begins with and the manifest that ends it. Writing them is the
//! supervisor's and the recorder's part; journals and parts are the recorder's alone.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::Codec;
use crate::fnv1a;
use crate::frame::{Fps, Geometry};
use crate::name::Name;
use crate::opened;
use crate::origin::Origin;
use crate::time::{MonotonicNs, WallAnchor};

mod plan_check;

pub use plan_check::BadPlan;

/// The version of the plan and the manifest.
pub const SCHEMA: u32 = 1;
/// The manifest's file in a finished clip's folder.
pub const MANIFEST: &str = "manifest.json";
/// The folder in a run folder that clips are moved to which can't be recorded.
pub const SET_ASIDE_DIR: &str = "set-aside";
/// The folder in a clip's folder that holds it while it is unfinished. It goes once the manifest is there.
pub const PARTIAL_DIR: &str = ".partial";
/// The plan's file in [`PARTIAL_DIR`].
pub const PLAN: &str = "plan.json";
/// The file in [`PARTIAL_DIR`] that says at which moment Preroll was stopped in the clip: nothing captured later belongs to it,
/// whoever finishes it.
pub const STOPPED: &str = "stopped.json";
/// The first line of `<camera>_timestamps.csv`.
pub const CSV_HEADER: &str = "camera_id,frame_index,t_capture_monotonic_ns";

/// A number that stands for a clip's folder where many are told of, several times a second.
#[must_use]
pub fn mark(clip_folder: &Path) -> u64 {
    fnv1a::sum(fnv1a::BASIS, clip_folder.as_os_str().as_bytes())
}

/// The document [`STOPPED`]: Preroll was stopped in the clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The clip ends at this moment, if its window lasts longer.
    pub end_ns: MonotonicNs,
}

/// The path of a clip's plan.
#[must_use]
pub fn plan_path(clip_folder: &Path) -> PathBuf {
    clip_folder.join(PARTIAL_DIR).join(PLAN)
}

/// The clip folders in a run folder that have a plan, or are finished and still have a [`PARTIAL_DIR`], in order of
/// their names.
///
/// # Errors
/// The run folder can't be read.
pub fn unfinished_clips(run_folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let mut found = opened::folders_of_ours(run_folder)?;
    // Anything in the plan's place counts: whoever takes the clip on says what is wrong with it.
    found.retain(|folder| {
        is_there(&plan_path(folder))
            || (is_there(&folder.join(PARTIAL_DIR)) && is_there(&folder.join(MANIFEST)))
    });
    Ok(found)
}

/// The span of a clip: every frame captured at or after the start and at or before the end belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first moment of the span.
    pub start_ns: MonotonicNs,
    /// The last moment of the span.
    pub end_ns: MonotonicNs,
}

impl Window {
    /// True if a frame captured at this moment belongs to the clip.
    #[must_use]
    pub fn contains(&self, t: MonotonicNs) -> bool {
        self.start_ns <= t && t <= self.end_ns
    }

    /// The time from start to end.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.end_ns - self.start_ns
    }
}

/// A clip's plan: all that its trigger asked for. It is on disk before the trigger is acknowledged, so the death of no
/// process can lose it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The name of the clip's folder.
    pub clip_id: String,
    /// The label that the trigger gave.
    pub label: Option<Name>,
    /// The machine that recorded it; none in a plan of a version that knew no rigs.
    #[serde(default)]
    pub rig: Option<Name>,
    /// The boot that the times belong to: they mean nothing in another.
    pub boot_id: String,
    /// The instance that records it; none in a plan of a version that named no instance.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// The same moment on both clocks, to turn the times here into wall time.
    pub wall: WallAnchor,
    /// The moment that the trigger named.
    pub trigger_ns: MonotonicNs,
    /// The span to record.
    pub window: Window,
    /// The start that was asked for, which may lie before the oldest frame that the rings still held.
    pub asked_start_ns: MonotonicNs,
    /// Sentences for a person about what could not be given as asked.
    pub notes: Vec<String>,
    /// The cameras that the trigger named; none when it named none and meant all.
    #[serde(default)]
    pub cameras_asked: Option<Vec<Name>>,
    /// Every camera that takes part.
    pub cameras: Vec<PlannedCamera>,
}

/// A camera's part in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCamera {
    /// The camera's name.
    pub name: Name,
    /// The camera's position in the config, from 0.
    pub index: u8,
    /// The id of the ring that holds its frames ([`Ring::id`](crate::ring::Ring::id)).
    pub ring_id: u64,
    /// The size and format of its frames.
    pub geometry: Geometry,
    /// The nominal frame rate.
    pub fps: Fps,
    /// The event that its capture times are times of.
    pub capture_time: CaptureTime,
    /// Its frames come at no rate, so none is due at any moment, and a picture stands until the next one comes. False in a
    /// plan of a version that knew no such cameras.
    #[serde(default)]
    pub variable_rate: bool,
}

/// The event that a frame's capture time is the time of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureTime {
    /// Exposure, by the camera's own clock; or a file's timestamps.
    Device,
    /// Arrival at the driver.
    Driver,
    /// Arrival at the capture process.
    Arrival,
}

/// A finished clip, as scripts read it: a clip is finished when this document is in its folder. Its fourteen fields are
/// the document's keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The name of the clip's folder.
    pub clip_id: String,
    /// The label that the trigger gave.
    pub label: Option<Name>,
    /// The machine that recorded it; null in a clip that was planned by a version that knew no rigs.
    #[serde(default)]
    pub rig: Option<Name>,
    /// True if every frame that the window should hold is in its file.
    pub complete: bool,
    /// True if the clip was closed before its window was over, because Preroll was stopped.
    pub ended_early: bool,
    /// The moment that the trigger named.
    pub trigger_ns: MonotonicNs,
    /// The span that was recorded.
    pub window: Window,
    /// The start that was asked for.
    pub asked_start_ns: MonotonicNs,
    /// The same moment on both clocks, to turn the times here into wall time.
    pub wall: WallAnchor,
    /// The trigger's wall time in UTC, as RFC 3339 writes it.
    pub trigger_utc: String,
    /// Sentences for a person about what could not be given as asked and what happened on the way.
    pub notes: Vec<String>,
    /// The cameras that the trigger named; null when it named none and meant all, and in older clips.
    #[serde(default)]
    pub cameras_asked: Option<Vec<Name>>,
    /// Every camera, by name.
    pub cameras: BTreeMap<Name, CameraClip>,
}

/// A camera's part of a finished clip. Its twenty fields are the keys of one object of the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraClip {
    /// The video, in the clip's folder; null when not one frame could be written.
    pub file: Option<String>,
    /// All files of the video, in order: more than one only where the codec had to change on the way.
    pub files: Vec<String>,
    /// The encoder of each of them: that of its first stretch.
    pub made_by: Vec<FileMaker>,
    /// The stretches of the video, in order. Empty in a manifest of a version that knew none.
    #[serde(default)]
    pub stretches: Vec<Stretch>,
    /// The file of timestamps, a row a frame: [`CSV_HEADER`].
    pub timestamps: String,
    /// The codec of the first file.
    pub codec: Codec,
    /// libav's name of the encoder that made the first file.
    pub encoder: String,
    /// The encoder's preset, where it has one.
    pub preset: Option<String>,
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
    /// The nominal rate in frames a second.
    pub fps: f64,
    /// The camera's position in the config, from 0.
    pub camera_index: u8,
    /// The event that the capture times are times of.
    pub capture_time: CaptureTime,
    /// Frames that the camera made in the window, as far as that can be known.
    pub frames_expected: u64,
    /// Frames in the file (or files).
    pub frames_written: u64,
    /// The first frame's capture time.
    pub first_frame_ns: Option<MonotonicNs>,
    /// The last frame's capture time.
    pub last_frame_ns: Option<MonotonicNs>,
    /// The missing frames, with their causes.
    pub gaps: Vec<Gap>,
    /// The interruptions of the recording. An interruption without a gap lost no frame.
    pub interruptions: Vec<Interruption>,
    /// The bytes of all files of the video.
    pub size_bytes: u64,
}

/// The encoder that made one file of a clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMaker {
    /// The file's name.
    pub file: String,
    /// The codec.
    pub codec: Codec,
    /// libav's name of the encoder.
    pub encoder: String,
    /// The encoder's preset, where it has one.
    pub preset: Option<String>,
    /// Frames in this file.
    pub frames: u64,
}

/// A row of frames that were made in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The file that holds it.
    pub file: String,
    /// The first frame's row in the timestamps, counted from 0.
    pub first_frame: u64,
    /// The number of frames.
    pub frames: u64,
    /// The way in which they were made.
    pub how: StretchHow,
    /// The codec.
    pub codec: Codec,
    /// libav's name of the encoder.
    pub encoder: String,
    /// The encoder's preset, where it has one.
    pub preset: Option<String>,
}

/// The way in which a stretch was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StretchHow {
    /// Encoded from the camera's pictures.
    Encoded,
}

/// Frames that should be in a clip and are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The ring's sequence of the frame before the gap; the one before the window if it begins with a gap.
    pub after_sequence: u64,
    /// The number of frames.
    pub missing: u64,
    /// The cause.
    pub cause: GapCause,
}

/// The cause of missing frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// The ring overwrote them before the encoder came to them.
    RingOverrun,
    /// The ring overwrote them, and the backlog had no room for them.
    BacklogFull,
    /// The camera made them while no capture ran.
    CaptureRestart,
    /// The camera or its driver lost them.
    CameraDrop,
    /// The camera was silent when they were due.
    CameraStall,
    /// Readers held leases on every slot of the ring.
    RingFull,
    /// The disk did not take them.
    Disk,
    /// The encoder did not take them.
    Encoder,
    /// Preroll was stopped before the window was over.
    EndedEarly,
    /// The ring that held them is gone: another boot, or another ring of the same name.
    RingGone,
}

impl GapCause {
    /// The name used in manifests and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RingOverrun => "ring_overrun",
            Self::BacklogFull => "backlog_full",
            Self::CaptureRestart => "capture_restart",
            Self::CameraDrop => "camera_drop",
            Self::CameraStall => "camera_stall",
            Self::RingFull => "ring_full",
            Self::Disk => "disk",
            Self::Encoder => "encoder",
            Self::EndedEarly => "ended_early",
            Self::RingGone => "ring_gone",
        }
    }
}

/// A time in which nothing was recorded although the window was open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interruption {
    /// The sequence of the last frame recorded before it.
    pub after_sequence: u64,
    /// The milliseconds from the last frame encoded before it to the first one after it.
    pub outage_ms: u64,
    /// The moment at which the first frame after it was encoded.
    pub resumed_ns: MonotonicNs,
    /// The cause.
    pub cause: InterruptionCause,
}

/// The cause of an interruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterruptionCause {
    /// The recorder ended (was killed, crashed, was restarted) and another took over.
    RecorderRestart,
    /// The encoder failed, and the next one of the ladder took over.
    CodecChange,
    /// The file could not be written for a while.
    Disk,
}
