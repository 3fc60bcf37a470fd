//! kill -9, of anyone, at any moment: what was captured is in the clip, and what was not is declared.

use std::path::Path;
use std::time::Duration;

use proto::process::Pid;
use rustix::process::Signal;
use serde_json::Value;
use trials::{
    Dice, Rig, TWO_CAMERAS, camera, clip_of, finished, kill, list, manifest, pid_in, process, until,
};

/// Asserts that a clip is one file a camera, with nothing of its making left.
#[track_caller]
fn assert_one_file_a_camera(clip: &Path) {
    let files = [
        "SHA256SUMS",
        "left.mp4",
        "left_poster.jpg",
        "left_timestamps.csv",
        "manifest.json",
        "right.mp4",
        "right_poster.jpg",
        "right_timestamps.csv",
    ];
    assert_eq!(finished(clip), files.map(str::to_owned).into());
    for (name, camera) in manifest(clip)["cameras"].as_object().unwrap() {
        assert_eq!(list(camera, "files"), [format!("{name}.mp4")]);
    }
}

/// Kills the recorder and waits for another.
fn replace_recorder(rig: &Rig) {
    let before = rig.pid_of("recorder");
    kill(before, Signal::KILL);
    rig.await_stats("another recorder", |s| pid_in(s, "recorder").is_some_and(|pid| pid != before));
}

#[test]
fn f02_a_recorder_killed_at_any_moment_of_a_clip_loses_no_frame() {
    let rig = Rig::start(TWO_CAMERAS);
    let captures = &rig.children()[..2];
    let mut dice = Dice::of_environment();
    for round in 0..6 {
        let trigger = rig.ask(&["trigger", "--wait"]);
        let ms = dice.pause(900);
        replace_recorder(&rig);
        let answer = trigger.answer().code(0).json();
        println!("round {round}: killed after {ms} ms");
        assert_one_file_a_camera(&clip_of(&answer));
    }
    rig.assert_complete();
    let stats = rig.await_stats("all clips to be counted", |s| s["recorder"]["clips_completed"] == 6);
    assert_eq!(["left", "right"].map(|c| pid_in(&stats, c).unwrap()), captures);
    let recorder = process(&stats, "recorder");
    assert_eq!(recorder["restarts"], 6);
    assert!(recorder["last_exit"].as_str().unwrap().contains("signal 9"), "{recorder:#}");
}

#[test]
fn f03_a_recorder_killed_again_while_it_recovers_loses_no_frame() {
    let rig = Rig::start(TWO_CAMERAS);
    let captures = &rig.children()[..2];
    let mut dice = Dice::of_environment();
    for _ in 0..3 {
        let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "1500"]);
        dice.pause(600);
        for _ in 0..2 {
            replace_recorder(&rig);
            dice.pause(200);
        }
        replace_recorder(&rig);
        let answer = trigger.answer().code(0).json();
        assert_one_file_a_camera(&clip_of(&answer));
    }
    rig.assert_complete();
    assert_eq!(&rig.children()[..2], captures);
}

#[test]
fn f05_a_supervisor_killed_as_soon_as_it_says_ready_leaves_captures_that_go_on() {
    for _ in 0..4 {
        let mut rig = Rig::prepare(TWO_CAMERAS);
        rig.launch(&[]);
        until("the supervisor to say that it is ready", || {
            let stats = rig.command(&["stats"]);
            (stats.code == Some(0) && stats.json()["state"] == "ready").then_some(())
        });
        let children = rig.children();
        rig.kill_supervisor();
        // The time in which a child that was left to nobody would look for a supervisor several times.
        std::thread::sleep(Duration::from_millis(300));
        rig.launch(&[]);
        rig.await_ready();
        assert_eq!(rig.children(), children);
        rig.command(&["trigger", "--wait"]).code(0);
        rig.assert_complete();
    }
}

#[test]
fn f02_an_interruption_that_cost_nothing_is_recorded_all_the_same() {
    let rig = Rig::start(TWO_CAMERAS);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "2500"]).code(0).json());
    for name in ["left", "right"] {
        rig.await_frames(&clip, name, 40);
    }
    kill(rig.pid_of("recorder"), Signal::KILL);
    let manifest = rig.await_manifest(&clip);
    rig.assert_complete();
    for name in ["left", "right"] {
        let camera = &manifest["cameras"][name];
        let [interruption] = list(camera, "interruptions") else { panic!("{camera:#}") };
        assert_eq!(interruption["cause"], "recorder_restart");
        assert!(interruption["outage_ms"].as_u64() > Some(0), "{interruption}");
        assert_eq!(list(camera, "gaps"), [Value::Null; 0]);
    }
}

#[test]
fn f01_a_trigger_is_kept_for_a_recorder_that_is_away() {
    let rig = Rig::start(TWO_CAMERAS);
    for _ in 0..3 {
        kill(rig.pid_of("recorder"), Signal::KILL);
        rig.command(&["trigger", "--wait"]).code(0);
    }
    rig.assert_complete();
}

#[test]
fn f04_a_killed_capture_loses_what_its_camera_made_meanwhile_and_says_so() {
    // Opening takes long enough for frames to be missed in any case.
    let slow = "name: left, backend: sim, faults: { slow_start_ms: 200 }";
    let rig = Rig::start(&TWO_CAMERAS.replace("name: left, backend: sim", slow));
    let [left, right, recorder] = rig.children()[..] else { unreachable!() };
    for round in 1..=3 {
        let victim = rig.pid_of("left");
        let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "1500"]);
        let clip = until("the clip", || rig.clips().into_iter().nth(round - 1));
        rig.await_frames(&clip, "left", 35);
        kill(victim, Signal::KILL);
        let answer = trigger.answer().code(4).json();
        assert_eq!(answer["complete"], false);
        let counts = &answer["cameras"]["left"];
        let gaps = list(counts, "gaps");
        assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap["cause"] == "capture_restart"), "{counts:#}");
        let missing: u64 = gaps.iter().map(|gap| gap["missing"].as_u64().unwrap()).sum();
        let [expected, written] = ["frames_expected", "frames_written"].map(|k| counts[k].as_u64().unwrap());
        assert_eq!(expected, written + missing);
        assert!(missing >= 12, "200 ms at 60 fps: {counts:#}");
        assert_eq!(answer["cameras"]["right"]["gaps"], Value::Array(vec![]));
    }
    // The oracle has counted the holes in the pictures, and where they are.
    for clip in rig.assert_true().clips {
        assert_eq!(clip.cameras["right"].present, clip.cameras["right"].expected);
        assert!(clip.cameras["left"].declared > 0);
    }
    let stats = rig.await_stats("left to be live", |s| camera(s, "left")["state"] == "live");
    assert_ne!(pid_in(&stats, "left"), Some(left));
    assert_eq!([pid_in(&stats, "right"), pid_in(&stats, "recorder")], [Some(right), Some(recorder)]);
    assert_eq!((&camera(&stats, "left")["epoch"], &camera(&stats, "right")["epoch"]), (&4.into(), &1.into()));
    assert_eq!(stats["recorder"]["clips_incomplete"], 3);
}

#[test]
fn f05_a_killed_supervisor_is_missed_by_nobody_and_the_next_adopts_its_children() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let children = rig.children();
    let session = rig.stats()["run_folder"].clone();
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "2000"]).code(0).json());
    rig.await_frames(&clip, "left", 10);
    rig.kill_supervisor();
    let still = rig.processes();
    assert!(children.iter().all(|pid| still.contains(pid)), "the children go on");
    rig.command(&["stats"]).refusal(3, &["no supervisor is running"]);

    rig.launch(&[]);
    rig.await_ready();
    assert_eq!(rig.children(), children, "the same processes");
    assert_eq!(rig.stats()["run_folder"], session);
    assert_eq!(rig.await_manifest(&clip)["complete"], true);
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    assert!(answer["clip_id"].as_str().unwrap().ends_with("-clip-0002"), "{answer:#}");
    rig.assert_complete();
    // One that nobody waits for any more is finished by the recorder alone.
    let clip = clip_of(&rig.command(&["trigger"]).code(0).json());
    rig.kill_supervisor();
    assert_eq!(rig.await_manifest(&clip)["complete"], true);
    rig.launch(&[]);
    rig.await_ready();
    assert_eq!(rig.children(), children);
    rig.await_stats("clips of before to be counted", |s| s["recorder"]["clips_completed"] == 3);
    rig.assert_complete();
}

#[test]
fn f05_no_descriptor_is_left_of_a_supervisor_that_was() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let children = rig.children();
    let descriptors = || {
        let count = |pid: &Pid| std::fs::read_dir(pid.proc("fd")).unwrap().count();
        children.iter().map(count).collect::<Vec<_>>()
    };
    let mut next_supervisor = || {
        rig.kill_supervisor();
        rig.launch(&[]);
        rig.await_ready();
        assert_eq!(rig.children(), children);
    };
    next_supervisor();
    let before = descriptors();
    (0..3).for_each(|_| next_supervisor());
    assert_eq!(descriptors(), before);
}

#[test]
fn f05_a_trigger_survives_the_supervisor_and_the_recorder() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let [left, right, recorder] = rig.children()[..] else { unreachable!() };
    let clip = clip_of(&rig.command(&["trigger"]).code(0).json());
    rig.kill_supervisor();
    kill(recorder, Signal::KILL);
    rig.launch(&[]);
    assert_eq!(rig.await_manifest(&clip)["complete"], true);
    rig.assert_complete();
    assert_eq!(["left", "right"].map(|c| rig.pid_of(c)), [left, right]);
}

#[test]
fn f08_after_everything_is_killed_at_once_the_next_start_finishes_the_clip() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let mut dice = Dice::of_environment();
    for round in 1..=3 {
        let children = rig.children();
        let clip = clip_of(&rig.command(&["trigger"]).code(0).json());
        let ms = dice.pause(700);
        rig.kill_supervisor();
        // The standby too.
        rig.processes().iter().for_each(|pid| kill(*pid, Signal::KILL));
        println!("round {round}: killed after {ms} ms");
        until("everything to be gone", || rig.processes().is_empty().then_some(()));
        rig.launch(&[]);
        rig.await_manifest(&clip);
        rig.await_ready();
        assert!(rig.children().iter().all(|pid| !children.contains(pid)));
        let report = rig.assert_true();
        // The pre-roll was in the rings, which outlive everyone.
        for verdict in report.verdicts() {
            assert!(verdict.present >= 29, "{report}");
        }
        // Its pre-roll may reach back to the moment of death.
        let answer = rig.command(&["trigger", "--wait"]);
        assert!(matches!(answer.code, Some(0 | 4)), "{answer:#?}");
    }
    rig.assert_true();
}
