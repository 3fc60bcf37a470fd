//! Is an encoder too slow for what is left of the backlog? A pure judgement after each encoded frame. What is done about it
//! is [`crate::take`]'s decision.

use std::time::Duration;

/// A preset is judged over this many frames. A single one says little: a key frame takes longer than others, and another
/// process may have had the processor.
const OVER: u32 = 8;

/// The backlog's development since the take last had another encoder.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    /// Frames that waited when it was last judged; none before the first time.
    waited: Option<u64>,
    frames: u32,
    disk: Duration,
}

/// The state of things after an encoded frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// The backlog is nearly full.
    pub(crate) is_filling: bool,
    /// The frames of this camera in it.
    pub(crate) waiting: u64,
    /// The time that this thread has waited for the disk in its life.
    pub(crate) disk: Duration,
}

impl Filling {
    /// Judges whether a faster encoder is needed. `period`: the time from frame to frame.
    pub(crate) fn is_too_slow(&mut self, now: Now, period: Duration) -> bool {
        let kept_by_the_disk = now.disk.saturating_sub(self.disk) > period;
        self.disk = now.disk;
        self.frames = self.frames.saturating_add(1);
        if !now.is_filling {
            self.waited = None;
            return false;
        }
        let is_first = self.waited.is_none();
        if kept_by_the_disk || (self.frames < OVER && !is_first) {
            // What the disk has cost no encoder wins back at once.
            if kept_by_the_disk {
                self.judged(now.waiting);
            }
            return false;
        }
        let gains = self.waited.is_some_and(|waited| now.waiting < waited);
        self.judged(now.waiting);
        !gains
    }

    fn judged(&mut self, waiting: u64) {
        (self.waited, self.frames) = (Some(waiting), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(16);

    fn now(is_filling: bool, waiting: u64) -> Now {
        Now { is_filling, waiting, disk: Duration::ZERO }
    }

    /// After which of these frames it is found too slow.
    fn too_slow_after(frames: impl Iterator<Item = Now>) -> Vec<usize> {
        let mut filling = Filling::default();
        let judged = frames.map(|now| filling.is_too_slow(now, PERIOD));
        judged.enumerate().filter(|(_, too_slow)| *too_slow).map(|(n, _)| n).collect()
    }

    #[test]
    fn with_room_in_the_backlog_any_encoder_is_fast_enough() {
        assert!(too_slow_after((0..100).map(|n| now(false, n))).is_empty());
    }

    #[test]
    fn a_backlog_that_goes_on_filling_takes_a_faster_encoder_each_eight_frames() {
        assert_eq!(too_slow_after((0..20).map(|n| now(n >= 3, n))), [3, 11, 19]);
    }

    #[test]
    fn an_encoder_that_gains_is_kept() {
        assert_eq!(too_slow_after((0..50).map(|n| now(true, 100 - n))), [0]);
        // It has room for a while, and then again not.
        assert_eq!(too_slow_after((0..50).map(|n| now(n != 20, 100 - n))), [0, 21]);
    }

    #[test]
    fn a_disk_that_kept_it_is_not_the_encoder() {
        // Two seconds at frame 10, in which the backlog has filled; then the encoder gains.
        let disk = |n: u64| if n < 10 { Duration::ZERO } else { Duration::from_secs(2) };
        let frames = (0..40).map(|n| Now { disk: disk(n), ..now(n >= 10, 200 - n) });
        assert!(too_slow_after(frames).is_empty());
        let frames = (0..20).map(|n| Now { disk: disk(n), ..now(n >= 10, 200 + n) });
        assert_eq!(too_slow_after(frames), [18], "it doesn't gain after all");
    }
}
