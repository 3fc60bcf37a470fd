//! A straight line through points.

use std::fmt;

use serde::Serialize;

/// A straight line through points, by least squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Slope {
    /// The rise for each unit of x.
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
