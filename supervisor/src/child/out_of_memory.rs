//! Was a process killed by the kernel, because memory ran out? Judged by the kernel's count of such kills. Pure; the count
//! is read in [`crate::child::proc`].

use std::time::{Duration, Instant};

/// Longer than it takes to hear of an end.
const LOOK: Duration = Duration::from_secs(2);

/// The kernel's count of kills for lack of memory, a while ago and of late.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    /// The count that a new one is compared with: a kill since the look before last may not have been heard of yet.
    then: u64,
    lately: u64,
    looked: Instant,
}

impl MemoryWatch {
    pub(crate) fn new(count: u64, now: Instant) -> Self {
        Self { then: count, lately: count, looked: now }
    }

    /// Takes the count over, if the last one is old enough; call it several times a second.
    pub(crate) fn look(&mut self, now: Instant, count: impl FnOnce() -> u64) {
        if now.saturating_duration_since(self.looked) >= LOOK {
            self.looked = now;
            self.then = std::mem::replace(&mut self.lately, count());
        }
    }

    /// With the kernel's count at this moment: has it killed a process in the last seconds?
    pub(crate) fn ran_out(&self, count: u64) -> bool {
        count > self.then
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_known_of_for_two_looks_and_then_old() {
        let start = Instant::now();
        let mut watch = MemoryWatch::new(7, start);
        assert!(!watch.ran_out(7));
        assert!(watch.ran_out(8));
        watch.look(start + LOOK, || 8);
        assert!(watch.ran_out(8), "its end may not have been heard of yet");
        watch.look(start + LOOK + LOOK / 2, || panic!("too soon to read the count"));
        watch.look(start + LOOK * 2, || 8);
        assert!(!watch.ran_out(8));
    }
}
