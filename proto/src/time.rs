//! Time: `CLOCK_MONOTONIC` nanoseconds inside, wall time only as a label at the edge. Frame rates are in
//! [`crate::frame`].

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// Nanoseconds of `CLOCK_MONOTONIC`: the one clock that all of Preroll's processes share. Steps of the wall clock don't
/// touch it. It starts again with each boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct MonotonicNs(pub u64);

impl MonotonicNs {
    /// The present moment.
    #[cfg(feature = "host")]
    #[must_use]
    pub fn now() -> Self {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        // The kernel's monotonic clock starts near zero at boot, so neither part is ever negative.
        Self(t.tv_sec.unsigned_abs() * 1_000_000_000 + t.tv_nsec.unsigned_abs())
    }

    /// The time from `earlier` to `self`; zero when `self` is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` before `self`, not below zero.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }

    /// Sleeps until this moment, through interruptions. Returns at once when it has passed.
    #[cfg(feature = "host")]
    pub fn sleep_until(self) {
        loop {
            let left = self.since(Self::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left);
        }
    }
}

impl Add<Duration> for MonotonicNs {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

impl Sub for MonotonicNs {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for MonotonicNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// A span in nanoseconds, capped at 584 years.
#[must_use]
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment on both clocks. It is kept with a recording, so that wall times can be computed later without trusting a
/// clock that may have been stepped since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize))]
pub struct WallAnchor {
    /// The moment on the monotonic clock.
    pub monotonic_ns: MonotonicNs,
    /// The same moment as nanoseconds since 1970-01-01 UTC.
    pub unix_ns: u64,
}

impl WallAnchor {
    /// Reads both clocks, one right after the other.
    #[cfg(feature = "host")]
    #[must_use]
    pub fn now() -> Self {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self { monotonic_ns: MonotonicNs::now(), unix_ns: unix.map(nanos).unwrap_or(0) }
    }

    /// The monotonic moment of a wall time; `None` when it lies before boot.
    #[must_use]
    pub fn monotonic(self, unix_ns: u64) -> Option<MonotonicNs> {
        let shift = i128::from(unix_ns) - i128::from(self.unix_ns);
        u64::try_from(i128::from(self.monotonic_ns.0) + shift).ok().map(MonotonicNs)
    }

    /// The wall time of a monotonic moment, in nanoseconds since 1970.
    #[must_use]
    pub fn unix(self, at: MonotonicNs) -> u64 {
        let shift = i128::from(at.0) - i128::from(self.monotonic_ns.0);
        u64::try_from(i128::from(self.unix_ns) + shift).unwrap_or(0)
    }
}

/// A date and time of day in UTC, for folder names and log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcTime {
    /// Year, 1970 or later.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 59: Unix time has no leap seconds.
    pub second: u64,
    /// 0 to 999.
    pub millisecond: u64,
}

impl UtcTime {
    /// The date and time of nanoseconds since 1970. The calendar is Howard Hinnant's `civil_from_days`
    /// (<https://howardhinnant.github.io/date_algorithms.html>), for days after 1970.
    #[must_use]
    pub fn from_unix_ns(unix_ns: u64) -> Self {
        let seconds = unix_ns / 1_000_000_000;
        let days = seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            millisecond: unix_ns / 1_000_000 % 1_000,
        }
    }

    /// Nanoseconds since 1970 of this date and time; `None` for a date that no calendar has, and for years before 1970 or
    /// after 2499. A second may be 60: it is the first of the next minute. The inverse of [`UtcTime::from_unix_ns`], by
    /// Hinnant's `days_from_civil`.
    #[must_use]
    pub fn to_unix_ns(self) -> Option<u64> {
        let Self { year, month, day, hour, minute, second, millisecond } = self;
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_of_month = match month {
            2 => 28 + u64::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let in_range = (1970..2500).contains(&year)
            && (1..=days_of_month).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60
            && millisecond < 1_000;
        if !in_range {
            return None;
        }
        // A year begins with March here, so that the leap day is the last of its year.
        let year = if month <= 2 { year - 1 } else { year };
        let year_of_era = year % 400;
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = (year / 400 * 146_097 + day_of_era).checked_sub(719_468)?;
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(seconds * 1_000_000_000 + millisecond * 1_000_000)
    }

    /// The form that run folders carry: `20261122-101500`.
    #[must_use]
    pub fn compact(self) -> String {
        let Self { year, month, day, hour, minute, second, .. } = self;
        format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, millisecond } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_date_reads_as_itself() {
        let t = UtcTime::from_unix_ns(1_795_342_500_250_000_000);
        assert_eq!(t.to_string(), "2026-11-22T10:15:00.250Z");
        assert_eq!(t.compact(), "20261122-101500");
    }

    #[test]
    fn a_date_and_its_nanoseconds_convert_both_ways() {
        for unix_ms in [0_u64, 951_782_400_123, 1_709_164_799_999, 1_795_342_500_250, 13_569_465_600_000] {
            let t = UtcTime::from_unix_ns(unix_ms * 1_000_000);
            assert_eq!(t.to_unix_ns(), Some(unix_ms * 1_000_000), "{t}");
        }
        // A moment of each day, and of each second of a day, from 1970 to 2499.
        for day in 0..193_577_u64 {
            let unix_ns = (day * 86_400 + day * 7_919 % 86_400) * 1_000_000_000;
            assert_eq!(UtcTime::from_unix_ns(unix_ns).to_unix_ns(), Some(unix_ns));
        }
    }

    #[test]
    fn a_date_that_no_calendar_has_is_none() {
        let day = |year, month, day| {
            UtcTime { year, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 }.to_unix_ns()
        };
        for (year, month, of_month) in
            [(1969, 12, 31), (2500, 1, 1), (2026, 0, 1), (2026, 13, 1), (2026, 11, 0), (2026, 11, 31)]
        {
            assert_eq!(day(year, month, of_month), None, "{year}-{month}-{of_month}");
        }
        assert!(day(2000, 2, 29).is_some() && day(2024, 2, 29).is_some());
        assert!(day(2100, 2, 29).is_none() && day(2026, 2, 29).is_none());
        let noon = UtcTime { hour: 12, ..UtcTime::from_unix_ns(0) };
        assert_eq!(UtcTime { hour: 24, ..noon }.to_unix_ns(), None);
        assert_eq!(UtcTime { minute: 60, ..noon }.to_unix_ns(), None);
        assert_eq!(UtcTime { second: 61, ..noon }.to_unix_ns(), None);
        let leap_second = UtcTime { minute: 59, second: 60, ..noon }.to_unix_ns();
        assert_eq!(leap_second, UtcTime { hour: 13, ..noon }.to_unix_ns());
    }

    #[test]
    fn an_anchor_converts_both_ways() {
        let anchor = WallAnchor { monotonic_ns: MonotonicNs(5_000), unix_ns: 1_000_000 };
        assert_eq!(anchor.monotonic(1_000_500), Some(MonotonicNs(5_500)));
        assert_eq!(anchor.unix(MonotonicNs(4_000)), 999_000);
        assert_eq!(anchor.monotonic(1), None);
    }
}
