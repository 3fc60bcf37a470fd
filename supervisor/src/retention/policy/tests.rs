//! Tables of clips and limits, and what goes.

use super::*;

const HOUR_NS: u64 = 3_600_000_000_000;
/// A day in 2026.
const NOW_NS: u64 = 1_795_342_500_000_000_000;

/// A clip of this name, so many hours old and so large.
fn clip(name: &str, hours: u64, bytes: u64) -> Candidate {
    Candidate {
        place: format!("run_20261122-091510/{name}").into(),
        trigger_unix_ns: NOW_NS - hours * HOUR_NS,
        finished_unix_ns: NOW_NS - hours * HOUR_NS - HOUR_NS / 2,
        bytes,
        disk_bytes: bytes,
        keep: false,
        stays: false,
    }
}

fn kept(name: &str, hours: u64, bytes: u64) -> Candidate {
    Candidate { keep: true, ..clip(name, hours, bytes) }
}

fn limits(max_bytes: Option<u64>, max_age_h: Option<f64>, free_bytes: Option<u64>) -> Limits {
    Limits::of(&KeepConfig { max_bytes, max_age_h, free_bytes })
}

/// The names of the clips that go, each with its reason.
fn going(clips: &[Candidate], limits: &Limits, free: Option<u64>) -> Vec<(String, Why)> {
    let due = due(clips, limits, &Now { unix_ns: NOW_NS, free_bytes: free });
    due.into_iter()
        .map(|(at, why)| (clips[at].place.file_name().unwrap().to_str().unwrap().to_owned(), why))
        .collect()
}

fn all(names: &[&str], why: Why) -> Vec<(String, Why)> {
    names.iter().map(|name| ((*name).to_owned(), why)).collect()
}

#[test]
fn the_oldest_clips_go_until_every_limit_is_kept() {
    // Not in order: a disk lists them as it likes.
    let clips = [clip("b", 20, 10), clip("d", 1, 10), clip("a", 30, 10), clip("c", 10, 10)];
    let free = Some(100);
    for (limits, free, expected) in [
        (limits(None, None, None), Some(0), all(&[], Why::MaxBytes)),
        (limits(Some(40), None, None), free, all(&[], Why::MaxBytes)),
        (limits(Some(39), None, None), free, all(&["a"], Why::MaxBytes)),
        (limits(Some(25), None, None), free, all(&["a", "b"], Why::MaxBytes)),
        (limits(Some(1), None, None), free, all(&["a", "b", "c", "d"], Why::MaxBytes)),
        (limits(None, Some(30.0), None), free, all(&[], Why::MaxAge)),
        (limits(None, Some(19.5), None), free, all(&["a", "b"], Why::MaxAge)),
        (limits(None, None, Some(100)), free, all(&[], Why::FreeBytes)),
        (limits(None, None, Some(101)), free, all(&["a"], Why::FreeBytes)),
        (limits(None, None, Some(125)), free, all(&["a", "b", "c"], Why::FreeBytes)),
        (limits(None, None, Some(1_000)), free, all(&["a", "b", "c", "d"], Why::FreeBytes)),
        (limits(None, None, Some(125)), None, all(&[], Why::FreeBytes)),
    ] {
        assert_eq!(going(&clips, &limits, free), expected, "{limits:?} {free:?}");
    }
    // Several limits: each clip goes for the first that asks for it, and what goes for one counts for the others.
    let several = limits(Some(25), Some(25.0), Some(125));
    assert_eq!(
        going(&clips, &several, free),
        [("a".to_owned(), Why::MaxAge), ("b".to_owned(), Why::MaxBytes), ("c".to_owned(), Why::FreeBytes)]
    );
}

#[test]
fn what_is_kept_held_or_just_finished_stays_and_counts() {
    let new = Candidate { finished_unix_ns: NOW_NS - 1_000_000_000, ..clip("new", 40, 10) };
    let held = Candidate { stays: true, ..clip("held", 35, 10) };
    let clips = [kept("k", 50, 10), new, held, clip("a", 30, 10), clip("b", 20, 10)];
    assert_eq!(going(&clips, &limits(Some(40), None, None), None), all(&["a"], Why::MaxBytes));
    assert_eq!(going(&clips, &limits(Some(1), None, None), None), all(&["a", "b"], Why::MaxBytes));
    assert_eq!(going(&clips, &limits(None, Some(1.0), None), None), all(&["a", "b"], Why::MaxAge));
    let now = Now { unix_ns: NOW_NS, free_bytes: Some(5) };
    assert_eq!(exceeded(&clips[..3], &limits(Some(20), None, None), &now), None, "one goes in a moment");
    let left = &[clips[0].clone(), clips[2].clone()];
    let said = exceeded(left, &limits(Some(15), None, None), &now).unwrap();
    assert!(
        said.contains("more than max_bytes (15)") && said.contains("2 clips") && said.contains("(1 kept)"),
        "{said}"
    );
    assert!(exceeded(left, &limits(None, None, Some(6)), &now).unwrap().contains("less than free_bytes (6)"));
    assert_eq!(exceeded(left, &limits(Some(30), Some(1.0), Some(5)), &now), None);
}

#[test]
fn a_clip_whose_date_is_not_known_is_never_too_old_and_goes_last() {
    let undated = Candidate { trigger_unix_ns: 5, ..clip("undated", 0, 10) };
    let clips = [undated, clip("a", 1, 10), clip("b", 0, 10)];
    assert_eq!(going(&clips, &limits(None, Some(0.5), None), None), all(&["a"], Why::MaxAge));
    assert_eq!(going(&clips, &limits(Some(15), None, None), None), all(&["a", "b"], Why::MaxBytes));
    // The machine's own date isn't set.
    let now = Now { unix_ns: 7, free_bytes: None };
    assert_eq!(due(&clips, &limits(None, Some(0.5), None), &now), []);
    // A clip from the future is as new as can be.
    let ahead = Candidate {
        trigger_unix_ns: NOW_NS + HOUR_NS,
        finished_unix_ns: NOW_NS + HOUR_NS,
        ..clip("ahead", 0, 10)
    };
    assert_eq!(going(&[ahead], &limits(Some(1), None, None), None), all(&["ahead"], Why::MaxBytes));
}

#[test]
fn the_room_that_is_left_is_that_of_the_nearest_limit() {
    let none = limits(None, None, None);
    assert_eq!(none.room(10, Some(100), 30), Some(70));
    assert_eq!(none.room(10, Some(20), 30), Some(0));
    assert_eq!(none.room(10, None, 30), None);
    assert_eq!(limits(Some(50), None, None).room(10, Some(100), 30), Some(40));
    assert_eq!(limits(Some(50), None, Some(90)).room(10, Some(100), 30), Some(10));
    assert_eq!(limits(Some(5), None, None).room(10, None, 30), Some(0));
    assert!(none.is_nothing() && !limits(None, Some(1.0), None).is_nothing());
}
