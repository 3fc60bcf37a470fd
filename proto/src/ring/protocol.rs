//! The ring's protocol: who may touch which slot when. It holds atomics and no memory of its own, no frame's bytes and
//! no system call. How compressed frames share the arena is in [`super::arena`].
//!
//! Theory of operation. A slot's bytes are plain memory; its [`State`] word says who may touch them. The writer takes
//! the next slot round the ring that nobody leases, marks it WRITING, fills it and stores the bare sequence: from then
//! on the frame can be leased. A reader adds its own bit to the word, in one compare-and-swap that succeeds only while
//! the slot holds the frame it wants. While any bit is set the writer passes the slot by. No side waits for the other.
//! A reader that died leaves its bit behind, and [`Protocol::sweep`] clears it once its death is proven.
//!
//! Beside the slots lies the *ledger*, one entry a frame and several times longer than the ring: when each frame was
//! captured and where it was put. It outlives the pixels, so a reader that comes too late still learns exactly which
//! frames it missed.
//!
//! The synchronisation points, by name:
//! - `Publish`: the writer's Release of a slot's state pairs with a reader's Acquire in [`Protocol::lease`] and
//!   [`Protocol::state`]: a reader that sees the sequence sees the pixels. (`Head` alone would make a lease sound too;
//!   a reader that copies under no lease has only this one.)
//! - `Mark`: a reader that sees any new byte, place or length of a slot also sees that its frame is gone; for readers that copy.
//! - `Return`: a reader's Release in [`Protocol::release`], or the sweeper's in its name, pairs with the writer's
//!   Acquire in [`Protocol::claim`] and [`Protocol::claim_part`]: the reader's last look happens before the first new byte.
//! - `Head`: the Release of `head` pairs with the Acquire in [`Protocol::head`]: a process that sees the head sees the
//!   ledger entry and the state of that frame.
//! - `Entry`: within a ledger entry, the tag is its version (a sequence lock over atomics, so no data race).

use super::order::SyncPoint::{Entry, Head, Mark, Publish, Return};
use super::order::{acquire, acquire_fence, release, release_fence};
use super::place::Shape;
use super::state::{MAX_SEQUENCE, ReaderBit, State};
use super::step;
use crate::frame::FrameInfo;
use crate::sync::Ordering::{self, Relaxed};
use crate::sync::{AtomicU32, AtomicU64};
use crate::time::MonotonicNs;

/// A slot, alone on its cache line, so that readers of neighbouring slots don't slow each other down.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Slot {
    /// A [`State`].
    pub(super) word: AtomicU64,
    /// The start of the slot's part of the arena. In a ring of planes it never changes.
    pub(super) offset: AtomicU64,
    /// The frame's bytes, without its header. While the frame is being written, the bytes that it may have at most.
    pub(super) len: AtomicU64,
}

/// A ledger entry: what is remembered of a frame after its pixels are gone.
#[derive(Debug)]
#[repr(C)]
pub struct LedgerEntry {
    /// The frame's sequence; 0 while the entry is being written.
    pub(super) tag: AtomicU64,
    pub(super) slot: AtomicU64,
    t_capture_ns: AtomicU64,
    source_sequence: AtomicU64,
    /// [`FrameInfo::epoch_and_marks`].
    epoch_and_marks: AtomicU64,
    /// [`FrameInfo::decoding_word`].
    decoding: AtomicU64,
}

/// The two words that every frame moves.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Heads {
    /// The newest sequence published; 0 before the first.
    pub(super) head: AtomicU64,
    /// The futex that readers sleep on: counts publications, modulo 2^32.
    pub wake: AtomicU32,
}

/// The ring's shared words, wherever they live: a segment, or plain heap memory under a model checker.
#[derive(Clone, Copy, Debug)]
pub struct Protocol<'a> {
    /// The newest frame.
    pub heads: &'a Heads,
    /// The slots.
    pub slots: &'a [Slot],
    /// The ledger, one entry a remembered frame. Its length is a power of two and no less than the number of slots.
    pub ledger: &'a [LedgerEntry],
    /// The way in which the slots share the arena.
    pub shape: Shape,
}

/// The reason why a frame can't be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// The frame has not been published yet.
    #[error("frame not published yet")]
    NotYet,
    /// The frame has been overwritten, or voided.
    #[error("frame overwritten")]
    Overrun,
    /// The same reader already holds a lease on the frame: one bit can't count to two.
    #[error("frame already leased by this reader")]
    AlreadyLeased,
}

/// A writer's place in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterPosition {
    /// The next frame's sequence.
    pub sequence: u64,
    /// The slot to try first.
    pub cursor: usize,
}

impl Default for Slot {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self { word: zero(), offset: zero(), len: zero() }
    }
}

impl Default for LedgerEntry {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            tag: zero(),
            slot: zero(),
            t_capture_ns: zero(),
            source_sequence: zero(),
            epoch_and_marks: zero(),
            decoding: zero(),
        }
    }
}

impl LedgerEntry {
    /// The slot and the frame that the fields tell, which belong together only while the tag stays what it was.
    fn content(&self, sequence: u64) -> Option<(usize, FrameInfo)> {
        let t_capture = MonotonicNs(self.t_capture_ns.load(Relaxed));
        let source_sequence = self.source_sequence.load(Relaxed);
        let (epoch, before, flags) = FrameInfo::from_epoch_and_marks(self.epoch_and_marks.load(Relaxed));
        let decoding = self.decoding.load(Relaxed);
        let info =
            FrameInfo { sequence, source_sequence, t_capture, epoch, before, flags, ..FrameInfo::default() };
        Some((usize::try_from(self.slot.load(Relaxed)).ok()?, info.with_decoding_word(decoding)))
    }
}

impl Default for Heads {
    fn default() -> Self {
        Self { head: AtomicU64::new(0), wake: AtomicU32::new(0) }
    }
}

impl Protocol<'_> {
    /// The newest sequence published; 0 before the first.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.heads.head.load(acquire(Head)).min(MAX_SEQUENCE)
    }

    /// The state of a slot at this moment. It may have changed by the time it is returned, so nothing may be decided by
    /// it that a lease should decide.
    #[must_use]
    pub fn state(&self, slot: usize) -> State {
        State::from_word(self.slots[slot].word.load(acquire(Publish)))
    }

    /// In a ring of planes, takes a slot for the frame at `at.sequence`: the first from the cursor on that nobody leases. Moves the cursor
    /// behind it. `None` when all slots are leased; the frame is then lost, and the writer counts it. For the one
    /// writer only.
    #[must_use]
    pub fn claim(&self, at: &mut WriterPosition) -> Option<usize> {
        let count = self.slots.len();
        for _ in 0..count {
            let slot = at.cursor % count;
            at.cursor = (slot + 1) % count;
            let word = &self.slots[slot].word;
            let seen = word.load(Relaxed);
            if State::from_word(seen).is_leased() {
                continue;
            }
            let claimed = State::writing(at.sequence).word();
            // A reader that leased the slot in between makes this fail; the next slot is as good.
            if word.compare_exchange(seen, claimed, acquire(Return), Relaxed).is_ok() {
                // The pixels that follow must not become visible before the WRITING mark. Readers that copy and then look
                // at the word again rely on it. Readers with a lease don't: the mark makes their compare-and-swap fail.
                release_fence(Mark);
                step::pass();
                return Some(slot);
            }
        }
        None
    }

    /// Makes the frame in a claimed slot visible. The caller wakes the readers. For the one writer only.
    pub fn publish(&self, slot: usize, info: &FrameInfo) {
        self.note(slot, info);
        self.slots[slot].word.store(State::holding(info.sequence).word(), release(Publish));
        step::pass();
        self.advance(info.sequence);
    }

    /// In a ring of planes, gives up a claimed slot: it becomes empty, and the next frame gets it and its sequence. For the one writer only.
    ///
    /// The cursor steps back because a source that fails and tries again would otherwise empty the whole ring.
    pub fn abandon(&self, slot: usize, at: &mut WriterPosition) {
        self.slots[slot].word.store(State::EMPTY.word(), release(Publish));
        at.cursor = slot;
    }

    fn advance(&self, sequence: u64) {
        self.heads.head.store(sequence, release(Head));
        step::pass();
        self.heads.wake.fetch_add(1, Ordering::Release);
    }

    pub(super) fn note(&self, slot: usize, info: &FrameInfo) {
        let entry = self.entry(info.sequence);
        // The tag is zero while the fields change, and the sequence once they are whole.
        entry.tag.store(0, Relaxed);
        release_fence(Entry);
        step::pass();
        entry.slot.store(slot as u64, Relaxed);
        step::pass();
        entry.t_capture_ns.store(info.t_capture.0, Relaxed);
        step::pass();
        entry.source_sequence.store(info.source_sequence, Relaxed);
        step::pass();
        entry.epoch_and_marks.store(info.epoch_and_marks(), Relaxed);
        step::pass();
        entry.decoding.store(info.decoding_word(), Relaxed);
        step::pass();
        entry.tag.store(info.sequence, release(Entry));
        step::pass();
    }

    pub(super) fn entry(&self, sequence: u64) -> &LedgerEntry {
        // The ledger's length is a power of two, checked when it was laid out: the mask keeps the index inside.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "masked to the ledger's length, which is a usize"
        )]
        let index = (sequence & (self.ledger.len() as u64 - 1)) as usize;
        &self.ledger[index]
    }

    pub(super) fn recall(&self, sequence: u64) -> Option<(usize, FrameInfo)> {
        if sequence == 0 {
            return None;
        }
        let entry = self.entry(sequence);
        if entry.tag.load(acquire(Entry)) != sequence {
            return None;
        }
        let found = entry.content(sequence);
        acquire_fence(Entry);
        if entry.tag.load(Relaxed) != sequence {
            return None;
        }
        found.filter(|(slot, _)| *slot < self.slots.len())
    }

    /// A published frame as the ledger remembers it, whether its pixels are still there or not. `None` before the
    /// frame is published, and once its ledger entry is overwritten.
    #[must_use]
    pub fn frame_info(&self, sequence: u64) -> Option<FrameInfo> {
        if sequence > self.head() { None } else { self.recall(sequence).map(|(_, info)| info) }
    }

    /// The first published frame captured at `at` or later, as far back as the ledger remembers. Capture times
    /// never go back within a ring.
    #[must_use]
    pub fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        let head = self.head();
        let is_late_enough = |sequence| self.frame_info(sequence).filter(|m| m.t_capture >= at);
        let (mut low, mut high) = (head.saturating_sub(self.ledger.len() as u64 - 1).max(1), head + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            // An entry that was overwritten meanwhile is missing here. It was older than any that is left, so the search
            // goes on above it.
            if is_late_enough(middle).is_some() { high = middle } else { low = middle + 1 }
        }
        // The entry found may be overwritten by now; the next one is then the first that is remembered. Search only up to
        // the head read above: no binary search has looked at the times of newer frames.
        (low..=head).find_map(is_late_enough)
    }

    /// Takes a lease on a frame and returns its slot. Until [`Protocol::release`], the slot holds this frame's bytes and
    /// nobody writes them.
    ///
    /// # Errors
    /// [`Miss`]: not published yet, overwritten, or already leased by this reader.
    pub fn lease(&self, sequence: u64, reader: ReaderBit) -> Result<usize, Miss> {
        if sequence > self.head() {
            return Err(Miss::NotYet);
        }
        let (slot, _) = self.recall(sequence).ok_or(Miss::Overrun)?;
        let word = &self.slots[slot].word;
        let mut seen = word.load(Relaxed);
        loop {
            let state = State::from_word(seen);
            if state.sequence() != sequence || state.is_writing() {
                return Err(Miss::Overrun);
            }
            if state.is_leased_by(reader) {
                return Err(Miss::AlreadyLeased);
            }
            let leased = state.leased_by(reader).word();
            // The exchange fails only because another reader came or went, or the writer took the slot. Each means
            // progress for somebody, so this loop is lock-free.
            match word.compare_exchange_weak(seen, leased, acquire(Publish), Relaxed) {
                Ok(_) => return Ok(slot),
                Err(now) => seen = now,
            }
        }
    }

    /// Gives a lease back.
    pub fn release(&self, slot: usize, reader: ReaderBit) {
        self.slots[slot].word.fetch_and(!reader.mask(), release(Return));
    }

    /// Clears every lease of a reader that is known to be dead. Returns how many there were. Safe to repeat.
    pub fn sweep(&self, dead: ReaderBit) -> usize {
        let held = |slot: &&Slot| {
            // The Release here stands for the one that the dead reader never made: its last look happens before its death,
            // and the proof of its death (it was reaped, its lock is free) happens before this.
            State::from_word(slot.word.fetch_and(!dead.mask(), release(Return))).is_leased_by(dead)
        };
        self.slots.iter().filter(held).count()
    }

    /// The frames that readers hold which are none of Preroll's own, each with its reader. They change while this looks.
    #[must_use]
    pub fn held_by_others(&self) -> Vec<(ReaderBit, u64)> {
        let bits = || (0..ReaderBit::COUNT).filter_map(ReaderBit::new).filter(|bit| bit.is_foreign());
        let states = (0..self.slots.len()).map(|slot| self.state(slot)).filter(|state| state.is_leased());
        states
            .flat_map(|state| {
                bits().filter(move |bit| state.is_leased_by(*bit)).map(move |bit| (bit, state.sequence()))
            })
            .collect()
    }

    /// Clears a dead reader's leases on these frames, and no later lease of its bit. Returns how many there were.
    pub fn sweep_frames(&self, dead: ReaderBit, frames: &[u64]) -> usize {
        let clear = |slot: &&Slot| {
            // As in `sweep`: the Release stands for the one that the dead reader never made.
            let clear = |word| {
                let state = State::from_word(word);
                let is_it = frames.contains(&state.sequence()) && state.is_leased_by(dead);
                is_it.then_some(word & !dead.mask())
            };
            slot.word.fetch_update(release(Return), Relaxed, clear).is_ok()
        };
        self.slots.iter().filter(clear).count()
    }

    /// Prepares the ring for a new writer after the last one ended, however it ended. A frame that was whole but not yet
    /// published is published; a slot that was being written becomes empty. The caller wakes the readers.
    pub fn take_over(&self) -> WriterPosition {
        let next = self.head() + 1;
        for slot in self.slots {
            let seen = State::from_word(slot.word.load(acquire(Publish)));
            if seen.is_writing() {
                // Readers never change a WRITING word, so a plain store can't undo anything of theirs.
                slot.word.store(State::EMPTY.word(), release(Publish));
            }
        }
        let whole = |(slot, _): (usize, FrameInfo)| self.state(slot).sequence() == next;
        if self.recall(next).is_some_and(whole) {
            self.heads.head.store(next, release(Head));
        }
        // The last writer may have ended between moving the head and waking the readers that sleep on it.
        self.heads.wake.fetch_add(1, Ordering::Release);
        let sequence = self.head() + 1;
        let newest = self.recall(sequence - 1).map(|(slot, _)| slot);
        WriterPosition { sequence, cursor: newest.map_or(0, |slot| (slot + 1) % self.slots.len()) }
    }
}

mod looking;

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
