//! A look for contradictions that a writer and its readers can't have made: another program wrote over the ring. It goes on
//! while they work.

use super::arena::OVERLAP;
use super::order::SyncPoint::{Entry, Head, Publish};
use super::order::acquire;
use super::place::{Place, Shape};
use super::protocol::Protocol;
use super::state::{MAX_SEQUENCE, State};
use crate::sync::Ordering::Relaxed;

impl Protocol<'_> {
    /// The first contradiction found. Reads every slot and every ledger entry, while they go on changing.
    #[must_use]
    pub fn contradiction(&self) -> Option<&'static str> {
        let mut newest = 0;
        for slot in self.slots {
            let state = State::from_word(slot.word.load(acquire(Publish)));
            if !state.is_possible() {
                return Some("a slot's state is impossible");
            }
            newest = newest.max(state.sequence());
        }
        for entry in self.ledger {
            let tag = entry.tag.load(acquire(Entry));
            let is_here = core::ptr::eq(self.entry(tag), entry);
            if tag != 0 && (!is_here || entry.slot.load(Relaxed) >= self.slots.len() as u64) {
                return Some("a ledger entry is for a frame that can't be there");
            }
            newest = newest.max(tag);
        }
        if let Some(misplaced) = self.misplaced() {
            return Some(misplaced);
        }
        // The head is read last: any frame seen above is then at most the one after the head.
        let head = self.heads.head.load(acquire(Head));
        if head > MAX_SEQUENCE || newest > head + 1 {
            return Some("a frame is numbered beyond the newest");
        }
        // The entry of a head that has moved on may be overwritten already, so the head is read once more.
        let is_noted = head == 0 || self.entry(head).tag.load(acquire(Entry)) == head;
        if !is_noted && self.heads.head.load(acquire(Head)) == head {
            return Some("the newest frame is not in the ledger");
        }
        None
    }

    /// A frame that lies where none can, or two in one place.
    fn misplaced(&self) -> Option<&'static str> {
        if let Shape::Fixed { .. } = self.shape {
            let is_told_wrong = |slot: usize| !self.tells_its_place(slot);
            return (0..self.slots.len()).any(is_told_wrong).then_some("a slot's place has changed");
        }
        let mut found: Vec<(usize, State, Place)> = Vec::with_capacity(self.slots.len());
        for slot in 0..self.slots.len() {
            match self.settled(slot) {
                Some((_, None)) => return Some("a frame lies outside the arena"),
                Some((state, Some(place))) => found.push((slot, state, place)),
                None => {}
            }
        }
        found.sort_unstable_by_key(|(_, _, place)| place.offset);
        // A number is never used twice. So slots that hold the same frames still, now that both were looked at, held them at one
        // moment.
        let holds_still = |(slot, state, _): &(usize, State, Place)| self.state(*slot).bare() == state.bare();
        let is_real = |pair: &[(usize, State, Place)]| {
            let overlap = pair[0].2.end().is_none_or(|end| end > pair[1].2.offset);
            overlap && pair.iter().all(holds_still)
        };
        found.windows(2).any(is_real).then_some(OVERLAP)
    }
}
