//! Processes that are there and do nothing, or can't stay.

use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, camera, clip_of, kill, list, pid_in, process};

/// With a reserve that outlasts the time in which a hung process is found out.
fn with_a_long_reserve() -> String {
    TWO_CAMERAS.replace("reserve_ms: 4000", "reserve_ms: 15000")
}

#[test]
fn f09_a_recorder_that_stands_still_is_replaced_and_loses_no_frame() {
    // Its ring reaches back less far than a hang takes to be found out: a stopped process needs no such patience.
    let rig = Rig::start(&TWO_CAMERAS.replace("reserve_ms: 4000", "reserve_ms: 1500"));
    let [left, right, recorder] = rig.children()[..] else { unreachable!() };
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "1000"]);
    rig.await_stats("the clip to be open", |s| s["recorder"]["clips_open"] == 1);
    kill(recorder, Signal::STOP);
    trigger.answer().code(0);
    rig.assert_complete();
    let stats = rig.stats();
    let last_exit = process(&stats, "recorder")["last_exit"].as_str().unwrap();
    assert!(last_exit.contains("hung"), "{last_exit}");
    assert_ne!(pid_in(&stats, "recorder"), Some(recorder));
    assert_eq!([pid_in(&stats, "left"), pid_in(&stats, "right")], [Some(left), Some(right)]);
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
    assert_eq!(rig.stats()["recorder"]["codec"], "H264", "no codec is to blame for that");
}

#[test]
fn f10_a_capture_that_stands_still_is_replaced_and_its_gap_declared() {
    let rig = Rig::start(&with_a_long_reserve());
    let [left, right, recorder] = rig.children()[..] else { unreachable!() };
    let answer = rig.command(&["trigger", "--post-ms", "5000"]).code(0).json();
    let clip = clip_of(&answer);
    rig.await_frames(&clip, "left", 40);
    kill(left, Signal::STOP);
    let manifest = rig.await_manifest(&clip);
    assert_eq!(manifest["complete"], false);
    let gaps = list(&manifest["cameras"]["left"], "gaps");
    assert!(gaps.iter().any(|gap| gap["cause"] == "capture_restart"), "{gaps:#?}");
    let report = rig.assert_true();
    let right_verdict = &report.clips[0].cameras["right"];
    assert_eq!(right_verdict.present, right_verdict.expected, "{report}");
    let stats = rig.await_stats("left to be live", |s| camera(s, "left")["state"] == "live");
    assert!(process(&stats, "left")["last_exit"].as_str().unwrap().contains("hung"), "{stats:#}");
    assert_eq!([pid_in(&stats, "right"), pid_in(&stats, "recorder")], [Some(right), Some(recorder)]);
    assert_eq!(process(&stats, "left")["restarts"], 1);
}

#[test]
fn f11_a_supervisor_that_stood_still_blames_nobody_for_it() {
    let rig = Rig::start(TWO_CAMERAS);
    let children = rig.children();
    let trigger = rig.ask(&["trigger", "--wait"]);
    rig.await_stats("the clip to be open", |s| s["recorder"]["clips_open"] == 1);
    kill(rig.supervisor_pid(), Signal::STOP);
    // Longer than any child may be silent, and nothing that could be awaited happens meanwhile.
    std::thread::sleep(std::time::Duration::from_secs(4));
    kill(rig.supervisor_pid(), Signal::CONT);
    trigger.answer().code(0);
    rig.command(&["trigger", "--wait"]).code(0);
    assert_eq!(rig.children(), children);
    assert!(list(&rig.stats(), "processes").iter().all(|p| p["restarts"] == 0));
    rig.assert_complete();
}

#[test]
fn f12_a_capture_that_keeps_crashing_degrades_its_camera_alone() {
    let crashing = "name: left, backend: sim, faults: { crash_after_frames: 20 }";
    let mut rig = Rig::prepare(&TWO_CAMERAS.replace("name: left, backend: sim", crashing));
    rig.launch(&[]);
    let stats = rig.await_stats("the trouble to be noticed", |s| {
        s["health"]["status"] == "attention" && list(&s["health"], "reasons").iter().any(names_left)
    });
    assert_eq!(stats["state"], "degraded");
    assert!(process(&stats, "left")["restarts"].as_u64() >= Some(2), "{stats:#}");
    assert_eq!(camera(&stats, "right")["state"], "live");
    assert_eq!(process(&stats, "right")["restarts"], 0);
    let status = rig.command(&["status"]).code(0).stdout;
    assert!(status.starts_with("degraded"), "{status}");
    rig.await_stats("right's ring to be full enough", |s| {
        camera(s, "right")["ring"]["reach_ms"].as_f64() > Some(700.0)
    });
    rig.command(&["trigger", "--wait"]);
    let report = rig.assert_true();
    let right = &report.clips[0].cameras["right"];
    assert_eq!(right.present, right.expected, "{report}");
    let other = rig.command(&["trigger", "--camera", "right", "--wait"]).code(0).json();
    assert_eq!(other["complete"], true);
}

fn names_left(reason: &Value) -> bool {
    reason.as_str().is_some_and(|reason| reason.contains("left"))
}
