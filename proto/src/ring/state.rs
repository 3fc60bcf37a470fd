//! The state word of a slot, as a value: its bits and their meaning. Who may change it is in [`super::protocol`].
//!
//! ```text
//!  bit 63                        24 23        22..16    15            0
//!   | sequence (40)                | WRITING  | zero (7)| readers (16) |
//! ```
//!
//! 40 bits of sequence last 34 years at 1000 frames a second. Sequences start at 1, so the word 0 is an empty
//! slot and no frame is ever mistaken for it.

use core::fmt;

/// The highest sequence that a state word can hold.
pub const MAX_SEQUENCE: u64 = (1 << 40) - 1;

const WRITING: u64 = 1 << 23;
const ALWAYS_ZERO: u64 = 0x7F << 16;
const READERS: u64 = 0xFFFF;
const SEQUENCE_SHIFT: u32 = 24;

/// A reader of a ring, one of up to sixteen, as the bit it owns. A bit has one owner at a time, which is settled outside the ring (the
/// recorder has [`ReaderBit::RECORDER`] and [`ReaderBit::MOVER`]). It passes to another process only with proof of the owner's death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderBit(u8);

impl ReaderBit {
    /// The recorder's bit.
    pub const RECORDER: Self = Self(0);
    /// The bit of the recorder's mover, which copies frames into the backlog. It has one of its own, so that the encoder and
    /// the mover may hold one frame at once. The probe has bit 1.
    pub const MOVER: Self = Self(2);
    /// The number of bits.
    pub const COUNT: u8 = 16;

    /// Reader `number`, 0 to 15.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// Its number, 0 to 15.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Is it none of Preroll's own (the recorder, its probe, its mover)?
    #[must_use]
    pub fn is_foreign(self) -> bool {
        self.0 > Self::MOVER.0
    }

    /// The mask of this reader's bit in a state word.
    #[must_use]
    pub fn mask(self) -> u64 {
        1 << self.0
    }
}

/// A slot's state word, as a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct State(u64);

impl State {
    /// The state of a slot that was never written, or whose frame is void.
    pub const EMPTY: Self = Self(0);

    /// A word as it was read from memory.
    #[must_use]
    pub fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// The word as it is written to memory.
    #[must_use]
    pub fn word(self) -> u64 {
        self.0
    }

    /// The state while frame `sequence` is being written.
    #[must_use]
    pub fn writing(sequence: u64) -> Self {
        Self((sequence << SEQUENCE_SHIFT) | WRITING)
    }

    /// The state when frame `sequence` is whole and nobody reads it.
    #[must_use]
    pub fn holding(sequence: u64) -> Self {
        Self(sequence << SEQUENCE_SHIFT)
    }

    /// The sequence of the slot's frame, whole or being written; 0 for none.
    #[must_use]
    pub fn sequence(self) -> u64 {
        self.0 >> SEQUENCE_SHIFT
    }

    /// True if a writer and readers can have made this word.
    #[must_use]
    pub fn is_possible(self) -> bool {
        let nobody_reads_what_is_written = !(self.is_writing() && self.is_leased());
        self.0 & ALWAYS_ZERO == 0 && nobody_reads_what_is_written
    }

    /// True while the writer is filling the slot.
    #[must_use]
    pub fn is_writing(self) -> bool {
        self.0 & WRITING != 0
    }

    /// The same state without any lease.
    #[must_use]
    pub fn bare(self) -> Self {
        Self(self.0 & !READERS)
    }

    /// True while any reader holds a lease.
    #[must_use]
    pub fn is_leased(self) -> bool {
        self.0 & READERS != 0
    }

    /// True while this reader holds a lease.
    #[must_use]
    pub fn is_leased_by(self, reader: ReaderBit) -> bool {
        self.0 & reader.mask() != 0
    }

    /// The same state with this reader's lease added.
    #[must_use]
    pub fn leased_by(self, reader: ReaderBit) -> Self {
        Self(self.0 | reader.mask())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("sequence", &self.sequence())
            .field("writing", &self.is_writing())
            .field("readers", &format_args!("{:#06x}", self.0 & READERS))
            .finish()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_word_do_not_touch() {
        let last = ReaderBit::new(15).unwrap();
        let state = State::holding(MAX_SEQUENCE).leased_by(last).leased_by(ReaderBit::RECORDER);
        assert_eq!(state.sequence(), MAX_SEQUENCE);
        assert!(!state.is_writing() && state.is_leased_by(last) && state.is_leased());
        assert!(!state.is_leased_by(ReaderBit::new(7).unwrap()));
        assert!(State::writing(MAX_SEQUENCE).is_writing());
        assert!(!State::writing(1).is_leased());
        assert!([state, State::EMPTY, State::writing(1), State::holding(1)].iter().all(|s| s.is_possible()));
        assert!(!State::from_word(1 << 16).is_possible() && !State::writing(1).leased_by(last).is_possible());
        assert_eq!(ReaderBit::new(16), None);
    }
}
