//! The benchmarks run, and what they say can be so. How fast this machine is, is not asked here.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn benchmark(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_benchmark")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_run_measures_what_it_was_asked_to_and_compares_with_itself_as_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let file = path.to_str().unwrap();
    benchmark(&["run", "--duration", "3", "--size", "320x192", "--clips", "1", "--output", file]);
    let run = json(&path);
    assert_eq!(run["clips"]["complete"], 1, "{run:#}");
    for camera in run["cameras"].as_array().unwrap() {
        // A camera that makes 60 a second has made some hundred in three seconds, on any machine.
        assert!(camera["frames"].as_u64() > Some(100), "{camera:#}");
        assert!(camera["interval_p50_ms"].as_f64() <= camera["interval_max_ms"].as_f64(), "{camera:#}");
    }
    let (memory, cpu) = (&run["cost"]["memory_mb"], &run["cost"]["cpu_percent"]);
    assert!(memory["average"].as_f64() > Some(5.0) && memory["average"].as_f64() <= memory["peak"].as_f64());
    assert!(cpu["average"].as_f64() > Some(0.0), "{cpu:#}");
    let compared = String::from_utf8(benchmark(&["compare", file, file]).stdout).unwrap();
    let ratio = compared.lines().find(|line| line.starts_with("memory, average MB")).unwrap();
    assert!(ratio.ends_with("1.00"), "{compared}");
    assert!(!compared.contains("note:"), "{compared}");
}

#[test]
fn publishing_costs_more_than_its_copy_and_waking_takes_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring.json");
    benchmark(&["ring", "--output", path.to_str().unwrap()]);
    let ring = json(&path);
    let sizes = ring["sizes"].as_array().unwrap();
    assert_eq!(sizes.len(), 3);
    for size in sizes {
        let ratio = size["publish_over_copy"].as_f64().unwrap();
        // It is more than the copy, and nothing of a copy's size beside it.
        assert!((1.0..1.5).contains(&ratio), "{size:#}");
    }
    for wake in ["wake_ring", "wake_futex"] {
        assert!(ring[wake]["p50_ns"].as_u64() > Some(0), "{ring:#}");
    }
}

#[test]
fn a_peer_and_preroll_are_put_through_the_same_and_found_out_by_their_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers.json");
    let only = ["preroll-sim", "ffmpeg-segments"];
    let small = ["--size", "320x192", "--fps", "30", "--rounds", "1", "--armed", "1"];
    let rest = ["peers", "--only", &only.join(","), "--output", path.to_str().unwrap()];
    benchmark(&[&rest[..], &small[..]].concat());
    let results = json(&path);
    assert_eq!(results["kind"], "peers");
    for (peer, name) in results["peers"].as_array().unwrap().iter().zip(only) {
        assert_eq!(peer["name"], name);
        if let Some(why) = peer["not_measured"].as_str() {
            assert!(why.contains("benchmarks/peers/install"), "{name}: {why}");
            println!("skipped {name}: {why}");
            continue;
        }
        // A second at 30 fps, less three frames at either end, of two cameras. How many of them a busy machine finds is
        // not asked, only that the numbers in the pictures are.
        let number = |of: &serde_json::Value, what: &str| of[what].as_u64().unwrap();
        let expected = number(peer, "frames_expected");
        assert!((46..=50).contains(&expected), "{peer:#}");
        assert!((expected / 2..=expected).contains(&number(peer, "frames_found")), "{peer:#}");
        assert_eq!((number(peer, "unfinished"), number(peer, "duplicated")), (0, 0), "{peer:#}");
        let killed = &peer["killed"];
        assert!(number(killed, "frames_found") > 0, "{peer:#}");
        // Preroll's camera has nothing to do with its encoder; in ffmpeg they are one process.
        let hole = killed["hole_ms"].as_f64().unwrap();
        assert!(name == "preroll-sim" || hole > 100.0, "{peer:#}");
        assert!(peer["memory_mb"]["average"].as_f64() > Some(5.0), "{peer:#}");
        assert!(peer["armed_cpu_percent"].as_f64() > Some(0.0), "{peer:#}");
        assert!(!peer["around"].as_array().unwrap().is_empty(), "{peer:#}");
    }
}
