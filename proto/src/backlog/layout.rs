//! The form of a backlog segment: its header, its table of entries, and where the frames lie. How it is mapped, and who may
//! write, is in [`super::segment`].
//!
//! ```text
//!  0        header: what the segment is
//!  128      entries, 64 bytes each; an entry counts once its sequence is there
//!  4096     the frames' bytes, of any length, one behind the other, each at a multiple of 64 and with 64 zeros behind it
//!  …        one page of nothing, so that a vector load at the last pixel stays inside
//! ```
//!
//! An entry is committed once and never changed. Its `sequence` is the one atomic that matters: its Release in
//! [`Entry::commit`] pairs with the Acquire in [`Entry::committed`], so whoever sees it sees the frame.

use core::ops::Range;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::frame::FrameInfo;
use crate::ring::layout::PAGE_BYTES;
use crate::ring::state::MAX_SEQUENCE;
use crate::time::MonotonicNs;

/// The first word of every backlog segment: "PREBLOG" and a zero.
pub const MAGIC: u64 = u64::from_be_bytes(*b"PREBLOG\0");
/// The version of this layout. A segment of another version is refused, not misread.
pub const LAYOUT_VERSION: u64 = 1;
/// The place of the ring's id in a segment.
pub const RING_ID_OFFSET: usize = 24;
/// The most entries of a segment. Half a second at 60 frames a second: few enough that a segment is soon given back, and
/// enough that one is seldom made.
pub const MAX_ENTRIES: usize = 32;
/// The place of the first entry.
pub const ENTRIES_OFFSET: usize = 128;
/// The place of the first frame.
pub const DATA_OFFSET: usize = PAGE_BYTES;
/// Frames begin at multiples of this: a cache line.
const ALIGN_BYTES: usize = 64;
/// The zeros behind each frame: a vector load at its last pixel stays inside, and libav's parsers read beyond a compressed frame.
pub const PADDING_BYTES: usize = 64;

const _: () = assert!(ENTRIES_OFFSET + MAX_ENTRIES * size_of::<Entry>() <= DATA_OFFSET);

/// The number of entries of a segment, and its room for their frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Entries, 1 to [`MAX_ENTRIES`].
    pub entries: usize,
    /// Bytes for all frames together.
    pub data_bytes: usize,
}

impl Shape {
    /// A segment for so many frames of this size. `None` for none or too many, or for more than an address space has room for.
    #[must_use]
    pub fn of(entries: usize, frame_bytes: usize) -> Option<Self> {
        Self::with_bytes(entries, place_bytes(frame_bytes)?.checked_mul(entries)?)
    }

    /// A segment for at most so many frames that differ in length, and take so many bytes together: see [`place_bytes`]. `None` as
    /// of [`Shape::of`].
    #[must_use]
    pub fn with_bytes(entries: usize, data_bytes: usize) -> Option<Self> {
        let shape = Self { entries, data_bytes };
        let has_some = (1..=MAX_ENTRIES).contains(&entries) && data_bytes > 0;
        (has_some && shape.checked_total().is_some()).then_some(shape)
    }

    fn checked_total(self) -> Option<usize> {
        let total = self.data_bytes.checked_add(DATA_OFFSET + PAGE_BYTES)?;
        total.checked_next_multiple_of(PAGE_BYTES).filter(|bytes| isize::try_from(*bytes).is_ok())
    }

    /// The size of the whole segment.
    #[must_use]
    pub fn total_bytes(self) -> usize {
        // Each shape was checked when it was made.
        self.checked_total().unwrap_or(usize::MAX)
    }
}

/// The header of a segment. Every field is set once, the magic number last, and is an atomic since another process may
/// write what it likes into shared memory.
#[derive(Debug)]
#[repr(C)]
pub struct Header {
    magic: AtomicU64,
    layout_version: AtomicU64,
    total_bytes: AtomicU64,
    ring_id: AtomicU64,
    number: AtomicU64,
    entries: AtomicU64,
    data_bytes: AtomicU64,
}

const _: () = assert!(core::mem::offset_of!(Header, ring_id) == RING_ID_OFFSET);

/// The content of a header that has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedHeader {
    /// The segment's shape.
    pub shape: Shape,
    /// The id of the ring that its frames come from.
    pub ring_id: u64,
    /// The number in its name.
    pub number: u32,
}

impl Header {
    /// Fills in a new segment's header.
    pub fn fill(&self, header: &CheckedHeader) {
        self.layout_version.store(LAYOUT_VERSION, Relaxed);
        self.total_bytes.store(header.shape.total_bytes() as u64, Relaxed);
        self.ring_id.store(header.ring_id, Relaxed);
        self.number.store(header.number.into(), Relaxed);
        self.entries.store(header.shape.entries as u64, Relaxed);
        self.data_bytes.store(header.shape.data_bytes as u64, Relaxed);
        self.magic.store(MAGIC, Release);
    }

    /// Reads and checks the header. `None` unless every claim in it agrees with the others and with the mapped size.
    #[must_use]
    pub fn check(&self, mapped_bytes: usize) -> Option<CheckedHeader> {
        if self.magic.load(Acquire) != MAGIC || self.layout_version.load(Relaxed) != LAYOUT_VERSION {
            return None;
        }
        let size = |field: &AtomicU64| usize::try_from(field.load(Relaxed)).ok();
        let shape = Shape { entries: size(&self.entries)?, data_bytes: size(&self.data_bytes)? };
        let total = shape.checked_total().filter(|_| (1..=MAX_ENTRIES).contains(&shape.entries))?;
        (size(&self.total_bytes)? == total && mapped_bytes >= total).then_some(())?;
        let number = u32::try_from(self.number.load(Relaxed)).ok()?;
        Some(CheckedHeader { shape, ring_id: self.ring_id.load(Relaxed), number })
    }
}

/// A frame in a segment: everything that is known of it, since the ring's ledger may have forgotten it, and its place.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Entry {
    /// 0 until the entry is committed.
    sequence: AtomicU64,
    source_sequence: AtomicU64,
    t_capture_ns: AtomicU64,
    /// [`FrameInfo::epoch_and_marks`].
    epoch_and_marks: AtomicU64,
    /// From [`DATA_OFFSET`] on.
    offset_bytes: AtomicU64,
    length_bytes: AtomicU64,
    /// [`FrameInfo::decoding_word`]; 0 in a segment of a version that knew none.
    decoding: AtomicU64,
}

impl Entry {
    /// Makes a frame count whose bytes are in place. For the one writer only.
    pub fn commit(&self, info: &FrameInfo, place: &Range<usize>) {
        self.source_sequence.store(info.source_sequence, Relaxed);
        self.t_capture_ns.store(info.t_capture.0, Relaxed);
        self.epoch_and_marks.store(info.epoch_and_marks(), Relaxed);
        self.offset_bytes.store(place.start as u64, Relaxed);
        self.length_bytes.store(place.len() as u64, Relaxed);
        self.decoding.store(info.decoding_word(), Relaxed);
        self.sequence.store(info.sequence, Release);
    }

    /// The frame, and its place from [`DATA_OFFSET`] on. `None` while it isn't committed, or when its place isn't inside the
    /// segment.
    #[must_use]
    pub fn committed(&self, shape: &Shape) -> Option<(FrameInfo, Range<usize>)> {
        let sequence = self.sequence.load(Acquire);
        if sequence == 0 || sequence > MAX_SEQUENCE {
            return None;
        }
        let size = |field: &AtomicU64| usize::try_from(field.load(Relaxed)).ok();
        let start = size(&self.offset_bytes)?;
        let end = start.checked_add(size(&self.length_bytes)?)?;
        if end > shape.data_bytes || start % ALIGN_BYTES != 0 {
            return None;
        }
        let (epoch, before, flags) = FrameInfo::from_epoch_and_marks(self.epoch_and_marks.load(Relaxed));
        let info = FrameInfo {
            sequence,
            source_sequence: self.source_sequence.load(Relaxed),
            t_capture: MonotonicNs(self.t_capture_ns.load(Relaxed)),
            epoch,
            before,
            flags,
            ..FrameInfo::default()
        };
        let info = info.with_decoding_word(self.decoding.load(Relaxed));
        Some((info, start..end))
    }
}

/// The bytes that a frame takes of a segment: its own, and the zeros behind them. `None` for more than an address space has room
/// for.
#[must_use]
pub fn place_bytes(length: usize) -> Option<usize> {
    length.max(1).checked_add(PADDING_BYTES)?.checked_next_multiple_of(ALIGN_BYTES)
}

/// The place for `length` bytes, if so many bytes of the segment are used. `None` when there is no room for them.
#[must_use]
pub fn next_place(shape: &Shape, used: usize, length: usize) -> Option<Range<usize>> {
    let end = used.checked_add(place_bytes(length)?)?;
    (end <= shape.data_bytes).then_some(used..used.checked_add(length)?)
}
