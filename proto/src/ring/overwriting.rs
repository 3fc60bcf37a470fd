//! Which frames the writer comes to next, and how many it publishes before: the room of a frame. Nothing is decided by it
//! that a lease should decide.

use super::protocol::Protocol;

/// A frame, and how soon it is overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endangered {
    /// The frame's sequence.
    pub sequence: u64,
    /// The frames that can be published before its slot is taken for another. One that a reader leases is passed by as long
    /// as the lease lasts; its room is that of a slot that nobody leases, since a lease ends with its process.
    pub room: usize,
}

impl Protocol<'_> {
    /// The frames with less room than `within`, the soonest first.
    ///
    /// The writer goes from slot to slot and passes leased ones by. So the room of a frame is the number of slots between the
    /// newest frame's and its own that the writer can take: leased ones are none, nor is one that is being written, for that
    /// frame is as good as published.
    #[must_use]
    pub fn endangered(&self, within: usize) -> Vec<Endangered> {
        let Some((newest, _)) = self.recall(self.head()) else { return Vec::new() };
        let count = self.states.len();
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
