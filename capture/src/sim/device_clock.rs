//! [`DeviceClock`]: the clock of a simulated device of which its capture knows only what it says. It runs off by `clock_ppm`, and the
//! capture maps it to this machine's like that of any other device.

use proto::frame::{CaptureTime, TimeOfSource};
use proto::time::MonotonicNs;

use crate::mapper::{Mapped, Mapper};

/// A device's clock, and the mapping of its times.
pub(super) struct DeviceClock {
    /// The moment at which it began.
    zero: MonotonicNs,
    /// The parts of a thousand million by which it runs off.
    ppb: i64,
    mapper: Mapper,
}

impl DeviceClock {
    /// A clock that began at `zero` and runs off by `ppm`. The next frame comes behind one of the time `newest`.
    pub(super) fn new(zero: MonotonicNs, ppm: f64, newest: Option<MonotonicNs>) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most a tenth, in either direction")]
        let ppb = (ppm * 1e3).round() as i64;
        Self { zero, ppb, mapper: Mapper::new(newest) }
    }

    /// The device's time at a moment, in nanoseconds.
    fn at(&self, moment: MonotonicNs) -> i64 {
        let elapsed = i128::from(moment.0) - i128::from(self.zero.0);
        let shown = elapsed + elapsed * i128::from(self.ppb) / 1_000_000_000;
        i64::try_from(shown).unwrap_or(i64::MAX)
    }

    /// The time of a frame that was exposed at one moment and has arrived at another.
    pub(super) fn map(&mut self, exposed: MonotonicNs, arrival: MonotonicNs) -> Mapped {
        let device = self.at(exposed);
        self.mapper.map(device, arrival)
    }

    /// The word on these times.
    pub(super) fn word(&self) -> TimeOfSource {
        self.mapper.time(CaptureTime::Device)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_clock_of_a_device_runs_off_and_its_frames_times_do_not() {
        let zero = MonotonicNs(7_000_000_000);
        for (ppm, after_an_hour_ms) in [(80.0, 288), (-80.0, -288), (0.0, 0)] {
            let mut clock = DeviceClock::new(zero, ppm, None);
            let hour = Duration::from_secs(3_600);
            assert_eq!(clock.at(zero + hour), 3_600_000_000_000 + after_an_hour_ms * 1_000_000);
            let way = Duration::from_millis(40);
            for n in 0..3_600_u64 {
                let exposed = zero + Duration::from_secs(n);
                let t = clock.map(exposed, exposed + way).t_capture;
                let error = t.0.abs_diff((exposed + way).0);
                assert!(n < 20 || error < 100_000, "{error} ns off after {n} s");
            }
            let word = clock.word();
            assert_eq!((word.source, word.anchors), (CaptureTime::Device, 1));
            assert!(word.error_ns.is_some_and(|ns| ns < 100_000), "{word:?}");
        }
    }
}
