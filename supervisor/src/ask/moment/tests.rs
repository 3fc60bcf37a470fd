//! Texts and the moments that they name, on a machine that booted at 2026-11-22T10:00:00Z and has run for 1000 s.

use super::*;

const BOOT: u64 = 1_795_341_600 * NS_A_SECOND;
const ANCHOR: WallAnchor =
    WallAnchor { monotonic_ns: MonotonicNs(1_000 * NS_A_SECOND), unix_ns: BOOT + 1_000 * NS_A_SECOND };
/// 2026-11-22T10:15:00Z on the monotonic clock.
const QUARTER: u64 = 900 * NS_A_SECOND;

fn exact(ns: u64) -> Result<Moment, NoMoment> {
    Ok(Moment { at: MonotonicNs(ns), is_whole_second: false })
}

fn whole_second(ns: u64) -> Result<Moment, NoMoment> {
    Ok(Moment { at: MonotonicNs(ns), is_whole_second: true })
}

#[test]
fn a_moment_is_read_in_every_way_that_people_write_it() {
    for (text, moment) in [
        // date -Ins, in any locale; date --rfc-3339=ns; ls --full-time; Python's str() and isoformat().
        ("2026-11-22T11:15:00,250000000+01:00", exact(QUARTER + 250_000_000)),
        ("2026-11-22T10:15:00.250000001Z", exact(QUARTER + 250_000_001)),
        ("2026-11-22 11:15:00.250000000+01:00", exact(QUARTER + 250_000_000)),
        ("2026-11-22 11:15:00.250000000 +0100", exact(QUARTER + 250_000_000)),
        ("2026-11-22 10:15:00.250000+00:00", exact(QUARTER + 250_000_000)),
        // date +%Y-%m-%dT%H:%M:%S.%N%z, with zones on both sides of UTC.
        ("2026-11-22T11:15:00.25+0100", exact(QUARTER + 250_000_000)),
        ("2026-11-22T04:45:00.25-0530", exact(QUARTER + 250_000_000)),
        ("2026-11-23T00:15:00.5+14", exact(QUARTER + 500_000_000)),
        ("2026-11-22t10:15:00.5z", exact(QUARTER + 500_000_000)),
        ("2026-11-22 10:15:00.5 UTC", exact(QUARTER + 500_000_000)),
        ("  2026-11-22T10:15:00.5Z\n", exact(QUARTER + 500_000_000)),
        // A fraction that is longer than nanoseconds.
        ("2026-11-22T10:15:00.2500000009Z", exact(QUARTER + 250_000_000)),
        // date -Is, date --rfc-3339=s, date +%s.
        ("2026-11-22T11:15:00+01:00", whole_second(QUARTER)),
        ("2026-11-22 10:15:00 UTC", whole_second(QUARTER)),
        ("1795342500", whole_second(QUARTER)),
        // time.time(), date +%s.%N, with a comma too; time.time_ns(), date +%s%N.
        ("1795342500.25", exact(QUARTER + 250_000_000)),
        ("1795342500.2500004", exact(QUARTER + 250_000_400)),
        ("1795342500,250000000", exact(QUARTER + 250_000_000)),
        ("1795342500.0", exact(QUARTER)),
        ("1795342500250000000", exact(QUARTER + 250_000_000)),
        // time.monotonic_ns().
        ("900250000000", exact(QUARTER + 250_000_000)),
        ("0", exact(0)),
    ] {
        assert_eq!(parse(text, ANCHOR), moment, "{text}");
    }
}

#[test]
fn the_size_of_a_whole_number_says_which_clock_it_is_of() {
    let of_wall = |unix_ns| ANCHOR.monotonic(unix_ns).ok_or(NoMoment::BeforeBoot { booted_unix_ns: BOOT });
    for (number, at) in [
        (999_999_999, Ok(MonotonicNs(999_999_999))),
        (1_000_000_000, of_wall(1_000_000_000 * NS_A_SECOND)),
        (9_999_999_999, of_wall(9_999_999_999 * NS_A_SECOND)),
        (10_000_000_000, Ok(MonotonicNs(10_000_000_000))),
        // Ten years of running.
        (315_360_000 * NS_A_SECOND, Ok(MonotonicNs(315_360_000 * NS_A_SECOND))),
        (UNIX_NS_FROM - 1, Ok(MonotonicNs(UNIX_NS_FROM - 1))),
        (UNIX_NS_FROM, of_wall(UNIX_NS_FROM)),
        (u64::MAX, of_wall(u64::MAX)),
    ] {
        assert_eq!(parse(&number.to_string(), ANCHOR).map(|m| m.at), at, "{number}");
    }
}

#[test]
fn a_text_that_names_no_moment_says_why() {
    let before_boot = NoMoment::BeforeBoot { booted_unix_ns: BOOT };
    for (text, why) in [
        ("", NoMoment::NotATime),
        ("yesterday", NoMoment::NotATime),
        ("-5", NoMoment::NotATime),
        ("+5", NoMoment::NotATime),
        ("1795342500.", NoMoment::NotATime),
        ("1795342500.2.5", NoMoment::NotATime),
        (".5", NoMoment::NotATime),
        ("1e9", NoMoment::NotATime),
        ("99999999999999999999", NoMoment::NotATime),
        ("2026-11-22", NoMoment::NotATime),
        ("2026-11-22 10:15Z", NoMoment::NotATime),
        ("2026-+11-22T10:15:00Z", NoMoment::NotATime),
        ("2026-11-22T10:15:00.Z", NoMoment::NotATime),
        ("2026-11-22T10:15:00+1", NoMoment::NotATime),
        ("2026-11-22T10:15:00+01:0", NoMoment::NotATime),
        ("2026-11-22T10:15:00+24:00", NoMoment::NotATime),
        ("2026-11-22T10:15:00 CET", NoMoment::NotATime),
        ("2026-11-22T10:15:00", NoMoment::NoZone),
        ("2026-11-22 10:15:00.250", NoMoment::NoZone),
        ("2026-02-30T10:15:00Z", NoMoment::NoSuchDate),
        ("2026-13-01T10:15:00Z", NoMoment::NoSuchDate),
        ("2026-11-22T25:15:00Z", NoMoment::NoSuchDate),
        ("1970-01-01T00:00:00+01:00", NoMoment::NoSuchDate),
        ("900.25", NoMoment::FewSeconds),
        ("2026-11-22T09:59:59.999Z", before_boot),
        ("2026-11-22T10:15:00+01:00", before_boot),
        ("1600000000.5", before_boot),
    ] {
        assert_eq!(parse(text, ANCHOR), Err(why), "{text}");
    }
    assert!(before_boot.to_string().contains("booted (2026-11-22T10:00:00.000Z)"), "{before_boot}");
    for why in [NoMoment::NotATime, NoMoment::NoZone, NoMoment::NoSuchDate] {
        assert!(why.to_string().contains("$(date -Ins)"), "{why}");
    }
}

/// Numbers that look random and are the same at each run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[test]
fn every_form_of_a_moment_names_the_same_moment() {
    let mut random = Random(1);
    for _ in 0..20_000 {
        let since_boot = random.below(400 * 86_400) * NS_A_SECOND + random.below(NS_A_SECOND);
        let unix_ns = BOOT + since_boot;
        let (seconds, fraction) = (unix_ns / NS_A_SECOND, unix_ns % NS_A_SECOND);
        let quarters = random.below(14 * 4);
        let (sign, east) = if random.below(2) == 0 { ('+', true) } else { ('-', false) };
        let shift_ns = quarters * 900 * NS_A_SECOND;
        let local = UtcTime::from_unix_ns(if east { unix_ns + shift_ns } else { unix_ns - shift_ns });
        let text = local.to_string();
        let whole_part = text.split('.').next().unwrap();
        let (hours, minutes) = (quarters / 4, quarters % 4 * 15);
        for (form, expected) in [
            (format!("{whole_part},{fraction:09}{sign}{hours:02}:{minutes:02}"), exact(since_boot)),
            (format!("{whole_part}.{fraction:09}{sign}{hours:02}{minutes:02}"), exact(since_boot)),
            (
                format!("{whole_part} {sign}{hours:02}{minutes:02}"),
                whole_second(since_boot / NS_A_SECOND * NS_A_SECOND),
            ),
            (format!("{seconds}.{fraction:09}"), exact(since_boot)),
            (format!("{seconds}"), whole_second(since_boot / NS_A_SECOND * NS_A_SECOND)),
            (format!("{unix_ns}"), exact(since_boot)),
        ] {
            assert_eq!(parse(&form, ANCHOR), expected, "{form}");
        }
        let monotonic_ns = since_boot + 10 * NS_A_SECOND;
        assert_eq!(parse(&monotonic_ns.to_string(), ANCHOR), exact(monotonic_ns));
    }
}

#[test]
fn no_text_whatever_makes_it_panic() {
    let pieces = [
        "2026-11-22",
        "T",
        " ",
        "10:15:00",
        ".",
        ",",
        "25",
        "+",
        "-",
        "01",
        ":",
        "0100",
        "Z",
        "é",
        "\0",
        "9",
    ];
    let count = u64::try_from(pieces.len()).unwrap();
    let mut random = Random(2);
    for _ in 0..50_000 {
        let length = random.below(9);
        let text: String =
            (0..length).map(|_| pieces[usize::try_from(random.below(count)).unwrap()]).collect();
        // A text that is read as exact names the same moment with any number of zeros behind its fraction.
        if let Ok(Moment { is_whole_second: true, at }) = parse(&text, ANCHOR) {
            assert_eq!(at.0 % NS_A_SECOND, 0, "{text}");
        }
    }
}
