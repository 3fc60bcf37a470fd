//! A panic's line in the log of a process, and the end of the process: tried on real ones. This executable
//! plays them too: it runs itself with `PREROLL_PANICS` set.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use proto::log::{self, LogFormat};
use proto::panics;

const PART: &str = "PREROLL_PANICS";
/// The code with which the process ends that has outlived the panic of a thread.
const OUTLIVED: i32 = 17;

fn play(part: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_panics", "--nocapture"])
        .env(PART, part)
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.lines().filter(|line| line.contains("something went")).map(str::to_owned).collect()
}

/// Not a test by itself: the process that the tests below look at.
#[test]
fn a_process_that_panics() {
    let Ok(part) = std::env::var(PART) else { return };
    match part.as_str() {
        "text" => log::start(LogFormat::Text, "recorder", None),
        "json" => log::start(LogFormat::Json, "recorder", None),
        _ => {}
    }
    panics::install("recorder", None);
    let worker = std::thread::Builder::new().name("worker of left".into());
    let worker = worker.spawn(|| {
        panics::set_camera("left");
        let _on = panics::on_clip("clip-0007-goal");
        panic!("something\nwent \u{1b}[31mwrong");
    });
    assert!(worker.unwrap().join().is_err());
    std::process::exit(OUTLIVED);
}

#[test]
fn a_panic_is_one_error_line_that_names_process_camera_clip_and_place() {
    let output = play("text");
    let lines = lines(&output);
    let [line] = &lines[..] else { panic!("not one line: {lines:?}") };
    assert!(
        line.contains("Z [ERROR] recorder: thread worker of left, camera left, clip clip-0007-goal: "),
        "{line}"
    );
    assert!(line.contains("proto/tests/panics.rs:") || line.contains("tests/panics.rs:"), "{line}");
    assert!(line.contains(": something went \\x1b[31mwrong;"), "{line}");
}

#[test]
fn a_machine_finds_the_same_in_fields() {
    let output = play("json");
    let lines = lines(&output);
    let [line] = &lines[..] else { panic!("not one line: {lines:?}") };
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    assert_eq!([field("level"), field("process")], ["ERROR", "recorder"]);
    assert_eq!([field("camera"), field("clip")], ["left", "clip-0007-goal"]);
    assert!(field("place").contains("panics.rs:"), "{line}");
}

#[test]
fn a_command_without_a_log_says_it_on_standard_error() {
    let output = play("none");
    let lines = lines(&output);
    assert!(matches!(&lines[..], [line] if line.starts_with("recorder: ")), "{lines:?}");
}

#[test]
fn a_process_outlives_the_panic_of_a_thread() {
    assert_eq!(play("text").status.code(), Some(OUTLIVED));
}
