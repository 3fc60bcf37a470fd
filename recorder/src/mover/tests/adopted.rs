//! The segments that an earlier recorder left, until every plan has been read.

use super::*;

/// A rig with a clip whose frames from 90 on have been moved and are not written, and their segments.
fn with_a_backlog() -> (Rig, Vec<proto::ring::SegmentName>) {
    let mut rig = Rig::new(ROOMY);
    rig.backlog.all_are_known();
    rig.publish(100);
    rig.need(1, NeededFrom::Frame(90), 140);
    for _ in 0..50 {
        rig.publish(1);
        rig.pass();
    }
    let made = rig.listed();
    assert!(made.len() > 1, "{made:?}");
    (rig, made)
}

#[test]
fn a_standby_that_has_waited_for_long_gives_nothing_away_when_it_takes_over() {
    let (mut rig, made) = with_a_backlog();
    let standby = Backlog::new(&rig.dir, [rig.camera.clone()].into_iter());
    // It was told of no plan, so it has read all that it was told of.
    standby.all_are_known();
    standby.set_bound(ROOMY);
    standby.adopt();
    standby.of(&rig.camera).unwrap().use_ring(Some(&rig.ring));
    rig.mover = Mover::new(&standby);
    rig.backlog = standby;
    // The first plan that is read needs none of these frames, and the next one all of them.
    rig.need(2, NeededFrom::Unread(MonotonicNs(1490)), 200);
    rig.pass();
    assert_eq!(rig.listed(), made);
    rig.need(1, NeededFrom::Frame(90), 140);
    rig.backlog.all_are_known();
    rig.pass();
    assert_eq!(rig.listed(), made);
    assert_is(&*rig.frames().hold(90).unwrap(), 90);
}

#[test]
fn a_plan_that_can_not_be_read_keeps_an_earlier_recorders_segments_and_no_others() {
    let (mut rig, made) = with_a_backlog();
    rig.killed(ROOMY);
    rig.need(2, NeededFrom::Frame(150), 500);
    for _ in 0..150 {
        rig.publish(1);
        rig.pass();
    }
    assert!(rig.listed().len() > made.len());
    rig.left().done(&folder(2));
    rig.pass();
    assert!(rig.listed().iter().all(|segment| made.contains(segment)), "{:?}", rig.listed());
    rig.backlog.all_are_known();
    rig.pass();
    assert_eq!(rig.listed(), []);
}
