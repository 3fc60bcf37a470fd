//! Whose time a frame has: cameras with clocks of their own, and the config's correction.

use std::path::Path;

use oracle::timestamps;
use oracle::truth::Truth;
use serde_json::Value;
use trials::http_camera::{HttpCamera, jpegs};
use trials::{Rig, camera, clip_of, manifest};

/// The part of a second that frames of these cameras are apart, and more than twice what any of them lies behind.
const PERIOD_MS: f64 = 100.0;

/// A camera's capture times in a clip, less the true time of the newest frame that can have had it, in milliseconds.
fn behind_ms(rig: &Rig, clip: &Path, name: &str) -> Vec<f64> {
    let truth = Truth::read(&rig.path(&format!("{name}.truth"))).unwrap();
    let text = std::fs::read_to_string(clip.join(format!("{name}_timestamps.csv"))).unwrap();
    let rows = timestamps::parse(&text).unwrap();
    let behind = |t: u64| {
        let made = truth.rows().iter().map(|made| (i128::from(t) - i128::from(made.t_ns)) as f64 / 1e6);
        made.filter(|ms| *ms >= -PERIOD_MS / 4.0).fold(f64::INFINITY, f64::min)
    };
    rows.iter().map(|row| behind(row.t_ns)).collect()
}

/// A camera's `time` in stats, once so many of its frames were captured.
fn time_of(rig: &Rig, name: &str, frames: u64) -> Value {
    let stats =
        rig.await_stats(name, |stats| camera(stats, name)["captured_frames"].as_u64() >= Some(frames));
    camera(&stats, name)["time"].clone()
}

#[test]
fn times_of_a_clock_that_runs_off_lie_a_constant_behind_and_latency_ms_takes_it_out() {
    let device = "backend: sim, clock_ppm: 250, faults: { latency_ms: 40, jitter_ms: 8 }";
    let mut rig = Rig::prepare(&format!(
        "camera: {{ width: 320, height: 192, fps: 10 }}\ncameras:\n  \
         - {{ name: known, backend: sim, truth_log: $DIR/known.truth }}\n  \
         - {{ name: late, {device}, truth_log: $DIR/late.truth }}\n  \
         - {{ name: right, {device}, latency_ms: 40, truth_log: $DIR/right.truth }}\n\
         recording: {{ output_dir: $DIR/recordings, reserve_ms: 4000 }}\n"
    ));
    rig.launch(&[]);
    let stats = time_of(&rig, "right", 40);
    assert_eq!(
        (&stats["source"], &stats["anchors"], &stats["latency_ms"]),
        (&"device".into(), &1.into(), &40.0.into())
    );
    assert!(stats["delay_ms"].as_f64().is_some() && stats["error_ms"].as_f64() < Some(20.0), "{stats}");
    let known = time_of(&rig, "known", 40);
    assert_eq!(
        (&known["source"], &known["error_ms"], &known["anchors"]),
        (&"device".into(), &0.0.into(), &0.into())
    );
    let clip = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    for (name, least, most, latency_ms) in
        [("known", 0.0, 0.0, 0.0), ("late", 38.0, 60.0, 0.0), ("right", -2.0, 20.0, 40.0)]
    {
        let behind = behind_ms(&rig, &clip, name);
        let all_lie = behind.iter().all(|ms| (least..=most).contains(ms));
        assert!(behind.len() > 5 && all_lie, "{name}: {behind:?}");
        let time = manifest(&clip)["cameras"][name]["time"].clone();
        assert_eq!(
            (&time["source"], &time["anchors"], &time["latency_ms"]),
            (&"device".into(), &0.into(), &latency_ms.into())
        );
        assert!(time["error_ms"].as_f64() < Some(20.0), "{time}");
    }
}

#[test]
fn the_times_that_a_server_sends_count_until_they_cannot_be_believed_and_a_clock_that_is_set_is_declared() {
    let server = HttpCamera::start(jpegs(320, 192, 30), 30);
    let keys = |words: &str| {
        format!("backend: mjpeg, fps: 30, width: 320, height: 192, url: '{}'", server.url(words))
    };
    let mut rig = Rig::prepare(&format!(
        "cameras:\n  - {{ name: plain, {} }}\n  - {{ name: stamped, {} }}\n  - {{ name: still, {} }}\n  \
         - {{ name: set, {} }}\nrecording: {{ output_dir: $DIR/recordings, pre_roll_ms: 12000, post_roll_ms: 200 }}\n",
        keys("ok"),
        keys("stamped"),
        keys("still"),
        keys("set")
    ));
    rig.launch(&[]);
    let of = |name: &str| {
        let time = time_of(&rig, name, 20);
        (
            time["source"].as_str().unwrap().to_owned(),
            time["error_ms"].is_null(),
            time["anchors"].as_u64().unwrap(),
        )
    };
    assert_eq!(of("plain"), ("arrival".into(), true, 0));
    assert_eq!(of("stamped"), ("device".into(), false, 1));
    assert_eq!(of("still"), ("arrival".into(), true, 1));
    // The camera's clock was set back by an hour with frame 90. Cameras that haven't run for the whole pre-roll make a short clip.
    time_of(&rig, "set", 100);
    let clip = clip_of(&rig.command(&["trigger", "--wait"]).json());
    let manifest = manifest(&clip);
    let time = &manifest["cameras"]["set"]["time"];
    assert_eq!((&time["source"], &time["anchors"]), (&"device".into(), &1.into()), "{manifest}");
    assert_eq!(manifest["cameras"]["stamped"]["time"]["anchors"], 0);
    let notes = manifest["notes"].to_string();
    assert!(notes.contains("camera set: its clock was set") && !notes.contains("camera stamped"), "{notes}");
    let rows = std::fs::read_to_string(clip.join("set_timestamps.csv")).unwrap();
    assert_eq!(rows.lines().filter(|row| row.ends_with('a')).count(), 1, "{rows}");
    assert_eq!(time_of(&rig, "set", 100)["anchors"], 2);
}
