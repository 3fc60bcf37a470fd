//! [`WrappingClock`]: the time of a counter of 32 bits that begins anew every few hours, such as RTP's.

/// A clock that counts ticks in 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct WrappingClock {
    hz: u32,
    /// The newest count, with all the times that it has begun anew.
    ticks: Option<i64>,
}

impl WrappingClock {
    /// A clock of so many ticks a second.
    #[must_use]
    pub fn new(hz: u32) -> Self {
        Self { hz: hz.max(1), ticks: None }
    }

    /// The time of a count in nanoseconds. It lies at most half of all counts before or behind the one before: 13 hours at 90 kHz.
    pub fn ns(&mut self, count: u32) -> i64 {
        let ticks = match self.ticks {
            None => i64::from(count),
            Some(last) => last.saturating_add(i64::from(step(last, count))),
        };
        self.ticks = Some(ticks);
        let ns = i128::from(ticks) * 1_000_000_000 / i128::from(self.hz);
        i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
    }
}

/// The nearest way from a count of which only the low 32 bits are known to another.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the low 32 bits are what the clock counts"
)]
fn step(last: i64, count: u32) -> i32 {
    count.wrapping_sub(last as u32).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_begins_anew_goes_on() {
        let mut rtp = WrappingClock::new(90_000);
        let first = u32::MAX - 2_999;
        let ns = [first, first.wrapping_add(3_000), 3_000, 0, 6_000].map(|count| rtp.ns(count));
        let from_first = ns.map(|ns| (ns - ns_of(first) + 500_000) / 1_000_000);
        // The fourth picture is shown before the third: B-frames.
        assert_eq!(from_first, [0, 33, 67, 33, 100]);
    }

    fn ns_of(count: u32) -> i64 {
        WrappingClock::new(90_000).ns(count)
    }

    #[test]
    fn a_clock_without_ticks_and_any_count_do_no_harm() {
        let mut clock = WrappingClock::new(0);
        for count in [0, u32::MAX, 1 << 31, 0, u32::MAX / 2] {
            clock.ns(count);
        }
        let mut fast = WrappingClock::new(u32::MAX);
        assert_eq!([fast.ns(0), fast.ns(u32::MAX)], [0, 0]);
    }
}
