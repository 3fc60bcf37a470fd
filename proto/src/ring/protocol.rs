//! Who may touch which slot when.
//!
//! Theory of operation. A slot's bytes are plain memory; its [`State`] word says who may touch them. The writer
//! takes the oldest slot that nobody leases, marks it WRITING, fills it and stores the bare sequence: from then
//! on the frame can be leased. A reader adds its own bit to the word, in one compare-and-swap that succeeds only
//! while the slot holds the frame it wants; while any bit is set the writer passes the slot by. Nobody waits for
//! anybody. A reader that died leaves its bit behind, and [`Protocol::sweep`] clears it once its death is proven.
//!
//! Beside the slots lies the *ledger*, one entry a frame, much longer than the ring: when each frame was captured
//! and where it was put. It outlives the pixels, so a reader that comes too late still learns exactly which
//! frames it missed.
//!
//! The synchronisation points, by name:
//! - `publish`: the writer's Release of a slot's state pairs with a reader's Acquire in [`Protocol::lease`]: who
//!   sees the sequence sees the pixels;
//! - `return`: a reader's Release in [`Protocol::release`] pairs with the writer's Acquire in
//!   [`Protocol::claim`]: the reader's last look happens before the first new byte;
//! - `head`: the Release of `head` pairs with the Acquire in [`Protocol::head`]: who sees the head sees the
//!   ledger entry and the state of that frame;
//! - `entry`: within a ledger entry, the tag is its version (a sequence lock over atomics, so no data race).

use super::state::{MAX_SEQUENCE, ReaderBit, State};
use crate::frame::{Before, Moment};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};
use crate::time::MonotonicNs;

/// A slot's state, alone on its cache line: two readers of neighbouring slots don't disturb each other.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct SlotState {
    word: AtomicU64,
}

/// What is remembered of a frame after its pixels are gone.
#[derive(Debug)]
#[repr(C)]
pub struct LedgerEntry {
    /// The frame's sequence; 0 while the entry is being written.
    tag: AtomicU64,
    slot: AtomicU64,
    t_capture_ns: AtomicU64,
    source_sequence: AtomicU64,
    /// Epoch in the low 32 bits, [`Before`] in the 8 above.
    epoch_and_before: AtomicU64,
}

/// The two words that every frame moves.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Heads {
    /// The newest sequence published; 0 before the first.
    head: AtomicU64,
    /// Counts publications, modulo 2^32: what readers sleep on.
    pub wake: AtomicU32,
}

/// The ring's shared words, wherever they live: a segment, or plain heap memory under a model checker.
#[derive(Clone, Copy, Debug)]
pub struct Protocol<'a> {
    /// The newest frame.
    pub heads: &'a Heads,
    /// One a slot.
    pub states: &'a [SlotState],
    /// One a remembered frame; its length is a power of two and no less than the number of slots.
    pub ledger: &'a [LedgerEntry],
}

/// Why a frame can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// It has not been published yet.
    #[error("frame not published yet")]
    NotYet,
    /// It has been overwritten (or voided).
    #[error("frame overwritten")]
    Overrun,
    /// This reader already holds a lease on it: one bit can't count to two.
    #[error("frame already leased by this reader")]
    AlreadyLeased,
}

/// Where a writer goes on: the next sequence, and the slot to try first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterPosition {
    /// The sequence of the next frame.
    pub sequence: u64,
    /// The slot that is tried first.
    pub cursor: usize,
}

impl Default for SlotState {
    fn default() -> Self {
        Self { word: AtomicU64::new(0) }
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
            epoch_and_before: zero(),
        }
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
        // SYNC POINT: head
        self.heads.head.load(Ordering::Acquire).min(MAX_SEQUENCE)
    }

    /// The state of a slot at this moment. For looking, not for deciding.
    #[must_use]
    pub fn state(&self, slot: usize) -> State {
        State::from_word(self.states[slot].word.load(Ordering::Acquire))
    }

    /// Takes a slot for the frame at `at.sequence`: the first from the cursor on that nobody leases. `None` when
    /// all of them are leased; the frame is then lost, and the writer counts it. Moves the cursor behind the slot
    /// it took. For the one writer only.
    #[must_use]
    pub fn claim(&self, at: &mut WriterPosition) -> Option<usize> {
        let count = self.states.len();
        for _ in 0..count {
            let slot = at.cursor % count;
            at.cursor = (slot + 1) % count;
            let word = &self.states[slot].word;
            let seen = word.load(Ordering::Relaxed);
            if State::from_word(seen).is_leased() {
                continue;
            }
            let claimed = State::writing(at.sequence).word();
            // SYNC POINT: return. A reader that leased or returned the slot in between makes this fail once; the
            // next slot is as good.
            if word.compare_exchange(seen, claimed, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                // The pixels that follow must not become visible before the WRITING mark. Readers with a lease
                // don't need this (the mark made their compare-and-swap fail); readers that copy and then look
                // at the word again do.
                fence(Ordering::Release);
                return Some(slot);
            }
        }
        None
    }

    /// Makes the frame in a claimed slot visible. The caller wakes the readers. For the one writer only.
    pub fn publish(&self, slot: usize, moment: &Moment) {
        self.note(slot, moment);
        // SYNC POINT: publish
        self.states[slot].word.store(State::holding(moment.sequence).word(), Ordering::Release);
        self.advance(moment.sequence);
    }

    /// Gives up on a claimed slot: it becomes empty, and its sequence is free for the next frame.
    pub fn abandon(&self, slot: usize) {
        self.states[slot].word.store(State::EMPTY.word(), Ordering::Release);
    }

    fn advance(&self, sequence: u64) {
        // SYNC POINT: head
        self.heads.head.store(sequence, Ordering::Release);
        self.heads.wake.fetch_add(1, Ordering::Release);
    }

    fn note(&self, slot: usize, moment: &Moment) {
        let entry = self.entry(moment.sequence);
        // SYNC POINT: entry. Tag to zero first, fields in between, tag to the sequence last.
        entry.tag.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        entry.slot.store(slot as u64, Ordering::Relaxed);
        entry.t_capture_ns.store(moment.t_capture.0, Ordering::Relaxed);
        entry.source_sequence.store(moment.source_sequence, Ordering::Relaxed);
        let packed = u64::from(moment.epoch) | u64::from(moment.before.code()) << 32;
        entry.epoch_and_before.store(packed, Ordering::Relaxed);
        entry.tag.store(moment.sequence, Ordering::Release);
    }

    fn entry(&self, sequence: u64) -> &LedgerEntry {
        // The ledger's length is a power of two, checked when it was laid out: the mask keeps the index inside.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "masked to the ledger's length, which is a usize"
        )]
        let index = (sequence & (self.ledger.len() as u64 - 1)) as usize;
        &self.ledger[index]
    }

    fn recall(&self, sequence: u64) -> Option<(usize, Moment)> {
        if sequence == 0 {
            return None;
        }
        let entry = self.entry(sequence);
        // SYNC POINT: entry
        if entry.tag.load(Ordering::Acquire) != sequence {
            return None;
        }
        let slot = entry.slot.load(Ordering::Relaxed);
        let t_capture = MonotonicNs(entry.t_capture_ns.load(Ordering::Relaxed));
        let source_sequence = entry.source_sequence.load(Ordering::Relaxed);
        let packed = entry.epoch_and_before.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        if entry.tag.load(Ordering::Relaxed) != sequence {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low 32 and the next 8 bits are what is wanted"
        )]
        let (epoch, before) = (packed as u32, Before::from_code((packed >> 32) as u8));
        let slot = usize::try_from(slot).ok().filter(|s| *s < self.states.len())?;
        Some((slot, Moment { sequence, source_sequence, t_capture, epoch, before }))
    }

    /// What the ledger remembers of a published frame, its pixels there or not. `None` once the ledger too has
    /// moved on, or before it was published.
    #[must_use]
    pub fn moment(&self, sequence: u64) -> Option<Moment> {
        if sequence > self.head() { None } else { self.recall(sequence).map(|(_, moment)| moment) }
    }

    /// The lowest sequence that the ledger may still remember.
    #[must_use]
    pub fn ledger_start(&self) -> u64 {
        self.head().saturating_sub(self.ledger.len() as u64 - 1).max(1)
    }

    /// Takes a lease on a frame: while it lasts, the slot returned holds this frame's bytes and nobody writes
    /// them.
    ///
    /// # Errors
    /// [`Miss`] when the frame is not there yet, not there any more, or already leased by this reader.
    pub fn lease(&self, sequence: u64, reader: ReaderBit) -> Result<usize, Miss> {
        if sequence > self.head() {
            return Err(Miss::NotYet);
        }
        let (slot, _) = self.recall(sequence).ok_or(Miss::Overrun)?;
        let word = &self.states[slot].word;
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let state = State::from_word(seen);
            if state.sequence() != sequence || state.is_writing() {
                return Err(Miss::Overrun);
            }
            if state.is_leased_by(reader) {
                return Err(Miss::AlreadyLeased);
            }
            let leased = state.leased_by(reader).word();
            // SYNC POINT: publish. Fails only because another reader came or went, or the writer took the slot:
            // each means that somebody made progress.
            match word.compare_exchange_weak(seen, leased, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(slot),
                Err(now) => seen = now,
            }
        }
    }

    /// Gives a lease back.
    pub fn release(&self, slot: usize, reader: ReaderBit) {
        // SYNC POINT: return
        self.states[slot].word.fetch_and(!reader.mask(), Ordering::Release);
    }

    /// Clears every lease of a reader that is known to be dead, and says how many there were. Safe to repeat.
    pub fn sweep(&self, dead: ReaderBit) -> usize {
        let held = |slot: &&SlotState| {
            // AcqRel: the dead reader's last reads were its own affair, but the sweeper may have been it once.
            State::from_word(slot.word.fetch_and(!dead.mask(), Ordering::AcqRel)).is_leased_by(dead)
        };
        self.states.iter().filter(held).count()
    }

    /// Prepares the ring for a new writer after the last one ended, however it ended: a frame that was whole but
    /// not yet announced is announced, a slot that was being written becomes empty.
    pub fn take_over(&self) -> WriterPosition {
        let next = self.head() + 1;
        for state in self.states {
            let seen = State::from_word(state.word.load(Ordering::Acquire));
            if seen.is_writing() {
                // Nobody else changes a WRITING word: readers' compare-and-swap refuses it.
                state.word.store(State::EMPTY.word(), Ordering::Release);
            }
        }
        let whole = |(slot, _): (usize, Moment)| self.state(slot).sequence() == next;
        if self.recall(next).is_some_and(whole) {
            self.advance(next);
        }
        let sequence = self.head() + 1;
        let newest = self.recall(sequence - 1).map(|(slot, _)| slot);
        WriterPosition { sequence, cursor: newest.map_or(0, |slot| (slot + 1) % self.states.len()) }
    }
}
