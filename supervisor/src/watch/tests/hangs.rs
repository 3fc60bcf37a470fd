//! Processes without progress: hung, stopped, starved, or paused with the whole machine.

use super::fake::ms;
use super::fake_process::Mood;
use super::*;

#[test]
fn a_capture_without_progress_is_replaced_once_its_patience_is_over() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.with(left, |fake| fake.mood = Mood::Hung);
    // The last progress was heard up to a beat ago.
    rig.run(2200);
    assert_eq!(rig.pid(&capture("left")), left, "not yet");
    rig.run(1000);
    assert_ne!(rig.pid(&capture("left")), left);
    assert_eq!(rig.last_exit(&capture("left")), "signal 9 (hung)");
    rig.run(500);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn a_stopped_process_is_replaced_at_the_next_looks_and_nothing_is_held_against_it() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.with(left, |fake| fake.mood = Mood::Stopped);
    rig.run(800);
    assert_ne!(rig.pid(&capture("left")), left);
    assert_eq!(rig.last_exit(&capture("left")), "signal 9 (hung: it was stopped)");
    assert!(!rig.child(&capture("left")).record.keeps_ending());
}

#[test]
fn a_process_that_does_not_get_its_turn_is_left_alone() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.with(left, |fake| fake.mood = Mood::Starved);
    rig.run(10_000);
    assert_eq!(rig.pid(&capture("left")), left);
}

#[test]
fn a_pause_of_the_whole_machine_is_nobodys_fault() {
    let mut rig = Rig::ready();
    let before = rig.pid(&capture("left"));
    // Long before the next beat is heard, the loop looks again.
    rig.world.pause_in(ms(300), ms(10_000));
    rig.run(11_000);
    assert_eq!((rig.pid(&capture("left")), rig.restarts(&capture("left"))), (before, 0));
}

#[test]
fn a_long_look_is_no_pause_that_a_hung_process_is_forgiven_for() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.slow_looks(ms(125));
    rig.world.with(left, |fake| fake.mood = Mood::Hung);
    rig.run(5000);
    assert_ne!(rig.pid(&capture("left")), left);
}

#[test]
fn a_look_is_put_off_for_reports_that_have_come_and_no_longer_than_the_longest_hearing() {
    let mut rig = Rig::ready();
    let looks = |rig: &Rig| rig.rings["left"].with(|ring| ring.looks);
    let before = looks(&rig);
    // A hundred reports are there at once, and each takes ten milliseconds.
    for _ in 0..100 {
        rig.world.event_in(ms(1), LoopEvent::Found { folder: "/nowhere".into(), verdict: Verdict::Complete });
        rig.world.pause_in(ms(1), ms(10));
    }
    rig.run(1000);
    // Each of 150 ms, and not of 100.
    assert_eq!(looks(&rig) - before, 6);
}
