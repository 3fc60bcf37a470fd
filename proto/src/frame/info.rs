//! A frame apart from its pixels: its numbers, its capture time, the loss before it.

use crate::time::MonotonicNs;

/// The loss just before a frame, as the capture knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum LossBefore {
    /// No frame is missing, or the camera doesn't tell.
    #[default]
    Nothing,
    /// The camera or its driver lost frames.
    CameraDrop,
    /// The camera fell silent and came back.
    CameraStall,
    /// Readers held leases on every slot of the ring.
    RingFull,
}

impl LossBefore {
    const ALL: [Self; 4] = [Self::Nothing, Self::CameraDrop, Self::CameraStall, Self::RingFull];

    /// The number that stands for it in a ring.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The loss that a number in a ring stands for; [`LossBefore::Nothing`] for an unknown number.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or_default()
    }
}

/// All that is known of a frame besides its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize))]
pub struct FrameInfo {
    /// The ring's number of the frame: from 1, one more for each frame published, across restarts of the capture.
    pub sequence: u64,
    /// The camera's own number of the frame. A hole in these is a frame that was never published.
    pub source_sequence: u64,
    /// The capture time, as close to exposure as the source can tell.
    pub t_capture: MonotonicNs,
    /// The life of the capture process that wrote it, from 1.
    pub epoch: u32,
    /// The loss just before it, if there is one.
    pub before: LossBefore,
}
