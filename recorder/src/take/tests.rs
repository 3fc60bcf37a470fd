//! Tests of a take, against a ring, an encoder, a disk and a clock that are made up.

mod copied;
mod cut;
mod disk_time;
mod growing;
mod reordered;
pub(super) mod rig;
mod verbatim;

use proto::clip::{Gap, GapCause, PARTIAL_DIR};
use proto::frame::LossBefore;
use proto::ladder::last_resort;
use proto::ring::Broken;
use proto::ring::segment::Loss;

use super::ending::SILENCE_GRACE;
use super::*;
use crate::account::Account;
use crate::disk;
use crate::fakes::{PERIOD, SLOTS, ms};
use rig::Rig;

fn complete() -> Account {
    Account { expected: 101, written: 101, gaps: Vec::new(), live: true }
}

fn one_gap(after_sequence: u64, missing: u64, cause: GapCause) -> Account {
    Account {
        expected: 101,
        written: 101 - missing,
        gaps: vec![Gap { after_sequence, missing, cause }],
        live: true,
    }
}

#[test]
fn a_take_holds_each_frame_of_its_window_once() {
    let mut rig = Rig::new();
    assert_eq!(rig.run_to(990), Step::Waiting, "the window has not begun");
    rig.run(120..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(rig.reasons(), [PartReason::First]);
    assert_eq!(rig.parts()[0].header.first_sequence, 100);
    assert_eq!(rig.parts()[0].header.previous, Some(crate::fakes::frame(99)));
    assert_eq!(rig.account(), complete());
}

#[test]
fn frames_that_the_ring_has_overwritten_are_given_up_to_the_frame() {
    let mut rig = Rig::new();
    rig.run(100..=110);
    // The take is not moved on until the oldest frame is 130.
    rig.run_to((130 + SLOTS as u64 - 2) * 10);
    assert_eq!(rig.account(), one_gap(110, 19, GapCause::RingOverrun));
}

#[test]
fn a_full_disk_costs_nothing_that_the_ring_can_hold() {
    let mut rig = Rig::new();
    rig.run(100..=120);
    rig.disk.is_full.set(true);
    assert_eq!(rig.run_to(1210), Step::Paused);
    assert!(rig.take.trouble().is_some_and(|why| why.contains("make room")));
    rig.run(122..=190);
    rig.disk.is_full.set(false);
    rig.run(191..=230);
    assert_eq!(rig.take.trouble(), None);
    assert_eq!(rig.reasons(), [PartReason::First, PartReason::Disk]);
    assert_eq!(rig.account(), complete());
}

#[test]
fn frames_that_a_full_disk_costs_are_the_disks() {
    let mut rig = Rig::new();
    rig.run(100..=110);
    rig.disk.is_full.set(true);
    rig.run(111..=190);
    rig.run_to(2100);
    rig.disk.is_full.set(false);
    rig.run(211..=260);
    // Writing is tried every 250 ms from 1120 ms on. At 2120 ms it works, and the oldest frame that is left is 132.
    assert_eq!(rig.account(), one_gap(110, 21, GapCause::Disk));
}

#[test]
fn a_part_that_cannot_grow_is_followed_by_another_without_trouble() {
    let mut rig = Rig::new();
    // The head, 30 packets of 16 bytes, and half a packet.
    rig.media.limit_files(8 + 30 * 16 + 8);
    rig.run(100..=201);
    assert_eq!(
        rig.reasons(),
        [PartReason::First, PartReason::FileFull, PartReason::FileFull, PartReason::FileFull]
    );
    assert_eq!(rig.take.trouble(), None);
    assert_eq!(rig.account(), complete());
}

#[test]
fn files_that_cannot_hold_a_frame_are_trouble_of_the_disk() {
    let mut rig = Rig::new();
    rig.run(100..=110);
    rig.media.limit_files(9);
    rig.ring.publish_to(111);
    assert_eq!(rig.step(1110), Step::Moved, "the part that has frames is full");
    assert_eq!(rig.step(1110), Step::Paused);
    assert!(rig.take.trouble().is_some());
    rig.media.limit_files(0);
    rig.run(112..=201);
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_write_that_fails_is_tried_again_at_once_and_then_every_quarter_of_a_second() {
    let mut rig = Rig::new();
    rig.run(100..=110);
    rig.media.make_unwritable(true);
    rig.ring.publish_to(111);
    assert_eq!(rig.step(1110), Step::Paused, "it fails");
    let opened = || rig.media.opened().len();
    let first = opened();
    assert_eq!(rig.take.step(ms(1110), &mut rig.feed, &rig.disk), Step::Paused);
    assert_eq!(rig.media.opened().len(), first + 1, "a first failure is tried again at once");
    let second = rig.media.opened().len();
    assert_eq!(rig.step(1359), Step::Paused);
    assert_eq!(rig.media.opened().len(), second, "a second one after a pause");
    assert_eq!(rig.step(1361), Step::Paused);
    assert_eq!(rig.media.opened().len(), second + 1);
    rig.media.make_unwritable(false);
    assert_eq!(rig.step(1700), Step::Encoded);
    rig.run(171..=201);
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_clip_whose_folder_is_removed_needs_no_more_frames() {
    for removed_at in [99, 110] {
        let mut rig = Rig::new();
        rig.run(100..=removed_at);
        rig.media.make_unwritable(true);
        std::fs::remove_dir_all(rig.folder.path()).unwrap();
        rig.ring.publish_to(111);
        assert_eq!(rig.step(1110), Step::Over, "removed at frame {removed_at}");
        assert!(rig.take.need(&rig.feed).is_none());
        assert_eq!(rig.ring.frames_held(), 0);
    }
}

#[test]
fn a_failure_that_takes_long_is_followed_by_a_whole_pause() {
    let mut rig = Rig::new();
    rig.run(100..=110);
    rig.media.make_unwritable(true);
    rig.media.make_failures_slow(&rig.clock, Duration::from_millis(300));
    rig.ring.publish_to(111);
    assert_eq!(rig.step(1110), Step::Paused, "it fails at 1410 ms");
    assert_eq!(rig.step(1410), Step::Paused, "tried again at once, it fails at 1710 ms");
    let tried = rig.media.opened().len();
    assert_eq!(rig.step(1710), Step::Paused);
    assert_eq!(rig.step(1959), Step::Paused);
    assert_eq!(rig.media.opened().len(), tried, "it is left alone for 250 ms");
    assert_eq!(rig.step(1961), Step::Paused);
    assert_eq!(rig.media.opened().len(), tried + 1);
}

#[test]
fn a_silent_camera_is_waited_for_and_then_missed() {
    let mut rig = Rig::new();
    rig.run(100..=150);
    let grace = SILENCE_GRACE + PERIOD * 10;
    let until = 2000 + u64::try_from(grace.as_millis()).unwrap();
    assert_eq!(rig.step(until), Step::Waiting);
    assert_eq!(rig.step(until + 1), Step::Over);
    assert_eq!(rig.account(), one_gap(150, 50, GapCause::CameraStall));
}

#[test]
fn a_camera_that_is_away_when_the_window_ends_is_missed_for_the_reason_of_its_absence() {
    for (before, cause) in
        [(LossBefore::Unplugged, GapCause::Unplugged), (LossBefore::Network, GapCause::Network)]
    {
        let mut rig = Rig::new();
        rig.run(100..=150);
        rig.ring.away.set(Some(before));
        assert_eq!(rig.step(9000), Step::Over);
        assert_eq!(rig.account(), one_gap(150, 50, cause));
    }
}

#[test]
fn a_file_at_its_end_is_not_waited_for() {
    let mut rig = Rig::new();
    rig.run(100..=150);
    rig.ring.has_ended.set(true);
    assert_eq!(rig.step(2000), Step::Waiting);
    assert_eq!(rig.step(2001), Step::Over);
    assert_eq!(rig.account(), Account { expected: 51, written: 51, gaps: Vec::new(), live: true });
}

#[test]
fn a_failed_encoder_is_followed_by_the_next_on_the_ladder() {
    let mut rig = Rig::new();
    rig.media.fail_from("libx264", 140);
    rig.run(100..=201);
    assert_eq!(rig.media.opened(), ["libx264 medium", "mjpeg "]);
    assert_eq!(rig.reasons(), [PartReason::First, PartReason::CodecChange]);
    assert_eq!(rig.account(), complete());
}

#[test]
fn an_encoder_that_does_not_begin_with_a_key_frame_has_failed() {
    for kept_back in [0, 3] {
        let mut rig = Rig::new();
        rig.media.keep_back(kept_back);
        rig.media.make_keyless("libx264");
        rig.run(100..=201);
        assert_eq!(rig.media.opened(), ["libx264 medium", "mjpeg "]);
        assert_eq!(rig.parts().len(), 1, "the first held nothing");
        assert_eq!(rig.parts()[0].header.choice.encoder, "mjpeg");
        assert_eq!(rig.account(), complete());
    }
}

#[test]
fn without_another_encoder_each_frame_is_given_up() {
    let mut rig = Rig::new();
    rig.media.fail_from("mjpeg", 190);
    rig.take.place.change_to(last_resort());
    rig.run(100..=201);
    assert_eq!(rig.account(), one_gap(189, 11, GapCause::Encoder));
}

#[test]
fn frames_inside_an_encoder_that_fails_are_encoded_again() {
    let mut rig = Rig::new();
    rig.media.keep_back(3);
    rig.media.fail_from("libx264", 140);
    rig.run(100..=201);
    assert_eq!(rig.parts()[0].last.frame.sequence, 136, "three were inside, beside the one it failed at");
    assert_eq!(rig.account(), complete());
}

#[test]
fn frames_inside_an_encoder_that_fails_behind_an_overrun_are_overrun_too() {
    let mut rig = Rig::new();
    rig.media.keep_back(3);
    rig.run(100..=120);
    // 118 to 120 are inside. The ring has overwritten all frames before 140 by the time it is looked at again.
    rig.ring.publish_to(140 + SLOTS as u64 - 2);
    rig.disk.waited.set(disk::STALLED);
    assert_eq!(rig.step(2200), Step::Moved, "121 to 139 are given up, for the disk");
    rig.disk.waited.set(Duration::ZERO);
    rig.media.fail_from("libx264", 140);
    assert_eq!(rig.step(2200), Step::Moved, "the encoder fails");
    assert_eq!(rig.take.next(), 118, "every frame inside is tried again");
    assert_eq!(rig.run_to(2200), Step::Over);
    // Nothing is left of the first cause: the frames were taken back, and given up anew.
    assert_eq!(rig.account(), one_gap(117, 22, GapCause::RingOverrun));
}

#[test]
fn a_recorder_goes_on_where_a_killed_one_left_off() {
    let mut rig = Rig::new();
    rig.media.keep_back(2);
    rig.run(100..=140);
    let mut rig = rig.killed();
    rig.run(143..=201);
    assert_eq!(rig.reasons(), [PartReason::First, PartReason::RecorderRestart]);
    let parts = rig.parts();
    assert_eq!(parts[1].first.frame.sequence, 139, "two were inside the encoder");
    assert_eq!(parts[1].header.base_ns, ms(1000), "both have one time 0");
    assert_eq!(rig.account(), complete());
}

#[test]
fn nothing_is_recorded_before_the_parts_can_be_read() {
    let mut rig = Rig::new();
    let (partial, away) = (rig.folder.path().join(PARTIAL_DIR), rig.folder.path().join("away"));
    std::fs::rename(&partial, &away).unwrap();
    // No folder at all would be a clip that somebody has removed.
    std::fs::write(&partial, "").unwrap();
    rig.ring.publish_to(120);
    assert_eq!(rig.step(1200), Step::Paused);
    assert_eq!(rig.step(1200), Step::Paused, "tried again at once");
    std::fs::remove_file(&partial).unwrap();
    std::fs::rename(&away, &partial).unwrap();
    assert_eq!(rig.step(1201), Step::Paused, "then after a pause");
    assert_eq!(rig.step(1451), Step::Encoded);
    rig.run(146..=201);
    assert_eq!(rig.account(), complete());
}

#[test]
fn an_encoder_is_made_faster_before_the_backlog_is_full() {
    let mut rig = Rig::new();
    rig.run(100..=120);
    rig.ring.is_filling.set(true);
    // As fast as the camera, so it doesn't gain.
    for n in 121..=128 {
        rig.ring.publish_to(n);
        assert_eq!(rig.step(n * 10), Step::Encoded);
        assert_eq!(rig.take.place.encoder().preset.as_deref(), Some("medium"), "eight frames have to tell");
    }
    rig.ring.publish_to(129);
    assert_eq!(rig.step(1290), Step::Encoded);
    assert_eq!(rig.take.place.encoder().preset.as_deref(), Some("fast"), "the next faster one");
    rig.ring.is_filling.set(false);
    rig.run(130..=201);
    assert_eq!(rig.reasons(), [PartReason::First, PartReason::PresetChange]);
    assert_eq!(rig.account(), complete());
}

#[test]
fn an_encoder_that_only_lags_is_kept() {
    let mut rig = Rig::new();
    // The camera makes two frames for each that is encoded.
    for n in 0..50 {
        rig.ring.publish_to(110 + 2 * n);
        assert_eq!(rig.step((110 + 2 * n) * 10), Step::Encoded);
    }
    rig.run(210..=220);
    assert_eq!(rig.reasons(), [PartReason::First]);
    assert_eq!(rig.account(), complete());
}

#[test]
fn each_encoder_is_measured_by_the_time_that_frames_spend_in_it() {
    let mut rig = Rig::new();
    rig.media.fail_from("libx264", 140);
    rig.media.make_encoders_slow(&rig.clock, Duration::from_millis(4));
    rig.media.make_writes_slow(&rig.clock, Duration::from_millis(50));
    rig.run(100..=201);
    let costs: Vec<(&str, EncodeCost)> =
        rig.take.costs().iter().map(|(choice, cost)| (choice.encoder.as_str(), *cost)).collect();
    let cost = |frames: u64| EncodeCost { frames, spent: Duration::from_millis(4 * frames) };
    // Waiting for the disk is not in it.
    assert_eq!(costs, [("libx264", cost(40)), ("mjpeg", cost(61))]);
}

#[test]
fn a_broken_ring_leaves_what_is_on_disk() {
    let mut rig = Rig::new();
    rig.run(100..=140);
    *rig.ring.soundness.borrow_mut() = Soundness::Broken(Broken::Segment(Loss::CutDown(0)));
    assert_eq!(rig.run_to(1450), Step::Over);
    assert_eq!(rig.account(), one_gap(140, 60, GapCause::RingGone));
}

#[test]
fn a_ring_without_its_name_is_recorded_to_its_last_frame() {
    let mut rig = Rig::new();
    rig.run(100..=140);
    *rig.ring.soundness.borrow_mut() = Soundness::Unnamed;
    rig.ring.publish_to(160);
    assert_eq!(rig.run_to(1600), Step::Over, "nobody writes to it any more");
    assert_eq!(rig.account(), one_gap(160, 40, GapCause::RingGone));
}

#[test]
fn a_frame_that_another_take_holds_is_waited_for() {
    let mut rig = Rig::new();
    rig.run(100..=109);
    rig.ring.leased.set(110);
    assert_eq!(rig.run_to(1110), Step::Waiting);
    rig.ring.leased.set(0);
    rig.run(112..=201);
    assert_eq!(rig.account(), complete());
}

#[test]
fn the_frames_that_are_left_are_those_of_the_window() {
    let mut rig = Rig::new();
    assert_eq!(rig.take.frames_left(), 0);
    rig.run(100..=110);
    assert_eq!(rig.take.frames_left(), 0);
    rig.ring.publish_to(150);
    assert_eq!(rig.take.frames_left(), 40);
    rig.ring.publish_to(230);
    assert_eq!(rig.take.frames_left(), 90, "200 is the last one of the window");
}
