//! GigE Vision cameras: packets that are lost, a camera whose cable is cut, a capture that is killed. The camera is aravis' fake,
//! whose picture shows its frame id, so clips are judged by their pixels.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use trials::clip::clip_of;
use trials::gige_camera::FakeGige;
use trials::{Rig, camera, kill, list};

/// Columns of a picture's first row that are looked at.
const COLUMNS: usize = 256;
/// A camera goes away and comes back so often.
const ROUNDS: usize = 3;

fn rig() -> Rig {
    let mut rig = Rig::prepare(
        "cameras:
  - { name: left, backend: sim, width: 320, height: 192, fps: 30, truth_log: $DIR/left.truth }
  - { name: gate, backend: gige, camera: 127.0.0.1, fps: 25, features: { GainRaw: 0 } }
recording: { output_dir: $DIR/recordings, reserve_ms: 4000 }
",
    );
    rig.launch(&[]);
    rig.await_stats("both cameras", |stats| {
        let reaches = |c: &Value| c["state"] == "live" && c["ring"]["reach_ms"].as_f64() > Some(700.0);
        list(stats, "cameras").iter().all(reaches)
    });
    rig
}

/// The frame ids that a video's pictures show, by 255.
fn shown(video: &Path) -> Vec<usize> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(video);
    let first_row = format!("crop={COLUMNS}:2:0:0");
    ffmpeg.args(["-vf", &first_row, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let output = ffmpeg.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.chunks_exact(COLUMNS * 2).map(|picture| id_of(&picture[..COLUMNS])).collect()
}

/// Pixel x of the first row is (x + id) by 255, as well as the encoder has kept it.
fn id_of(row: &[u8]) -> usize {
    let off = |id: usize| -> usize {
        row.iter()
            .enumerate()
            .map(|(x, value)| usize::from(value.abs_diff(u8::try_from((x + id) % 255).unwrap())))
            .sum()
    };
    let best = (0..255).min_by_key(|id| off(*id)).unwrap();
    assert!(off(best) < COLUMNS * 12, "a picture shows no id: {}", off(best));
    best
}

/// Asserts that between two rows of the clip exactly those ids are missing that a gap between them declares, and returns how many
/// there are.
#[track_caller]
fn assert_ids(clip: &Path, gaps: &[Value]) -> u64 {
    let csv = std::fs::read_to_string(clip.join("gate_timestamps.csv")).unwrap();
    let sequences: Vec<u64> =
        csv.lines().skip(1).map(|line| line.split(',').nth(3).unwrap().parse().unwrap()).collect();
    let ids = shown(&clip.join("gate.mp4"));
    assert_eq!(ids.len(), sequences.len(), "pictures and rows");
    let declared = |after: u64| -> u64 {
        let here = gaps.iter().filter(|gap| gap["after_sequence"] == after);
        here.map(|gap| gap["missing"].as_u64().unwrap()).sum()
    };
    let mut all = 0;
    for (row, pair) in ids.windows(2).enumerate() {
        let step = u64::try_from((pair[1] + 255 - pair[0]) % 255).unwrap();
        let missing = declared(sequences[row]);
        assert_eq!(step, (1 + missing) % 255, "row {row}: {missing} are declared behind it");
        all += missing;
    }
    all
}

#[test]
fn f122_packets_that_a_gige_camera_loses_are_gaps_with_exactly_the_ids_that_are_missing() {
    let mut fake = FakeGige::start("F1", 1);
    let rig = rig();
    let answer = rig.command(&["trigger", "--wait", "--post-ms", "3000"]).code(4).json();
    assert_eq!(answer["verdict"], "gaps", "{answer:#}");
    let gaps = list(&answer["cameras"]["gate"], "gaps");
    let known = ["corrupt", "camera_drop"];
    assert!(gaps.iter().all(|gap| known.contains(&gap["cause"].as_str().unwrap())), "{gaps:#?}");
    assert!(gaps.iter().any(|gap| gap["cause"] == "corrupt"), "{gaps:#?}");
    assert!(assert_ids(&clip_of(&answer), gaps) > 0);
    let stats =
        rig.await_stats("the figures", |stats| camera(stats, "gate")["transport"]["failed_frames"] != 0);
    let transport = &camera(&stats, "gate")["transport"];
    assert_eq!(transport["packet_bytes"], 1400, "{transport}");
    assert!(transport["resend_requests"].as_u64() > Some(0), "{transport}");
    assert_eq!(camera(&stats, "left")["transport"], json!(null));
    // Through the wrap of the ids, which begin at 65401, and with as many lost as a busy machine loses.
    fake.lose(0);
    rig.await_stats("the wrap", |stats| camera(stats, "gate")["captured_frames"].as_u64() > Some(120));
    let answer = rig.command(&["trigger", "--wait", "--post-ms", "2000"]).json();
    assert_ids(&clip_of(&answer), list(&answer["cameras"]["gate"], "gaps"));
    assert_eq!(answer["cameras"]["left"]["gaps"], json!([]), "{answer:#}");
    rig.assert_true();
}

#[test]
fn f123_a_gige_camera_that_is_cut_off_is_back_by_itself_and_a_killed_capture_gets_it_again() {
    let mut fake = FakeGige::start("F1", 0);
    let mut rig = rig();
    let capture = rig.pid_of("gate");
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "600000"]);
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        fake.kill();
        rig.await_stats("the camera to be missed", |stats| {
            let gate = camera(stats, "gate");
            gate["state"] == "failed" && gate["reason"].as_str().unwrap().contains("answer")
        });
        fake.come_back(0);
        let back = Instant::now();
        rig.await_stats("the camera to be back", |stats| camera(stats, "gate")["state"] == "live");
        took.push(back.elapsed());
    }
    assert_eq!((rig.pid_of("gate"), &camera(&rig.stats(), "gate")["epoch"]), (capture, &json!(1)));
    // Its camera waits for the dead one's heartbeat, and gives itself to the next when that is over.
    kill(capture, Signal::KILL);
    rig.await_stats("the next capture", |stats| {
        let gate = camera(stats, "gate");
        gate["epoch"] == 2 && gate["state"] == "live"
    });
    kill(rig.supervisor_pid(), Signal::TERM);
    let answer = trigger.answer().code(4).json();
    assert!(rig.await_end().success());
    let gaps = list(&answer["cameras"]["gate"], "gaps");
    let of = |cause: &str| gaps.iter().filter(|gap| gap["cause"] == cause).count();
    assert_eq!((of("network"), of("capture_restart")), (ROUNDS, 1), "{gaps:#?}");
    assert_eq!(answer["cameras"]["left"]["gaps"], json!([]), "{answer:#}");
    println!("live again after {:?} ms", took.iter().map(Duration::as_millis).collect::<Vec<_>>());
    rig.assert_true();
}
