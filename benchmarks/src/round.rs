//! Figures as people write them. Pure.

/// The next larger of 1, 2 or 5 times a power of ten.
#[must_use]
pub fn round_step(at_least: f64) -> f64 {
    if !(at_least.is_finite() && at_least > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powf(at_least.log10().floor());
    // A hair below counts as reached: 0.2 / 0.1 is not quite 2.
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| at_least <= times * power * (1.0 + 1e-9));
    times.unwrap_or(10.0) * power
}

/// A figure as short as it can be: three digits.
#[must_use]
pub fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || (v - v.round()).abs() < 1e-9 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (at_least, step) in [(0.9, 1.0), (1.0, 1.0), (1.1, 2.0), (2.1, 5.0), (7.0, 10.0), (0.03, 0.05)] {
            assert!((round_step(at_least) - step).abs() < 1e-12, "{at_least}");
        }
        assert!((round_step(0.0) - 1.0).abs() < 1e-12 && (round_step(f64::NAN) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn figures_are_short() {
        let shorts = [0.0, 1.0, 16.666, 0.9731, 123.4, 1500.0, 2.5].map(short);
        assert_eq!(shorts, ["0", "1", "16.7", "0.973", "123", "1500", "2.5"]);
    }
}
