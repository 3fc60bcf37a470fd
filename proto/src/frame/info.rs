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
    /// The camera was unplugged, and came back.
    Unplugged,
    /// The connection to the camera was lost, and came back.
    Network,
    /// Frames came damaged, and were not kept.
    Corrupt,
    /// Frames were larger than the ring takes
    /// ([`Arena::max_frame_bytes`](crate::ring::layout::Arena::max_frame_bytes)).
    TooLarge,
    /// Packets of frames were lost on their way, and the stream went on: unlike behind [`LossBefore::Network`] it is the same.
    Packets,
}

impl LossBefore {
    /// Every loss, in the order of their codes.
    const ALL: [Self; 9] = [
        Self::Nothing,
        Self::CameraDrop,
        Self::CameraStall,
        Self::RingFull,
        Self::Unplugged,
        Self::Network,
        Self::Corrupt,
        Self::TooLarge,
        Self::Packets,
    ];

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
    /// Everything begins anew with this frame. Every JPEG is one; in H.264 it is an IDR picture, in H.265 one of its two
    /// counterparts, and it carries its parameter sets. Decoding can begin with others too (recovery points), which
    /// [`FrameInfo::start_sequence`] tells.
    pub const KEY: Self = Self(2);
    /// The frame is known to be damaged: a part of it was lost on its way.
    pub const DAMAGED: Self = Self(4);
    /// The parameter sets of this key frame differ from those before.
    pub const NEW_PARAMETERS: Self = Self(8);
    /// The camera's clock was tied to this machine's anew: capture times from this frame on lie otherwise to those before.
    pub const NEW_ANCHOR: Self = Self(32);

    /// These flags and those.
    #[must_use]
    pub fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

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
    /// The newest frame such that decoding from it on, and giving every frame to the decoder, gives this one as it should be:
    /// a key frame or a recovery point. Its own sequence if it is one, 0 if none is known. Always 0 with [`Payload::Planes`](super::Payload::Planes).
    #[cfg_attr(feature = "host", serde(default))]
    pub start_sequence: u64,
    /// The time of its picture minus the capture time, in nanoseconds. Not 0 only where pictures are shown in another order
    /// than they are decoded in (B-frames): capture times rise in the order of decoding.
    #[cfg_attr(feature = "host", serde(default))]
    pub picture_offset_ns: i64,
}

/// The bits of a decoding word that hold the distance to the key frame, plus one.
const START_BITS: u32 = 24;
const START_MASK: u64 = (1 << START_BITS) - 1;
/// The largest picture offset that the other 40 bits hold: 549 s.
const MOST_OFFSET_NS: i64 = (1 << 39) - 1;

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

    /// Start and picture offset in one word of a ring or a backlog: in the low 24 bits the number of frames back to the key
    /// frame plus one, 0 if none is known or it lies further back; the offset in the 40 bits above, with its sign. Before
    /// there was such a word it was 0.
    #[must_use]
    #[expect(clippy::cast_sign_loss, reason = "the bits are what is kept, the sign's among them")]
    pub fn decoding_word(&self) -> u64 {
        let back = self.sequence.checked_sub(self.start_sequence).filter(|_| self.start_sequence > 0);
        let start = back.map(|back| back.saturating_add(1)).filter(|start| *start <= START_MASK).unwrap_or(0);
        let offset = self.picture_offset_ns.clamp(-MOST_OFFSET_NS, MOST_OFFSET_NS);
        start | (offset << START_BITS) as u64
    }

    /// The same frame with the start and the picture offset of such a word.
    #[must_use]
    #[expect(clippy::cast_possible_wrap, reason = "the bits are what was kept, the sign's among them")]
    pub fn with_decoding_word(self, word: u64) -> Self {
        let back = (word & START_MASK).checked_sub(1);
        let start_sequence = back.map_or(0, |back| self.sequence.saturating_sub(back));
        Self { start_sequence, picture_offset_ns: word as i64 >> START_BITS, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_keep_loss_and_flags_and_old_ones_hold_no_flag() {
        for before in LossBefore::ALL {
            let all = FrameFlags::KEY.with(FrameFlags::DAMAGED).with(FrameFlags::NEW_PARAMETERS);
            let all = all.with(FrameFlags::NEW_ANCHOR);
            for flags in
                [FrameFlags::NONE, FrameFlags::TIME_REPAIRED, all, all.with(FrameFlags::TIME_REPAIRED)]
            {
                let info = FrameInfo { before, flags, epoch: u32::MAX, ..FrameInfo::default() };
                assert_eq!(FrameInfo::from_marks(info.marks()), (before, flags));
                let word = info.epoch_and_marks();
                assert_eq!(FrameInfo::from_epoch_and_marks(word), (u32::MAX, before, flags));
            }
            assert_eq!(FrameInfo::from_marks(before.code().into()), (before, FrameFlags::NONE));
        }
    }

    #[test]
    fn flags_are_added_and_found() {
        let flags = FrameFlags::KEY.with(FrameFlags::DAMAGED);
        assert!(flags.contains(FrameFlags::KEY) && flags.contains(FrameFlags::DAMAGED));
        assert!(!flags.contains(FrameFlags::TIME_REPAIRED) && !FrameFlags::KEY.contains(flags));
    }

    #[test]
    fn a_decoding_word_keeps_start_and_offset_as_far_as_they_fit() {
        let far = (1 << 24) - 2;
        for (sequence, start_sequence, kept) in [
            (5, 5, 5),
            (5, 1, 1),
            (5, 0, 0),
            (far + 1, 1, 1),
            (far + 2, 1, 0),
            (u64::MAX, u64::MAX, u64::MAX),
            // No frame decodes from a later one.
            (5, 6, 0),
        ] {
            for (offset, kept_offset) in [
                (0, 0),
                (1, 1),
                (-1, -1),
                (40_000_000, 40_000_000),
                (i64::MIN, -MOST_OFFSET_NS),
                (i64::MAX, MOST_OFFSET_NS),
            ] {
                let info =
                    FrameInfo { sequence, start_sequence, picture_offset_ns: offset, ..FrameInfo::default() };
                let read =
                    FrameInfo { sequence, ..FrameInfo::default() }.with_decoding_word(info.decoding_word());
                assert_eq!((read.start_sequence, read.picture_offset_ns), (kept, kept_offset), "{info:?}");
            }
        }
        let plain = FrameInfo { sequence: 9, ..FrameInfo::default() };
        assert_eq!((plain.decoding_word(), plain.with_decoding_word(0)), (0, plain));
        // Noise in a ring does no harm.
        assert_eq!(plain.with_decoding_word(u64::MAX).start_sequence, 0);
    }
}
