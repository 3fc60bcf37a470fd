//! Captures: started, killed, misconfigured, adopted, restarted.

use std::time::Duration;

use super::fake::{by_signal, ms, with_code};
use super::*;
use crate::child::end::End;

#[test]
fn everything_is_started_once_and_kept_for_the_next_supervisor() {
    let mut rig = Rig::new(&["left", "right"], &[]);
    assert_eq!(rig.state(), InstanceState::Starting);
    rig.run(1000);
    assert_eq!(rig.state(), InstanceState::Ready);
    assert_eq!(rig.world.all_alive(), 4);
    let saved = rig.world.saved();
    let pids: Vec<Pid> = saved.children.iter().map(|child| child.pid).collect();
    let expected =
        [capture("left"), capture("right"), ChildId::Recorder, ChildId::Standby].map(|id| rig.pid(&id));
    assert_eq!(pids, expected);
    assert_eq!((saved.run_folder, saved.ladders), (RUN.into(), Some(fake::ladders())));
    assert!(rig.troubles().is_empty(), "{:?}", rig.troubles());
}

#[test]
fn every_child_is_met_at_a_place_of_its_own() {
    let rig = Rig::new(&["left"], &[]);
    rig.instance.children.meet(&rig.world).unwrap();
    let places = [Rendezvous::Capture(name("left")), Rendezvous::Recorder, Rendezvous::Standby];
    assert_eq!(rig.world.met(), places);
}

#[test]
fn a_killed_capture_is_back_at_once_and_the_others_notice_nothing() {
    let mut rig = Rig::ready();
    let (left, right) = (rig.pid(&capture("left")), rig.pid(&capture("right")));
    let killed = rig.world.now();
    rig.world.exit(left, by_signal(9));
    rig.run(500);
    assert_ne!(rig.pid(&capture("left")), left);
    assert_eq!(rig.world.starts(&capture("left"))[1], killed);
    assert_eq!((rig.pid(&capture("right")), rig.restarts(&capture("right"))), (right, 0));
    assert_eq!((rig.state(), rig.restarts(&capture("left"))), (InstanceState::Ready, 1));
}

#[test]
fn a_capture_that_keeps_crashing_is_started_more_and_more_seldom_and_said() {
    let mut rig = Rig::ready();
    for _ in 0..5 {
        rig.world.exit(rig.pid(&capture("left")), by_signal(11));
        rig.run(3000);
    }
    let starts = rig.world.starts(&capture("left"));
    let waits: Vec<u128> = starts.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
    // Each life of three seconds less the wait, and then that wait.
    assert_eq!(waits[1..], [3100, 3100, 3200, 3400].map(|wait: u128| wait));
    rig.world.exit(rig.pid(&capture("left")), by_signal(11));
    rig.run(10);
    assert!(rig.troubles()[0].contains("capture left: restarting: signal 11"), "{:?}", rig.troubles());
    assert_eq!(rig.state(), InstanceState::Degraded);
}

#[test]
fn a_capture_that_cannot_be_started_is_tried_again_until_it_can() {
    let mut rig = Rig::ready();
    rig.world.refuse_to_spawn(true);
    rig.world.exit(rig.pid(&capture("left")), by_signal(9));
    rig.run(2000);
    assert_eq!(rig.last_exit(&capture("left")), "could not be started: no more processes");
    rig.world.refuse_to_spawn(false);
    rig.run(3000);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn a_camera_that_cannot_be_used_as_configured_is_tried_every_half_a_minute() {
    let mut rig = Rig::ready();
    let ended = rig.world.now();
    rig.world.exit(rig.pid(&capture("left")), with_code(2));
    rig.run(29_000);
    assert_eq!(rig.camera("left"), CameraStatus::Restarting);
    rig.run(2000);
    assert_eq!(rig.camera("left"), CameraStatus::Live, "put right, it is found");
    let starts = rig.world.starts(&capture("left"));
    assert_eq!(starts.len(), 2);
    assert_eq!(starts[1] - ended, Duration::from_secs(30));
    // A recorder has no camera: its own exit code 2 is a crash like any other.
    rig.world.exit(rig.pid(&ChildId::Recorder), with_code(2));
    rig.run(2000);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn a_restart_by_command_does_not_wait_for_half_a_minute() {
    let mut rig = Rig::ready();
    rig.world.exit(rig.pid(&capture("left")), with_code(2));
    rig.run(1000);
    let answer = rig.world.ask(LoopRequest::Restart("left".into()));
    rig.run(500);
    assert_eq!(answer.recv().unwrap(), Ok(Response::Done("capture left: starting".into())));
    assert_eq!(rig.camera("left"), CameraStatus::Live);
}

#[test]
fn a_restart_of_nobody_names_those_there_are() {
    let mut rig = Rig::ready();
    let answer = rig.world.ask(LoopRequest::Restart("middle".into()));
    rig.run(10);
    let known = vec!["left".into(), "right".into()];
    assert_eq!(answer.recv().unwrap(), Err(Refusal::UnknownProcess { name: "middle".into(), known }));
}

#[test]
fn processes_that_run_already_are_adopted_and_not_started_again() {
    let mut rig = Rig::new(&["left"], &[]);
    let all = [capture("left"), ChildId::Recorder, ChildId::Standby];
    let pids = all.clone().map(|id| rig.world.left_over(&id));
    for child in rig.instance.children.all_mut() {
        let pid = pids[all.iter().position(|id| *id == child.id).unwrap()];
        child.attach(rig.world.adopt(&child.id, pid).unwrap(), rig.world.now());
    }
    rig.run(1000);
    assert_eq!(all.clone().map(|id| rig.pid(&id)), pids);
    assert_eq!((rig.state(), rig.world.all_alive()), (InstanceState::Ready, 3));
}

#[test]
fn a_kill_for_lack_of_memory_is_told_apart() {
    let mut rig = Rig::ready();
    rig.world.kill_for_memory(rig.pid(&capture("left")));
    rig.run(100);
    assert_eq!(rig.last_exit(&capture("left")), "signal 9 (killed: out of memory?)");
}

#[test]
fn a_file_that_has_played_to_its_end_is_not_started_again() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.with(left, |fake| fake.camera = CameraState::Ended);
    rig.run(300);
    rig.world.exit(left, with_code(0));
    rig.run(60_000);
    assert_eq!((rig.camera("left"), rig.state()), (CameraStatus::Ended, InstanceState::Ready));
    assert_eq!(rig.world.starts(&capture("left")).len(), 1);
}

#[test]
fn a_file_whose_end_its_ring_alone_tells_of_is_not_started_again() {
    let unknown = End { how: "unknown (it was adopted)".into(), code: None, signal: None, crashed: false };
    for end in [with_code(0), unknown] {
        let mut rig = Rig::ready();
        rig.rings["left"].with(|ring| ring.has_ended = true);
        rig.world.exit(rig.pid(&capture("left")), end);
        rig.run(60_000);
        assert_eq!((rig.camera("left"), rig.state()), (CameraStatus::Ended, InstanceState::Ready));
        assert_eq!(rig.world.starts(&capture("left")).len(), 1);
    }
}

#[test]
fn the_reason_of_a_failed_camera_is_heard_even_after_its_capture_has_ended() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.exit(left, with_code(2));
    rig.run(10);
    let camera = CameraState::Failed("no such file".into());
    let report = crate::loop_events::Report::Capture(proto::messages::CaptureReport::Beat {
        progress: 9,
        camera,
        offer: None,
        transport: None,
    });
    rig.world.event_in(ms(1), LoopEvent::Report { pid: left, report, heard: rig.world.now() });
    rig.run(10);
    assert_eq!(rig.troubles(), ["capture left: failed: no such file"]);
}

#[test]
fn an_exit_code_of_a_capture_that_is_being_ended_says_nothing_of_its_config() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    drop(rig.world.ask(LoopRequest::Restart("left".into())));
    // The capture ends by itself in the same moment, before the signal reaches it.
    rig.world.exit(left, with_code(2));
    rig.run(500);
    assert_eq!(rig.last_exit(&capture("left")), "exit code 2 (restarted by command)");
    assert_eq!((rig.camera("left"), rig.state()), (CameraStatus::Live, InstanceState::Ready));
}
