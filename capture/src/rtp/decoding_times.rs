//! The times at which the pictures of a stream are decoded, from those at which they are shown: a packet of RTP has the latter.
//! With B-frames pictures come in another order than they are shown in, and the times in a ring rise in the order in which they
//! come. Pure.

/// Pictures that are shown before earlier ones of so much of a second are out of order; a clock that goes back farther was set.
const OUT_OF_ORDER: i64 = 2;
/// No codec keeps more pictures back.
const DEEPEST: usize = 16;

/// Times that rise, each one of the times that were put in: the smallest of the last few.
#[derive(Clone, Debug)]
pub struct DecodingTimes {
    clock_rate: i64,
    /// Ticks from one picture to the next.
    step: i64,
    /// Pictures that are kept back; 0 for a stream in order.
    depth: usize,
    /// The times of those pictures, in order.
    waiting: Vec<i64>,
    last: Option<i64>,
}

impl DecodingTimes {
    /// The times of a stream whose clock has so many ticks a second, and a picture each `step` of them.
    #[must_use]
    pub fn new(clock_rate: u32, step: i64) -> Self {
        Self { clock_rate: clock_rate.into(), step, depth: 0, waiting: Vec::new(), last: None }
    }

    /// Pictures are missing: those that were kept back say nothing of those to come.
    pub fn begin_anew(&mut self) {
        self.waiting.clear();
    }

    /// A picture comes each `step` of ticks from now on.
    pub fn go_at(&mut self, step: i64) {
        self.step = step;
    }

    /// The time at which a picture is decoded that is shown at this time. `reorders`: the stream says that its pictures are out of
    /// order.
    pub fn of(&mut self, shown: i64, reorders: bool) -> i64 {
        if self.last.is_none() && reorders {
            self.depth = 1;
        }
        let back = self.last.map_or(0, |last| last.saturating_sub(shown));
        if back > self.clock_rate / OUT_OF_ORDER {
            self.waiting.clear();
            self.last = None;
        } else if back > 0 && self.waiting.len() <= self.depth && self.is_too_late(shown) {
            self.depth = (self.depth + 1).min(DEEPEST);
        }
        let place = self.waiting.partition_point(|waiting| *waiting <= shown);
        self.waiting.insert(place, shown);
        let time = if self.waiting.len() > self.depth {
            self.waiting.remove(0)
        } else {
            // The first pictures, which nothing stands before.
            let missing = i64::try_from(self.depth + 1 - self.waiting.len()).unwrap_or(0);
            self.waiting[0].saturating_sub(missing.saturating_mul(self.step))
        };
        let time = match self.last {
            Some(last) if self.depth > 0 => time.max(last.saturating_add(1)),
            _ => time,
        };
        self.last = Some(time);
        time
    }

    /// Was a picture that is shown later than this one given its time already?
    fn is_too_late(&self, shown: i64) -> bool {
        self.waiting.first().is_none_or(|first| shown < *first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(shown: &[i64], reorders: bool) -> Vec<i64> {
        let mut times = DecodingTimes::new(90_000, 3_000);
        shown.iter().map(|time| times.of(*time, reorders)).collect()
    }

    #[test]
    fn a_stream_in_order_keeps_its_times_whatever_its_clock_does() {
        let shown = [0, 3_000, 6_000, 6_000, 2_000_000, -900_000, -897_000];
        assert_eq!(times(&shown, false), shown);
    }

    #[test]
    fn pictures_out_of_order_get_the_times_in_order() {
        let shown: Vec<i64> = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8].map(|n| n * 3_000).to_vec();
        let expected: Vec<i64> = (-1..9).map(|n| n * 3_000).collect();
        assert_eq!(times(&shown, true), expected);
        // Two levels of them.
        let shown: Vec<i64> =
            [0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11, 16, 14, 13, 15].map(|n| n * 3_000).to_vec();
        let got = times(&shown, true);
        assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "{got:?}");
        assert_eq!(got[9..], (7..15).map(|n| n * 3_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_stream_that_says_nothing_is_found_out_by_its_pictures() {
        let shown: Vec<i64> = [0, 2, 1, 4, 3, 6, 5, 8, 7].map(|n| n * 3_000).to_vec();
        let got = times(&shown, false);
        assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "{got:?}");
        assert_eq!(got[5..], [4, 5, 6, 7].map(|n| n * 3_000));
    }

    #[test]
    fn behind_a_loss_no_picture_gets_the_time_of_one_before_it() {
        let mut times = DecodingTimes::new(90_000, 3_000);
        let before = [0, 6_000, 3_000].map(|shown| times.of(shown, true));
        times.begin_anew();
        let behind = [96_000, 90_000, 93_000].map(|shown| times.of(shown, true));
        assert_eq!((before, behind), ([-3_000, 0, 3_000], [93_000, 93_001, 93_002]));
    }

    #[test]
    fn a_clock_that_was_set_is_followed() {
        let shown = [900_000, 906_000, 903_000, 0, 6_000, 3_000, 9_000];
        let got = times(&shown, true);
        assert!(got[3] < 0 && got[3..].windows(2).all(|pair| pair[0] < pair[1]), "{got:?}");
    }
}
