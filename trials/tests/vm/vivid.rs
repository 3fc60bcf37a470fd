//! Raw formats, from the kernel's test driver.

use trials::{Rig, clip_of, manifest};

#[test]
#[ignore = "needs the virtual machine: make vm"]
fn raw_formats_of_the_kernels_test_driver_are_recorded() {
    for (format, pixels) in [("YUYV", "YUYV"), ("NV12", "NV12"), ("GREY", "GRAY8")] {
        let rig = Rig::start(&format!(
            "\
cameras: [{{ name: test, backend: v4l2, device: /dev/video0, format: {format}, width: 320, height: 180, fps: 15 }}]
recording: {{ output_dir: $DIR/recordings, pre_roll_ms: 700 }}
"
        ));
        let answer = rig.command(&["trigger", "--post-ms", "1000", "--wait"]).json();
        let told = manifest(&clip_of(&answer));
        let camera = &told["cameras"]["test"];
        assert!(camera["frames_written"].as_u64() > Some(10), "{format}: {told:#}");
        assert_eq!(camera["pixel_format"], pixels, "{told:#}");
    }
}
