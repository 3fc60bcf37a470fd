//! A codec in which recorders crash, or from which they never return.

use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, clip_of, list, manifest, no_failpoints, process};

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
    assert_changed(&rig, "3000", &["left", "right"], "H264", "MJPG");
    let stats = rig.stats();
    assert_eq!(stats["recorder"]["codec"], "MJPG");
    let last_exit = process(&stats, "recorder")["last_exit"].as_str().unwrap();
    assert!(last_exit.contains("aborted"), "{last_exit}");
    // Each camera twice in H264, twice in avc1.
    assert_eq!(process(&stats, "recorder")["restarts"], 8);
    let reasons = list(&stats["health"], "reasons");
    for camera in ["left", "right"] {
        for codec in ["H264", "avc1"] {
            let said = format!("camera {camera}: {codec} (libx264) was given up");
            assert!(reasons.iter().any(|r| r.as_str().unwrap().contains(&said)), "{said}: {reasons:#?}");
        }
    }
    assert!(rig.command(&["codecs"]).code(0).stdout.contains("given up: the recorder kept crashing with it"));
    // The next clip is of one codec from its first frame.
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    assert_eq!(codecs(&manifest(&clip_of(&answer)), "left"), ["MJPG"]);
    rig.assert_complete();
}

#[test]
fn f13_a_codec_in_which_one_camera_crashes_is_kept_by_the_other() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    rig.arm("encoder.encode:H264:/right@20=abort*99");
    assert_changed(&rig, "2000", &["right"], "H264", "avc1");
    let stats = rig.stats();
    assert_eq!(
        (&stats["recorder"]["codec"], &process(&stats, "recorder")["restarts"]),
        (&"H264".into(), &2.into())
    );
    let answer = rig.command(&["trigger", "--wait"]).code(0).json();
    let manifest = manifest(&clip_of(&answer));
    assert_eq!(
        (codecs(&manifest, "left"), codecs(&manifest, "right")),
        (vec!["H264".into()], vec!["avc1".into()])
    );
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
fn f37_an_encoder_that_never_returns_is_left_for_the_next_codec() {
    if no_failpoints() {
        return;
    }
    // A reserve that outlasts the change of recorders. Until the hung one is found out, its mover keeps the frames.
    let rig = Rig::start(&TWO_CAMERAS.replace("reserve_ms: 4000", "reserve_ms: 1000"));
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

#[test]
fn f75_a_worker_that_panics_ends_its_recorder_and_no_encoder_is_blamed() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    rig.arm("encoder.encode:/left@20=panic");
    let answer = rig.command(&["trigger", "--wait", "--post-ms", "3000"]).code(0).json();
    let manifest = manifest(&clip_of(&answer));
    for camera in ["left", "right"] {
        assert!(codecs(&manifest, camera).iter().all(|codec| codec == "H264"), "{manifest:#}");
    }
    rig.assert_complete();
    let line = rig.await_log("a panic at");
    assert!(line.contains("recorder: thread left, camera left"), "{line}");
    let stats = rig.stats();
    assert_eq!(process(&stats, "recorder")["restarts"], 1);
    let last_exit = process(&stats, "recorder")["last_exit"].as_str().unwrap();
    assert!(last_exit.contains("exit code 101"), "{last_exit}");
    assert!(!stats["health"].to_string().contains("given up"), "{stats:#}");
}
