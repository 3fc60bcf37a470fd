//! The first page of a ring's segment: what the ring is, its two moving words, its capture's counters. Where the other parts
//! lie is in [`super::layout`].

use crate::frame::{Fps, Geometry, Payload, PixelFormat};
use crate::sync::AtomicU64;
use crate::time::MonotonicNs;

use super::layout::{Arena, LAYOUT_VERSION, Layout, MAX_SLOTS, RingSize, RingSpec};
use super::protocol::Heads;
use super::state::ReaderBit;
use super::time::TimeWords;

/// The first word of every ring: "PREROLL" and a zero.
pub const MAGIC: u64 = u64::from_be_bytes(*b"PREROLL\0");
/// The number of buckets in which intervals between publications are counted. Each is a sixteenth of a frame period
/// wide; the last one takes everything from 63/16 periods on.
pub const INTERVAL_BUCKETS: usize = 64;

/// The first page of a segment. Its fields are set once, before `magic`; only epoch, variable rate, picture tags, heads,
/// counters, order of pictures and the words on time change later.
///
/// Every field is an atomic: another process may write what it likes into shared memory, and reading it must stay
/// defined. It has twenty-two fields because it is one page of one format, read and checked as a whole.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`], written last.
    pub magic: AtomicU64,
    /// [`LAYOUT_VERSION`].
    pub layout_version: AtomicU64,
    /// The segment's size.
    pub total_bytes: AtomicU64,
    /// A random number that names this ring. A clip's plan refers to it, so that frames of a later ring of the same name
    /// are never taken for this one's.
    pub ring_id: AtomicU64,
    /// The moment at which the ring was made: time zero of its camera's clock.
    pub created_ns: AtomicU64,
    /// Pixels across.
    pub width: AtomicU64,
    /// Pixels down.
    pub height: AtomicU64,
    /// [`PixelFormat::code`].
    pub pixel_format: AtomicU64,
    /// Thousandths of a frame a second.
    pub fps_milli: AtomicU64,
    /// [`RingSize::pre_roll_slots`].
    pub pre_roll_slots: AtomicU64,
    /// [`RingSize::reserve_slots`].
    pub reserve_slots: AtomicU64,
    /// [`RingSize::lease_slots`].
    pub lease_slots: AtomicU64,
    /// Lives of the capture process so far.
    pub epoch: AtomicU64,
    /// 1 if the camera's frames come at no rate, as its capture says; 0 in a ring of a version that didn't know.
    pub variable_rate: AtomicU64,
    /// [`PictureTags::to_word`](crate::frame::PictureTags::to_word) of the newest frames, stored before they are published. A
    /// ring of a version that knew no tags has 0 here, which says nothing.
    pub picture_tags: AtomicU64,
    /// The two words that every frame moves.
    pub heads: Heads,
    /// The capture's counters.
    pub counters: Counters,
    /// The kind of its frames' bytes, and the room for those that differ in length.
    pub payload: PayloadWords,
    /// The places of its parts.
    pub places: PlaceWords,
    /// By [`ReaderBit`], the process that reads with it; 0 for nobody. It is a hint, for messages; the locks count.
    pub reader_pids: [AtomicU64; ReaderBit::COUNT as usize],
    /// The capture's word on its frames' times. Zeros in a ring of a version that said nothing.
    pub time: TimeWords,
    /// 1 if pictures are shown in another order than they come in, as the capture says; 0 in a ring of a version that didn't
    /// know.
    pub reorders: AtomicU64,
}

/// The kind of a ring's frames, and the room for those that differ in length. All zero for planes.
#[derive(Debug, Default)]
#[repr(C)]
pub struct PayloadWords {
    /// [`Payload::code`].
    pub code: AtomicU64,
    /// [`Arena::bytes`].
    pub arena_bytes: AtomicU64,
    /// [`Arena::max_frame_bytes`].
    pub max_frame_bytes: AtomicU64,
    /// [`Arena::max_rate_bytes`].
    pub max_rate_bytes: AtomicU64,
}

/// The places of a ring's parts. They follow from the other fields ([`Layout`]), and stand here for programs that would not work
/// them out, and to tell a damaged number of slots.
#[derive(Debug, Default)]
#[repr(C)]
pub struct PlaceWords {
    /// [`Layout::ledger_offset`].
    pub ledger_offset: AtomicU64,
    /// [`Layout::ledger_entries`].
    pub ledger_entries: AtomicU64,
    /// [`Layout::arena_offset`].
    pub arena_offset: AtomicU64,
    /// [`Layout::stride_bytes`].
    pub stride_bytes: AtomicU64,
}

/// A capture's counters. In its ring they survive the capture, and cost no message.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Counters {
    /// Frames lost because readers held leases on every slot, or on too much of the arena.
    pub dropped_ring_full: AtomicU64,
    /// Frames that the camera made and did not deliver.
    pub dropped_by_camera: AtomicU64,
    /// The epoch that ended because its camera, a file, was at its end; 0 while none has.
    pub ended_epoch: AtomicU64,
    /// The moment at which the last frame was published.
    pub last_publish_ns: AtomicU64,
    /// The longest time between two publications of one epoch.
    pub interval_max_ns: AtomicU64,
    /// Intervals between publications, in sixteenths of a frame period.
    pub interval_buckets: [AtomicU64; INTERVAL_BUCKETS],
    /// Frames lost because they were larger than [`Arena::max_frame_bytes`].
    pub dropped_too_large: AtomicU64,
    /// The code of the [`LossBefore`](crate::frame::LossBefore) that the next frame will declare, while the camera is away; 0
    /// while it is there.
    pub away: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            dropped_ring_full: zero(),
            dropped_by_camera: zero(),
            ended_epoch: zero(),
            last_publish_ns: zero(),
            interval_max_ns: zero(),
            interval_buckets: core::array::from_fn(|_| zero()),
            dropped_too_large: zero(),
            away: zero(),
        }
    }
}

/// The reason why a segment is not a ring that this program can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// The segment is too small to hold a header.
    #[error("it is only {0} bytes long")]
    TooShort(usize),
    /// The segment is no ring, or a ring that was never finished.
    #[error("it does not begin with a ring's magic number")]
    NotARing,
    /// Another version of Preroll made it.
    #[error("its layout is version {found}, and this program reads version {LAYOUT_VERSION}")]
    OtherVersion {
        /// The version found.
        found: u64,
    },
    /// A field contradicts the others or the segment's size. Holds the field's name.
    #[error("its header is damaged: {0}")]
    Damaged(&'static str),
}

/// A header's content, after every claim in it has been checked against the others and the mapped size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedHeader {
    /// The ring's frames and their number.
    pub spec: RingSpec,
    /// The places of its parts.
    pub layout: Layout,
    /// See [`Header::ring_id`].
    pub ring_id: u64,
    /// See [`Header::created_ns`].
    pub created: MonotonicNs,
}

impl Header {
    /// Reads and checks the header. The layout is computed from the spec, never read from the segment, so nothing in it
    /// can point outside the segment.
    ///
    /// # Errors
    /// [`BadHeader`], when any claim is wrong.
    pub fn check(&self, mapped_bytes: usize) -> Result<CheckedHeader, BadHeader> {
        use crate::sync::Ordering::{Acquire, Relaxed};
        // A relaxed load and a fence: a viewer's memory can't be written, and Rust allows no other load there.
        let magic = self.magic.load(Relaxed);
        crate::sync::fence(Acquire);
        if magic != MAGIC {
            return Err(BadHeader::NotARing);
        }
        let found = self.layout_version.load(Relaxed);
        if found != LAYOUT_VERSION {
            return Err(BadHeader::OtherVersion { found });
        }
        let side = |field: &AtomicU64| u32::try_from(field.load(Relaxed)).unwrap_or(u32::MAX);
        let slots = |field: &AtomicU64| usize::try_from(field.load(Relaxed)).ok().filter(|n| *n <= MAX_SLOTS);
        let format = PixelFormat::from_code(self.pixel_format.load(Relaxed))
            .ok_or(BadHeader::Damaged("pixel format"))?;
        let geometry = Geometry::new(side(&self.width), side(&self.height), format)
            .map_err(|_| BadHeader::Damaged("frame size"))?;
        let fps = Fps::from_milli(self.fps_milli.load(Relaxed)).ok_or(BadHeader::Damaged("frame rate"))?;
        let size = RingSize {
            pre_roll_slots: slots(&self.pre_roll_slots).ok_or(BadHeader::Damaged("pre-roll slots"))?,
            reserve_slots: slots(&self.reserve_slots).ok_or(BadHeader::Damaged("reserve slots"))?,
            lease_slots: slots(&self.lease_slots).ok_or(BadHeader::Damaged("lease slots"))?,
        };
        let (payload, arena) = self.payload.check().ok_or(BadHeader::Damaged("payload"))?;
        let spec = RingSpec { geometry, fps, size, payload, arena };
        let layout = spec.layout().ok_or(BadHeader::Damaged("number of slots, or its arena"))?;
        let claimed = usize::try_from(self.total_bytes.load(Relaxed)).unwrap_or(usize::MAX);
        if claimed != layout.total_bytes || mapped_bytes < layout.total_bytes {
            return Err(BadHeader::Damaged("its size is not that of its slots"));
        }
        if !self.places.are(&layout) {
            return Err(BadHeader::Damaged("its parts are not where its slots leave room for them"));
        }
        Ok(CheckedHeader {
            spec,
            layout,
            ring_id: self.ring_id.load(Relaxed),
            created: MonotonicNs(self.created_ns.load(Relaxed)),
        })
    }

    /// Fills in a new ring's header, the magic number last: a header without it is no ring's.
    pub fn fill(&self, spec: &RingSpec, layout: &Layout, ring_id: u64, created: MonotonicNs) {
        use crate::sync::Ordering::{Relaxed, Release};
        self.layout_version.store(LAYOUT_VERSION, Relaxed);
        self.total_bytes.store(layout.total_bytes as u64, Relaxed);
        self.ring_id.store(ring_id, Relaxed);
        self.created_ns.store(created.0, Relaxed);
        self.width.store(u64::from(spec.geometry.width()), Relaxed);
        self.height.store(u64::from(spec.geometry.height()), Relaxed);
        self.pixel_format.store(u64::from(spec.geometry.format().code()), Relaxed);
        self.fps_milli.store(u64::from(spec.fps.milli()), Relaxed);
        self.pre_roll_slots.store(spec.size.pre_roll_slots as u64, Relaxed);
        self.reserve_slots.store(spec.size.reserve_slots as u64, Relaxed);
        self.lease_slots.store(spec.size.lease_slots as u64, Relaxed);
        self.payload.fill(spec);
        self.places.fill(layout);
        self.magic.store(MAGIC, Release);
    }
}

impl PlaceWords {
    fn each(&self, layout: &Layout) -> [(&AtomicU64, u64); 4] {
        [
            (&self.ledger_offset, layout.ledger_offset as u64),
            (&self.ledger_entries, layout.ledger_entries as u64),
            (&self.arena_offset, layout.arena_offset as u64),
            (&self.stride_bytes, layout.stride_bytes as u64),
        ]
    }

    fn fill(&self, layout: &Layout) {
        let words = self.each(layout).into_iter();
        words.for_each(|(word, place)| word.store(place, crate::sync::Ordering::Relaxed));
    }

    fn are(&self, layout: &Layout) -> bool {
        let mut words = self.each(layout).into_iter();
        words.all(|(word, place)| word.load(crate::sync::Ordering::Relaxed) == place)
    }
}

impl PayloadWords {
    fn fill(&self, spec: &RingSpec) {
        use crate::sync::Ordering::Relaxed;
        self.code.store(u64::from(spec.payload.code()), Relaxed);
        let Some(arena) = spec.arena else { return };
        self.arena_bytes.store(arena.bytes as u64, Relaxed);
        self.max_frame_bytes.store(arena.max_frame_bytes as u64, Relaxed);
        self.max_rate_bytes.store(arena.max_rate_bytes, Relaxed);
    }

    /// `None` for an unknown payload. Whether the numbers fit together is for [`RingSpec::layout`] to say.
    fn check(&self) -> Option<(Payload, Option<Arena>)> {
        use crate::sync::Ordering::Relaxed;
        let size = |field: &AtomicU64| usize::try_from(field.load(Relaxed)).unwrap_or(usize::MAX);
        let payload = Payload::from_code(self.code.load(Relaxed))?;
        let arena = Arena {
            bytes: size(&self.arena_bytes),
            max_frame_bytes: size(&self.max_frame_bytes),
            max_rate_bytes: self.max_rate_bytes.load(Relaxed),
        };
        let is_none = arena == Arena { bytes: 0, max_frame_bytes: 0, max_rate_bytes: 0 };
        Some((payload, (!is_none).then_some(arena)))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
