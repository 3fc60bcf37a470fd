//! The numbers of a stream's frames. RTP numbers packets and not frames: how many frames a loss has cost shows in the camera's
//! time, if its clock is to be believed. It is at least the number of those of which some packets came, and each of the others has
//! cost a packet. Pure.

use std::time::Duration;

use proto::frame::{Fps, LossBefore};
use proto::time::{MonotonicNs, nanos};

/// Packets may wait for so long on their way, or for whoever reads them: then more frames came in a moment than a camera makes in one.
const BURST: Duration = Duration::from_secs(1);

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
    /// Packets that are missing since then.
    lost: u64,
}

impl Counting {
    /// Counts the frames of a stream whose clock has so many ticks a second.
    #[must_use]
    pub fn new(fps: Fps, clock_rate: u32) -> Self {
        Self { fps, clock_rate: clock_rate.max(1), next: 0, last: None, unusable: 0, lost: 0 }
    }

    /// The camera has this rate from now on.
    pub fn go_at(&mut self, fps: Fps) {
        self.fps = fps;
    }

    /// A frame came that can't be used. `lost`: so many packets are missing in it and before it.
    pub fn pass_over(&mut self, lost: u32) {
        self.unusable += 1;
        self.lost += u64::from(lost);
    }

    /// The number of a frame, and the cause if frames are missing before it, or may be. `lost`: so many packets are missing before it.
    pub fn number(&mut self, time: i64, arrived: MonotonicNs, lost: u32) -> (u64, LossBefore) {
        let last = self.last.replace((time, arrived));
        let (unusable, lost) =
            (std::mem::take(&mut self.unusable), std::mem::take(&mut self.lost) + u64::from(lost));
        // A session may begin in the middle of a frame: nobody has waited for what came before.
        let Some((last_time, last_arrived)) = last else { return (self.go_on(0), LossBefore::Nothing) };
        let cause = match (unusable, lost) {
            (0, 0) => return (self.go_on(0), LossBefore::Nothing),
            (_, 0) => LossBefore::Corrupt,
            _ => LossBefore::Packets,
        };
        let by_time = self.periods(self.span(time.saturating_sub(last_time))).saturating_sub(1);
        let by_arrival = self.periods(arrived.since(last_arrived) + BURST);
        (self.go_on(by_time.min(by_arrival).min(unusable + lost).max(unusable)), cause)
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
        assert_eq!(counting.number(0, at(0), 0), (0, LossBefore::Nothing));
        counting
    }

    #[test]
    fn frames_are_counted_one_by_one_whatever_the_clock_says() {
        let mut counting = counting();
        let times = [TICKS, TICKS, 2_000_000, -7 * TICKS, 90 * TICKS];
        let numbers: Vec<_> =
            (1..).zip(times).map(|(n, time)| counting.number(time, at(n * 33), 0)).collect();
        assert_eq!(numbers, (1..=5).map(|n| (n, LossBefore::Nothing)).collect::<Vec<_>>());
    }

    #[test]
    fn a_loss_has_cost_as_many_frames_as_the_camera_had_time_for() {
        for (missing, jitter) in [(0, 0), (0, 700), (1, -800), (2, 0), (30, 900)] {
            // Packets may come one by one, or all at once behind a machine that was busy.
            for took in [missing + 1, 0] {
                let mut counting = counting();
                let time = (missing + 1) * TICKS + jitter;
                let number = u64::try_from(missing).unwrap() + 1;
                let arrived = at(u64::try_from(took).unwrap() * 1000 / 30);
                assert_eq!(counting.number(time, arrived, 90), (number, LossBefore::Packets), "{missing}");
                let next = counting.number(time + TICKS, arrived + Duration::from_millis(33), 0);
                assert_eq!(next, (number + 1, LossBefore::Nothing));
            }
        }
    }

    #[test]
    fn frames_of_which_something_came_are_missing_even_if_the_clock_stood_still() {
        let mut counting = counting();
        counting.pass_over(0);
        counting.pass_over(0);
        assert_eq!(counting.number(0, at(100), 0), (3, LossBefore::Corrupt), "no number is missing");
        counting.pass_over(2);
        counting.pass_over(0);
        assert_eq!(counting.number(0, at(200), 0), (6, LossBefore::Packets));
        assert_eq!(
            counting.number(TICKS, at(233), 0),
            (7, LossBefore::Nothing),
            "what was lost is told once"
        );
    }

    #[test]
    fn a_clock_that_jumps_at_a_loss_is_not_believed() {
        let mut counting = counting();
        let an_hour = 90_000 * 3600;
        assert_eq!(
            counting.number(an_hour, at(66), 3),
            (4, LossBefore::Packets),
            "each frame has cost a packet"
        );
        assert_eq!(counting.number(0, at(99), 3), (5, LossBefore::Packets));
        counting.pass_over(1);
        assert_eq!(counting.number(an_hour, at(132), 0), (8, LossBefore::Packets));
        // A second's frames more than there was time for.
        assert_eq!(counting.number(2 * an_hour, at(165), 10_000), (8 + 32, LossBefore::Packets));
    }

    #[test]
    fn what_was_cut_off_before_a_sessions_first_frame_is_no_loss() {
        let mut counting = Counting::new(Fps::new(30.0).unwrap(), 90_000);
        counting.pass_over(1);
        assert_eq!(counting.number(77, at(5), 1), (0, LossBefore::Nothing));
        assert_eq!(counting.number(TICKS, at(38), 0), (1, LossBefore::Nothing));
    }
}
