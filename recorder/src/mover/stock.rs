//! The segment that one camera's frames are moved into: which one, and making another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::backlog::layout::{CheckedHeader, MAX_ENTRIES, Shape, place_bytes};
use proto::backlog::{self, BacklogSegment, BacklogWriter};
use proto::failpoint;
use proto::ring::Ring;
use proto::ring::segment::SegmentError;

use crate::backlog::{Backlog, CameraBacklog};

/// A segment takes at most this part of the bound, so that memory comes back in steps that are small beside it.
const PART_OF_BOUND: u64 = 8;
/// With fewer entries than this a segment would be made every few frames.
const LEAST_ENTRIES: usize = 4;
/// The pause after there was no memory. Trying costs time, and the memory may be short for long.
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// A segment that isn't full is kept for so long after the last frame was moved: an encoder that was late is late again.
const KEPT: Duration = Duration::from_secs(1);

/// One camera's segment to fill.
#[derive(Default)]
pub(super) struct Stock {
    filling: Option<BacklogWriter>,
    /// The moment at which there was no memory for a segment or a frame; none if there was since.
    failed: Option<Instant>,
    /// The last time that a frame was moved.
    used: Option<Instant>,
}

impl Stock {
    /// The segment to move a frame of this ring into, of so many bytes. `None` when there is no room for one.
    pub(super) fn writer(
        &mut self,
        backlog: &Backlog,
        camera: &CameraBacklog,
        ring: &Ring,
        length: usize,
    ) -> Option<&mut BacklogWriter> {
        if self.failed.is_some_and(|failed| failed.elapsed() < TRY_AGAIN) {
            return None;
        }
        let fits = |writer: &BacklogWriter| {
            writer.segment().header().ring_id == ring.id() && writer.has_room_for(length)
        };
        if !self.filling.as_ref().is_some_and(fits) {
            self.filling = left_behind(camera, ring, length).or_else(|| self.make(backlog, camera, ring));
        }
        self.filling.as_mut()
    }

    /// Is a frame in the segment that is being filled? A view may be older than that.
    pub(super) fn holds(&self, ring_id: u64, sequence: u64) -> bool {
        let filling = self.filling.as_ref().map(BacklogWriter::segment);
        filling.is_some_and(|it| it.header().ring_id == ring_id && it.frame(sequence).is_some())
    }

    /// Is this segment being filled, and is that of use?
    pub(super) fn uses(&self, segment: &Arc<BacklogSegment>) -> bool {
        if self.used.is_none_or(|used| used.elapsed() > KEPT) {
            return false;
        }
        let is_it = |writer: &BacklogWriter| Arc::ptr_eq(writer.segment(), segment);
        let filling = self.filling.as_ref().filter(|writer| writer.entries_left() > 0);
        filling.is_some_and(is_it)
    }

    /// Lets go of a segment that was given back.
    pub(super) fn forget(&mut self, segment: &Arc<BacklogSegment>) {
        let is_another = |writer: &BacklogWriter| !Arc::ptr_eq(writer.segment(), segment);
        self.filling = self.filling.take().filter(is_another);
    }

    fn make(&mut self, backlog: &Backlog, camera: &CameraBacklog, ring: &Ring) -> Option<BacklogWriter> {
        let shape = shape(ring, backlog.totals.bound())?;
        if !backlog.totals.has_room_for(shape.total_bytes() as u64) {
            return None;
        }
        match make(backlog, camera, ring, shape) {
            Ok(writer) => Some(writer),
            Err(e) => {
                self.has_failed(camera, &e);
                None
            }
        }
    }

    /// A frame was moved.
    pub(super) fn works(&mut self) {
        self.failed = None;
        self.used = Some(Instant::now());
    }

    /// Leaves the memory alone for a while: there was none for a segment, or for a frame.
    pub(super) fn has_failed(&mut self, camera: &CameraBacklog, why: &dyn std::error::Error) {
        if self.failed.replace(Instant::now()).is_none() {
            tracing::error!(
                camera = camera.camera.as_str(),
                "camera {}: its backlog can't grow: {why}",
                camera.camera
            );
        }
    }
}

/// A segment of this ring that an earlier recorder left with room for a frame of so many bytes.
fn left_behind(camera: &CameraBacklog, ring: &Ring, length: usize) -> Option<BacklogWriter> {
    let last = camera.segments().pop().filter(|last| last.header().ring_id == ring.id())?;
    last.writer().ok().filter(|writer| writer.has_room_for(length))
}

fn make(
    backlog: &Backlog,
    camera: &CameraBacklog,
    ring: &Ring,
    shape: Shape,
) -> Result<BacklogWriter, SegmentError> {
    let last = camera.segments().iter().map(|segment| segment.header().number).max();
    let mut number = last.map_or(0, |last| last.wrapping_add(1));
    loop {
        let name = backlog::segment_name(&backlog.dir, &camera.camera, number);
        let header = CheckedHeader { shape, ring_id: ring.id(), number };
        match BacklogSegment::create(&name, &header) {
            Ok(segment) => {
                failpoint::pass("mover.segment_made", &camera.camera);
                let writer = segment.writer()?;
                camera.put(segment);
                return Ok(writer);
            }
            // One that could not be opened when it was looked for.
            Err(SegmentError::Exists(_)) => number = number.wrapping_add(1),
            Err(e) => return Err(e),
        }
    }
}

/// The shape of a segment for a ring's frames. `None` when the bound is too low for any.
fn shape(ring: &Ring, bound: u64) -> Option<Shape> {
    let part = usize::try_from(bound / PART_OF_BOUND).unwrap_or(usize::MAX);
    let shape = match ring.usual_part_bytes() {
        None => {
            let frame_bytes = ring.spec().geometry.frame_bytes();
            let entries = (part / frame_bytes.max(1)).clamp(LEAST_ENTRIES, MAX_ENTRIES);
            Shape::of(entries, frame_bytes)
        }
        // Frames differ in length: as many as are usual, and one of the longest.
        Some(usual) => {
            let longest = place_bytes(ring.spec().max_frame_bytes())?;
            let bytes = usual.saturating_mul(MAX_ENTRIES).saturating_add(longest);
            Shape::with_bytes(MAX_ENTRIES, bytes.min(part).max(longest))
        }
    };
    shape.filter(|shape| shape.total_bytes() as u64 <= bound)
}
