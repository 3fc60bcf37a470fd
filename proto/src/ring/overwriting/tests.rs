//! The room of a frame, against what a writer really does.

use super::*;
use crate::frame::FrameInfo;
use crate::ring::arena::Parts;
use crate::ring::protocol::{Heads, LedgerEntry, Slot, WriterPosition};
use crate::ring::state::ReaderBit;

const SLOTS: usize = 7;

struct Words {
    heads: Heads,
    slots: [Slot; SLOTS],
    ledger: [LedgerEntry; 32],
    at: WriterPosition,
}

impl Words {
    fn with(frames: usize) -> Self {
        let (heads, at) = (Heads::default(), WriterPosition { sequence: 1, cursor: 0 });
        let mut words = Self { heads, slots: Default::default(), ledger: Default::default(), at };
        (0..frames).for_each(|_| words.publish());
        words
    }

    fn ring(&self) -> Protocol<'_> {
        let shape = Shape::Fixed { stride_bytes: 0, frame_bytes: 0 };
        Protocol { heads: &self.heads, slots: &self.slots, ledger: &self.ledger, shape }
    }

    fn publish(&mut self) {
        let mut at = self.at;
        if let Some(slot) = self.ring().claim(&mut at) {
            self.ring().publish(slot, &FrameInfo { sequence: at.sequence, ..FrameInfo::default() });
            at.sequence += 1;
        }
        self.at = at;
    }
}

/// xorshift: the same numbers in each run.
fn random(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % below as u64).unwrap()
}

#[test]
fn a_frame_has_room_for_as_many_frames_as_its_writer_then_publishes() {
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut compared = 0;
    for _ in 0..2000 {
        let mut words = Words::with(random(&mut seed, 20));
        let mut leased = Vec::new();
        // Some leases are older than the last lap, so the frames don't lie in order any more.
        for _ in 0..random(&mut seed, 6) {
            let sequence = (words.ring().head() + 1).saturating_sub(1 + random(&mut seed, SLOTS) as u64);
            if let Ok(slot) = words.ring().lease(sequence, ReaderBit::RECORDER) {
                leased.push((sequence, slot));
            }
            (0..random(&mut seed, 4)).for_each(|_| words.publish());
            if leased.len() > 3 || random(&mut seed, 3) == 0 {
                leased
                    .pop()
                    .into_iter()
                    .for_each(|(_, slot)| words.ring().release(slot, ReaderBit::RECORDER));
            }
        }
        let Some(frame) = words.ring().endangered(SLOTS).into_iter().nth(random(&mut seed, SLOTS)) else {
            continue;
        };
        // The frame's own lease ends, all others stay.
        leased
            .iter()
            .filter(|(sequence, _)| *sequence == frame.sequence)
            .for_each(|(_, slot)| words.ring().release(*slot, ReaderBit::RECORDER));
        assert!(words.ring().holds(frame.sequence));
        let mut published = 0;
        while words.ring().holds(frame.sequence) {
            assert!(published <= SLOTS, "{frame:?} is never overwritten");
            words.publish();
            published += 1;
        }
        assert_eq!(published, frame.room + 1, "{frame:?}, beside {leased:?}");
        compared += 1;
    }
    assert!(compared > 1000, "only {compared} frames were looked at");
}

#[test]
fn the_soonest_comes_first_and_none_beyond_what_was_asked() {
    let words = Words::with(10);
    let expected = [(4, 0), (5, 1), (6, 2)].map(|(sequence, room)| Endangered { sequence, room });
    assert_eq!(words.ring().endangered(3), expected);
    assert_eq!(words.ring().endangered(0), []);
}

#[test]
fn a_frame_that_is_being_written_takes_the_room_of_the_next_ones() {
    let words = Words::with(10);
    let mut at = words.at;
    let _slot = words.ring().claim(&mut at).unwrap();
    assert_eq!(words.ring().endangered(1), [Endangered { sequence: 5, room: 0 }]);
    assert!(!words.ring().holds(4) && !words.ring().holds(11) && words.ring().holds(5));
}

#[test]
fn a_ring_without_frames_endangers_none() {
    assert_eq!(Words::with(0).ring().endangered(SLOTS), []);
    assert_eq!(Words::with(3).ring().endangered(4), [], "four slots are empty");
    assert_eq!(Words::with(3).ring().endangered(5), [Endangered { sequence: 1, room: 4 }]);
}

/// Compressed frames, in an arena without memory.
struct Compressed {
    heads: Heads,
    slots: Vec<Slot>,
    ledger: Vec<LedgerEntry>,
    parts: Parts,
    next: u64,
    /// The bytes of each part that was published, by sequence.
    published: Vec<usize>,
}

const ARENA: usize = 64 * 64;
const LONGEST: usize = 64 * 12;

impl Compressed {
    fn new(slots: usize) -> Self {
        let mut made = Self {
            heads: Heads::default(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            ledger: (0..64).map(|_| LedgerEntry::default()).collect(),
            parts: Parts::default(),
            next: 1,
            published: vec![0],
        };
        made.parts = made.ring().find_parts().unwrap();
        made
    }

    fn ring(&self) -> Protocol<'_> {
        let shape = Shape::Parts { arena_bytes: ARENA, max_frame_bytes: LONGEST - 128 };
        Protocol { heads: &self.heads, slots: &self.slots, ledger: &self.ledger, shape }
    }

    /// Publishes a frame whose part is so long, by a source that doesn't know that beforehand.
    fn publish(&mut self, part: usize) {
        let mut parts = std::mem::take(&mut self.parts);
        if let Some(claim) = self.ring().claim_part(&mut parts, self.next, LONGEST - 128) {
            let info = FrameInfo { sequence: self.next, ..FrameInfo::default() };
            self.ring().publish_part(&mut parts, claim, part - 128, &info);
            self.next += 1;
            self.published.push(part);
        }
        self.parts = parts;
    }
}

/// The frames are of any length up to the longest, but on average no longer than usual, besides one of the longest: that is
/// what a room promises.
#[test]
fn a_compressed_frame_has_at_least_the_room_that_is_told() {
    let mut seed = 0x2545_f491_4f6c_dd1d;
    let (mut compared, mut some_room) = (0, 0);
    for turn in 0..4000 {
        let mut ring = Compressed::new(if turn % 2 == 0 { 40 } else { 9 });
        let usual = 64 * (2 + random(&mut seed, 6));
        for _ in 0..random(&mut seed, 40) {
            ring.publish(64 * (2 + random(&mut seed, 11)));
        }
        let mut leased = Vec::new();
        for _ in 0..random(&mut seed, 3) {
            let sequence = (ring.ring().head() + 1).saturating_sub(1 + random(&mut seed, 9) as u64);
            leased.extend(ring.ring().lease(sequence, ReaderBit::RECORDER).ok().map(|slot| (sequence, slot)));
            (0..random(&mut seed, 3)).for_each(|_| ring.publish(128));
        }
        let told = ring.ring().endangered_parts(usize::MAX, usual);
        assert!(told.is_sorted_by_key(|one| one.room));
        let Some(frame) = told.get(random(&mut seed, told.len().max(1))).copied() else { continue };
        assert_eq!(ring.ring().endangered_parts(frame.room, usual).iter().find(|one| **one == frame), None);
        // The frame's own lease ends, all others stay.
        for (_, slot) in leased.iter().filter(|(sequence, _)| *sequence == frame.sequence) {
            ring.ring().release(*slot, ReaderBit::RECORDER);
        }
        let mut left = frame.room * usual;
        for published in 0..frame.room {
            assert!(ring.ring().holds(frame.sequence), "{frame:?}, {published} published, {leased:?}");
            // The rest of them have to be short then.
            let shortest = 128 * (frame.room - published - 1);
            let part = (64 * (2 + random(&mut seed, 11))).min(left - shortest);
            left -= part;
            ring.publish(part);
        }
        assert!(ring.ring().holds(frame.sequence), "{frame:?}, {leased:?}");
        compared += 1;
        some_room += usize::from(frame.room > 2);
    }
    assert!(
        compared > 2000 && some_room > 500,
        "{compared} frames were looked at, {some_room} with some room"
    );
}

#[test]
fn the_frames_that_the_writer_comes_to_first_are_told_first() {
    let mut ring = Compressed::new(40);
    assert_eq!(ring.ring().endangered_parts(100, 256), []);
    (0..40).for_each(|_| ring.publish(256));
    let told = ring.ring().endangered_parts(usize::MAX, 256);
    let sequences: Vec<u64> = told.iter().map(|one| one.sequence).collect();
    let oldest = ring.ring().oldest_held().unwrap();
    assert_eq!(sequences, (oldest..40).collect::<Vec<_>>());
    assert_eq!(told[0].room, 0, "the longest frame needs its place");
    assert!(told.last().unwrap().room > 6);
}
