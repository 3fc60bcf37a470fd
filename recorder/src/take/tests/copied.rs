//! Tests of takes whose frames are passed on as they came.

use super::*;

#[test]
fn copied_frames_need_no_encoder_and_a_killed_recorder_goes_on_with_the_next_one() {
    let mut rig = Rig::jpeg(1500);
    rig.run(100..=140);
    // In the middle of the window, with frames that came meanwhile.
    let mut rig = rig.killed();
    rig.run(150..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(rig.media.opened(), Vec::<String>::new());
    assert_eq!(rig.reasons(), [PartReason::First, PartReason::RecorderRestart]);
    let parts = rig.parts();
    assert_eq!(parts[1].first.frame.sequence, 141);
    assert!(parts.iter().all(|part| part.header.choice.is_copied()));
    assert_eq!(rig.take.costs(), []);
    assert_eq!(rig.account(), complete());
}

#[test]
fn a_full_disk_costs_a_copied_clip_nothing_that_the_ring_can_hold() {
    let mut rig = Rig::jpeg(1500);
    rig.run(100..=120);
    rig.disk.is_full.set(true);
    assert_eq!(rig.run_to(1210), Step::Paused);
    rig.run(122..=190);
    rig.disk.is_full.set(false);
    rig.run(191..=230);
    assert_eq!(rig.account(), complete());
}

#[test]
fn frames_that_were_gone_when_the_clip_was_planned_are_the_rings_fault() {
    // Planned when the newest frame was 170: by then the ring held those from 90 on.
    let of = |planned_at_ms| {
        let mut rig = Rig::jpeg(planned_at_ms);
        rig.run_to((130 + SLOTS as u64 - 2) * 10);
        rig.account()
    };
    // The oldest frame is 130 when the take begins, 80 periods before the newest.
    assert_eq!(of(2100), one_gap(99, 30, GapCause::RingSmall));
    // Planned earlier, the ring still held those from 110 on.
    let both = of(1900);
    let gaps = [
        Gap { after_sequence: 99, missing: 10, cause: GapCause::RingSmall },
        Gap { after_sequence: 109, missing: 20, cause: GapCause::RingOverrun },
    ];
    assert_eq!((both.expected, both.gaps), (101, gaps.to_vec()));
}

#[test]
fn a_frame_that_is_no_picture_is_given_up_with_its_cause_and_the_part_goes_on() {
    let mut rig = Rig::new();
    rig.ring.broken.set(Some((120, GapCause::Corrupt)));
    rig.run(100..=200);
    assert_eq!(rig.run_to(2010), Step::Over);
    assert_eq!(rig.reasons(), [PartReason::First]);
    assert_eq!(rig.account(), one_gap(119, 1, GapCause::Corrupt));
}
