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
fn the_loops_delay_is_measured_without_questions_and_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loop.json");
    let file = path.to_str().unwrap();
    benchmark(&[
        "loop",
        "--cameras",
        "2",
        "--rounds",
        "1",
        "--seconds",
        "2",
        "--questions",
        "5",
        "--output",
        file,
    ]);
    let round = &json(&path)["rounds"][0];
    assert!(round["answers"].as_u64() > Some(0), "{round:#}");
    for span in ["quiet", "asked"] {
        let delay = &round[span];
        // Three children and a standby report four times a second each.
        assert!(delay["events"].as_u64() > Some(10), "{round:#}");
        assert!(
            delay["p50"].as_f64() > Some(0.0) && delay["p50"].as_f64() <= delay["p99"].as_f64(),
            "{round:#}"
        );
        assert!(delay["p99"].as_f64() <= delay["max"].as_f64(), "{round:#}");
    }
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
        // The best of those that missed no frame: 12 / 30 was sooner, and incomplete.
        "<b>18 / 40</b>",
        "<b>160 / 165</b>",
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
        // Of the kernel's ticks, of which a small camera may take none in a second; a clip takes some.
        assert!(peer["cpu_percent"]["peak"].as_f64() > Some(0.0), "{peer:#}");
        assert!(!peer["around"].as_array().unwrap().is_empty(), "{peer:#}");
    }
}
