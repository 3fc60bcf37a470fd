//! A camera as its driver shows it: every period there is a frame, which waits in one of a few buffers until somebody takes
//! it. When all of them are full the camera drops it. Numbers go on whatever happens.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use proto::time::MonotonicNs;

/// As many as OpenCV, GStreamer and ffmpeg ask a V4L2 device for, or fewer. The frame that is being read is in one of them.
pub const BUFFERS: usize = 4;

/// A frame, with what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The camera's number for it, from 0.
    pub number: u64,
    /// The moment of exposure.
    pub due: MonotonicNs,
    /// The moment at which a reader had it; never, if the camera dropped it.
    pub taken: Option<MonotonicNs>,
}

/// The camera's side of it.
#[derive(Clone, Debug, Default)]
pub struct Driver {
    frames: Vec<Frame>,
    waiting: VecDeque<usize>,
    streams: bool,
}

impl Driver {
    /// A frame is there.
    pub fn expose(&mut self, due: MonotonicNs) {
        let number = self.frames.len();
        self.frames.push(Frame { number: number as u64, due, taken: None });
        if self.streams && self.waiting.len() < BUFFERS {
            self.waiting.push_back(number);
        }
    }

    /// The frame that is taken next, or is being taken.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.waiting.front().map(|number| *number as u64)
    }

    /// A reader has taken the frame.
    pub fn take(&mut self, at: MonotonicNs) {
        if let Some(number) = self.waiting.pop_front() {
            self.frames[number].taken = Some(at);
        }
    }

    /// A reader has come, or has gone: frames that wait then are lost.
    pub fn stream(&mut self, on: bool) {
        self.streams = on;
        self.waiting.clear();
    }

    /// Every frame so far, oldest first.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }
}

/// The numbers of the frames that were exposed in a span, both ends in it.
#[must_use]
pub fn exposed(frames: &[Frame], from: MonotonicNs, to: MonotonicNs) -> BTreeSet<u64> {
    frames.iter().filter(|frame| (from..=to).contains(&frame.due)).map(|frame| frame.number).collect()
}

/// The number of frames exposed in a span that nobody took.
#[must_use]
pub fn dropped(frames: &[Frame], from: MonotonicNs, to: MonotonicNs) -> usize {
    frames.iter().filter(|frame| (from..=to).contains(&frame.due) && frame.taken.is_none()).count()
}

/// From one frame being taken to the next: when that was, and how long it took, for all that end in a span. The last is
/// from the last frame to the end of the span, if that is a hole.
#[must_use]
pub fn intervals(frames: &[Frame], from: MonotonicNs, to: MonotonicNs) -> Vec<(MonotonicNs, Duration)> {
    let taken: Vec<MonotonicNs> = frames.iter().filter_map(|frame| frame.taken).collect();
    let pairs = taken.iter().zip(taken.iter().skip(1));
    let mut intervals: Vec<_> = pairs.map(|(before, at)| (*at, at.since(*before))).collect();
    if let Some(last) = taken.last().filter(|last| **last < to) {
        intervals.push((to, to.since(*last)));
    }
    intervals.retain(|(at, _)| (from..=to).contains(at));
    intervals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MonotonicNs {
        MonotonicNs(ms * 1_000_000)
    }

    #[test]
    fn frames_wait_in_the_buffers_and_are_dropped_beyond_them() {
        let mut driver = Driver::default();
        driver.stream(true);
        (0..6).for_each(|n| driver.expose(at(n * 10)));
        assert_eq!(driver.oldest(), Some(0));
        for n in 0..4 {
            driver.take(at(60 + n));
        }
        assert_eq!(driver.oldest(), None);
        driver.expose(at(70));
        driver.take(at(71));
        let taken: Vec<u64> =
            driver.frames().iter().filter(|frame| frame.taken.is_some()).map(|frame| frame.number).collect();
        assert_eq!(taken, [0, 1, 2, 3, 6]);
        assert_eq!(dropped(driver.frames(), at(0), at(70)), 2);
    }

    #[test]
    fn without_a_reader_every_frame_is_lost_and_numbers_go_on() {
        let mut driver = Driver::default();
        driver.expose(at(0));
        driver.stream(true);
        driver.expose(at(10));
        driver.stream(false);
        driver.expose(at(20));
        assert_eq!(driver.oldest(), None);
        driver.stream(true);
        driver.expose(at(30));
        assert_eq!(driver.oldest(), Some(3));
        assert_eq!(dropped(driver.frames(), at(0), at(20)), 3);
    }

    #[test]
    fn a_window_has_the_frames_that_were_exposed_in_it_taken_or_not() {
        let mut driver = Driver::default();
        (0..10).for_each(|n| driver.expose(at(n * 10)));
        assert_eq!(exposed(driver.frames(), at(20), at(40)), BTreeSet::from([2, 3, 4]));
    }

    #[test]
    fn a_hole_is_seen_between_two_frames_and_after_the_last() {
        let mut driver = Driver::default();
        driver.stream(true);
        for (due, taken) in [(0, 1), (10, 11), (20, 90), (30, 91)] {
            driver.expose(at(due));
            driver.take(at(taken));
        }
        let ms = |span: (u64, u64)| -> Vec<u128> {
            let found = intervals(driver.frames(), at(span.0), at(span.1));
            found.iter().map(|(_, length)| length.as_millis()).collect()
        };
        assert_eq!(ms((5, 91)), [10, 79, 1]);
        assert_eq!(ms((12, 200)), [79, 1, 109]);
        assert_eq!(ms((12, 20)), [], "the hole ends later");
    }
}
