//! One camera's backlog as the mover knows it: a copy of what its lock guards, so that the mover waits for nobody.

use std::sync::{Arc, Weak};

use proto::backlog::BacklogSegment;
use proto::frame::FrameInfo;
use proto::ring::Ring;

use super::Need;

/// What the mover knows of a camera since its last look at it.
#[derive(Default)]
pub(crate) struct View {
    pub(super) ring: Weak<Ring>,
    /// Everything that open clips need of the camera.
    pub(crate) needs: Vec<Need>,
    /// The segments, in the order in which they were made.
    pub(crate) segments: Vec<Arc<BacklogSegment>>,
}

impl View {
    /// The camera's ring, if its worker has one.
    pub(crate) fn ring(&self) -> Option<Arc<Ring>> {
        self.ring.upgrade()
    }

    /// Is a frame in the backlog?
    pub(crate) fn holds(&self, ring_id: u64, sequence: u64) -> bool {
        frames(&self.segments, ring_id).any(|(info, _)| info.sequence == sequence)
    }

    /// The frames of a segment that open clips need.
    pub(crate) fn needed_in(&self, segment: &BacklogSegment) -> usize {
        let (ring, ring_id) = (self.ring(), segment.header().ring_id);
        // Nearly always the frame before one is the one before it here, and needs no search.
        let mut last: Option<FrameInfo> = None;
        let wants = |frame: &FrameInfo| {
            let neighbour = last.replace(*frame).filter(|last| last.sequence + 1 == frame.sequence);
            let before =
                || neighbour.or_else(|| frame_before(&self.segments, ring.as_deref(), ring_id, frame));
            self.needs.iter().any(|need| need.ring_id == ring_id && need.wants(frame, before))
        };
        segment.frames().filter(wants).count()
    }
}

/// The frames of a ring in these segments.
pub(super) fn frames(
    segments: &[Arc<BacklogSegment>],
    ring_id: u64,
) -> impl Iterator<Item = (FrameInfo, &Arc<BacklogSegment>)> {
    let of_ring = segments.iter().filter(move |segment| segment.header().ring_id == ring_id);
    of_ring.flat_map(|segment| segment.frames().map(move |info| (info, segment)))
}

/// The frame before a frame, by the ring's ledger or the backlog.
pub(super) fn frame_before(
    segments: &[Arc<BacklogSegment>],
    ring: Option<&Ring>,
    ring_id: u64,
    frame: &FrameInfo,
) -> Option<FrameInfo> {
    let sequence = frame.sequence.checked_sub(1)?;
    let ring = ring.filter(|ring| ring.id() == ring_id);
    let remembered = ring.and_then(|ring| ring.frame_info(sequence));
    remembered
        .or_else(|| frames(segments, ring_id).map(|(info, _)| info).find(|info| info.sequence == sequence))
}
