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

/// Remarks on a frame, as its capture makes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct FrameFlags(u8);

impl FrameFlags {
    /// No remark.
    pub const NONE: Self = Self(0);
    /// The frame's own time stood still, went back or jumped, and its capture time was made to fit its neighbours'.
    pub const TIME_REPAIRED: Self = Self(1);

    /// These flags if the condition holds, else none.
    #[must_use]
    pub fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }

    /// Says whether all of these flags are set.
    #[must_use]
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
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
    /// Remarks on it.
    #[cfg_attr(feature = "host", serde(default))]
    pub flags: FrameFlags,
}

impl FrameInfo {
    /// Loss and flags in one number, as rings, backlogs and journals keep them: [`LossBefore::code`] in the low 8 bits, the
    /// flags in the 8 above. Before there were flags the number was the loss alone.
    #[must_use]
    pub fn marks(&self) -> u16 {
        u16::from_le_bytes([self.before.code(), self.flags.0])
    }

    /// The loss and the flags in such a number.
    #[must_use]
    pub fn from_marks(marks: u16) -> (LossBefore, FrameFlags) {
        let [before, flags] = marks.to_le_bytes();
        (LossBefore::from_code(before), FrameFlags(flags))
    }

    /// Epoch and marks in one word of a ring or a backlog: the epoch in the low 32 bits, the marks in the 16 above.
    #[must_use]
    pub fn epoch_and_marks(&self) -> u64 {
        u64::from(self.epoch) | u64::from(self.marks()) << 32
    }

    /// The epoch, the loss and the flags in such a word.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low 32 and the next 16 bits are what is wanted")]
    pub fn from_epoch_and_marks(word: u64) -> (u32, LossBefore, FrameFlags) {
        let (before, flags) = Self::from_marks((word >> 32) as u16);
        (word as u32, before, flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_keep_loss_and_flags_and_old_ones_hold_no_flag() {
        for before in LossBefore::ALL {
            for flags in [FrameFlags::NONE, FrameFlags::TIME_REPAIRED] {
                let info = FrameInfo { before, flags, epoch: u32::MAX, ..FrameInfo::default() };
                assert_eq!(FrameInfo::from_marks(info.marks()), (before, flags));
                let word = info.epoch_and_marks();
                assert_eq!(FrameInfo::from_epoch_and_marks(word), (u32::MAX, before, flags));
            }
            assert_eq!(FrameInfo::from_marks(before.code().into()), (before, FrameFlags::NONE));
        }
    }
}
