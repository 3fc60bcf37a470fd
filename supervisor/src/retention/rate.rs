//! The rate at which clips fill the disk, by those of the last day, and the time that it lasts. Pure.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::candidates::Candidate;

/// The span that is looked back at.
const DAY_NS: u64 = 24 * 3600 * 1_000_000_000;
const HOUR_NS: f64 = 3600e9;
/// A rate over less than this says nothing: two clips a minute apart aren't what the rig does all day.
const SHORTEST: Duration = Duration::from_secs(600);
/// Nor do fewer clips.
const FEWEST: usize = 2;

/// The clips of the last day, those that are removed by now too.
#[derive(Debug, Default)]
pub(crate) struct Inflow {
    clips: HashMap<PathBuf, (u64, u64)>,
}

impl Inflow {
    /// Takes note of the clips that are on the disk.
    pub(crate) fn note(&mut self, clips: &[Candidate], now_ns: u64) {
        for clip in clips.iter().filter(|clip| is_recent(clip.trigger_unix_ns, now_ns)) {
            self.clips.insert(clip.place.clone(), (clip.trigger_unix_ns, clip.bytes));
        }
        self.clips.retain(|_, (at, _)| is_recent(*at, now_ns));
    }

    /// The bytes an hour. None while there are too few clips to tell.
    #[expect(clippy::cast_precision_loss, reason = "bytes and nanoseconds of a day")]
    pub(crate) fn bytes_per_h(&self, now_ns: u64) -> Option<f64> {
        let first = self.clips.values().map(|(at, _)| *at).min()?;
        let span_ns = now_ns.saturating_sub(first);
        let bytes = self.clips.values().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        let is_enough = self.clips.len() >= FEWEST && Duration::from_nanos(span_ns) >= SHORTEST;
        is_enough.then(|| bytes as f64 / (span_ns as f64 / HOUR_NS))
    }
}

fn is_recent(at_ns: u64, now_ns: u64) -> bool {
    at_ns <= now_ns && now_ns - at_ns < DAY_NS
}

/// The hours in which so many bytes are written at this rate.
#[expect(clippy::cast_precision_loss, reason = "bytes of a disk")]
pub(crate) fn hours(bytes: Option<u64>, bytes_per_h: Option<f64>) -> Option<f64> {
    Some(bytes? as f64 / bytes_per_h.filter(|rate| *rate > 0.0)?)
}

/// The hours, in words.
pub(crate) fn lasts(hours: f64) -> String {
    match hours {
        hours if hours < 2.0 => format!("{:.0} minutes", hours * 60.0),
        hours if hours < 72.0 => format!("{hours:.0} hours"),
        hours if hours < 24.0 * 10_000.0 => format!("{:.0} days", hours / 24.0),
        _ => "years".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_NS: u64 = 1_795_342_500_000_000_000;

    fn clip(name: &str, minutes_ago: u64, bytes: u64) -> Candidate {
        Candidate {
            place: name.into(),
            trigger_unix_ns: NOW_NS - minutes_ago * 60_000_000_000,
            finished_unix_ns: 0,
            bytes,
            disk_bytes: bytes,
            keep: false,
            stays: false,
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_day_and_counts_what_was_removed() {
        let mut inflow = Inflow::default();
        inflow.note(&[clip("a", 120, 1000), clip("old", 25 * 60, 50_000), clip("ahead", 0, 0)], NOW_NS);
        inflow.note(&[clip("b", 60, 3000)], NOW_NS);
        assert_eq!(inflow.bytes_per_h(NOW_NS), Some(2000.0));
        assert_eq!(hours(Some(10_000), inflow.bytes_per_h(NOW_NS)), Some(5.0));
        // A day later there is nothing to go by.
        inflow.note(&[], NOW_NS + DAY_NS);
        assert_eq!(inflow.bytes_per_h(NOW_NS + DAY_NS), None);
    }

    #[test]
    fn one_clip_and_a_few_minutes_say_nothing() {
        let mut inflow = Inflow::default();
        inflow.note(&[clip("a", 120, 1000)], NOW_NS);
        assert_eq!(inflow.bytes_per_h(NOW_NS), None);
        let mut inflow = Inflow::default();
        inflow.note(&[clip("a", 9, 1000), clip("b", 8, 1000)], NOW_NS);
        assert_eq!((inflow.bytes_per_h(NOW_NS), hours(Some(5), None)), (None, None));
        assert_eq!(hours(None, Some(1.0)), None);
    }

    #[test]
    fn hours_are_in_the_unit_that_a_person_would_use() {
        assert_eq!([0.5, 30.0, 240.0, 1e9].map(lasts), ["30 minutes", "30 hours", "10 days", "years"]);
    }
}
