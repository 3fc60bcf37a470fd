//! The number of frames that a window should hold.
//!
//! A frame that was made has its time in the truth log. One that was never made (the capture was dead) has none,
//! only its neighbours' times; where such a hole reaches over an edge of the window, how much of it lies inside
//! is an estimate, and one frame of difference has to be allowed.

use crate::manifest::Window;
use crate::truth::Made;

/// The number of frames due: certain, or between two bounds where the truth log leaves it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// No fewer than these.
    pub at_least: u64,
    /// No more than these.
    pub at_most: u64,
    /// Frame times between the last row of the log and the end of the window. The log doesn't say whether the
    /// camera was dead then or switched off, so these may be declared missing and need not be.
    pub after_the_log: u64,
}

impl Due {
    /// A number that is certain.
    pub fn exactly(frames: u64) -> Self {
        Self { at_least: frames, at_most: frames, after_the_log: 0 }
    }

    /// The number of frames due that comes nearest to those accounted for.
    pub fn nearest(self, accounted_for: u64) -> u64 {
        accounted_for.clamp(self.at_least, self.at_most)
    }

    fn and(self, other: Self) -> Self {
        Self {
            at_least: self.at_least.saturating_add(other.at_least),
            at_most: self.at_most.saturating_add(other.at_most),
            after_the_log: self.after_the_log.saturating_add(other.after_the_log),
        }
    }

    fn up_to(frames: u64) -> Self {
        Self { at_least: 0, at_most: frames, after_the_log: 0 }
    }
}

/// Counts the frames due in `window`, for a camera that made `life` (in order of sequence and time).
pub fn in_window(life: &[Made], window: Window) -> Due {
    let start = life.partition_point(|row| row.t_ns < window.start_ns);
    let end = life.partition_point(|row| row.t_ns <= window.end_ns).max(start);
    let before = start.checked_sub(1).map(|last| life[last]);
    let after = life.get(end).copied();
    match &life[start..end] {
        [] => match (before, after) {
            (Some(before), Some(after)) => in_hole(before, after, window),
            (None, Some(after)) => before_the_log(life, after, window),
            (Some(_), None) => after_the_log(life, window.start_ns, window),
            (None, None) => Due::default(),
        },
        [first, .., last] => edges(life, *first, *last, before, after, window),
        [only] => edges(life, *only, *only, before, after, window),
    }
}

fn edges(
    life: &[Made],
    first: Made,
    last: Made,
    before: Option<Made>,
    after: Option<Made>,
    window: Window,
) -> Due {
    // Holes between the first and the last are the camera's own count: exact.
    let inside = Due::exactly((last.sequence - first.sequence).saturating_add(1));
    let head = match before {
        Some(before) => in_hole(before, first, window),
        None => before_the_log(life, first, window),
    };
    let tail = match after {
        Some(after) => in_hole(last, after, window),
        None => after_the_log(life, last.t_ns, window),
    };
    head.and(inside).and(tail)
}

/// The never-made frames between two rows, as far as they fall into the window, give or take one.
fn in_hole(before: Made, after: Made, window: Window) -> Due {
    let steps = u128::from(after.sequence - before.sequence);
    let hole = after.sequence - before.sequence - 1;
    if hole == 0 {
        return Due::default();
    }
    let length = u128::from(after.t_ns - before.t_ns);
    // Frame k of the hole is due at before + k * length / steps.
    let since = |t_ns: u64| u128::from(t_ns.clamp(before.t_ns, after.t_ns) - before.t_ns) * steps;
    let first = since(window.start_ns).div_ceil(length).max(1);
    let last = (since(window.end_ns) / length).min(u128::from(hole));
    let estimate = u64::try_from((last + 1).saturating_sub(first)).unwrap_or(hole);
    Due { at_least: estimate.saturating_sub(1), at_most: (estimate + 1).min(hole), after_the_log: 0 }
}

/// Frames due before the first row: the ring was there (sequences count from 0), its capture was not yet.
fn before_the_log(life: &[Made], first: Made, window: Window) -> Due {
    let span = first.t_ns.min(window.end_ns).saturating_sub(window.start_ns);
    Due::up_to(first.sequence.min(frame_times_in(span, life)))
}

fn after_the_log(life: &[Made], since_ns: u64, window: Window) -> Due {
    let frames = frame_times_in(window.end_ns.saturating_sub(since_ns), life);
    Due { after_the_log: frames, ..Due::up_to(frames) }
}

/// The camera's mean frame times in `span_ns`; 0 when too little is known of the camera.
fn frame_times_in(span_ns: u64, life: &[Made]) -> u64 {
    let [first, .., last] = life else { return 0 };
    let frames = u128::from(last.sequence - first.sequence);
    let length = u128::from(last.t_ns - first.t_ns);
    u64::try_from(u128::from(span_ns) * frames / length.max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame every 10 ns, sequence n at 1000 + 10 n, without those in `holes`.
    fn life(holes: std::ops::Range<u64>) -> Vec<Made> {
        (0..100)
            .filter(|sequence| !holes.contains(sequence))
            .map(|sequence| Made { sequence, t_ns: 1000 + 10 * sequence })
            .collect()
    }

    fn window(start_ns: u64, end_ns: u64) -> Window {
        Window { start_ns, end_ns }
    }

    #[test]
    fn both_ends_of_the_window_belong_to_it() {
        assert_eq!(in_window(&life(0..0), window(1100, 1200)), Due::exactly(11));
        assert_eq!(in_window(&life(0..0), window(1101, 1199)), Due::exactly(9));
    }

    #[test]
    fn a_hole_inside_the_window_counts_in_full() {
        assert_eq!(in_window(&life(12..18), window(1100, 1200)), Due::exactly(11));
    }

    #[test]
    fn a_hole_over_an_edge_counts_by_what_lies_inside_give_or_take_one() {
        let over_the_end = in_window(&life(15..30), window(1100, 1200));
        assert_eq!((over_the_end.at_least, over_the_end.at_most), (10, 12));
        let over_the_start = in_window(&life(5..15), window(1100, 1200));
        assert_eq!((over_the_start.at_least, over_the_start.at_most), (10, 12));
    }

    #[test]
    fn a_hole_next_to_the_window_adds_one_at_most() {
        let due = in_window(&life(2..10), window(1100, 1200));
        assert_eq!((due.at_least, due.at_most), (11, 12));
    }

    #[test]
    fn a_window_inside_a_hole_is_all_never_made() {
        let due = in_window(&life(5..90), window(1100, 1200));
        assert_eq!((due.at_least, due.at_most), (10, 12));
    }

    #[test]
    fn a_log_that_ends_in_the_window_leaves_the_rest_open() {
        let due = in_window(&life(0..0), window(1900, 2100));
        assert_eq!(due, Due { at_least: 10, at_most: 21, after_the_log: 11 });
    }

    #[test]
    fn frames_before_the_log_are_no_more_than_the_ring_counted() {
        let due = in_window(&life(0..3), window(500, 1100));
        assert_eq!((due.at_least, due.at_most), (8, 11));
        assert_eq!(in_window(&life(0..0), window(500, 1100)), Due::exactly(11));
    }

    #[test]
    fn odd_windows_and_logs_are_no_trouble() {
        assert_eq!(in_window(&[], window(0, u64::MAX)), Due::default());
        assert_eq!(in_window(&life(0..0), window(1200, 1100)), Due::default());
        assert_eq!(in_window(&life(1..100), window(0, u64::MAX)), Due::exactly(1));
    }
}
