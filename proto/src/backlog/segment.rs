//! A backlog segment in shared memory: [`BacklogSegment`], read by every thread of the recorder, and [`BacklogWriter`], its
//! one writer. It is appended to and never changed, so a frame that can be found stays as it is while the segment is mapped.
//!
//! A segment that is cut short while a recorder has it mapped ends that recorder with a bus error, as a ring does
//! ([`crate::ring::lost_pages`]); the next one finds it too small for its header, and passes it over.
#![expect(unsafe_code, reason = "reads frames in shared memory; every block says why it may")]

use core::ops::Range;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::layout::{
    CheckedHeader, DATA_OFFSET, ENTRIES_OFFSET, Entry, Header, PADDING_BYTES, next_place, place_bytes,
};
use crate::frame::FrameInfo;
use crate::ring::SegmentName;
use crate::ring::segment::{AtomicsOnly, Segment, SegmentError};

// SAFETY: a repr(C) struct of AtomicU64.
unsafe impl AtomicsOnly for Header {}
// SAFETY: as above.
unsafe impl AtomicsOnly for Entry {}

/// The reason why a backlog segment can't be had.
#[derive(Debug, thiserror::Error)]
pub enum BacklogError {
    /// The shared memory can't be had.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// Its header is damaged, or of another version.
    #[error("shared memory {0} is no whole backlog segment; remove {path}", path = .0.path().display())]
    Bad(SegmentName),
}

/// A mapped backlog segment. Dropping it unmaps; the segment stays until [`super::remove`].
#[derive(Debug)]
pub struct BacklogSegment {
    segment: Segment,
    header: CheckedHeader,
}

impl BacklogSegment {
    /// Makes a segment for frames of the ring with this id. Memory for its frames is taken when they are written.
    ///
    /// # Errors
    /// [`SegmentError`]: a segment of this name exists, or there is no room for it.
    pub fn create(name: &SegmentName, header: &CheckedHeader) -> Result<Arc<Self>, SegmentError> {
        let segment = Segment::create_reserving(name, header.shape.total_bytes(), DATA_OFFSET)?;
        segment.view::<Header>(0, 1)[0].fill(header);
        Ok(Arc::new(Self { segment, header: *header }))
    }

    /// Maps a segment that exists, after checking everything that its header says.
    ///
    /// # Errors
    /// [`BacklogError`]: there is none, it is another user's, or damaged.
    pub fn open(name: &SegmentName) -> Result<Arc<Self>, BacklogError> {
        let segment = Segment::open(name)?;
        let is_long_enough = segment.len() >= DATA_OFFSET;
        let header = if is_long_enough { segment.view::<Header>(0, 1)[0].check(segment.len()) } else { None };
        let header = header.ok_or_else(|| BacklogError::Bad(name.clone()))?;
        Ok(Arc::new(Self { segment, header }))
    }

    /// The segment's name.
    #[must_use]
    pub fn name(&self) -> &SegmentName {
        self.segment.name()
    }

    /// Its shape, its number, and the ring that its frames come from.
    #[must_use]
    pub fn header(&self) -> &CheckedHeader {
        &self.header
    }

    /// The memory that it takes.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.segment.len()
    }

    /// The frames in it, in the order in which they were moved.
    pub fn frames(&self) -> impl Iterator<Item = FrameInfo> {
        self.committed().map(|(info, _)| info)
    }

    /// A frame and its bytes.
    #[must_use]
    pub fn frame(&self, sequence: u64) -> Option<(FrameInfo, &[u8])> {
        let (info, place) = self.committed().find(|(info, _)| info.sequence == sequence)?;
        let start = self.segment.byte(DATA_OFFSET).wrapping_add(place.start);
        // SAFETY: `committed` has checked that the place ends within the data, which the header's check found to end
        // within the mapping; the mapping lives as long as `self`; the bytes of a committed entry were written by the kernel
        // before its sequence was stored, which the Acquire that saw it makes visible, and are never written again.
        Some((info, unsafe { core::slice::from_raw_parts(start, place.len()) }))
    }

    fn entries(&self) -> &[Entry] {
        self.segment.view(ENTRIES_OFFSET, self.header.shape.entries)
    }

    /// The committed entries. They are committed in order, so the first that isn't ends them.
    fn committed(&self) -> impl Iterator<Item = (FrameInfo, Range<usize>)> {
        self.entries().iter().map_while(|entry| entry.committed(&self.header.shape))
    }

    /// Becomes the segment's one writer, behind what is committed.
    ///
    /// # Errors
    /// [`SegmentError::Busy`] while another has it, [`SegmentError::Missing`] when its name is gone.
    pub fn writer(self: &Arc<Self>) -> Result<BacklogWriter, SegmentError> {
        let lock = self.segment.lock_for_writing()?;
        // The end of the last frame alone would do, unless another program has written over the table. An earlier version left no
        // zeros behind a frame; there are some behind the last.
        let behind =
            |place: &Range<usize>| place.start.saturating_add(place_bytes(place.len()).unwrap_or(usize::MAX));
        let (used, end) =
            self.committed().fold((0, 0), |(used, end), (_, place)| (used + 1, behind(&place).max(end)));
        Ok(BacklogWriter { segment: Arc::clone(self), used, end, _lock: lock })
    }
}

/// The one writer of a backlog segment.
#[derive(Debug)]
pub struct BacklogWriter {
    segment: Arc<BacklogSegment>,
    /// Committed entries.
    used: usize,
    /// The end of their frames' places.
    end: usize,
    _lock: OwnedFd,
}

impl BacklogWriter {
    /// The segment.
    #[must_use]
    pub fn segment(&self) -> &Arc<BacklogSegment> {
        &self.segment
    }

    /// Entries that are free.
    #[must_use]
    pub fn entries_left(&self) -> usize {
        self.segment.header.shape.entries - self.used
    }

    /// Is there a place for a frame of so many bytes?
    #[must_use]
    pub fn has_room_for(&self, length: usize) -> bool {
        let place = next_place(&self.segment.header.shape, self.end, length);
        self.entries_left() > 0 && length > 0 && place.is_some()
    }

    /// Takes the place of the next frame, which may have any length. `None` when the segment is full. A place that is dropped uncommitted is taken
    /// again by the next frame.
    #[must_use]
    pub fn place(&mut self, length: usize) -> Option<Place<'_>> {
        let bytes = next_place(&self.segment.header.shape, self.end, length)?;
        (self.entries_left() > 0 && length > 0).then_some(Place { writer: self, bytes, written: 0 })
    }
}

/// The place of a frame that is being moved.
#[derive(Debug)]
pub struct Place<'a> {
    writer: &'a mut BacklogWriter,
    bytes: Range<usize>,
    written: usize,
}

/// The bytes behind a frame, which are written since a page that was never written is no page to touch.
const BEHIND: [u8; PADDING_BYTES] = [0; PADDING_BYTES];

impl Place<'_> {
    /// Writes the next bytes of the frame. No reader looks at them before the frame is committed.
    ///
    /// # Errors
    /// The system's error: there is no memory for them.
    ///
    /// # Panics
    /// When they are more than the place was taken for.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(bytes.len() <= self.bytes.len() - self.written, "more bytes than the place has");
        self.writer.segment.segment.write(DATA_OFFSET + self.bytes.start + self.written, bytes)?;
        self.written += bytes.len();
        Ok(())
    }

    /// Makes the frame count.
    ///
    /// # Errors
    /// The system's error: there is no memory for what a vector load may read behind the last pixel.
    ///
    /// # Panics
    /// When not all of the frame was written.
    pub fn commit(self, info: &FrameInfo) -> io::Result<()> {
        let Self { writer, bytes, written } = self;
        assert_eq!(written, bytes.len(), "a frame that isn't whole");
        writer.segment.segment.write(DATA_OFFSET + bytes.end, &BEHIND)?;
        writer.segment.entries()[writer.used].commit(info, &bytes);
        writer.used += 1;
        writer.end = bytes.start.saturating_add(place_bytes(bytes.len()).unwrap_or(usize::MAX));
        Ok(())
    }
}
