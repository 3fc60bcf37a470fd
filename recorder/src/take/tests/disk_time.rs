//! Tests of the time that a take's thread waited for the disk: frames that were overwritten meanwhile are the disk's.

use super::*;

#[test]
fn an_overrun_while_the_disk_kept_the_thread_is_the_disks() {
    let mut rig = Rig::new();
    rig.run(100..=110);
    rig.disk.waited.set(disk::STALLED);
    rig.run_to((130 + SLOTS as u64 - 2) * 10);
    assert_eq!(rig.account(), one_gap(110, 19, GapCause::Disk));
}

#[test]
fn the_time_that_a_thread_waited_for_earlier_clips_is_not_this_ones() {
    let rig = Rig::new();
    rig.disk.waited.set(disk::STALLED * 2);
    let mut rig = rig.killed();
    rig.ring.publish_to(100);
    assert_eq!(rig.step(1000), Step::Encoded);
    // Frames 101 to 120 are overwritten before the take is level with the camera.
    rig.run_to((121 + SLOTS as u64 - 2) * 10);
    assert_eq!(rig.account(), one_gap(100, 20, GapCause::RingOverrun));
}
