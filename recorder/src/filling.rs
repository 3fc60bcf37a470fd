//! Is an encoder too slow for what is left of the backlog? A pure judgement after each encoded frame. What is done about it
//! is [`crate::take`]'s decision.

use std::time::Duration;

/// A preset is judged over this many frames. A single one says little: a key frame takes longer than others, and another
/// process may have had the processor.
const OVER: u32 = 8;

/// The take's development since it was last judged, or had another encoder.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    /// Frames that were to be encoded when it was last judged; none while the backlog has room.
    behind: Option<u64>,
    frames: u32,
    disk: Duration,
}

/// The state of things after an encoded frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// The backlog has little room left, or none.
    pub(crate) is_filling: bool,
    /// Captured frames of the clip that are still to be encoded.
    pub(crate) behind: u64,
    /// The time that this thread has waited for the disk in its life.
    pub(crate) disk: Duration,
}

impl Filling {
    /// Judges whether a faster encoder is needed. `period`: the time from frame to frame.
    pub(crate) fn is_too_slow(&mut self, now: Now, period: Duration) -> bool {
        let kept_by_the_disk = now.disk.saturating_sub(self.disk) > period;
        self.disk = now.disk;
        if !now.is_filling {
            self.behind = None;
            return false;
        }
        self.frames += 1;
        // What a disk has cost no encoder wins back at once, so judging begins anew.
        let Some(behind) = self.behind.filter(|_| !kept_by_the_disk) else {
            (self.behind, self.frames) = (Some(now.behind), 0);
            return false;
        };
        if self.frames < OVER {
            return false;
        }
        (self.behind, self.frames) = (Some(now.behind), 0);
        now.behind >= behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(16);

    fn now(is_filling: bool, behind: u64) -> Now {
        Now { is_filling, behind, disk: Duration::ZERO }
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
    fn a_take_that_falls_behind_gets_a_faster_encoder_each_eight_frames() {
        assert_eq!(too_slow_after((0..30).map(|n| now(n >= 3, n))), [11, 19, 27]);
        assert_eq!(too_slow_after((0..10).map(|_| now(true, 50))), [8], "as fast as the camera is too slow");
    }

    #[test]
    fn an_encoder_that_gains_is_kept() {
        assert!(too_slow_after((0..50).map(|n| now(true, 100 - n))).is_empty());
        // It has room for a while, and then again not, and falls behind.
        assert_eq!(too_slow_after((0..40).map(|n| now(n != 20, if n < 21 { 100 - n } else { n }))), [29, 37]);
    }

    #[test]
    fn a_disk_that_kept_it_is_not_the_encoder() {
        // Two seconds at frame 10, in which the backlog has filled.
        let disk = |n: u64| if n < 10 { Duration::ZERO } else { Duration::from_secs(2) };
        let frames = |behind: fn(u64) -> u64| {
            (0..20).map(move |n| Now { disk: disk(n), ..now(true, if n < 10 { 100 - n } else { behind(n) }) })
        };
        assert!(too_slow_after(frames(|n| 300 - n)).is_empty());
        assert_eq!(too_slow_after(frames(|n| 300 + n)), [18], "it doesn't gain after all");
    }
}
