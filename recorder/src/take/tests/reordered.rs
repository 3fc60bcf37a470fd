//! Tests of takes whose H.264 turns out after the trigger to have B-frames.

use proto::clip::StretchHow;

use super::*;

/// The way in which each part was made, and its first frame.
fn parts(rig: &Rig) -> Vec<(StretchHow, u64)> {
    rig.parts().iter().map(|part| (part.header.how(), part.first.frame.sequence)).collect()
}

const ENCODED: StretchHow = StretchHow::Encoded;
const COPIED: StretchHow = StretchHow::Copied;

#[test]
fn frames_that_were_copied_are_encoded_from_the_cut_on() {
    let mut rig = Rig::h264(30);
    rig.ring.reorders_from.set(145);
    rig.run(100..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(ENCODED, 100), (ENCODED, 120)]);
    assert_eq!(rig.reasons(), [PartReason::First, PartReason::Cut]);
    assert!(rig.take.assignment.camera.reorders, "the manifest says why");
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_take_that_has_copied_nothing_goes_on_in_its_part() {
    let mut rig = Rig::h264(30);
    rig.ring.reorders_from.set(110);
    rig.run(100..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(ENCODED, 100)]);
    assert!(rig.take.assignment.camera.reorders);
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_clip_that_was_begun_before_its_window_begins_with_the_window() {
    for reorders_from in [1, 92, 105] {
        let mut rig = Rig::verbatim(30);
        rig.ring.reorders_from.set(reorders_from);
        rig.run(100..=200);
        assert_eq!(rig.run_to(2010), Step::Over);
        assert_eq!(parts(&rig), [(ENCODED, 100)]);
        assert_eq!(rig.reasons(), [PartReason::First]);
        assert_eq!(rig.account(), complete());
    }
}

#[test]
fn copies_of_two_recorders_are_both_taken_back() {
    let mut rig = Rig::h264(30);
    rig.run(100..=130);
    let mut rig = rig.killed();
    rig.run(131..=140);
    assert_eq!(parts(&rig), [(ENCODED, 100), (COPIED, 120), (COPIED, 131)]);
    let mut rig = rig.killed();
    rig.ring.reorders_from.set(141);
    rig.run(141..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(ENCODED, 100), (ENCODED, 120)]);
    assert_eq!(rig.account(), complete());
}

#[test]
fn copies_whose_frames_are_gone_stay_and_nothing_follows_before_the_next_key_frame() {
    let mut rig = Rig::h264(100);
    // The oldest frame is 115 by then.
    rig.ring.reorders_from.set(195);
    rig.run(100..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(COPIED, 100), (ENCODED, 200)]);
    assert_eq!(rig.account(), one_gap(194, 5, GapCause::NoKeyFrame));
}
