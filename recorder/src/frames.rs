//! The source of a take's frames: a small trait in front of the camera's ring, so that a take can be tried without
//! shared memory. Only reading is here; the ring's protocol is `proto`'s.

use proto::frame::FrameInfo;
use proto::ring::segment::Loss;
use proto::ring::{Broken, Lease, Miss, RingReader, RingSpec};
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

/// The frames of one camera, as a reader sees them.
pub(crate) trait Frames {
    /// The frames' size and rate, and how many are kept.
    fn spec(&self) -> &RingSpec;

    /// Looks whether the frames are what they were.
    fn soundness(&self) -> Soundness;

    /// The newest frame's sequence; 0 before the first.
    fn head(&self) -> u64;

    /// Everything that is remembered of a frame, whether its pixels are there or not.
    fn info(&self, sequence: u64) -> Option<FrameInfo>;

    /// The oldest frame whose pixels should still be there. The next moment they may not be.
    fn oldest(&self) -> Option<FrameInfo>;

    /// The first frame captured at this time or later, as far back as is remembered.
    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo>;

    /// No more frames will come: the camera is a file, and it is at its end.
    fn has_ended(&self) -> bool;

    /// Holds a frame where it is.
    ///
    /// # Errors
    /// [`Miss`] when it can't be had.
    fn hold(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, Miss>;

    /// The newest frame. `None` before the first, or when the memory was written over.
    fn newest(&self) -> Option<FrameInfo> {
        self.info(self.head())
    }
}

impl Frames for RingReader {
    fn spec(&self) -> &RingSpec {
        self.ring().spec()
    }

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

    fn oldest(&self) -> Option<FrameInfo> {
        self.ring().oldest()
    }

    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        self.ring().first_at_or_after(at)
    }

    fn has_ended(&self) -> bool {
        self.ring().has_ended()
    }

    fn hold(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, Miss> {
        Ok(Box::new(self.lease(sequence)?))
    }
}
