//! A reader that isn't Preroll's and keeps every frame of a ring.

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::process::Pid;
use proto::ring::{ReaderBit, Ring};
use rustix::process::Signal;
use trials::{Rig, TWO_CAMERAS, camera, kill};

/// The variable by which this test program, started once more, is that reader: the instance's runtime directory.
const READS: &str = "PREROLL_TEST_READER_OF";
/// Its word once it holds all there is.
const HOLDS_ALL: &str = "holds every frame";

#[test]
fn the_reader_that_keeps_every_frame() {
    let Some(runtime_dir) = std::env::var_os(READS) else { return };
    let dir = RuntimeDir::open(&PathBuf::from(runtime_dir)).unwrap();
    let ring = Ring::open(&dir.segment(&Name::new("left").unwrap())).unwrap();
    let reader = ring.reader(ReaderBit::new(5).unwrap()).unwrap();
    let mut held = Vec::new();
    while held.len() < ring.spec().size.slots() {
        let oldest = ring.head().saturating_sub(ring.spec().size.slots() as u64);
        held.extend((oldest..=ring.head()).filter_map(|sequence| reader.lease(sequence).ok()));
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("\n{HOLDS_ALL}");
    loop {
        std::thread::park();
    }
}

/// Starts the reader, and waits until it holds every frame. Its output stays open as long as it runs.
fn start_reader(rig: &Rig) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "readers::the_reader_that_keeps_every_frame", "--nocapture"]);
    command.env(READS, rig.path("run")).stdout(Stdio::piped());
    let mut reader = command.spawn().unwrap();
    let mut said = BufReader::new(reader.stdout.take().unwrap()).lines();
    assert!(said.by_ref().map_while(Result::ok).any(|line| line == HOLDS_ALL));
    (reader, said)
}

#[test]
fn f82_a_reader_that_keeps_every_frame_is_said_and_its_frames_are_free_once_it_is_dead() {
    let rig = Rig::start(TWO_CAMERAS);
    let (mut reader, _said) = start_reader(&rig);
    let pid = Pid::of(&reader);
    let named = format!("(pid {pid}): end it");
    let stats = rig.await_stats("health to name the reader", |s| {
        s["health"]["reasons"].to_string().contains(&named) && camera(s, "left")["state"] == "silent"
    });
    let left = camera(&stats, "left");
    assert_eq!(stats["state"], "degraded");
    let why = left["reason"].as_str().unwrap();
    assert!(
        why.starts_with("no frame has come into its ring for ") && why.contains("reader 5 has held "),
        "{why}"
    );
    assert_eq!(camera(&stats, "right")["state"], "live");
    assert!(!rig.log().join("\n").contains("free again"), "it is alive");

    kill(pid, Signal::KILL);
    reader.wait().unwrap();
    rig.await_log("no process but Preroll's maps its ring; they are free again");
    rig.await_stats("all to be well", |s| {
        s["state"] == "ready" && camera(s, "left")["fps"].as_f64() > Some(50.0)
    });
    rig.command(&["trigger", "--pre-ms", "100", "--post-ms", "200", "--wait"]).code(0);
    rig.assert_true();
}
