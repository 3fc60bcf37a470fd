//! The capture times of a camera's frames: by its own clock, as the mapper ties it to this machine's, or by arrival. Pure.

use capture::mapper::{Mapped, Mapper};
use proto::frame::{CaptureTime, TimeOfSource};
use proto::time::MonotonicNs;

/// The clock of a camera.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    mapper: Mapper,
    has_own: bool,
}

impl Clock {
    /// The clock of a camera that stamps its frames, or doesn't. Behind a frame of the time `newest`.
    pub(crate) fn new(has_own: bool, newest: Option<MonotonicNs>) -> Self {
        Self { mapper: Mapper::new(newest), has_own }
    }

    /// The time of a frame that the camera stamped with `stamp_ns`. One of a camera that doesn't stamp is mapped by its arrival,
    /// which is that.
    pub(crate) fn time(&mut self, stamp_ns: u64, arrival: MonotonicNs) -> Mapped {
        let own = if self.has_own { stamp_ns } else { arrival.0 };
        self.mapper.map(i64::try_from(own).unwrap_or(i64::MAX), arrival)
    }

    /// The clock's word on its times.
    pub(crate) fn word(&self) -> TimeOfSource {
        if self.has_own { self.mapper.time(CaptureTime::Device) } else { TimeOfSource::ARRIVAL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MonotonicNs {
        MonotonicNs(500_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn a_camera_that_stamps_is_timed_by_its_stamps_and_another_by_arrival() {
        // A frame is 9 ms late.
        let arrivals = [0, 20, 49, 60];
        for (has_own, expected, source) in
            [(true, [0, 20, 40, 60], CaptureTime::Device), (false, arrivals, CaptureTime::Arrival)]
        {
            let mut clock = Clock::new(has_own, None);
            for (n, (arrival, expected)) in (0_u64..).zip(arrivals.into_iter().zip(expected)) {
                let timed = clock.time(7_000_000 + n * 20_000_000, at(arrival));
                assert_eq!((timed.t_capture, timed.is_repaired), (at(expected), false), "{has_own} {n}");
            }
            assert_eq!(clock.word().source, source);
        }
    }

    #[test]
    fn a_camera_whose_stamps_stand_still_is_timed_by_arrival() {
        let mut clock = Clock::new(true, None);
        let timed = (0..10).map(|n| clock.time(0, at(n * 20)).t_capture).last();
        assert_eq!((timed, clock.word().source), (Some(at(180)), CaptureTime::Arrival));
    }
}
