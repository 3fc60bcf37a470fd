//! Raw formats, from the kernel's test driver.

use trials::{Rig, clip_of, list, manifest};

#[test]
#[ignore = "needs the virtual machine: make vm"]
fn raw_formats_of_the_kernels_test_driver_are_recorded() {
    for (format, bytes) in [("YUYV", 2.0), ("NV12", 1.5), ("GREY", 1.0), ("BAYER_RGGB8", 3.0)] {
        let rig = Rig::start(&format!(
            "\
cameras: [{{ name: test, backend: v4l2, device: /dev/video0, format: {format}, width: 320, height: 180, fps: 15 }}]
recording: {{ output_dir: $DIR/recordings, pre_roll_ms: 700 }}
"
        ));
        // The ring keeps the device's own format but for Bayer patterns: its size tells which that is.
        let stats = rig.stats();
        let ring = &list(&stats, "cameras")[0]["ring"];
        let of_frames = ring["bytes"].as_f64().unwrap() / ring["slots"].as_f64().unwrap();
        let expected = 320.0 * 180.0 * bytes;
        assert!((expected..expected * 1.2 + 16_384.0).contains(&of_frames), "{format}: {ring}");
        let answer = rig.command(&["trigger", "--post-ms", "1000", "--wait"]).json();
        let told = manifest(&clip_of(&answer));
        let camera = &told["cameras"]["test"];
        assert!(camera["frames_written"].as_u64() > Some(10), "{format}: {told:#}");
    }
}
