//! Orders of the supervisor to its children, and their reports. The way that they take is in [`crate::link`].

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clip::Verdict;
use crate::ladder::Ladders;
use crate::name::Name;
use crate::offer::Offer;
use crate::stats::TransportStats;

/// The time between two reports of a child. A child that has said nothing for several of these is looked at.
pub const BEAT: Duration = Duration::from_millis(250);

/// Orders from the supervisor to a capture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum CaptureOrder {
    /// Close the camera and end.
    Stop,
    /// There is another ring of the camera's name, made for what it offered: go on in that one.
    Ring,
}

/// Reports from a capture to the supervisor. Frame counts are in its ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum CaptureReport {
    /// Alive, and what the camera is doing.
    Beat {
        /// The loop's turns so far: must advance, frames or no frames.
        progress: u64,
        /// The camera.
        camera: CameraState,
        /// The frames that come, when the ring isn't made for them: the capture waits for another.
        offer: Option<Offer>,
        /// The figures of the way that frames come by, where the source counts them.
        transport: Option<TransportStats>,
    },
}

/// A camera, as its capture sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CameraState {
    /// Being opened.
    Opening,
    /// Delivering frames.
    Live,
    /// Open, and silent for longer than it should be.
    Silent,
    /// Delivering the same picture again and again; black, perhaps.
    Frozen {
        /// Is the picture black all over?
        black: bool,
    },
    /// A video file that has played to its end.
    Ended,
    /// Can't be opened or read; the reason, for a person.
    Failed(String),
}

/// Orders from the supervisor to the recorder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RecorderOrder {
    /// First of all: what an earlier recorder found out about codecs, and where clips may be waiting.
    Arm {
        /// Each camera's ladder; without them the encoders have to be tried.
        ladders: Option<Ladders>,
        /// Run folders that may hold unfinished clips.
        run_folders: Vec<PathBuf>,
        /// The most bytes that the backlogs of all cameras may take together; 0 for no backlog.
        backlog_bytes: u64,
        /// The recorder before this one crashed by a fault of its own, and no encoder is held responsible: it may have crashed
        /// over any clip that is unfinished.
        after_crash: bool,
    },
    /// There is a new plan in this clip folder.
    Clip(PathBuf),
    /// To a standby: a clip is being recorded, with the first encoder of each ladder. Have it open for every camera, to
    /// go on with it at once.
    Warm(Ladders),
    /// To a standby: no clip is being recorded any more. Close them.
    Cool,
    /// A ring is broken, or was made anew: let go of those that are not what their names stand for, and open them again.
    Rings,
    /// Close the open clips as they are, and end.
    Stop,
}

/// Reports from the recorder to the supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RecorderReport {
    /// Alive.
    Beat(RecorderBeat),
    /// Each camera's encoder ladder: the encoders have been tried, or a ladder has changed since.
    Ladders(Ladders),
    /// A clip set is finished: its manifest is there.
    ClipDone {
        /// The clip's folder.
        folder: PathBuf,
        /// The manifest's verdict.
        verdict: Verdict,
        /// From the window's end to the manifest.
        finished_after_ms: u64,
    },
    /// A finished clip has its sums.
    SumsMade {
        /// The clip's folder.
        folder: PathBuf,
    },
    /// A clip can't be recorded: its plan is unreadable.
    ClipLost {
        /// The clip's folder.
        folder: PathBuf,
    },
}

/// The recorder's report on itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecorderBeat {
    /// Advances while every thread that has work gets on with it, or a disk doesn't answer.
    pub progress: u64,
    /// Is there anything to make progress with?
    pub busy: bool,
    /// A camera whose worker has work and hasn't got on for a second or more: stuck in its encoder.
    pub stuck: Option<Name>,
    /// Clips being recorded or finished.
    pub clips_open: u64,
    /// The [mark](crate::clip::mark) of each clip that it needs no further order for: those being recorded or finished,
    /// those that it tries to take on again and again, and the newest finished ones. A clip that is not among them is told
    /// to it again.
    pub clips_known: Vec<u64>,
    /// Frames between the newest captured and the newest encoded, of the camera that is furthest behind.
    pub lag_frames: u64,
    /// Frames of open clips that are captured and not encoded, of all cameras.
    pub frames_left: u64,
    /// Frames encoded so far.
    pub frames_encoded: u64,
    /// The obstacle, for a person, if there is one (a full disk).
    pub trouble: Option<String>,
    /// Sentences for a person about clips that need one, though nothing keeps others from being recorded.
    pub attention: Vec<String>,
    /// The frames that wait in the backlog.
    pub backlog: BacklogBeat,
}

/// The backlogs of all cameras together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BacklogBeat {
    /// Frames that wait in it now.
    pub frames: u64,
    /// The memory of its segments now.
    pub bytes: u64,
    /// The most memory that it may take.
    pub bound_bytes: u64,
    /// Frames moved into it since the recorder began.
    pub moved_frames: u64,
}
