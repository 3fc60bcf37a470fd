//! What should be in a clip, what is, and what is said about the difference. Pure: from moments to gaps.

use std::time::Duration;

use proto::clip::{Gap, GapCause, Window};
use proto::frame::{FrameInfo, LossBefore};
use proto::time::{MonotonicNs, nanos};

const NANOSECOND: Duration = Duration::from_nanos(1);

/// A frame that was published in the window, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) moment: FrameInfo,
    /// `None`: it is in the file. Otherwise why not.
    pub(crate) lost: Option<GapCause>,
}

/// All that is known of one camera's part in a clip, once its window is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// What was recorded.
    pub(crate) window: Window,
    /// The frame before the window's first.
    pub(crate) previous: Option<FrameInfo>,
    /// Every frame published in the window, in order.
    pub(crate) wanted: Vec<Wanted>,
    /// The frame after the window's last.
    pub(crate) following: Option<FrameInfo>,
    /// From frame to frame, nominally.
    pub(crate) period: Duration,
    /// Why no frame followed, where none did; `None` if none is missed (a file that has ended).
    pub(crate) silence: Option<GapCause>,
}

/// The sum of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) expected: u64,
    pub(crate) written: u64,
    pub(crate) gaps: Vec<Gap>,
}

impl Evidence {
    /// Counts. Always `expected == written + the gaps' sum`.
    pub(crate) fn account(&self) -> Account {
        let mut gaps = Gaps::default();
        let mut before = self.previous;
        let mut written = 0;
        for wanted in &self.wanted {
            let moment = wanted.moment;
            if before.is_none() {
                self.add_unknown_before(&moment, &mut gaps);
            }
            if let Some(before) = before {
                gaps.add(before.sequence, self.never_published(&before, &moment), cause(&before, &moment));
            }
            match wanted.lost {
                None => written += 1,
                Some(cause) => gaps.add_published(moment.sequence, cause),
            }
            before = Some(moment);
        }
        match (before, self.following) {
            (Some(before), Some(after)) => {
                gaps.add(before.sequence, self.never_published(&before, &after), cause(&before, &after));
            }
            (before, None) => {
                if let Some(cause) = self.silence {
                    gaps.add(before.map_or(0, |b| b.sequence), self.silent_frames(before), cause);
                }
            }
            (None, Some(after)) => self.add_unknown_before(&after, &mut gaps),
        }
        let missing = gaps.gaps.iter().fold(0, |sum: u64, g| sum.saturating_add(g.missing));
        Account { expected: missing.saturating_add(written), written, gaps: gaps.gaps }
    }

    /// The camera's numbers between two neighbouring frames, as far as they fall into the window. The camera's
    /// clock is taken to run evenly between the two.
    fn never_published(&self, a: &FrameInfo, b: &FrameInfo) -> u64 {
        let steps = b.source_sequence.saturating_sub(a.source_sequence);
        if steps <= 1 {
            return 0;
        }
        let span = u128::from(nanos(b.t_capture - a.t_capture));
        let time_of =
            |k: u64| a.t_capture.0 + u64::try_from(span * u128::from(k) / u128::from(steps)).unwrap_or(0);
        let inside = |k: u64| self.window.contains(MonotonicNs(time_of(k)));
        if a.t_capture >= self.window.start_ns && b.t_capture <= self.window.end_ns {
            return steps - 1;
        }
        // At an edge: the frames are in order, so the ones inside are a run, and both its ends can be searched.
        let first = partition(1, steps, |k| time_of(k) >= self.window.start_ns.0);
        let end = partition(first, steps, |k| !inside(k));
        end - first
    }

    /// The frames that were due in the window before the first one that anything is known of, counted by stepping back
    /// from it. Before a camera's very first frame it came up late; before any other the frames were there, and even
    /// the ring's ledger has forgotten them.
    fn add_unknown_before(&self, first: &FrameInfo, gaps: &mut Gaps) {
        let period_ns = nanos(self.period).max(1);
        let since_start = nanos(first.t_capture - self.window.start_ns) / period_ns;
        // Those due after the window's end are not missed in it.
        let since_end = nanos(first.t_capture.before(NANOSECOND) - self.window.end_ns) / period_ns;
        let cause = if first.sequence == 1 { GapCause::CameraStall } else { GapCause::RingOverrun };
        let newest = first.sequence.saturating_sub(1);
        gaps.add(newest.saturating_sub(since_start), since_start.saturating_sub(since_end), cause);
        gaps.reaches = newest.saturating_sub(since_end);
    }

    /// Frames that a silent camera should have made from its last one (or the window's start) to the end.
    fn silent_frames(&self, last: Option<FrameInfo>) -> u64 {
        let period_ns = nanos(self.period).max(1);
        let Some(last) = last.map(|m| m.t_capture) else { return nanos(self.window.span()) / period_ns };
        let until = |t: MonotonicNs| nanos(t - last) / period_ns;
        // Those due before the window began are not missed in it.
        let before =
            if last < self.window.start_ns { until(self.window.start_ns.before(NANOSECOND)) } else { 0 };
        until(self.window.end_ns) - before
    }
}

/// The first `k` in `low..high` for which `yes` holds, if it holds for all after it; else `high`.
fn partition(mut low: u64, mut high: u64, yes: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if yes(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// Why the camera's numbers jump between two frames.
fn cause(a: &FrameInfo, b: &FrameInfo) -> GapCause {
    match b.before {
        _ if a.epoch != b.epoch => GapCause::CaptureRestart,
        LossBefore::RingFull => GapCause::RingFull,
        LossBefore::CameraStall => GapCause::CameraStall,
        LossBefore::CameraDrop | LossBefore::Nothing => GapCause::CameraDrop,
    }
}

/// Gaps in order; frames lost one after the other for one reason are one gap.
#[derive(Default)]
struct Gaps {
    gaps: Vec<Gap>,
    /// The ring's number up to which the last gap reaches. Frames that were never published have none.
    reaches: u64,
}

impl Gaps {
    /// Frames that were never published.
    fn add(&mut self, after_sequence: u64, missing: u64, cause: GapCause) {
        if missing == 0 {
            return;
        }
        match self.gaps.last_mut() {
            Some(last) if last.cause == cause && self.reaches == after_sequence => {
                last.missing = last.missing.saturating_add(missing);
            }
            _ => self.gaps.push(Gap { after_sequence, missing, cause }),
        }
        self.reaches = after_sequence;
    }

    /// A frame that was, under this number.
    fn add_published(&mut self, sequence: u64, cause: GapCause) {
        self.add(sequence.saturating_sub(1), 1, cause);
        self.reaches = sequence;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Frame `n` of a camera that makes one every 10 ms, as the ring numbers it too.
    fn frame(n: u64) -> FrameInfo {
        FrameInfo {
            sequence: n,
            source_sequence: n,
            t_capture: MonotonicNs(n * 10 * MS),
            epoch: 1,
            before: LossBefore::Nothing,
        }
    }

    fn here(moment: FrameInfo) -> Wanted {
        Wanted { moment, lost: None }
    }

    /// A window from 100 to 200 ms: frames 10 to 20.
    fn evidence(wanted: Vec<Wanted>) -> Evidence {
        Evidence {
            window: Window { start_ns: MonotonicNs(100 * MS), end_ns: MonotonicNs(200 * MS) },
            previous: Some(frame(9)),
            wanted,
            following: Some(frame(21)),
            period: Duration::from_millis(10),
            silence: Some(GapCause::CameraStall),
        }
    }

    #[test]
    fn a_whole_clip_has_no_gap() {
        let account = evidence((10..=20).map(|n| here(frame(n))).collect()).account();
        assert_eq!(account, Account { expected: 11, written: 11, gaps: vec![] });
    }

    #[test]
    fn overwritten_frames_in_a_row_are_one_gap() {
        let lost = |n| n == 10 || (14..=16).contains(&n);
        let wanted = |n| Wanted { moment: frame(n), lost: lost(n).then_some(GapCause::RingOverrun) };
        let account = evidence((10..=20).map(wanted).collect()).account();
        let gap = |after_sequence, missing| Gap { after_sequence, missing, cause: GapCause::RingOverrun };
        assert_eq!(account, Account { expected: 11, written: 7, gaps: vec![gap(9, 1), gap(13, 3)] });
    }

    #[test]
    fn two_holes_with_frames_between_are_two_gaps() {
        // Frames 12 and 13 were never published, and after two that were, 16 neither. The ring's numbers have no hole,
        // so the second gap is behind the number at which the first would end, were it one of published frames.
        let wanted: Vec<_> = [(10, 10), (11, 11), (14, 12), (15, 13), (17, 14), (18, 15), (19, 16), (20, 17)]
            .map(|(n, sequence)| here(FrameInfo { sequence, ..frame(n) }))
            .to_vec();
        let following = Some(FrameInfo { sequence: 18, ..frame(21) });
        let account = Evidence { following, ..evidence(wanted) }.account();
        let gap = |after_sequence, missing| Gap { after_sequence, missing, cause: GapCause::CameraDrop };
        assert_eq!(account, Account { expected: 11, written: 8, gaps: vec![gap(11, 2), gap(13, 1)] });
    }

    #[test]
    fn a_killed_capture_costs_what_its_camera_made_meanwhile() {
        // Frames 13 to 17 were never published; the ring's numbers go on without a hole.
        let after = |n: u64| FrameInfo { sequence: n - 5, epoch: 2, ..frame(n) };
        let wanted = (10..=12).map(frame).chain((18..=20).map(after)).map(here).collect();
        let account = Evidence { following: Some(after(21)), ..evidence(wanted) }.account();
        let gap = Gap { after_sequence: 12, missing: 5, cause: GapCause::CaptureRestart };
        assert_eq!(account, Account { expected: 11, written: 6, gaps: vec![gap] });
    }

    #[test]
    fn a_hole_over_an_edge_counts_only_inside() {
        // The camera was away from frame 5 to frame 12, and again from 18 to 25.
        let wanted = (12..=18).map(|n| here(frame(n))).collect();
        let away = Evidence { previous: Some(frame(5)), following: Some(frame(25)), ..evidence(wanted) };
        let account = away.account();
        assert_eq!((account.expected, account.written), (11, 7));
        assert_eq!(account.gaps.iter().map(|g| g.missing).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn a_silent_camera_is_missed_to_the_end_of_the_window() {
        let silent = Evidence { following: None, ..evidence((10..=15).map(|n| here(frame(n))).collect()) };
        let gap = Gap { after_sequence: 15, missing: 5, cause: GapCause::CameraStall };
        assert_eq!(silent.account(), Account { expected: 11, written: 6, gaps: vec![gap] });
        let ended = Evidence { silence: None, ..silent };
        assert_eq!(ended.account(), Account { expected: 6, written: 6, gaps: vec![] });
    }

    #[test]
    fn a_camera_that_fell_silent_before_the_window_is_missed_by_its_own_clock() {
        // Its last frame at 50 ms: due in the window would have been those of 100 to 200 ms, both included.
        let silent = Evidence { previous: Some(frame(5)), following: None, ..evidence(vec![]) };
        assert_eq!(silent.account().expected, 11);
        let later = FrameInfo { t_capture: MonotonicNs(55 * MS), ..frame(5) };
        assert_eq!(Evidence { previous: Some(later), ..silent }.account().expected, 10);
    }

    #[test]
    fn what_a_broken_ring_says_is_counted_without_a_panic() {
        let odd = [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX];
        let moments = odd.into_iter().flat_map(|n| {
            odd.map(|t| FrameInfo {
                sequence: n,
                source_sequence: n ^ t,
                t_capture: MonotonicNs(t),
                ..frame(1)
            })
        });
        let wanted: Vec<Wanted> =
            moments.map(|moment| Wanted { moment, lost: Some(GapCause::RingOverrun) }).collect();
        for following in [None, Some(frame(u64::MAX / (10 * MS))), Some(frame(0))] {
            let previous = following;
            let _ = Evidence { previous, following, ..evidence(wanted.clone()) }.account();
        }
    }

    #[test]
    fn a_camera_that_comes_up_late_is_missed_until_then() {
        // Its first frame ever at 150 ms; the window begins at 100.
        let late = |n: u64| FrameInfo { sequence: n - 14, ..frame(n) };
        let wanted = (15..=20).map(|n| here(late(n))).collect();
        let account = Evidence { previous: None, following: Some(late(21)), ..evidence(wanted) }.account();
        let gap = Gap { after_sequence: 0, missing: 5, cause: GapCause::CameraStall };
        assert_eq!(account, Account { expected: 11, written: 6, gaps: vec![gap] });
        let later = Evidence {
            previous: None,
            following: Some(FrameInfo { sequence: 1, ..frame(30) }),
            ..evidence(vec![])
        };
        assert_eq!(
            later.account().gaps,
            [Gap { after_sequence: 0, missing: 11, cause: GapCause::CameraStall }]
        );
    }

    #[test]
    fn frames_that_even_the_ledger_has_forgotten_are_missed() {
        let missed = |account: &Account| (account.expected, account.written, account.gaps.clone());
        let gap =
            |after_sequence, missing| vec![Gap { after_sequence, missing, cause: GapCause::RingOverrun }];
        // It begins behind the window, right behind it, between two frames' times.
        for first in [frame(5000), frame(21), FrameInfo { t_capture: MonotonicNs(205 * MS), ..frame(21) }] {
            let forgotten = Evidence { previous: None, following: Some(first), ..evidence(vec![]) };
            let account = forgotten.account();
            let inside = if first.t_capture.0 == 205 * MS { 10 } else { 11 };
            assert_eq!((account.expected, account.written), (inside, 0), "{first:?}");
            assert!(account.gaps.iter().all(|g| g.cause == GapCause::RingOverrun));
        }
        // It begins inside: at a frame that is in the file, and at one that was given up too.
        let wanted: Vec<_> = (15..=20).map(|n| here(frame(n))).collect();
        let account = Evidence { previous: None, ..evidence(wanted.clone()) }.account();
        assert_eq!(missed(&account), (11, 6, gap(9, 5)));
        let lost = Wanted { lost: Some(GapCause::RingOverrun), ..here(frame(14)) };
        let account = Evidence { previous: None, ..evidence([vec![lost], wanted].concat()) }.account();
        assert_eq!(missed(&account), (11, 6, gap(9, 5)));
    }

    #[test]
    fn a_window_without_any_frame_is_one_gap() {
        let nothing = Evidence { previous: None, following: None, ..evidence(vec![]) };
        assert_eq!(
            nothing.account().gaps,
            [Gap { after_sequence: 0, missing: 10, cause: GapCause::CameraStall }]
        );
    }
}
