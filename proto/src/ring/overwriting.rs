//! Which frames the writer comes to next, and how many it publishes before: the room of a frame. Nothing is decided by it
//! that a lease should decide.

use super::layout::part_bytes;
use super::place::Shape;
use super::protocol::Protocol;

/// A frame, and how soon it is overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endangered {
    /// The frame's sequence.
    pub sequence: u64,
    /// The frames that can be published before its slot is taken for another. One that a reader leases is passed by as long
    /// as the lease lasts; its room is that of a slot that nobody leases, since a lease ends with its process.
    ///
    /// Compressed frames differ in length, so there it is the number of frames at the rate that the ring was made for, besides one
    /// of the longest.
    pub room: usize,
}

/// The part of the arena that a frame takes at the rate that the ring was made for.
#[cfg(feature = "host")]
#[must_use]
pub(super) fn usual_part_bytes(max_rate_bytes: u64, fps: crate::frame::Fps) -> usize {
    let frame = u128::from(max_rate_bytes) * 1000 / u128::from(fps.milli());
    usize::try_from(frame).ok().and_then(part_bytes).unwrap_or(usize::MAX)
}

/// A frame in the arena, as it was seen.
struct Seen {
    offset: usize,
    end: usize,
    sequence: u64,
    is_leased: bool,
}

impl Protocol<'_> {
    /// In a ring of planes, the frames with less room than `within`, the soonest first.
    ///
    /// The writer goes from slot to slot and passes leased ones by. So the room of a frame is the number of slots between the
    /// newest frame's and its own that the writer can take: leased ones are none, nor is one that is being written, for that
    /// frame is as good as published.
    #[must_use]
    pub fn endangered(&self, within: usize) -> Vec<Endangered> {
        let Some((newest, _)) = self.recall(self.head()) else { return Vec::new() };
        let count = self.slots.len();
        let mut room = 0;
        let mut found = Vec::new();
        for slot in (newest + 1..newest + count).map(|slot| slot % count) {
            if room >= within {
                break;
            }
            let state = self.state(slot);
            if !state.is_writing() && state.sequence() > 0 {
                found.push(Endangered { sequence: state.sequence(), room });
            }
            room += usize::from(!state.is_leased() && !state.is_writing());
        }
        found
    }

    /// In a ring of compressed frames, the frames with less room than `within`, the soonest first. `usual`: the bytes of
    /// a part at the rate that the ring was made for.
    ///
    /// The writer comes to a frame in two ways: its part is the next in the arena, or all slots are taken and it is the oldest. The
    /// room is the smaller of the two. Of the bytes before its part, the writer may leave up to the longest frame's empty before each
    /// leased part and at the arena's end, and has to find room for one of the longest frames before it begins to write.
    #[must_use]
    pub fn endangered_parts(&self, within: usize, usual: usize) -> Vec<Endangered> {
        let Shape::Parts { arena_bytes, max_frame_bytes } = self.shape else { return Vec::new() };
        let longest = part_bytes(max_frame_bytes).unwrap_or(usize::MAX);
        let (frames, slots_left) = self.seen();
        let Some(newest) = frames.iter().max_by_key(|frame| frame.sequence) else { return Vec::new() };
        let (cursor, newest) = (newest.end, newest.sequence);
        let mut by_age: Vec<u64> =
            frames.iter().filter(|frame| !frame.is_leased).map(|frame| frame.sequence).collect();
        by_age.sort_unstable();
        let first = frames.partition_point(|frame| frame.offset < cursor);
        // Bytes that are sure to be used before `from`, from where on they are used in a row.
        let (mut before, mut from) = (0_usize, cursor);
        let mut found = Vec::new();
        for (number, frame) in frames.iter().enumerate().cycle().skip(first).take(frames.len()) {
            if number == 0 && frame.offset < from {
                before += (arena_bytes.saturating_sub(from)).saturating_sub(longest);
                from = 0;
            }
            let bytes = before + frame.offset.saturating_sub(from);
            let by_bytes = bytes.saturating_sub(longest) / usual.max(1);
            let by_slots = slots_left + by_age.partition_point(|sequence| *sequence < frame.sequence);
            let room = by_bytes.min(by_slots);
            if room < within && frame.sequence != newest {
                found.push(Endangered { sequence: frame.sequence, room });
            }
            if frame.is_leased {
                before += frame.offset.saturating_sub(from).saturating_sub(longest);
                from = frame.end;
            }
        }
        found.sort_by_key(|one| (one.room, one.sequence));
        found
    }

    /// Every whole frame in the arena, by its place, and the number of slots that hold none and aren't being written.
    fn seen(&self) -> (Vec<Seen>, usize) {
        let mut frames = Vec::with_capacity(self.slots.len());
        let mut slots_left = 0;
        for slot in 0..self.slots.len() {
            match self.settled(slot) {
                Some((state, Some(place))) => {
                    let Some(end) = place.end() else { continue };
                    let (sequence, is_leased) = (state.sequence(), state.is_leased());
                    frames.push(Seen { offset: place.offset, end, sequence, is_leased });
                }
                Some((_, None)) => {}
                None => slots_left += usize::from(self.state(slot).sequence() == 0),
            }
        }
        frames.sort_unstable_by_key(|frame| frame.offset);
        (frames, slots_left)
    }

    /// The oldest frame from which on all are held, up to the newest: none before the first. In a ring of compressed frames, where an
    /// older one may have stayed by itself.
    #[must_use]
    pub fn oldest_held(&self) -> Option<u64> {
        let head = self.head();
        (1..=head).rev().take(self.slots.len()).take_while(|sequence| self.holds(*sequence)).last()
    }

    /// True while a frame's pixels are in its slot.
    #[must_use]
    pub fn holds(&self, sequence: u64) -> bool {
        let Some((slot, _)) = self.recall(sequence) else { return false };
        let state = self.state(slot);
        sequence <= self.head() && state.sequence() == sequence && !state.is_writing()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
