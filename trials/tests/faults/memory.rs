//! Memory and segments: rings that are too large, cut short, taken away, written over, left behind.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, camera, clip_of, kill, list, manifest, pid_in, process, program, until};

/// Where the ring's parts lie, by docs/formats.md.
const LAYOUT_VERSION_AT: u64 = 8;
const STATES_AT: u64 = 4096;
/// The header of layout 1 had nothing from here on.
const BEHIND_LAYOUT_1_AT: usize = 744;

/// The segment of a camera.
fn segment(rig: &Rig, camera: &str) -> PathBuf {
    let ends = format!("-{camera}");
    rig.segments().into_iter().find(|path| path.to_str().unwrap().ends_with(&ends)).unwrap()
}

/// Bytes that nobody can guess.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    noise
}

fn write(segment: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(segment).unwrap().write_all_at(bytes, at).unwrap();
}

/// The bytes of a ring before its first slot.
fn bytes_before_slots(stats: &Value, name: &str) -> usize {
    let slots = usize::try_from(camera(stats, name)["ring"]["slots"].as_u64().unwrap()).unwrap();
    (4096 + slots * 64 + 4096.max((slots * 4).next_power_of_two()) * 48).next_multiple_of(4096)
}

/// Breaks the left camera's ring in the middle of a clip, and asserts what must hold then.
#[track_caller]
fn break_the_left_ring(rig: &Rig, time: u64, harm: impl Fn(&Path)) {
    let [right, supervisor] = [rig.pid_of("right"), rig.supervisor_pid()];
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "2500"]);
    let clip =
        until("the clip", || rig.clips().into_iter().find(|clip| !clip.join("manifest.json").exists()));
    for name in ["left", "right"] {
        rig.await_frames(&clip, name, 40);
    }
    harm(&segment(rig, "left"));
    let stats = rig.await_stats("the left ring to be made anew", |s| {
        let left = camera(s, "left");
        left["ring"]["rebuilt"] == time && left["state"] == "live" && s["state"] == "ready"
    });
    assert_eq!(pid_in(&stats, "right"), Some(right), "the other camera has noticed nothing");
    assert_eq!(rig.supervisor_pid(), supervisor);
    let answer = trigger.answer().code(4).json();
    assert_eq!(answer["cameras"]["right"]["gaps"], Value::Array(vec![]), "the other camera lost nothing");
    let left = &answer["cameras"]["left"];
    assert!(left["frames_written"].as_u64() >= Some(35), "{left:#}");
    let gaps = list(left, "gaps");
    assert!(gaps.iter().any(|gap| gap["cause"] == "ring_gone"), "{left:#}");
    // What the new ring holds can be had, and the old one's frames are never taken for it.
    rig.await_stats("a pre-roll", |s| camera(s, "left")["ring"]["reach_ms"].as_f64() > Some(700.0));
    let next = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    assert_eq!(manifest(&next)["complete"], true);
}

#[test]
fn f25_a_segment_cut_short_or_taken_away_is_made_anew_and_the_other_camera_loses_nothing() {
    let rig = Rig::start(TWO_CAMERAS);
    let cut = |bytes: u64| {
        move |path: &Path| OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap()
    };
    break_the_left_ring(&rig, 1, cut(0));
    break_the_left_ring(&rig, 2, cut(4096));
    break_the_left_ring(&rig, 3, cut(1 << 20));
    break_the_left_ring(&rig, 4, |path| std::fs::remove_file(path).unwrap());
    break_the_left_ring(&rig, 5, |path| {
        let other = rig.path("other");
        std::fs::copy(path, &other).unwrap();
        std::fs::remove_file(path).unwrap();
        std::fs::copy(&other, path).unwrap();
    });
    rig.assert_true();
}

#[test]
fn f26_a_segment_written_over_or_of_another_version_is_made_anew_and_the_other_camera_loses_nothing() {
    let rig = Rig::start(TWO_CAMERAS);
    let before_slots = bytes_before_slots(&rig.stats(), "left");
    // Whatever says what is where; pixels come below.
    break_the_left_ring(&rig, 1, |path| write(path, 0, &noise(before_slots)));
    break_the_left_ring(&rig, 2, |path| write(path, STATES_AT, &noise(before_slots - 4096)));
    break_the_left_ring(&rig, 3, |path| write(path, LAYOUT_VERSION_AT, &99_u64.to_ne_bytes()));
    break_the_left_ring(&rig, 4, |path| write(path, 0, &vec![0; before_slots]));
    rig.assert_true();

    // All of it, over and over, while no clip would show the noise: pixels have nothing to be known by.
    let path = segment(&rig, "left");
    let bytes = usize::try_from(path.metadata().unwrap().len()).unwrap();
    for time in 5..8 {
        write(&segment(&rig, "left"), 0, &noise(bytes));
        rig.await_stats("the left ring to be made anew", |s| {
            camera(s, "left")["ring"]["rebuilt"] == time && s["state"] == "ready"
        });
    }
    rig.await_stats("a pre-roll", |s| camera(s, "left")["ring"]["reach_ms"].as_f64() > Some(700.0));
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_true();
}

#[test]
fn f25_a_camera_whose_ring_cannot_be_made_anew_waits_until_it_can() {
    let rig = Rig::start(TWO_CAMERAS);
    let right = pid_in(&rig.stats(), "right");
    let path = segment(&rig, "left");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let says_why = |s: &Value| {
        let mut reasons = list(&s["health"], "reasons").iter().filter_map(Value::as_str);
        reasons.any(|reason| reason.contains("left") && reason.contains("its ring broke"))
    };
    rig.await_stats("the trouble to be said", |s| says_why(s) && pid_in(s, "left").is_none());
    // The other camera is recorded meanwhile, for longer than a capture would need to fail a few times.
    rig.command(&["trigger", "--post-ms", "1500", "--wait"]);
    let report = rig.assert_true();
    let [clip] = &report.clips[..] else { panic!("{report}") };
    assert_eq!(clip.cameras["right"].present, clip.cameras["right"].expected, "{report}");
    let stats = rig.stats();
    assert_eq!(process(&stats, "left")["restarts"], 0, "there is nothing to start it for: {stats:#}");
    assert!(pid_in(&stats, "left").is_none() && says_why(&stats), "{stats:#}");
    std::fs::remove_dir(&path).unwrap();
    rig.await_stats("left to be live", |s| camera(s, "left")["state"] == "live" && s["state"] == "ready");
    assert_eq!(pid_in(&rig.stats(), "right"), right);
    // The new ring holds little of the past yet.
    rig.command(&["trigger", "--pre-ms", "0", "--wait"]).code(0);
    rig.assert_true();
}

#[test]
fn f25_a_segment_lost_while_no_supervisor_runs_is_made_anew_by_the_next() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let [left, right, recorder] = rig.children()[..] else { unreachable!() };
    rig.kill_supervisor();
    std::fs::remove_file(segment(&rig, "left")).unwrap();
    rig.launch(&[]);
    rig.await_ready();
    let stats = rig.stats();
    assert_eq!([pid_in(&stats, "right"), pid_in(&stats, "recorder")], [Some(right), Some(recorder)]);
    assert_ne!(pid_in(&stats, "left"), Some(left), "it wrote where nobody looks");
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}

/// Kills everything, and waits until the clip's window is over: cameras that begin anew count anew, and no frame of
/// theirs is to fall into it.
fn crash(rig: &mut Rig, clip: &Path) {
    let plan: Value =
        serde_json::from_slice(&std::fs::read(clip.join(".partial/plan.json")).unwrap()).unwrap();
    let end = plan["window"]["end_ns"].as_u64().unwrap();
    rig.kill_supervisor();
    rig.processes().iter().for_each(|pid| kill(*pid, Signal::KILL));
    until("everything to be gone", || rig.processes().is_empty().then_some(()));
    until("the window to be over", || (proto::time::MonotonicNs::now().0 > end).then_some(()));
}

/// Runs a program that alone sees little shared memory.
const SMALL: &str = "mount -t tmpfs -o size=20m tmpfs /dev/shm && exec \"$0\" \"$@\"";

#[test]
fn f24_too_little_shared_memory_is_refused_with_what_is_needed_and_what_there_is() {
    let allowed = Command::new("unshare").args(["-m", "sh", "-c", SMALL, "true"]).output();
    if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: a mount namespace with a small /dev/shm can't be made here: {allowed:?}");
        return;
    }
    let rig = Rig::prepare(TWO_CAMERAS);
    let refused = |config: &str| {
        rig.configure(config);
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", SMALL])
            .arg(program("supervisor"))
            .args(["start", "--config"])
            .arg(rig.config())
            .arg("--runtime-dir")
            .arg(rig.path("run"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    // One ring alone doesn't fit, and two don't fit together.
    let large = refused(TWO_CAMERAS);
    let together = refused(&TWO_CAMERAS.replace("reserve_ms: 4000", "reserve_ms: 1500"));
    for message in [large, together] {
        println!("{message}");
        let bytes: Vec<u64> = message.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert!(bytes.len() >= 2, "needed and available: {message}");
        assert!(message.contains("shared memory") && message.contains("less pre-roll"), "{message}");
    }
    assert_eq!(std::fs::read_dir(rig.recordings()).map_or(0, Iterator::count), 0, "no session is begun");
    rig.assert_nothing_left();
}

#[test]
fn f27_left_overs_of_a_crash_are_cleared_or_used_and_what_is_not_ours_is_left_alone() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "3000"]).code(0).json());
    rig.await_frames(&clip, "left", 60);
    crash(&mut rig, &clip);

    // What a crash leaves, and worse: half a state, a dead socket, a ring of a camera that is no more, one that is noise.
    let run = rig.path("run");
    std::fs::write(run.join("state.json"), "{\"boot_id\":").unwrap();
    let left = segment(&rig, "left");
    let stray = PathBuf::from(left.to_str().unwrap().replace("-left", "-gone"));
    std::fs::write(&stray, noise(100_000)).unwrap();
    write(&left, 0, &noise(4096));
    // Nobody's, and somebody else's of nearly the same name.
    let shared = tempfile::Builder::new().prefix("preroll-mine-").tempfile_in("/dev/shm").unwrap();
    let theirs = [run.join("notes.txt"), shared.path().to_owned()];
    let session = rig.recordings().join("holiday.mp4");
    for path in theirs.iter().chain([&session]) {
        std::fs::write(path, "mine").unwrap();
    }

    rig.launch(&[]);
    let manifest = rig.await_manifest(&clip);
    rig.await_ready();
    rig.assert_true();
    for name in ["left", "right"] {
        assert!(manifest["cameras"][name]["frames_written"].as_u64() >= Some(58), "{manifest:#}");
    }
    assert!(list(&manifest["cameras"]["left"], "gaps").iter().all(|gap| gap["cause"] == "ring_gone"));
    assert!(!stray.exists(), "a ring of no camera is left");
    assert!(matches!(rig.command(&["trigger", "--wait"]).code, Some(0)));
    for path in theirs.iter().chain([&session]) {
        assert_eq!(std::fs::read_to_string(path).unwrap(), "mine", "{}", path.display());
    }
    std::fs::remove_file(run.join("notes.txt")).unwrap();
}

#[test]
fn f27_rings_are_found_again_after_their_runtime_directory_was_emptied() {
    let mut rig = Rig::start(TWO_CAMERAS);
    rig.kill_supervisor();
    rig.processes().iter().for_each(|pid| kill(*pid, Signal::KILL));
    until("everything to be gone", || rig.processes().is_empty().then_some(()));
    // As after a reboot of /run alone: shared memory is named by the directory's path, so it is the same instance's.
    std::fs::remove_dir_all(rig.path("run")).unwrap();
    rig.launch(&[]);
    rig.await_ready();
    rig.await_log("its ring is there, with");
    assert_eq!(rig.segments().len(), 2);
    // The captures may have come back within its pre-roll: then that is declared.
    let answer = rig.command(&["trigger", "--wait"]);
    assert!(matches!(answer.code, Some(0 | 4)), "{answer:#?}");
    rig.assert_true();
}

#[test]
fn f48_rings_of_another_layout_are_refused_and_made_anew() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "3000"]).code(0).json());
    rig.await_frames(&clip, "left", 45);
    crash(&mut rig, &clip);
    for name in ["left", "right"] {
        // As layout 1 was: another number, and nothing where layout 2 tells the payload.
        write(&segment(&rig, name), LAYOUT_VERSION_AT, &1_u64.to_ne_bytes());
        write(&segment(&rig, name), BEHIND_LAYOUT_1_AT as u64, &[0; 4096 - BEHIND_LAYOUT_1_AT]);
    }
    rig.launch(&[]);
    rig.await_log("its layout is version 1, and this program reads version 2");
    let manifest = rig.await_manifest(&clip);
    rig.await_ready();
    for name in ["left", "right"] {
        let camera = &manifest["cameras"][name];
        assert!(camera["frames_written"].as_u64() >= Some(43), "{manifest:#}");
        assert!(list(camera, "gaps").iter().any(|gap| gap["cause"] == "ring_gone"), "{manifest:#}");
    }
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_true();
}
