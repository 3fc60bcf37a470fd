//! Many numbers in a few.

use std::fmt;

use serde::Serialize;

/// How numbers are spread: the median, the 99th percentile and the worst of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub of: usize,
    /// Half of them are at most this.
    pub p50: f64,
    /// All but a hundredth of them are at most this.
    pub p99: f64,
    /// The largest.
    pub worst: f64,
}

impl Spread {
    /// Of these.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let place = (values.len() * percent).div_ceil(100).saturating_sub(1);
            values.get(place).copied().unwrap_or(0.0)
        };
        Self { of: values.len(), p50: at(50), p99: at(99), worst: at(100) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            0 => f.pad("–"),
            of => f.pad(&format!("{:.0}/{:.0}/{:.0} of {of}", self.p50, self.p99, self.worst)),
        }
    }
}

/// A straight line through points, by least squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Slope {
    /// How much it rises for each unit of x.
    pub rise: f64,
    /// The standard error of that. It takes the points to be independent, so it is a hint.
    pub error: f64,
}

impl Slope {
    /// Through these (x, y). Three points at least: two say nothing of how far they are off.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a number of samples")]
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len() as f64;
        if points.len() < 3 {
            return None;
        }
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
        let sum = |of: &dyn Fn(f64, f64) -> f64| {
            points.iter().map(|(x, y)| of(x - mean_x, y - mean_y)).sum::<f64>()
        };
        let spread = sum(&|x, _| x * x);
        if spread <= 0.0 {
            return None;
        }
        let rise = sum(&|x, y| x * y) / spread;
        let off = sum(&|x, y| (y - rise * x).powi(2));
        Some(Self { rise, error: (off / (n - 2.0) / spread).sqrt() })
    }
}

impl fmt::Display for Slope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:+.1} ± {:.1}", self.rise, self.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_names_values_that_are_there() {
        let spread = Spread::of((1..=200).rev().map(f64::from));
        assert_eq!(spread, Spread { of: 200, p50: 100.0, p99: 198.0, worst: 200.0 });
        assert_eq!(Spread::of([7.0]), Spread { of: 1, p50: 7.0, p99: 7.0, worst: 7.0 });
        assert_eq!(Spread::of([]).to_string(), "–");
    }

    #[test]
    fn a_slope_is_found_through_noise_and_says_how_sure_it_is() {
        let line = |noise: f64| -> Vec<(f64, f64)> {
            (0..100)
                .map(|i| (f64::from(i), 5.0 + 2.0 * f64::from(i) + noise * f64::from(i % 3 - 1)))
                .collect()
        };
        let exact = Slope::through(&line(0.0)).unwrap();
        assert!((exact.rise - 2.0).abs() < 1e-9 && exact.error < 1e-9, "{exact:?}");
        let noisy = Slope::through(&line(20.0)).unwrap();
        assert!((noisy.rise - 2.0).abs() < 3.0 * noisy.error && noisy.error > 0.01, "{noisy:?}");
        assert_eq!(Slope::through(&[(1.0, 1.0); 5]), None);
        assert_eq!(Slope::through(&line(0.0)[..2]), None);
    }
}
