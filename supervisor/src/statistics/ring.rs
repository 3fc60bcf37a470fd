//! The figures of one ring, read from its shared memory: its size and fill, lost frames, the time between frames, and
//! the rate over the last second. Rings may hold anything, so nothing read from one is used as a place or a size.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proto::ring::header::INTERVAL_BUCKETS;
use proto::ring::{Ring, RingTime};
use proto::stats::{Dropped, IntervalStats, RingStats, TimeStats};
use proto::status::CameraStatus;
use proto::sync::{AtomicU64, Ordering};
use proto::time::{MonotonicNs, nanos};

use super::view::CameraView;
use crate::health::reach::Reach;

/// Measures frame rates between one look and the next.
#[derive(Default)]
pub(super) struct FrameRates {
    /// The head of each camera's ring at the last look, and the time of that look.
    last: HashMap<String, (u64, Instant)>,
}

impl FrameRates {
    /// Frames a second since the last look, by camera. A camera that is seen for the first time has no rate yet.
    pub(super) fn measure(&mut self, cameras: &[CameraView], now: Instant) -> HashMap<String, f64> {
        let heads = cameras.iter().map(|camera| (camera.name.clone(), camera.ring.head()));
        self.since_last(heads, now)
    }

    fn since_last(
        &mut self,
        heads: impl Iterator<Item = (String, u64)>,
        now: Instant,
    ) -> HashMap<String, f64> {
        let last = std::mem::take(&mut self.last);
        let mut rates = HashMap::new();
        for (camera, head) in heads {
            if let Some((then, at)) = last.get(&camera) {
                let span = now.saturating_duration_since(*at).max(Duration::from_millis(1));
                // A ring that was made anew begins at zero.
                #[expect(clippy::cast_precision_loss, reason = "frames of about a second")]
                let frames = head.saturating_sub(*then) as f64;
                rates.insert(camera.clone(), frames / span.as_secs_f64());
            }
            self.last.insert(camera, (head, now));
        }
        rates
    }
}

/// Frames that never came into the ring.
pub(super) fn dropped(ring: &Ring) -> Dropped {
    let counters = ring.counters();
    Dropped {
        by_camera: counters.dropped_by_camera.load(Ordering::Relaxed),
        ring_full: counters.dropped_ring_full.load(Ordering::Relaxed),
        too_large: counters.dropped_too_large.load(Ordering::Relaxed),
    }
}

/// All but `rebuilt`, which only the supervisor knows.
pub(super) fn size_and_fill(ring: &Ring) -> RingStats {
    let size = ring.spec().size;
    let oldest = ring.oldest();
    // One slot is always the writer's next.
    let held = oldest.map_or(0, |oldest| ring.head().saturating_sub(oldest.sequence).saturating_add(2));
    let filled_slots = usize::try_from(held.min(ring.head())).unwrap_or(usize::MAX).min(size.slots());
    let reach = oldest.map_or(Duration::ZERO, |oldest| MonotonicNs::now() - oldest.t_capture);
    #[expect(clippy::cast_precision_loss, reason = "a number of slots")]
    let reserve_ms = size.reserve_slots as f64 * ring.spec().fps.period().as_secs_f64() * 1e3;
    RingStats {
        path: ring.path(),
        payload: ring.spec().payload,
        slots: size.slots(),
        pre_roll_slots: size.pre_roll_slots,
        reserve_slots: size.reserve_slots,
        lease_slots: size.lease_slots,
        filled_slots,
        bytes: ring.total_bytes() as u64,
        reach_ms: reach.as_secs_f64() * 1e3,
        reserve_ms,
        rebuilt: 0,
    }
}

/// The capture's word on its frames' times.
pub(super) fn time(ring: &Ring) -> TimeStats {
    let Some(RingTime { of_source, delay, latency }) = ring.time() else { return TimeStats::default() };
    let ms = |span: Duration| span.as_secs_f64() * 1e3;
    TimeStats {
        source: Some(of_source.source),
        error_ms: of_source.error_ns.map(|ns| ms(Duration::from_nanos(ns))),
        anchors: of_source.anchors,
        delay_ms: Some(ms(delay)),
        latency_ms: ms(latency),
    }
}

/// The length in time of a ring of compressed frames; `None` for raw frames, of which the rate alone decides. Only of a live
/// camera: the last frames of one that is away grow old.
pub(super) fn reach(camera: &CameraView, wanted_ms: u64) -> Option<Reach> {
    let ring = &camera.ring;
    let arena = ring.spec().arena.filter(|_| camera.status == CameraStatus::Live)?;
    let oldest = ring.oldest();
    let has_made_room = oldest.is_some_and(|oldest| oldest.sequence > 1);
    let reach_ms = oldest
        .filter(|_| has_made_room)
        .map(|oldest| (MonotonicNs::now() - oldest.t_capture).as_secs_f64() * 1e3);
    Some(Reach {
        camera: camera.name.clone(),
        reach_ms,
        wanted_ms,
        max_rate_bytes: arena.max_rate_bytes,
        too_large: dropped(ring).too_large,
        max_frame_bytes: arena.max_frame_bytes as u64,
    })
}

/// Percentiles of the time between publications.
pub(super) fn intervals(ring: &Ring) -> IntervalStats {
    let counters = ring.counters();
    // Capped so that the sum of all buckets can't overflow.
    let count = |bucket: &AtomicU64| bucket.load(Ordering::Relaxed).min(u64::from(u32::MAX) << 16);
    let counts: Vec<u64> = counters.interval_buckets.iter().map(count).collect();
    percentiles(
        &counts,
        nanos(ring.spec().fps.period()) / 16,
        counters.interval_max_ns.load(Ordering::Relaxed),
    )
}

/// From buckets that are each a sixteenth of a frame period wide; the last one has no upper end but the maximum.
fn percentiles(counts: &[u64], sixteenth_ns: u64, max_ns: u64) -> IntervalStats {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return IntervalStats::default();
    }
    let ms = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1e3;
    let percentile = |percent: u64| {
        let wanted = (total * percent).div_ceil(100);
        let mut sum = 0;
        let bucket = counts.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        match bucket {
            Some(bucket) if bucket + 1 < INTERVAL_BUCKETS => {
                ms(((bucket as u64 + 1) * sixteenth_ns).min(max_ns))
            }
            _ => ms(max_ns),
        }
    };
    IntervalStats { p50: percentile(50), p99: percentile(99), max: ms(max_ns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_time_between_two_looks() {
        let mut rates = FrameRates::default();
        let start = Instant::now();
        let mut look = |ms, head| {
            let heads = [("left".to_owned(), head)].into_iter();
            rates.since_last(heads, start + Duration::from_millis(ms)).get("left").copied()
        };
        assert_eq!(look(0, 100), None);
        assert_eq!(look(1000, 160), Some(60.0));
        assert_eq!(look(3000, 180), Some(10.0));
        // Its ring was made anew.
        assert_eq!(look(4000, 30), Some(0.0));
        assert_eq!(look(5000, 90), Some(60.0));
    }

    #[test]
    fn percentiles_are_the_upper_ends_of_buckets_and_never_over_the_longest() {
        let mut counts = vec![0; INTERVAL_BUCKETS];
        assert_eq!(percentiles(&counts, 1_000_000, 0), IntervalStats::default());
        (counts[15], counts[20]) = (97, 3);
        let quarter = 250_000_000;
        let found = percentiles(&counts, quarter, 5_125_000_000);
        assert_eq!(found, IntervalStats { p50: 4000.0, p99: 5125.0, max: 5125.0 });
        counts[INTERVAL_BUCKETS - 1] = 1000;
        assert_eq!(percentiles(&counts, quarter, 90_000_000_000).p50, 90_000.0);
    }
}
