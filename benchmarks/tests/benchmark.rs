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
fn scale_tries_as_many_cameras_as_it_may_and_counts_their_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scale.json");
    let output = path.to_str().unwrap();
    benchmark(&["scale", "--size", "320x192", "--most", "2", "--seconds", "1", "--output", output]);
    let scale = json(&path);
    assert_eq!(scale["kind"], "scale");
    let series = scale["series"].as_array().unwrap();
    assert_eq!((series.len(), &series[0]["size"]), (1, &Value::from("320x192")));
    let points = series[0]["points"].as_array().unwrap();
    let tried: Vec<_> = points.iter().map(|point| point["cameras"].as_u64().unwrap()).collect();
    assert_eq!(tried.first(), Some(&1), "{scale:#}");
    assert!(tried.iter().all(|cameras| (1..=2).contains(cameras)), "{scale:#}");
    for point in points.iter().filter(|point| point["held"] == true) {
        let frames = point["frames"].as_f64().unwrap() / point["cameras"].as_f64().unwrap();
        assert!((45.0..90.0).contains(&frames), "60 a second, for a second: {point:#}");
        assert!(point["dropped"] == 0 && point["memory_mb"].as_f64() > Some(5.0), "{point:#}");
        assert!(point["interval_p99_ms"].as_f64() <= point["interval_max_ms"].as_f64(), "{point:#}");
        assert!(point["copies_cpu_percent"].as_f64() > Some(0.0), "{point:#}");
    }
    let most = points.iter().filter(|p| p["held"] == true).map(|p| p["cameras"].as_u64().unwrap()).max();
    assert_eq!(series[0]["held"].as_u64().unwrap(), most.unwrap_or(0), "{scale:#}");
}

#[test]
fn a_longer_pre_roll_takes_more_memory_and_all_of_its_ring_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.json");
    let arguments =
        ["memory", "--size", "640x360", "--pre-roll-ms", "500", "--pre-roll-ms", "1000", "--output"];
    benchmark(&[&arguments[..], &[path.to_str().unwrap()]].concat());
    let memory = json(&path);
    let points = memory["points"].as_array().unwrap();
    assert_eq!((&memory["kind"], points.len()), (&Value::from("memory"), 2));
    let of = |point: usize, what: &str| points[point][what].as_f64().unwrap();
    assert!(of(1, "rings_mb") > 1.4 * of(0, "rings_mb"), "{memory:#}");
    for point in 0..2 {
        // A page that was touched counts once, whoever has it mapped; and the processes are there too.
        assert!(of(point, "memory_mb") > of(point, "rings_mb"), "{memory:#}");
    }
}
