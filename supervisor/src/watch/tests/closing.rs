//! Clips, and the end of everything in its phases.

use std::path::Path;
use std::time::Duration;

use super::fake::{Step, by_signal, ms};
use super::fake_process::Mood;
use super::*;

#[test]
fn a_finished_clip_is_counted_and_a_lost_one_is_not() {
    let mut rig = Rig::recording(&["clip-0001", "clip-0002"]);
    let folder = Path::new(RUN).join("clip-0001");
    rig.world.event_in(ms(1), LoopEvent::Found { folder, verdict: Verdict::Complete });
    rig.world.event_in(ms(2), LoopEvent::Gone(Path::new(RUN).join("clip-0002")));
    rig.run(10);
    assert_eq!((rig.instance.clips.open_count(), rig.instance.clips.counts().completed), (0, 1));
}

#[test]
fn a_planned_clip_is_passed_on_to_the_recorder() {
    let mut rig = Rig::ready();
    let clip = Path::new(RUN).join("clip-0001");
    rig.world.event_in(ms(1), LoopEvent::Planned(clip.clone()));
    rig.run(10);
    assert_eq!(rig.world.with(rig.pid(&ChildId::Recorder), |fake| fake.clips()), [clip]);
}

#[test]
fn children_outlive_a_supervisor_that_has_come_up_and_none_that_ends() {
    let mut rig = Rig::new(&["left", "right"], &[]);
    rig.run(1);
    assert!(!rig.world.settled(), "it has only just begun");
    rig.run(1000);
    assert!(rig.world.settled());
    rig.instance.close();
    assert!(!rig.world.settled());
}

#[test]
fn nobody_hears_of_a_supervisor_that_has_come_up_before_its_children_outlive_it() {
    let mut rig = Rig::new(&["left", "right"], &[]);
    // Turns of the loop that are too short for a look around.
    let heard = (0..1000).find(|_| {
        rig.run(1);
        rig.statistics.document().state != InstanceState::Starting
    });
    assert!(heard.is_some() && rig.world.settled());
}

#[test]
fn a_start_that_comes_up_while_it_ends_leaves_no_child() {
    let mut rig = Rig::new(&["left", "right"], &[]);
    rig.run(1);
    rig.instance.close();
    assert!(!rig.world.settled());
}

#[test]
fn children_outlive_a_supervisor_that_has_found_a_clip_of_the_last_run() {
    let mut rig = Rig::new(&["left"], &["clip-0001"]);
    rig.run(1);
    assert!(rig.world.settled(), "the last run has left a clip");
}

#[test]
fn the_end_closes_clips_before_cameras_and_leaves_no_process() {
    let mut rig = Rig::recording(&["clip-0001"]);
    assert_eq!(rig.instance.clips.phase(), Phase::Running);
    assert_eq!(rig.instance.close(), Afterwards::RemoveRings);
    assert_eq!(rig.instance.clips.phase(), Phase::Over);
    assert_eq!((rig.world.all_alive(), rig.instance.clips.open_count()), (0, 0));
    let steps = rig.world.steps();
    let at = |wanted: Step| steps.iter().position(|step| *step == wanted).unwrap();
    assert!(at(Step::ToldToStop(ChildId::Recorder)) < at(Step::Ended(ChildId::Recorder)), "{steps:?}");
    for id in [capture("left"), capture("right"), ChildId::Standby] {
        // Until the recorder has ended, a camera's frames may still be needed.
        assert!(at(Step::Ended(ChildId::Recorder)) < at(Step::ToldToStop(id.clone())), "{id}: {steps:?}");
        assert!(at(Step::ToldToStop(id.clone())) < at(Step::Ended(id)), "{steps:?}");
    }
    assert_eq!(rig.world.starts(&capture("left")).len(), 1, "nothing is started again");
}

#[test]
fn a_recorder_that_dies_while_it_closes_gets_a_successor_that_does() {
    let mut rig = Rig::recording(&["clip-0001"]);
    let (recorder, standby) = (rig.pid(&ChildId::Recorder), rig.pid(&ChildId::Standby));
    rig.world.with(recorder, |fake| fake.mood = Mood::Hung);
    rig.world.event_in(ms(400), LoopEvent::Exited { pid: recorder, end: by_signal(11) });
    assert_eq!(rig.instance.close(), Afterwards::RemoveRings);
    assert_eq!(rig.world.with(standby, |fake| fake.clips()), [Path::new(RUN).join("clip-0001")]);
    assert_eq!(rig.statistics.document().recorder.clips_open, 0);
    assert_eq!(rig.instance.clips.open_count(), 0);
}

#[test]
fn a_recorder_that_takes_too_long_leaves_clips_and_rings_to_the_next_start() {
    let mut rig = Rig::recording(&["clip-0001"]);
    rig.world.with(rig.pid(&ChildId::Recorder), |fake| fake.mood = Mood::Hung);
    let began = rig.world.now();
    assert_eq!(rig.instance.close(), Afterwards::KeepRings);
    assert!(rig.world.now() - began < Duration::from_secs(5), "{:?}", rig.world.now() - began);
    assert_eq!((rig.world.all_alive(), rig.instance.clips.phase()), (0, Phase::Over));
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    let mut rig = Rig::recording(&["clip-0001"]);
    rig.world.with(rig.pid(&ChildId::Recorder), |fake| fake.mood = Mood::Hung);
    rig.world.event_in(ms(50), LoopEvent::Signal);
    let began = rig.world.now();
    assert_eq!(rig.instance.close(), Afterwards::KeepRings, "the clip is not finished");
    assert!(rig.world.now() - began < ms(300), "{:?}", rig.world.now() - began);
    assert_eq!(rig.world.all_alive(), 0);
}

#[test]
fn a_question_during_the_end_is_refused() {
    let mut rig = Rig::ready();
    let answer = rig.world.ask(LoopRequest::Codecs);
    rig.instance.close();
    assert_eq!(answer.recv().unwrap(), Err(Refusal::Ending));
}

#[test]
fn stop_by_command_ends_the_loop_and_is_answered_when_all_is_over() {
    let mut rig = Rig::ready();
    let answer = rig.world.ask(LoopRequest::Stop);
    let reply = rig.instance.run();
    assert!(reply.is_some());
    assert!(answer.try_recv().is_err(), "not before the end");
}
