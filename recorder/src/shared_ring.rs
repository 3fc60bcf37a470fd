//! One camera's ring for all of its takes. Clips that lie over each other record the same frames, and a recorder can hold each frame
//! of a ring once only ([`Miss::AlreadyLeased`](proto::ring::Miss)): what one take holds is lent to the others. Otherwise a take
//! would wait for as long as another one's encoder keeps a frame, and that may be until the camera makes the next.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use proto::frame::{FrameInfo, LossBefore, PictureTags};
use proto::ring::{Lease, Ring, RingReader};
use proto::time::MonotonicNs;

use crate::frames::{Frames, HeldFrame, NotHeld, Soundness};

/// A ring that is read by several takes.
pub(crate) struct SharedRing {
    reader: RingReader,
    /// The frames that are held now, each with its sequence.
    held: RefCell<Vec<(u64, Weak<Lease>)>>,
}

impl SharedRing {
    pub(crate) fn new(reader: RingReader) -> Rc<Self> {
        Rc::new(Self { reader, held: RefCell::default() })
    }

    /// Is it this ring, opened at the same time?
    pub(crate) fn is(&self, ring: &Arc<Ring>) -> bool {
        Arc::ptr_eq(self.reader.ring(), ring)
    }
}

impl HeldFrame for Arc<Lease> {
    fn info(&self) -> &FrameInfo {
        self.frame_info()
    }

    fn bytes(&self) -> &[u8] {
        Lease::bytes(self)
    }
}

impl Frames for SharedRing {
    fn soundness(&self) -> Soundness {
        self.reader.soundness()
    }

    fn head(&self) -> u64 {
        self.reader.head()
    }

    fn info(&self, sequence: u64) -> Option<FrameInfo> {
        self.reader.info(sequence)
    }

    fn next_held(&self, at_least: u64) -> Option<u64> {
        self.reader.next_held(at_least)
    }

    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        self.reader.first_at_or_after(at)
    }

    fn has_ended(&self) -> bool {
        self.reader.has_ended()
    }

    fn away(&self) -> Option<LossBefore> {
        self.reader.away()
    }

    fn reorders(&self) -> bool {
        self.reader.reorders()
    }

    fn hold(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        let mut held = self.held.borrow_mut();
        held.retain(|(_, lease)| lease.strong_count() > 0);
        let shared = held.iter().find(|(of, _)| *of == sequence).and_then(|(_, lease)| lease.upgrade());
        let lease = match shared {
            Some(lease) => lease,
            None => {
                let lease = Arc::new(self.reader.lease(sequence)?);
                held.push((sequence, Arc::downgrade(&lease)));
                lease
            }
        };
        Ok(Box::new(lease))
    }

    fn picture_tags(&self) -> PictureTags {
        self.reader.picture_tags()
    }
}

#[cfg(test)]
mod tests {
    use proto::frame::{Fps, Geometry, LossBefore, PixelFormat};
    use proto::instance::RuntimeDir;
    use proto::name::Name;
    use proto::ring::{Miss, ReaderBit, RingSize, RingSpec};

    use super::*;

    #[test]
    fn a_frame_that_one_take_holds_is_held_by_the_others_too_and_given_back_by_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(folder.path()).unwrap();
        let segment = dir.segment(&Name::new("left").unwrap());
        let geometry = Geometry::new(32, 16, PixelFormat::GRAY8).unwrap();
        let size = RingSize { pre_roll_slots: 4, reserve_slots: 2, lease_slots: 2 };
        let spec = RingSpec::planes(geometry, Fps::new(100.0).unwrap(), size);
        let ring = Ring::create(&segment, &spec).unwrap();
        let mut writer = ring.writer().unwrap();
        let mut slot = writer.slot().unwrap();
        slot.bytes_mut().fill(7);
        slot.publish(1, MonotonicNs(10), LossBefore::Nothing);
        let reader = || ring.reader(ReaderBit::RECORDER).unwrap();
        let shared = SharedRing::new(reader());
        assert!(shared.is(&ring));
        let first = shared.hold(1).unwrap();
        assert!(matches!(reader().hold(1), Err(NotHeld::Missed(Miss::AlreadyLeased))));
        let second = shared.hold(1).unwrap();
        assert_eq!((second.info().sequence, second.bytes()[0]), (1, 7));
        assert_eq!(first.bytes().as_ptr(), second.bytes().as_ptr(), "nothing is copied");
        drop(first);
        assert!(matches!(reader().hold(1), Err(NotHeld::Missed(Miss::AlreadyLeased))), "it is still held");
        drop(second);
        assert!(reader().hold(1).is_ok());
        assert!(shared.hold(1).is_ok(), "as often as is wanted");
        Ring::remove(&segment).unwrap();
    }
}
