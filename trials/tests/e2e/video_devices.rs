//! Cameras with a video device, on a machine that may have none: the list of them, and devices that are missing or are none.

use trials::stats::camera;
use trials::{Rig, list};

fn with_device(device: &str) -> String {
    format!(
        "cameras:
  - {{ name: left, backend: sim, width: 320, height: 192, fps: 30 }}
  - {{ name: door, backend: v4l2, device: {device}, width: 640, height: 480, fps: 30 }}
recording: {{ output_dir: $DIR/recordings, pre_roll_ms: 500, post_roll_ms: 300 }}
"
    )
}

#[test]
fn the_list_of_cameras_is_given_with_or_without_any() {
    let rig = Rig::prepare("");
    let listed = rig.command(&["cameras", "--json"]).code(0).json();
    let cameras = listed.as_array().unwrap();
    let table = rig.command(&["cameras"]).code(0);
    if cameras.is_empty() {
        assert!(table.stdout.starts_with("There is no camera with a video device here.\n"), "{table:#?}");
        assert!(table.stdout.contains("/dev/video0"), "{table:#?}");
    }
    for found in cameras {
        assert!(table.stdout.contains(found["node"].as_str().unwrap()), "{table:#?}");
    }
    rig.assert_nothing_left();
}

#[test]
fn a_device_that_is_missing_is_a_warning_and_its_camera_fails_alone() {
    let mut rig = Rig::prepare(&with_device("/dev/v4l/by-id/nobody"));
    let checked = rig.command(&["check", "--config", rig.config().to_str().unwrap()]).code(0);
    assert!(checked.stderr.contains("camera door"), "{checked:#?}");
    rig.launch(&[]);
    let stats = rig.await_stats("the one camera, and the other's reason", |stats| {
        camera(stats, "left")["state"] == "live" && camera(stats, "door")["state"] == "failed"
    });
    let reason = camera(&stats, "door")["reason"].as_str().unwrap();
    assert!(reason.contains("/dev/v4l/by-id/nobody: it isn't there; is it plugged in?"), "{stats:#}");
    let answer = rig.command(&["trigger", "--wait"]).code(4).json();
    assert_eq!(answer["cameras"]["left"]["gaps"], serde_json::json!([]), "{answer:#}");
    assert_eq!(list(&answer["cameras"]["door"], "gaps").len(), 0, "{answer:#}");
}

#[test]
fn whatever_is_no_video_device_is_told_so() {
    let rig = Rig::prepare(&with_device("$DIR"));
    let config = rig.config();
    let check = |rig: &Rig| rig.command(&["check", "--config", config.to_str().unwrap()]);
    check(&rig).refusal(2, &["camera door", "folder"]);
    rig.refused_start().refusal(2, &["camera door", "folder"]);
    std::fs::write(rig.path("video0"), "no device").unwrap();
    rig.configure(&with_device("$DIR/video0"));
    check(&rig).refusal(2, &["camera door", "file"]);
    rig.refused_start().refusal(2, &["camera door", "file"]);
    // A device of another kind is found out when it is asked.
    rig.configure(&with_device("/dev/null"));
    let says = ["camera door", "/dev/null: it is a device of another kind, and no video device"];
    check(&rig).refusal(2, &says);
    rig.refused_start().refusal(2, &says);
    rig.assert_nothing_left();
}
