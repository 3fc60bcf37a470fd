//! The recorder, its standby and the encoders.

use std::time::Duration;

use super::fake::{self, Step, by_signal, ms};
use super::fake_process::Mood;
use super::*;
use crate::backlog::needed::Needed;

#[test]
fn the_standby_takes_over_from_a_killed_recorder_and_keeps_its_rendezvous() {
    let mut rig = Rig::recording(&["clip-0001"]);
    let (recorder, standby) = (rig.pid(&ChildId::Recorder), rig.pid(&ChildId::Standby));
    let killed = rig.world.now();
    rig.world.exit(recorder, by_signal(9));
    rig.run(100);
    assert_eq!(rig.pid(&ChildId::Recorder), standby);
    let steps = rig.world.steps();
    let armed_at = steps.iter().position(|step| *step == Step::Armed(standby)).unwrap();
    let swept = steps[..armed_at].iter().filter(|step| **step == Step::Swept).count();
    assert_eq!(swept, rig.rings.len(), "before it may hold a frame: {steps:?}");
    let armed = rig.world.with(standby, |fake| {
        fake.heard.iter().any(|order| matches!(order, RecorderOrder::Arm { ladders: Some(_), .. }))
    });
    assert!(armed, "with the encoders that are known");
    let saved = rig.world.saved().children;
    assert!(saved.iter().any(|child| child.id == ChildId::Recorder && child.pid == standby));
    assert!(rig.rings.values().all(|ring| ring.with(|ring| ring.swept) == 1), "once");
    rig.run(2000);
    assert_eq!(rig.world.starts(&ChildId::Standby)[1] - killed, Duration::from_secs(1));
    // Reports from the standby's rendezvous are the recorder's now.
    rig.world.with(standby, |fake| fake.beat.trouble = Some("the disk is full".into()));
    rig.run(500);
    assert_eq!(rig.troubles(), ["the disk is full"]);
    assert_eq!(rig.restarts(&ChildId::Recorder), 1);
}

#[test]
fn statistics_know_a_successor_as_soon_as_there_is_one() {
    let mut rig = Rig::ready();
    let standby = rig.pid(&ChildId::Standby);
    rig.world.exit(rig.pid(&ChildId::Recorder), by_signal(9));
    rig.world.exit(rig.pid(&capture("left")), by_signal(9));
    rig.run(1);
    assert_eq!(rig.published(ProcessRole::Recorder, None), (ProcessState::Running, Some(standby)));
    let left = (ProcessState::Starting, Some(rig.pid(&capture("left"))));
    assert_eq!(rig.published(ProcessRole::Capture, Some("left")), left);
    assert_eq!(rig.published(ProcessRole::Standby, None), (ProcessState::Waiting, None));
}

#[test]
fn only_the_present_recorder_can_say_that_a_clip_is_lost() {
    let mut rig = Rig::recording(&["clip-0001"]);
    let lost = |rig: &Rig, pid| {
        let report = Report::Recorder(RecorderReport::ClipLost { folder: Path::new(RUN).join("clip-0001") });
        rig.world.event_in(ms(1), LoopEvent::Report { pid, report, heard: rig.world.now() });
    };
    let first = rig.pid(&ChildId::Recorder);
    lost(&rig, rig.pid(&ChildId::Standby));
    rig.run(10);
    rig.world.exit(first, by_signal(9));
    lost(&rig, first);
    rig.run(100);
    assert_eq!(rig.instance.clips.open_count(), 1, "its successor may still record it");
    lost(&rig, rig.pid(&ChildId::Recorder));
    rig.run(100);
    assert_eq!(rig.instance.clips.open_count(), 0);
}

#[test]
fn without_a_standby_that_is_up_the_recorder_is_started_anew() {
    let mut rig = Rig::ready();
    rig.world.exit(rig.pid(&ChildId::Recorder), by_signal(9));
    rig.world.exit(rig.pid(&ChildId::Standby), by_signal(9));
    rig.run(500);
    assert_eq!(rig.world.starts(&ChildId::Recorder).len(), 2);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn the_standby_is_warm_while_clips_are_recorded_and_cold_after() {
    let mut rig = Rig::ready();
    let (recorder, standby) = (rig.pid(&ChildId::Recorder), rig.pid(&ChildId::Standby));
    let orders = |rig: &Rig| -> Vec<&'static str> {
        rig.world.with(standby, |fake| {
            let word = |order: &RecorderOrder| match order {
                RecorderOrder::Warm(_) => Some("warm"),
                RecorderOrder::Cool => Some("cool"),
                _ => None,
            };
            fake.heard.iter().filter_map(word).collect()
        })
    };
    rig.world.with(recorder, |fake| (fake.beat.clips_open, fake.beat.lag_frames) = (1, 40));
    rig.run(600);
    assert_eq!(orders(&rig), ["cool"], "the recorder has not caught up");
    rig.world.with(recorder, |fake| fake.beat.lag_frames = 1);
    rig.run(600);
    assert_eq!(orders(&rig), ["cool", "warm"]);
    rig.world.with(recorder, |fake| fake.beat.clips_open = 0);
    rig.run(600);
    assert_eq!(orders(&rig), ["cool", "warm", "cool"]);
}

#[test]
fn an_encoder_is_doubted_after_the_second_crash_in_it_for_that_camera_alone() {
    let mut rig = Rig::recording(&["clip-0001"]);
    let written = rig.world.run_file_writes();
    rig.world.crash_over(rig.pid(&ChildId::Recorder), "right");
    rig.run(1500);
    assert_eq!(rig.ladder("right").chain.len(), 2, "once may be chance");
    rig.world.crash_over(rig.pid(&ChildId::Recorder), "left");
    rig.run(1500);
    assert_eq!(rig.ladder("left").chain.len(), 2, "it was another camera's");
    rig.world.crash_over(rig.pid(&ChildId::Recorder), "right");
    rig.run(500);
    let ladder = rig.ladder("right");
    assert_eq!((ladder.first().codec, ladder.given_up[0].codec), (Codec::Mjpg, Codec::H264));
    assert_eq!(rig.ladder("left"), fake::ladders()[&name("left")], "it never saw a second crash");
    let troubles = rig.troubles();
    assert!(troubles.iter().any(|t| t.contains("camera right: H264 (libx264) was given up")), "{troubles:?}");
    assert!(rig.world.run_file_writes() > written);
    let armed = rig.world.with(rig.pid(&ChildId::Recorder), |fake| {
        let ladders = |order: &RecorderOrder| match order {
            RecorderOrder::Arm { ladders, .. } => ladders.clone(),
            _ => None,
        };
        fake.heard.iter().find_map(ladders).unwrap()
    });
    assert_eq!(armed[&name("right")].first().codec, Codec::Mjpg, "its successor begins with it");
    // The last one is never given up.
    for _ in 0..4 {
        rig.run(3000);
        rig.world.crash_over(rig.pid(&ChildId::Recorder), "right");
    }
    rig.run(3000);
    assert_eq!(rig.ladder("right").chain.len(), 1);
}

#[test]
fn crashes_outside_of_an_encoder_are_not_held_against_it() {
    let mut rig = Rig::recording(&["clip-0001"]);
    for _ in 0..4 {
        rig.world.exit(rig.pid(&ChildId::Recorder), by_signal(11));
        rig.run(3000);
    }
    assert_eq!(rig.ladder("left").chain.len(), 2);
}

#[test]
fn a_long_life_between_two_crashes_forgives_the_first() {
    let mut rig = Rig::recording(&["clip-0001"]);
    rig.world.crash_over(rig.pid(&ChildId::Recorder), "left");
    rig.run(70_000);
    rig.world.crash_over(rig.pid(&ChildId::Recorder), "left");
    rig.run(1500);
    assert_eq!(rig.ladder("left").chain.len(), 2);
    rig.world.crash_over(rig.pid(&ChildId::Recorder), "left");
    rig.run(1500);
    assert_eq!(rig.ladder("left").chain.len(), 1);
}

#[test]
fn a_recorder_that_is_stuck_in_an_encoder_gets_the_next_one_at_once() {
    let mut rig = Rig::recording(&["clip-0001"]);
    let recorder = rig.pid(&ChildId::Recorder);
    rig.world.with(recorder, |fake| {
        fake.mood = Mood::Hung;
        fake.beat =
            RecorderBeat { busy: true, clips_open: 1, stuck: Some(name("left")), ..fake.beat.clone() };
    });
    rig.run(3500);
    assert_eq!(rig.ladder("left").first().codec, Codec::Mjpg);
    assert_eq!(rig.ladder("right").first().codec, Codec::H264, "its encoder was not stuck");
    assert_eq!(rig.last_exit(&ChildId::Recorder), "signal 9 (hung)");
}

#[test]
fn captures_wait_for_the_recorder_while_clips_need_frames_of_their_rings() {
    let mut rig = Rig::new(&["left"], &[]);
    let began = rig.world.now();
    rig.instance.children.recorder_first = Some(began + ms(1000));
    rig.run(1000);
    let (recorder, left) = (rig.world.starts(&ChildId::Recorder)[0], rig.world.starts(&capture("left"))[0]);
    assert_eq!(recorder, began);
    assert!(left > recorder && left < began + ms(1000), "{:?}", left - began);
    assert_eq!(rig.state(), InstanceState::Ready, "{:?}", rig.troubles());
}

#[test]
fn a_recorder_that_does_not_come_keeps_captures_waiting_for_a_second_only() {
    let mut rig = Rig::new(&["left"], &[]);
    let began = rig.world.now();
    rig.instance.children.recorder_first = Some(began + ms(1000));
    rig.run(1);
    // The recorder is killed before it has come to its rendezvous, and so are the standby and each successor.
    for _ in 1..300 {
        for id in [ChildId::Recorder, ChildId::Standby] {
            if let Some(running) = rig.child(&id).running() {
                rig.world.exit(running.pid(), by_signal(9));
            }
        }
        rig.run(5);
    }
    let left = rig.world.starts(&capture("left"))[0];
    assert!(left >= began + ms(1000) && left < began + ms(1100), "{:?}", left - began);
}

#[test]
fn the_pace_of_encoding_is_known_until_the_end() {
    let mut rig = Rig::recording(&["clip-0001"]);
    let recorder = rig.pid(&ChildId::Recorder);
    for n in 1..=16 {
        rig.world.with(recorder, |fake| {
            (fake.beat.frames_encoded, fake.beat.clips_open, fake.beat.frames_left) = (n * 5, 1, 100);
        });
        rig.run(250);
    }
    rig.world.with(recorder, |fake| fake.mood = Mood::Hung);
    assert_eq!(rig.instance.close(), Afterwards::KeepRings);
    let left = rig.instance.children.left_over(&Needed::default());
    assert_eq!(left.frames, 100);
    assert!(left.frames_per_s.is_some(), "{left:?}");
}
