//! A flash of light that every simulated camera sees: it goes by the machine's clock, which the cameras share. Pure.

use std::time::Duration;

use proto::time::MonotonicNs;

/// The longest that it lasts.
const LASTS: Duration = Duration::from_millis(100);

/// Is a frame exposed to it that is exposed at this moment? One begins whenever the clock is a multiple of `every`.
pub(super) fn is_on(every: Duration, exposed: MonotonicNs) -> bool {
    let every = every.as_nanos().max(1);
    u128::from(exposed.0) % every < LASTS.as_nanos().min(every / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_at_each_multiple_and_lasts_for_half_of_a_short_one() {
        let on = |every, at_ms: u64| is_on(Duration::from_millis(every), MonotonicNs(at_ms * 1_000_000));
        assert_eq!(
            [0, 99, 100, 999, 1000, 1099, 1100].map(|ms| on(1000, ms)),
            [true, true, false, false, true, true, false]
        );
        assert_eq!([0, 39, 40, 79, 80].map(|ms| on(80, ms)), [true, true, false, false, true]);
        assert!(!on(0, 7), "none");
    }
}
