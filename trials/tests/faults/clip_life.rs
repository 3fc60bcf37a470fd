//! The recorder, or the supervisor, killed at each step of a clip's life.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;
use trials::{Dice, Rig, TWO_CAMERAS, clip_of, finished, kill, list, manifest, no_failpoints, until};

/// Every step, in order. A clip of 400 ms has 24 frames of each camera.
const STEPS: [&str; 32] = [
    "clip.taken_on",
    "encoder.opened:/left",
    "part.journal:/left",
    "part.begun:/left",
    "disk.write:/left.part1.mp4",
    "part.line:/left",
    "part.packet:/left",
    "part.line:/right@7",
    "part.packet:/right@9",
    "clip.closing",
    "clip.closed",
    "take.over:/left",
    "take.finished:/right",
    "finish.linked:/left",
    "join.begun",
    "finish.index:/left",
    "finish.toggled:/right",
    "disk.write:ready/left.mp4",
    "join.video:/right",
    "join.csv:/left",
    "disk.fsync:ready/right.mp4",
    "join.synced:/left",
    "disk.rename:/left.mp4",
    "publish.renamed:/left.mp4",
    "publish.renamed:/right_timestamps",
    "disk.write:manifest",
    "disk.fsync:manifest",
    "disk.rename:manifest",
    "disk.renamed:manifest",
    "manifest.written",
    "clear.removed",
    "clear.plan",
];

/// Every step of a clip whose H.264 is encoded up to a key frame and copied from there on: two parts, which are joined.
const STEPS_OF_A_CUT: [&str; 20] = [
    "encoder.opened:/left.part1",
    "part.begun:/left.part1",
    "part.line:/left.part1",
    "part.packet:/left.part1",
    "part.packet:/left.part1@3",
    "take.cut:/left",
    "take.cut_off:/left",
    "encoder.opened:/left.part2",
    "part.journal:/left.part2",
    "part.begun:/left.part2",
    "part.line:/left.part2",
    "disk.write:/left.part2.mp4",
    "part.packet:/left.part2",
    "part.line:/left.part2@4",
    "part.packet:/left.part2@9",
    "take.over:/left",
    "join.begun",
    "disk.write:ready/left.mp4",
    "join.synced:/left",
    "publish.renamed:/left.mp4",
];

/// Steps of a clip whose H.264 is in it as it came, in frames from before the window and in its own.
const STEPS_OF_A_COPY: [&str; 7] = [
    "part.begun:/left",
    "part.packet:/left",
    "part.line:/left@7",
    "part.packet:/right@20",
    "take.over:/left",
    "finish.toggled:/right",
    "join.synced:/left",
];

/// Those that a recorder which takes over doesn't come to again.
const ONCE: [&str; 5] = [
    "disk.write:/left.part1.mp4",
    "clip.closed",
    "finish.toggled:/right",
    "disk.renamed:manifest",
    "manifest.written",
];

/// The cameras of a rig whose recorder is killed.
#[derive(Clone, Copy)]
enum Kind {
    Encoded,
    /// Their JPEGs are copied.
    Copied,
    /// Their H.264 is copied from a key frame on.
    Cut,
    /// Their H.264 is in clips as it came.
    Verbatim,
}

impl Kind {
    fn start(self) -> Rig {
        Rig::start(&match self {
            Self::Encoded => TWO_CAMERAS.to_owned(),
            Self::Copied => TWO_CAMERAS.replace("backend: sim,", "backend: sim, payload: jpeg,"),
            // 18 frames: each clip has one at least.
            Self::Cut => TWO_CAMERAS.replace("backend: sim,", "backend: sim, payload: h264, gop_ms: 300,"),
            Self::Verbatim => TWO_CAMERAS
                .replace("backend: sim,", "backend: sim, payload: h264, gop_ms: 500, clip: verbatim,"),
        })
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Encoded | Self::Cut | Self::Verbatim => ".mp4",
            Self::Copied => ".mov",
        }
    }
}

/// Takes a clip while the recorder is killed at this point, so often.
#[track_caller]
fn clip_killed_at(rig: &Rig, kind: Kind, step: &str, times: u32) {
    let step = step.replace(".mp4", kind.extension());
    let entry = format!("{step}=kill*{times}");
    rig.arm(&entry);
    let answer = rig.command(&["trigger", "--wait", "--pre-ms", "200", "--post-ms", "200"]);
    println!("{entry}");
    let clip = clip_of(&answer.code(0).json());
    rig.await_happened(&entry, times);
    assert_whole(&clip, kind);
}

/// One file a camera, with nothing of its making left.
#[track_caller]
fn assert_whole(clip: &Path, kind: Kind) {
    let files = [
        "SHA256SUMS",
        "left.mp4",
        "left_poster.jpg",
        "left_timestamps.csv",
        "manifest.json",
        "right.mp4",
        "right_poster.jpg",
        "right_timestamps.csv",
    ];
    assert_eq!(finished(clip), files.map(|file| file.replace(".mp4", kind.extension())).into());
    let manifest = manifest(clip);
    assert_eq!(manifest["complete"], true);
    for (name, camera) in manifest["cameras"].as_object().unwrap() {
        assert_eq!(list(camera, "files"), [format!("{name}{}", kind.extension())]);
    }
}

#[test]
fn f02_a_recorder_killed_at_any_step_of_a_clip_loses_no_frame() {
    if no_failpoints() {
        return;
    }
    let rig = Kind::Encoded.start();
    clip_killed_at(&rig, Kind::Encoded, "clip.told", 1);
    for step in STEPS {
        clip_killed_at(&rig, Kind::Encoded, step, 1);
    }
    assert_eq!(rig.assert_complete().clips.len(), STEPS.len() + 1);
}

#[test]
fn f02_a_recorder_killed_at_any_step_of_a_copied_clip_loses_no_frame() {
    if no_failpoints() {
        return;
    }
    let rig = Kind::Copied.start();
    for step in STEPS {
        clip_killed_at(&rig, Kind::Copied, step, 1);
    }
    assert_eq!(rig.assert_complete().clips.len(), STEPS.len());
}

#[test]
fn f02_a_recorder_killed_at_any_step_of_a_cut_loses_no_frame() {
    if no_failpoints() {
        return;
    }
    let rig = Kind::Cut.start();
    // The oldest frames have their key frame in the ring.
    rig.await_stats("a key frame before the window", |stats| {
        let reaches = |camera: &Value| camera["ring"]["reach_ms"].as_f64() > Some(700.0);
        list(stats, "cameras").iter().all(reaches)
    });
    let mut clips = 0;
    for step in STEPS_OF_A_CUT {
        let entry = format!("{step}=kill*1");
        rig.arm(&entry);
        // A clip that begins with a key frame has no cut.
        while !rig.happened(&entry, 1) {
            println!("{entry}");
            let answer = rig.command(&["trigger", "--wait", "--pre-ms", "200", "--post-ms", "200"]);
            assert_whole(&clip_of(&answer.code(0).json()), Kind::Cut);
            clips += 1;
            assert!(clips <= 2 * STEPS_OF_A_CUT.len(), "{entry} does not happen");
        }
    }
    assert_eq!(rig.assert_complete().clips.len(), clips);
}

#[test]
fn f02_a_recorder_killed_at_any_step_of_a_verbatim_clip_loses_no_frame() {
    if no_failpoints() {
        return;
    }
    let rig = Kind::Verbatim.start();
    for step in STEPS_OF_A_COPY {
        clip_killed_at(&rig, Kind::Verbatim, step, 1);
    }
    assert_eq!(rig.assert_complete().clips.len(), STEPS_OF_A_COPY.len());
    let lead_in = |clip: &PathBuf| manifest(clip)["cameras"]["left"]["lead_in_frames"].as_u64();
    assert!(
        rig.clips().iter().any(|clip| lead_in(clip) > Some(0)),
        "no window begins between two key frames"
    );
}

#[test]
fn f03_a_recorder_killed_twice_at_the_same_step_loses_no_frame() {
    if no_failpoints() {
        return;
    }
    let rig = Kind::Encoded.start();
    for step in STEPS.iter().filter(|step| !ONCE.contains(step)) {
        clip_killed_at(&rig, Kind::Encoded, step, 2);
    }
    rig.assert_complete();
}

#[test]
fn f39_a_clip_exists_though_its_recorder_is_killed_right_after_the_trigger() {
    let rig = Rig::start(TWO_CAMERAS);
    let mut dice = Dice::of_environment();
    for _ in 0..5 {
        let clip = clip_of(&rig.command(&["trigger", "--post-ms", "200"]).code(0).json());
        let ms = dice.pause(50);
        kill(rig.pid_of("recorder"), Signal::KILL);
        println!("killed {ms} ms after the answer");
        rig.await_manifest(&clip);
        assert_whole(&clip, Kind::Encoded);
    }
    rig.assert_complete();
}

#[test]
fn f39_a_plan_outlives_the_supervisor_that_told_nobody_of_it() {
    if no_failpoints() {
        return;
    }
    let mut rig = Rig::start(TWO_CAMERAS);
    for (number, step) in ["plan.written", "plan.synced"].into_iter().enumerate() {
        rig.arm(&format!("{step}=kill"));
        let trigger = rig.ask(&["trigger", "--wait"]);
        rig.await_end();
        // Nothing was promised: whoever asked knows that there is no answer.
        assert_ne!(trigger.answer().code, Some(0));
        rig.launch(&[]);
        let clip = until("the clip", || rig.clips().into_iter().nth(number));
        rig.await_manifest(&clip);
        assert_whole(&clip, Kind::Encoded);
        rig.await_ready();
    }
    rig.assert_complete();
}

#[test]
fn f39_a_supervisor_killed_before_the_plan_is_there_leaves_no_clip_behind() {
    if no_failpoints() {
        return;
    }
    let mut rig = Rig::start(TWO_CAMERAS);
    for step in ["plan.folder", "disk.write:plan.json", "disk.rename:plan.json"] {
        rig.arm(&format!("{step}=kill"));
        let trigger = rig.ask(&["trigger", "--wait"]);
        rig.await_end();
        assert_ne!(trigger.answer().code, Some(0));
        rig.launch(&[]);
        rig.await_ready();
        assert!(rig.clips().is_empty(), "{step}: {:?}", rig.clips());
    }
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}

#[test]
fn f39_a_trigger_that_comes_to_a_stop_is_recorded_or_refused() {
    if no_failpoints() {
        return;
    }
    for delay in [0, 150, 350, 3000] {
        let mut rig = Rig::start(TWO_CAMERAS);
        let entry = format!("plan.folder=sleep({delay})");
        rig.arm(&entry);
        let trigger = rig.ask(&["trigger", "--wait"]);
        rig.await_happened(&entry, 1);
        kill(rig.supervisor_pid(), Signal::TERM);
        rig.await_end();
        rig.assert_nothing_left();
        let answer = trigger.answer();
        match answer.code {
            Some(0 | 4) => {
                let clip = clip_of(&answer.json());
                let written = manifest(&clip)["cameras"]["left"]["frames_written"].as_u64();
                assert!(written > Some(0), "after {delay} ms: {answer:#?}");
            }
            _ => {
                answer.code(1);
                assert!(rig.clips().is_empty(), "after {delay} ms: {:?}", rig.clips());
            }
        }
    }
}
