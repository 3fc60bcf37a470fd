//! USB cameras: listed, recorded as they send, away and back.

use std::path::Path;

use serde_json::Value;
use trials::stats::{camera, list};
use trials::{Rig, clip_of, manifest, until};

use super::descriptors::Model;
use super::numbered_jpeg::NumberedJpeg;
use super::usb_camera::{Faults, UsbCamera};

const MODEL: Model = Model { serial: "A1", width: 320, height: 240, fps: 15 };

/// A camera that is known by its serial number, and a simulated one beside it.
const BY_SERIAL: &str = "\
cameras:
  - { name: usb, backend: v4l2, device: A1, format: MJPG }
  - { name: other, backend: sim, width: 256, height: 64, fps: 15 }
recording: { output_dir: $DIR/recordings, pre_roll_ms: 700 }
";

/// Plugs a camera in and waits for its node.
fn plug(port: u32, model: Model) -> UsbCamera {
    let camera = UsbCamera::plug(port, model);
    until("the camera's node", || nodes().iter().any(|node| node.1.contains("Test camera")).then_some(()));
    camera
}

/// The nodes of cameras that are there: path and name.
fn nodes() -> Vec<(String, String)> {
    let entries = std::fs::read_dir("/sys/class/video4linux").unwrap();
    entries
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            // The others are for metadata, and give no pictures.
            std::fs::read_to_string(folder.join("index")).ok().filter(|index| index.trim() == "0")?;
            let name = std::fs::read_to_string(folder.join("name")).ok()?;
            Some((format!("/dev/{}", folder.file_name()?.to_str()?), name.trim().to_owned()))
        })
        .collect()
}

fn video(clip: &Path, camera: &str) -> Vec<u8> {
    let told = manifest(clip);
    std::fs::read(clip.join(told["cameras"][camera]["file"].as_str().unwrap())).unwrap()
}

fn causes(clip: &Path, camera: &str) -> Vec<String> {
    let told = manifest(clip);
    let gaps = list(&told["cameras"][camera], "gaps").iter();
    gaps.map(|gap| gap["cause"].as_str().unwrap().to_owned()).collect()
}

fn is_live(stats: &Value) -> bool {
    camera(stats, "usb")["state"] == "live"
}

#[test]
#[ignore = "needs the virtual machine: make vm"]
fn a_usb_camera_is_listed_with_a_line_for_the_config() {
    let _camera = plug(0, MODEL);
    let rig = Rig::prepare(BY_SERIAL);
    let listed = rig.command(&["cameras"]).code(0).stdout;
    for part in ["A1", "MJPG", "YUYV", "320x240", "15", "backend: v4l2"] {
        assert!(listed.contains(part), "{part} in {listed}");
    }
}

#[test]
#[ignore = "needs the virtual machine: make vm"]
fn each_jpeg_of_a_usb_camera_comes_into_the_clip_as_it_was_sent() {
    let _camera = plug(0, MODEL);
    let rig = Rig::start(BY_SERIAL);
    let answer = rig.command(&["trigger", "--post-ms", "1000", "--wait"]).code(0).json();
    let clip = clip_of(&answer);
    let numbers = NumberedJpeg::of_size(320, 240).numbers_in(&video(&clip, "usb"));
    let told = manifest(&clip);
    assert_eq!(Some(numbers.len() as u64), told["cameras"]["usb"]["frames_written"].as_u64());
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "one after the other: {numbers:?}");
}

#[test]
#[ignore = "needs the virtual machine: make vm"]
fn a_cut_jpeg_is_a_gap_and_no_frame() {
    let usb = plug(0, MODEL);
    let rig = Rig::start(BY_SERIAL);
    usb.set(Faults { cut_every: 8, ..Faults::default() });
    let answer = rig.command(&["trigger", "--post-ms", "2000", "--wait"]).code(4).json();
    let clip = clip_of(&answer);
    let numbers = NumberedJpeg::of_size(320, 240).numbers_in(&video(&clip, "usb"));
    let causes = causes(&clip, "usb");
    assert!(!causes.is_empty() && causes.iter().all(|cause| cause == "corrupt"), "{causes:?}");
    let missing = |from: u64, to: u64| (from..to).filter(|n| n % 8 == 0).count();
    for pair in numbers.windows(2) {
        // Frames that were sent before the fault began are there, whatever their number.
        let gone = pair[1] - pair[0] - 1;
        assert!(gone == 0 || gone == 1 && missing(pair[0] + 1, pair[1]) == 1, "{numbers:?}");
    }
    let camera = &manifest(&clip)["cameras"]["usb"];
    let (expected, written) = (&camera["frames_expected"], &camera["frames_written"]);
    assert_eq!(expected.as_u64().unwrap() - written.as_u64().unwrap(), causes.len() as u64, "{camera:#}");
    assert_eq!(written.as_u64().unwrap(), numbers.len() as u64, "{camera:#}");
}

#[test]
#[ignore = "needs the virtual machine: make vm"]
fn a_camera_that_is_plugged_in_again_is_live_again_in_the_same_process() {
    let usb = plug(0, MODEL);
    let rig = Rig::start(BY_SERIAL);
    let pid = rig.pid_of("usb");
    let asked = rig.ask(&["trigger", "--post-ms", "6000", "--wait"]);
    until("the clip to be open", || (!rig.clips().is_empty()).then_some(()));
    drop(usb);
    rig.await_stats("the camera to be away", |stats| !is_live(stats));
    let _again = plug(1, MODEL);
    rig.await_stats("the camera to be back", is_live);
    assert_eq!(rig.pid_of("usb"), pid);
    let clip = clip_of(&asked.answer().code(4).json());
    assert_eq!(causes(&clip, "usb"), ["unplugged"]);
    assert!(causes(&clip, "other").is_empty());
}

#[test]
#[ignore = "needs the virtual machine: make vm"]
fn a_silent_camera_is_opened_again_until_it_speaks() {
    let usb = plug(0, MODEL);
    let rig = Rig::start(BY_SERIAL);
    usb.set(Faults { is_silent: true, ..Faults::default() });
    rig.await_stats("the camera to be silent", |stats| !is_live(stats));
    usb.set(Faults::default());
    rig.await_stats("the camera to be back", is_live);
}

#[test]
#[ignore = "needs the virtual machine: make vm"]
fn whoever_has_the_device_is_named_to_the_second() {
    let _usb = plug(0, MODEL);
    let first = Rig::start(BY_SERIAL);
    let mut second = Rig::prepare(BY_SERIAL);
    second.launch(&[]);
    let stats = second.await_stats("a reason", |stats| camera(stats, "usb")["reason"].is_string());
    let reason = camera(&stats, "usb")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(&first.pid_of("usb").to_string()), "{reason}");
}

#[test]
#[ignore = "needs the virtual machine: make vm"]
fn two_cameras_with_one_serial_are_refused_with_both_ports() {
    let _one = plug(0, MODEL);
    let _other = plug(1, MODEL);
    until("both nodes", || {
        (nodes().iter().filter(|node| node.1.contains("Test camera")).count() >= 2).then_some(())
    });
    let rig = Rig::prepare(BY_SERIAL);
    let told = rig.command(&["check", "--config", rig.config().to_str().unwrap()]);
    let text = format!("{}{}", told.stdout, told.stderr);
    assert!(text.contains("1-1") && text.contains("1-2"), "{text}");
}
