//! Counters of cameras' rings between two looks: frames, drops, and the time from one frame to the next.

use std::time::Duration;

use proto::ring::Ring;
use proto::ring::header::INTERVAL_BUCKETS;
use proto::sync::Ordering::Relaxed;

/// One ring's counts at a moment.
#[derive(Clone, Debug)]
pub struct Look {
    frames: u64,
    dropped: u64,
    epoch: u64,
    longest: Duration,
    /// A sixteenth of a frame period each; the last is for all that is longer.
    buckets: [u64; INTERVAL_BUCKETS],
    bucket: Duration,
}

/// The counts of all rings between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counted {
    /// Frames in the rings.
    pub frames: u64,
    /// Frames in the ring of the camera that has fewest.
    pub fewest: u64,
    /// Frames that cameras made and rings did not get.
    pub dropped: u64,
    /// Captures that began anew.
    pub restarts: u64,
    /// Half of the intervals were no longer, to a sixteenth of a frame period.
    pub p50: Duration,
    /// 99 of 100 were no longer.
    pub p99: Duration,
    /// None was longer; to a sixteenth of a frame period, if there was a longer one before.
    pub longest: Duration,
}

impl Look {
    /// Now.
    #[must_use]
    pub fn at(ring: &Ring) -> Self {
        let counters = ring.counters();
        Self {
            frames: ring.head(),
            dropped: counters.dropped_by_camera.load(Relaxed) + counters.dropped_ring_full.load(Relaxed),
            epoch: ring.epoch(),
            longest: Duration::from_nanos(counters.interval_max_ns.load(Relaxed)),
            buckets: std::array::from_fn(|n| counters.interval_buckets[n].load(Relaxed)),
            bucket: ring.spec().fps.period() / 16,
        }
    }
}

impl Counted {
    /// Between two looks at the same rings.
    #[must_use]
    pub fn between(before: &[Look], after: &[Look]) -> Self {
        let frames = before.iter().zip(after).map(|(a, b)| b.frames.saturating_sub(a.frames));
        let mut all = Self { fewest: frames.min().unwrap_or(0), ..Self::default() };
        let mut upper_ends: Vec<(Duration, u64)> = Vec::new();
        for (before, after) in before.iter().zip(after) {
            all.frames += after.frames.saturating_sub(before.frames);
            all.dropped += after.dropped.saturating_sub(before.dropped);
            all.restarts += after.epoch.saturating_sub(before.epoch);
            let grown: Vec<u64> = after
                .buckets
                .iter()
                .zip(before.buckets)
                .map(|(now, then)| now.saturating_sub(then))
                .collect();
            let upper_end = |n: usize| {
                let end = after.bucket * u32::try_from(n + 1).unwrap_or(u32::MAX);
                if n + 1 == INTERVAL_BUCKETS { after.longest } else { end.min(after.longest) }
            };
            let last = grown.iter().rposition(|count| *count > 0);
            let longest =
                if after.longest > before.longest { Some(after.longest) } else { last.map(upper_end) };
            all.longest = all.longest.max(longest.unwrap_or_default());
            upper_ends.extend(grown.iter().enumerate().map(|(n, count)| (upper_end(n), *count)));
        }
        upper_ends.sort_unstable();
        let total: u64 = upper_ends.iter().map(|(_, count)| count).sum();
        let reached = |percent: u64| {
            let mut sum = 0;
            let reached = upper_ends.iter().find(|(_, count)| {
                sum += count;
                *count > 0 && sum >= (total * percent).div_ceil(100)
            });
            reached.map_or(Duration::ZERO, |(end, _)| *end)
        };
        (all.p50, all.p99) = (reached(50), reached(99));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(frames: u64, longest_ms: u64, counts: &[(usize, u64)]) -> Look {
        let mut buckets = [0; INTERVAL_BUCKETS];
        counts.iter().for_each(|(bucket, count)| buckets[*bucket] = *count);
        let (longest, bucket) = (Duration::from_millis(longest_ms), Duration::from_millis(1));
        Look { frames, dropped: 0, epoch: 1, longest, buckets, bucket }
    }

    #[test]
    fn what_came_before_does_not_count() {
        // A start that took 500 ms, and an even run after it.
        let before = look(10, 500, &[(15, 8), (63, 1)]);
        let after = look(210, 500, &[(15, 198), (17, 9), (20, 1), (63, 1)]);
        let counted = Counted::between(&[before], &[after]);
        assert_eq!(counted.frames, 200);
        let ms = Duration::from_millis;
        assert_eq!((counted.p50, counted.p99, counted.longest), (ms(16), ms(18), ms(21)));
    }

    #[test]
    fn the_worst_camera_says_how_long_and_all_say_how_often() {
        let even = |n: u64| look(100 * n, 16, &[(15, 99 * n)]);
        let (before, after) = (look(0, 20, &[]), look(100, 90, &[(15, 98), (63, 1)]));
        let counted = Counted::between(&[even(1), before], &[even(9), after]);
        assert_eq!((counted.frames, counted.fewest), (900, 100));
        assert_eq!(counted.longest, Duration::from_millis(90));
        assert_eq!(counted.p99, Duration::from_millis(16));
    }

    #[test]
    fn a_camera_without_frames_has_no_intervals() {
        assert_eq!(Counted::between(&[look(7, 30, &[])], &[look(7, 30, &[])]), Counted::default());
    }
}
