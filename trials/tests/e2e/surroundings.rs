//! What happens around a running Preroll: other instances, closed terminals, folders that vanish, cameras that are
//! late, a supervisor that stays away.

use std::path::Path;
use std::process::{Command, Stdio};

use proto::process::Pid;
use rustix::process::Signal;
use trials::{Rig, TWO_CAMERAS, clip_of, kill, list, manifest, names, program, until};

#[test]
fn another_instance_leaves_a_clip_alone_that_is_being_recorded() {
    let rig = Rig::start(TWO_CAMERAS);
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "4000"]);
    until("the clip to begin", || rig.clips().first().cloned());
    let here = rig.recordings();
    let beside = TWO_CAMERAS.replace("$DIR/recordings", here.to_str().unwrap());
    let other = Rig::start(&beside);
    assert_eq!(other.stats()["recorder"]["clips_open"], 0);
    let clip = clip_of(&trigger.answer().code(0).json());
    assert_eq!(manifest(&clip)["complete"], true);
    drop(other);
    rig.assert_complete();
}

#[test]
fn nobody_needs_to_read_the_log() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    rig.launch_unheard();
    rig.await_ready();
    let children = rig.children();
    for _ in 0..2 {
        rig.command(&["trigger", "--wait"]).code(0);
    }
    assert_eq!(rig.children(), children);
    rig.assert_complete();
}

#[test]
fn connections_that_ask_nothing_lock_nobody_out() {
    let rig = Rig::start(TWO_CAMERAS);
    let connect = |_| std::os::unix::net::UnixStream::connect(rig.path("run/control.sock")).unwrap();
    let idle: Vec<_> = (0..400).map(connect).collect();
    rig.stats();
    rig.command(&["trigger", "--wait"]).code(0);
    drop(idle);
}

#[test]
fn a_closed_terminal_stops_it_in_order() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    // `script` is the terminal: the supervisor runs in it, and it is closed when `script` is killed.
    let path = |path: &Path| format!("'{}'", path.display());
    let (run, config) = (path(&rig.path("run")), path(&rig.config()));
    let start = format!("exec {} --runtime-dir {run} start --config {config}", path(&program("supervisor")));
    let terminal = Command::new("script")
        .args(["-qefc", &start, "/dev/null"])
        .current_dir(rig.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let Ok(mut terminal) = terminal else {
        println!("skipped: there is no script(1) here to make a terminal with");
        return;
    };
    rig.await_ready();
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "60000"]).code(0).json());
    rig.await_frames(&clip, "left", 60);
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    until("everything to end", || rig.processes().is_empty().then_some(()));
    rig.assert_nothing_left();
    assert_eq!(manifest(&clip)["ended_early"], true);
}

#[test]
fn children_without_a_supervisor_hold_on_to_what_they_have() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let children = rig.children();
    let descriptors = || {
        let count = |pid: &Pid| std::fs::read_dir(pid.proc("fd")).unwrap().count();
        children.iter().map(count).collect::<Vec<_>>()
    };
    rig.kill_supervisor();
    // They look for another twenty times a second. What they hold after the first look is what they may hold.
    let turns = |n: u64| {
        let mut looked = 0;
        until("some time to pass", || {
            looked += 1;
            (looked > n).then_some(())
        });
    };
    turns(10);
    let before = descriptors();
    turns(40);
    assert_eq!(descriptors(), before);
    rig.launch(&[]);
    rig.await_ready();
    assert_eq!(rig.children(), children);
}

#[test]
fn a_camera_that_comes_up_late_is_missed_until_then() {
    let late = "backend: sim, faults: { slow_start_ms: 2500 }, truth_log: $DIR/right.truth }";
    let config = TWO_CAMERAS.replace("backend: sim, truth_log: $DIR/right.truth }", late);
    let mut rig = Rig::prepare(&config);
    rig.launch(&[]);
    rig.await_stats("the first camera", |s| {
        list(s, "cameras")
            .iter()
            .any(|c| c["state"] == "live" && c["ring"]["reach_ms"].as_f64() > Some(700.0))
    });
    let answer = rig.command(&["trigger", "--wait", "--post-ms", "4000"]).code(4).json();
    assert_eq!(answer["cameras"]["left"]["gaps"], serde_json::json!([]));
    let gaps = list(&answer["cameras"]["right"], "gaps");
    assert!(gaps.iter().all(|gap| gap["cause"] == "camera_stall"), "{gaps:?}");
    let missing: u64 = gaps.iter().filter_map(|gap| gap["missing"].as_u64()).sum();
    let (expected, written) = (
        answer["cameras"]["right"]["frames_expected"].as_u64(),
        answer["cameras"]["right"]["frames_written"].as_u64(),
    );
    assert!(missing > 0 && expected == written.map(|w| w + missing), "{answer:#}");
}

#[test]
fn a_clip_whose_folder_is_removed_is_waited_for_by_nobody() {
    let rig = Rig::start(&format!("{TWO_CAMERAS}  max_open_clips: 1\n"));
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "2000"]).code(0).json());
    // The recorder may be adding a file just then.
    until("the folder to be removed", || {
        (std::fs::remove_dir_all(&clip).is_ok() || !clip.exists()).then_some(())
    });
    rig.await_stats("the clip to be forgotten", |s| s["recorder"]["clips_open"] == 0);
    let next = clip_of(&rig.command(&["trigger", "--wait"]).code(0).json());
    assert_eq!(manifest(&next)["complete"], true);
    rig.await_log("is gone");
    rig.await_stats("the trouble to be over", |s| {
        s["recorder"]["trouble"].is_null() && s["state"] == "ready"
    });
}

#[test]
fn a_stop_while_the_recorder_is_being_replaced_still_closes_the_clip() {
    let mut rig = Rig::start(TWO_CAMERAS);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "60000"]).code(0).json());
    rig.await_frames(&clip, "left", 30);
    kill(rig.pid_of("recorder"), Signal::KILL);
    kill(rig.supervisor_pid(), Signal::TERM);
    assert!(rig.await_end().success());
    assert_eq!(manifest(&clip)["ended_early"], true);
    assert!(names(&clip).contains("left.mp4"));
    rig.assert_true();
}

#[test]
fn a_directory_with_somebody_elses_files_is_no_runtime_directory() {
    let rig = Rig::prepare(TWO_CAMERAS);
    let theirs = rig.path("run").join("config.json");
    std::fs::write(&theirs, "mine").unwrap();
    rig.refused_start().refusal(2, &["is not empty", "--runtime-dir"]);
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "mine");
    std::fs::remove_file(theirs).unwrap();
}
