//! The source of a take's frames: a small trait in front of the camera's ring, so that a take can be tried without
//! shared memory. Only reading is here; the ring's protocol is `proto`'s, and the second source is in [`crate::backlog`].

use proto::clip::GapCause;
use proto::frame::{FrameInfo, LossBefore, PictureTags};
use proto::ring::segment::Loss;
use proto::ring::{Broken, Lease, Miss, RingReader};
use proto::time::MonotonicNs;

/// A frame that stays as it is while the value lives.
pub(crate) trait HeldFrame: Send {
    /// Which frame, when.
    fn info(&self) -> &FrameInfo;

    /// The frame's bytes, at the same address for as long as `self` lives.
    fn bytes(&self) -> &[u8];
}

impl HeldFrame for Lease {
    fn info(&self) -> &FrameInfo {
        self.frame_info()
    }

    fn bytes(&self) -> &[u8] {
        Lease::bytes(self)
    }
}

/// The state of the memory that frames come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Soundness {
    /// Nothing has happened to it.
    Sound,
    /// The memory has lost its name: nothing is written to it any more, and the captured frames are still there.
    Unnamed,
    /// Nothing it says can be relied on.
    Broken(Broken),
}

/// The reason why a frame can't be had now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotHeld {
    /// Its memory doesn't have it, or not yet.
    Missed(Miss),
    /// It is there and will never be a picture.
    Lost(GapCause),
    /// Frames before it are being decoded. Asked again, it is nearer.
    AtWork,
}

impl From<Miss> for NotHeld {
    fn from(miss: Miss) -> Self {
        Self::Missed(miss)
    }
}

/// The frames of one camera, as a reader sees them.
pub(crate) trait Frames {
    /// Looks whether the frames are what they were.
    fn soundness(&self) -> Soundness;

    /// The newest frame's sequence; 0 before the first.
    fn head(&self) -> u64;

    /// Everything that is remembered of a frame, whether its pixels are there or not.
    fn info(&self, sequence: u64) -> Option<FrameInfo>;

    /// The first frame from this one on whose pixels should still be there. The next moment they may not be. `None` when no
    /// frame is known.
    fn next_held(&self, at_least: u64) -> Option<u64>;

    /// The first frame captured at this time or later, as far back as is remembered.
    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo>;

    /// No more frames will come: the camera is a file, and it is at its end.
    fn has_ended(&self) -> bool;

    /// The cause of the gap that is being made, while the camera is away.
    fn away(&self) -> Option<LossBefore>;

    /// The stream's pictures are shown in another order than they come in (B-frames). It may turn out at any frame.
    fn reorders(&self) -> bool;

    /// Holds a frame where it is.
    ///
    /// # Errors
    /// [`NotHeld`] when it can't be had.
    fn hold(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld>;

    /// Holds a frame as the camera sent it. The same, unless frames are decoded before they are held.
    ///
    /// # Errors
    /// [`NotHeld`] when it can't be had.
    fn hold_as_it_came(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        self.hold(sequence)
    }

    /// Says that nothing more is waited for: a picture that only waits for those shown before it comes at once. False if
    /// that changes nothing.
    fn expect_no_more(&self) -> bool {
        false
    }

    /// The first frame that must not be overwritten before this one can be held.
    fn needed_for(&self, sequence: u64) -> u64 {
        sequence
    }

    /// What the pictures say of themselves; nothing if nobody knows any more.
    fn picture_tags(&self) -> PictureTags;

    /// The decoded pictures' word on their colours; none where nothing is decoded.
    fn decoded_tags(&self) -> Option<PictureTags> {
        None
    }

    /// The cause of the loss of a frame that can't be held any more.
    fn loss_of(&self, _sequence: u64) -> GapCause {
        GapCause::RingOverrun
    }

    /// The backlog has little room left for what is still to be encoded, or none.
    fn is_filling(&self) -> bool {
        false
    }

    /// The newest frame. `None` before the first, or when the memory was written over.
    fn newest(&self) -> Option<FrameInfo> {
        self.info(self.head())
    }
}

impl Frames for RingReader {
    fn soundness(&self) -> Soundness {
        let ring = self.ring();
        match ring.check().or_else(|_| ring.check_all()) {
            Ok(()) => Soundness::Sound,
            Err(Broken::Segment(Loss::Unnamed)) => Soundness::Unnamed,
            Err(broken) => Soundness::Broken(broken),
        }
    }

    fn head(&self) -> u64 {
        self.ring().head()
    }

    fn info(&self, sequence: u64) -> Option<FrameInfo> {
        self.ring().frame_info(sequence)
    }

    fn next_held(&self, at_least: u64) -> Option<u64> {
        let ring = self.ring();
        let oldest = ring.oldest()?.sequence;
        // A frame that somebody leases is passed by, and may be older than the oldest should be.
        (at_least..oldest).find(|sequence| ring.holds(*sequence)).or(Some(oldest.max(at_least)))
    }

    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        self.ring().first_at_or_after(at)
    }

    fn has_ended(&self) -> bool {
        self.ring().has_ended()
    }

    fn away(&self) -> Option<LossBefore> {
        self.ring().away()
    }

    fn reorders(&self) -> bool {
        self.ring().reorders()
    }

    fn hold(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        Ok(Box::new(self.lease(sequence)?))
    }

    fn picture_tags(&self) -> PictureTags {
        self.ring().picture_tags()
    }
}
