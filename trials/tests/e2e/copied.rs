//! Cameras whose frames come compressed: JPEGs are in the clip as the camera sent them, or encoded again if that is asked for;
//! H.264 is in it from its first key frame on, or all of it encoded again.

use serde_json::{Value, json};
use trials::{Rig, TWO_CAMERAS, clip_of, finished, list, manifest};

/// Two cameras whose config says this too.
fn cameras_with(keys: &str) -> String {
    let with = |config: String, name: &str| {
        config.replace(&format!("name: {name},"), &format!("name: {name}, {keys},"))
    };
    with(with(TWO_CAMERAS.to_owned(), "left"), "right")
}

/// A clip of such cameras, true and complete, with these files; and each camera's part of the manifest.
#[track_caller]
fn clip_of_cameras(config: &str, extension: &str) -> (Rig, [Value; 2]) {
    let rig = Rig::start(config);
    // A camera is joined in the middle of a group of frames: its first key frame lies before the window then.
    rig.await_stats("a key frame before the window", |stats| {
        let reaches = |camera: &Value| camera["ring"]["reach_ms"].as_f64() > Some(1300.0);
        list(stats, "cameras").iter().all(reaches)
    });
    let clip = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    let report = rig.assert_complete();
    let videos = ["left", "right"].map(|name| format!("{name}{extension}"));
    let beside = ["left_timestamps.csv", "manifest.json", "right_timestamps.csv"];
    let files = finished(&clip);
    assert!(videos.iter().map(String::as_str).chain(beside).all(|file| files.contains(file)), "{files:?}");
    assert!(report.clips[0].cameras["left"].present >= 60, "{report}");
    let manifest = manifest(&clip);
    (rig, ["left", "right"].map(|name| manifest["cameras"][name].clone()))
}

#[test]
fn jpegs_are_copied_into_quicktime_and_everything_says_so() {
    let (rig, cameras) = clip_of_cameras(&cameras_with("payload: jpeg"), ".mov");
    for camera in &cameras {
        assert_eq!(camera["encoder"], "copied");
        let [stretch] = list(camera, "stretches") else { panic!("{camera:#}") };
        assert_eq!((&stretch["how"], &stretch["codec"]), (&json!("copied"), &json!("MJPG")));
        assert_eq!((&stretch["frames"], &camera["damaged"]), (&camera["frames_written"], &json!([])));
    }
    assert_eq!(rig.stats()["recorder"]["encoder"], "copied");
    let table = rig.command(&["codecs"]).code(0).stdout;
    assert!(table.contains("copied: frames are recorded as they come (MJPG), without an encoder"), "{table}");
    // No encoder was tried, and none is missed.
    assert!(!rig.log().iter().any(|line| line.contains("No supported video codec")), "{:#?}", rig.log());
}

#[test]
fn jpegs_are_copied_into_avi_where_the_config_says_so() {
    let config = cameras_with("payload: jpeg") + "  jpeg_container: avi\n";
    let (_rig, cameras) = clip_of_cameras(&config, ".avi");
    assert!(cameras.iter().all(|camera| camera["stretches"][0]["how"] == "copied"), "{cameras:#?}");
}

#[test]
fn jpegs_are_encoded_again_where_the_clip_is_to_be_exact() {
    let (_rig, cameras) = clip_of_cameras(&cameras_with("payload: jpeg, clip: exact"), ".mp4");
    for camera in &cameras {
        let stretch = &camera["stretches"][0];
        assert_eq!((&stretch["how"], &stretch["codec"]), (&json!("encoded"), &json!("H264")));
    }
}

/// How each stretch of a camera was made, its first row, and the encoder.
fn stretches(camera: &Value) -> Vec<(String, u64, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |s: &Value| (text(&s["how"]), s["first_frame"].as_u64().unwrap(), text(&s["encoder"]));
    list(camera, "stretches").iter().map(of).collect()
}

#[test]
fn h264_is_encoded_up_to_its_first_key_frame_and_copied_from_there_on_in_one_file() {
    // A clip of a second has a key frame, and with each camera's own phase hardly ever as its first.
    let (rig, cameras) = clip_of_cameras(&cameras_with("payload: h264, gop_ms: 700"), ".mp4");
    for camera in &cameras {
        assert_eq!((&camera["video"], &camera["why"]), (&json!("smart"), &Value::Null));
        let stretches = stretches(camera);
        let (how, first, encoder) = stretches.last().unwrap();
        assert_eq!((how.as_str(), encoder.as_str()), ("copied", "copied"), "{stretches:?}");
        assert!(*first < 42 && stretches.len() <= 2, "{stretches:?}");
        assert!(list(camera, "interruptions").is_empty() && camera["files"].as_array().unwrap().len() == 1);
        if stretches.len() == 2 {
            assert_eq!((stretches[0].0.as_str(), stretches[0].1), ("encoded", 0));
        }
    }
    drop(rig);
}

#[test]
fn h264_is_in_the_clip_as_it_came_from_the_key_frame_before_the_window_on() {
    let config = cameras_with("payload: h264, gop_ms: 700, clip: verbatim");
    let (rig, cameras) = clip_of_cameras(&config, ".mp4");
    for camera in &cameras {
        assert_eq!((&camera["video"], &camera["why"]), (&json!("verbatim"), &Value::Null));
        let [stretch] = list(camera, "stretches") else { panic!("{camera:#}") };
        assert_eq!((&stretch["how"], &stretch["frames"]), (&json!("copied"), &camera["frames_written"]));
        assert!(camera["lead_in_frames"].as_u64() < Some(42), "{camera:#}");
    }
    assert!(cameras.iter().any(|camera| camera["lead_in_frames"].as_u64() > Some(0)), "{cameras:#?}");
    // The trigger is half a second behind the first frame that is shown, as in every clip.
    let manifest = manifest(&rig.clips()[0]);
    for name in ["left", "right"] {
        let offset = manifest["trigger"]["offset_s"][name].as_f64().unwrap();
        assert!((0.45..=0.5).contains(&offset), "{manifest:#}");
    }
    let checked = rig.command(&["check", "--config", rig.config().to_str().unwrap()]).code(0);
    assert!(checked.stderr.contains("camera left: clip: verbatim"), "{checked:#?}");
}

#[test]
fn h264_whose_window_has_no_key_frame_is_encoded_and_says_why() {
    let rig = Rig::start(&cameras_with("payload: h264, gop_ms: 1500"));
    rig.await_stats("a key frame before the window", |stats| {
        let reaches = |camera: &Value| camera["ring"]["reach_ms"].as_f64() > Some(2000.0);
        list(stats, "cameras").iter().all(reaches)
    });
    let mut without = 0;
    while without == 0 {
        let answer = rig.command(&["trigger", "--wait", "--pre-ms", "100", "--post-ms", "100"]).code(0);
        let manifest = manifest(&clip_of(&answer.json()));
        for camera in ["left", "right"].map(|name| &manifest["cameras"][name]) {
            // A window of 200 ms has one in two of fifteen.
            if stretches(camera).iter().any(|(how, ..)| how == "copied") {
                assert_eq!((&camera["video"], &camera["why"]), (&json!("smart"), &Value::Null));
                continue;
            }
            without += 1;
            assert_eq!((&camera["video"], &camera["why"]), (&json!("exact"), &json!("no_key_frame")));
            assert!(manifest["notes"].to_string().contains("a key frame that a copy can begin at"));
        }
    }
    rig.assert_complete();
}

#[test]
fn h264_is_decoded_from_before_the_window_and_encoded_again_where_the_clip_is_to_be_exact() {
    // Key frames are so far apart that the window begins between two of them.
    let (_rig, cameras) = clip_of_cameras(&cameras_with("payload: h264, gop_ms: 700, clip: exact"), ".mp4");
    for camera in &cameras {
        assert_eq!((&camera["video"], &camera["why"]), (&json!("exact"), &Value::Null));
        assert!(stretches(camera).iter().all(|(how, ..)| how == "encoded"), "{camera:#}");
    }
}
