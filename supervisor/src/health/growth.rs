//! Memory that grows without an end: a leak. Pure.
//!
//! What the processes need goes up and down with every clip, so only the lowest figure of each span counts. A leak raises
//! the lowest too, from span to span. Fast leaks show within half an hour; slow ones need longer spans to stand out.

use std::fmt;
use std::time::{Duration, Instant};

use proto::storage::mb;

/// The lengths of the spans that are compared.
const SPANS: [Duration; 3] =
    [Duration::from_secs(5 * 60), Duration::from_secs(60 * 60), Duration::from_secs(24 * 60 * 60)];
/// So many spans in a row have to end higher than the one before. Six rises by chance are one in 64 …
const RISES: usize = 6;
/// … so each has to be of some size …
const LEAST_RISE: u64 = 1_000_000;
/// … and all together more than the heap keeps back after the first clips.
const LEAST_IN_ALL: u64 = 24_000_000;

/// Memory that has grown from span to span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// The bytes that it has grown by.
    pub(crate) bytes: u64,
    /// The time that it took.
    pub(crate) within: Duration,
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.within.as_secs() / 60;
        write!(f, "{:.0} MB more within ", mb(self.bytes))?;
        match minutes {
            0..120 => write!(f, "{minutes} min"),
            120..2880 => write!(f, "{} h", minutes / 60),
            _ => write!(f, "{} days", minutes / 1440),
        }
    }
}

/// The watch over all processes' memory together.
#[derive(Debug)]
pub(crate) struct GrowthWatch {
    scales: [Scale; SPANS.len()],
}

/// The lowest figures of spans of one length.
#[derive(Debug)]
struct Scale {
    span: Duration,
    begun: Instant,
    lowest: Option<u64>,
    /// Of the last whole spans, oldest first.
    before: Vec<u64>,
}

impl GrowthWatch {
    pub(crate) fn new(now: Instant) -> Self {
        Self { scales: SPANS.map(|span| Scale { span, begun: now, lowest: None, before: Vec::new() }) }
    }

    /// Takes a figure. Returns the growth that all the last spans show, over the longest spans that show one.
    pub(crate) fn note(&mut self, bytes: u64, now: Instant) -> Option<Growth> {
        self.scales.iter_mut().for_each(|scale| scale.note(bytes, now));
        self.scales.iter().rev().find_map(Scale::growth)
    }
}

impl Scale {
    fn note(&mut self, bytes: u64, now: Instant) {
        if now.saturating_duration_since(self.begun) >= self.span {
            self.begun = now;
            self.before.extend(self.lowest.take());
            if self.before.len() > RISES + 1 {
                self.before.remove(0);
            }
        }
        self.lowest = Some(self.lowest.map_or(bytes, |lowest| lowest.min(bytes)));
    }

    fn growth(&self) -> Option<Growth> {
        let (first, last) = (*self.before.first()?, *self.before.last()?);
        let rises = self.before.windows(2).filter(|two| two[1] >= two[0].saturating_add(LEAST_RISE));
        let (all_rise, bytes) = (rises.count() >= RISES, last.saturating_sub(first));
        let spans = u32::try_from(RISES).unwrap_or(u32::MAX);
        (all_rise && bytes >= LEAST_IN_ALL).then(|| Growth { bytes, within: self.span * spans })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    /// The growth that is seen at the end of so many hours, with a figure every ten seconds.
    fn seen(hours: u64, figure: impl Fn(u64) -> u64) -> Option<Growth> {
        let start = Instant::now();
        let mut watch = GrowthWatch::new(start);
        let figures = (0..=hours * 3600).step_by(10);
        figures.fold(None, |_, s| watch.note(figure(s), start + Duration::from_secs(s)))
    }

    #[test]
    fn memory_that_goes_up_and_down_with_clips_is_no_leak() {
        assert_eq!(seen(30, |_| 180 * MB), None);
        // A clip every two minutes.
        assert_eq!(seen(30, |s| if s % 120 < 20 { 520 * MB } else { 180 * MB }), None);
        // The first clips leave something in the heap of each process.
        assert_eq!(seen(8, |s| 180 * MB + (s / 120).min(20) * 3 * MB), None);
        // More clips by day than by night.
        let by_day = |s: u64| 180 * MB + u64::from(s / 3600 % 24 > 8) * (s / 600 % 5) * 30 * MB;
        assert_eq!(seen(72, by_day), None);
    }

    #[test]
    fn a_leak_is_seen_whether_it_is_fast_or_slow() {
        // 1 MB a minute, under clips.
        let fast = |s: u64| 180 * MB + s / 60 * MB + u64::from(s % 60 < 20) * 300 * MB;
        assert_eq!(seen(1, fast).unwrap().to_string(), "30 MB more within 30 min");
        // 5 MB an hour, in steps of a megabyte.
        let slow = |s: u64| 180 * MB + s / 720 * MB;
        assert_eq!(seen(3, slow), None, "it can't be told from chance yet");
        assert_eq!(seen(8, slow).unwrap().to_string(), "30 MB more within 6 h");
        // 6 MB a day.
        let slower = |s: u64| 180 * MB + s / 14_400 * MB;
        assert_eq!(seen(24 * 8, slower).unwrap().to_string(), "36 MB more within 6 days");
    }

    #[test]
    fn a_leak_that_has_ended_is_said_no_longer() {
        let ended = |s: u64| 180 * MB + s.min(3600) / 60 * MB;
        assert!(seen(1, ended).is_some());
        assert_eq!(seen(3, ended), None);
    }
}
