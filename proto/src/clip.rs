//! What is on disk of a clip set: the plan it begins with, the manifest that ends it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::Codec;
use crate::frame::{Fps, Geometry};
use crate::name::Name;
use crate::time::{MonotonicNs, WallAnchor};

/// The version of the plan and the manifest.
pub const SCHEMA: u32 = 1;
/// A finished clip set's manifest, in its folder.
pub const MANIFEST: &str = "manifest.json";
/// Where a clip set is kept while it is unfinished, in its folder. Gone once the manifest is there.
pub const PARTIAL_DIR: &str = ".partial";
/// The plan, in the workshop.
pub const PLAN: &str = "plan.json";
/// The first line of `<camera>_timestamps.csv`.
pub const CSV_HEADER: &str = "camera_id,frame_index,t_capture_monotonic_ns";

/// A clip set's plan, in its folder.
#[must_use]
pub fn plan_path(clip_folder: &Path) -> PathBuf {
    clip_folder.join(PARTIAL_DIR).join(PLAN)
}

/// The clip folders in a run folder that have a plan, or are finished and still have an empty workshop, in order of their
/// names.
///
/// # Errors
/// When the run folder's folder can't be read.
pub fn unfinished_clips(run_folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(run_folder)?
        // Not through symbolic links: what they lead to is somebody else's.
        .filter_map(|entry| entry.ok().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())))
        .map(|entry| entry.path())
        .filter(|folder| {
            plan_path(folder).is_file()
                || (folder.join(PARTIAL_DIR).is_dir() && folder.join(MANIFEST).is_file())
        })
        .collect();
    found.sort();
    Ok(found)
}

/// What a clip covers: every frame captured at or after the start and at or before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first moment.
    pub start_ns: MonotonicNs,
    /// The last moment.
    pub end_ns: MonotonicNs,
}

impl Window {
    /// Does a frame captured at this moment belong to the clip?
    #[must_use]
    pub fn contains(&self, t: MonotonicNs) -> bool {
        self.start_ns <= t && t <= self.end_ns
    }

    /// From start to end.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.end_ns - self.start_ns
    }
}

/// What one trigger asked for. On disk before the trigger is acknowledged, so that no death of any process can
/// make it forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The name of the clip's folder.
    pub clip_id: String,
    /// What the person called it.
    pub label: Option<Name>,
    /// The machine that recorded it; none in a plan of a version that knew no rigs.
    #[serde(default)]
    pub rig: Option<Name>,
    /// The boot that the times belong to: a monotonic clock means nothing in another.
    pub boot_id: String,
    /// Where wall time stood.
    pub wall: WallAnchor,
    /// The moment the trigger named.
    pub trigger_ns: MonotonicNs,
    /// What to record.
    pub window: Window,
    /// The start that was asked for, which may lie before what the rings still held.
    pub asked_start_ns: MonotonicNs,
    /// For the person: what could not be given as asked.
    pub notes: Vec<String>,
    /// Every camera that takes part.
    pub cameras: Vec<PlannedCamera>,
}

/// One camera's part in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCamera {
    /// Its name.
    pub name: Name,
    /// Its position in the config, from 0.
    pub index: u8,
    /// Which ring holds its frames.
    pub ring_id: u64,
    /// Its frames' size and format.
    pub geometry: Geometry,
    /// Its nominal rate.
    pub fps: Fps,
    /// How close to exposure its capture times are.
    pub capture_time: CaptureTime,
}

/// What a frame's capture time is the time of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureTime {
    /// The camera's own clock: exposure, or a file's timestamps.
    Device,
    /// When the driver had it.
    Driver,
    /// When the capture process had it.
    Arrival,
}

/// A finished clip set. Its presence is what "finished" means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The name of the clip's folder.
    pub clip_id: String,
    /// What the person called it.
    pub label: Option<Name>,
    /// The machine that recorded it; null in a clip that was planned by a version that knew no rigs.
    #[serde(default)]
    pub rig: Option<Name>,
    /// Every frame that the window should hold is in its file.
    pub complete: bool,
    /// The set was closed before its window was over, because Preroll was stopped.
    pub ended_early: bool,
    /// The moment the trigger named.
    pub trigger_ns: MonotonicNs,
    /// What was recorded.
    pub window: Window,
    /// The start that was asked for.
    pub asked_start_ns: MonotonicNs,
    /// One moment on both clocks, to turn the times here into wall time.
    pub wall: WallAnchor,
    /// The trigger's wall time, as a label.
    pub trigger_utc: String,
    /// For the person: what could not be given as asked, and what happened on the way.
    pub notes: Vec<String>,
    /// Every camera, by name.
    pub cameras: BTreeMap<Name, CameraClip>,
}

/// One camera's part of a clip set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraClip {
    /// The video, in the clip's folder; null when not one frame could be written.
    pub file: Option<String>,
    /// All of the video, in order: more than one file only where the codec had to change on the way.
    pub files: Vec<String>,
    /// What made each of them.
    pub made_by: Vec<FileMaker>,
    /// One row a frame: `camera_id,frame_index,t_capture_monotonic_ns`.
    pub timestamps: String,
    /// The link of the codec chain that made it.
    pub codec: Codec,
    /// The encoder behind it.
    pub encoder: String,
    /// The encoder's preset, where it has one.
    pub preset: Option<String>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The nominal rate.
    pub fps: f64,
    /// The camera's position in the config, from 0.
    pub camera_index: u8,
    /// What the capture times are the times of.
    pub capture_time: CaptureTime,
    /// Frames that the camera made in the window, as far as they can be known.
    pub frames_expected: u64,
    /// Frames in the file (or files).
    pub frames_written: u64,
    /// The first frame's capture time.
    pub first_frame_ns: Option<MonotonicNs>,
    /// The last frame's capture time.
    pub last_frame_ns: Option<MonotonicNs>,
    /// What is missing, and why.
    pub gaps: Vec<Gap>,
    /// When the recording was interrupted. An interruption without a gap cost nothing.
    pub interruptions: Vec<Interruption>,
    /// The size of the video.
    pub size_bytes: u64,
}

/// What made one file of a clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMaker {
    /// The file.
    pub file: String,
    /// The link of the codec chain.
    pub codec: Codec,
    /// The encoder behind it.
    pub encoder: String,
    /// Its preset, where it has one.
    pub preset: Option<String>,
    /// Frames in this file.
    pub frames: u64,
}

/// Frames that should be in a clip and are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The ring's sequence of the frame before the gap; the one before the window if it begins with a gap.
    pub after_sequence: u64,
    /// How many frames.
    pub missing: u64,
    /// Why.
    pub cause: GapCause,
}

/// Why frames are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// They were overwritten before the encoder came to them.
    RingOverrun,
    /// The camera made them while no capture ran.
    CaptureRestart,
    /// The camera or its driver lost them.
    CameraDrop,
    /// The camera was silent.
    CameraStall,
    /// Every slot of the ring was leased.
    RingFull,
    /// They could not be written.
    Disk,
    /// The encoder would not take them.
    Encoder,
    /// Preroll was stopped before the window was over.
    EndedEarly,
    /// Their ring is gone: another boot, or another ring of the same name.
    RingGone,
}

impl GapCause {
    /// The name used in manifests and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RingOverrun => "ring_overrun",
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
    /// The last frame recorded before it.
    pub after_sequence: u64,
    /// From the last frame encoded before to the first one after.
    pub outage_ms: u64,
    /// When the first one after was encoded.
    pub resumed_ns: MonotonicNs,
    /// Why.
    pub cause: InterruptionCause,
}

/// Why a recording was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterruptionCause {
    /// The recorder ended (was killed, crashed, was restarted) and another took over.
    RecorderRestart,
    /// The encoder failed, and the next of the codec chain took over.
    CodecChange,
    /// The file could not be written for a while.
    Disk,
}
