//! Tables of frames and of what stands when.

use proto::clip::{Gap, Manifest};
use proto::time::MonotonicNs;

use super::*;

const MS: u64 = 1_000_000;
const S1: u64 = 1_000 * MS;

fn camera(fps: f64, gaps: &[(u64, GapCause)]) -> CameraClip {
    let manifest: Manifest =
        serde_json::from_str(include_str!("../../../../proto/src/clip/schema1/whole.json")).unwrap();
    let gap = |(after_sequence, cause): &(u64, GapCause)| Gap {
        after_sequence: *after_sequence,
        missing: 1,
        cause: *cause,
    };
    let camera = manifest.cameras.values().next().unwrap().clone();
    CameraClip { fps, gaps: gaps.iter().map(gap).collect(), ..camera }
}

fn row(sequence: u64, at_ms: f64) -> Row {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    let t_ns = (at_ms * 1e6) as u64 + S1;
    Row { t_ns, sequence: Some(sequence), ..Row::default() }
}

/// A camera with frames at these times, numbered from 1.
fn line(fps: f64, times_ms: &[f64], gaps: &[(u64, GapCause)]) -> Line {
    let rows = (1..).zip(times_ms).map(|(sequence, at)| row(sequence, *at)).collect();
    Line::new(&camera(fps, gaps), rows)
}

fn window(from_ms: u64, to_ms: u64) -> Window {
    Window { start_ns: MonotonicNs(S1 + from_ms * MS), end_ns: MonotonicNs(S1 + to_ms * MS) }
}

/// A camera at each of these instants: its row, or the words on why there is none.
fn seen(line: &Line, at_ms: &[u64]) -> Vec<String> {
    let word = |standing| match standing {
        Standing::Frame(row) => row.to_string(),
        Standing::Lacks(lack) => lack.words(),
    };
    at_ms.iter().map(|at| word(line.at(S1 + at * MS))).collect()
}

#[test]
fn a_camera_shows_the_newest_frame_until_the_next_one_comes() {
    let line = line(25.0, &[0.0, 40.0, 80.0], &[]);
    assert_eq!(seen(&line, &[0, 39, 40, 79, 80, 500]), ["0", "0", "1", "1", "2", "2"]);
    let before = line.at(S1 - 1);
    assert_eq!(before, Standing::Lacks(Lack::NotYet));
    assert_eq!(Line::new(&camera(25.0, &[]), Vec::new()).at(S1), Standing::Lacks(Lack::NoVideo));
}

#[test]
fn a_declared_gap_begins_one_frame_time_behind_the_frame_before_it() {
    let rows = vec![row(7, 0.0), row(8, 40.0), row(11, 160.0)];
    let gapped = Line::new(&camera(25.0, &[(8, GapCause::Network)]), rows.clone());
    assert_eq!(
        seen(&gapped, &[40, 79, 80, 159, 160]),
        ["1", "1", "no frame: network", "no frame: network", "2"]
    );
    let ends = Line::new(&camera(25.0, &[(11, GapCause::CameraStall)]), rows.clone());
    assert_eq!(seen(&ends, &[199, 200]), ["2", "no frame: camera_stall"]);
    let begins = Line::new(&camera(25.0, &[(3, GapCause::RingSmall)]), rows.clone());
    assert_eq!(begins.at(S1 - 1), Standing::Lacks(Lack::Gap(Some(GapCause::RingSmall))));
    // A camera of variable rate: its picture stands for as long as it takes.
    assert_eq!(seen(&Line::new(&camera(25.0, &[]), rows), &[159]), ["1"]);
}

#[test]
fn a_clip_of_schema_1_has_its_gaps_where_frames_are_far_apart() {
    let rows: Vec<Row> = [0.0, 40.0, 120.0].map(|at| Row { sequence: None, ..row(0, at) }).into();
    let gapped = Line::new(&camera(25.0, &[(8, GapCause::Network)]), rows.clone());
    assert_eq!(seen(&gapped, &[39, 80, 119, 120]), ["0", "no frame", "no frame", "2"]);
    assert_eq!(seen(&Line::new(&camera(25.0, &[]), rows), &[80]), ["1"]);
}

#[test]
fn frames_are_counted_from_the_newest_at_the_trigger() {
    let line = line(25.0, &[0.0, 40.0, 80.0], &[]);
    let numbers = |trigger_ms: u64| [0, 1, 2].map(|row| line.number(row, S1 + trigger_ms * MS));
    assert_eq!(numbers(0), [0, 1, 2]);
    assert_eq!(numbers(79), [-1, 0, 1]);
    assert_eq!(numbers(999), [-2, -1, 0]);
    assert_eq!([0, 1].map(|row| line.number(row, S1 - 1)), [1, 2], "none had come");
}

#[test]
fn every_frame_of_the_fastest_camera_is_shown_once_although_none_comes_on_time() {
    let jitter = [0.0, 3.0, -3.0, 7.0, -7.0, 0.1, 6.0, -6.0];
    let times: Vec<f64> =
        (0..240_u32).map(|n| 5.0 + f64::from(n) * 1000.0 / 60.0 + jitter[n as usize % 8]).collect();
    let slow: Vec<f64> = (0..100_u32).map(|n| 1.0 + f64::from(n) * 40.0).collect();
    let lines = [line(25.0, &slow, &[]), line(60.0, &times, &[])];
    let clock = Clock::of(&lines, window(0, 4000)).unwrap();
    let shown: Vec<usize> = (0..clock.count)
        .filter_map(|n| match lines[1].at(clock.instant_ns(n)) {
            Standing::Frame(row) => Some(row),
            Standing::Lacks(_) => None,
        })
        .collect();
    assert_eq!(shown, (0..240).collect::<Vec<_>>());
    assert_eq!(clock.milli_fps, 60_000);
    assert!((240..=242).contains(&clock.count), "{}", clock.count);
    assert_eq!(clock.number_at(clock.instant_ns(17)), Some(17));
    assert_eq!((clock.number_at(0), clock.number_at(u64::MAX)), (Some(0), None));
}

#[test]
fn a_camera_that_is_away_at_the_beginning_or_the_end_is_shown_as_missing_there() {
    let span = |times: &[f64]| {
        let clock = Clock::of(&[line(50.0, times, &[])], window(0, 400)).unwrap();
        (clock.instant_ns(0) - S1, clock.instant_ns(clock.count - 1) - S1)
    };
    assert_eq!(span(&[2.0, 22.0, 382.0]), (12 * MS, 392 * MS));
    assert_eq!(span(&[100.0, 120.0]), (10 * MS, 390 * MS));
    // A lead-in is shown from the window's start on, and not before.
    let mut rows = vec![row(1, 0.0), row(2, 300.0)];
    rows[0].lead_in = true;
    let clock = Clock::of(&[Line::new(&camera(50.0, &[]), rows)], window(200, 320)).unwrap();
    assert_eq!((clock.instant_ns(0) - S1, clock.count), (210 * MS, 6));
}

#[test]
fn nothing_to_show_and_no_end_of_it_are_refused() {
    let none = Line::new(&camera(25.0, &[]), Vec::new());
    assert!(Clock::of(std::slice::from_ref(&none), window(0, 100)).unwrap_err().contains("nothing to show"));
    assert!(Clock::of(&[], window(0, 100)).is_err());
    let mut far = vec![row(1, 0.0), row(2, 40.0)];
    far[1].t_ns = u64::MAX;
    let endless = Line::new(&camera(25.0, &[]), far);
    assert!(Clock::of(&[endless, none], window(0, 100)).unwrap_err().contains("at most"));
    for wrong in [f64::NAN, -3.0, 0.0, f64::INFINITY, 1e30] {
        let rate = Clock::of(&[line(wrong, &[0.0], &[])], window(0, 100)).unwrap().milli_fps;
        assert!((1_000..=1_000_000).contains(&rate), "{wrong}");
    }
}
