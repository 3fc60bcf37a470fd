//! The place of a frame in the arena, by its slot: known beforehand in a ring of planes, read from the slot in a ring of compressed
//! frames. Who gives slots their places is in [`super::arena`].

use super::layout::{Layout, PART_ALIGN_BYTES, RingSpec, part_bytes};
use super::order::SyncPoint::{Mark, Publish};
use super::order::{acquire, acquire_fence};
use super::protocol::{Protocol, Slot};
use super::state::State;
use crate::sync::Ordering::Relaxed;

/// The way in which the slots of a ring share its arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each slot has the same bytes for ever, for frames of one length.
    Fixed {
        /// From one slot's bytes to the next one's.
        stride_bytes: usize,
        /// The bytes of each frame, without its header.
        frame_bytes: usize,
    },
    /// Each slot has the part that its frame needs.
    Parts {
        /// The arena's length.
        arena_bytes: usize,
        /// The longest frame, without its header.
        max_frame_bytes: usize,
    },
}

/// The place of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The frame's header, in bytes from the arena's start. The frame's bytes follow it.
    pub offset: usize,
    /// The number of the frame's bytes, without its header.
    pub len: usize,
}

impl Place {
    /// The end of the part that a compressed frame takes here, from the arena's start. `None` when it is beyond any address space.
    #[must_use]
    pub fn end(&self) -> Option<usize> {
        self.offset.checked_add(part_bytes(self.len)?)
    }
}

impl Shape {
    /// The shape of a ring.
    #[must_use]
    pub fn of(spec: &RingSpec, layout: &Layout) -> Self {
        match spec.arena {
            None => {
                Self::Fixed { stride_bytes: layout.stride_bytes, frame_bytes: spec.geometry.frame_bytes() }
            }
            Some(arena) => {
                Self::Parts { arena_bytes: layout.arena_bytes, max_frame_bytes: arena.max_frame_bytes }
            }
        }
    }

    /// The place of a slot's frame, where it is known beforehand.
    fn fixed(&self, slot: usize) -> Option<Place> {
        match *self {
            Self::Fixed { stride_bytes, frame_bytes } => {
                Some(Place { offset: slot * stride_bytes, len: frame_bytes })
            }
            Self::Parts { .. } => None,
        }
    }

    /// Can a frame lie here?
    fn has(&self, slot: usize, place: &Place) -> bool {
        match *self {
            Self::Fixed { .. } => self.fixed(slot) == Some(*place),
            Self::Parts { arena_bytes, max_frame_bytes } => {
                let is_inside = place.end().is_some_and(|end| end <= arena_bytes);
                is_inside && place.offset.is_multiple_of(PART_ALIGN_BYTES) && place.len <= max_frame_bytes
            }
        }
    }
}

impl Slot {
    /// The place that the slot's words tell, right or wrong.
    fn told(&self) -> Option<Place> {
        let offset = usize::try_from(self.offset.load(Relaxed)).ok()?;
        Some(Place { offset, len: usize::try_from(self.len.load(Relaxed)).ok()? })
    }
}

impl Protocol<'_> {
    /// The place of the frame in a slot that the caller leases, so that nobody changes it. `None` when no frame can lie there:
    /// another program has written over the slot.
    #[must_use]
    pub fn place(&self, slot: usize) -> Option<Place> {
        let told = || self.slots[slot].told().filter(|told| self.shape.has(slot, told));
        self.shape.fixed(slot).or_else(told)
    }

    /// A slot's state and the place of its frame, which belong together, for whoever holds no lease. `None` while the slot has no
    /// whole frame, or when it changed meanwhile. The place is `None` when no frame can lie there.
    #[must_use]
    pub fn settled(&self, slot: usize) -> Option<(State, Option<Place>)> {
        let words = &self.slots[slot];
        let before = State::from_word(words.word.load(acquire(Publish)));
        if before.is_writing() || before.sequence() == 0 {
            return None;
        }
        let place = words.told().filter(|told| self.shape.has(slot, told));
        acquire_fence(Mark);
        let after = State::from_word(words.word.load(Relaxed));
        (before.bare() == after.bare()).then_some((before, place))
    }

    /// Does a slot of a ring of planes tell the place that it has for ever?
    pub(super) fn tells_its_place(&self, slot: usize) -> bool {
        self.slots[slot].told().is_some_and(|told| self.shape.has(slot, &told))
    }

    /// Writes the places of a new ring of planes into its slots, for programs that read the segment themselves. Slots of compressed
    /// frames have none yet.
    pub fn lay_out(&self) {
        for (number, slot) in self.slots.iter().enumerate() {
            if let Some(place) = self.shape.fixed(number) {
                slot.offset.store(place.offset as u64, Relaxed);
                slot.len.store(place.len as u64, Relaxed);
            }
        }
    }
}
