//! The one clock of an export: the instants of the video that is made, and what each camera shows at an instant. Pure.

use proto::clip::{CameraClip, GapCause, Window};

use crate::rows::Row;

/// The rates that a video is made in, in thousandths of a frame a second.
const RATES: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;
/// A day at 200 frames/s. A manifest that says more was made by a stranger.
const MOST_INSTANTS: u64 = 20_000_000;
/// A camera that is away for longer than so many frames at the beginning or the end of the window is shown as missing there.
const FRAMES_AWAY: u64 = 2;
/// The distance of two frames, in hundredths of the nominal one, above which a clip of schema 1 lacks frames between them.
const GAP_PERCENT: u64 = 150;

/// The reason why there is no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The clip has no video of the camera.
    NoVideo,
    /// The camera's first frame comes later.
    NotYet,
    /// A gap, with its cause where that is known.
    Gap(Option<GapCause>),
    /// The frame can't be decoded.
    Damaged,
}

impl Lack {
    /// The words on it.
    pub(crate) fn words(self) -> String {
        match self {
            Self::NoVideo => "no video".into(),
            Self::NotYet => "no frame yet".into(),
            Self::Gap(None) => "no frame".into(),
            Self::Gap(Some(cause)) => format!("no frame: {}", cause.name()),
            Self::Damaged => "damaged".into(),
        }
    }
}

/// A camera at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The frame of this row stands.
    Frame(usize),
    Lacks(Lack),
}

/// A camera's frames on the clock.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    rows: Vec<Row>,
    /// The gap before the first row, and the one behind each row.
    gap_before: Option<Lack>,
    gaps: Vec<Option<Lack>>,
    milli_fps: u64,
}

impl Line {
    pub(crate) fn new(camera: &CameraClip, rows: Vec<Row>) -> Self {
        let milli_fps = milli(camera.fps);
        let gap_in = |from: u64, to: u64| {
            let gap = camera.gaps.iter().find(|gap| (from..to).contains(&gap.after_sequence));
            gap.map(|gap| Lack::Gap(Some(gap.cause)))
        };
        let gap_before = rows.first().and_then(|row| row.sequence).and_then(|first| gap_in(0, first));
        let behind = |at: usize, row: &Row| {
            let next = rows.get(at + 1);
            match row.sequence {
                Some(sequence) => gap_in(sequence, next.and_then(|row| row.sequence).unwrap_or(u64::MAX)),
                // A clip of schema 1 doesn't say where its gaps are.
                None => {
                    let wide = period_ns(milli_fps) / 100 * GAP_PERCENT;
                    let is_wide = next.is_some_and(|next| next.t_ns - row.t_ns > wide);
                    (is_wide && !camera.gaps.is_empty()).then_some(Lack::Gap(None))
                }
            }
        };
        let gaps = rows.iter().enumerate().map(|(at, row)| behind(at, row)).collect();
        Self { gap_before, gaps, rows, milli_fps }
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The camera at an instant: the newest frame captured by then, unless a gap has begun behind it.
    pub(crate) fn at(&self, t_ns: u64) -> Standing {
        if self.rows.is_empty() {
            return Standing::Lacks(Lack::NoVideo);
        }
        let Some(at) = self.newest(t_ns) else {
            return Standing::Lacks(self.gap_before.unwrap_or(Lack::NotYet));
        };
        match self.gaps[at] {
            Some(gap) if t_ns >= self.rows[at].t_ns.saturating_add(period_ns(self.milli_fps)) => {
                Standing::Lacks(gap)
            }
            _ => Standing::Frame(at),
        }
    }

    /// The row of the newest frame captured by then.
    fn newest(&self, t_ns: u64) -> Option<usize> {
        self.rows.partition_point(|row| row.t_ns <= t_ns).checked_sub(1)
    }

    /// A frame's number, counted from the trigger's frame, which is the newest when the trigger came. There is none if all
    /// frames are later; the first of them is 1 then.
    pub(crate) fn number(&self, row: usize, trigger_ns: u64) -> i64 {
        let whole = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.newest(trigger_ns).map_or(whole(row) + 1, |trigger| whole(row) - whole(trigger))
    }

    /// The moment from which on this camera has something to show.
    fn begins_ns(&self, window: Window) -> Option<u64> {
        let first = self.rows.first()?;
        Some(if first.lead_in { first.t_ns.max(window.start_ns.0) } else { first.t_ns })
    }
}

/// A rate in thousandths of a frame a second.
fn milli(fps: f64) -> u64 {
    let thousandths = (fps * 1000.0).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let milli = thousandths.clamp(0.0, 1e9) as u64;
    milli.clamp(*RATES.start(), *RATES.end())
}

fn period_ns(milli_fps: u64) -> u64 {
    1_000_000_000_000 / milli_fps
}

/// The instants of a video of several cameras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    first_ns: u64,
    /// The rate: that of the fastest camera.
    pub(crate) milli_fps: u64,
    /// The number of instants.
    pub(crate) count: u64,
}

impl Clock {
    /// The clock of these cameras. It ticks in the middle of the fastest camera's frames, so that each of them is shown once
    /// although none comes quite on time.
    ///
    /// # Errors
    /// A sentence: no camera has a frame, or there would be too many instants.
    pub(crate) fn of(lines: &[Line], window: Window) -> Result<Self, String> {
        let with_frames = || lines.iter().filter(|line| !line.rows.is_empty());
        let fastest = with_frames().rev().max_by_key(|line| line.milli_fps);
        let fastest = fastest.ok_or("not one of its cameras has a frame, so there is nothing to show")?;
        let period = period_ns(fastest.milli_fps);
        let (start, end) = (window.start_ns.0, window.end_ns.0);
        let begins = with_frames().filter_map(|line| line.begins_ns(window)).min().unwrap_or(start);
        let begins = if begins > start.saturating_add(FRAMES_AWAY * period) { start } else { begins };
        let last = with_frames().filter_map(|line| line.rows.last()).map(|row| row.t_ns).max().unwrap_or(end);
        let ends = last.saturating_add(period);
        let ends = if ends.saturating_add(FRAMES_AWAY * period) < end { end } else { ends };
        let [begins, ends, period] = [begins, ends, period].map(i128::from);
        let tick = i128::from(fastest.begins_ns(window).unwrap_or(start)) + period / 2;
        // The first tick at the beginning or behind it.
        let first = tick - (tick - begins).div_euclid(period) * period;
        let count = u64::try_from((ends - first).div_euclid(period) + 1).unwrap_or(0).max(1);
        if count > MOST_INSTANTS {
            return Err(format!("it would have {count} pictures, and at most {MOST_INSTANTS} are made"));
        }
        let first_ns = u64::try_from(first).unwrap_or(start);
        Ok(Self { first_ns, milli_fps: fastest.milli_fps, count })
    }

    /// An instant by its number, from 0.
    pub(crate) fn instant_ns(&self, number: u64) -> u64 {
        let passed = u128::from(number) * 1_000_000_000_000 / u128::from(self.milli_fps);
        self.first_ns.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// The number of the first instant at a moment or behind it, if there is one.
    pub(crate) fn number_at(&self, t_ns: u64) -> Option<u64> {
        let passed = u128::from(t_ns.saturating_sub(self.first_ns)) * u128::from(self.milli_fps);
        u64::try_from(passed.div_ceil(1_000_000_000_000)).ok().filter(|number| *number < self.count)
    }
}

#[cfg(test)]
mod tests;
