//! Encoders and disks that are late: frames wait in the backlog, and none is lost.

use std::path::PathBuf;

use proto::backlog::is_backlog;
use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, clip_of, kill, list, manifest, no_failpoints};

/// Each step of the mover.
const STEPS: [&str; 6] = [
    "mover.segment_made",
    "mover.leased",
    "mover.half_copied",
    "mover.committed",
    "mover.released",
    "mover.given_back",
];

/// Cameras that the mover has soon to help: the reserve is the default's.
fn with_the_default_reserve() -> String {
    TWO_CAMERAS.replace("  reserve_ms: 4000\n", "")
}

/// 25 frames a second of the left camera's 60, at whatever preset.
const SLOW: &str = "encoder.encode:libx264:/left=sleep(40)*9999";

/// The segments of this rig's backlog.
fn segments(rig: &Rig) -> Vec<PathBuf> {
    let mut segments = rig.segments();
    segments.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_backlog));
    segments
}

fn backlog(rig: &Rig, key: &str) -> u64 {
    rig.stats()["recorder"]["backlog"][key].as_u64().unwrap()
}

/// Nothing is missing, each camera has one file, and the backlog's memory is given back.
#[track_caller]
fn assert_whole_and_given_back(rig: &Rig, answer: &Value) {
    let manifest = manifest(&clip_of(answer));
    assert_eq!(manifest["complete"], true, "{manifest:#}");
    for camera in ["left", "right"] {
        assert_eq!(list(&manifest["cameras"][camera], "files").len(), 1, "{manifest:#}");
    }
    rig.assert_complete();
    rig.await_stats("the backlog to be given back", |stats| stats["recorder"]["backlog"]["bytes"] == 0);
    assert_eq!(segments(rig), Vec::<PathBuf>::new());
}

#[test]
fn f62_an_encoder_that_is_too_slow_costs_time_and_no_frame() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(&with_the_default_reserve());
    rig.arm(SLOW);
    let answer = rig.command(&["trigger", "--wait", "--post-ms", "3000"]).code(0).json();
    assert!(backlog(&rig, "moved_frames") > 60, "{:#}", rig.stats()["recorder"]);
    assert_whole_and_given_back(&rig, &answer);
}

#[test]
fn f62_a_recorder_killed_at_any_step_of_the_mover_loses_no_frame() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(&with_the_default_reserve());
    for step in STEPS {
        let entry = format!("{step}:left@2=kill");
        // The second segment, since the first is made with the first frame.
        rig.arm(&format!("{entry}\n{SLOW}"));
        let answer = rig.command(&["trigger", "--wait", "--post-ms", "3000"]).code(0).json();
        println!("{entry}");
        rig.await_happened(&entry, 1);
        let manifest = manifest(&clip_of(&answer));
        assert_eq!(manifest["complete"], true, "{entry}: {manifest:#}");
        rig.await_stats("the backlog to be given back", |stats| stats["recorder"]["backlog"]["bytes"] == 0);
        assert_eq!(segments(&rig), Vec::<PathBuf>::new(), "{entry}");
    }
    rig.assert_complete();
}

#[test]
fn f62_overlapping_clips_share_a_backlog_that_outlives_a_killed_recorder() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(&with_the_default_reserve());
    rig.arm(SLOW);
    let first = rig.ask(&["trigger", "--wait", "--post-ms", "2500"]);
    rig.await_stats("frames to be moved", |s| s["recorder"]["backlog"]["moved_frames"].as_u64() > Some(20));
    let second = rig.ask(&["trigger", "--wait", "--post-ms", "1500"]);
    rig.await_stats("both clips", |s| s["recorder"]["clips_open"] == 2);
    kill(rig.pid_of("recorder"), Signal::KILL);
    let answers = [first, second].map(|asked| asked.answer().code(0).json());
    for answer in &answers {
        assert_whole_and_given_back(&rig, answer);
    }
}

#[test]
fn f62_a_full_backlog_makes_the_encoder_faster_and_what_is_lost_all_the_same_is_declared() {
    if no_failpoints() {
        return;
    }
    // Room for some 30 frames.
    let config = format!("{}  backlog_bytes: 3000000\n", with_the_default_reserve());
    let rig = Rig::start(&config);
    rig.arm(SLOW);
    let answer = rig.command(&["trigger", "--wait", "--post-ms", "4000"]).json();
    rig.await_log("is too slow just now");
    let manifest = manifest(&clip_of(&answer));
    let gaps = list(&manifest["cameras"]["left"], "gaps");
    assert!(!gaps.is_empty(), "{manifest:#}");
    assert!(gaps.iter().all(|gap| gap["cause"] == "backlog_full"), "{gaps:#?}");
    assert_eq!(list(&manifest["cameras"]["right"], "gaps").len(), 0, "{manifest:#}");
    rig.assert_true();
}

#[test]
fn f62_an_ordinary_clip_moves_no_frame() {
    let config = TWO_CAMERAS.replace("reserve_ms: 4000", "pre_roll_ms: 4000");
    let rig = Rig::start(&config);
    for _ in 0..3 {
        // The ring has the rest of its pre-roll, more than three seconds, before the reserve begins.
        let answer =
            rig.command(&["trigger", "--wait", "--pre-ms", "300", "--post-ms", "300"]).code(0).json();
        assert_eq!(manifest(&clip_of(&answer))["complete"], true);
    }
    assert_eq!((backlog(&rig, "moved_frames"), backlog(&rig, "bytes")), (0, 0));
    assert_eq!(segments(&rig), Vec::<PathBuf>::new());
}
