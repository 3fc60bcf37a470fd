//! The rate of a stream, from its own words and from its frames' times. Pure.

use std::time::Duration;

use proto::time::MonotonicNs;

/// The rate is measured for so long, from the first frame on.
const MEASURED: Duration = Duration::from_millis(1_200);
/// The same for a camera that has shown fewer than three frames by then.
const MEASURED_AT_MOST: Duration = Duration::from_millis(2_500);
/// A rate that the stream names is its rate when it is this near to the measured one: 29.97 is measured as 30, but not 25.
const NEAR: f64 = 0.1;

/// The frames by which a rate is measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate {
    /// The arrival of the first frame.
    since: Option<MonotonicNs>,
    /// Of each frame, its time by the camera's clock, in ticks.
    times: Vec<i64>,
}

impl Rate {
    /// Takes note of a frame.
    pub(super) fn note(&mut self, time: i64, arrived: MonotonicNs) {
        self.since.get_or_insert(arrived);
        self.times.push(time);
    }

    /// Are there enough frames to measure a rate by?
    pub(super) fn is_measured(&self, now: MonotonicNs) -> bool {
        let since = self.since.map_or(Duration::ZERO, |since| now - since);
        since >= MEASURED_AT_MOST || (since >= MEASURED && self.times.len() >= 3)
    }

    /// Frames a second of a stream whose clock has so many ticks a second, and which names this rate.
    pub(super) fn of(&self, clock_rate: u32, named: Option<f64>) -> f64 {
        let named = named.filter(|fps| (0.1..=1_000.0).contains(fps));
        match (self.measured(clock_rate), named) {
            (Some(measured), Some(named)) if (measured - named).abs() <= named * NEAR => named,
            (Some(measured), _) => measured,
            (None, named) => named.unwrap_or(1.0),
        }
    }

    /// In whole frames a second, or in tenths of a slow camera. `None` without two frames of different times. Pictures that are
    /// shown in another order than they come in are counted all the same.
    fn measured(&self, clock_rate: u32) -> Option<f64> {
        let (first, last) = (self.times.iter().min()?, self.times.iter().max()?);
        let ticks = u32::try_from(last - first).ok().filter(|ticks| *ticks > 0)?;
        let intervals = f64::from(u32::try_from(self.times.len() - 1).ok()?);
        let measured = intervals * f64::from(clock_rate) / f64::from(ticks);
        let near = if measured >= 5.0 { measured.round() } else { (measured * 10.0).round().max(1.0) / 10.0 };
        (near <= 1_000.0).then_some(near)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(times: &[i64], named: Option<f64>) -> f64 {
        let mut rate = Rate::default();
        for time in times {
            rate.note(*time, MonotonicNs(5));
        }
        rate.of(90_000, named)
    }

    #[test]
    fn a_rate_is_measured_and_said_exactly_where_the_stream_names_it() {
        let even = |step: i64| (0..40).map(|n| 7 + n * step).collect::<Vec<_>>();
        for (times, named, fps) in [
            (even(3_000), None, 30.0),
            (even(3_003), Some(29.97), 29.97),
            (even(3_003), None, 30.0),
            // A stream that names another rate than it has: doubled, or none at all.
            (even(3_600), Some(50.0), 25.0),
            (even(3_600), Some(0.0), 25.0),
            (even(36_000), None, 2.5),
            // B-frames.
            (vec![0, 9_000, 3_000, 6_000, 18_000, 12_000, 15_000], None, 30.0),
            (vec![5], Some(12.5), 12.5),
            (vec![5, 5, 5], None, 1.0),
            (vec![], None, 1.0),
        ] {
            assert!((rate(&times, named) - fps).abs() < 1e-9, "{times:?} {named:?}");
        }
    }

    #[test]
    fn measuring_takes_a_while_and_three_frames() {
        let at = |ms: u64| MonotonicNs(ms * 1_000_000);
        let mut rate = Rate::default();
        assert!(!rate.is_measured(at(9_000)));
        for n in 0..3 {
            rate.note(0, at(1_000 + n * 400));
        }
        assert!(!rate.is_measured(at(2_100)) && rate.is_measured(at(2_200)));
        let mut slow = Rate::default();
        slow.note(0, at(1_000));
        assert!(!slow.is_measured(at(3_000)) && slow.is_measured(at(3_500)));
    }
}
