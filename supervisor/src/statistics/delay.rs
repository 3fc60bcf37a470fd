//! The time that events wait for the loop, as counts by length. The loop counts without a lock; the counts are read once
//! a second. Which events are timed is decided in [`crate::watch`].

use std::array;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proto::stats::DelayStats;
use proto::time::nanos;

/// Buckets in each doubling of the delay: a percentile is right to an eighth.
const PER_OCTAVE: usize = 8;
/// Octaves from a microsecond on. The last bucket, of half a minute, takes everything above.
const OCTAVES: usize = 25;
const BUCKETS: usize = PER_OCTAVE * OCTAVES;
/// The seconds that percentiles are taken over.
const SECONDS: usize = 10;

/// Counts of delays by length.
pub(super) struct LoopDelay {
    counts: [AtomicU64; BUCKETS],
}

impl Default for LoopDelay {
    fn default() -> Self {
        Self { counts: array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl LoopDelay {
    /// Counts one event.
    pub(super) fn record(&self, waited: Duration) {
        self.counts[bucket(waited)].fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the counts out: those since the last call.
    pub(super) fn take(&self) -> [u64; BUCKETS] {
        array::from_fn(|bucket| self.counts[bucket].swap(0, Ordering::Relaxed))
    }
}

/// The counts of the last ten seconds.
#[derive(Default)]
pub(super) struct Recent {
    seconds: VecDeque<[u64; BUCKETS]>,
}

impl Recent {
    /// Adds a second and forgets the eleventh; returns what the ten come to.
    pub(super) fn add(&mut self, second: [u64; BUCKETS]) -> DelayStats {
        if self.seconds.len() == SECONDS {
            self.seconds.pop_front();
        }
        self.seconds.push_back(second);
        let all: [u64; BUCKETS] = array::from_fn(|bucket| self.seconds.iter().map(|s| s[bucket]).sum());
        let total: u64 = all.iter().sum();
        let at = |percent: u64| {
            let (mut sum, wanted) = (0, (total * percent).div_ceil(100).max(1));
            let found = all.iter().position(|count| {
                sum += count;
                sum >= wanted
            });
            found.map_or(0.0, upper_ms)
        };
        DelayStats { events: total, p50: at(50), p99: at(99), max: at(100) }
    }
}

fn bucket(waited: Duration) -> usize {
    let us = nanos(waited) / 1000;
    let Some(octave) = us.checked_ilog2() else { return 0 };
    let octave = octave as usize;
    // The part of the octave that lies below this delay, in eighths.
    let eighth = usize::try_from(((us - (1 << octave)) * PER_OCTAVE as u64) >> octave).unwrap_or(0);
    (octave * PER_OCTAVE + eighth).min(BUCKETS - 1)
}

/// The upper end of a bucket.
fn upper_ms(bucket: usize) -> f64 {
    let (octave, eighth) = (bucket / PER_OCTAVE, bucket % PER_OCTAVE);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let us = (1_u64 << octave) as f64 * (1.0 + (eighth + 1) as f64 / PER_OCTAVE as f64);
    us / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_known_to_an_eighth() {
        for us in [1, 2, 3, 7, 8, 9, 100, 1000, 1023, 1024, 4321, 99_999, 10_000_000] {
            let upper = upper_ms(bucket(Duration::from_micros(us))) * 1e3;
            let us = us as f64;
            assert!(us < upper && upper <= us * 1.125 + 1.0, "{us} is said to be under {upper}");
        }
        assert_eq!(bucket(Duration::ZERO), 0);
        assert_eq!(bucket(Duration::from_secs(100_000)), BUCKETS - 1);
    }

    #[test]
    fn percentiles_forget_what_is_older_than_ten_seconds() {
        let (delay, mut recent) = (LoopDelay::default(), Recent::default());
        assert_eq!(recent.add(delay.take()), DelayStats::default());
        (0..99).for_each(|_| delay.record(Duration::from_micros(100)));
        delay.record(Duration::from_millis(50));
        let first = recent.add(delay.take());
        assert_eq!(first.events, 100);
        assert!(first.p50 < 0.12 && first.p99 < 0.12 && first.max > 50.0, "{first:?}");
        let last = (0..10).map(|_| recent.add(delay.take())).last().unwrap();
        assert_eq!(last, DelayStats::default());
    }
}
