//! The numbers of a live camera's frames over all the times that it is opened. Pure: a camera's own number and a capture
//! time in, the ring's source sequence out.

use proto::frame::Fps;
use proto::time::{MonotonicNs, nanos};

/// Numbers that go on whatever the camera does with its own: most cameras count from 0 each time they are opened, some
/// don't count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    fps: Fps,
    /// The number and the capture time of the newest frame.
    newest: Option<(u64, MonotonicNs)>,
    /// The camera's own number of that frame, if it was made since the camera was opened.
    own: Option<u64>,
}

impl Numbers {
    /// The numbers of a camera of this rate.
    pub(crate) fn new(fps: Fps) -> Self {
        Self { fps, newest: None, own: None }
    }

    /// The camera has another rate from now on.
    pub(super) fn go_at(&mut self, fps: Fps) {
        self.fps = fps;
    }

    /// Goes on after a frame of an earlier process.
    pub(super) fn go_on_after(&mut self, source_sequence: u64, t_capture: MonotonicNs) {
        self.newest = Some((source_sequence, t_capture));
    }

    /// The camera has been opened, and may count anew.
    pub(super) fn begin(&mut self) {
        self.own = None;
    }

    /// Will the next frame be the first since the camera was opened, with others before it?
    pub(super) fn begins_again(&self) -> bool {
        self.own.is_none() && self.newest.is_some()
    }

    /// The number of the camera's next frame. The first frame after the camera was away leaves out as many numbers as frames
    /// were due meanwhile. `variable_rate`: none was due at any moment, and a single number stands for what nobody can count.
    pub(super) fn number(&mut self, own: u64, t_capture: MonotonicNs, variable_rate: bool) -> u64 {
        let number = match (self.newest, self.own) {
            (None, _) => own,
            // A number that stands still or goes back: the camera has begun to count anew by itself.
            (Some((newest, _)), Some(last)) if own > last => newest.saturating_add(own - last),
            (Some((newest, t)), _) => newest.saturating_add(self.steps(t, t_capture, variable_rate)),
        };
        (self.newest, self.own) = (Some((number, t_capture)), Some(own));
        number
    }

    /// Frame periods from one frame to the next, to the nearest, and one at least.
    fn steps(&self, from: MonotonicNs, to: MonotonicNs, variable_rate: bool) -> u64 {
        let away = nanos(to.since(from) + self.fps.period() / 2);
        let due = self.fps.frames_in(away).max(1);
        if variable_rate { due.min(2) } else { due }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MonotonicNs {
        MonotonicNs(7_000_000_000 + ms * 1_000_000)
    }

    fn numbers() -> Numbers {
        Numbers::new(Fps::new(50.0).unwrap())
    }

    #[test]
    fn the_first_camera_of_a_ring_keeps_its_own_numbers() {
        let mut numbers = numbers();
        let got = [(5, 0), (6, 20), (9, 80)].map(|(own, ms)| numbers.number(own, at(ms), false));
        assert_eq!(got, [5, 6, 9]);
    }

    #[test]
    fn a_camera_that_is_opened_again_leaves_out_what_was_due() {
        let mut numbers = numbers();
        numbers.number(100, at(0), false);
        numbers.begin();
        let got = [(0, 1_011), (1, 1_031), (3, 1_071)].map(|(own, ms)| numbers.number(own, at(ms), false));
        assert_eq!(got, [151, 152, 154]);
    }

    #[test]
    fn a_process_goes_on_after_the_frames_of_the_one_before() {
        let mut numbers = numbers();
        numbers.go_on_after(1_000, at(0));
        assert_eq!(numbers.number(3, at(209), false), 1_010);
    }

    #[test]
    fn a_camera_that_counts_by_a_clock_that_went_on_keeps_its_numbers() {
        let fps = Fps::new(59.94).unwrap();
        let mut numbers = Numbers::new(fps);
        for own in [0, 1, 2, 60, 61, 100_000, 100_001, 9_000_000] {
            numbers.begin();
            assert_eq!(numbers.number(own, MonotonicNs(7 + fps.due_ns(own)), false), own);
        }
    }

    #[test]
    fn a_number_that_goes_back_or_stands_still_is_no_earlier_frame() {
        let mut numbers = numbers();
        let got = [(50, 0), (50, 20), (7, 40), (8, 60)].map(|(own, ms)| numbers.number(own, at(ms), false));
        assert_eq!(got, [50, 51, 52, 53]);
    }

    #[test]
    fn a_camera_that_is_back_before_its_next_frame_was_due_has_lost_none() {
        let mut numbers = numbers();
        numbers.number(0, at(0), false);
        numbers.begin();
        assert_eq!(numbers.number(0, at(3), false), 1);
    }

    #[test]
    fn of_a_variable_rate_one_frame_stands_for_all_that_may_be_missing() {
        let mut numbers = numbers();
        numbers.number(0, at(0), true);
        numbers.begin();
        assert_eq!(numbers.number(0, at(60_000), true), 2);
    }
}
