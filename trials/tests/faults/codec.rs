//! A codec in which recorders crash, or from which they never return.

use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, clip_of, kill, list, manifest, no_failpoints, process};

/// The codecs of a camera's stretches, in order.
fn codecs(clip: &Value, camera: &str) -> Vec<Value> {
    list(&clip["cameras"][camera], "stretches").iter().map(|stretch| stretch["codec"].clone()).collect()
}

/// A clip in which these cameras' codec changed on the way, and not one frame was lost.
#[track_caller]
fn assert_changed(rig: &Rig, post_ms: &str, cameras: &[&str], from: &str, to: &str) -> Value {
    let answer = rig.command(&["trigger", "--wait", "--post-ms", post_ms]).code(0).json();
    let manifest = manifest(&clip_of(&answer));
    assert_eq!(manifest["complete"], true, "{manifest:#}");
    for camera in cameras {
        let codecs = codecs(&manifest, camera);
        assert_eq!((&codecs[0], codecs.last().unwrap()), (&from.into(), &to.into()), "{manifest:#}");
        let says = format!("camera {camera}: the codec changed on the way, from {from} to {to}");
        assert!(list(&manifest, "notes").contains(&says.into()), "{manifest:#}");
    }
    rig.assert_complete();
    manifest
}

#[test]
fn f13_a_recorder_that_crashes_in_one_codec_alone_goes_on_with_the_next() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    rig.arm("encoder.encode:libx264@20=abort*99");
    assert_changed(&rig, "1000", &["left", "right"], "H264", "MJPG");
    let stats = rig.stats();
    assert_eq!(stats["recorder"]["codec"], "MJPG");
    let last_exit = process(&stats, "recorder")["last_exit"].as_str().unwrap();
    assert!(last_exit.contains("aborted"), "{last_exit}");
    // Twice in H264, twice in avc1.
    assert_eq!(process(&stats, "recorder")["restarts"], 4);
    let reasons = list(&stats["health"], "reasons");
    for codec in ["H264 (libx264) was given up", "avc1 (libx264) was given up"] {
        assert!(reasons.iter().any(|r| r.as_str().unwrap().contains(codec)), "{reasons:#?}");
    }
    assert!(rig.command(&["codecs"]).code(0).stdout.contains("given up: the recorder kept crashing with it"));
    // The next clip is of one codec from its first frame.
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    assert_eq!(codecs(&manifest(&clip_of(&answer)), "left"), ["MJPG"]);
    rig.assert_complete();
}

#[test]
fn f13_one_crash_is_no_reason_to_give_a_codec_up() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    rig.arm("encoder.encode:libx264@20=abort");
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    assert_eq!(codecs(&manifest(&clip_of(&answer)), "left"), ["H264"]);
    rig.assert_complete();
    assert_eq!(rig.stats()["recorder"]["codec"], "H264");
}

#[test]
fn f29_a_clip_whose_encoder_is_too_slow_goes_on_at_a_faster_preset_and_loses_no_frame() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(&TWO_CAMERAS.replace("reserve_ms: 4000", "reserve_ms: 600"));
    let preset = rig.stats()["recorder"]["preset"].as_str().unwrap().to_owned();
    if preset == "ultrafast" {
        println!("skipped: this machine has no time for more than ultrafast as it is");
        return;
    }
    // As on a machine that has got busy since: 25 frames a second of the camera's 60.
    rig.arm(&format!("encoder.encode:libx264 {preset} :/left=sleep(40)*9999"));
    let answer = rig.command(&["trigger", "--wait", "--post-ms", "3000"]).code(0).json();
    let manifest = manifest(&clip_of(&answer));
    assert_eq!(manifest["complete"], true, "{manifest:#}");
    let presets = |clip: &Value, camera: &str| -> Vec<Value> {
        list(&clip["cameras"][camera], "stretches").iter().map(|stretch| stretch["preset"].clone()).collect()
    };
    let [first, second] = &presets(&manifest, "left")[..] else { panic!("{manifest:#}") };
    assert!(*first == preset && second != first, "{manifest:#}");
    assert_eq!(list(&manifest["cameras"]["left"], "files"), ["left.mp4"], "{manifest:#}");
    assert_eq!(presets(&manifest, "right"), [preset.as_str()], "it was not too slow");
    let faster = second.as_str().unwrap();
    let says = format!("camera left: the encoder's preset changed on the way, from {preset} to {faster}");
    assert!(list(&manifest, "notes").contains(&says.into()), "{manifest:#}");
    rig.assert_complete();
    // The next clip begins with it, whoever records it.
    rig.await_stats("the supervisor to know", |stats| stats["recorder"]["preset"] == *second);
    kill(rig.pid_of("recorder"), Signal::KILL);
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    let next = trials::manifest(&clip_of(&answer));
    assert_eq!(presets(&next, "left"), [faster], "{next:#}");
    assert_eq!(presets(&next, "right"), [faster], "{next:#}");
    let codecs = rig.command(&["codecs"]).code(0).stdout;
    assert!(codecs.contains("was too slow in a clip"), "{codecs}");
    rig.assert_complete();
}

#[test]
fn f37_an_encoder_that_never_returns_is_left_for_the_next_codec() {
    if no_failpoints() {
        return;
    }
    // A reserve that outlasts the time in which a hung recorder is found out.
    let rig = Rig::start(&TWO_CAMERAS.replace("reserve_ms: 4000", "reserve_ms: 15000"));
    // One camera's: the other one's worker goes on all the time.
    rig.arm("encoder.encode:H264:/left@20=sleep(600000)*99");
    let clip = assert_changed(&rig, "5000", &["left"], "H264", "avc1");
    // Both are H.264, so it is one file.
    assert_eq!(list(&clip["cameras"]["left"], "files"), ["left.mp4"], "{clip:#}");
    let stats = rig.stats();
    let last_exit = process(&stats, "recorder")["last_exit"].as_str().unwrap();
    assert!(last_exit.contains("hung"), "{last_exit}");
    assert_eq!(process(&stats, "recorder")["restarts"], 1);
    assert_eq!(stats["recorder"]["codec"], "avc1");
    let said = rig.await_log("has made no progress");
    assert!(said.contains("camera left is stuck in its encoder"), "{said}");
}
