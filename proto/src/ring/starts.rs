//! The frame from which each frame decodes, as the writer follows it. Pure: what a source says of a frame goes in, what the
//! ledger says of it comes out.

use crate::frame::{DecodesFrom, FrameFlags, LossBefore, Payload};

/// Follows the frames of one life of a writer. Nothing is known of frames before it: they may have been another stream's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Starts {
    payload: Payload,
    /// The start of the last frame; 0 before the first.
    start: u64,
    /// The first frame behind the last loss, or of this life: the source's count goes wrong across a loss, and a frame from
    /// before it doesn't decode those behind it. 0 before the first frame.
    whole_since: u64,
    /// Frames are missing since the start.
    broken: bool,
}

impl Starts {
    pub(super) fn new(payload: Payload) -> Self {
        Self { payload, start: 0, whole_since: 0, broken: false }
    }

    /// The start of a frame and its remarks, `DAMAGED` among them if it needs one that is missing. The start is the frame's own
    /// number for one that stands alone, and 0 if none is known.
    pub(super) fn of(
        &mut self,
        sequence: u64,
        flags: FrameFlags,
        before: LossBefore,
        from: DecodesFrom,
    ) -> (u64, FrameFlags) {
        match self.payload {
            Payload::Planes => return (0, flags),
            Payload::Jpeg => return (sequence, flags),
            Payload::H264 | Payload::H265 => {}
        }
        self.lose(sequence, before);
        let whole = match from {
            _ if flags.contains(FrameFlags::KEY) => Some(sequence),
            DecodesFrom::Back(back) => {
                sequence.checked_sub(back.into()).filter(|start| *start >= self.whole_since)
            }
            DecodesFrom::NewestKey | DecodesFrom::Nothing => None,
        };
        match (whole, from) {
            (Some(start), _) => (self.start, self.broken) = (start, false),
            (None, DecodesFrom::Nothing) if !self.broken => self.start = 0,
            (None, _) => {}
        }
        (self.start, flags.with(FrameFlags::DAMAGED.when(self.broken && self.start > 0)))
    }

    fn lose(&mut self, sequence: u64, before: LossBefore) {
        match before {
            LossBefore::Nothing if self.whole_since > 0 => return,
            LossBefore::Nothing => {}
            // The camera was away: the stream may be another since then.
            LossBefore::Unplugged | LossBefore::Network | LossBefore::CameraStall => self.start = 0,
            LossBefore::CameraDrop
            | LossBefore::RingFull
            | LossBefore::Corrupt
            | LossBefore::TooLarge
            | LossBefore::Packets => self.broken = true,
        }
        self.whole_since = sequence;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: FrameFlags = FrameFlags::KEY;
    const NONE: FrameFlags = FrameFlags::NONE;
    const NEWEST: DecodesFrom = DecodesFrom::NewestKey;

    #[test]
    fn planes_have_no_start_and_every_jpeg_is_its_own() {
        let repaired = FrameFlags::TIME_REPAIRED;
        let planes = Starts::new(Payload::Planes).of(5, repaired, LossBefore::Nothing, NEWEST);
        assert_eq!(planes, (0, repaired));
        let mut jpeg = Starts::new(Payload::Jpeg);
        assert_eq!(jpeg.of(5, NONE, LossBefore::Network, NEWEST), (5, NONE));
        assert_eq!(jpeg.of(6, KEY, LossBefore::Corrupt, NEWEST), (6, KEY));
    }

    #[test]
    fn a_frame_decodes_from_the_newest_key_frame_and_before_the_first_from_none() {
        let mut starts = Starts::new(Payload::H264);
        let got = [(7, NONE), (8, KEY), (9, NONE), (10, NONE), (11, KEY), (12, NONE)]
            .map(|(sequence, flags)| starts.of(sequence, flags, LossBefore::Nothing, NEWEST).0);
        assert_eq!(got, [0, 8, 8, 8, 11, 11]);
    }

    #[test]
    fn frames_behind_a_loss_are_damaged_up_to_the_next_key_frame() {
        for before in [
            LossBefore::RingFull,
            LossBefore::TooLarge,
            LossBefore::CameraDrop,
            LossBefore::Corrupt,
            LossBefore::Packets,
        ] {
            let mut starts = Starts::new(Payload::H265);
            assert_eq!(starts.of(1, NONE, before, NEWEST), (0, NONE), "there is nothing to decode it from");
            starts.of(2, KEY, LossBefore::Nothing, NEWEST);
            assert_eq!(starts.of(3, NONE, before, NEWEST), (2, FrameFlags::DAMAGED));
            assert_eq!(starts.of(4, NONE, LossBefore::Nothing, NEWEST), (2, FrameFlags::DAMAGED));
            assert_eq!(starts.of(5, KEY, before, NEWEST), (5, KEY));
            assert_eq!(starts.of(6, NONE, LossBefore::Nothing, NEWEST), (5, NONE));
        }
    }

    #[test]
    fn a_stream_that_was_away_begins_anew_with_its_next_key_frame() {
        for before in [LossBefore::Unplugged, LossBefore::Network, LossBefore::CameraStall] {
            let mut starts = Starts::new(Payload::H264);
            starts.of(1, KEY, LossBefore::Nothing, NEWEST);
            assert_eq!(starts.of(2, NONE, before, NEWEST), (0, NONE), "{before:?}");
            assert_eq!(starts.of(3, NONE, LossBefore::Nothing, NEWEST), (0, NONE));
            assert_eq!(starts.of(4, KEY, LossBefore::Nothing, NEWEST), (4, KEY));
        }
    }

    #[test]
    fn a_frame_decodes_from_the_one_that_its_source_names() {
        use DecodesFrom::{Back, Nothing};
        let mut starts = Starts::new(Payload::H264);
        let got = [
            (5, Nothing),
            (6, Back(0)),
            (7, Back(1)),
            (8, Back(0)),
            (9, Back(3)),
            (10, Back(2)),
            (11, Nothing),
        ]
        .map(|(sequence, from)| starts.of(sequence, NONE, LossBefore::Nothing, from));
        assert_eq!(got, [0, 6, 6, 8, 6, 8, 0].map(|start| (start, NONE)));
        // Of a frame before this life nothing is known.
        assert_eq!(Starts::new(Payload::H264).of(9, NONE, LossBefore::Nothing, Back(1)), (0, NONE));
    }

    #[test]
    fn behind_a_loss_only_a_start_behind_it_is_whole() {
        use DecodesFrom::Back;
        let mut starts = Starts::new(Payload::H265);
        starts.of(1, NONE, LossBefore::Nothing, Back(0));
        // The source has counted the frame that found no room.
        assert_eq!(starts.of(2, NONE, LossBefore::RingFull, Back(2)), (1, FrameFlags::DAMAGED));
        assert_eq!(starts.of(3, NONE, LossBefore::Nothing, Back(3)), (1, FrameFlags::DAMAGED));
        // One that began before the loss, and one that began behind it.
        assert_eq!(starts.of(4, NONE, LossBefore::Nothing, Back(3)), (1, FrameFlags::DAMAGED));
        assert_eq!(starts.of(5, NONE, LossBefore::Nothing, Back(3)), (2, NONE));
        // A camera that was away: nothing is known until there is a start behind that.
        assert_eq!(starts.of(6, NONE, LossBefore::Network, Back(1)), (0, NONE));
        assert_eq!(starts.of(7, NONE, LossBefore::Nothing, Back(0)), (7, NONE));
    }
}
