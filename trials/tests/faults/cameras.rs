//! Cameras: captures killed in the middle of a frame, cameras that are unplugged, fall silent, freeze, go black or give
//! frames of another size.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use proto::process::Pid;
use rustix::process::Signal;
use serde_json::{Value, json};
use trials::{Dice, Rig, TWO_CAMERAS, camera, kill, list, pid_in, until};

/// Kills of captures in one clip, and how many of them have to be inside a write.
const KILLS: u64 = 30;
const INSIDE: u64 = 20;
/// Where slot states begin, by docs/formats.md; one in 64 bytes, with this bit while it is being written.
const STATES_AT: u64 = 4096;
const WRITING: u64 = 1 << 23;

/// Two cameras of which the left has these faults, up and filming.
fn with_faults(faults: &str) -> Rig {
    let left = format!("name: left, backend: sim, faults: {{ {faults} }}");
    let mut rig = Rig::prepare(&TWO_CAMERAS.replace("name: left, backend: sim", &left));
    rig.launch(&[]);
    rig.await_stats("both cameras", |s| list(s, "cameras").iter().all(|c| c["state"] == "live"));
    rig
}

fn missing(counts: &Value) -> u64 {
    list(counts, "gaps").iter().map(|gap| gap["missing"].as_u64().unwrap()).sum()
}

/// Asserts that the other camera has all of its frames.
#[track_caller]
fn assert_right_is_whole(answer: &Value) {
    assert_eq!(answer["cameras"]["right"]["gaps"], json!([]), "{answer:#}");
}

fn is_stopped(pid: Pid) -> bool {
    rig::process::state(pid).is_none_or(|state| state == 'T')
}

/// Is a frame of this ring half written?
fn is_in_a_write(segment: &File, slots: usize) -> bool {
    let mut states = vec![0; slots * 64];
    segment.read_exact_at(&mut states, STATES_AT).unwrap();
    states.chunks(64).any(|state| u64::from_ne_bytes(state[..8].try_into().unwrap()) & WRITING != 0)
}

/// Stops a capture in the middle of a frame. Looks without a pause, since a frame takes a hundredth of the time to write.
fn stop_in_a_write(capture: Pid, segment: &File, slots: usize) {
    until("a frame to be half written", || {
        if !(0..100_000).any(|_| is_in_a_write(segment, slots)) {
            return None;
        }
        kill(capture, Signal::STOP);
        while !is_stopped(capture) {
            std::thread::yield_now();
        }
        // It may have come to the frame's end meanwhile.
        let caught = is_in_a_write(segment, slots);
        if !caught {
            kill(capture, Signal::CONT);
        }
        caught.then_some(())
    });
}

#[test]
fn f04_a_capture_killed_inside_a_write_tears_no_frame_and_its_gap_is_declared_to_the_frame() {
    // Large frames take long to write.
    let config =
        TWO_CAMERAS.replace("name: left, backend: sim", "name: left, width: 640, height: 384, backend: sim");
    let rig = Rig::start(&config);
    let right = rig.pid_of("right");
    let stats = rig.stats();
    let slots = usize::try_from(camera(&stats, "left")["ring"]["slots"].as_u64().unwrap()).unwrap();
    let segment = rig.segments().into_iter().find(|s| s.to_str().unwrap().ends_with("-left")).unwrap();
    let states = File::open(&segment).unwrap();
    let inode = segment.metadata().unwrap().ino();
    let mut dice = Dice::of_environment();
    // Ended by hand, once enough captures have died in it.
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "600000"]);
    let clip = until("the clip", || rig.clips().into_iter().next());
    rig.await_frames(&clip, "left", 35);
    let mut victim = rig.pid_of("left");
    for round in 0..KILLS {
        dice.pause(60);
        if round < INSIDE {
            stop_in_a_write(victim, &states, slots);
        }
        kill(victim, Signal::KILL);
        let stats = rig.await_stats("another capture", |s| {
            pid_in(s, "left").is_some_and(|pid| pid != victim) && camera(s, "left")["state"] == "live"
        });
        victim = pid_in(&stats, "left").unwrap();
    }
    let stats = rig.stats();
    assert_eq!(camera(&stats, "left")["epoch"], KILLS + 1);
    assert_eq!(
        (&camera(&stats, "left")["ring"]["rebuilt"], segment.metadata().unwrap().ino()),
        (&json!(0), inode)
    );
    assert_eq!(pid_in(&stats, "right"), Some(right));
    let mut rig = rig;
    kill(rig.supervisor_pid(), Signal::TERM);
    let answer = trigger.answer().code(4).json();
    assert!(rig.await_end().success());
    let left = &answer["cameras"]["left"];
    assert!(list(left, "gaps").iter().all(|gap| gap["cause"] == "capture_restart"), "{left:#}");
    assert_eq!(left["frames_expected"], left["frames_written"].as_u64().unwrap() + missing(left));
    assert_right_is_whole(&answer);
    // The oracle has looked at both ends of every picture.
    println!("{}", rig.assert_true());
}

#[test]
fn f31_a_camera_that_is_unplugged_is_shown_and_comes_back_by_itself() {
    let rig = with_faults("unplug_after_frames: 240, unplug_ms: 1000");
    let captures = rig.children()[..2].to_vec();
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "8000"]);
    let stats = rig.await_stats("the camera to be missed", |s| camera(s, "left")["state"] == "failed");
    assert!(camera(&stats, "left")["reason"].as_str().unwrap().contains("unplugged"), "{stats:#}");
    assert_eq!((&stats["state"], &stats["health"]["status"]), (&json!("degraded"), &json!("attention")));
    let stats = rig.await_stats("the camera to be back", |s| camera(s, "left")["state"] == "live");
    assert_eq!(camera(&stats, "left")["epoch"], 1, "it is opened again by the same process");
    let answer = trigger.answer().code(4).json();
    let left = &answer["cameras"]["left"];
    let [gap] = list(left, "gaps") else { panic!("one gap: {left:#}") };
    assert_eq!(gap["cause"], "unplugged");
    assert!(missing(left) >= 59, "a second at 60 fps: {left:#}");
    assert_eq!(rig.children()[..2], captures);
    assert_right_is_whole(&answer);
    rig.assert_true();
}

#[test]
fn f32_a_camera_that_falls_silent_is_flagged_and_delivers_again() {
    let rig = with_faults("stall_after_frames: 240, stall_ms: 3500");
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "9000"]);
    let stats = rig.await_stats("the camera to be flagged", |s| camera(s, "left")["state"] == "silent");
    assert_eq!(stats["state"], "degraded");
    let pid = pid_in(&stats, "left");
    let stats = rig.await_stats("the camera to deliver again", |s| camera(s, "left")["state"] == "live");
    assert_eq!(pid_in(&stats, "left"), pid, "nothing was wrong with the process");
    let answer = trigger.answer().code(4).json();
    let left = &answer["cameras"]["left"];
    assert!(list(left, "gaps").iter().all(|gap| gap["cause"] == "camera_stall"), "{left:#}");
    assert!(missing(left) >= 205, "3.5 s at 60 fps: {left:#}");
    assert_right_is_whole(&answer);
    rig.assert_true();
}

/// A camera whose pictures are worth nothing is flagged, and recorded all the same.
fn pictures_worth_nothing(faults: &str, reason: &str) {
    let rig = with_faults(faults);
    let stats = rig.await_stats("the camera to be flagged", |s| camera(s, "left")["state"] == "frozen");
    assert_eq!(camera(&stats, "left")["reason"], reason);
    assert_eq!(stats["state"], "degraded");
    let reasons = list(&stats["health"], "reasons");
    assert!(reasons.iter().any(|r| r.as_str().unwrap().contains(reason)), "{reasons:?}");
    let answer = rig.command(&["trigger", "--wait", "--post-ms", "200"]).code(0).json();
    assert_eq!(answer["cameras"]["left"]["frames_expected"], answer["cameras"]["left"]["frames_written"]);
    assert_right_is_whole(&answer);
    let stats = rig.await_stats("the picture to change", |s| camera(s, "left")["state"] == "live");
    assert_eq!(camera(&stats, "left")["epoch"], 1);
}

#[test]
fn f33_a_camera_that_freezes_is_flagged() {
    pictures_worth_nothing("freeze_after_frames: 120, freeze_ms: 6000", "the same picture again and again");
}

#[test]
fn f33_a_camera_that_goes_black_is_flagged() {
    pictures_worth_nothing(
        "black_after_frames: 120, black_ms: 6000",
        "the same black picture again and again",
    );
}

#[test]
fn f33_frames_of_another_size_are_refused_and_recorded_again_once_they_fit() {
    let rig = with_faults("resize_after_frames: 240, resize_ms: 1000");
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "8000"]);
    let stats = rig.await_stats("the camera to be refused", |s| camera(s, "left")["state"] == "failed");
    let reason = camera(&stats, "left")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("640x384") && reason.contains("320x192"), "{reason}");
    rig.await_stats("frames that fit", |s| camera(s, "left")["state"] == "live");
    let answer = trigger.answer().code(4).json();
    assert!(missing(&answer["cameras"]["left"]) >= 59, "a second at 60 fps: {answer:#}");
    assert_right_is_whole(&answer);
    rig.assert_true();
}
