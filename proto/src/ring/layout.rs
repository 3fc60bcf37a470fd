//! The number of slots of a ring, the size of its arena, and the place of everything in its segment. What the words there
//! mean is in [`super::protocol`]; the first page is [`super::header`].
//!
//! ```text
//!  0        header: what the ring is, its two moving words, its counters     (one page)
//!  4096     slots, one cache line each: state word, and the frame's offset and length in the arena
//!  …        ledger, 48 bytes an entry
//!  …        arena, page-aligned: the frames
//!  …        one page of nothing, so that a vector load at the last pixel stays inside
//! ```
//!
//! There are two shapes of arena, and one protocol for both. Frames of planes all have one length, so slot `n` owns the bytes
//! from `n * stride` on for ever. Compressed frames differ in length, so each slot owns the part that its frame needs:
//! [`super::arena`]. Either way a frame begins with a header of 64 bytes, and its bytes follow.

use crate::frame::{Fps, Geometry, Payload};

use super::protocol::{LedgerEntry, Slot};

/// The version of this layout. A ring of another version is refused, not misread.
pub const LAYOUT_VERSION: u64 = 2;
/// The page size of x86_64 and most ARM systems. The arena starts at a multiple of it, and so does each frame of planes.
pub const PAGE_BYTES: usize = 4096;
/// The room for a frame's header, before its bytes: a cache line.
pub const FRAME_HEADER_BYTES: usize = 64;
/// The zeros behind a compressed frame's bytes. libav's parsers and decoders read up to so much beyond the end
/// (`AV_INPUT_BUFFER_PADDING_SIZE`).
pub const PADDING_BYTES: usize = 64;
/// The parts of compressed frames start at multiples of this: a cache line.
pub const PART_ALIGN_BYTES: usize = 64;
/// The ledger remembers at least this many frames: 68 s at 60 fps, for 200 kB.
pub const LEDGER_MIN_ENTRIES: usize = 4096;
/// The most slots of a ring. A larger number is a mistake in a config, or a segment full of noise.
pub const MAX_SLOTS: usize = 1 << 20;
/// The frames that readers may hold at once without shortening the ring: one each for the recorder, its mover and one
/// other reader. Each costs a frame of memory. A further reader takes from the reserve.
pub const LEASE_SLOTS: usize = 3;
/// The largest frames for which an arena has room besides those that readers hold: one that is being written, and the end of
/// the arena, which is left empty where the next frame doesn't fit.
const FRAMES_BESIDE_LEASES: usize = 2;

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

/// The room for frames that differ in length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize))]
pub struct Arena {
    /// All of it: a multiple of [`PAGE_BYTES`], with room for at least one of the largest frames.
    pub bytes: usize,
    /// The longest frame that the ring takes, without its header. A longer one is lost, and counted.
    pub max_frame_bytes: usize,
    /// The highest bit rate that it was sized for, in bytes a second.
    pub max_rate_bytes: u64,
}

/// A compressed stream, as far as the size of its ring follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The highest bit rate, in bytes a second.
    pub max_rate_bytes: u64,
    /// The longest frame.
    pub max_frame_bytes: usize,
    /// The longest time from one key frame to the next; 0 where each frame is one. A pre-roll begins with a key frame.
    pub gop_ms: u64,
}

impl Stream {
    /// The slots and the arena that the stream needs; `None` when they are beyond [`MAX_SLOTS`] or any address space.
    ///
    /// With `span = pre_roll_ms + late_ms + reserve_ms + gop_ms`: slots for `span * fps * 1.2`, rounded down, and two;
    /// bytes for `span * max_rate * 1.2`, and for so many of the longest frames as readers may hold, and two.
    #[must_use]
    pub fn size(
        &self,
        pre_roll_ms: u64,
        late_ms: u64,
        reserve_ms: u64,
        fps: Fps,
    ) -> Option<(RingSize, Arena)> {
        let span_ms =
            [pre_roll_ms, late_ms, reserve_ms, self.gop_ms].into_iter().map(u128::from).sum::<u128>();
        let fps_milli = u128::from(fps.milli());
        let slots = usize::try_from(span_ms * fps_milli * 12 / 10_000_000 + 2).ok()?;
        let frames_in = |ms: u64| usize::try_from((u128::from(ms) * fps_milli).div_ceil(1_000_000)).ok();
        let reserve_slots = frames_in(reserve_ms)?;
        let rest = slots.saturating_sub(reserve_slots).saturating_sub(LEASE_SLOTS);
        let pre_roll_slots = rest.max(frames_in(pre_roll_ms)?.checked_add(2)?);
        let size = RingSize { pre_roll_slots, reserve_slots, lease_slots: LEASE_SLOTS };
        let for_span = span_ms.checked_mul(u128::from(self.max_rate_bytes) * 12)?.div_ceil(10_000);
        let for_frames = part_bytes(self.max_frame_bytes)?.checked_mul(LEASE_SLOTS + FRAMES_BESIDE_LEASES)?;
        let bytes = usize::try_from(for_span).ok()?.checked_add(for_frames)?;
        let arena = Arena {
            bytes: bytes.checked_next_multiple_of(PAGE_BYTES)?,
            max_frame_bytes: self.max_frame_bytes,
            max_rate_bytes: self.max_rate_bytes,
        };
        (size.slots() <= MAX_SLOTS).then_some((size, arena))
    }
}

/// The part of an arena that a compressed frame of so many bytes takes: its header, its bytes, the zeros behind them, rounded up.
/// `None` for more than an address space has room for.
#[must_use]
pub fn part_bytes(frame_bytes: usize) -> Option<usize> {
    frame_bytes.checked_add(FRAME_HEADER_BYTES + PADDING_BYTES)?.checked_next_multiple_of(PART_ALIGN_BYTES)
}

/// A ring's frames and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSpec {
    /// The pictures' size and format. With a compressed payload the format is the one that a decoder is asked for.
    pub geometry: Geometry,
    /// The nominal rate of frames.
    pub fps: Fps,
    /// The number of slots.
    pub size: RingSize,
    /// The kind of the frames' bytes.
    pub payload: Payload,
    /// The room for compressed frames; none for planes, whose room follows from geometry and slots.
    pub arena: Option<Arena>,
}

/// The places of a segment's parts, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The first slot.
    pub slots_offset: usize,
    /// The first ledger entry.
    pub ledger_offset: usize,
    /// The number of ledger entries: a power of two, at least four times the slots.
    pub ledger_entries: usize,
    /// The first byte of the arena.
    pub arena_offset: usize,
    /// The arena's length.
    pub arena_bytes: usize,
    /// From one frame of planes to the next; 0 where frames differ in length.
    pub stride_bytes: usize,
    /// The whole segment.
    pub total_bytes: usize,
}

impl RingSpec {
    /// A ring of pixels as planes.
    #[must_use]
    pub fn planes(geometry: Geometry, fps: Fps, size: RingSize) -> Self {
        Self { geometry, fps, size, payload: Payload::Planes, arena: None }
    }

    /// A ring of compressed frames.
    #[must_use]
    pub fn compressed(geometry: Geometry, fps: Fps, size: RingSize, payload: Payload, arena: Arena) -> Self {
        Self { geometry, fps, size, payload, arena: Some(arena) }
    }

    /// The longest frame that fits: of planes, the length that each has.
    #[must_use]
    pub fn max_frame_bytes(&self) -> usize {
        self.arena.map_or_else(|| self.geometry.frame_bytes(), |arena| arena.max_frame_bytes)
    }

    /// The layout of a ring like this. `None` without slots, with more than an address space has room for, or when payload and
    /// arena don't belong together.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        let slots = Some(self.size.slots()).filter(|n| (1..=MAX_SLOTS).contains(n))?;
        let slots_offset = PAGE_BYTES;
        let ledger_offset = slots_offset + slots.checked_mul(size_of::<Slot>())?;
        let ledger_entries = LEDGER_MIN_ENTRIES.max(slots.checked_mul(4)?.next_power_of_two());
        let ledger_end = ledger_offset.checked_add(ledger_entries.checked_mul(size_of::<LedgerEntry>())?)?;
        let arena_offset = ledger_end.checked_next_multiple_of(PAGE_BYTES)?;
        let (stride_bytes, arena_bytes) = match self.arena {
            None => {
                let stride = FRAME_HEADER_BYTES + self.geometry.frame_bytes();
                let stride = stride.checked_next_multiple_of(PAGE_BYTES)?;
                (stride, slots.checked_mul(stride)?)
            }
            Some(arena) => (0, arena.is_possible().then_some(arena.bytes)?),
        };
        let total_bytes = arena_bytes.checked_add(arena_offset)?.checked_add(PAGE_BYTES)?;
        isize::try_from(total_bytes).ok()?;
        (self.payload.is_compressed() == self.arena.is_some()).then_some(Layout {
            slots_offset,
            ledger_offset,
            ledger_entries,
            arena_offset,
            arena_bytes,
            stride_bytes,
            total_bytes,
        })
    }
}

impl Arena {
    fn is_possible(&self) -> bool {
        let has_room = part_bytes(self.max_frame_bytes).is_some_and(|part| part <= self.bytes);
        has_room
            && self.bytes.is_multiple_of(PAGE_BYTES)
            && self.max_frame_bytes > 0
            && self.max_rate_bytes > 0
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
