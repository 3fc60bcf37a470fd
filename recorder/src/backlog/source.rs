//! A take's frames from two sources: the camera's ring while it has them, and the backlog. Frames go from the ring into the
//! backlog and never back, so the ring is asked first: a frame that leaves it meanwhile is found in the backlog.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use proto::clip::GapCause;
use proto::frame::{FrameInfo, LossBefore, PictureTags};
use proto::ring::Miss;
use proto::time::MonotonicNs;

use super::CameraBacklog;
use crate::frames::{Frames, HeldFrame, NotHeld, Soundness};

/// A ring, and the backlog of its frames.
pub(crate) struct WithBacklog {
    /// `None` once it is gone or broken: the frames in the backlog are all there will be.
    ring: RefCell<Option<Rc<dyn Frames>>>,
    ring_id: u64,
    /// The size of each frame; none where they differ. One of another size was not moved by a recorder that knew this camera.
    frame_bytes: Option<usize>,
    backlog: Arc<CameraBacklog>,
}

impl WithBacklog {
    /// The frames of this ring. `None` when there is neither a ring nor a frame of it in the backlog.
    pub(crate) fn of(
        ring: Option<Rc<dyn Frames>>,
        ring_id: u64,
        frame_bytes: Option<usize>,
        backlog: &Arc<CameraBacklog>,
    ) -> Option<Self> {
        let is_of_use = ring.is_some() || backlog.newest(ring_id).is_some();
        let ring = RefCell::new(ring);
        is_of_use.then(|| Self { ring, ring_id, frame_bytes, backlog: Arc::clone(backlog) })
    }

    fn ring(&self) -> Option<Rc<dyn Frames>> {
        self.ring.borrow().clone()
    }
}

impl Frames for WithBacklog {
    fn soundness(&self) -> Soundness {
        let broken = match self.ring().map(|ring| ring.soundness()) {
            Some(Soundness::Broken(broken)) => broken,
            Some(sound) => return sound,
            None => return Soundness::Unnamed,
        };
        if self.backlog.newest(self.ring_id).is_none() {
            return Soundness::Broken(broken);
        }
        tracing::error!(
            camera = self.backlog.camera.as_str(),
            "camera {}: its ring broke: {broken}; going on with the frames in the backlog",
            self.backlog.camera
        );
        *self.ring.borrow_mut() = None;
        Soundness::Unnamed
    }

    fn head(&self) -> u64 {
        match self.ring() {
            Some(ring) => ring.head(),
            None => self.backlog.newest(self.ring_id).map_or(0, |newest| newest.sequence),
        }
    }

    fn info(&self, sequence: u64) -> Option<FrameInfo> {
        let known = self.ring().and_then(|ring| ring.info(sequence));
        known.or_else(|| self.backlog.info(self.ring_id, sequence))
    }

    fn next_held(&self, at_least: u64) -> Option<u64> {
        let in_ring = self.ring().and_then(|ring| ring.next_held(at_least));
        let moved = self.backlog.first_from(self.ring_id, at_least).map(|frame| frame.sequence);
        [in_ring, moved].into_iter().flatten().min()
    }

    fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        let in_ring = self.ring().and_then(|ring| ring.first_at_or_after(at));
        let moved = self.backlog.first_at_or_after(self.ring_id, at);
        [in_ring, moved].into_iter().flatten().min_by_key(|frame| frame.sequence)
    }

    fn has_ended(&self) -> bool {
        self.ring().is_some_and(|ring| ring.has_ended())
    }

    fn away(&self) -> Option<LossBefore> {
        self.ring().and_then(|ring| ring.away())
    }

    fn reorders(&self) -> bool {
        self.ring().is_some_and(|ring| ring.reorders())
    }

    fn hold(&self, sequence: u64) -> Result<Box<dyn HeldFrame>, NotHeld> {
        let miss = match self.ring().map_or(Err(Miss::Overrun.into()), |ring| ring.hold(sequence)) {
            Err(miss @ NotHeld::Missed(Miss::Overrun | Miss::AlreadyLeased)) => miss,
            held_or_not_yet => return held_or_not_yet,
        };
        let fits = |length: usize| self.frame_bytes.is_none_or(|frame_bytes| length == frame_bytes);
        let moved = self.backlog.find(self.ring_id, sequence);
        moved.filter(|frame| fits(frame.bytes().len())).ok_or(miss)
    }

    fn picture_tags(&self) -> PictureTags {
        self.ring().map_or_else(PictureTags::default, |ring| ring.picture_tags())
    }

    fn loss_of(&self, sequence: u64) -> GapCause {
        match self.ring() {
            None => GapCause::RingGone,
            Some(_) if self.backlog.was_refused(sequence) => GapCause::BacklogFull,
            Some(_) => GapCause::RingOverrun,
        }
    }

    fn is_filling(&self) -> bool {
        self.backlog.is_filling()
    }
}
