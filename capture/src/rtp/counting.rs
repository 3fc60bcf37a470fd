//! The numbers of a stream's frames. RTP numbers packets and not frames: how many frames a loss has cost shows in the camera's
//! time, if its clock is to be believed, and is at least the number of those of which some packets came. Pure.

use std::time::Duration;

use proto::frame::{Fps, LossBefore};
use proto::time::{MonotonicNs, nanos};

/// Frames that arrive late by more than this many periods are not taken for lost.
const BURST: u64 = 2;

/// The numbers of one stream's frames, from 0.
#[derive(Clone, Copy, Debug)]
pub struct Counting {
    fps: Fps,
    /// Ticks a second of the stream's clock.
    clock_rate: u32,
    next: u64,
    /// Time by the camera's clock and arrival of the last frame.
    last: Option<(i64, MonotonicNs)>,
    /// Frames since then of which something came, and which can't be used.
    unusable: u64,
}

impl Counting {
    /// Counts the frames of a stream whose clock has so many ticks a second.
    #[must_use]
    pub fn new(fps: Fps, clock_rate: u32) -> Self {
        Self { fps, clock_rate: clock_rate.max(1), next: 0, last: None, unusable: 0 }
    }

    /// The camera has this rate from now on.
    pub fn go_at(&mut self, fps: Fps) {
        self.fps = fps;
    }

    /// A frame came that can't be used.
    pub fn pass_over(&mut self) {
        self.unusable += 1;
    }

    /// The number of a frame, and the cause if frames are missing before it, or may be. `after_loss`: packets are missing.
    pub fn number(&mut self, time: i64, arrived: MonotonicNs, after_loss: bool) -> (u64, LossBefore) {
        let last = self.last.replace((time, arrived));
        let unusable = std::mem::take(&mut self.unusable);
        // A session may begin in the middle of a frame: nobody has waited for what came before.
        let Some((last_time, last_arrived)) = last else { return (self.go_on(0), LossBefore::Nothing) };
        if unusable == 0 && !after_loss {
            return (self.go_on(0), LossBefore::Nothing);
        }
        let by_time = self.periods(self.span(time.saturating_sub(last_time))).saturating_sub(1);
        let by_arrival = self.periods(arrived.since(last_arrived)) + BURST;
        (self.go_on(by_time.min(by_arrival).max(unusable)), LossBefore::Corrupt)
    }

    fn go_on(&mut self, missing: u64) -> u64 {
        let number = self.next + missing;
        self.next = number + 1;
        number
    }

    /// Time that has passed on the camera's clock; none if it has gone back.
    fn span(&self, ticks: i64) -> Duration {
        let ticks = u64::try_from(ticks).unwrap_or(0);
        let rate = u64::from(self.clock_rate);
        Duration::from_secs(ticks / rate) + Duration::from_nanos(ticks % rate * 1_000_000_000 / rate)
    }

    /// Frame periods in a span, to the nearest.
    fn periods(&self, span: Duration) -> u64 {
        self.fps.frames_in(nanos(span + self.fps.period() / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKS: i64 = 3_000;

    fn at(ms: u64) -> MonotonicNs {
        MonotonicNs(5_000_000_000 + ms * 1_000_000)
    }

    fn counting() -> Counting {
        let mut counting = Counting::new(Fps::new(30.0).unwrap(), 90_000);
        assert_eq!(counting.number(0, at(0), false), (0, LossBefore::Nothing));
        counting
    }

    #[test]
    fn frames_are_counted_one_by_one_whatever_the_clock_says() {
        let mut counting = counting();
        let times = [TICKS, TICKS, 2_000_000, -7 * TICKS, 90 * TICKS];
        let numbers: Vec<_> =
            (1..).zip(times).map(|(n, time)| counting.number(time, at(n * 33), false)).collect();
        assert_eq!(numbers, (1..=5).map(|n| (n, LossBefore::Nothing)).collect::<Vec<_>>());
    }

    #[test]
    fn a_loss_has_cost_as_many_frames_as_the_camera_had_time_for() {
        for (missing, jitter) in [(0, 0), (0, 700), (1, -800), (2, 0), (30, 900)] {
            let mut counting = counting();
            let time = (missing + 1) * TICKS + jitter;
            let number = u64::try_from(missing).unwrap() + 1;
            let arrived = at(number * 1000 / 30);
            assert_eq!(counting.number(time, arrived, true), (number, LossBefore::Corrupt), "{missing}");
            let next = counting.number(time + TICKS, arrived + Duration::from_millis(33), false);
            assert_eq!(next, (number + 1, LossBefore::Nothing));
        }
    }

    #[test]
    fn frames_of_which_something_came_are_missing_even_if_the_clock_stood_still() {
        let mut counting = counting();
        counting.pass_over();
        counting.pass_over();
        assert_eq!(counting.number(0, at(100), false), (3, LossBefore::Corrupt));
    }

    #[test]
    fn a_clock_that_jumps_at_a_loss_is_not_believed() {
        let mut counting = counting();
        assert_eq!(counting.number(90_000 * 3600, at(66), true), (5, LossBefore::Corrupt));
        assert_eq!(counting.number(0, at(99), true), (6, LossBefore::Corrupt));
    }

    #[test]
    fn what_was_cut_off_before_a_sessions_first_frame_is_no_loss() {
        let mut counting = Counting::new(Fps::new(30.0).unwrap(), 90_000);
        counting.pass_over();
        assert_eq!(counting.number(77, at(5), true), (0, LossBefore::Nothing));
    }
}
