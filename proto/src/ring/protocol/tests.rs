//! The protocol without other processes: a writer that dies at each step, contradictions, searches by time.

use super::*;

struct Words {
    heads: Heads,
    slots: [Slot; 3],
    ledger: [LedgerEntry; 4],
}

impl Words {
    fn new() -> Self {
        Self { heads: Heads::default(), slots: Default::default(), ledger: Default::default() }
    }

    fn protocol(&self) -> Protocol<'_> {
        let shape = Shape::Fixed { stride_bytes: 0, frame_bytes: 0 };
        Protocol { heads: &self.heads, slots: &self.slots, ledger: &self.ledger, shape }
    }
}

fn info(sequence: u64, epoch: u32) -> FrameInfo {
    FrameInfo { sequence, t_capture: MonotonicNs(sequence * 10), epoch, ..FrameInfo::default() }
}

fn write(ring: Protocol<'_>, at: &mut WriterPosition, epoch: u32) {
    let slot = ring.claim(at).unwrap();
    ring.publish(slot, &info(at.sequence, epoch));
    at.sequence += 1;
}

/// A writer's steps in one frame, in order. The writer dies before, between or after any of them.
const STEPS: [fn(Protocol<'_>, &mut WriterPosition, &mut usize); 6] = [
    |ring, at, slot| *slot = ring.claim(at).unwrap(),
    |ring, at, _| ring.entry(at.sequence).tag.store(0, Relaxed),
    |ring, at, _| ring.entry(at.sequence).t_capture_ns.store(at.sequence * 10, Relaxed),
    |ring, at, slot| ring.note(*slot, &info(at.sequence, 1)),
    |ring, at, slot| {
        ring.slots[*slot].word.store(State::holding(at.sequence).word(), release(Publish));
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
            assert_eq!(ring.frame_info(whole), (whole > 0).then(|| info(whole, 1)));
            assert!(ring.slots.iter().all(|s| !State::from_word(s.word.load(Relaxed)).is_writing()));
            // The next frame goes where the writer died, so that none of the others is lost.
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
fn a_new_writer_wakes_the_readers_that_the_dead_one_did_not() {
    let words = Words::new();
    let before = words.heads.wake.load(Relaxed);
    let _ = words.protocol().take_over();
    assert_ne!(words.heads.wake.load(Relaxed), before);
}

#[test]
fn a_ring_that_was_written_over_contradicts_itself() {
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
        for slot in &words.slots {
            assert!(spoilt(&slot.word, noise), "{noise:x}");
            assert!(spoilt(&slot.offset, noise) && spoilt(&slot.len, noise), "{noise:x}");
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
fn a_search_by_time_finds_no_frame_that_is_still_to_come() {
    let words = Words::new();
    let ring = words.protocol();
    let mut at = ring.take_over();
    for _ in 0..6 {
        write(ring, &mut at, 1);
    }
    let first = |ns| ring.first_at_or_after(MonotonicNs(ns)).map(|m| m.sequence);
    assert_eq!([first(0), first(30), first(31), first(60)], [Some(3), Some(3), Some(4), Some(6)]);
    assert_eq!(first(61), None);
    // The writer is in the oldest entry now, so the second oldest is the first.
    ring.entry(3).tag.store(0, Relaxed);
    assert_eq!(first(0), Some(4));
}

#[test]
fn a_foreign_readers_frames_are_told_and_swept_one_by_one() {
    let words = Words::new();
    let (ring, mut at) = (words.protocol(), words.protocol().take_over());
    (0..3).for_each(|_| write(ring, &mut at, 1));
    let foreign = ReaderBit::new(5).unwrap();
    for (frame, reader) in [(1, foreign), (2, foreign), (2, ReaderBit::RECORDER), (3, ReaderBit::MOVER)] {
        ring.lease(frame, reader).unwrap();
    }
    assert_eq!(ring.held_by_others(), [(foreign, 1), (foreign, 2)], "Preroll's own are not among them");
    assert_eq!(ring.sweep_frames(foreign, &[2, 3, 99]), 1);
    assert_eq!(ring.held_by_others(), [(foreign, 1)], "a lease that was not named stays");
    assert_eq!(ring.lease(2, ReaderBit::RECORDER), Err(Miss::AlreadyLeased), "others' leases stay");
}
