//! The room of a frame, against what a writer really does.

use super::*;
use crate::frame::FrameInfo;
use crate::ring::protocol::{Heads, LedgerEntry, SlotState, WriterPosition};
use crate::ring::state::ReaderBit;

const SLOTS: usize = 7;

struct Words {
    heads: Heads,
    states: [SlotState; SLOTS],
    ledger: [LedgerEntry; 32],
    at: WriterPosition,
}

impl Words {
    fn with(frames: usize) -> Self {
        let (heads, at) = (Heads::default(), WriterPosition { sequence: 1, cursor: 0 });
        let mut words = Self { heads, states: Default::default(), ledger: Default::default(), at };
        (0..frames).for_each(|_| words.publish());
        words
    }

    fn ring(&self) -> Protocol<'_> {
        Protocol { heads: &self.heads, states: &self.states, ledger: &self.ledger }
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
