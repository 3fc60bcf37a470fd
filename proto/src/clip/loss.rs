//! What a clip lacks, and when its recording was interrupted. How it is found out is the recorder's part.

use serde::{Deserialize, Serialize};

use crate::time::MonotonicNs;

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
    /// The camera was unplugged when they were due.
    Unplugged,
    /// The connection to the camera was lost when they were due.
    Network,
    /// They came damaged.
    Corrupt,
    /// They can't be decoded: they came before the first key frame, or after a loss and before the next one.
    NoKeyFrame,
    /// They were larger than the ring takes.
    TooLarge,
    /// The ring was too small for the camera's bit rate: they were overwritten before the pre-roll was over.
    RingSmall,
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
            Self::Unplugged => "unplugged",
            Self::Network => "network",
            Self::Corrupt => "corrupt",
            Self::NoKeyFrame => "no_key_frame",
            Self::TooLarge => "too_large",
            Self::RingSmall => "ring_small",
        }
    }
}

/// Rows of frames that are in a clip and not whole: the first and the last, counted from 0, and the cause. A list of three in
/// the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedRows(pub u64, pub u64, pub GapCause);

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
