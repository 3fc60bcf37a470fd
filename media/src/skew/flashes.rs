//! The moments at which a camera's pictures became bright or dark at once. Pure: times and mean brightness go in, edges come
//! out.
//!
//! An edge lies between two frames, or within the exposure of one or two. Its moment is told by the area under the brightness
//! around it: for pictures without a length it is the middle between the last dark frame and the first bright one, and a
//! frame that was half exposed to the light moves it by half a period. Errors of the first kind have no direction as long as
//! the light doesn't follow the frames, so a mean over many edges is right.

/// The least difference between dark and bright pictures, of 255: things that move through a picture make one of five.
const LEAST_SPAN: f64 = 10.0;
/// A flash changes the brightness by at least so many times the usual difference from frame to frame.
const ABOVE_NOISE: f64 = 6.0;
/// Below the first part of the span a picture is dark, above the second bright.
const DARK: f64 = 0.35;
const BRIGHT: f64 = 0.65;
/// An edge takes no longer than so many frames. A lamp that glows up for longer has no moment.
const LONGEST_EDGE: f64 = 4.0;
/// Two frames farther apart than so many periods have lost one between them.
const LOST: f64 = 1.6;

/// A picture's mean brightness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at_ns: i64,
    pub(crate) luma: f64,
}

/// A moment at which pictures became bright, or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) at_ns: i64,
    pub(crate) rises: bool,
}

/// The brightness of one camera's pictures over a while.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Brightness {
    /// The dark pictures' and the bright ones', of 255.
    pub(crate) dark: f64,
    pub(crate) bright: f64,
    /// The time from one frame to the next; 0 of fewer than two frames.
    pub(crate) period_ns: i64,
    /// In order. None where dark and bright hardly differ.
    pub(crate) edges: Vec<Edge>,
}

impl Brightness {
    /// Finds the edges in samples, which are in order.
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let mut sorted: Vec<f64> = samples.iter().map(|sample| sample.luma).collect();
        sorted.sort_by(f64::total_cmp);
        // A single odd picture is no level.
        let odd = (sorted.len() / 200).min(2);
        let level = |at: Option<usize>| at.and_then(|at| sorted.get(at)).copied().unwrap_or(0.0);
        let (dark, bright) = (level(Some(odd)), level(sorted.len().checked_sub(1 + odd)));
        let steps = samples.windows(2).map(|pair| (pair[1].luma - pair[0].luma).abs());
        let noise = median(steps.collect(), f64::total_cmp).unwrap_or(0.0);
        let intervals = samples.windows(2).map(|pair| pair[1].at_ns - pair[0].at_ns).collect();
        let period_ns = median(intervals, i64::cmp).unwrap_or(0);
        let mut this = Self { dark, bright, period_ns, edges: Vec::new() };
        if bright - dark >= LEAST_SPAN.max(ABOVE_NOISE * noise) {
            this.edges = this.find(samples);
        }
        this
    }

    fn find(&self, samples: &[Sample]) -> Vec<Edge> {
        // The last picture that was dark or bright, and which it was.
        let mut last: Option<(usize, bool)> = None;
        let mut edges = Vec::new();
        for (at, sample) in samples.iter().enumerate() {
            let Some(is_bright) = self.is_bright(sample) else { continue };
            if let Some((before, _)) = last.filter(|(_, was_bright)| *was_bright != is_bright) {
                edges.extend(self.edge(samples, before, at, is_bright));
            }
            last = Some((at, is_bright));
        }
        edges
    }

    /// `None` in between.
    fn is_bright(&self, sample: &Sample) -> Option<bool> {
        let part = (sample.luma - self.dark) / (self.bright - self.dark);
        (part <= DARK || part >= BRIGHT).then_some(part >= BRIGHT)
    }

    /// The edge between two pictures; none if frames are missing there, or if it is no edge but a slope.
    fn edge(&self, samples: &[Sample], before: usize, after: usize, rises: bool) -> Option<Edge> {
        // One more on either side, where the levels are reached, unless the light has changed again by then.
        let is = |at: usize, bright: bool| samples.get(at).and_then(|s| self.is_bright(s)) == Some(bright);
        let begin = before.checked_sub(1).filter(|at| is(*at, !rises)).unwrap_or(before);
        let end = if is(after + 1, rises) { after + 1 } else { after };
        let around = samples.get(begin..=end)?;
        let (first, last) = (around.first()?, around.last()?);
        let period = float(self.period_ns);
        let is_whole = around.windows(2).all(|pair| float(pair[1].at_ns - pair[0].at_ns) <= LOST * period);
        let takes = float(samples.get(after)?.at_ns - samples.get(before)?.at_ns);
        if !is_whole || takes > LONGEST_EDGE * period || first.luma == last.luma {
            return None;
        }
        let part = |sample: &Sample| ((sample.luma - first.luma) / (last.luma - first.luma)).clamp(0.0, 1.0);
        let area: f64 = around
            .windows(2)
            .map(|pair| float(pair[1].at_ns - pair[0].at_ns) * (part(&pair[0]) + part(&pair[1])) / 2.0)
            .sum();
        #[expect(clippy::cast_possible_truncation, reason = "less than a few periods")]
        let area = area.round() as i64;
        Some(Edge { at_ns: last.at_ns - area, rises })
    }
}

#[expect(clippy::cast_precision_loss, reason = "times of a minute, to a nanosecond: far below 2^53")]
pub(super) fn float(ns: i64) -> f64 {
    ns as f64
}

fn median<T: Copy>(mut of: Vec<T>, by: impl Fn(&T, &T) -> std::cmp::Ordering) -> Option<T> {
    of.sort_by(by);
    of.get(of.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const PERIOD: i64 = 20 * MS;

    /// These frames, and as many before and behind them as make the first and the last usual.
    fn at(frames: &[f64]) -> Vec<Sample> {
        let ends =
            [frames.first(), frames.last()].map(|end| end.map(|end| vec![*end; 8]).unwrap_or_default());
        let [before, behind] = &ends;
        let all = before.iter().chain(frames).chain(behind);
        (-8..).zip(all).map(|(n, luma)| Sample { at_ns: n * PERIOD, luma: *luma }).collect()
    }

    #[test]
    fn a_flash_has_a_beginning_and_an_end_between_two_frames() {
        let seen = Brightness::of(&at(&[50.0, 50.0, 50.0, 200.0, 200.0, 200.0, 50.0, 50.0]));
        assert_eq!((seen.dark, seen.bright, seen.period_ns), (50.0, 200.0, PERIOD));
        let edges = [Edge { at_ns: 50 * MS, rises: true }, Edge { at_ns: 110 * MS, rises: false }];
        assert_eq!(seen.edges, edges);
    }

    #[test]
    fn a_frame_that_saw_part_of_the_light_moves_the_edge() {
        let half = Brightness::of(&at(&[50.0, 50.0, 125.0, 200.0, 200.0]));
        assert_eq!(half.edges, [Edge { at_ns: 40 * MS, rises: true }]);
        let most = Brightness::of(&at(&[50.0, 50.0, 170.0, 200.0, 200.0]));
        assert_eq!(most.edges, [Edge { at_ns: 34 * MS, rises: true }]);
    }

    #[test]
    fn a_flash_of_one_frame_is_seen() {
        let seen = Brightness::of(&at(&[50.0, 50.0, 200.0, 50.0, 50.0]));
        assert_eq!(seen.edges.iter().map(|edge| edge.at_ns / MS).collect::<Vec<_>>(), [30, 50]);
    }

    #[test]
    fn noise_a_cloud_and_nothing_are_no_flashes() {
        let noise: Vec<f64> =
            (0..300_u32).map(|n| 100.0 + f64::from(n.wrapping_mul(2_654_435_761) >> 28)).collect();
        assert_eq!(Brightness::of(&at(&noise)).edges, []);
        let cloud: Vec<f64> = (0..200_u32).map(|n| 200.0 - f64::from(n) / 2.0).collect();
        assert_eq!(Brightness::of(&at(&cloud)).edges, []);
        for few in [0, 1, 2] {
            assert_eq!(Brightness::of(&at(&[80.0])[..few]).edges, []);
        }
        assert_eq!(Brightness::of(&at(&[100.0, 101.0, 103.0, 100.0])).edges, [], "too little");
    }

    #[test]
    fn an_edge_where_frames_are_missing_is_not_told() {
        let mut samples = at(&[50.0, 50.0, 50.0, 200.0, 200.0, 200.0, 200.0, 50.0, 50.0]);
        samples.remove(8 + 3);
        let edges = Brightness::of(&samples).edges;
        assert_eq!(edges, [Edge { at_ns: 130 * MS, rises: false }]);
    }
}
