//! A moment as people write it, for `--at`: on which clock it is, and how exact. Pure: the caller says what both clocks
//! show. Whether frames of the moment are still there is the supervisor's business.
//!
//! A whole number can be of either clock. Its size decides, since the two are far apart on any machine that has run for
//! ten seconds:
//!
//! | whole number | read as |
//! |---|---|
//! | 10 digits (2001 to 2286) | Unix seconds: `date +%s` |
//! | 19 digits (2001 to 2286) | Unix nanoseconds: `date +%s%N`, `time.time_ns()` |
//! | any other | nanoseconds of `CLOCK_MONOTONIC`: `time.monotonic_ns()` |

use std::fmt;

use proto::time::{MonotonicNs, UtcTime, WallAnchor};

const NS_A_SECOND: u64 = 1_000_000_000;
/// Unix seconds have ten digits from 2001-09-09 to 2286-11-20. As nanoseconds since boot the same numbers are moments of
/// a machine's first ten seconds, which nobody names.
const UNIX_SECONDS: std::ops::Range<u64> = 1_000_000_000..10_000_000_000;
/// Unix nanoseconds of the same years. As nanoseconds since boot they are 31 years and more.
const UNIX_NS_FROM: u64 = UNIX_SECONDS.start * NS_A_SECOND;
/// The digits of a second's fraction that count.
const FRACTION_DIGITS: usize = 9;

/// A moment that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: MonotonicNs,
    /// It was typed without a fraction of a second, so the moment that was meant may be up to a second later.
    pub(super) is_whole_second: bool,
}

/// The reason why a text names no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMoment {
    /// It isn't written in any way that is known.
    NotATime,
    /// A date and time without its zone.
    NoZone,
    /// A date that no calendar has, or a year before 1970 or after 2499.
    NoSuchDate,
    /// A number with a fraction that is no Unix time of this century.
    FewSeconds,
    /// The machine wasn't running yet.
    BeforeBoot {
        /// The boot, in nanoseconds since 1970.
        booted_unix_ns: u64,
    },
}

impl fmt::Display for NoMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATime => f.write_str(
                "this is no time that can be read; the exact form is the one of \"$(date -Ins)\". Unix seconds \
                 (1795342500.25) and nanoseconds of CLOCK_MONOTONIC are read too",
            ),
            Self::NoZone => f.write_str(
                "this date and time needs its zone at its end, such as Z, +01:00 or +0100; \"$(date -Ins)\" writes it",
            ),
            Self::NoSuchDate => {
                f.write_str("there is no such date, or it is not between 1970 and 2499; see \"$(date -Ins)\"")
            }
            Self::FewSeconds => f.write_str(
                "a number with a fraction is read as Unix seconds, and this is no time of this century; for a time \
                 since the boot give whole nanoseconds of CLOCK_MONOTONIC (time.monotonic_ns() in Python)",
            ),
            Self::BeforeBoot { booted_unix_ns } => write!(
                f,
                "this is before the machine booted ({}), so no frame of it was captured; are the date, the zone and \
                 this machine's clock right?",
                UtcTime::from_unix_ns(*booted_unix_ns)
            ),
        }
    }
}

/// Reads a moment. `anchor` is a moment on both clocks.
pub(super) fn parse(text: &str, anchor: WallAnchor) -> Result<Moment, NoMoment> {
    let text = text.trim();
    let of_wall = |unix_ns: u64, is_whole_second: bool| match anchor.monotonic(unix_ns) {
        Some(at) => Ok(Moment { at, is_whole_second }),
        None => Err(NoMoment::BeforeBoot { booted_unix_ns: anchor.unix(MonotonicNs(0)) }),
    };
    if let Some(number) = whole(text) {
        return match number {
            seconds if UNIX_SECONDS.contains(&seconds) => of_wall(seconds * NS_A_SECOND, true),
            unix_ns if unix_ns >= UNIX_NS_FROM => of_wall(unix_ns, false),
            monotonic_ns => Ok(Moment { at: MonotonicNs(monotonic_ns), is_whole_second: false }),
        };
    }
    if let Some((seconds, fraction_ns)) = with_fraction(text) {
        let Some(fraction_ns) = fraction_ns else { return Err(NoMoment::NotATime) };
        if !UNIX_SECONDS.contains(&seconds) {
            return Err(NoMoment::FewSeconds);
        }
        return of_wall(seconds * NS_A_SECOND + fraction_ns, false);
    }
    let (unix_ns, is_whole_second) = date_and_time(text)?;
    of_wall(unix_ns, is_whole_second)
}

/// Reads a moment of any time, as nanoseconds since 1970: a date with its time of day and zone, a date alone, which begins in UTC,
/// or a Unix time.
pub(crate) fn unix_ns(text: &str) -> Result<u64, NoMoment> {
    let text = text.trim();
    match (whole(text), with_fraction(text)) {
        (Some(seconds), _) if UNIX_SECONDS.contains(&seconds) => Ok(seconds * NS_A_SECOND),
        (Some(unix_ns), _) if unix_ns >= UNIX_NS_FROM => Ok(unix_ns),
        (None, Some((seconds, Some(fraction_ns)))) if UNIX_SECONDS.contains(&seconds) => {
            Ok(seconds * NS_A_SECOND + fraction_ns)
        }
        (None, None) if !text.contains(['T', 't', ' ']) => Ok(date_and_time(&format!("{text}T00:00:00Z"))?.0),
        (None, None) => Ok(date_and_time(text)?.0),
        _ => Err(NoMoment::NotATime),
    }
}

/// A date, a time of day and a zone, as nanoseconds since 1970, and whether no fraction was typed.
fn date_and_time(text: &str) -> Result<(u64, bool), NoMoment> {
    let (date, rest) = text.split_once(['T', 't', ' ']).ok_or(NoMoment::NotATime)?;
    let clock_ends = |c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.' | ',');
    let (clock, zone) = rest.split_at(rest.find(clock_ends).unwrap_or(rest.len()));
    let ([year, month, day], [hour, minute, second], fraction) =
        digits(date, clock).ok_or(NoMoment::NotATime)?;
    if zone.is_empty() {
        return Err(NoMoment::NoZone);
    }
    let offset_s = offset_s(zone).ok_or(NoMoment::NotATime)?;
    let local = UtcTime { year, month, day, hour, minute, second, millisecond: 0 };
    let local_ns = local.to_unix_ns().ok_or(NoMoment::NoSuchDate)?;
    let unix_ns = i128::from(local_ns) + i128::from(fraction.unwrap_or(0))
        - i128::from(offset_s) * i128::from(NS_A_SECOND);
    Ok((u64::try_from(unix_ns).map_err(|_| NoMoment::NoSuchDate)?, fraction.is_none()))
}

/// Three numbers of a date, three of a time of day, and the fraction of the second in nanoseconds, if there is one.
fn digits(date: &str, clock: &str) -> Option<([u64; 3], [u64; 3], Option<u64>)> {
    let three = |text: &str, between: char| -> Option<[u64; 3]> {
        let numbers: Option<Vec<u64>> = text.split(between).map(whole).collect();
        numbers?.try_into().ok()
    };
    let date = three(date, '-')?;
    match clock.split_once(['.', ',']) {
        Some((clock, fraction)) => Some((date, three(clock, ':')?, Some(nanoseconds(fraction)?))),
        None => Some((date, three(clock, ':')?, None)),
    }
}

/// The zone's distance from UTC: `Z`, `UTC`, `GMT`, `+01:00`, `+0100`, `+01`. A blank may stand before it, as in `date
/// --rfc-2822` and `ls --full-time`.
fn offset_s(zone: &str) -> Option<i64> {
    let zone = zone.strip_prefix(' ').unwrap_or(zone);
    if ["Z", "UTC", "GMT"].iter().any(|utc| zone.eq_ignore_ascii_case(utc)) {
        return Some(0);
    }
    let sign = match zone.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let distance = zone.get(1..)?;
    let (hours, minutes) = match distance.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if distance.len() == 4 => distance.split_at_checked(2)?,
        None => (distance, "00"),
    };
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (i64::try_from(whole(hours)?).ok()?, i64::try_from(whole(minutes)?).ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// A number with a fraction: its whole part, and the fraction in nanoseconds, which may be none.
fn with_fraction(text: &str) -> Option<(u64, Option<u64>)> {
    let (seconds, fraction) = text.split_once(['.', ','])?;
    Some((whole(seconds)?, nanoseconds(fraction)))
}

/// A fraction of a second in nanoseconds. Digits behind the ninth don't count.
fn nanoseconds(fraction: &str) -> Option<u64> {
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let counted = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    whole(&format!("{counted:0<FRACTION_DIGITS$}"))
}

/// A whole number of digits alone: `parse` would take a sign too.
fn whole(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
