//! The writing end of a ring: [`RingWriter`], of which there is one at a time, and [`WriteSlot`], the slot that it
//! fills.
#![expect(unsafe_code, reason = "writes frame bytes under the ring's protocol; every block says why it may")]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::layout::{INTERVAL_BUCKETS, SLOT_HEADER_BYTES};
use super::protocol::WriterPosition;
use super::shared::{Ring, RingError};
use super::slot_header::SlotHeader;
use crate::frame::{FrameFlags, FrameInfo, LossBefore, PictureTags};
use crate::sync::Ordering::Relaxed;
use crate::time::{MonotonicNs, nanos};

/// The one writer of a ring, by a lock that the kernel frees when the process ends. The example is at [`Ring`].
#[derive(Debug)]
pub struct RingWriter {
    ring: Arc<Ring>,
    next: WriterPosition,
    epoch: u32,
    last_publish: Option<MonotonicNs>,
    _lock: OwnedFd,
}

impl RingWriter {
    /// Takes over from the last writer, however it ended, and begins a new epoch.
    pub(super) fn begin(ring: &Arc<Ring>, lock: OwnedFd) -> Self {
        let next = ring.take_over();
        Self { ring: Arc::clone(ring), next, epoch: ring.begin_epoch(), last_publish: None, _lock: lock }
    }

    /// The ring.
    #[must_use]
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// The number of this life of the capture, from 1.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Says that no more frames will come in this epoch: the camera is a file, and it has played to its end.
    pub fn end(&self) {
        self.ring.counters().ended_epoch.store(u64::from(self.epoch), Relaxed);
    }

    /// Says whether the camera's frames come at no rate: none is due at any moment, so none is missing.
    pub fn set_variable_rate(&self, variable: bool) {
        self.ring.set_variable_rate(variable);
    }

    /// A slot for the next frame. `None` when readers hold leases on all slots; the frame is then counted in
    /// [`Counters::dropped_ring_full`](super::layout::Counters::dropped_ring_full).
    pub fn slot(&mut self) -> Option<WriteSlot<'_>> {
        match self.ring.protocol().claim(&mut self.next) {
            Some(slot) => Some(WriteSlot { writer: self, slot, flags: FrameFlags::NONE, published: false }),
            None => {
                self.ring.counters().dropped_ring_full.fetch_add(1, Relaxed);
                None
            }
        }
    }

    fn count_interval(&mut self) {
        let now = MonotonicNs::now();
        let counters = self.ring.counters();
        counters.last_publish_ns.store(now.0, Relaxed);
        if let Some(last) = self.last_publish.replace(now) {
            let interval_ns = nanos(now - last);
            counters.interval_max_ns.fetch_max(interval_ns, Relaxed);
            let sixteenth_ns = (nanos(self.ring.spec().fps.period()) / 16).max(1);
            let bucket = usize::try_from(interval_ns / sixteenth_ns).unwrap_or(usize::MAX);
            counters.interval_buckets[bucket.min(INTERVAL_BUCKETS - 1)].fetch_add(1, Relaxed);
        }
    }
}

impl Ring {
    /// Becomes the ring's one writer, in a new epoch.
    ///
    /// # Errors
    /// [`SegmentError::Busy`](super::segment::SegmentError::Busy) while another process is the writer, and
    /// [`SegmentError::Missing`](super::segment::SegmentError::Missing) when the ring's name has been taken away.
    pub fn writer(self: &Arc<Self>) -> Result<RingWriter, RingError> {
        let lock = self.lock_for_writing()?;
        Ok(RingWriter::begin(self, lock))
    }
}

/// A slot that is being written. Dropped unpublished, it becomes empty, and the next frame gets it and its sequence.
#[derive(Debug)]
pub struct WriteSlot<'a> {
    writer: &'a mut RingWriter,
    slot: usize,
    flags: FrameFlags,
    published: bool,
}

impl WriteSlot<'_> {
    /// The frame's bytes: [`Geometry::frame_bytes`](crate::frame::Geometry::frame_bytes) of them, laid out by
    /// [`Geometry::planes`](crate::frame::Geometry::planes). Until they are written they hold an older frame.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let pixels = self.writer.ring.slot(self.slot).wrapping_add(SLOT_HEADER_BYTES);
        // SAFETY: the slot lies inside the mapping (the layout was checked against its size) and `frame_bytes`
        // fit in its stride; the slot was claimed, so its word is WRITING: no reader can lease it and no other
        // writer exists (the segment's lock); `&mut self` makes this the only slice of it in this process.
        unsafe { core::slice::from_raw_parts_mut(pixels, self.writer.ring.frame_bytes()) }
    }

    /// Adds remarks to the frame.
    #[must_use]
    pub fn flagged(mut self, flags: FrameFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Says what this frame and those after it say of themselves. A reader that sees the frame sees its tags too: publishing
    /// stores with Release.
    pub fn tag(&self, tags: PictureTags) {
        self.writer.ring.set_picture_tags(tags);
    }

    /// Makes the frame visible and wakes the readers. Returns the frame's sequence. Allocates nothing and waits for
    /// nobody.
    pub fn publish(mut self, source_sequence: u64, t_capture: MonotonicNs, before: LossBefore) -> u64 {
        let sequence = self.writer.next.sequence;
        let (epoch, flags) = (self.writer.epoch, self.flags);
        let info = FrameInfo { sequence, source_sequence, t_capture, epoch, before, flags };
        let at = self.writer.ring.slot(self.slot).cast::<SlotHeader>();
        // SAFETY: the slot starts at a page boundary inside the mapping, so it is aligned and large enough, and
        // it belongs to this writer alone while its word says WRITING (see bytes_mut).
        unsafe { at.write(SlotHeader::from(&info)) };
        self.writer.ring.protocol().publish(self.slot, &info);
        self.published = true;
        self.writer.ring.wake_readers();
        self.writer.next.sequence += 1;
        self.writer.count_interval();
        sequence
    }
}

impl Drop for WriteSlot<'_> {
    fn drop(&mut self) {
        if !self.published {
            self.writer.ring.protocol().abandon(self.slot, &mut self.writer.next);
        }
    }
}
