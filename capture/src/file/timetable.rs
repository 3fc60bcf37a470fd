//! The timetable of a file: when each of its frames is shown, and what comes after the last one.
//!
//! Frames are numbered from 0, on through every repetition: frame `n` is frame `n % frames` of pass `n / frames`.

/// The way a decoded frame is found in the timetable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// By its timestamp: a frame that was not decoded leaves a hole.
    Time,
    /// By counting: the file doesn't say of every frame when it is shown (an AVI with B-frames, a bare stream).
    Count,
}

/// A packet's statements about the frame in it, in ticks of its stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) pts: Option<i64>,
    pub(super) dts: Option<i64>,
    /// The time for which the frame is shown; 0 where the file doesn't say.
    pub(super) duration: i64,
    pub(super) key: bool,
    /// The frame is decoded only because others need it.
    pub(super) hidden: bool,
}

/// Seconds in a tick, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) numerator: u32,
    pub(super) denominator: u32,
}

impl Tick {
    /// Ticks in nanoseconds, to the nearest; nothing below zero.
    pub(super) fn ns(self, ticks: i64) -> u64 {
        let (n, d) = (i128::from(self.numerator), i128::from(self.denominator.max(1)));
        u64::try_from((i128::from(ticks) * n * 1_000_000_000 + d / 2) / d).unwrap_or(0)
    }

    /// Nanoseconds in ticks, to the nearest: the inverse where a tick is longer than a nanosecond.
    fn ticks(self, ns: u64) -> i64 {
        let (n, d) = (i128::from(self.numerator.max(1)), i128::from(self.denominator));
        let per_second = n * 1_000_000_000;
        i64::try_from((i128::from(ns) * d + per_second / 2) / per_second).unwrap_or(i64::MAX)
    }

    /// Ticks in microseconds, rounded up.
    pub(super) fn us_ceil(self, ticks: i64) -> i64 {
        let (n, d) = (i128::from(self.numerator), i128::from(self.denominator.max(1)));
        let us = i128::from(ticks) * n * 1_000_000;
        i64::try_from(us.div_euclid(d) + i128::from(us.rem_euclid(d) > 0)).unwrap_or(0)
    }
}

/// The timetable of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timetable {
    /// The start of each frame, after the first one's: strictly rising, never empty.
    starts_ns: Vec<u64>,
    /// The time from the first frame's start to the last one's end.
    length_ns: u64,
    /// The first frame's timestamp.
    first_ticks: i64,
    /// The time from one frame to the next, as the file states it.
    period_ns: u64,
    tick: Tick,
    numbering: Numbering,
}

impl Timetable {
    /// The timetable that follows from all packets of a video stream; `period_ns` follows from the frame rate that the file
    /// states. `None` when there is no frame among the packets.
    pub(super) fn new(mut samples: Vec<Sample>, tick: Tick, period_ns: u64) -> Option<Self> {
        // Frames before the first key frame, in the file or in time, can't be decoded.
        if let Some(first_key) = samples.iter().position(|s| s.key) {
            samples.drain(..first_key);
            let key_pts = samples[0].pts;
            samples.retain(|s| s.pts.is_none() || s.pts >= key_pts);
        }
        samples.retain(|s| !s.hidden);
        if samples.is_empty() {
            return None;
        }
        let period_ns = period_ns.max(1);
        let complete = |time: fn(&Sample) -> Option<i64>| {
            samples.iter().map(|s| Some((time(s)?, s.duration))).collect::<Option<Vec<_>>>()
        };
        let (numbering, mut times) = match complete(|s| s.pts) {
            Some(times) => (Numbering::Time, times),
            None => (Numbering::Count, complete(|s| s.dts).unwrap_or_default()),
        };
        times.sort_unstable();
        times.dedup_by_key(|t| t.0);
        // Without times, or with times that start again (two recordings in one file), frames are counted at the rate.
        if times.len() + samples.len() / 20 < samples.len() {
            let count = samples.len() as u64;
            return Some(Self {
                starts_ns: (0..count).map(|n| n.saturating_mul(period_ns)).collect(),
                length_ns: count.saturating_mul(period_ns),
                first_ticks: 0,
                period_ns,
                tick,
                numbering: Numbering::Count,
            });
        }
        let first_ticks = times[0].0;
        let mut starts_ns: Vec<u64> =
            times.iter().map(|t| tick.ns(t.0.saturating_sub(first_ticks))).collect();
        starts_ns.dedup();
        let last_ns = starts_ns[starts_ns.len() - 1];
        let lasts_ns = match times[times.len() - 1].1 {
            ticks if ticks > 0 => tick.ns(ticks).max(1),
            _ => period_ns,
        };
        Some(Self { starts_ns, length_ns: last_ns + lasts_ns, first_ticks, period_ns, tick, numbering })
    }

    /// Frames in one pass: at least one.
    pub(super) fn frames(&self) -> u64 {
        self.starts_ns.len() as u64
    }

    /// The length of a pass, its last frame included.
    pub(super) fn length_ns(&self) -> u64 {
        self.length_ns
    }

    pub(super) fn first_ticks(&self) -> i64 {
        self.first_ticks
    }

    /// The timestamp of a pass's frame `index`, give or take a tick.
    pub(super) fn ticks(&self, index: u64) -> i64 {
        let index = usize::try_from(index).unwrap_or(0);
        self.first_ticks.saturating_add(self.tick.ticks(self.starts_ns[index]))
    }

    pub(super) fn numbering(&self) -> Numbering {
        self.numbering
    }

    /// Frames a second, on average. Within a percent of the rate that the file states it is that rate: 60, not the 60.03 of
    /// a few frames with times in whole milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "for people, and for comparisons with a wide margin")]
    pub(super) fn average_fps(&self) -> f64 {
        let average = self.frames() as f64 * 1e9 / self.length_ns as f64;
        let stated = 1e9 / self.period_ns as f64;
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
        pass.saturating_mul(self.frames()).saturating_add(self.index_at(rest_ns))
    }

    /// The index of the frame that is shown at this time after its pass began.
    pub(super) fn index_at(&self, ns: u64) -> u64 {
        self.starts_ns.partition_point(|s| *s <= ns).saturating_sub(1) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Tick = Tick { numerator: 1, denominator: 1_000 };
    const MILLION: u64 = 1_000_000;

    fn shown(pts: i64, duration: i64) -> Sample {
        Sample { pts: Some(pts), dts: None, duration, key: true, hidden: false }
    }

    #[test]
    fn a_file_goes_round_with_its_last_frame_shown_to_the_end() {
        let timetable = Timetable::new(vec![shown(500, 40), shown(540, 60), shown(600, 100)], MS, 1).unwrap();
        assert_eq!(
            (timetable.frames(), timetable.length_ns(), timetable.first_ticks()),
            (3, 200 * MILLION, 500)
        );
        let starts: Vec<u64> = (0..7).map(|n| timetable.start_ns(n) / MILLION).collect();
        assert_eq!(starts, [0, 40, 100, 200, 240, 300, 400]);
        for number in 0..1_000 {
            let start = timetable.start_ns(number);
            assert_eq!(timetable.shown_at(start), number);
            assert_eq!(timetable.shown_at(start + 39 * MILLION), number);
            assert!(number == 0 || timetable.shown_at(start - 1) == number - 1);
        }
    }

    #[test]
    fn frames_are_shown_in_the_order_of_their_timestamps() {
        let timetable = Timetable::new([0, 120, 40, 80].map(|t| shown(t, 40)).into(), MS, 1).unwrap();
        assert_eq!(timetable.starts_ns, [0, 40, 80, 120].map(|t| t * MILLION));
        assert_eq!((timetable.length_ns(), timetable.numbering()), (160 * MILLION, Numbering::Time));
    }

    #[test]
    fn what_no_decoder_can_show_is_not_counted() {
        let lead = Sample { key: false, ..shown(0, 40) };
        let key = shown(80, 40);
        let open_gop = Sample { key: false, ..shown(40, 40) };
        let hidden = Sample { hidden: true, ..shown(100, 40) };
        let timetable = Timetable::new(vec![lead, key, open_gop, hidden, shown(120, 40)], MS, 1).unwrap();
        assert_eq!(
            (timetable.starts_ns.as_slice(), timetable.first_ticks()),
            ([0, 40 * MILLION].as_slice(), 80)
        );
    }

    #[test]
    fn a_file_without_timestamps_is_counted_at_its_rate() {
        let bare = Sample { pts: None, dts: None, duration: 0, key: true, hidden: false };
        let timetable = Timetable::new(vec![bare; 5], MS, 20 * MILLION).unwrap();
        assert_eq!((timetable.start_ns(7), timetable.numbering()), (140 * MILLION, Numbering::Count));
        let decoded_at = |dts| Sample { dts: Some(dts), ..bare };
        let timetable = Timetable::new(vec![decoded_at(0), decoded_at(50)], MS, 20 * MILLION).unwrap();
        assert_eq!((timetable.start_ns(1), timetable.start_ns(2)), (50 * MILLION, 70 * MILLION));
    }

    #[test]
    fn a_file_whose_times_start_again_is_counted_at_its_rate() {
        let twice = (0..20).chain(0..20).map(|n| shown(n * 40, 40)).collect();
        let timetable = Timetable::new(twice, MS, 40 * MILLION).unwrap();
        assert_eq!((timetable.frames(), timetable.numbering()), (40, Numbering::Count));
        let once_too_often = (0..20).chain(19..20).map(|n| shown(n * 40, 40)).collect();
        let timetable = Timetable::new(once_too_often, MS, 40 * MILLION).unwrap();
        assert_eq!((timetable.frames(), timetable.numbering()), (20, Numbering::Time));
    }

    #[test]
    fn a_file_without_a_frame_has_no_timetable() {
        assert_eq!(Timetable::new(Vec::new(), MS, 1), None);
        assert_eq!(Timetable::new(vec![Sample { hidden: true, ..shown(0, 40) }], MS, 1), None);
    }

    #[test]
    fn the_rate_is_known_on_average_and_at_its_highest() {
        let slow = (0..10).map(|n| n * 100);
        let fast = (0..50).map(|n| 1_000 + n * 20);
        let timetable = Timetable::new(slow.chain(fast).map(|t| shown(t, 20)).collect(), MS, 1).unwrap();
        assert!((timetable.average_fps() - 30.0).abs() < 1e-9);
        assert_eq!(timetable.busiest_second(), 50);
    }
}
