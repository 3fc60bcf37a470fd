//! The numbers and arrivals of frames, made of what camera and aravis say of them. Pure.

use std::time::Duration;

use proto::time::{MonotonicNs, WallAnchor};

/// The numbers of a GigE Vision camera that counts with 16 bits: 1 to this one, and 1 again. None is 0.
const LARGEST_16_BIT_ID: u64 = 65_535;
/// Frames that a process may have slept through, beside those of the time that shows.
const LONGEST_ABSENCE: Duration = Duration::from_secs(10);
/// The wall clock doesn't step by less than this, as far as frames are concerned.
const STEP_NS: u64 = 1_000_000;
/// A frame waits no longer than this between the first of its packets and its capture.
const OLDEST: Duration = Duration::from_secs(10);

/// A camera's numbers: its frame ids go on through their wrap, and not through their absurdities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    next: u64,
    period: Duration,
    /// The id of the last frame, and its moment.
    last: Option<(u64, MonotonicNs)>,
}

/// The number of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    /// The camera's number, from 0.
    pub(crate) number: u64,
    /// Frames that are missing before it.
    pub(crate) missing: u64,
}

impl Numbers {
    /// Numbers of frames that are about a `period` apart.
    pub(crate) fn new(period: Duration) -> Self {
        Self { next: 0, period, last: None }
    }

    /// The number of a whole frame with this id, which arrived at this moment.
    pub(crate) fn of(&mut self, id: u64, at: MonotonicNs) -> Numbered {
        let missing = match self.last {
            // The frames of before the start are nobody's.
            None => 0,
            Some((last, since)) => self.plausible(steps(last, id).saturating_sub(1), at.since(since)),
        };
        self.last = Some((id, at));
        let number = self.next + missing;
        self.next = number + 1;
        Numbered { number, missing }
    }

    /// No more frames can be missing than a camera of twice the rate would have made meanwhile: a camera that has begun to count
    /// anew has lost none.
    fn plausible(&self, missing: u64, within: Duration) -> u64 {
        let periods = (within + LONGEST_ABSENCE).as_nanos() / self.period.as_nanos().max(1);
        let most = u64::try_from(periods).unwrap_or(u64::MAX).saturating_mul(2);
        if missing <= most { missing } else { 0 }
    }
}

/// From one id to the next: 0 for one that stands still, or goes back by a count of 64 bits.
fn steps(last: u64, id: u64) -> u64 {
    if last.max(id) > LARGEST_16_BIT_ID {
        return id.saturating_sub(last);
    }
    (id + LARGEST_16_BIT_ID - last) % LARGEST_16_BIT_ID
}

/// The arrivals of frames, of which aravis tells the wall clock's time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Arrivals {
    /// The lead of the wall clock over the monotonic one, at the frame before.
    ahead_ns: Option<u64>,
}

impl Arrivals {
    /// The arrival of a frame's first packet at `unix_ns` by the wall clock. `anchor`: the two clocks, read now.
    pub(crate) fn of(&mut self, unix_ns: u64, anchor: WallAnchor) -> MonotonicNs {
        let ahead_ns = anchor.unix_ns.saturating_sub(anchor.monotonic_ns.0);
        let before = self.ahead_ns.replace(ahead_ns);
        let now = anchor.monotonic_ns;
        // After a step nobody knows whether the frame was stamped before or behind it.
        let has_stepped = before.is_some_and(|before| before.abs_diff(ahead_ns) > STEP_NS);
        match anchor.monotonic(unix_ns).filter(|_| !has_stepped) {
            Some(arrival) if arrival <= now && now.since(arrival) < OLDEST => arrival,
            _ => now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(20);

    fn at(ms: u64) -> MonotonicNs {
        MonotonicNs(100_000_000_000 + ms * 1_000_000)
    }

    fn numbers(ids: &[u64]) -> Vec<(u64, u64)> {
        let mut numbers = Numbers::new(PERIOD);
        let mut ms = 0;
        let number = |id: &u64| {
            ms += 20;
            let Numbered { number, missing } = numbers.of(*id, at(ms));
            (number, missing)
        };
        ids.iter().map(number).collect()
    }

    #[test]
    fn ids_of_16_bits_wrap_from_65535_to_1_and_lose_nothing_by_it() {
        assert_eq!(numbers(&[65_534, 65_535, 1, 2]), [(0, 0), (1, 0), (2, 0), (3, 0)]);
        assert_eq!(numbers(&[65_534, 2]), [(0, 0), (3, 2)], "65535 and 1 are missing");
        assert_eq!(numbers(&[65_535, 0, 1]), [(0, 0), (1, 0), (2, 0)], "a camera that counts a 0 after all");
    }

    #[test]
    fn ids_of_64_bits_go_through_65535() {
        assert_eq!(numbers(&[65_534, 65_535, 65_536, 65_539]), [(0, 0), (1, 0), (2, 0), (5, 2)]);
        assert_eq!(numbers(&[0, 1, 3]), [(0, 0), (1, 0), (3, 1)], "USB3 Vision counts from 0");
    }

    #[test]
    fn an_id_that_stands_still_or_begins_anew_loses_no_frame_and_invents_none() {
        assert_eq!(numbers(&[5, 5, 6]), [(0, 0), (1, 0), (2, 0)]);
        assert_eq!(numbers(&[30_000, 1, 2]), [(0, 0), (1, 0), (2, 0)]);
        assert_eq!(numbers(&[90_000, 7, 8]), [(0, 0), (1, 0), (2, 0)]);
        assert_eq!(numbers(&[70_000, 9_000_000, 9_000_001]), [(0, 0), (1, 0), (2, 0)], "absurd");
    }

    #[test]
    fn a_long_hole_counts_when_as_much_time_has_gone_by() {
        let mut numbers = Numbers::new(PERIOD);
        numbers.of(1, at(0));
        assert_eq!(numbers.of(3_002, at(60_000)).missing, 3_000);
    }

    fn anchor(unix_ms: u64, monotonic_ms: u64) -> WallAnchor {
        WallAnchor { unix_ns: unix_ms * 1_000_000, monotonic_ns: at(monotonic_ms) }
    }

    #[test]
    fn an_arrival_by_the_wall_clock_is_one_by_the_monotonic_clock() {
        let mut arrivals = Arrivals::default();
        let unix = 1_800_000_000_000;
        assert_eq!(arrivals.of((unix + 7) * 1_000_000, anchor(unix + 10, 10)), at(7));
        assert_eq!(arrivals.of((unix + 27) * 1_000_000, anchor(unix + 30, 30)), at(27));
    }

    #[test]
    fn a_step_of_the_wall_clock_moves_no_arrival() {
        let unix = 1_800_000_000_000;
        for step in [3_600_000_i64, -3_600_000, 50] {
            let mut arrivals = Arrivals::default();
            arrivals.of(unix * 1_000_000, anchor(unix, 0));
            let stepped = unix.checked_add_signed(step).unwrap();
            // Stamped before the step, fetched behind it.
            assert_eq!(arrivals.of((unix + 18) * 1_000_000, anchor(stepped + 20, 20)), at(20), "{step}");
            assert_eq!(arrivals.of((stepped + 38) * 1_000_000, anchor(stepped + 40, 40)), at(38), "{step}");
        }
    }

    #[test]
    fn a_stamp_of_nothing_of_long_ago_or_of_later_is_replaced() {
        let unix = 1_800_000_000_000;
        for stamp in [0, (unix - 60_000) * 1_000_000, (unix + 5) * 1_000_000] {
            assert_eq!(Arrivals::default().of(stamp, anchor(unix, 500)), at(500), "{stamp}");
        }
    }
}
