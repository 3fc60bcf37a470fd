//! Tests of a film's timetable.

use super::*;

const MS: Tick = Tick { numerator: 1, denominator: 1_000 };
const MILLION: u64 = 1_000_000;
const STATED: Steps = Steps { period_ns: 40 * MILLION, longest_ns: 10_000 * MILLION };

fn shown(ticks: i64, duration: i64) -> Shown {
    Shown { ticks: Some(ticks), duration }
}

fn timetable(times: impl IntoIterator<Item = i64>) -> Timetable {
    let shown: Vec<Shown> = times.into_iter().map(|t| shown(t, 40)).collect();
    Timetable::new(&shown, MS, STATED, false).unwrap()
}

#[test]
fn a_film_goes_round_with_its_last_frame_shown_to_the_end() {
    let timetable =
        Timetable::new(&[shown(500, 40), shown(540, 60), shown(600, 100)], MS, STATED, false).unwrap();
    assert_eq!((timetable.frames(), timetable.length_ns()), (3, 200 * MILLION));
    let starts: Vec<u64> = (0..7).map(|n| timetable.start_ns(n) / MILLION).collect();
    assert_eq!(starts, [0, 40, 100, 200, 240, 300, 400]);
    for number in 0..1_000 {
        let start = timetable.start_ns(number);
        assert_eq!(timetable.shown_at(start), number);
        assert_eq!(timetable.shown_at(start + 39 * MILLION), number);
        assert!(number == 0 || timetable.shown_at(start - 1) == number - 1);
    }
}

#[test]
fn a_film_without_timestamps_is_counted_at_its_rate() {
    let bare = Shown { ticks: None, duration: 0 };
    let timetable = Timetable::new(&[bare; 5], MS, STATED, true).unwrap();
    assert_eq!((timetable.start_ns(7), timetable.numbering()), (280 * MILLION, Numbering::Count));
    let timetable = Timetable::new(&[shown(0, 0), shown(50, 0)], MS, STATED, true).unwrap();
    assert_eq!((timetable.start_ns(1), timetable.numbering()), (50 * MILLION, Numbering::Count));
}

#[test]
fn two_recordings_follow_each_other_and_are_counted() {
    let timetable = timetable((0..20).chain(0..20).map(|n| n * 40));
    assert_eq!((timetable.frames(), timetable.numbering()), (40, Numbering::Count));
    assert_eq!(timetable.repaired(), [20]);
    assert!((0..80).all(|n| timetable.start_ns(n) == n * 40 * MILLION));
    assert!(timetable.is_repaired(20) && timetable.is_repaired(60) && !timetable.is_repaired(21));
    assert!((timetable.fps() - 25.0).abs() < 1e-9);
}

#[test]
fn frames_with_one_timestamp_are_told_apart_by_the_frame_before() {
    let timetable = timetable([0, 40, 40, 120, 160]);
    assert_eq!((timetable.frames(), timetable.numbering()), (5, Numbering::Time));
    assert_eq!((0..5).map(|n| timetable.start_ns(n) / MILLION).collect::<Vec<_>>(), [0, 40, 80, 120, 160]);
    assert_eq!(timetable.index_of(120, None), Some(3), "its time is its own");
    assert_eq!(timetable.index_of(40, None), None, "either");
    assert_eq!(timetable.index_of(40, Some(1)), Some(1));
    assert_eq!(timetable.index_of(40, Some(2)), Some(2));
    assert_eq!(timetable.index_of(40, Some(0)), Some(1), "the frame before was not decoded");
    assert_eq!(timetable.index_of(130, None), Some(3), "nobody knew of it");
}

#[test]
fn a_film_without_a_frame_has_no_timetable() {
    assert_eq!(Timetable::new(&[], MS, STATED, false), None);
}

#[test]
fn a_rate_that_is_stated_wrongly_is_measured() {
    let fields = Steps { period_ns: 20 * MILLION, ..STATED };
    let frames: Vec<Shown> = (0..30).map(|n| shown(n * 40, 0)).collect();
    let timetable = Timetable::new(&frames, MS, fields, false).unwrap();
    assert!((timetable.fps() - 25.0).abs() < 1e-9, "{}", timetable.fps());
    assert_eq!(timetable.length_ns(), 1_200 * MILLION);
}

#[test]
fn a_film_that_stands_still_has_a_variable_rate_and_the_rate_at_which_it_moves() {
    let still = timetable([0, 40, 80, 120, 160, 4_200, 4_240, 4_280]);
    assert!(still.has_variable_rate());
    assert!((still.fps() - 25.0).abs() < 1e-9, "{}", still.fps());
    for steady in [vec![0, 40, 80, 120, 160], vec![0, 40, 160, 200, 240], vec![0, 53, 106, 120, 173], vec![0]]
    {
        assert!(!timetable(steady.iter().copied()).has_variable_rate(), "{steady:?}");
    }
    let stands_at_its_end = Timetable::new(&[shown(0, 40), shown(40, 40), shown(80, 900)], MS, STATED, false);
    assert!(stands_at_its_end.unwrap().has_variable_rate());
}

#[test]
fn the_rate_is_known_on_average_and_at_its_highest() {
    let slow = (0..10).map(|n| n * 100);
    let fast = (0..50).map(|n| 1_000 + n * 20);
    let shown: Vec<Shown> = slow.chain(fast).map(|t| shown(t, 20)).collect();
    let timetable = Timetable::new(&shown, MS, STATED, false).unwrap();
    assert!((timetable.average_fps() - 30.0).abs() < 1e-9);
    assert_eq!(timetable.busiest_second(), 50);
}
