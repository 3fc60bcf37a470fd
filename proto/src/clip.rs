//! A clip on disk, as documents: the plan that it begins with and the manifest that ends it. Writing them is the
//! supervisor's and the recorder's part; journals and parts are the recorder's alone.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::by_camera::ByCamera;
use crate::codec::Codec;
use crate::frame::{Fps, Geometry, Payload, PictureTags};
use crate::name::Name;
use crate::origin::Origin;
use crate::time::{MonotonicNs, WallAnchor};
use crate::wall_clock::ClockState;

mod camera_time;
mod folder;
pub mod growth;
mod loss;
mod plan_check;
mod stored;
mod trigger;
mod untold;
mod verdict;
mod video;

pub use crate::frame::CaptureTime;
pub use camera_time::CameraTime;
pub use folder::{
    clip_id, clip_name, clip_number, mark, plan_path, poster_name, trigger_id, unfinished_clips,
};
pub use loss::{DamagedRows, Gap, GapCause, Interruption, InterruptionCause};
pub use plan_check::BadPlan;
pub use stored::{INDEX_DIR, NOTES, REMOVING_DIR, run_folders};
pub use trigger::{
    MOST_ID_CHARS, MOST_META, MOST_META_BYTES, MOST_NOTE_BYTES, ManifestTrigger, Meta, PlannedTrigger,
    TriggerKind, TriggerSource, is_trigger_id,
};
pub use untold::{untold, untold_in};
pub use verdict::Verdict;
pub use video::{NotAsAsked, VideoMode};

/// The version of the manifest. Those of version 1 lack every field that is marked so.
pub const SCHEMA: u32 = 2;
/// The version of the plan. A field that is only added doesn't change it: a recorder of an older version, adopted with
/// its instance, must still take the plan.
pub const PLAN_SCHEMA: u32 = 1;
/// The manifest's file in a finished clip's folder.
pub const MANIFEST: &str = "manifest.json";
/// The file in a finished clip's folder with the SHA-256 sums of all others, as `sha256sum -c` reads it. It comes a moment after
/// the manifest.
pub const SUMS: &str = "SHA256SUMS";
/// The folder in a run folder that clips are moved to which can't be recorded.
pub const SET_ASIDE_DIR: &str = "set-aside";
/// The folder in a clip's folder that holds it while it is unfinished. It goes once the manifest is there.
pub const PARTIAL_DIR: &str = ".partial";
/// The plan's file in [`PARTIAL_DIR`].
pub const PLAN: &str = "plan.json";
/// What came to the clip after its plan ([`growth`]), in [`PARTIAL_DIR`]; in a finished clip's folder, all of its triggers where
/// the manifest lists only the first.
pub const TRIGGERS: &str = "triggers.jsonl";
/// The file in [`PARTIAL_DIR`] that says at which moment Preroll was stopped in the clip: nothing captured later belongs to it,
/// whoever finishes it.
pub const STOPPED: &str = "stopped.json";
/// The first line of `<camera>_timestamps.csv`.
pub const CSV_HEADER: &str = "camera_id,frame_index,t_capture_monotonic_ns,sequence,t_rel_us,flags";

/// The document [`STOPPED`]: Preroll was stopped in the clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The clip ends at this moment, if its window lasts longer.
    pub end_ns: MonotonicNs,
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
    /// [`PLAN_SCHEMA`].
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
    /// The state of the wall clock when the plan was made; none where the kernel doesn't tell, and in older plans.
    #[serde(default)]
    pub clock: Option<ClockState>,
    /// The trigger, but for its moment; none in an older plan.
    #[serde(default)]
    pub trigger: Option<PlannedTrigger>,
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
    /// The kind of its frames' bytes; planes in a plan of a version that knew no others.
    #[serde(default)]
    pub payload: Payload,
    /// The nominal frame rate.
    pub fps: Fps,
    /// The event that its capture times are times of.
    pub capture_time: CaptureTime,
    /// How far they may lie from it, in nanoseconds, as estimated at the trigger; none where nobody can tell, and in a plan of a
    /// version that didn't estimate it.
    #[serde(default)]
    pub time_error_ns: Option<u64>,
    /// The nanoseconds that were subtracted from them: a frame comes by so much after its time. 0 in a plan of a version that
    /// subtracted nothing.
    #[serde(default)]
    pub latency_ns: u64,
    /// Its frames come at no rate, so none is due at any moment, and a picture stands until the next one comes. False in a
    /// plan of a version that knew no such cameras.
    #[serde(default)]
    pub variable_rate: bool,
    /// Its pictures are shown in another order than they come in (B-frames), so its clips are encoded anew. False in a plan of a
    /// version that didn't know.
    #[serde(default)]
    pub reorders: bool,
    /// What its pictures say of themselves; nothing in a plan of a version that knew no tags, and while the camera has made no
    /// picture.
    #[serde(default)]
    pub picture: PictureTags,
}

/// A finished clip, as scripts read it: a clip is finished when this document is in its folder. Its nineteen fields are
/// the document's keys. One of schema 1 is read too, and gets the verdict that its fields amount to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
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
    /// What the clip is, in one word. Not in schema 1.
    #[serde(default = "not_judged")]
    pub verdict: Verdict,
    /// True if the verdict is [`Verdict::Complete`]. In schema 1 a pre-roll cut short was complete too.
    pub complete: bool,
    /// True if the clip was closed before its window was over, because Preroll was stopped.
    pub ended_early: bool,
    /// The first trigger. Not in schema 1.
    #[serde(default)]
    pub trigger: Option<ManifestTrigger>,
    /// All triggers. Empty in schema 1.
    #[serde(default)]
    pub triggers: Vec<ManifestTrigger>,
    /// The moment that the trigger named.
    pub trigger_ns: MonotonicNs,
    /// The span that was recorded.
    pub window: Window,
    /// The span that was asked for. Not in schema 1.
    #[serde(default)]
    pub asked_window: Option<Window>,
    /// The start of the span that was asked for.
    pub asked_start_ns: MonotonicNs,
    /// The state of the wall clock at the trigger; null where the kernel didn't tell. Not in schema 1.
    #[serde(default)]
    pub clock: Option<ClockState>,
    /// The same moment on both clocks, to turn the times here into wall time.
    pub wall: WallAnchor,
    /// The trigger's wall time in UTC, as RFC 3339 writes it.
    pub trigger_utc: String,
    /// Sentences for a person about what could not be given as asked and what happened on the way.
    pub notes: Vec<String>,
    /// The cameras that the trigger named; null when it named none and meant all, and in older clips.
    #[serde(default)]
    pub cameras_asked: Option<Vec<Name>>,
    /// Every camera, by name, in the config's order.
    pub cameras: ByCamera<CameraClip>,
}

/// Stands for a verdict until all of a manifest is read.
fn not_judged() -> Verdict {
    Verdict::Gaps
}

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut manifest = Self::deserialize(deserializer)?;
        if manifest.schema < 2 {
            manifest.verdict = manifest.derived_verdict();
        }
        Ok(manifest)
    }
}

/// A camera's part of a finished clip. Its twenty-seven fields are the keys of one object of the manifest.
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
    /// The way in which the video was made. Not in manifests of a version that knew none.
    #[serde(default)]
    pub video: Option<VideoMode>,
    /// The reason why it wasn't made as the config asks; null if it was.
    #[serde(default)]
    pub why: Option<NotAsAsked>,
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
    /// The event that the capture times are times of: the same as [`CameraTime::source`].
    pub capture_time: CaptureTime,
    /// Where the capture times come from. Not in schema 1.
    #[serde(default)]
    pub time: Option<CameraTime>,
    /// False if the camera was not live at any moment of the window: nobody knows how many frames it would have made.
    #[serde(default = "yes")]
    pub live: bool,
    /// Frames that the camera made in the window, as far as that can be known.
    pub frames_expected: u64,
    /// Frames in the file (or files).
    pub frames_written: u64,
    /// Frames before the window that are in the file, since the first of them is the picture that the window begins with.
    #[serde(default)]
    pub lead_in_frames: u64,
    /// Frames whose time was repaired, since the source gave one that can't be.
    #[serde(default)]
    pub times_repaired: u64,
    /// The first frame's capture time.
    pub first_frame_ns: Option<MonotonicNs>,
    /// The last frame's capture time.
    pub last_frame_ns: Option<MonotonicNs>,
    /// The missing frames, with their causes.
    pub gaps: Vec<Gap>,
    /// The frames that are in the file and not whole. Not in manifests of a version that knew none.
    #[serde(default)]
    pub damaged: Vec<DamagedRows>,
    /// The interruptions of the recording. An interruption without a gap lost no frame.
    pub interruptions: Vec<Interruption>,
    /// The bytes of all files of the video.
    pub size_bytes: u64,
}

fn yes() -> bool {
    true
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
    /// Passed on as the camera made them.
    Copied,
}
