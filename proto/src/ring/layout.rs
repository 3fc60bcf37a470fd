//! The number of slots of a ring, and the place of everything in its segment. What the words there mean is in
//! [`super::protocol`].
//!
//! ```text
//!  0        header: what the ring is, its two moving words, its counters     (one page)
//!  4096     slot states, one cache line each
//!  …        ledger, 40 bytes an entry
//!  …        slots, page-aligned: a 64-byte frame header, then the pixels
//!  …        one page of nothing, so that a vector load at the last pixel stays inside
//! ```

use crate::frame::{Fps, Geometry, PixelFormat};
use crate::sync::AtomicU64;
use crate::time::MonotonicNs;

use super::protocol::{Heads, LedgerEntry, SlotState};

/// The first word of every ring: "PREROLL" and a zero.
pub const MAGIC: u64 = u64::from_be_bytes(*b"PREROLL\0");
/// The version of this layout. A ring of another version is refused, not misread.
pub const LAYOUT_VERSION: u64 = 1;
/// The page size of x86_64 and most ARM systems. Slots start at multiples of it.
pub const PAGE_BYTES: usize = 4096;
/// The room for a slot's header, before its pixels: a cache line.
pub const SLOT_HEADER_BYTES: usize = 64;
/// The ledger remembers at least this many frames: 68 s at 60 fps, for 160 kB.
pub const LEDGER_MIN_ENTRIES: usize = 4096;
/// The most slots of a ring. A larger number is a mistake in a config, or a segment full of noise.
pub const MAX_SLOTS: usize = 1 << 20;
/// The frames that readers may hold at once without shortening the ring: one each for the recorder, its mover and one
/// other reader. Each costs a frame of memory. A further reader takes from the reserve.
pub const LEASE_SLOTS: usize = 3;
/// The number of buckets in which intervals between publications are counted. Each is a sixteenth of a frame period
/// wide; the last one takes everything from 63/16 periods on.
pub const INTERVAL_BUCKETS: usize = 64;

/// A ring's slots, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize))]
pub struct RingSize {
    /// Slots for the pre-roll, with a fifth on top, and for the time that triggers may come late by.
    pub pre_roll_slots: usize,
    /// Slots for the time that the encoder may be late or away.
    pub reserve_slots: usize,
    /// Slots for frames that readers hold.
    pub lease_slots: usize,
}

impl RingSize {
    /// The slots that a camera needs; `None` when they are more than [`MAX_SLOTS`].
    ///
    /// The pre-roll takes `pre_roll_ms * fps / 1000 * 1.2`, rounded down: the formula of the recorder that Preroll began
    /// from, in integers. It takes at least the frames of the pre-roll plus two. Lateness takes `late_ms * fps / 1000` and the
    /// reserve `reserve_ms * fps / 1000`, both rounded up.
    #[must_use]
    pub fn for_camera(pre_roll_ms: u64, late_ms: u64, reserve_ms: u64, fps: Fps) -> Option<Self> {
        let slots = |n: u128| usize::try_from(n).ok().filter(|n| *n <= MAX_SLOTS);
        let frames_e6 = u128::from(pre_roll_ms) * u128::from(fps.milli());
        let with_margin = frames_e6 * 12 / 10_000_000;
        let at_least = frames_e6.div_ceil(1_000_000) + 2;
        let frames_in = |ms: u64| (u128::from(ms) * u128::from(fps.milli())).div_ceil(1_000_000);
        let size = Self {
            pre_roll_slots: slots(with_margin.max(at_least) + frames_in(late_ms))?,
            reserve_slots: slots(frames_in(reserve_ms))?,
            lease_slots: LEASE_SLOTS,
        };
        (size.slots() <= MAX_SLOTS).then_some(size)
    }

    /// The sum of all slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.pre_roll_slots.saturating_add(self.reserve_slots).saturating_add(self.lease_slots)
    }
}

/// A ring's frames and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSpec {
    /// The frames' size and format.
    pub geometry: Geometry,
    /// The nominal rate of frames.
    pub fps: Fps,
    /// The number of slots.
    pub size: RingSize,
}

/// The places of a segment's parts, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The first slot state.
    pub states_offset: usize,
    /// The first ledger entry.
    pub ledger_offset: usize,
    /// The number of ledger entries: a power of two, at least four times the slots.
    pub ledger_entries: usize,
    /// The first slot.
    pub slots_offset: usize,
    /// From one slot to the next.
    pub slot_stride_bytes: usize,
    /// The whole segment.
    pub total_bytes: usize,
}

impl RingSpec {
    /// The layout of a ring like this. `None` without slots, or with more than an address space has room for.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        let slots = Some(self.size.slots()).filter(|n| (1..=MAX_SLOTS).contains(n))?;
        let states_offset = PAGE_BYTES;
        let ledger_offset = states_offset + slots.checked_mul(size_of::<SlotState>())?;
        let ledger_entries = LEDGER_MIN_ENTRIES.max(slots.checked_mul(4)?.next_power_of_two());
        let ledger_end = ledger_offset.checked_add(ledger_entries.checked_mul(size_of::<LedgerEntry>())?)?;
        let slots_offset = ledger_end.checked_next_multiple_of(PAGE_BYTES)?;
        let slot_stride_bytes =
            (SLOT_HEADER_BYTES + self.geometry.frame_bytes()).next_multiple_of(PAGE_BYTES);
        let total_bytes =
            slots.checked_mul(slot_stride_bytes)?.checked_add(slots_offset)?.checked_add(PAGE_BYTES)?;
        isize::try_from(total_bytes).ok()?;
        Some(Layout {
            states_offset,
            ledger_offset,
            ledger_entries,
            slots_offset,
            slot_stride_bytes,
            total_bytes,
        })
    }
}

/// The first page of a segment. Its fields are set once, before `magic`; only epoch, variable rate, picture tags, heads and
/// counters change later.
///
/// Every field is an atomic: another process may write what it likes into shared memory, and reading it must stay
/// defined. It has seventeen fields because it is one page of one format, read and checked as a whole.
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
}

/// A capture's counters. In its ring they survive the capture, and cost no message.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Counters {
    /// Frames lost because every slot was leased.
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
        if self.magic.load(Acquire) != MAGIC {
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
        let spec = RingSpec { geometry, fps, size };
        let layout = spec.layout().ok_or(BadHeader::Damaged("number of slots"))?;
        let claimed = usize::try_from(self.total_bytes.load(Relaxed)).unwrap_or(usize::MAX);
        if claimed != layout.total_bytes || mapped_bytes < layout.total_bytes {
            return Err(BadHeader::Damaged("its size is not that of its slots"));
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
        self.magic.store(MAGIC, Release);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::sync::Ordering::Relaxed;

    fn spec(pre_roll_ms: u64, reserve_ms: u64, fps: f64) -> RingSpec {
        let fps = Fps::new(fps).unwrap();
        RingSpec {
            geometry: Geometry::new(1280, 720, PixelFormat::I420).unwrap(),
            fps,
            size: RingSize::for_camera(pre_roll_ms, 0, reserve_ms, fps).unwrap(),
        }
    }

    #[test]
    fn the_pre_roll_formula_is_that_of_the_recorder_preroll_began_from() {
        assert_eq!(spec(500, 0, 60.0).size.pre_roll_slots, 36);
        assert_eq!(spec(500, 0, 120.0).size.pre_roll_slots, 72);
    }

    #[test]
    fn a_short_pre_roll_still_gets_its_frames_and_two() {
        assert_eq!(spec(100, 0, 10.0).size.pre_roll_slots, 3);
        assert_eq!(spec(0, 0, 60.0).size.pre_roll_slots, 2);
    }

    #[test]
    fn lateness_comes_on_top_of_the_pre_roll_and_its_margin() {
        let late = |ms| RingSize::for_camera(500, ms, 0, Fps::new(60.0).unwrap()).unwrap().pre_roll_slots;
        assert_eq!([late(0), late(1), late(1000)], [36, 37, 96]);
    }

    #[test]
    fn the_reserve_is_rounded_up() {
        assert_eq!(spec(500, 250, 60.0).size.reserve_slots, 15);
        assert_eq!(spec(500, 251, 60.0).size.reserve_slots, 16);
    }

    #[test]
    fn an_absurd_ring_is_no_ring() {
        let fps = Fps::new(10_000.0).unwrap();
        assert_eq!(RingSize::for_camera(u64::MAX, 0, 0, fps), None);
        assert_eq!(RingSize::for_camera(1_000_000_000, 0, 0, fps), None);
        assert_eq!(RingSize::for_camera(0, u64::MAX, 0, fps), None);
    }

    #[test]
    fn a_ring_without_slots_or_with_absurdly_many_has_no_layout() {
        let with = |pre_roll_slots| {
            let size = RingSize { pre_roll_slots, reserve_slots: 0, lease_slots: 0 };
            RingSpec { size, ..spec(500, 0, 60.0) }.layout()
        };
        assert!(with(1).is_some());
        assert_eq!([with(0), with(MAX_SLOTS + 1), with(usize::MAX / 2)], [None; 3]);
        let size = RingSize { pre_roll_slots: usize::MAX, reserve_slots: 1, lease_slots: 1 };
        assert_eq!(RingSpec { size, ..spec(500, 0, 60.0) }.layout(), None);
    }

    #[test]
    fn the_header_fits_its_page() {
        assert!(size_of::<Header>() <= PAGE_BYTES);
    }

    #[test]
    fn every_damaged_field_is_noticed() {
        let spec = spec(500, 250, 60.0);
        let layout = spec.layout().unwrap();
        let fresh = || {
            let header = Header::default();
            header.fill(&spec, &layout, 7, MonotonicNs(1));
            header
        };
        assert_eq!(fresh().check(layout.total_bytes).unwrap().spec, spec);
        assert!(fresh().check(layout.total_bytes - 1).is_err());
        let fields: [fn(&Header) -> &AtomicU64; 10] = [
            |h| &h.magic,
            |h| &h.layout_version,
            |h| &h.total_bytes,
            |h| &h.width,
            |h| &h.height,
            |h| &h.pixel_format,
            |h| &h.fps_milli,
            |h| &h.pre_roll_slots,
            |h| &h.reserve_slots,
            |h| &h.lease_slots,
        ];
        for (i, field) in fields.into_iter().enumerate() {
            for value in [0, u64::MAX, 1 << 31] {
                let header = fresh();
                field(&header).store(value, Relaxed);
                assert!(header.check(layout.total_bytes).is_err(), "field {i} as {value}");
            }
        }
    }
}
