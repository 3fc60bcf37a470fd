//! An output folder that Preroll doesn't have for itself: another instance records there too, other users plant files,
//! something damages what is on the disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use proto::clip::{PARTIAL_DIR, SET_ASIDE_DIR, plan_path};
use rustix::fs::{CWD, FileType, Mode};
use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, clip_of, kill, list, manifest, no_failpoints, until};

/// Another instance with cameras of the same names, which records into the first one's folder. It is not started yet.
fn beside(first: &Rig) -> Rig {
    let output = format!("output_dir: {}", first.recordings().display());
    Rig::prepare(&TWO_CAMERAS.replace("output_dir: $DIR/recordings", &output))
}

/// Kills every process of a rig, the supervisor first.
fn kill_all(rig: &mut Rig) {
    let processes = rig.processes();
    rig.kill_supervisor();
    processes.iter().filter(|pid| pid.proc("stat").exists()).for_each(|pid| kill(*pid, Signal::KILL));
    until("all processes to be gone", || rig.processes().is_empty().then_some(()));
}

/// An instance all of which was killed in a clip, the clip, and another that was started beside it since.
fn killed_in_a_clip(post_ms: &str) -> (Rig, PathBuf, Rig) {
    let mut first = Rig::start(TWO_CAMERAS);
    let clip = clip_of(&first.command(&["trigger", "--post-ms", post_ms]).code(0).json());
    first.await_frames(&clip, "left", 60);
    first.await_frames(&clip, "right", 60);
    kill_all(&mut first);
    let mut second = beside(&first);
    second.launch(&[]);
    second.await_ready();
    (first, clip, second)
}

#[test]
fn f71_two_instances_on_one_folder_leave_each_others_clips_alone() {
    let first = Rig::start(TWO_CAMERAS);
    let mut second = beside(&first);
    second.launch(&[]);
    second.await_ready();
    let clip = clip_of(&first.command(&["trigger", "--post-ms", "3000"]).code(0).json());
    first.await_frames(&clip, "left", 20);
    // Whichever recorder comes back first looks for unfinished clips, and finds this one unlocked.
    for _ in 0..3 {
        let (of_first, of_second) = (first.pid_of("recorder"), second.pid_of("recorder"));
        kill(of_first, Signal::KILL);
        kill(of_second, Signal::KILL);
        first.await_stats("another recorder", |s| {
            trials::pid_in(s, "recorder").is_some_and(|p| p != of_first)
        });
        second.await_stats("another recorder", |s| {
            trials::pid_in(s, "recorder").is_some_and(|p| p != of_second)
        });
    }
    assert_eq!(first.await_manifest(&clip)["complete"], true);
    first.assert_complete();
}

#[test]
fn f71_a_clip_of_an_instance_that_was_killed_waits_for_it_beside_another() {
    let (mut first, clip, second) = killed_in_a_clip("1500");
    second.await_log("its rings still hold frames");
    let health =
        second.await_stats("the clip to be named", |s| s["health"].to_string().contains("another instance"));
    assert_eq!(health["state"], "ready", "{health:#}");
    assert!(plan_path(&clip).is_file(), "it is left alone");
    first.launch(&[]);
    first.await_ready();
    let manifest = first.await_manifest(&clip);
    for (name, camera) in manifest["cameras"].as_object().unwrap() {
        // Only what no capture made is missing.
        let causes: Vec<&str> =
            list(camera, "gaps").iter().map(|gap| gap["cause"].as_str().unwrap()).collect();
        assert!(causes.iter().all(|cause| *cause == "capture_restart"), "{name}: {camera:#}");
    }
    first.assert_true();
    second.await_stats("the clip to be forgotten", |s| !s["health"].to_string().contains("another instance"));
}

/// Puts something in a file's place.
type Plant<'a> = &'a dyn Fn(&Path);

#[test]
fn f72_what_another_user_plants_holds_up_no_clip_and_overwrites_nothing() {
    let rig = Rig::start(TWO_CAMERAS);
    let precious = rig.path("precious");
    std::fs::write(&precious, "another's").unwrap();
    let fifo = |path: &Path| {
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    };
    let link = |path: &Path| std::os::unix::fs::symlink(&precious, path).unwrap();
    let folder = |path: &Path| {
        std::fs::create_dir(path).unwrap();
        std::fs::write(path.join("theirs"), "theirs").unwrap();
    };
    let plants: [(&str, Plant<'_>); 6] = [
        ("manifest.json~new", &link),
        ("manifest.json~new", &fifo),
        ("left.mp4", &link),
        ("left.mp4", &folder),
        (".partial/ready", &link),
        (".partial/left.part7.journal", &fifo),
    ];
    for (place, plant) in plants {
        let clip = clip_of(&rig.command(&["trigger", "--post-ms", "400"]).code(0).json());
        plant(&clip.join(place));
        assert_eq!(rig.await_manifest(&clip)["complete"], true, "{place}");
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "another's", "{place}");
    }
    rig.assert_complete();
}

/// Changes an open clip's plan while nothing runs, and starts again. Returns the folder that it was moved to.
fn with_a_bad_plan(change: impl FnOnce(&mut Value), says: &str) {
    let mut rig = Rig::start(TWO_CAMERAS);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "60000"]).code(0).json());
    rig.await_frames(&clip, "left", 20);
    kill_all(&mut rig);
    let path = plan_path(&clip);
    let mut plan: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut plan);
    std::fs::write(&path, plan.to_string()).unwrap();
    rig.launch(&[]);
    rig.await_ready();
    let line = rig.await_log("is set aside");
    assert!(line.contains(says), "{line}");
    let aside = clip.parent().unwrap().join(SET_ASIDE_DIR).join(clip.file_name().unwrap());
    assert!(plan_path(&aside).is_file() && !clip.exists());
    assert!(aside.join(PARTIAL_DIR).join("left.part1.mp4").is_file(), "its parts are kept");
    rig.await_stats("health to name it", |s| s["health"].to_string().contains("set aside"));
    // Everything else goes on. The pre-roll would reach back to when no capture ran.
    let answer = rig.command(&["trigger", "--wait", "--pre-ms", "0"]).code(0).json();
    assert_eq!(manifest(&clip_of(&answer))["complete"], true);
    assert_eq!(trials::process(&rig.stats(), "recorder")["restarts"], 0);
}

#[test]
fn f73_a_plan_without_a_frame_rate_is_set_aside() {
    with_a_bad_plan(|plan| plan["cameras"][0]["fps"] = 0.into(), "fps is 0");
}

#[test]
fn f73_a_plan_that_ends_before_it_starts_is_set_aside() {
    with_a_bad_plan(|plan| plan["window"]["end_ns"] = 1.into(), "ends before it starts");
}

#[test]
fn f74_a_mount_over_the_run_folder_that_goes_away_again_costs_nothing() {
    let rig = Rig::start(TWO_CAMERAS);
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "1000"]);
    let clip = until("the clip's folder", || rig.clips().first().cloned());
    rig.await_frames(&clip, "left", 60);
    let run = clip.parent().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "preroll-test"]).arg(run).output().unwrap();
    if !mounted.status.success() {
        println!("skipped: needs to mount: {}", String::from_utf8_lossy(&mounted.stderr));
        trigger.answer();
        return;
    }
    std::thread::sleep(Duration::from_millis(2500));
    assert!(Command::new("umount").arg(run).status().unwrap().success());
    trigger.answer().code(0);
    rig.assert_complete();
}

#[test]
fn f76_a_clip_that_has_crashed_two_recorders_is_set_aside_and_the_others_are_recorded() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    let bad = rig.command(&["trigger", "--post-ms", "1000"]).code(0).json();
    let bad = clip_of(&bad);
    let name = bad.file_name().unwrap().to_str().unwrap().to_owned();
    rig.arm(&format!("join.begun:{name}=abort*99"));
    let beside = clip_of(&rig.command(&["trigger", "--post-ms", "3000"]).code(0).json());
    let line = rig.await_log("is set aside");
    assert!(line.contains(&name) && line.contains("two recorders have crashed over it"), "{line}");
    assert_eq!(rig.await_manifest(&beside)["complete"], true, "the clip beside it is whole");
    let aside = bad.parent().unwrap().join(SET_ASIDE_DIR).join(&name);
    assert!(aside.join(PARTIAL_DIR).join("left.part1.mp4").is_file(), "its parts are kept");
    let stats = rig.await_stats("health to name it", |s| s["health"].to_string().contains("set aside"));
    assert_eq!(trials::process(&stats, "recorder")["restarts"], 2);
    assert!(!stats["health"].to_string().contains("given up"), "no encoder is blamed: {stats:#}");
    // Put right, and moved back by a person, it is finished from what was recorded.
    rig.arm("");
    std::fs::rename(&aside, &bad).unwrap();
    kill(rig.pid_of("recorder"), Signal::KILL);
    assert_eq!(rig.await_manifest(&bad)["complete"], true);
    rig.await_stats("health to forget it", |s| !s["health"].to_string().contains("set aside"));
    rig.assert_complete();
}

#[test]
fn f77_a_clip_whose_instance_is_given_up_is_finished_by_another() {
    let (mut first, clip, second) = killed_in_a_clip("60000");
    // What health says a person can do is done.
    let line = second.await_log("its rings still hold frames");
    let told = line.split('`').nth(1).unwrap().strip_prefix("rm ").unwrap();
    let (folder, start) = told.rsplit_once('/').unwrap();
    let start = start.strip_suffix('*').unwrap();
    let mut rings: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start))
        .collect();
    let mut segments = first.segments();
    rings.sort();
    segments.sort();
    assert_eq!(rings, segments);
    second.await_stats("health to say it", |s| s["health"].to_string().contains(told));
    rings.iter().for_each(|ring| std::fs::remove_file(ring).unwrap());
    let manifest = second.await_manifest(&clip);
    for (name, camera) in manifest["cameras"].as_object().unwrap() {
        assert!(camera["frames_written"].as_u64() >= Some(60), "{name}: {camera:#}");
        let causes: Vec<&str> =
            list(camera, "gaps").iter().map(|gap| gap["cause"].as_str().unwrap()).collect();
        assert_eq!(causes, ["ring_gone"], "{name}");
    }
    // It can be started again nevertheless.
    first.launch(&[]);
    first.await_ready();
}
