//! The allocator without other processes: places, leases, a writer that dies at each step, contradictions, and how far a ring
//! reaches whose size is that of its formula.

use super::*;
use crate::frame::Fps;
use crate::ring::layout::Stream;
use crate::ring::protocol::{Heads, LedgerEntry, Miss, Slot, WriterPosition};
use crate::ring::state::ReaderBit;
use crate::sync::AtomicU64;
use crate::time::MonotonicNs;

/// An arena without memory: the allocator touches no byte of it.
struct Words {
    heads: Heads,
    slots: Vec<Slot>,
    ledger: Vec<LedgerEntry>,
    arena_bytes: usize,
}

impl Words {
    fn new(slots: usize, arena_bytes: usize) -> Self {
        let ledger = (0..slots.next_power_of_two() * 4).map(|_| LedgerEntry::default()).collect();
        Self {
            heads: Heads::default(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            ledger,
            arena_bytes,
        }
    }

    fn ring(&self) -> Protocol<'_> {
        let shape = Shape::Parts { arena_bytes: self.arena_bytes, max_frame_bytes: self.arena_bytes };
        Protocol { heads: &self.heads, slots: &self.slots, ledger: &self.ledger, shape }
    }

    fn writer(&self) -> Writer<'_> {
        let at = self.ring().take_over();
        Writer { ring: self.ring(), parts: self.ring().find_parts().unwrap(), at }
    }

    /// The offset and the length of a frame, if it is there.
    fn place(&self, sequence: u64) -> Option<(usize, usize)> {
        let slot = self.ring().lease(sequence, ReaderBit::MOVER).ok()?;
        let place = self.ring().place(slot).unwrap();
        self.ring().release(slot, ReaderBit::MOVER);
        Some((place.offset, place.len))
    }
}

struct Writer<'a> {
    ring: Protocol<'a>,
    parts: Parts,
    at: WriterPosition,
}

impl Writer<'_> {
    /// Writes a frame whose part is so long.
    fn write(&mut self, part: usize) -> bool {
        self.write_of(part, part)
    }

    /// The same, by a source that knew only how long it is at most.
    fn write_of(&mut self, part: usize, at_most: usize) -> bool {
        let Some(claim) = self.ring.claim_part(&mut self.parts, self.at.sequence, at_most - 128) else {
            return false;
        };
        self.ring.publish_part(&mut self.parts, claim, part - 128, &info(self.at.sequence));
        self.at.sequence += 1;
        true
    }
}

fn info(sequence: u64) -> FrameInfo {
    FrameInfo { sequence, t_capture: MonotonicNs(sequence * 10), epoch: 1, ..FrameInfo::default() }
}

#[test]
fn frames_lie_one_behind_the_other_and_the_oldest_make_room() {
    let words = Words::new(8, 1024);
    let mut writer = words.writer();
    assert!([256, 384, 256].iter().all(|part| writer.write(*part)));
    assert_eq!([1, 2, 3].map(|n| words.place(n)), [Some((0, 128)), Some((256, 256)), Some((640, 128))]);
    // 128 are left at the end: too few.
    assert!(writer.write(192));
    assert_eq!([1, 2, 4].map(|n| words.place(n)), [None, Some((256, 256)), Some((0, 64))]);
    assert!(writer.write(1024), "as much as there is");
    assert_eq!((1..=5).filter(|n| words.place(*n).is_some()).collect::<Vec<_>>(), [5]);
    assert!(!writer.write(1088), "and no more");
    assert_eq!(words.place(5), Some((0, 896)), "which costs nothing");
}

#[test]
fn a_leased_frame_stays_and_the_writer_goes_round_it() {
    let words = Words::new(8, 1024);
    let mut writer = words.writer();
    (0..4).for_each(|_| assert!(writer.write(256)));
    let held = words.ring().lease(2, ReaderBit::RECORDER).unwrap();
    assert!(writer.write(256), "in the place of the first");
    assert!(writer.write(384), "behind the second");
    assert_eq!([2, 5, 6].map(|n| words.place(n)), [Some((256, 128)), Some((0, 128)), Some((512, 256))]);
    assert_eq!([1, 3, 4].map(|n| words.place(n)), [None; 3]);
    assert!(!writer.write(576), "there is nowhere so much in a row");
    assert!(words.place(5).is_some() && words.place(6).is_some(), "a frame that can't be placed costs none");
    words.ring().release(held, ReaderBit::RECORDER);
    assert!(writer.write(576));
}

#[test]
fn what_was_claimed_too_much_is_free_again() {
    let words = Words::new(8, 1024);
    let mut writer = words.writer();
    (0..5).for_each(|_| assert!(writer.write_of(128, 512)));
    assert_eq!([1, 2, 3, 4, 5].map(|n| words.place(n).unwrap().0), [0, 128, 256, 384, 512]);
    // From 640 on there are too few for what is claimed, so it is claimed at the start, where four frames lie.
    assert!(writer.write_of(128, 512));
    assert_eq!([4, 5, 6].map(|n| words.place(n)), [None, Some((512, 0)), Some((0, 0))]);
}

#[test]
fn with_every_slot_taken_the_oldest_frame_that_nobody_leases_gives_up_its_own() {
    let words = Words::new(3, 1 << 20);
    let mut writer = words.writer();
    (0..3).for_each(|_| assert!(writer.write(128)));
    let held = words.ring().lease(1, ReaderBit::RECORDER).unwrap();
    assert!(writer.write(128) && writer.write(128));
    assert_eq!([1, 2, 3, 4, 5].map(|n| words.place(n).is_some()), [true, false, false, true, true]);
    let others = [4, 5].map(|n| words.ring().lease(n, ReaderBit::RECORDER).unwrap());
    assert!(!writer.write(128), "all three are held");
    words.ring().release(held, ReaderBit::RECORDER);
    assert!(writer.write(128));
    others.iter().for_each(|slot| words.ring().release(*slot, ReaderBit::RECORDER));
}

#[test]
fn giving_up_a_part_time_and_again_costs_no_more_than_once() {
    let words = Words::new(8, 1024);
    let mut writer = words.writer();
    (0..4).for_each(|_| assert!(writer.write(256)));
    for _ in 0..20 {
        let claim = writer.ring.claim_part(&mut writer.parts, writer.at.sequence, 128).unwrap();
        writer.ring.abandon_part(&mut writer.parts, claim);
    }
    assert_eq!([1, 2, 3, 4].map(|n| words.place(n).is_some()), [false, true, true, true]);
    assert!(writer.write(256));
    assert_eq!(words.place(5), Some((0, 128)));
}

/// A step of a writer in one frame.
type Step = fn(&mut Writer<'_>, &mut Claim);

/// The frame takes the places of the oldest two.
const STEPS: [Step; 11] = [
    |writer, claim| {
        let offset = writer.make_room_for_two_in_steps(1);
        claim.place = Place { offset, len: 256 };
    },
    |writer, claim| claim.place.offset = writer.make_room_for_two_in_steps(2),
    |writer, claim| claim.slot = writer.ring.take_slot(&mut writer.parts).unwrap(),
    |writer, claim| writer.ring.slots[claim.slot].offset.store(claim.place.offset as u64, Relaxed),
    |writer, claim| writer.ring.slots[claim.slot].len.store(claim.place.len as u64, Relaxed),
    |writer, claim| {
        writer.ring.slots[claim.slot].word.store(State::writing(writer.at.sequence).word(), Relaxed);
    },
    |writer, claim| writer.ring.slots[claim.slot].len.store(200, Relaxed),
    |writer, _| writer.ring.entry(writer.at.sequence).tag.store(0, Relaxed),
    |writer, claim| writer.ring.note(claim.slot, &info(writer.at.sequence)),
    |writer, claim| {
        writer.ring.slots[claim.slot].word.store(State::holding(writer.at.sequence).word(), release(Publish));
    },
    |writer, _| writer.ring.heads.head.store(writer.at.sequence, Relaxed),
];
const WHOLE_AFTER: usize = 10;

impl Writer<'_> {
    /// Voids the oldest frames that are in the way of a part of 384 bytes, one a call, as `make_room` does at once.
    fn make_room_for_two_in_steps(&mut self, frames: usize) -> usize {
        let at = if self.parts.cursor + 384 > 1024 { 0 } else { self.parts.cursor };
        let over = self.parts.over(at, at + 384);
        assert_eq!(over.len() + frames, 3, "two frames were in the way");
        assert!(self.ring.void(self.parts.live[over.start].slot));
        self.parts.forget(over.start..over.start + 1);
        at
    }
}

#[test]
fn a_writer_may_die_before_any_step_of_any_frame() {
    // Behind three frames it would go to the start, where the oldest don't lie.
    for frames_before in (4..12).filter(|frames| frames % 4 != 3) {
        for steps in 0..=STEPS.len() {
            let words = Words::new(6, 1024);
            let mut writer = words.writer();
            (0..frames_before).for_each(|_| assert!(writer.write(256)));
            let mut claim = Claim { slot: 0, place: Place { offset: 0, len: 0 } };
            STEPS[..steps].iter().for_each(|step| step(&mut writer, &mut claim));
            let whole = frames_before + u64::from(steps >= WHOLE_AFTER);
            let mut next = words.writer();
            let context = format!("{frames_before} frames, {steps} steps");
            assert_eq!((words.ring().head(), next.at.sequence), (whole, whole + 1), "{context}");
            assert_eq!(words.ring().contradiction(), None, "{context}");
            assert_eq!(words.ring().frame_info(whole), Some(info(whole)), "{context}");
            // No more is lost than what the frame would have taken the place of.
            let voided = steps.min(2) as u64;
            for sequence in frames_before + 1 + voided - 4..=whole {
                assert!(words.place(sequence).is_some(), "{context}: {sequence} is gone");
            }
            // Nothing was leaked: as much fits as before.
            assert!(next.write(1024), "{context}");
            assert_eq!(next.parts.live.len() + next.parts.free.len(), 6, "{context}");
        }
    }
}

#[test]
fn a_new_writer_knows_what_the_last_one_did() {
    let words = Words::new(6, 4096);
    let mut writer = words.writer();
    for part in [256, 1024, 128, 640, 2048, 320, 256, 1024, 512].into_iter().cycle().take(100) {
        assert!(writer.write(part));
        let mut found = words.ring().find_parts().unwrap();
        found.free.sort_unstable();
        let mut known = writer.parts.clone();
        known.free.sort_unstable();
        assert_eq!(found, known);
    }
}

#[test]
fn an_arena_that_was_written_over_contradicts_itself_and_gets_no_writer() {
    let words = Words::new(3, 1024);
    let mut writer = words.writer();
    assert_eq!(words.ring().contradiction(), None);
    for part in [256, 384, 256, 128] {
        assert!(writer.write(part));
        assert_eq!(words.ring().contradiction(), None);
    }
    let claim = writer.ring.claim_part(&mut writer.parts, 5, 256).unwrap();
    assert_eq!(words.ring().contradiction(), None, "in the middle of a frame");
    writer.ring.abandon_part(&mut writer.parts, claim);
    assert!(writer.write(128));
    let spoilt = |word: &AtomicU64, value: u64| {
        let was = word.swap(value, Relaxed);
        let found = (words.ring().contradiction().is_some(), words.ring().find_parts().is_err());
        word.store(was, Relaxed);
        found
    };
    let holding = |slot: &&Slot| State::from_word(slot.word.load(Relaxed)).sequence() > 0;
    for slot in words.slots.iter().filter(holding) {
        for noise in [u64::MAX, 0xDEAD_BEEF_0BAD_F00D, 1, 64 * 15 + 32, 1 << 40] {
            assert_eq!(spoilt(&slot.offset, noise), (true, true), "{noise:x}");
            assert!(noise == 1 || spoilt(&slot.len, noise) == (true, true), "{noise:x}");
            assert!(spoilt(&slot.word, noise).1, "{noise:x}");
        }
        let others = words.slots.iter().filter(holding).filter(|other| !core::ptr::eq(*other, slot));
        for other in others {
            let there = other.offset.load(Relaxed);
            assert_eq!(spoilt(&slot.offset, there), (true, true), "two in one place");
        }
    }
    assert_eq!(words.ring().contradiction(), None);
}

/// xorshift: the same numbers in each run, of roughly a normal distribution around 0 with deviation 1.
fn normal(state: &mut u64) -> f64 {
    let mut uniform = || {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        #[expect(clippy::cast_precision_loss, reason = "53 bits of it")]
        let fraction = (*state >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    };
    (0..12).map(|_| uniform()).sum::<f64>() - 6.0
}

/// A camera's frames: those of the trial in docs/decisions/ring-arena.md.
struct Camera {
    fps: u32,
    stream: Stream,
    /// A frame's usual length; a key frame is ten times as long as another.
    usual_bytes: f64,
    deviation: f64,
    key_every: u64,
}

/// The shortest reach in seconds of a camera's ring over some minutes, with readers that lease frames now and then, and the frames
/// lost.
fn reach(camera: &Camera, minutes: u64) -> (f64, u64) {
    let fps = Fps::new(camera.fps.into()).unwrap();
    let (size, arena) = camera.stream.size(10_000, 0, 250, fps).unwrap();
    let words = Words::new(size.slots(), arena.bytes);
    let mut writer = words.writer();
    let (mut random, mut lost, mut shortest) = (0x0123_4567_89ab_cdef, 0, f64::INFINITY);
    let mut held: Vec<(usize, ReaderBit)> = Vec::new();
    for frame in 0..minutes * 60 * u64::from(camera.fps) {
        let is_key = camera.key_every > 0 && frame % camera.key_every == 0;
        let usual = if is_key { camera.usual_bytes * 10.0 } else { camera.usual_bytes };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
        let bytes = (usual * (1.0 + camera.deviation * normal(&mut random)).max(0.2)) as usize;
        let bytes = bytes.min(arena.max_frame_bytes);
        let part = part_bytes(bytes).unwrap();
        // Each second camera would know a frame's length beforehand.
        let at_most = if camera.key_every > 0 { part_bytes(arena.max_frame_bytes).unwrap() } else { part };
        lost += u64::from(!writer.write_of(part, at_most));
        // Frames of any age are leased by two readers, and held for a while.
        if random % 5 == 0 {
            if held.len() == 2 {
                let (slot, bit) = held.remove(0);
                words.ring().release(slot, bit);
            }
            let bit = if held.iter().any(|(_, bit)| *bit == ReaderBit::RECORDER) {
                ReaderBit::MOVER
            } else {
                ReaderBit::RECORDER
            };
            let back = random / 5 % (u64::from(camera.fps) * 10);
            if let Ok(slot) = words.ring().lease(words.ring().head().saturating_sub(back), bit) {
                held.push((slot, bit));
            }
        }
        if frame > u64::from(camera.fps) * 40 && frame % 7 == 0 {
            let oldest = words.ring().oldest_held().unwrap();
            #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
            let frames = (words.ring().head() - oldest) as f64;
            shortest = shortest.min(frames / f64::from(camera.fps));
        }
    }
    (shortest, lost)
}

#[test]
fn a_ring_of_the_size_of_its_formula_reaches_as_far_as_it_was_made_for() {
    let jpeg = |fps, max_rate_bytes, max_frame_bytes, usual_bytes| Camera {
        fps,
        stream: Stream { max_rate_bytes, max_frame_bytes, gop_ms: 0 },
        usual_bytes,
        deviation: 0.15,
        key_every: 0,
    };
    let h26x = |max_rate_bytes: u32, max_frame_bytes| Camera {
        fps: 30,
        stream: Stream { max_rate_bytes: max_rate_bytes.into(), max_frame_bytes, gop_ms: 2000 },
        usual_bytes: f64::from(max_rate_bytes) * 2.0 / 69.0,
        deviation: 0.25,
        key_every: 60,
    };
    for (name, camera, span) in [
        ("JPEG 1080p60", jpeg(60, 24_000_000, 1_000_000, 400e3), 10.25),
        ("JPEG 720p30", jpeg(30, 1_800_000, 250_000, 60e3), 10.25),
        ("H.264 1080p30", h26x(500_000, 500_000), 12.25),
        ("H.265 4K30", h26x(1_500_000, 1_500_000), 12.25),
    ] {
        let (reach, lost) = reach(&camera, 3);
        println!("{name}: reaches {reach:.2} s of {span} s, {lost} frames lost");
        assert!(reach >= span && lost == 0, "{name}: {reach} s, {lost} frames lost");
    }
}

#[test]
fn a_lease_that_never_ends_costs_its_own_frame_and_no_other_reader_notices() {
    let words = Words::new(64, 16 * 1024);
    let mut writer = words.writer();
    assert!(writer.write(512));
    let held = words.ring().lease(1, ReaderBit::RECORDER).unwrap();
    let before = words.place(1).unwrap();
    for n in 0..1000 {
        assert!(writer.write(128 + 64 * (n % 14)));
        assert_eq!(words.ring().contradiction(), None);
        let place = words.ring().place(held).unwrap();
        assert_eq!((place.offset, place.len), before);
    }
    assert_eq!(words.ring().lease(2, ReaderBit::MOVER), Err(Miss::Overrun));
}
