//! Streams of H.264 whose frames are lost or broken on their way: what is lost is declared with its cause, and what can't be
//! right without it is called damaged, up to the next key frame.

use rustix::fs::{CWD, FileType, mknodat};
use serde_json::{Value, json};
use trials::access_units::{StreamCodec, UnitWriter, Wanted, fill_up, lose_first_slice, stamped};
use trials::{Rig, clip_of, list, manifest};

/// The rows that a camera's part of a manifest calls damaged, with their causes.
fn damaged(camera: &Value) -> Vec<(u64, u64, &str)> {
    let row = |row: &Value| row.as_u64().unwrap();
    list(camera, "damaged")
        .iter()
        .map(|rows| (row(&rows[0]), row(&rows[1]), rows[2].as_str().unwrap()))
        .collect()
}

/// The flags in a camera's rows.
fn flags(clip: &std::path::Path, camera: &str) -> Vec<String> {
    let text = std::fs::read_to_string(clip.join(format!("{camera}_timestamps.csv"))).unwrap();
    text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().to_owned()).collect()
}

/// Asserts that rows are marked `d` where the manifest says so, and nowhere else.
#[track_caller]
fn assert_marked(clip: &std::path::Path, name: &str, camera: &Value) {
    let damaged = damaged(camera);
    for (row, flags) in (0..).zip(flags(clip, name)) {
        let is_damaged = damaged.iter().any(|(first, last, _)| (*first..=*last).contains(&row));
        assert_eq!(flags.contains('d'), is_damaged, "row {row}: {camera:#}");
    }
}

#[test]
fn f119_frames_behind_a_lost_one_are_called_damaged_up_to_the_next_key_frame() {
    let camera = "backend: sim, payload: h264, gop_ms: 500, width: 320, height: 192, fps: 60, faults: { drop_every: 70 }";
    let rig = Rig::start(&format!(
        "cameras:
  - {{ name: left, {camera}, truth_log: $DIR/left.truth }}
  - {{ name: right, {camera}, clip: exact, truth_log: $DIR/right.truth }}
recording: {{ output_dir: $DIR/recordings, reserve_ms: 4000 }}
"
    ));
    // Frames before a camera's first key frame can't be decoded.
    rig.await_stats("some groups", |stats| {
        list(stats, "cameras").iter().all(|camera| camera["captured_frames"].as_u64() > Some(100))
    });
    let answer = rig.command(&["trigger", "--wait", "--post-ms", "3000"]).code(4).json();
    let clip = clip_of(&answer);
    let manifest = manifest(&clip);
    for name in ["left", "right"] {
        let camera = &manifest["cameras"][name];
        let gaps = list(camera, "gaps");
        let is_lost = |gap: &Value| gap["cause"] == "camera_drop" && gap["missing"] == 1;
        assert!(gaps.len() >= 2 && gaps.iter().all(is_lost), "{camera:#}");
        let damaged = damaged(camera);
        assert!(damaged.iter().any(|(_, _, cause)| *cause == "camera_drop"), "{camera:#}");
        // A group of frames has 30.
        assert!(damaged.iter().all(|(first, last, _)| last - first < 30), "{camera:#}");
        assert_marked(&clip, name, camera);
    }
    println!("{}", rig.assert_true());
}

#[test]
fn f119_frames_that_come_broken_or_too_large_are_declared_and_the_rest_of_their_group_is_called_damaged() {
    let parameters = "keyint=30:min-keyint=30:bframes=0:slices=2";
    let wanted = Wanted { codec: StreamCodec::H264, size: (320, 192), numbers: 0..600, parameters };
    let mut units = stamped(&wanted);
    for group in (30..540).step_by(60) {
        lose_first_slice(&mut units[group + 12]);
        fill_up(&mut units[group + 30 + 20], 200_000);
    }
    let mut rig = Rig::prepare(
        "cameras:
  - { name: gate, backend: pipe, path: $DIR/gate.fifo, format: h264, max_frame_bytes: 100000 }
recording: { output_dir: $DIR/recordings, reserve_ms: 4000 }
",
    );
    mknodat(CWD, rig.path("gate.fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
    rig.launch(&[]);
    let _writer = UnitWriter::start(&rig.path("gate.fifo"), units, 30);
    rig.await_stats("the pipe", |stats| {
        list(stats, "cameras").iter().all(|camera| camera["captured_frames"].as_u64() > Some(70))
    });
    let answer = rig.command(&["trigger", "--wait", "--pre-ms", "1000", "--post-ms", "4000"]).code(4).json();
    let clip = clip_of(&answer);
    let gate = &manifest(&clip)["cameras"]["gate"];
    let mut causes: Vec<&Value> = list(gate, "gaps").iter().map(|gap| &gap["cause"]).collect();
    causes.dedup();
    assert!(list(gate, "gaps").iter().all(|gap| gap["missing"] == 1), "{gate:#}");
    assert!(causes.contains(&&json!("corrupt")) && causes.contains(&&json!("too_large")), "{gate:#}");
    let damaged = damaged(gate);
    for (cause, rest) in [("corrupt", 17), ("too_large", 9)] {
        let rows: Vec<_> = damaged.iter().filter(|(_, _, its)| *its == cause).collect();
        assert!(
            !rows.is_empty() && rows.iter().all(|(first, last, _)| last - first < rest),
            "{cause}: {gate:#}"
        );
        // The window may end in the middle of one.
        assert!(rows.iter().any(|(first, last, _)| last - first + 1 == rest), "{cause}: {gate:#}");
    }
    assert_marked(&clip, "gate", gate);
    println!("{}", rig.assert_true());
}

#[test]
fn f118_a_stream_that_changes_its_size_goes_on_in_clips_of_the_new_size() {
    let stream = |size, numbers| {
        stamped(&Wanted { codec: StreamCodec::H264, size, numbers, parameters: "keyint=30:bframes=0" })
    };
    let units = [stream((320, 192), 0..150), stream((480, 256), 150..600)].concat();
    let mut rig = Rig::prepare(
        "cameras:
  - { name: gate, backend: pipe, path: $DIR/gate.fifo, format: h264 }
recording: { output_dir: $DIR/recordings, reserve_ms: 4000 }
",
    );
    mknodat(CWD, rig.path("gate.fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
    rig.launch(&[]);
    let _writer = UnitWriter::start(&rig.path("gate.fifo"), units, 30);
    rig.await_stats("the pipe", |stats| {
        list(stats, "cameras").iter().all(|camera| camera["captured_frames"].as_u64() > Some(60))
    });
    let across = rig.ask(&["trigger", "--wait", "--pre-ms", "500", "--post-ms", "4000"]);
    let size = |answer: &Value| {
        let gate = manifest(&clip_of(answer))["cameras"]["gate"].clone();
        (gate["width"].as_u64(), gate["height"].as_u64(), gate)
    };
    // The clip that was planned before the change has the frames before it, and lacks those behind it.
    let before = across.answer().code(4).json();
    let (width, height, gate) = size(&before);
    assert_eq!((width, height), (Some(320), Some(192)), "{gate:#}");
    assert!(gate["frames_written"].as_u64() > Some(60) && !list(&gate, "gaps").is_empty(), "{gate:#}");
    rig.await_stats("a whole pre-roll of the new size", |stats| {
        list(stats, "cameras").iter().all(|camera| camera["ring"]["reach_ms"].as_f64() > Some(1000.0))
    });
    let (width, height, gate) = size(&rig.command(&["trigger", "--wait", "--pre-ms", "500"]).code(0).json());
    assert_eq!((width, height), (Some(480), Some(256)), "{gate:#}");
    println!("{}", rig.assert_true());
}

/// A camera's stream begins to show its pictures in another order than they come in, in the middle of a clip.
#[track_caller]
fn record_a_stream_that_begins_to_reorder(clip_mode: &str) {
    let stream = |numbers, parameters| {
        stamped(&Wanted { codec: StreamCodec::H264, size: (320, 192), numbers, parameters })
    };
    let as_they_come = stream(0..120, "keyint=20:min-keyint=20:bframes=0");
    let units = [as_they_come, stream(120..600, "keyint=20:min-keyint=20:bframes=2:b-adapt=0")].concat();
    let mut rig = Rig::prepare(&format!(
        "cameras:
  - {{ name: gate, backend: pipe, path: $DIR/gate.fifo, format: h264, clip: {clip_mode} }}
recording: {{ output_dir: $DIR/recordings, reserve_ms: 4000 }}
"
    ));
    mknodat(CWD, rig.path("gate.fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
    rig.launch(&[]);
    let _writer = UnitWriter::start(&rig.path("gate.fifo"), units, 30);
    rig.await_stats("a pre-roll", |stats| {
        list(stats, "cameras").iter().all(|camera| camera["ring"]["reach_ms"].as_f64() > Some(700.0))
    });
    let trigger = rig.ask(&["trigger", "--wait", "--pre-ms", "500", "--post-ms", "4000"]);
    let answer = trigger.answer().code(0).json();
    rig.await_log("its pictures turn out to be shown in another order than they come in");
    let gate = &manifest(&clip_of(&answer))["cameras"]["gate"];
    assert_eq!((&gate["video"], &gate["why"]), (&json!("exact"), &json!("b_frames")), "{gate:#}");
    assert!(list(gate, "stretches").iter().all(|stretch| stretch["how"] == "encoded"), "{gate:#}");
    assert_eq!((&gate["damaged"], &gate["gaps"]), (&json!([]), &json!([])), "{gate:#}");
    println!("{}", rig.assert_true());
}

#[test]
fn f120_a_smart_clip_of_a_stream_that_begins_to_reorder_its_pictures_is_encoded_as_a_whole() {
    record_a_stream_that_begins_to_reorder("smart");
}

#[test]
fn f120_a_verbatim_clip_of_a_stream_that_begins_to_reorder_its_pictures_is_encoded_as_a_whole() {
    record_a_stream_that_begins_to_reorder("verbatim");
}
