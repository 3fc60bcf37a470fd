use super::*;
use crate::manifest::Gap;
use crate::timestamps::More;

const FRAME_NS: u64 = 16_666_667;

fn time_of(sequence: u64) -> u64 {
    1_000_000_000 + sequence * FRAME_NS
}

/// A clip of sequences 10 to 19 by camera 2, true until a test spoils it.
struct Clip {
    window: Window,
    complete: bool,
    camera: Camera,
    frames: Vec<Frame>,
    rows: Vec<Row>,
    truth: Option<Vec<u64>>,
}

impl Clip {
    fn of_ten() -> Self {
        let frames = (10_u32..20).map(|source_sequence| Frame {
            part: 0,
            stamp: Some(Stamp { camera_index: 2, source_sequence }),
            pts_us: Some(i64::from(source_sequence - 10) * 16_667),
            damaged: false,
        });
        Self {
            window: Window { start_ns: time_of(10), end_ns: time_of(19) },
            complete: true,
            camera: Camera {
                file: Some("left.mp4".into()),
                frames_expected: 10,
                frames_written: 10,
                camera_index: Some(2),
                ..Camera::default()
            },
            frames: frames.collect(),
            rows: (10..20).map(row).collect(),
            truth: Some((0..40).collect()),
        }
    }

    /// As it would be told honestly, with frames `range` of the clip lost.
    fn without(range: std::ops::Range<usize>) -> Self {
        let mut clip = Self::of_ten();
        clip.frames.drain(range.clone());
        clip.rows.drain(range);
        clip.camera.frames_written = u64::try_from(clip.frames.len()).unwrap();
        clip.complete = false;
        clip
    }

    fn declaring(mut self, gaps: &[(Option<u64>, u64)]) -> Self {
        self.camera.gaps = gaps
            .iter()
            .map(|&(after_sequence, missing)| Gap { after_sequence, missing, cause: None })
            .collect();
        self
    }

    fn verdict(&self) -> Verdict {
        let truth = self.truth.as_ref().map(|sequences| {
            let log: String = sequences.iter().map(|&s| format!("{s},{}\n", time_of(s))).collect();
            Truth::parse(&log).unwrap()
        });
        judge(&Evidence {
            window: self.window,
            complete: self.complete,
            camera: &self.camera,
            frames: &self.frames,
            rows: &self.rows,
            truth: truth.as_ref(),
        })
    }

    fn faults(&self) -> Vec<Fault> {
        self.verdict().faults
    }
}

fn row(sequence: u64) -> Row {
    Row { camera_id: "left".into(), frame_index: sequence, t_ns: time_of(sequence), more: None }
}

#[test]
fn a_true_clip_has_no_fault_with_and_without_a_truth_log() {
    let mut clip = Clip::of_ten();
    let verdict = clip.verdict();
    assert_eq!(verdict.faults, []);
    assert_eq!((verdict.expected, verdict.present, verdict.declared, verdict.silent), (10, 10, 0, 0));
    clip.truth = None;
    assert_eq!(clip.faults(), []);
}

#[test]
fn a_damaged_frame_that_is_said_to_be_damaged_is_there_and_no_fault() {
    let mut clip = Clip::of_ten();
    clip.frames[4].damaged = true;
    assert_eq!(clip.faults(), [Fault::Damaged { frame: 4 }]);
    clip.frames[4].stamp = None;
    assert!(clip.faults().contains(&Fault::Torn { frame: 4 }));
    clip.rows[4].more = Some(More { sequence: 5, t_rel_us: 0, flags: "d".into() });
    assert_eq!(clip.faults(), []);
    assert_eq!(clip.verdict().present, 10);
    // A time that no frame was made at names none.
    clip.rows[4].t_ns += 1;
    assert!(clip.faults().contains(&Fault::Torn { frame: 4 }));
}

#[test]
fn a_damaged_frame_may_show_another_ones_stamp_only_if_it_is_said_to_be_damaged() {
    for truth in [Some((0..40).collect()), None] {
        let mut clip = Clip { truth, ..Clip::of_ten() };
        // A decoder that patches a frame up shows what the frame before showed.
        clip.frames[4].stamp = clip.frames[3].stamp;
        let faults = clip.faults();
        assert!(faults.contains(&Fault::Duplicate { frame: 4, sequence: 13 }), "{faults:?}");
        clip.rows[4].more = Some(More { sequence: 5, t_rel_us: 0, flags: "d".into() });
        assert_eq!(clip.faults(), []);
        // The first ones, and nothing but its neighbour says which they are.
        for frame in 0..2 {
            clip.frames[frame].stamp = None;
            clip.rows[frame].more = Some(More { sequence: 5, t_rel_us: 0, flags: "d".into() });
        }
        assert_eq!(clip.faults(), []);
        assert_eq!(clip.verdict().present, 10);
    }
}

#[test]
fn a_frame_behind_a_loss_that_is_said_to_be_damaged_takes_no_other_ones_place() {
    let mut clip = Clip::without(3..5).declaring(&[(Some(12), 2)]);
    clip.truth = None;
    clip.frames[3].stamp = None;
    clip.rows[3].more = Some(More { sequence: 4, t_rel_us: 0, flags: "d".into() });
    assert_eq!(clip.faults(), []);
    clip.camera.gaps.clear();
    assert_eq!(clip.faults(), [Fault::SilentLoss { frames: 2 }]);
}

#[test]
fn a_declared_loss_is_true_and_the_same_loss_undeclared_is_silent() {
    let declared = Clip::without(3..5).declaring(&[(Some(12), 2)]);
    assert_eq!(declared.faults(), []);
    let silent = Clip::without(3..5);
    assert_eq!(silent.faults(), [Fault::SilentLoss { frames: 2 }]);
    assert_eq!(silent.verdict().silent, 2);
}

#[test]
fn a_loss_at_an_end_needs_the_truth_log_to_be_seen() {
    let mut clip = Clip::without(8..10);
    assert_eq!(clip.faults(), [Fault::SilentLoss { frames: 2 }]);
    clip.truth = None;
    clip.camera.frames_expected = 8;
    assert_eq!(clip.faults(), []);
}

#[test]
fn losses_at_both_ends_can_be_declared() {
    let mut clip = Clip::without(0..3).declaring(&[(None, 3)]);
    assert_eq!(clip.faults(), []);
    clip.truth = None;
    assert_eq!(clip.faults(), []);
    let mut clip = Clip::without(8..10).declaring(&[(Some(17), 2)]);
    assert_eq!(clip.faults(), []);
    clip.truth = None;
    assert_eq!(clip.faults(), []);
}

#[test]
fn declaring_more_than_was_lost_is_a_fault() {
    let clip = Clip::without(3..5).declaring(&[(Some(12), 3)]);
    assert_eq!(clip.verdict().silent, -1);
    assert_eq!(clip.faults(), [Fault::DeclaredTooMuch { frames: 1 }]);
}

#[test]
fn a_loss_in_one_place_can_not_be_declared_in_another() {
    let mut clip = Clip::without(6..8);
    clip.frames.remove(2);
    clip.rows.remove(2);
    clip.camera.frames_written = 7;
    // Missing: one, then two. Declared: two, then one.
    let clip = clip.declaring(&[(Some(11), 2), (Some(15), 1)]);
    assert_eq!(clip.faults(), [Fault::GapsElsewhere { holes: vec![1, 2], declared: vec![2, 1] }]);
}

#[test]
fn one_hole_may_have_two_causes() {
    let clip = Clip::without(3..6).declaring(&[(Some(12), 2), (Some(14), 1)]);
    assert_eq!(clip.faults(), []);
}

#[test]
fn frames_that_were_never_made_have_to_be_declared_too() {
    let mut clip = Clip::without(3..7);
    clip.truth = Some((0..13).chain(17..40).collect());
    assert_eq!(clip.faults(), [Fault::SilentLoss { frames: 4 }]);
    assert_eq!(clip.declaring(&[(Some(12), 4)]).faults(), []);
}

#[test]
fn a_hole_over_the_windows_end_may_be_off_by_one_and_no_more() {
    for (missing, fault) in [
        (2, Some(Fault::SilentLoss { frames: 1 })),
        (3, None),
        (4, None),
        (5, None),
        (6, Some(Fault::DeclaredTooMuch { frames: 1 })),
    ] {
        let mut clip = Clip::without(6..10).declaring(&[(Some(15), missing)]);
        clip.truth = Some((0..16).chain(30..40).collect());
        clip.camera.frames_expected = clip.verdict().expected;
        assert_eq!(clip.faults(), Vec::from_iter(fault), "{missing} declared");
    }
}

#[test]
fn a_camera_that_never_came_back_leaves_no_complete_clip() {
    let mut clip = Clip::without(6..10);
    clip.truth = Some((0..16).collect());
    clip.camera.frames_expected = 6;
    assert_eq!(clip.faults(), [], "it may have been switched off");
    clip.complete = true;
    assert_eq!(clip.faults(), [Fault::CalledComplete { missing: 4 }]);
    clip.complete = false;
    clip.camera.frames_expected = 10;
    assert_eq!(clip.declaring(&[(Some(15), 4)]).faults(), [], "it may have been dead");
}

#[test]
fn a_clip_without_a_frame_can_still_be_true() {
    let mut clip = Clip::without(0..10).declaring(&[(None, 10)]);
    assert_eq!(clip.faults(), []);
    clip.truth = None;
    assert_eq!(clip.faults(), []);
}

#[test]
fn a_frame_shown_twice_is_a_duplicate() {
    let mut clip = Clip::of_ten();
    clip.frames[4].stamp = clip.frames[3].stamp;
    let faults = clip.faults();
    assert!(faults.contains(&Fault::Duplicate { frame: 4, sequence: 13 }), "{faults:?}");
    assert!(faults.contains(&Fault::SilentLoss { frames: 1 }), "{faults:?}");
}

#[test]
fn two_frames_in_each_others_place_are_reordered() {
    let mut clip = Clip::of_ten();
    let stamp = clip.frames[4].stamp;
    clip.frames[4].stamp = clip.frames[3].stamp;
    clip.frames[3].stamp = stamp;
    let faults = clip.faults();
    assert!(faults.contains(&Fault::Reordered { frame: 4, sequence: 13, after: 14 }), "{faults:?}");
    assert!(faults.iter().any(|fault| matches!(fault, Fault::TimesDiffer { rows: 2, .. })), "{faults:?}");
}

#[test]
fn without_truth_log_and_stamps_only_the_numbers_can_be_compared() {
    let mut clip = Clip::of_ten();
    clip.truth = None;
    clip.frames.iter_mut().for_each(|frame| frame.stamp = None);
    assert_eq!((clip.faults(), clip.verdict().judged_by), (vec![], JudgedBy::Nothing));
    clip.frames.pop();
    let faults = clip.faults();
    assert!(faults.contains(&Fault::WrittenDiffers { claimed: 10, decoded: 9 }), "{faults:?}");
    assert!(faults.contains(&Fault::RowsDiffer { rows: 10, frames: 9 }), "{faults:?}");
    assert!(faults.contains(&Fault::SilentLoss { frames: 1 }), "{faults:?}");
    assert!(faults.contains(&Fault::CalledComplete { missing: 1 }), "{faults:?}");
}

#[test]
fn a_camera_that_stamps_has_to_stamp_every_frame() {
    let mut clip = Clip::of_ten();
    clip.frames.iter_mut().for_each(|frame| frame.stamp = None);
    assert!(clip.faults().contains(&Fault::Torn { frame: 0 }), "it has a truth log");
    let mut clip = Clip::of_ten();
    clip.truth = None;
    clip.frames[1..].iter_mut().for_each(|frame| frame.stamp = None);
    assert!(clip.faults().contains(&Fault::Torn { frame: 1 }), "one of its frames has a stamp");
}

#[test]
fn a_torn_or_damaged_frame_is_a_fault() {
    let mut clip = Clip::of_ten();
    clip.frames[4].stamp = None;
    clip.frames[5].damaged = true;
    let faults = clip.faults();
    assert!(faults.contains(&Fault::Torn { frame: 4 }), "{faults:?}");
    assert!(faults.contains(&Fault::Damaged { frame: 5 }), "{faults:?}");
}

#[test]
fn another_cameras_frame_is_a_fault_whether_or_not_the_manifest_names_the_index() {
    for camera_index in [Some(2), None] {
        let mut clip = Clip::of_ten();
        clip.camera.camera_index = camera_index;
        clip.frames[4].stamp = Some(Stamp { camera_index: 1, source_sequence: 14 });
        let faults = clip.faults();
        assert!(faults.contains(&Fault::WrongCamera { frame: 4, found: 1, wanted: 2 }), "{faults:?}");
    }
}

#[test]
fn a_frame_from_outside_the_window_is_a_fault_and_makes_up_for_no_other() {
    let mut clip = Clip::of_ten();
    clip.window.start_ns = time_of(11);
    clip.camera.frames_expected = 9;
    for truth in [clip.truth.clone(), None] {
        clip.truth = truth;
        assert_eq!(clip.faults(), [Fault::OutsideWindow { frame: 0, sequence: 10, by_us: 16_667 }]);
    }
}

#[test]
fn a_frame_the_camera_never_made_is_a_fault() {
    let mut clip = Clip::of_ten();
    clip.truth = Some((0..14).chain(15..40).collect());
    let faults = clip.faults();
    assert!(faults.contains(&Fault::NeverMade { frame: 4, sequence: 14 }), "{faults:?}");
}

#[test]
fn a_manifest_that_miscounts_is_false() {
    let mut clip = Clip::of_ten();
    clip.camera.frames_written = 11;
    assert_eq!(clip.faults(), [Fault::WrittenDiffers { claimed: 11, decoded: 10 }]);
    let mut clip = Clip::of_ten();
    clip.camera.frames_expected = 11;
    assert_eq!(clip.faults(), [Fault::ExpectedDiffers { claimed: 11, expected: 10 }]);
    let mut clip = Clip::without(3..5).declaring(&[(Some(12), 2)]);
    clip.complete = true;
    assert_eq!(clip.faults(), [Fault::CalledComplete { missing: 2 }]);
}

#[test]
fn an_absurd_gap_overflows_nothing() {
    let clip = Clip::without(3..5).declaring(&[(Some(12), u64::MAX), (Some(u64::MAX), u64::MAX)]);
    assert!(clip.verdict().silent < 0);
}

#[test]
fn a_csv_that_is_not_the_videos_is_a_fault() {
    let mut clip = Clip::of_ten();
    clip.rows.pop();
    assert_eq!(clip.faults(), [Fault::RowsDiffer { rows: 9, frames: 10 }]);
    let mut clip = Clip::of_ten();
    clip.rows[4].t_ns += 5;
    let (csv_ns, truth_ns) = (time_of(14) + 5, time_of(14));
    assert_eq!(clip.faults(), [Fault::TimesDiffer { rows: 1, frame: 4, csv_ns, truth_ns }]);
    let mut clip = Clip::of_ten();
    clip.truth = None;
    clip.rows[4].t_ns = clip.rows[3].t_ns;
    assert!(clip.faults().contains(&Fault::TimesNotIncreasing { frame: 4 }));
}

#[test]
fn an_mp4_that_plays_at_other_times_than_it_was_captured_is_a_fault() {
    let mut clip = Clip::of_ten();
    clip.frames[4].pts_us = clip.frames[4].pts_us.map(|pts| pts + 1_500);
    assert_eq!(clip.faults(), [Fault::PtsOffCapture { frames: 1, frame: 4, by_us: 1_501 }]);
    clip.camera.file = Some("left.avi".into());
    assert_eq!(clip.faults(), [], "an AVI has a constant rate");
}

#[test]
fn video_time_has_to_advance_in_every_container() {
    let mut clip = Clip::of_ten();
    clip.camera.file = Some("left.avi".into());
    clip.frames[4].pts_us = clip.frames[3].pts_us;
    assert_eq!(clip.faults(), [Fault::PtsNotIncreasing { frame: 4 }]);
    clip.frames[4].pts_us = None;
    assert_eq!(clip.faults(), [], "an AVI need not have a PTS");
    clip.camera.file = Some("left.mp4".into());
    assert_eq!(clip.faults(), [Fault::PtsMissing { frame: 4 }]);
}

#[test]
fn each_part_plays_from_its_own_zero() {
    let mut clip = Clip::of_ten();
    clip.camera.files = vec!["left.mp4".into(), "left.2.mp4".into()];
    for frame in &mut clip.frames[6..] {
        frame.part = 1;
        frame.pts_us = frame.pts_us.map(|pts| pts - 6 * 16_667);
    }
    assert_eq!(clip.faults(), []);
}

#[test]
fn a_sequence_beyond_32_bits_is_followed_over_the_wrap() {
    assert_eq!(unfold(1, u64::from(u32::MAX)), 1 << 32 | 1);
    assert_eq!(unfold(u32::MAX, 1 << 32), i64::from(u32::MAX));
    assert_eq!(unfold(7, 7 | 3 << 32), 7 | 3 << 32);
}
