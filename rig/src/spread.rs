//! Many numbers in a few.

use std::fmt;

use serde::Serialize;

/// The spread of some numbers: the median, the 99th percentile and the worst of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The number of numbers.
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
}
