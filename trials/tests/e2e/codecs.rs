//! Every codec by name, every pixel format: the right container, and true frames in it.

use trials::{Rig, TWO_CAMERAS, clip_of, manifest};

/// A clip with this codec, the two cameras having these formats; and what the log says of it.
#[track_caller]
fn clip_in(codec: &str, extension: &str, formats: [&str; 2]) -> Rig {
    let camera = |name: &str, format: &str| {
        (format!("name: {name},"), format!("name: {name}, pixel_format: {format},"))
    };
    let mut config = TWO_CAMERAS.to_owned();
    for (name, format) in ["left", "right"].into_iter().zip(formats) {
        let (from, to) = camera(name, format);
        config = config.replace(&from, &to);
    }
    let rig = Rig::start(&format!("{config}  preferred_codec: {codec}\n"));
    let clip = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    let report = rig.assert_complete();
    let manifest = manifest(&clip);
    for name in ["left", "right"] {
        let camera = &manifest["cameras"][name];
        assert_eq!(
            (&camera["codec"], &camera["file"]),
            (&codec.into(), &format!("{name}{extension}").into())
        );
        assert!(report.clips[0].cameras[name].present >= 60, "{report}");
    }
    assert_eq!(rig.stats()["recorder"]["codec"], codec);
    let line = format!("[INFO] Using video codec: {codec} (extension: {extension})");
    assert!(rig.log().iter().any(|said| said.ends_with(&line)), "{:#?}", rig.log());
    rig
}

#[test]
fn h264_is_what_auto_takes() {
    let rig = Rig::start(TWO_CAMERAS);
    let line = rig.await_log("Using video codec");
    assert!(line.ends_with("Z [INFO] Using video codec: H264 (extension: .mp4)"), "{line}");
    assert_eq!(rig.stats()["recorder"]["codec"], "H264");
}

#[test]
fn an_odd_sized_camera_changes_the_codec_of_no_other_and_is_told_why() {
    let odd = "right, width: 321, pixel_format: GRAY8,";
    let rig = Rig::start(&TWO_CAMERAS.replace("name: right,", &format!("name: {odd}")));
    let said =
        rig.await_log("camera right: No supported video codec found, defaulting to MJPEG: H264 (libx264)");
    assert!(said.contains("does not take 321x192: H.264 has only even widths and heights"), "{said}");
    let manifest = manifest(&clip_of(&rig.command(&["trigger", "--wait"]).code(0).json()));
    let codec = |camera: &str| manifest["cameras"][camera]["codec"].clone();
    assert_eq!((codec("left"), codec("right")), ("H264".into(), "MJPG".into()), "{manifest:#}");
    let table = rig.command(&["codecs"]).code(0).stdout;
    assert!(table.contains("camera right:") && table.contains("in use: MJPG (mjpeg)"), "{table}");
    rig.assert_complete();
}

#[test]
fn h264_is_true_in_i420_and_nv12() {
    clip_in("H264", ".mp4", ["I420", "NV12"]);
}

#[test]
fn avc1_is_true_in_yuyv_and_bgr24() {
    clip_in("avc1", ".mp4", ["YUYV", "BGR24"]);
}

#[test]
fn mjpg_is_true_in_gray8_and_i420() {
    let rig = clip_in("MJPG", ".avi", ["GRAY8", "I420"]);
    // Asked for, it is no last resort.
    assert!(!rig.log().iter().any(|line| line.contains("defaulting to MJPEG")));
}

#[test]
fn xvid_is_true_in_nv12_and_bgr24() {
    clip_in("XVID", ".avi", ["NV12", "BGR24"]);
}

#[test]
fn mp4v_is_true_in_gray8_and_yuyv() {
    clip_in("MP4V", ".mp4", ["GRAY8", "YUYV"]);
}
