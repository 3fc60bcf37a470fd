//! The key frame from which each frame decodes, as the writer follows it. Pure: what a source says of a frame goes in, what the
//! ledger says of it comes out.

use crate::frame::{FrameFlags, LossBefore, Payload};

/// Follows the frames of one life of a writer. Nothing is known of frames before it: they may have been another stream's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Starts {
    payload: Payload,
    /// The newest key frame; 0 before the first.
    key: u64,
    /// Frames are missing since then.
    broken: bool,
}

impl Starts {
    pub(super) fn new(payload: Payload) -> Self {
        Self { payload, key: 0, broken: false }
    }

    /// The start of a frame and its remarks, `DAMAGED` among them if it needs one that is missing. The start is the frame's own
    /// number for one that stands alone, and 0 if no key frame is known.
    pub(super) fn of(&mut self, sequence: u64, flags: FrameFlags, before: LossBefore) -> (u64, FrameFlags) {
        match self.payload {
            Payload::Planes => return (0, flags),
            Payload::Jpeg => return (sequence, flags),
            Payload::H264 | Payload::H265 => {}
        }
        match before {
            _ if flags.contains(FrameFlags::KEY) => (self.key, self.broken) = (sequence, false),
            LossBefore::Nothing => {}
            // The camera was away: the stream may be another since then.
            LossBefore::Unplugged | LossBefore::Network | LossBefore::CameraStall => self.key = 0,
            LossBefore::CameraDrop | LossBefore::RingFull | LossBefore::Corrupt | LossBefore::TooLarge => {
                self.broken = true;
            }
        }
        (self.key, flags.with(FrameFlags::DAMAGED.when(self.broken && self.key > 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: FrameFlags = FrameFlags::KEY;
    const NONE: FrameFlags = FrameFlags::NONE;

    #[test]
    fn planes_have_no_start_and_every_jpeg_is_its_own() {
        let repaired = FrameFlags::TIME_REPAIRED;
        assert_eq!(Starts::new(Payload::Planes).of(5, repaired, LossBefore::Nothing), (0, repaired));
        let mut jpeg = Starts::new(Payload::Jpeg);
        assert_eq!(jpeg.of(5, NONE, LossBefore::Network), (5, NONE));
        assert_eq!(jpeg.of(6, KEY, LossBefore::Corrupt), (6, KEY));
    }

    #[test]
    fn a_frame_decodes_from_the_newest_key_frame_and_before_the_first_from_none() {
        let mut starts = Starts::new(Payload::H264);
        let got = [(7, NONE), (8, KEY), (9, NONE), (10, NONE), (11, KEY), (12, NONE)]
            .map(|(sequence, flags)| starts.of(sequence, flags, LossBefore::Nothing).0);
        assert_eq!(got, [0, 8, 8, 8, 11, 11]);
    }

    #[test]
    fn frames_behind_a_loss_are_damaged_up_to_the_next_key_frame() {
        for before in
            [LossBefore::RingFull, LossBefore::TooLarge, LossBefore::CameraDrop, LossBefore::Corrupt]
        {
            let mut starts = Starts::new(Payload::H265);
            assert_eq!(starts.of(1, NONE, before), (0, NONE), "there is nothing to decode it from");
            starts.of(2, KEY, LossBefore::Nothing);
            assert_eq!(starts.of(3, NONE, before), (2, FrameFlags::DAMAGED));
            assert_eq!(starts.of(4, NONE, LossBefore::Nothing), (2, FrameFlags::DAMAGED));
            assert_eq!(starts.of(5, KEY, before), (5, KEY));
            assert_eq!(starts.of(6, NONE, LossBefore::Nothing), (5, NONE));
        }
    }

    #[test]
    fn a_stream_that_was_away_begins_anew_with_its_next_key_frame() {
        for before in [LossBefore::Unplugged, LossBefore::Network, LossBefore::CameraStall] {
            let mut starts = Starts::new(Payload::H264);
            starts.of(1, KEY, LossBefore::Nothing);
            assert_eq!(starts.of(2, NONE, before), (0, NONE), "{before:?}");
            assert_eq!(starts.of(3, NONE, LossBefore::Nothing), (0, NONE));
            assert_eq!(starts.of(4, KEY, LossBefore::Nothing), (4, KEY));
        }
    }
}
