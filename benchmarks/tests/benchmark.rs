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
fn a_killed_recorder_is_measured_kill_by_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("restart.json");
    let file = path.to_str().unwrap();
    let output = benchmark(&["restart", "--kills", "2", "--size", "320x192", "--output", file]);
    let restart = json(&path);
    assert_eq!((&restart["kind"], &restart["kills"]), (&"restart".into(), &2.into()), "{restart:#}");
    let times =
        |name: &str| restart[name].as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect();
    let (again, noticed): (Vec<f64>, Vec<f64>) = (times("encoding_again_ms"), times("noticed_ms"));
    // Two cameras, and the supervisor's word of each.
    assert!(again.len() <= 4 && (1..=2).contains(&noticed.len()), "{restart:#}");
    assert!(again.iter().chain(&noticed).all(|ms| *ms > 0.0), "{restart:#}");
    let frames = |name: &str| restart[format!("frames_{name}")].as_i64().unwrap();
    assert!(frames("expected") > 0, "{restart:#}");
    assert_eq!(frames("expected"), frames("present") + frames("declared") + frames("silent"), "{restart:#}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("kill to the next encoded frame"), "{said}");
    // And `report` takes what it wrote.
    let page = folder.path().join("report.html");
    benchmark(&["report", file, "--output", page.to_str().unwrap()]);
    assert!(std::fs::read_to_string(page).unwrap().contains("After the recorder is killed"));
}

/// Made-up results, one of each kind that has pictures.
fn made_up() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/results");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path().display().to_string());
    files.collect()
}

#[test]
fn a_report_is_one_page_with_every_picture_and_nothing_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (page, pictures) = (folder.path().join("report.html"), folder.path().join("pictures"));
    let results = made_up();
    let mut arguments = vec!["report", "--output", page.to_str().unwrap()];
    arguments.extend(["--pictures", pictures.to_str().unwrap()]);
    arguments.extend(results.iter().map(String::as_str));
    let said = String::from_utf8(benchmark(&arguments).stdout).unwrap();
    let page = std::fs::read_to_string(page).unwrap();
    for name in ["peers-interval", "restart", "scale-cpu", "scale-memory", "memory-pre-roll", "codec-size"] {
        assert!(page.contains(&format!("<figure id=\"{name}\">")), "{name}");
        let file = std::fs::read_to_string(pictures.join(format!("{name}.svg"))).unwrap();
        assert!(file.starts_with("<svg ") && file.contains("<rect ") && file.contains("<title>"), "{name}");
        assert!(said.contains(&format!("{name}.svg")), "{said}");
    }
    // The figures themselves: a table's cell, a curve's name, whoever is best.
    for words in [
        "1210 of 1210 (100 %)",
        ">3840x2160<",
        "<b>12 / 30</b>",
        "6.2 times",
        "made-up",
        "Motion was not measured: it is not installed",
    ] {
        assert!(page.contains(words), "{words}");
    }
    for reference in ["http:", "https:", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(reference), "the page needs {reference}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf\""));
}

#[test]
fn a_report_names_the_file_that_is_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    let some = folder.path().join("poem.json");
    for (text, why) in [("roses", "not JSON"), ("{\"kind\":\"poem\"}", "unknown kind"), ("{}", "no \"kind\"")]
    {
        std::fs::write(&some, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_benchmark"))
            .args(["report", "--output", page.to_str().unwrap()])
            .args(made_up())
            .arg(&some)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("poem.json") && said.contains(why) && said.lines().count() == 1, "{said}");
        assert!(!page.exists());
    }
}
