//! Counting the frames of a clip by its pixels, beside the frames that should be in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oracle::{decode, stamp};
use proto::time::MonotonicNs;
use serde::{Deserialize, Serialize};

use super::contender::CAMERAS;
use super::driver::{self, Frame};

/// Periods at either end of a window that are not asked for: each recorder has its own idea of when a frame was captured,
/// and a frame more or less there is no fault.
const MARGIN: u32 = 3;

/// The frames in a clip's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Each camera's, as often as they are there.
    pub numbers: [Vec<u64>; 2],
    /// Pictures that don't say which they are.
    pub unreadable: usize,
    /// Files that can't be played.
    pub broken: Vec<String>,
}

/// Decodes files, however many cameras are in them.
#[must_use]
pub fn read(files: &[PathBuf]) -> Seen {
    let mut seen = Seen::default();
    for file in files {
        let played = decode::each_frame(file, |luma| {
            let stamp =
                stamp::read(luma.plane, luma.stride, luma.width, luma.height).filter(|_| !luma.damaged);
            match stamp
                .and_then(|stamp| Some((stamp, seen.numbers.get_mut(usize::from(stamp.camera_index))?)))
            {
                Some((stamp, numbers)) => numbers.push(stamp.source_sequence.into()),
                None => seen.unreadable += 1,
            }
        });
        let name = || file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match played {
            Ok(decoded) => seen.broken.extend(decoded.errors.first().map(|why| format!("{}: {why}", name()))),
            Err(why) => seen.broken.push(format!("{}: {why}", name())),
        }
    }
    seen
}

/// Is this a video, by its name?
#[must_use]
pub fn is_video(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| ["mp4", "mkv", "avi", "ts"].iter().any(|known| extension == *known))
}

/// A clip's frames, of all cameras together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Due in the window, less the margin.
    pub expected: u64,
    /// Of these, in the video.
    pub found: u64,
    /// In the video once more.
    pub duplicated: u64,
}

impl Count {
    /// Of one camera.
    #[must_use]
    pub fn of(expected: &BTreeSet<u64>, numbers: &[u64]) -> Self {
        let there: BTreeSet<u64> = numbers.iter().copied().collect();
        Self {
            expected: expected.len() as u64,
            found: expected.intersection(&there).count() as u64,
            duplicated: (numbers.len() - there.len()) as u64,
        }
    }

    /// The sum of two counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            expected: self.expected + other.expected,
            found: self.found + other.found,
            duplicated: self.duplicated + other.duplicated,
        }
    }
}

/// Frames that are in the video although nobody took them from the camera: then something here is measured wrongly.
#[must_use]
pub fn never_taken(frames: &[Frame], numbers: &[u64]) -> Vec<u64> {
    let taken: BTreeSet<u64> = frames.iter().filter(|f| f.taken.is_some()).map(|f| f.number).collect();
    numbers.iter().copied().filter(|number| !taken.contains(number)).collect()
}

/// The frames that a clip is asked for.
#[must_use]
pub fn asked_for(
    frames: &[Frame],
    trigger: MonotonicNs,
    (pre, post): (Duration, Duration),
    period: Duration,
) -> BTreeSet<u64> {
    let margin = period * MARGIN;
    driver::exposed(frames, trigger.before(pre.saturating_sub(margin)), trigger + post.saturating_sub(margin))
}

/// The evenness with which frames were taken, of the worst camera.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rhythm {
    /// The longest from one frame to the next.
    pub worst: Duration,
    /// Frames that the cameras had to drop, of all of them.
    pub dropped: usize,
    /// Milliseconds since the trigger, and since the frame before, for each frame.
    pub around: Vec<(f64, f64)>,
}

impl Rhythm {
    /// Around a trigger.
    #[must_use]
    pub fn of(frames: &[Vec<Frame>; 2], trigger: MonotonicNs, from: MonotonicNs, to: MonotonicNs) -> Self {
        let relative =
            |at: MonotonicNs| (ms(at.since(MonotonicNs(0))) - ms(trigger.since(MonotonicNs(0))), at);
        let cameras = (0..CAMERAS.len()).map(|camera| {
            let intervals = driver::intervals(&frames[camera], from, to);
            let around = intervals.iter().map(|(at, length)| (relative(*at).0, ms(*length))).collect();
            let worst = intervals.iter().map(|(_, length)| *length).max().unwrap_or_default();
            (worst, around)
        });
        let (worst, around) = cameras.max_by_key(|(worst, _)| *worst).unwrap_or_default();
        let dropped = frames.iter().map(|frames| driver::dropped(frames, from, to)).sum();
        Self { worst, dropped, around }
    }
}

/// In milliseconds.
#[must_use]
pub fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(range: std::ops::Range<u64>, taken: impl Fn(u64) -> Option<u64>) -> Vec<Frame> {
        let at = |ms: u64| MonotonicNs(ms * 1_000_000);
        range.map(|number| Frame { number, due: at(number * 10), taken: taken(number).map(at) }).collect()
    }

    #[test]
    fn a_clip_is_asked_for_its_window_less_the_margin_taken_or_not() {
        let frames = frames(0..100, |_| None);
        let (pre, post) = (Duration::from_millis(100), Duration::from_millis(200));
        let asked = asked_for(&frames, MonotonicNs(500_000_000), (pre, post), Duration::from_millis(10));
        assert_eq!(asked, (43..=67).collect());
    }

    #[test]
    fn what_is_missing_and_what_is_there_twice_are_counted_and_more_than_the_window_is_no_fault() {
        let expected = BTreeSet::from([3, 4, 5, 6]);
        let count = Count::of(&expected, &[1, 2, 3, 4, 4, 6, 7]);
        assert_eq!(count, Count { expected: 4, found: 3, duplicated: 1 });
        assert_eq!(Count::of(&expected, &[]), Count { expected: 4, ..Count::default() });
    }

    #[test]
    fn a_frame_that_nobody_took_can_be_in_no_clip() {
        let frames = frames(0..10, |n| (n != 4).then_some(n * 10 + 1));
        assert_eq!(never_taken(&frames, &[3, 4, 5]), [4]);
    }

    #[test]
    fn the_rhythm_is_the_worst_cameras_and_drops_are_everyones() {
        let even = frames(0..20, |n| Some(n * 10 + 1));
        let hole = frames(0..20, |n| (!(10..13).contains(&n)).then_some(n * 10 + 1));
        let at = |ms: u64| MonotonicNs(ms * 1_000_000);
        let rhythm = Rhythm::of(&[even, hole], at(100), at(75), at(160));
        assert_eq!(rhythm.worst, Duration::from_millis(40));
        assert_eq!(rhythm.dropped, 3);
        let expected = [(-19.0, 10.0), (-9.0, 10.0), (31.0, 40.0), (41.0, 10.0), (51.0, 10.0)];
        assert_eq!(rhythm.around.len(), expected.len(), "{rhythm:?}");
        for (found, expected) in rhythm.around.iter().zip(expected) {
            assert!((found.0 - expected.0).abs() < 1e-6 && (found.1 - expected.1).abs() < 1e-6, "{rhythm:?}");
        }
    }
}
