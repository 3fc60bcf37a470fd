//! The writer's allocator in a ring of compressed frames: which slot owns which part of the arena. Readers know nothing of it.
//!
//! Theory of operation. A slot whose word holds a frame owns the part that its `offset` and `len` tell, alone; a slot whose word
//! is 0 owns nothing. The writer puts each frame behind the one before, and voids the frames that it comes to, with one
//! compare-and-swap each. A frame that somebody leases is passed by: the new one goes behind it, and what is left between is free.
//! Where a frame doesn't fit before the arena's end, it goes to the start. So the writer waits for nobody, and each frame takes it
//! at most `2 * (slots + 2)` places that it looks at. A lease costs at most one of the longest frames for each lap that it lasts.
//!
//! The writer's map of all this ([`Parts`]) is its own memory. A new writer makes another from the slots
//! ([`Protocol::find_parts`]), so a writer may die at any step: between voiding and publishing it has lost only frames that
//! were the oldest, and a part that was being filled belongs to nobody.

use super::layout::part_bytes;
use super::order::SyncPoint::{Mark, Publish, Return};
use super::order::{acquire, release, release_fence};
use super::place::{Place, Shape};
use super::protocol::Protocol;
use super::state::State;
use super::step;
use crate::frame::FrameInfo;
use crate::sync::Ordering::Relaxed;

/// The parts of the arena that slots own, as their one writer knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The end of the newest frame: the next one goes here if it can.
    cursor: usize,
    /// Parts that hold a frame, by their place. Room for one a slot is reserved, so nothing is allocated later.
    live: Vec<Part>,
    /// Slots that own nothing.
    free: Vec<usize>,
}

/// A part that a slot owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    offset: usize,
    end: usize,
    slot: usize,
    sequence: u64,
}

/// A slot and a part of the arena, for a frame that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a claim is published or abandoned"]
pub struct Claim {
    /// The slot.
    pub slot: usize,
    /// The part, and the bytes that the frame may have at most.
    pub place: Place,
}

impl Parts {
    /// The parts that `at..end` touches, as a range of `live`.
    fn over(&self, at: usize, end: usize) -> core::ops::Range<usize> {
        let first = self.live.partition_point(|part| part.end <= at);
        first..first + self.live[first..].partition_point(|part| part.offset < end)
    }

    /// Forgets these parts, whose slots are void.
    fn forget(&mut self, voided: core::ops::Range<usize>) {
        self.free.extend(self.live.drain(voided).map(|part| part.slot));
    }
}

impl Protocol<'_> {
    /// Takes a slot and a part of the arena for frame `sequence`, of at most `bytes`. `None` when readers hold too much of the
    /// arena, or all slots; the frame is then lost, and the writer counts it. For the one writer only.
    #[must_use]
    pub fn claim_part(&self, parts: &mut Parts, sequence: u64, bytes: usize) -> Option<Claim> {
        let offset = self.make_room(parts, part_bytes(bytes)?)?;
        step::pass();
        let slot = self.take_slot(parts)?;
        let words = &self.slots[slot];
        // All that was voided above must be seen as void by whoever sees a new word or byte from here on: a reader that copies
        // looks at the state again behind them.
        release_fence(Mark);
        step::pass();
        words.offset.store(offset as u64, Relaxed);
        step::pass();
        words.len.store(bytes as u64, Relaxed);
        step::pass();
        // Readers never change a word without a frame, so a plain store can't undo anything of theirs.
        words.word.store(State::writing(sequence).word(), Relaxed);
        step::pass();
        Some(Claim { slot, place: Place { offset, len: bytes } })
    }

    /// Makes the frame in a claimed part visible, which has so many bytes; what it doesn't need of its part is free again. The caller
    /// has written the bytes and the zeros behind them, and wakes the readers. For the one writer only.
    pub fn publish_part(&self, parts: &mut Parts, claim: Claim, bytes: usize, info: &FrameInfo) {
        debug_assert!(bytes <= claim.place.len, "more than was claimed");
        let Place { offset, .. } = claim.place;
        self.slots[claim.slot].len.store(bytes as u64, Relaxed);
        step::pass();
        self.publish(claim.slot, info);
        // The part is no longer than the claimed one, which was found to end within the arena.
        let end = offset + part_bytes(bytes.min(claim.place.len)).unwrap_or(0);
        let at = parts.live.partition_point(|part| part.offset < offset);
        parts.live.insert(at, Part { offset, end, slot: claim.slot, sequence: info.sequence });
        parts.cursor = end;
    }

    /// Gives up a claim: its slot and its part are free, and the next frame gets them and the sequence. For the one writer only.
    pub fn abandon_part(&self, parts: &mut Parts, claim: Claim) {
        self.slots[claim.slot].word.store(State::EMPTY.word(), release(Publish));
        parts.free.push(claim.slot);
    }

    /// The first place from the cursor on in which nobody leases anything. Whatever was there is void afterwards.
    fn make_room(&self, parts: &mut Parts, need: usize) -> Option<usize> {
        let Shape::Parts { arena_bytes, .. } = self.shape else { return None };
        if need > arena_bytes {
            return None;
        }
        let mut at = parts.cursor;
        for _ in 0..2 * (self.slots.len() + 2) {
            if at + need > arena_bytes {
                at = 0;
            }
            let over = parts.over(at, at + need);
            // Looked at before anything is given up, so that a lease at the end costs no frame before it.
            let leased =
                |part: &&Part| State::from_word(self.slots[part.slot].word.load(Relaxed)).is_leased();
            if let Some(part) = parts.live[over.clone()].iter().rev().find(leased) {
                at = part.end;
                continue;
            }
            let in_the_way = over.clone().find(|part| !self.void(parts.live[*part].slot));
            let passed = in_the_way.map(|part| parts.live[part].end);
            parts.forget(over.start..in_the_way.unwrap_or(over.end));
            match passed {
                // A reader leased that frame just now.
                Some(end) => at = end,
                None => return Some(at),
            }
        }
        None
    }

    /// A slot that owns nothing, else that of the oldest frame that nobody leases, voided.
    fn take_slot(&self, parts: &mut Parts) -> Option<usize> {
        if let Some(slot) = parts.free.pop() {
            return Some(slot);
        }
        for _ in 0..=self.slots.len() {
            let mut oldest: Option<(usize, Part)> = None;
            for (number, part) in parts.live.iter().enumerate() {
                let is_older = oldest.is_none_or(|(_, oldest)| part.sequence < oldest.sequence);
                if is_older && !State::from_word(self.slots[part.slot].word.load(Relaxed)).is_leased() {
                    oldest = Some((number, *part));
                }
            }
            let (number, part) = oldest?;
            // Unless it was leased just now.
            if self.void(part.slot) {
                parts.live.remove(number);
                return Some(part.slot);
            }
        }
        None
    }

    /// Voids a frame, unless somebody leases it: from here on nobody can.
    fn void(&self, slot: usize) -> bool {
        let word = &self.slots[slot].word;
        let seen = word.load(Relaxed);
        let is_free = !State::from_word(seen).is_leased();
        is_free && word.compare_exchange(seen, State::EMPTY.word(), acquire(Return), Relaxed).is_ok()
    }

    /// The parts that the slots own, for a writer that has taken over ([`Protocol::take_over`]).
    ///
    /// # Errors
    /// The contradiction: another program has written over the ring.
    pub fn find_parts(&self) -> Result<Parts, &'static str> {
        let count = self.slots.len();
        let mut parts = Parts { cursor: 0, live: Vec::with_capacity(count), free: Vec::with_capacity(count) };
        let (mut newest, head) = (0, self.head());
        for (slot, words) in self.slots.iter().enumerate() {
            let state = State::from_word(words.word.load(acquire(Publish)));
            if state == State::EMPTY {
                parts.free.push(slot);
                continue;
            }
            if !state.is_possible() || state.is_writing() || !(1..=head).contains(&state.sequence()) {
                return Err("a slot's state is impossible");
            }
            let place = self.place(slot).ok_or("a frame lies outside the arena")?;
            let end = place.end().ok_or("a frame lies outside the arena")?;
            let sequence = state.sequence();
            parts.live.push(Part { offset: place.offset, end, slot, sequence });
            if sequence > newest {
                (newest, parts.cursor) = (sequence, end);
            }
        }
        parts.live.sort_unstable_by_key(|part| part.offset);
        if parts.live.is_sorted_by(|a, b| a.end <= b.offset) { Ok(parts) } else { Err(OVERLAP) }
    }
}

/// The contradiction of two frames in one place.
pub(super) const OVERLAP: &str = "two frames lie in one place";

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
