//! Clips whose window grows, ends early or begins later, and clips over each other, with the recorder killed meanwhile.

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;
use trials::{Dice, Rig, TWO_CAMERAS, clip_of, kill, manifest, no_failpoints, pid_in, until};

/// The steps from the end of a begun trigger to its finished clip: its last frames are left out at each of them.
const STEPS: [&str; 8] = [
    "clip.closing",
    "clip.closed",
    "take.over:/left",
    "join.begun",
    "finish.index:/left",
    "finish.toggled:/right",
    "join.csv:/left",
    "disk.rename:manifest",
];

/// The cameras of a rig.
const KINDS: [(&str, &str); 3] = [
    ("backend: sim,", "backend: sim,"),
    ("backend: sim,", "backend: sim, payload: jpeg,"),
    ("backend: sim,", "backend: sim, payload: h264, gop_ms: 300,"),
];

fn begin(rig: &Rig) -> (PathBuf, String) {
    let answer = rig.command(&["trigger", "--begin", "--pre-ms", "200"]).code(0).json();
    (clip_of(&answer), answer["trigger_id"].as_str().unwrap().to_owned())
}

/// The newest capture time in a manifest, and the window's end.
fn ends(manifest: &Value) -> Vec<(u64, u64)> {
    let end = manifest["window"]["end_ns"].as_u64().unwrap();
    let last = |camera: &Value| camera["last_frame_ns"].as_u64().unwrap();
    manifest["cameras"].as_object().unwrap().values().map(|camera| (last(camera), end)).collect()
}

#[test]
fn f93_a_recorder_killed_at_any_step_of_ending_a_begun_clip_loses_no_frame_and_keeps_none_too_many() {
    if no_failpoints() {
        return;
    }
    for (from, to) in KINDS {
        let rig = Rig::start(&TWO_CAMERAS.replace(from, to));
        rig.await_stats("a key frame before the window", |stats| {
            let reaches = |camera: &Value| camera["ring"]["reach_ms"].as_f64() > Some(700.0);
            trials::list(stats, "cameras").iter().all(reaches)
        });
        for step in STEPS {
            let (clip, id) = begin(&rig);
            // So many frames that some lie behind the end.
            rig.await_frames(&clip, "left", 50);
            rig.await_frames(&clip, "right", 50);
            let entry = format!("{step}=kill");
            rig.arm(&entry);
            rig.command(&["trigger", "--end", &id, "--ago", "300", "--wait"]).code(0);
            println!("{to} {step}");
            // A part that was cut, or several, are joined: then there is no index to be put behind one.
            assert!(rig.happened(&entry, 1) || step.starts_with("finish."), "{entry} does not happen");
            for (last, end) in ends(&manifest(&clip)) {
                assert!(last <= end && end - last < 50_000_000, "{step}: {last} {end}");
            }
        }
        rig.assert_complete();
    }
}

#[test]
fn f94_a_begun_clip_outlives_its_recorder_and_ends_where_it_is_told_to() {
    let rig = Rig::start(TWO_CAMERAS);
    let mut dice = Dice::of_environment();
    for _ in 0..3 {
        let (clip, id) = begin(&rig);
        dice.pause(400);
        let before = rig.pid_of("recorder");
        kill(before, Signal::KILL);
        rig.await_stats("another recorder", |s| pid_in(s, "recorder").is_some_and(|pid| pid != before));
        rig.await_frames(&clip, "left", 40);
        rig.command(&["trigger", "--end", &id, "--ago", "150", "--wait"]).code(0);
        let manifest = manifest(&clip);
        assert_eq!(manifest["triggers"][0]["kind"], "begin");
        assert_eq!(manifest["triggers"][0]["end_ns"], manifest["window"]["end_ns"]);
    }
    rig.assert_complete();
}

#[test]
fn f94_a_begun_clip_outlives_everybody_and_is_ended_by_the_next_start() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let (clip, id) = begin(&rig);
    rig.await_frames(&clip, "left", 30);
    kill(rig.pid_of("recorder"), Signal::KILL);
    rig.kill_supervisor();
    rig.launch(&[]);
    rig.await_ready();
    rig.command(&["trigger", "--end", &id, "--wait"]).code(0);
    rig.assert_complete();
}

#[test]
fn f99_sixteen_clips_over_each_other_are_all_exact() {
    for config in [
        format!("{TWO_CAMERAS}  max_open_clips: 16\n"),
        // Its encoder keeps each frame until it has the next.
        format!("{TWO_CAMERAS}  max_open_clips: 16\n  preferred_codec: MP4V\n"),
    ] {
        let rig = Rig::start(&config.replace("320, height: 192", "256, height: 128"));
        let begun: Vec<String> = (0..4).map(|_| begin(&rig).1).collect();
        let asked: Vec<_> = (0..12_u64)
            .map(|n| {
                let post = (2000 + n * 100).to_string();
                rig.ask(&["trigger", "--pre-ms", "300", "--post-ms", &post, "--wait"])
            })
            .collect();
        until("all of them to be open", || (rig.stats()["recorder"]["clips_open"] == 16).then_some(()));
        for (n, id) in begun.iter().enumerate() {
            // No further back than they were begun.
            let ago = (n * 10).to_string();
            rig.command(&["trigger", "--end", id, "--ago", &ago, "--wait"]).code(0);
        }
        asked.into_iter().for_each(|trigger| drop(trigger.answer().code(0)));
        assert_eq!(rig.assert_complete().clips.len(), 16);
    }
}

#[test]
fn f90_a_window_in_the_future_is_awaited_and_outlives_its_recorder() {
    let rig = Rig::start(TWO_CAMERAS);
    let at = (proto::time::MonotonicNs::now() + std::time::Duration::from_millis(2500)).0.to_string();
    let trigger = rig.ask(&["trigger", "--at", &at, "--pre-ms", "500", "--post-ms", "300", "--wait"]);
    let clip = until("the clip", || rig.clips().into_iter().next());
    kill(rig.pid_of("recorder"), Signal::KILL);
    assert_eq!(trials::recorded(&clip, "left"), 0, "nothing is recorded before it begins");
    trigger.answer().code(0);
    let manifest = manifest(&clip);
    assert_eq!(manifest["trigger_ns"].to_string(), at);
    rig.assert_complete();
}
