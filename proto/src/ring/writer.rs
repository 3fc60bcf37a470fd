//! The writing end of a ring: [`RingWriter`], of which there is one at a time, and [`WriteSlot`], the slot that it
//! fills.
#![expect(unsafe_code, reason = "writes frame bytes under the ring's protocol; every block says why it may")]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::arena::{Claim, Parts};
use super::error::RingError;
use super::header::INTERVAL_BUCKETS;
use super::layout::{FRAME_HEADER_BYTES, part_bytes};
use super::protocol::WriterPosition;
use super::shared::Ring;
use super::slot_header::SlotHeader;
use super::starts::Starts;
use super::step;
use super::time::RingTime;
use crate::frame::{DecodesFrom, Decoding, FrameFlags, FrameInfo, LossBefore, PictureTags};
use crate::sync::Ordering::Relaxed;
use crate::time::{MonotonicNs, nanos};

/// The one writer of a ring, by a lock that the kernel frees when the process ends. The example is at [`Ring`].
#[derive(Debug)]
pub struct RingWriter {
    ring: Arc<Ring>,
    next: WriterPosition,
    /// The writer's map of the arena; none in a ring of planes.
    parts: Option<Parts>,
    epoch: u32,
    starts: Starts,
    last_publish: Option<MonotonicNs>,
    _lock: OwnedFd,
}

impl RingWriter {
    /// Takes over from the last writer, however it ended, and begins a new epoch.
    pub(super) fn begin(ring: &Arc<Ring>, lock: OwnedFd) -> Result<Self, RingError> {
        let next = ring.take_over();
        let parts = ring.find_parts()?;
        ring.set_away(None);
        let (ring, epoch, starts) = (Arc::clone(ring), ring.begin_epoch(), Starts::new(ring.spec().payload));
        Ok(Self { ring, next, parts, epoch, starts, last_publish: None, _lock: lock })
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

    /// Says that the camera is away, and the cause of the gap that this makes; or that it is there again.
    pub fn set_away(&self, cause: Option<LossBefore>) {
        self.ring.set_away(cause);
    }

    /// A slot for the next frame, with room for the longest. `None` when readers hold leases on all slots, or on too much of the
    /// arena; the frame is then counted in [`Counters::dropped_ring_full`](super::header::Counters::dropped_ring_full).
    pub fn slot(&mut self) -> Option<WriteSlot<'_>> {
        self.slot_for(self.ring.spec().max_frame_bytes())
    }

    /// A slot for the next frame, with room for `max_bytes`. `None` as of [`RingWriter::slot`], and for more than
    /// [`RingSpec::max_frame_bytes`](super::layout::RingSpec::max_frame_bytes); the frame is then counted in
    /// [`Counters::dropped_too_large`](super::header::Counters::dropped_too_large). Frames of planes all have the same length,
    /// whatever is asked for.
    pub fn slot_for(&mut self, max_bytes: usize) -> Option<WriteSlot<'_>> {
        if max_bytes > self.ring.spec().max_frame_bytes() {
            self.refuse_too_large();
            return None;
        }
        let protocol = self.ring.protocol();
        let claim = match &mut self.parts {
            Some(parts) => protocol.claim_part(parts, self.next.sequence, max_bytes),
            None => protocol
                .claim(&mut self.next)
                .and_then(|slot| Some(Claim { slot, place: protocol.place(slot)? })),
        };
        let Some(claim) = claim else {
            self.ring.counters().dropped_ring_full.fetch_add(1, Relaxed);
            return None;
        };
        let flags = FrameFlags::NONE;
        Some(WriteSlot {
            writer: self,
            claim,
            bytes: claim.place.len,
            flags,
            decodes_from: DecodesFrom::NewestKey,
            picture_offset_ns: 0,
            published: false,
        })
    }

    /// Counts a frame that is lost since it is longer than the ring takes, where that shows only while it is written.
    pub fn refuse_too_large(&self) {
        self.ring.counters().dropped_too_large.fetch_add(1, Relaxed);
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
    /// [`SegmentError::Missing`](super::segment::SegmentError::Missing) when the ring's name has been taken away;
    /// [`RingError::Contradiction`] when another program has written over it.
    pub fn writer(self: &Arc<Self>) -> Result<RingWriter, RingError> {
        let lock = self.lock_for_writing()?;
        RingWriter::begin(self, lock)
    }
}

/// A slot that is being written. Dropped unpublished, it becomes empty, and the next frame gets it and its sequence.
#[derive(Debug)]
pub struct WriteSlot<'a> {
    writer: &'a mut RingWriter,
    claim: Claim,
    /// The bytes that the frame has.
    bytes: usize,
    flags: FrameFlags,
    decodes_from: DecodesFrom,
    picture_offset_ns: i64,
    published: bool,
}

impl WriteSlot<'_> {
    /// The room for the frame's bytes. Of planes, [`Geometry::frame_bytes`](crate::frame::Geometry::frame_bytes), laid out by
    /// [`Geometry::planes`](crate::frame::Geometry::planes); of a compressed frame, as many as were asked for. Until they are
    /// written they hold older frames.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let bytes = self.writer.ring.frame(&self.claim.place).wrapping_add(FRAME_HEADER_BYTES);
        // SAFETY: the claimed place lies inside the arena and the mapping (the layout was checked against its size); its slot's
        // word is WRITING and no other slot owns a byte of it, so no reader can lease it, and no other writer exists (the
        // segment's lock); `&mut self` makes this the only slice of it in this process.
        unsafe { core::slice::from_raw_parts_mut(bytes, self.claim.place.len) }
    }

    /// Says how many of the bytes are the frame's. Without a word it is all of them.
    ///
    /// # Panics
    /// When they are more than the room, or in a ring of planes not all of it.
    #[must_use]
    pub fn filled(mut self, bytes: usize) -> Self {
        let room = self.claim.place.len;
        let fits = if self.writer.parts.is_some() { bytes <= room } else { bytes == room };
        assert!(fits, "a frame of {bytes} bytes in a room of {room}");
        self.bytes = bytes;
        self
    }

    /// Says how the frame decodes, and when its picture is shown. Without a word it decodes from the newest key frame, and is
    /// shown at its capture time.
    #[must_use]
    pub fn decoding(mut self, decoding: &Decoding) -> Self {
        self.writer.ring.set_reorders(decoding.reorders);
        (self.decodes_from, self.picture_offset_ns) = (decoding.from, decoding.picture_offset_ns);
        self
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

    /// Says which times this frame and those after it have.
    pub fn timed(&self, time: &RingTime) {
        self.writer.ring.set_time(time);
    }

    /// Makes the frame visible and wakes the readers. Returns the frame's sequence. Allocates nothing and waits for
    /// nobody.
    pub fn publish(mut self, source_sequence: u64, t_capture: MonotonicNs, before: LossBefore) -> u64 {
        let sequence = self.writer.next.sequence;
        let (epoch, picture_offset_ns) = (self.writer.epoch, self.picture_offset_ns);
        let (start_sequence, flags) = self.writer.starts.of(sequence, self.flags, before, self.decodes_from);
        let info = FrameInfo {
            sequence,
            source_sequence,
            t_capture,
            epoch,
            before,
            flags,
            start_sequence,
            picture_offset_ns,
        };
        let at = self.writer.ring.frame(&self.claim.place).cast::<SlotHeader>();
        // SAFETY: the place starts at a cache line inside the mapping, so it is aligned and large enough, and
        // it belongs to this writer alone while its slot's word says WRITING (see bytes_mut).
        unsafe { at.write(SlotHeader::of(&info, self.bytes)) };
        step::pass();
        self.write_padding();
        step::pass();
        let protocol = self.writer.ring.protocol();
        match &mut self.writer.parts {
            Some(parts) => protocol.publish_part(parts, self.claim, self.bytes, &info),
            None => protocol.publish(self.claim.slot, &info),
        }
        self.published = true;
        step::pass();
        self.writer.ring.wake_readers();
        step::pass();
        self.writer.next.sequence += 1;
        self.writer.count_interval();
        sequence
    }

    /// Writes the zeros behind a compressed frame's bytes, up to the end of its part.
    fn write_padding(&self) {
        let part = part_bytes(self.bytes).filter(|_| self.writer.parts.is_some());
        let behind = part.map_or(0, |part| part - FRAME_HEADER_BYTES - self.bytes);
        let end = self.writer.ring.frame(&self.claim.place).wrapping_add(FRAME_HEADER_BYTES + self.bytes);
        // SAFETY: from the frame's end to the end of the part of a frame that is no longer than the claimed one (see filled); that
        // part is this writer's alone, as in bytes_mut.
        unsafe { end.write_bytes(0, behind) };
    }
}

impl Drop for WriteSlot<'_> {
    fn drop(&mut self) {
        if !self.published {
            let protocol = self.writer.ring.protocol();
            match &mut self.writer.parts {
                Some(parts) => protocol.abandon_part(parts, self.claim),
                None => protocol.abandon(self.claim.slot, &mut self.writer.next),
            }
        }
    }
}
