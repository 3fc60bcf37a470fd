//! The timetable of a film: when each of its frames is shown, and what comes after the last one. It is made of the frames that
//! a decoder shows ([`super::scan`]), with times that rise ([`super::repair`]).
//!
//! Frames are numbered from 0, on through every repetition: frame `n` is frame `n % frames` of pass `n / frames`.

use super::repair::{self, Rising, Steps};

/// The way a decoded frame is found in the timetable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// By its timestamp: a frame that was not decoded leaves a hole.
    Time,
    /// By counting: the file doesn't say of every frame when it is shown (an AVI with B-frames, a bare stream), or its times
    /// go back (two recordings in one file).
    Count,
}

/// A frame that a decoder shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// The time that it carries, in ticks of its stream.
    pub(super) ticks: Option<i64>,
    /// The time for which it is shown, in ticks; 0 where the file doesn't say.
    pub(super) duration: i64,
}

/// Seconds in a tick, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) numerator: u32,
    pub(super) denominator: u32,
}

impl Tick {
    /// Ticks in nanoseconds, to the nearest; the last nanosecond there is, if they are more.
    pub(super) fn ns(self, ticks: i64) -> i64 {
        let (n, d) = (i128::from(self.numerator), i128::from(self.denominator.max(1)));
        i64::try_from((i128::from(ticks) * n * 1_000_000_000 + d / 2).div_euclid(d)).unwrap_or(i64::MAX)
    }

    /// Ticks in microseconds, rounded up.
    pub(super) fn us_ceil(self, ticks: i64) -> i64 {
        let (n, d) = (i128::from(self.numerator), i128::from(self.denominator.max(1)));
        let us = i128::from(ticks) * n * 1_000_000;
        i64::try_from(us.div_euclid(d) + i128::from(us.rem_euclid(d) > 0)).unwrap_or(0)
    }
}

/// A film whose longest step from frame to frame is more than so many of its usual steps has a variable rate: at no moment is a
/// frame due. Two frames that were dropped when it was made are no reason.
const VARIABLE_STEPS: u64 = 4;

/// The timetable of one film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timetable {
    /// The start of each frame, after the first one's: strictly rising, never empty.
    starts_ns: Vec<u64>,
    /// The time from the first frame's start to the last one's end.
    length_ns: u64,
    /// The timestamps that the frames carry, in order, where they are found by them.
    ticks: Vec<i64>,
    /// The frames of a pass whose times were replaced, in order.
    repaired: Vec<usize>,
    /// The time from one frame to the next: as the file states it, if that is what is usual.
    period_ns: u64,
    /// The usual step from one frame to the next.
    usual_ns: u64,
    longest_ns: u64,
    numbering: Numbering,
}

impl Timetable {
    /// The timetable of these frames, in the order in which they are shown. `stated`: the steps that the file states.
    /// `is_counted`: the decoder's frames don't carry these times. `None` when there is no frame.
    pub(super) fn new(shown: &[Shown], tick: Tick, stated: Steps, is_counted: bool) -> Option<Self> {
        let last = shown.last()?;
        let times_ns: Vec<Option<i64>> = shown.iter().map(|s| Some(tick.ns(s.ticks?))).collect();
        let period_ns = period_of(&times_ns, stated.period_ns.max(1));
        let steps = Steps { period_ns, ..stated };
        let Rising { starts_ns, repaired } = repair::rising(&times_ns, steps);
        let lasts_ns = u64::try_from(tick.ns(last.duration)).unwrap_or(0);
        let lasts_ns = if lasts_ns > 0 { lasts_ns } else { period_ns };
        let last_ns = starts_ns.last().copied().unwrap_or(0);
        let length_ns = last_ns.saturating_add(lasts_ns);
        let ticks: Option<Vec<i64>> = shown.iter().map(|s| s.ticks).collect();
        let ticks = ticks.filter(|ticks| !is_counted && ticks.is_sorted());
        let numbering = if ticks.is_some() { Numbering::Time } else { Numbering::Count };
        let mut lasting = lasting_ns(&starts_ns, length_ns);
        let usual_ns = median(&mut lasting).unwrap_or(period_ns);
        let longest_ns = lasting.iter().copied().max().unwrap_or(period_ns);
        let ticks = ticks.unwrap_or_default();
        Some(Self { starts_ns, length_ns, ticks, repaired, period_ns, usual_ns, longest_ns, numbering })
    }

    /// Frames in one pass: at least one.
    pub(super) fn frames(&self) -> u64 {
        self.starts_ns.len() as u64
    }

    /// The length of a pass, its last frame included.
    pub(super) fn length_ns(&self) -> u64 {
        self.length_ns
    }

    /// The timestamp of a pass's frame `index`, where frames are found by it.
    pub(super) fn ticks(&self, index: u64) -> Option<i64> {
        self.ticks.get(usize::try_from(index).ok()?).copied()
    }

    pub(super) fn numbering(&self) -> Numbering {
        self.numbering
    }

    /// The frames of a pass whose times were replaced, in order.
    pub(super) fn repaired(&self) -> &[usize] {
        &self.repaired
    }

    /// Says whether the time of frame `number` was replaced.
    pub(super) fn is_repaired(&self, number: u64) -> bool {
        let (_, index) = self.pass_and_index(number);
        usize::try_from(index).is_ok_and(|index| self.repaired.binary_search(&index).is_ok())
    }

    /// Says whether the film's frames come at no rate: a picture stands until the next one comes.
    pub(super) fn has_variable_rate(&self) -> bool {
        self.longest_ns > self.usual_ns.saturating_mul(VARIABLE_STEPS)
    }

    /// Frames a second of the film while it moves: on average; for a film of variable rate, while its frames come as they
    /// usually do, if that is more. A ring for fewer would not hold its pre-roll.
    pub(super) fn fps(&self) -> f64 {
        if self.has_variable_rate() { self.average_fps().max(fps(self.usual_ns)) } else { self.average_fps() }
    }

    /// Frames a second, on average. Within a percent of the rate that the file states it is that rate: 60, not the 60.03 of
    /// a few frames with times in whole milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "for people, and for comparisons with a wide margin")]
    fn average_fps(&self) -> f64 {
        let average = self.frames() as f64 * 1e9 / self.length_ns as f64;
        let stated = fps(self.period_ns);
        if (average / stated - 1.0).abs() < 0.01 { stated } else { average }
    }

    /// The most frames that begin within one second.
    pub(super) fn busiest_second(&self) -> usize {
        let until = |start| self.starts_ns.partition_point(|s| *s < start + 1_000_000_000);
        self.starts_ns.iter().enumerate().map(|(n, start)| until(start) - n).max().unwrap_or(0)
    }

    /// The pass of frame `number`, and the frame's index in it.
    pub(super) fn pass_and_index(&self, number: u64) -> (u64, u64) {
        (number / self.frames(), number % self.frames())
    }

    /// The start of frame `number`, after that of frame 0.
    pub(super) fn start_ns(&self, number: u64) -> u64 {
        let (pass, index) = self.pass_and_index(number);
        let index = usize::try_from(index).unwrap_or(0);
        pass.saturating_mul(self.length_ns).saturating_add(self.starts_ns[index])
    }

    /// The frame that is shown at this time after the start of frame 0.
    pub(super) fn shown_at(&self, elapsed_ns: u64) -> u64 {
        let (pass, rest_ns) = (elapsed_ns / self.length_ns, elapsed_ns % self.length_ns);
        let index = self.starts_ns.partition_point(|s| *s <= rest_ns).saturating_sub(1) as u64;
        pass.saturating_mul(self.frames()).saturating_add(index)
    }

    /// The index of a decoded frame with this timestamp. `following` is the index after that of the frame decoded before it, if
    /// that is known: it tells frames with one timestamp apart. `None` when they can't be told apart.
    pub(super) fn index_of(&self, ticks: i64, following: Option<u64>) -> Option<u64> {
        let first = self.ticks.partition_point(|t| *t < ticks) as u64;
        let end = self.ticks.partition_point(|t| *t <= ticks) as u64;
        match end - first {
            // A frame that nobody knew of is taken for the one that is shown at its time.
            0 => Some(end.saturating_sub(1)),
            1 => Some(first),
            _ => following.map(|following| following.clamp(first, end - 1)),
        }
    }
}

/// The time from one frame to the next: what the file states, unless the usual step differs from it by more than a tenth.
fn period_of(times_ns: &[Option<i64>], stated_ns: u64) -> u64 {
    let rising = times_ns.windows(2).filter_map(|pair| u64::try_from(pair[1]?.checked_sub(pair[0]?)?).ok());
    let mut steps: Vec<u64> = rising.filter(|step| *step > 0).collect();
    let Some(usual) = median(&mut steps).filter(|_| steps.len() * 2 >= times_ns.len()) else {
        return stated_ns;
    };
    if usual.abs_diff(stated_ns) > stated_ns / 10 { usual } else { stated_ns }
}

/// The time for which each frame is shown.
fn lasting_ns(starts_ns: &[u64], length_ns: u64) -> Vec<u64> {
    let ends = starts_ns.iter().skip(1).copied().chain([length_ns]);
    starts_ns.iter().zip(ends).map(|(start, end)| end - start).collect()
}

fn median(values: &mut [u64]) -> Option<u64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1)
}

#[expect(clippy::cast_precision_loss, reason = "for people, and for comparisons with a wide margin")]
fn fps(period_ns: u64) -> f64 {
    1e9 / period_ns as f64
}

#[cfg(test)]
mod tests;
