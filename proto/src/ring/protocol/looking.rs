//! The protocol for whoever may only look: no lease, no store. Rust promises relaxed loads on memory that can't be written, and
//! nothing else, so fences stand here where [`super`] has ordered loads.

use super::super::order::SyncPoint::{Entry, Head, Mark, Publish};
use super::super::order::acquire_fence;
use super::super::place::Place;
use super::super::state::{MAX_SEQUENCE, State};
use super::{Miss, Protocol};
use crate::frame::FrameInfo;
use crate::sync::Ordering::Relaxed;

impl Protocol<'_> {
    /// [`Protocol::head`], by looking.
    #[must_use]
    pub fn look_at_head(&self) -> u64 {
        let head = self.heads.head.load(Relaxed).min(MAX_SEQUENCE);
        acquire_fence(Head);
        head
    }

    /// [`Protocol::frame_info`], by looking.
    #[must_use]
    pub fn look_at_info(&self, sequence: u64) -> Option<FrameInfo> {
        if sequence > self.look_at_head() { None } else { self.look_up(sequence).map(|(_, info)| info) }
    }

    /// Has a frame copied from its place, and says whether the copy is the frame's. The bytes there may change while `copy` loads
    /// them, so it must load them as atomics.
    ///
    /// # Errors
    /// [`Miss::NotYet`] before the frame is published, [`Miss::Overrun`] when it is overwritten or was, in the midst of the copy.
    pub fn copy<T>(&self, sequence: u64, copy: impl FnOnce(Place) -> T) -> Result<(FrameInfo, T), Miss> {
        if sequence > self.look_at_head() {
            return Err(Miss::NotYet);
        }
        let (slot, info) = self.look_up(sequence).ok_or(Miss::Overrun)?;
        let word = &self.slots[slot].word;
        let holds_it = |word: u64| {
            let state = State::from_word(word);
            state.sequence() == sequence && !state.is_writing()
        };
        let before = word.load(Relaxed);
        acquire_fence(Publish);
        if !holds_it(before) {
            return Err(Miss::Overrun);
        }
        let copied = copy(self.place(slot).ok_or(Miss::Overrun)?);
        // Whoever has loaded any byte, place or length of a later frame now sees that this one is gone.
        acquire_fence(Mark);
        if holds_it(word.load(Relaxed)) { Ok((info, copied)) } else { Err(Miss::Overrun) }
    }

    /// What the ledger remembers of a frame, whether published or not.
    fn look_up(&self, sequence: u64) -> Option<(usize, FrameInfo)> {
        let entry = self.entry(sequence);
        if sequence == 0 || entry.tag.load(Relaxed) != sequence {
            return None;
        }
        acquire_fence(Entry);
        let found = entry.content(sequence).filter(|(slot, _)| *slot < self.slots.len());
        acquire_fence(Entry);
        if entry.tag.load(Relaxed) == sequence { found } else { None }
    }
}
