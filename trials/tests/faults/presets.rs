//! `preset: auto`: the cost of the last clips decides what the next one begins with, for each camera by itself.

use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, clip_of, kill, list, manifest, no_failpoints};

/// The rate that was measured for an encoder of a camera at this preset.
fn rate(rig: &Rig, camera: &str, preset: &str) -> Option<f64> {
    let codecs = rig.command(&["codecs", "--json"]).code(0).json();
    let trials = list(&codecs["cameras"][camera], "trials");
    let is_it = |trial: &&Value| trial["choice"]["codec"] == "H264" && trial["choice"]["preset"] == preset;
    trials.iter().find(is_it).unwrap_or_else(|| panic!("{codecs:#}"))["frames_per_second"].as_f64()
}

#[test]
fn f29_a_camera_whose_encoder_was_too_slow_begins_its_next_clip_at_a_faster_preset() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    assert_eq!(rig.stats()["recorder"]["preset"], "superfast", "nothing is measured yet");
    assert_eq!(rate(&rig, "left", "superfast"), None);
    // As on a machine that has got busy: 25 frames a second of the camera's 60, at whatever preset.
    rig.arm("encoder.encode:libx264:/left=sleep(40)*9999");
    rig.command(&["trigger", "--wait", "--post-ms", "3000"]).code(0);
    rig.assert_complete();
    rig.await_stats("the supervisor to know", |stats| stats["recorder"]["preset"] == "ultrafast");
    let measured = rate(&rig, "left", "superfast").unwrap();
    assert!((5.0..25.5).contains(&measured), "{measured}");
    assert!(rate(&rig, "right", "superfast").unwrap() > measured, "it was not slow");
    assert!(
        rig.log().iter().any(|line| line.contains("camera left: clips begin with H264 (libx264, ultrafast)"))
    );
    // Whoever records it, and whoever supervises: both are the next ones.
    kill(rig.pid_of("recorder"), Signal::KILL);
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    let next = manifest(&clip_of(&answer));
    let preset = |camera: &str| list(&next["cameras"][camera], "made_by")[0]["preset"].clone();
    assert_eq!(preset("left"), "ultrafast", "{next:#}");
    assert_ne!(preset("right"), "ultrafast", "{next:#}");
    rig.assert_complete();
}
