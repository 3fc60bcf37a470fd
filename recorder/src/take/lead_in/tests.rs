//! Tests of lead-ins, with the rig of a take's tests: a window from 1000 to 2000 ms.

use super::super::Step;
use super::super::tests::rig::Rig;
use crate::account::Account;
use crate::fakes::ms;

/// A camera of variable rate that has shown frames at these moments.
fn shown(times: &[u64]) -> Rig {
    let rig = Rig::variable();
    times.iter().for_each(|t| rig.ring.publish_at(ms(*t)));
    rig
}

fn written(rig: Rig) -> (Vec<u64>, Account) {
    (rig.payloads(), rig.account())
}

fn whole(frames: u64) -> Account {
    Account { expected: frames, written: frames, gaps: Vec::new(), live: true }
}

#[test]
fn a_clip_begins_with_the_picture_that_stood_shown_from_the_windows_start() {
    let mut rig = shown(&[100, 400, 1500, 1510]);
    assert_eq!(rig.go_on(1600), Step::Waiting);
    rig.ring.publish_at(ms(2500));
    assert_eq!(rig.go_on(2600), Step::Over);
    let header = rig.parts()[0].header.clone();
    assert_eq!((header.first_sequence, header.base_ns), (2, ms(1000)));
    assert_eq!(written(rig), (vec![2, 3, 4], whole(3)));
}

#[test]
fn a_picture_that_stands_through_the_whole_window_is_the_clip() {
    let mut rig = shown(&[100, 400]);
    assert_eq!(rig.go_on(2000), Step::Waiting, "a frame of the window may still come");
    assert_eq!(rig.go_on(3200), Step::Over);
    assert_eq!(written(rig), (vec![2], whole(1)));
}

#[test]
fn another_recorder_goes_on_with_the_lead_in_that_is_on_disk() {
    let mut rig = shown(&[400, 1500]);
    rig.go_on(1600);
    let mut rig = rig.killed();
    rig.ring.publish_at(ms(2500));
    assert_eq!(rig.go_on(2600), Step::Over);
    assert_eq!(written(rig), (vec![1, 2], whole(2)));
}

#[test]
fn a_frame_at_the_windows_start_needs_no_lead_in_and_none_is_invented() {
    let mut rig = shown(&[400, 1000, 1500, 2500]);
    assert_eq!(rig.go_on(2600), Step::Over);
    assert_eq!(written(rig), (vec![2, 3], whole(2)));
    // The frame before the window's first was overwritten.
    let rig = shown(&[400]);
    (0..100).for_each(|n| rig.ring.publish_at(ms(1100 + n)));
    let mut rig = rig;
    rig.ring.publish_at(ms(2500));
    assert_eq!(rig.go_on(2600), Step::Over);
    assert!(!rig.payloads().contains(&1));
}

#[test]
fn a_camera_with_a_rate_has_no_lead_in() {
    let mut rig = Rig::new();
    [400, 1500, 2500].iter().for_each(|t| rig.ring.publish_at(ms(*t)));
    assert_eq!(rig.go_on(2600), Step::Over);
    assert_eq!(rig.payloads(), [2]);
}
