//! [`CaptureTimes`]: the times that a camera's frames have in its ring, made of those that its source gives, in one place for all
//! backends. Pure: the config's `latency_ms` is subtracted here, and the capture's word on its times is put together here.

use std::time::Duration;

use proto::frame::{FrameFlags, TimeOfSource};
use proto::ring::{Ring, RingTime};
use proto::time::MonotonicNs;

use crate::source::LEAST_STEP;

/// The delay that is shown is a mean of about so many frames.
const MEAN_OF: u32 = 16;
/// A clock that is set again and again is told of no more often than this.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// The times of one camera's frames in one ring.
#[derive(Clone, Copy, Debug)]
pub struct CaptureTimes {
    latency: Duration,
    /// The newest frame's time in the ring.
    newest: Option<MonotonicNs>,
    /// The anchors of the capture's earlier lives.
    anchors_before: u64,
    delay: Option<Duration>,
    /// The moment at which a new anchor was told of last.
    told: Option<MonotonicNs>,
}

impl CaptureTimes {
    /// The times of a camera whose source's times lie so far behind exposure, in its ring.
    #[must_use]
    pub fn new(latency: Duration, ring: &Ring) -> Self {
        let newest = ring.newest().map(|newest| newest.t_capture);
        let anchors_before = ring.time().map_or(0, |time| time.of_source.anchors);
        Self { latency, newest, anchors_before, delay: None, told: None }
    }

    /// The time in the ring of a frame that has arrived with the source's time `t`, and the remark on it. Times rise.
    pub fn of(&mut self, t: MonotonicNs, arrival: MonotonicNs) -> (MonotonicNs, FrameFlags) {
        let delay = arrival.since(t);
        self.delay = Some(self.delay.map_or(delay, |mean| (mean * (MEAN_OF - 1) + delay) / MEAN_OF));
        let wanted = t.before(self.latency);
        let t_capture = match self.newest {
            Some(newest) if wanted <= newest => newest + LEAST_STEP,
            _ => wanted,
        };
        self.newest = Some(t_capture);
        (t_capture, FrameFlags::TIME_REPAIRED.when(t_capture != wanted))
    }

    /// The word on these times, by the source's word on its own.
    #[must_use]
    pub fn word(&self, of_source: TimeOfSource) -> RingTime {
        let anchors = of_source.anchors.saturating_add(self.anchors_before);
        RingTime {
            of_source: TimeOfSource { anchors, ..of_source },
            delay: self.delay.unwrap_or_default(),
            latency: self.latency,
        }
    }

    /// Is a new anchor to be told of now?
    pub fn is_to_be_told(&mut self, now: MonotonicNs) -> bool {
        let is_due = self.told.is_none_or(|told| now.since(told) >= TOLD_EVERY);
        if is_due {
            self.told = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use proto::frame::CaptureTime;

    use super::*;

    fn at(ms: u64) -> MonotonicNs {
        MonotonicNs(60_000_000_000 + ms * 1_000_000)
    }

    fn times(latency_ms: u64) -> CaptureTimes {
        let latency = Duration::from_millis(latency_ms);
        CaptureTimes { latency, newest: None, anchors_before: 3, delay: None, told: None }
    }

    #[test]
    fn the_latency_is_subtracted_and_times_still_rise() {
        let mut times = times(40);
        assert_eq!(times.of(at(100), at(105)), (at(60), FrameFlags::NONE));
        assert_eq!(times.of(at(133), at(140)), (at(93), FrameFlags::NONE));
        let behind_a_shorter =
            CaptureTimes { latency: Duration::from_millis(80), ..times }.of(at(166), at(166));
        assert_eq!(behind_a_shorter, (at(93) + LEAST_STEP, FrameFlags::TIME_REPAIRED));
        assert_eq!(times.of(at(166), at(170)), (at(126), FrameFlags::NONE));
        let mut early = CaptureTimes { latency: Duration::from_secs(100), ..self::times(0) };
        assert_eq!(early.of(at(0), at(0)).0, MonotonicNs(0), "a clock doesn't begin before its boot");
    }

    #[test]
    fn the_word_has_the_mean_delay_and_the_anchors_of_all_lives() {
        let mut times = times(40);
        for n in 0..200 {
            times.of(at(n * 33), at(n * 33 + 900));
        }
        let of_source = TimeOfSource { source: CaptureTime::Driver, error_ns: Some(0), anchors: 2 };
        let word = times.word(of_source);
        assert_eq!((word.of_source.anchors, word.latency), (5, Duration::from_millis(40)));
        assert!(word.delay.abs_diff(Duration::from_millis(900)) < Duration::from_millis(1), "{word:?}");
    }

    #[test]
    fn an_anchor_is_told_of_every_ten_seconds_at_most() {
        let mut times = times(0);
        let told = [0, 1, 9_999, 10_000, 10_001, 30_000].map(|ms| times.is_to_be_told(at(ms)));
        assert_eq!(told, [true, false, false, true, false, true]);
    }
}
