//! Tests of takes whose H.264 is copied from a key frame on, and encoded up to it.

use proto::clip::StretchHow;
use proto::frame::FrameFlags;

use super::*;
use crate::media::WriteError;
use crate::part::{self, Look};

/// The way in which each part was made, its first frame, and whether it goes on with the one before.
fn parts(rig: &Rig) -> Vec<(StretchHow, u64, bool)> {
    let parts = rig.parts();
    parts.iter().map(|part| (part.header.how(), part.first.frame.sequence, part.header.goes_on)).collect()
}

/// The frames that are called damaged.
fn damaged(rig: &Rig) -> Vec<u64> {
    let mut damaged = Vec::new();
    for part in rig.parts() {
        let note = |sample: &part::Sample<'_>| {
            let frame = &sample.row.frame;
            damaged.extend(frame.flags.contains(FrameFlags::DAMAGED).then_some(frame.sequence));
            Ok::<_, WriteError>(())
        };
        part.each_sample(Look::AtAll, false, note).unwrap();
    }
    damaged
}

const ENCODED: StretchHow = StretchHow::Encoded;
const COPIED: StretchHow = StretchHow::Copied;

#[test]
fn frames_are_encoded_up_to_the_first_key_frame_and_copied_from_there_on() {
    let mut rig = Rig::h264(30);
    rig.run(100..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(ENCODED, 100, false), (COPIED, 120, false)]);
    assert_eq!(rig.reasons(), [PartReason::First, PartReason::Cut]);
    assert_eq!(rig.media.opened(), ["libx264 medium"]);
    assert_eq!(rig.take.costs().iter().map(|(_, cost)| cost.frames).collect::<Vec<_>>(), [20]);
    assert!(damaged(&rig).is_empty());
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_window_that_begins_with_a_key_frame_needs_no_encoder() {
    let mut rig = Rig::h264(50);
    rig.run(100..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(COPIED, 100, false)]);
    assert_eq!(rig.reasons(), [PartReason::First]);
    assert_eq!(rig.media.opened(), Vec::<String>::new());
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_window_without_a_key_frame_is_encoded() {
    let mut rig = Rig::h264(99);
    rig.run(100..=197);
    rig.take.end_early(ms(1975));
    assert_eq!(rig.run_to(1980), Step::Over);
    assert_eq!(parts(&rig), [(ENCODED, 100, false)]);
}

#[test]
fn a_recorder_killed_before_the_cut_encodes_on_and_one_killed_behind_it_copies_on() {
    let mut rig = Rig::h264(30);
    rig.run(100..=110);
    let mut rig = rig.killed();
    rig.run(111..=131);
    let encoders = rig.media.opened().len();
    let mut rig = rig.killed();
    // In the middle of a group, with frames that came meanwhile.
    rig.run(140..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(
        parts(&rig),
        [(ENCODED, 100, false), (ENCODED, 111, false), (COPIED, 120, false), (COPIED, 132, true)]
    );
    let restart = PartReason::RecorderRestart;
    assert_eq!(rig.reasons(), [PartReason::First, restart, PartReason::Cut, restart]);
    assert_eq!(rig.media.opened().len(), encoders, "a copy that goes on needs no encoder");
    assert!(damaged(&rig).is_empty());
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_recorder_killed_at_the_cut_begins_to_copy_there() {
    let mut rig = Rig::h264(30);
    rig.run(100..=119);
    let mut rig = rig.killed();
    rig.run(120..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(ENCODED, 100, false), (COPIED, 120, false)]);
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_part_whose_beginning_is_lost_is_followed_by_encoded_frames_up_to_the_next_key_frame() {
    let mut rig = Rig::h264(50);
    rig.run(100..=130);
    let video =
        part::video_path(&rig.folder.path().join(PARTIAL_DIR), &rig.take.assignment.camera.name, 1, ".mp4");
    let mut bytes = std::fs::read(&video).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&video, bytes).unwrap();
    let mut rig = rig.killed();
    rig.run(131..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(COPIED, 100, false), (ENCODED, 131, false), (COPIED, 150, false)]);
}

#[test]
fn without_an_encoder_frames_before_the_cut_are_declared_and_the_rest_is_copied() {
    let mut rig = Rig::h264(30);
    rig.media.fail_from("libx264", 0);
    rig.run(100..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(COPIED, 120, false)]);
    assert_eq!(rig.account(), one_gap(99, 20, GapCause::Encoder));
}

#[test]
fn frames_behind_lost_ones_are_damaged_up_to_the_next_key_frame() {
    let mut rig = Rig::h264(50);
    rig.run(100..=110);
    // The take is not moved on until the oldest frame is 130.
    rig.run_to((130 + SLOTS as u64 - 2) * 10);
    assert_eq!(parts(&rig), [(COPIED, 100, false)]);
    assert_eq!(damaged(&rig), (130..150).collect::<Vec<_>>());
    assert_eq!(rig.account(), one_gap(110, 19, GapCause::RingOverrun));
}

#[test]
fn a_full_disk_costs_a_copy_nothing_that_the_ring_can_hold() {
    let mut rig = Rig::h264(50);
    rig.run(100..=120);
    rig.disk.is_full.set(true);
    assert_eq!(rig.run_to(1210), Step::Paused);
    rig.run(122..=190);
    rig.disk.is_full.set(false);
    rig.run(191..=230);
    assert_eq!(parts(&rig), [(COPIED, 100, false), (COPIED, 121, true)]);
    assert!(damaged(&rig).is_empty());
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_copy_ends_where_the_camera_was_away_and_begins_again_with_its_next_key_frame() {
    let mut rig = Rig::h264(50);
    rig.ring.back_at.set(130);
    rig.run(100..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(parts(&rig), [(COPIED, 100, false), (ENCODED, 130, false), (COPIED, 150, false)]);
    assert_eq!(rig.reasons(), [PartReason::First, PartReason::Cut, PartReason::Cut]);
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_copy_needs_its_next_frame_and_none_before_it() {
    let mut rig = Rig::h264(50);
    rig.run(100..=110);
    let need = rig.take.need(&rig.feed).unwrap();
    assert_eq!(need.from, NeededFrom::Frame(111));
}
