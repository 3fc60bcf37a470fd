//! Runs: frames one after the other in constant memory, however many they are. A camera that works makes one run of a
//! day's frames; each loss, restart or hole begins another.

use proto::frame::{FrameFlags, FrameInfo, LossBefore};
use proto::time::{MonotonicNs, nanos};

/// Frames whose sequence grows by one and whose source sequence grows by one and the same step, written by one life of the
/// capture, none of which but the first has a loss before it. So the first and the last say all of those between, but for
/// their flags and the exact times at which they were captured.
///
/// An account asks for no more than that of a frame, so a run keeps nothing of how frames are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    first: End,
    last: End,
    epoch: u32,
    /// The loss before the first frame.
    before: LossBefore,
    flags: [FrameFlags; 2],
}

/// A run's first frame, or its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    sequence: u64,
    source_sequence: u64,
    t_capture: MonotonicNs,
}

impl End {
    fn of(frame: &FrameInfo) -> Self {
        let FrameInfo { sequence, source_sequence, t_capture, .. } = *frame;
        Self { sequence, source_sequence, t_capture }
    }
}

impl Run {
    /// A run of one frame.
    pub(crate) fn of(frame: FrameInfo) -> Self {
        Self::from_to(&frame, &frame)
    }

    fn from_to(first: &FrameInfo, last: &FrameInfo) -> Self {
        let FrameInfo { epoch, before, flags, .. } = *first;
        Self { first: End::of(first), last: End::of(last), epoch, before, flags: [flags, last.flags] }
    }

    /// The first frame.
    pub(crate) fn first(&self) -> FrameInfo {
        FrameInfo { before: self.before, ..self.frame(self.first, self.flags[0]) }
    }

    /// The last frame.
    pub(crate) fn last(&self) -> FrameInfo {
        if self.links() == 0 { self.first() } else { self.frame(self.last, self.flags[1]) }
    }

    fn frame(&self, end: End, flags: FrameFlags) -> FrameInfo {
        let End { sequence, source_sequence, t_capture } = end;
        let epoch = self.epoch;
        FrameInfo { sequence, source_sequence, t_capture, epoch, flags, ..FrameInfo::default() }
    }

    /// The number of frames.
    pub(crate) fn frames(&self) -> u64 {
        self.links().saturating_add(1)
    }

    /// The source sequence's step from frame to frame; 1 in a run of one frame.
    pub(crate) fn step(&self) -> u64 {
        let span = self.last.source_sequence.saturating_sub(self.first.source_sequence);
        span.checked_div(self.links()).unwrap_or(1)
    }

    fn links(&self) -> u64 {
        self.last.sequence.saturating_sub(self.first.sequence)
    }

    /// Adds a frame, if it goes on with the run.
    pub(crate) fn add(&mut self, frame: &FrameInfo) -> bool {
        let goes_on = self.last.sequence.checked_add(1) == Some(frame.sequence)
            && self.epoch == frame.epoch
            && frame.before == LossBefore::Nothing;
        let step = frame.source_sequence.checked_sub(self.last.source_sequence);
        let is_steady = step.is_some_and(|step| self.links() == 0 || step == self.step());
        if goes_on && is_steady {
            self.last = End::of(frame);
            self.flags[1] = frame.flags;
        }
        goes_on && is_steady
    }

    /// A frame of the run, without flags if it is in the middle. The times of those in the middle are taken to lie evenly between the first and the last.
    pub(crate) fn at(&self, sequence: u64) -> FrameInfo {
        let links = self.links();
        let nth = sequence.saturating_sub(self.first.sequence).min(links);
        if nth == 0 || nth == links {
            return if nth == 0 { self.first() } else { self.last() };
        }
        let span = u128::from(nanos(self.last.t_capture - self.first.t_capture));
        let since_first = u64::try_from(span * u128::from(nth) / u128::from(links)).unwrap_or(u64::MAX);
        let between = End {
            sequence: self.first.sequence.saturating_add(nth),
            source_sequence: self.first.source_sequence.saturating_add(nth.saturating_mul(self.step())),
            t_capture: MonotonicNs(self.first.t_capture.0.saturating_add(since_first)),
        };
        self.frame(between, FrameFlags::NONE)
    }

    /// The frames from `first` to `last`, both of which lie in the run.
    pub(crate) fn between(&self, first: u64, last: u64) -> Self {
        Self::from_to(&self.at(first), &self.at(last))
    }
}

/// Frames in order, as runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs(Vec<Run>);

impl Runs {
    /// Adds a frame behind all others.
    pub(crate) fn add(&mut self, frame: &FrameInfo) {
        if !self.0.last_mut().is_some_and(|run| run.add(frame)) {
            self.0.push(Run::of(*frame));
        }
    }

    /// Adds a run behind all others.
    pub(crate) fn add_run(&mut self, run: &Run) {
        self.0.push(*run);
    }

    /// Forgets the frames from `first` on.
    pub(crate) fn forget_from(&mut self, first: u64) {
        self.0.retain(|run| run.first.sequence < first);
        if let Some(last) = self.0.last_mut().filter(|run| run.last.sequence >= first) {
            *last = last.between(last.first.sequence, first - 1);
        }
    }

    /// The runs, in order.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Run> {
        self.0.iter()
    }

    /// Are all frames from this sequence to that one among them? The newest are found first.
    pub(crate) fn holds_all(&self, first: u64, last: u64) -> bool {
        let mut missing = last;
        for run in self.0.iter().rev() {
            let (its_first, its_last) = (run.first.sequence, run.last.sequence);
            match () {
                () if its_first > missing => {}
                () if its_last < missing => return false,
                () if its_first <= first => return true,
                () => missing = its_first - 1,
            }
        }
        false
    }

    /// The very first frame.
    pub(crate) fn first(&self) -> Option<FrameInfo> {
        self.0.first().map(Run::first)
    }

    /// The very last frame.
    pub(crate) fn last(&self) -> Option<FrameInfo> {
        self.0.last().map(Run::last)
    }

    /// The number of frames.
    pub(crate) fn frames(&self) -> u64 {
        self.0.iter().fold(0, |sum, run| sum.saturating_add(run.frames()))
    }
}

impl<'a> FromIterator<&'a FrameInfo> for Runs {
    fn from_iter<I: IntoIterator<Item = &'a FrameInfo>>(frames: I) -> Self {
        let mut runs = Self::default();
        frames.into_iter().for_each(|frame| runs.add(frame));
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(n: u64) -> FrameInfo {
        FrameInfo {
            sequence: n,
            source_sequence: 2 * n,
            t_capture: MonotonicNs(n * 100),
            epoch: 1,
            before: LossBefore::Nothing,
            flags: FrameFlags::NONE,
            ..FrameInfo::default()
        }
    }

    #[test]
    fn frames_in_a_row_are_one_run_and_each_is_known() {
        let frames: Vec<FrameInfo> = (5..5000).map(frame).collect();
        let runs: Runs = frames.iter().collect();
        let [run] = &runs.0[..] else { panic!("{runs:?}") };
        assert_eq!((run.frames(), run.step()), (4995, 2));
        assert!(frames.iter().all(|frame| run.at(frame.sequence) == *frame));
        assert_eq!(run.between(7, 9), Run::from_to(&frame(7), &frame(9)));
    }

    #[test]
    fn each_irregularity_begins_a_run() {
        let odd = [
            FrameInfo { sequence: 13, ..frame(12) },
            FrameInfo { source_sequence: 25, ..frame(12) },
            FrameInfo { source_sequence: 1, ..frame(12) },
            FrameInfo { epoch: 2, ..frame(12) },
            FrameInfo { before: LossBefore::CameraDrop, ..frame(12) },
        ];
        for odd in odd {
            let runs: Runs = [frame(10), frame(11), odd].iter().collect();
            assert_eq!(runs.0.len(), 2, "{odd:?}");
            assert_eq!((runs.frames(), runs.last()), (3, Some(odd)));
        }
    }

    #[test]
    fn frames_from_any_on_are_forgotten_and_those_before_are_kept() {
        let all: Vec<FrameInfo> = (5..15).chain(20..30).map(frame).collect();
        for first in 1..32 {
            let mut runs: Runs = all.iter().collect();
            runs.forget_from(first);
            let kept: Vec<FrameInfo> = all.iter().copied().filter(|kept| kept.sequence < first).collect();
            assert_eq!(runs, kept.iter().collect(), "{first}");
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let last = FrameInfo { sequence: u64::MAX, source_sequence: u64::MAX, ..frame(1) };
        let mut run = Run::from_to(&FrameInfo { sequence: 0, source_sequence: 0, ..frame(1) }, &last);
        assert_eq!(run.frames(), u64::MAX);
        assert!(!run.add(&last));
        assert_eq!(run.at(u64::MAX / 2).sequence, u64::MAX / 2);
    }
}
