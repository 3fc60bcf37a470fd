//! Who may touch which slot when.
//!
//! Theory of operation. A slot's bytes are plain memory; its [`State`] word says who may touch them. The writer
//! takes the next slot round the ring that nobody leases, marks it WRITING, fills it and stores the bare sequence: from then
//! on the frame can be leased. A reader adds its own bit to the word, in one compare-and-swap that succeeds only
//! while the slot holds the frame it wants; while any bit is set the writer passes the slot by. Nobody waits for
//! anybody. A reader that died leaves its bit behind, and [`Protocol::sweep`] clears it once its death is proven.
//!
//! Beside the slots lies the *ledger*, one entry a frame, much longer than the ring: when each frame was captured
//! and where it was put. It outlives the pixels, so a reader that comes too late still learns exactly which
//! frames it missed.
//!
//! The synchronisation points, by name:
//! - `Publish`: the writer's Release of a slot's state pairs with a reader's Acquire in [`Protocol::lease`] and
//!   [`Protocol::state`]: who sees the sequence sees the pixels. (A lease is sound by `Head` alone too; a reader
//!   that only looks at the state and copies has nothing else.);
//! - `Mark`: who sees any new byte of a slot also sees its WRITING mark; for readers that copy;
//! - `Return`: a reader's Release in [`Protocol::release`], or the sweeper's in its name, pairs with the writer's
//!   Acquire in [`Protocol::claim`]: the reader's last look happens before the first new byte;
//! - `Head`: the Release of `head` pairs with the Acquire in [`Protocol::head`]: who sees the head sees the
//!   ledger entry and the state of that frame;
//! - `Entry`: within a ledger entry, the tag is its version (a sequence lock over atomics, so no data race).

use super::order::SyncPoint::{Entry, Head, Mark, Publish, Return};
use super::order::{acquire, acquire_fence, release, release_fence};
use super::state::{MAX_SEQUENCE, ReaderBit, State};
use crate::frame::{FrameInfo, LossBefore};
use crate::sync::Ordering::{self, Relaxed};
use crate::sync::{AtomicU32, AtomicU64};
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
    /// Epoch in the low 32 bits, [`LossBefore`] in the 8 above.
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
        self.heads.head.load(acquire(Head)).min(MAX_SEQUENCE)
    }

    /// The state of a slot at this moment. For looking, not for deciding.
    #[must_use]
    pub fn state(&self, slot: usize) -> State {
        State::from_word(self.states[slot].word.load(acquire(Publish)))
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
            let seen = word.load(Relaxed);
            if State::from_word(seen).is_leased() {
                continue;
            }
            let claimed = State::writing(at.sequence).word();
            // A reader that leased the slot in between makes this fail; the next slot is as good.
            if word.compare_exchange(seen, claimed, acquire(Return), Relaxed).is_ok() {
                // The pixels that follow must not become visible before the WRITING mark. Readers with a lease
                // don't need this (the mark made their compare-and-swap fail); readers that copy and then look
                // at the word again do.
                release_fence(Mark);
                return Some(slot);
            }
        }
        None
    }

    /// Makes the frame in a claimed slot visible. The caller wakes the readers. For the one writer only.
    pub fn publish(&self, slot: usize, moment: &FrameInfo) {
        self.note(slot, moment);
        self.states[slot].word.store(State::holding(moment.sequence).word(), release(Publish));
        self.advance(moment.sequence);
    }

    /// Gives up on a claimed slot: it becomes empty, and the next frame gets it and its sequence. Without the
    /// cursor's step back, a source that fails and tries again would empty the whole ring. For the one writer
    /// only.
    pub fn abandon(&self, slot: usize, at: &mut WriterPosition) {
        self.states[slot].word.store(State::EMPTY.word(), release(Publish));
        at.cursor = slot;
    }

    fn advance(&self, sequence: u64) {
        self.heads.head.store(sequence, release(Head));
        self.heads.wake.fetch_add(1, Ordering::Release);
    }

    fn note(&self, slot: usize, moment: &FrameInfo) {
        let entry = self.entry(moment.sequence);
        // Tag to zero first, fields in between, tag to the sequence last.
        entry.tag.store(0, Relaxed);
        release_fence(Entry);
        entry.slot.store(slot as u64, Relaxed);
        entry.t_capture_ns.store(moment.t_capture.0, Relaxed);
        entry.source_sequence.store(moment.source_sequence, Relaxed);
        let packed = u64::from(moment.epoch) | u64::from(moment.before.code()) << 32;
        entry.epoch_and_before.store(packed, Relaxed);
        entry.tag.store(moment.sequence, release(Entry));
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

    fn recall(&self, sequence: u64) -> Option<(usize, FrameInfo)> {
        if sequence == 0 {
            return None;
        }
        let entry = self.entry(sequence);
        if entry.tag.load(acquire(Entry)) != sequence {
            return None;
        }
        let slot = entry.slot.load(Relaxed);
        let t_capture = MonotonicNs(entry.t_capture_ns.load(Relaxed));
        let source_sequence = entry.source_sequence.load(Relaxed);
        let packed = entry.epoch_and_before.load(Relaxed);
        acquire_fence(Entry);
        if entry.tag.load(Relaxed) != sequence {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low 32 and the next 8 bits are what is wanted"
        )]
        let (epoch, before) = (packed as u32, LossBefore::from_code((packed >> 32) as u8));
        let slot = usize::try_from(slot).ok().filter(|s| *s < self.states.len())?;
        Some((slot, FrameInfo { sequence, source_sequence, t_capture, epoch, before }))
    }

    /// What the ledger remembers of a published frame, its pixels there or not. `None` once the ledger too has
    /// moved on, or before it was published.
    #[must_use]
    pub fn frame_info(&self, sequence: u64) -> Option<FrameInfo> {
        if sequence > self.head() { None } else { self.recall(sequence).map(|(_, moment)| moment) }
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
            // An entry that was overwritten meanwhile was older than any that is left.
            if is_late_enough(middle).is_some() { high = middle } else { low = middle + 1 }
        }
        // What was found may be overwritten by now: then the next one is the first that is remembered. Frames
        // newer than the head that was searched are none of this answer's: nobody has looked at their times.
        (low..=head).find_map(is_late_enough)
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
            // Fails only because another reader came or went, or the writer took the slot: each means that
            // somebody made progress.
            match word.compare_exchange_weak(seen, leased, acquire(Publish), Relaxed) {
                Ok(_) => return Ok(slot),
                Err(now) => seen = now,
            }
        }
    }

    /// Gives a lease back.
    pub fn release(&self, slot: usize, reader: ReaderBit) {
        self.states[slot].word.fetch_and(!reader.mask(), release(Return));
    }

    /// Clears every lease of a reader that is known to be dead, and says how many there were. Safe to repeat.
    pub fn sweep(&self, dead: ReaderBit) -> usize {
        let held = |slot: &&SlotState| {
            // In the dead reader's name. Its last look happens before its death, and the proof of that (it was
            // reaped, its lock is free) before this: so a Release here stands for the one it never made.
            State::from_word(slot.word.fetch_and(!dead.mask(), release(Return))).is_leased_by(dead)
        };
        self.states.iter().filter(held).count()
    }

    /// What can't be so in a ring that only its writer and its readers have touched, if anything is: somebody wrote
    /// over it. Looks at every state and every ledger entry, while they go on changing.
    #[must_use]
    pub fn contradiction(&self) -> Option<&'static str> {
        let states = self.states.iter().map(|state| State::from_word(state.word.load(acquire(Publish))));
        let mut newest = 0;
        for state in states {
            if !state.is_possible() {
                return Some("a slot's state is none that there is");
            }
            newest = newest.max(state.sequence());
        }
        for entry in self.ledger {
            let tag = entry.tag.load(acquire(Entry));
            let is_here = core::ptr::eq(self.entry(tag), entry);
            if tag != 0 && (!is_here || entry.slot.load(Relaxed) >= self.states.len() as u64) {
                return Some("a ledger entry is of no frame that could be there");
            }
            newest = newest.max(tag);
        }
        // Read last: what was seen before it is at most the frame that comes next.
        let head = self.heads.head.load(acquire(Head));
        if head > MAX_SEQUENCE || newest > head + 1 {
            return Some("there are frames beyond the newest");
        }
        // A writer that went all the way round the ledger since has moved the head.
        let is_noted = head == 0 || self.entry(head).tag.load(acquire(Entry)) == head;
        if !is_noted && self.heads.head.load(acquire(Head)) == head {
            return Some("the newest frame is not in the ledger");
        }
        None
    }

    /// Prepares the ring for a new writer after the last one ended, however it ended: a frame that was whole but
    /// not yet announced is announced, a slot that was being written becomes empty. The caller wakes the readers.
    pub fn take_over(&self) -> WriterPosition {
        let next = self.head() + 1;
        for state in self.states {
            let seen = State::from_word(state.word.load(acquire(Publish)));
            if seen.is_writing() {
                // Nobody else changes a WRITING word: readers' compare-and-swap refuses it.
                state.word.store(State::EMPTY.word(), release(Publish));
            }
        }
        let whole = |(slot, _): (usize, FrameInfo)| self.state(slot).sequence() == next;
        if self.recall(next).is_some_and(whole) {
            self.heads.head.store(next, release(Head));
        }
        // The last writer may have ended between moving the head and waking those who sleep on it.
        self.heads.wake.fetch_add(1, Ordering::Release);
        let sequence = self.head() + 1;
        let newest = self.recall(sequence - 1).map(|(slot, _)| slot);
        WriterPosition { sequence, cursor: newest.map_or(0, |slot| (slot + 1) % self.states.len()) }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    struct Words {
        heads: Heads,
        states: [SlotState; 3],
        ledger: [LedgerEntry; 4],
    }

    impl Words {
        fn new() -> Self {
            Self { heads: Heads::default(), states: Default::default(), ledger: Default::default() }
        }

        fn protocol(&self) -> Protocol<'_> {
            Protocol { heads: &self.heads, states: &self.states, ledger: &self.ledger }
        }
    }

    fn moment(sequence: u64, epoch: u32) -> FrameInfo {
        FrameInfo { sequence, t_capture: MonotonicNs(sequence * 10), epoch, ..FrameInfo::default() }
    }

    fn write(ring: Protocol<'_>, at: &mut WriterPosition, epoch: u32) {
        let slot = ring.claim(at).unwrap();
        ring.publish(slot, &moment(at.sequence, epoch));
        at.sequence += 1;
    }

    /// A writer's steps in one frame, in their order. It dies before, between or after any of them.
    const STEPS: [fn(Protocol<'_>, &mut WriterPosition, &mut usize); 6] = [
        |ring, at, slot| *slot = ring.claim(at).unwrap(),
        |ring, at, _| ring.entry(at.sequence).tag.store(0, Relaxed),
        |ring, at, _| ring.entry(at.sequence).t_capture_ns.store(at.sequence * 10, Relaxed),
        |ring, at, slot| ring.note(*slot, &moment(at.sequence, 1)),
        |ring, at, slot| {
            ring.states[*slot].word.store(State::holding(at.sequence).word(), release(Publish));
        },
        |ring, at, _| ring.heads.head.store(at.sequence, release(Head)),
    ];
    const WHOLE_AFTER: usize = 5;

    #[test]
    fn a_writer_may_die_before_any_step_of_any_frame() {
        for frames_before in 0..9 {
            for steps in 0..=STEPS.len() {
                let words = Words::new();
                let ring = words.protocol();
                let mut at = ring.take_over();
                for _ in 0..frames_before {
                    write(ring, &mut at, 1);
                }
                let mut slot = 0;
                for step in &STEPS[..steps] {
                    step(ring, &mut at, &mut slot);
                }
                let mut at = ring.take_over();
                let whole = frames_before + u64::from(steps >= WHOLE_AFTER);
                assert_eq!(
                    (ring.head(), at.sequence),
                    (whole, whole + 1),
                    "{frames_before} frames, {steps} steps"
                );
                assert_eq!(ring.frame_info(whole), (whole > 0).then(|| moment(whole, 1)));
                assert!(ring.states.iter().all(|s| !State::from_word(s.word.load(Relaxed)).is_writing()));
                // The next frame goes where it died, so that not one of the others is lost.
                write(ring, &mut at, 2);
                for sequence in whole.saturating_sub(1).max(1)..=whole + 1 {
                    assert!(ring.lease(sequence, ReaderBit::RECORDER).is_ok(), "{sequence} is gone");
                }
            }
        }
    }

    #[test]
    fn giving_up_a_slot_time_and_again_costs_one_frame() {
        let words = Words::new();
        let ring = words.protocol();
        let mut at = ring.take_over();
        for _ in 0..3 {
            write(ring, &mut at, 1);
        }
        for _ in 0..10 {
            let slot = ring.claim(&mut at).unwrap();
            ring.abandon(slot, &mut at);
        }
        assert_eq!(ring.lease(1, ReaderBit::RECORDER), Err(Miss::Overrun));
        assert!(ring.lease(2, ReaderBit::RECORDER).is_ok() && ring.lease(3, ReaderBit::RECORDER).is_ok());
        write(ring, &mut at, 1);
        assert!(ring.lease(4, ReaderBit::RECORDER).is_ok());
    }

    #[test]
    fn a_new_writer_wakes_those_whom_the_dead_one_did_not() {
        let words = Words::new();
        let before = words.heads.wake.load(Relaxed);
        let _ = words.protocol().take_over();
        assert_ne!(words.heads.wake.load(Relaxed), before);
    }

    #[test]
    fn what_was_written_over_contradicts_itself() {
        let words = Words::new();
        let ring = words.protocol();
        let mut at = ring.take_over();
        assert_eq!(ring.contradiction(), None);
        for _ in 0..7 {
            write(ring, &mut at, 1);
            assert_eq!(ring.contradiction(), None);
        }
        let slot = ring.claim(&mut at).unwrap();
        assert_eq!(ring.contradiction(), None, "in the middle of a frame");
        ring.abandon(slot, &mut at);
        let spoilt = |word: &AtomicU64, value: u64| {
            let was = word.swap(value, Relaxed);
            let found = ring.contradiction().is_some();
            word.store(was, Relaxed);
            found
        };
        for noise in [u64::MAX, 0xDEAD_BEEF_0BAD_F00D, 0x0123_4567_89AB_CDEF] {
            for state in &words.states {
                assert!(spoilt(&state.word, noise), "{noise:x}");
            }
            for entry in &words.ledger {
                assert!(spoilt(&entry.tag, noise) && spoilt(&entry.slot, noise), "{noise:x}");
            }
            assert!(spoilt(&words.heads.head, noise), "{noise:x}");
        }
        assert!(spoilt(&words.heads.head, 0) && spoilt(&words.heads.head, 100));
        assert_eq!(ring.contradiction(), None);
    }

    #[test]
    fn a_search_by_time_knows_no_frame_that_is_still_to_come() {
        let words = Words::new();
        let ring = words.protocol();
        let mut at = ring.take_over();
        for _ in 0..6 {
            write(ring, &mut at, 1);
        }
        let first = |ns| ring.first_at_or_after(MonotonicNs(ns)).map(|m| m.sequence);
        assert_eq!([first(0), first(30), first(31), first(60)], [Some(3), Some(3), Some(4), Some(6)]);
        assert_eq!(first(61), None);
        // The writer is in the entry of the oldest: what was the second is now the first.
        ring.entry(3).tag.store(0, Relaxed);
        assert_eq!(first(0), Some(4));
    }
}
