//! Access units from packets that are right, and from packets of each way of being wrong.

use proptest::prelude::*;
use proto::time::MonotonicNs;

use super::*;

/// NAL units of H.264 that are told from each other by their last byte.
const SPS: &[u8] = &[0x67, 1];
const REMARK: &[u8] = &[0x06, 2];
const KEY: &[u8] = &[0x65, 0x88, 3];
const REST: &[u8] = &[0x65, 0x40, 4];
const FRAME: &[u8] = &[0x41, 0x9A, 5];
const FRAME_REST: &[u8] = &[0x41, 0x4A, 6];

/// A packet by its time, its mark, the packets missing before it and its content.
type Row<'a> = (i64, bool, u16, &'a [u8]);

/// The frames of some packets: time, bytes with each start code as a `|`, whether packets are missing before it, and its flaw.
fn frames_of(codec: Codec, rows: &[Row<'_>]) -> Vec<(i64, Vec<u8>, bool, Option<Flaw>)> {
    pushed(&mut AccessUnits::new(codec, 1_000), rows)
}

fn pushed(units: &mut AccessUnits, rows: &[Row<'_>]) -> Vec<(i64, Vec<u8>, bool, Option<Flaw>)> {
    for (number, (time, mark, lost, payload)) in (0..).zip(rows) {
        let (time, mark, lost) = (*time, *mark, *lost);
        units.push(&Packet { time, mark, lost, arrived: MonotonicNs(number), payload });
    }
    std::iter::from_fn(|| units.take())
        .map(|frame| (frame.time, frame.bytes, frame.lost > 0, frame.flaw))
        .collect()
}

/// NAL units with their start codes.
fn annex_b(units: &[&[u8]]) -> Vec<u8> {
    units.iter().flat_map(|unit| START_CODE.iter().chain(*unit)).copied().collect()
}

fn whole(time: i64, units: &[&[u8]]) -> (i64, Vec<u8>, bool, Option<Flaw>) {
    (time, annex_b(units), false, None)
}

/// Units after enough frames of their marks for these to be believed.
fn believed() -> AccessUnits {
    let mut units = AccessUnits::new(Codec::H264, 1_000);
    let rows: Vec<Row<'_>> = (0..20).map(|n| (n - 100, true, 0, FRAME)).collect();
    pushed(&mut units, &rows);
    assert_eq!(units.marks, Marks::Believed);
    units
}

#[test]
fn a_frame_ends_where_the_next_one_begins_and_with_its_mark_once_that_is_believed() {
    let rows: &[Row<'_>] = &[(0, false, 0, SPS), (0, false, 0, KEY), (0, true, 0, REST), (3, true, 0, FRAME)];
    assert_eq!(frames_of(Codec::H264, rows), [whole(0, &[SPS, KEY, REST])], "the mark isn't proven yet");
    let expected = [whole(0, &[SPS, KEY, REST]), whole(3, &[FRAME])];
    assert_eq!(pushed(&mut believed(), rows), expected);
}

#[test]
fn frames_of_a_camera_without_marks_or_with_equal_times_are_told_by_their_content() {
    let no_marks: &[Row<'_>] =
        &[(0, false, 0, KEY), (0, false, 0, REST), (3, false, 0, FRAME), (6, false, 0, FRAME)];
    assert_eq!(frames_of(Codec::H264, no_marks), [whole(0, &[KEY, REST]), whole(3, &[FRAME])]);
    let equal: &[Row<'_>] =
        &[(0, false, 0, KEY), (0, false, 0, FRAME), (0, false, 0, REMARK), (0, false, 0, FRAME)];
    assert_eq!(frames_of(Codec::H264, equal), [whole(0, &[KEY]), whole(0, &[FRAME])]);
    let equal: &[Row<'_>] = &[(0, true, 0, KEY), (0, true, 0, FRAME), (0, true, 0, FRAME)];
    assert_eq!(pushed(&mut believed(), equal).len(), 3);
}

#[test]
fn a_mark_behind_what_stands_before_a_picture_ends_nothing() {
    let rows: &[Row<'_>] = &[
        (0, true, 0, SPS),
        (0, true, 0, REMARK),
        (0, true, 0, KEY),
        (3, true, 0, REMARK),
        (3, true, 0, FRAME),
    ];
    assert_eq!(pushed(&mut believed(), rows), [whole(0, &[SPS, REMARK, KEY]), whole(3, &[REMARK, FRAME])]);
    // The camera gives sets an earlier time than the picture that they stand before.
    let rows: &[Row<'_>] = &[(0, true, 0, SPS), (3, true, 0, KEY)];
    assert_eq!(pushed(&mut believed(), rows), [whole(3, &[SPS, KEY])]);
}

#[test]
fn slices_of_a_picture_that_are_marked_each_make_one_frame() {
    let rows: &[Row<'_>] = &[
        (0, true, 0, KEY),
        (0, true, 0, REST),
        (3, true, 0, FRAME),
        (3, true, 0, FRAME_REST),
        (6, true, 0, FRAME),
    ];
    assert_eq!(frames_of(Codec::H264, rows), [whole(0, &[KEY, REST]), whole(3, &[FRAME, FRAME_REST])]);
    // A camera that begins with it later has one frame damaged.
    let mut units = believed();
    let got = pushed(&mut units, rows);
    let flaws: Vec<_> = got.iter().map(|(time, _, _, flaw)| (*time, flaw.is_some())).collect();
    assert_eq!(flaws, [(0, false), (0, true), (3, false)]);
    assert_eq!(units.marks, Marks::Wrong);
}

#[test]
fn fragments_and_packets_of_several_units_are_taken_apart() {
    let rows: &[Row<'_>] = &[
        (0, false, 0, &[0x18, 0, 2, 0x67, 1, 0, 2, 0x06, 2]),
        (0, false, 0, &[0x7C, 0x85, 0x88, 7]),
        (0, false, 0, &[0x7C, 0x05, 8]),
        (0, true, 0, &[0x7C, 0x45, 9]),
    ];
    assert_eq!(pushed(&mut believed(), rows), [whole(0, &[SPS, REMARK, &[0x65, 0x88, 7, 8, 9]])]);
    let h265: &[Row<'_>] = &[
        (0, false, 0, &[0x60, 1, 0, 3, 0x40, 1, 9, 0, 3, 0x42, 1, 9]),
        (0, false, 0, &[0x62, 1, 0x93, 0xAF, 7]),
        (0, true, 0, &[0x62, 1, 0x53, 8]),
        (3, true, 0, &[0x02, 1, 0xD0]),
    ];
    let key: &[u8] = &[0x26, 1, 0xAF, 7, 8];
    assert_eq!(frames_of(Codec::H265, h265), [whole(0, &[&[0x40, 1, 9], &[0x42, 1, 9], key])]);
}

#[test]
fn start_codes_within_a_unit_are_those_of_more_units() {
    let packed = [SPS, &[0, 0, 0, 1], REMARK, &[0, 0, 1], KEY].concat();
    let rows: &[Row<'_>] = &[(0, true, 0, &packed), (3, true, 0, FRAME)];
    let expected = [(0, [&START_CODE[..], &packed].concat(), false, None), whole(3, &[FRAME])];
    assert_eq!(pushed(&mut believed(), rows), expected);
}

/// The flaws of frames, with their times.
fn flaws(units: &mut AccessUnits, rows: &[Row<'_>]) -> Vec<(i64, bool, bool)> {
    let frames = pushed(units, rows);
    frames.into_iter().map(|(time, _, after_loss, flaw)| (time, after_loss, flaw.is_some())).collect()
}

#[test]
fn a_frame_of_which_packets_are_missing_is_damaged_and_its_neighbours_are_not() {
    // The frame's beginning, middle and end.
    for rows in [
        &[(0, true, 0, FRAME), (3, true, 1, FRAME_REST), (6, true, 0, FRAME)][..],
        &[(0, true, 0, FRAME), (3, false, 0, FRAME), (3, true, 1, FRAME_REST), (6, true, 0, FRAME)],
        &[(0, true, 0, FRAME), (3, false, 0, FRAME), (6, true, 1, FRAME)],
    ] {
        let got = flaws(&mut believed(), rows);
        let damaged: Vec<_> = got.iter().map(|(time, _, flaw)| (*time, *flaw)).collect();
        assert_eq!(damaged, [(0, false), (3, true), (6, false)], "{rows:?}");
        assert!(got.iter().any(|(_, after_loss, _)| *after_loss), "{rows:?}");
    }
    // Whole frames are missing: only the mark of the loss tells.
    let rows = [(0, true, 0, FRAME), (9, true, 7, FRAME), (12, true, 0, FRAME)];
    assert_eq!(flaws(&mut believed(), &rows), [(0, false, false), (9, true, false), (12, false, false)]);
    // The same before the marks are believed.
    let mut units = AccessUnits::new(Codec::H264, 1_000);
    assert_eq!(flaws(&mut units, &rows), [(0, false, false), (9, true, false)]);
}

#[test]
fn a_fragment_without_its_beginning_or_its_end_is_damage_although_no_packet_is_missing() {
    let (first, middle, last): (&[u8], &[u8], &[u8]) =
        (&[0x7C, 0x81, 0x9A], &[0x7C, 0x01, 7], &[0x7C, 0x41, 8]);
    for rows in [
        &[(0, false, 0, middle), (0, true, 0, last), (3, true, 0, FRAME)][..],
        &[(0, false, 0, first), (0, false, 0, middle), (3, true, 0, FRAME)],
        &[(0, false, 0, first), (0, true, 0, FRAME_REST), (3, true, 0, FRAME)],
        &[(0, false, 0, first), (0, false, 0, &[0x7C, 0x81, 0x4A]), (0, true, 0, last), (3, true, 0, FRAME)],
        &[(0, false, 0, &[0x1D, 1, 1]), (0, true, 0, FRAME), (3, true, 0, FRAME)],
        &[(0, true, 0, &[0x18, 0, 9, 0x41]), (3, true, 0, FRAME)],
    ] {
        let got = flaws(&mut believed(), rows);
        assert_eq!(got, [(0, false, true), (3, false, false)], "{rows:?}");
    }
}

#[test]
fn a_frame_that_is_too_large_takes_no_memory_and_ends_as_others_do() {
    let mut units = believed();
    units.fit(50);
    let part = [&[0x7C, 0x01][..], &[7; 40]].concat();
    let mut rows: Vec<Row<'_>> = vec![(0, false, 0, &[0x7C, 0x81, 0x9A])];
    rows.extend((0..100).map(|_| (0, false, 0, &part[..])));
    rows.extend([(0, true, 0, &[0x7C, 0x41, 8][..]), (3, true, 0, FRAME)]);
    let got = pushed(&mut units, &rows);
    assert!(matches!(&got[..], [(0, bytes, _, Some(Flaw::TooLarge)), (3, _, _, None)] if bytes.len() <= 50));
}

#[test]
fn a_frame_without_a_mark_is_taken_for_whole_after_a_while_only_if_the_camera_sets_none() {
    let take = |units: &mut AccessUnits, rows: &[Row<'_>]| {
        pushed(units, rows);
        units.quiet();
        units.take().is_some()
    };
    let mut unmarked = AccessUnits::new(Codec::H264, 1_000);
    assert!(take(&mut unmarked, &[(0, false, 0, FRAME)]));
    assert!(!take(&mut believed(), &[(0, false, 0, FRAME)]));
    assert!(!take(&mut unmarked, &[(3, false, 0, SPS)]), "no picture");
    let mut unproven = AccessUnits::new(Codec::H264, 1_000);
    assert!(take(&mut unproven, &[(0, true, 0, FRAME)]), "a mark that isn't proven yet");
}

proptest! {
    #[test]
    fn any_packets_give_frames_within_their_bounds(
        rows in proptest::collection::vec(
            (0_i64..4, any::<bool>(), 0_u16..3, proptest::collection::vec(any::<u8>(), 0..40)), 0..60),
        is_h265 in any::<bool>(),
    ) {
        let mut units = AccessUnits::new(if is_h265 { Codec::H265 } else { Codec::H264 }, 100);
        let rows: Vec<Row<'_>> = rows.iter().map(|(time, mark, lost, p)| (*time, *mark, *lost, &p[..])).collect();
        for (_, bytes, _, flaw) in pushed(&mut units, &rows) {
            prop_assert!(bytes.len() <= 100 + 4 * 40, "{}", bytes.len());
            prop_assert!(flaw.is_some() || bytes.starts_with(&START_CODE));
        }
    }
}
