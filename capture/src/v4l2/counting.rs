//! The numbers and times of frames, made of what the driver says of them and of when they arrive. Pure.

use std::time::Duration;

use proto::frame::{CaptureTime, TimeOfSource};
use proto::time::MonotonicNs;

use crate::source::LEAST_STEP;

/// A driver's time that is older than this is no time of this frame, unless frames are so far apart.
const OLDEST: Duration = Duration::from_secs(10);
/// A process that was away for longer than this before a hole in the driver's count has other troubles.
const LONGEST_ABSENCE: Duration = Duration::from_secs(60);
/// The most buffers that a driver is asked for: a frame may be this many periods old when it is fetched.
pub(crate) const BUFFERS: u32 = 8;

/// A camera's numbers: the driver's count goes on through its repeats, and not through its absurdities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    next: u64,
    period: Duration,
    /// The driver's count of the last frame, and its arrival.
    last: Option<(u32, MonotonicNs)>,
}

/// The number of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    /// The camera's number.
    pub(crate) number: u64,
    /// Frames that are missing before it.
    pub(crate) missing: u64,
}

impl Numbers {
    /// The first frame's number will be `first`; frames are about a `period` apart.
    pub(crate) fn new(first: u64, period: Duration) -> Self {
        Self { next: first, period, last: None }
    }

    /// The number of a frame that has arrived with the driver's count `sequence`.
    pub(crate) fn of(&mut self, sequence: u32, arrival: MonotonicNs) -> Numbered {
        let missing = match self.last {
            // Drivers begin anywhere, and the frames of before the start are nobody's.
            None => 0,
            Some((last, since)) => match sequence.wrapping_sub(last) {
                // A count that stands still or goes back, by half of all numbers: the frame is there all the same.
                0 | 0x8000_0000.. => 0,
                step => self.plausible(u64::from(step) - 1, arrival.since(since)),
            },
        };
        self.last = Some((sequence, arrival));
        let number = self.next + missing;
        self.next = number + 1;
        Numbered { number, missing }
    }

    /// No more frames can be missing than a camera of four times the rate would have made meanwhile. A process that has been
    /// away fetches what the driver kept first, and meets the hole right behind that.
    fn plausible(&self, missing: u64, within: Duration) -> u64 {
        let periods = (within + LONGEST_ABSENCE).as_nanos() / self.period.as_nanos().max(1);
        let most = u64::try_from(periods).unwrap_or(u64::MAX).saturating_mul(4);
        if missing <= most { missing } else { 0 }
    }
}

/// A camera's times: they rise, and none is later than its frame's arrival.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    last: Option<MonotonicNs>,
    oldest: Duration,
    source: CaptureTime,
}

/// The time of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timed {
    /// Its capture time.
    pub(crate) at: MonotonicNs,
    /// Another time than the driver's was taken, since that was no time of this frame, or didn't rise.
    pub(crate) is_repaired: bool,
}

impl Times {
    /// Times behind `last`, of frames that are about a `period` apart.
    pub(crate) fn new(last: Option<MonotonicNs>, period: Duration) -> Self {
        Self { last, oldest: OLDEST.max(period * 2 * BUFFERS), source: CaptureTime::Arrival }
    }

    /// The time of a frame that has arrived, by the driver's own stamp if that is of the monotonic clock.
    pub(crate) fn of(&mut self, stamp: Option<MonotonicNs>, arrival: MonotonicNs) -> Timed {
        let (mut timed, source) = match stamp {
            None => (Timed { at: arrival, is_repaired: false }, CaptureTime::Arrival),
            Some(stamp) if stamp.0 == 0 || stamp + self.oldest < arrival => {
                (Timed { at: arrival, is_repaired: true }, CaptureTime::Arrival)
            }
            // Some drivers stamp with the moment at which the frame will be complete.
            Some(stamp) => (Timed { at: stamp.min(arrival), is_repaired: false }, CaptureTime::Driver),
        };
        self.source = source;
        if let Some(last) = self.last.filter(|last| timed.at <= *last) {
            timed = Timed { at: last + LEAST_STEP, is_repaired: true };
        }
        self.last = Some(timed.at);
        timed
    }

    /// The clock of the last frame's time. A driver's is this machine's own.
    pub(crate) fn word(&self) -> TimeOfSource {
        match self.source {
            CaptureTime::Driver => TimeOfSource::by_own_clock(CaptureTime::Driver),
            _ => TimeOfSource::ARRIVAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(20);

    fn at(ms: u64) -> MonotonicNs {
        MonotonicNs(100_000_000_000 + ms * 1_000_000)
    }

    fn numbers(sequences: &[u32]) -> Vec<(u64, u64)> {
        let mut numbers = Numbers::new(7, PERIOD);
        let mut ms = 0;
        let number = |sequence: &u32| {
            ms += 20;
            let Numbered { number, missing } = numbers.of(*sequence, at(ms));
            (number, missing)
        };
        sequences.iter().map(number).collect()
    }

    #[test]
    fn a_hole_in_the_drivers_count_is_missing_frames() {
        assert_eq!(numbers(&[3, 4, 7, 8]), [(7, 0), (8, 0), (11, 2), (12, 0)]);
        assert_eq!(numbers(&[u32::MAX, 0, 2]), [(7, 0), (8, 0), (10, 1)], "the count wraps");
    }

    #[test]
    fn a_count_that_stands_still_goes_back_or_is_absurd_loses_no_frame_and_invents_none() {
        assert_eq!(numbers(&[5, 5, 6]), [(7, 0), (8, 0), (9, 0)], "repeated");
        assert_eq!(numbers(&[0, 0, 0]), [(7, 0), (8, 0), (9, 0)], "not counted");
        assert_eq!(numbers(&[500, 0, 1]), [(7, 0), (8, 0), (9, 0)], "begun anew");
        assert_eq!(numbers(&[5, 1_000_000, 1_000_001]), [(7, 0), (8, 0), (9, 0)], "absurd");
        let mut slow = Numbers::new(0, PERIOD);
        slow.of(0, at(0));
        assert_eq!(slow.of(501, at(10_000)).missing, 500, "after ten seconds in which nobody fetched");
    }

    fn times(stamps: &[(Option<u64>, u64)]) -> Vec<(u64, bool)> {
        let mut times = Times::new(None, PERIOD);
        let time = |(stamp, arrival): &(Option<u64>, u64)| {
            let Timed { at: time, is_repaired } = times.of(stamp.map(at), at(*arrival));
            (time.0 - at(0).0, is_repaired)
        };
        stamps.iter().map(time).collect()
    }

    #[test]
    fn the_drivers_time_counts_and_is_never_later_than_the_arrival() {
        assert_eq!(times(&[(Some(5), 9), (Some(25), 29)]), [(5_000_000, false), (25_000_000, false)]);
        assert_eq!(times(&[(Some(23), 9), (Some(43), 29)]), [(9_000_000, false), (29_000_000, false)]);
        assert_eq!(times(&[(None, 9), (None, 29)]), [(9_000_000, false), (29_000_000, false)]);
    }

    #[test]
    fn a_driver_that_gives_no_time_leaves_the_arrival_and_the_word_says_so() {
        let mut times = Times::new(None, PERIOD);
        assert_eq!(times.word(), TimeOfSource::ARRIVAL);
        let driver = TimeOfSource { source: CaptureTime::Driver, error_ns: Some(0), anchors: 0 };
        for (stamp, ms, word) in [
            (Some(at(5)), 9, driver),
            (None, 29, TimeOfSource::ARRIVAL),
            (Some(MonotonicNs(0)), 49, TimeOfSource::ARRIVAL),
            (Some(at(66)), 69, driver),
        ] {
            times.of(stamp, at(ms));
            assert_eq!(times.word(), word, "at {ms} ms");
        }
    }

    #[test]
    fn a_time_that_repeats_or_goes_back_is_a_microsecond_behind_the_last_and_marked() {
        let repaired = times(&[(Some(5), 9), (Some(5), 29), (Some(2), 49), (Some(45), 69)]);
        assert_eq!(repaired, [(5_000_000, false), (5_001_000, true), (5_002_000, true), (45_000_000, false)]);
        let mut after_a_reopening = Times::new(Some(at(50)), PERIOD);
        assert_eq!(after_a_reopening.of(Some(at(40)), at(60)).at, at(50) + LEAST_STEP);
    }

    #[test]
    fn a_time_of_zero_or_of_long_ago_is_replaced_by_the_arrival_and_marked() {
        let mut times = Times::new(None, PERIOD);
        assert_eq!(times.of(Some(MonotonicNs(0)), at(0)), Timed { at: at(0), is_repaired: true });
        assert_eq!(times.of(Some(at(0)), at(10_500)), Timed { at: at(10_500), is_repaired: true });
        let mut slow = Times::new(None, Duration::from_secs(1));
        assert!(
            !slow.of(Some(at(0)), at(10_500)).is_repaired,
            "frames a second apart wait long in the driver"
        );
    }
}
