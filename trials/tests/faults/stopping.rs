//! An encoder that is too slow for the end: a stop, a second one, and the death of everything at once leave frames in rings
//! and backlog, and the next start encodes them.

use std::path::Path;

use proto::clip::MANIFEST;
use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, clip_of, kill, list, manifest, no_failpoints, until};

/// An encoder of 3 frames a second for a camera that makes 60.
const SLOW: &str = "encoder.encode:libx264:/left=sleep(300)*99999";

/// A rig whose ring holds little more than a pre-roll, so that most of what waits is in the backlog.
fn rig() -> Rig {
    let short = TWO_CAMERAS.replace("reserve_ms: 4000", "reserve_ms: 400\n  preset: superfast");
    Rig::start(&short)
}

/// Begins a clip, and waits until frames of it are in the backlog.
fn clip_in_the_backlog(rig: &Rig) -> std::path::PathBuf {
    rig.arm(SLOW);
    let clip = clip_of(&rig.command(&["trigger", "--post-ms", "5000"]).code(0).json());
    await_backlog(rig);
    clip
}

fn await_backlog(rig: &Rig) {
    rig.await_stats("frames in the backlog", |stats| {
        stats["recorder"]["backlog"]["frames"].as_u64().is_some_and(|frames| frames >= 20)
    });
}

fn backlog_segments(rig: &Rig) -> usize {
    rig.segments().iter().filter(|path| path.to_str().unwrap().contains('~')).count()
}

/// Stops, and has the answer say what is left.
#[track_caller]
fn stop_too_soon(rig: &mut Rig, clip: &Path) {
    let said = rig.command(&["stop"]).code(0).stdout;
    rig.await_end();
    let name = clip.file_name().unwrap().to_str().unwrap();
    for part in [&format!("stopped; {name} is not finished: "), "s of encoding", "the next start finishes"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(rig.log().iter().any(|line| line.contains(&format!("{name} is not finished"))));
    assert!(backlog_segments(rig) > 0, "{:?}", rig.segments());
    assert!(rig.processes().is_empty());
    assert!(!clip.join(MANIFEST).exists());
}

/// The gaps of a camera.
fn causes(manifest: &Value, camera: &str) -> Vec<String> {
    let gaps = list(&manifest["cameras"][camera], "gaps");
    gaps.iter().map(|gap| gap["cause"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn f48_a_stop_that_the_encoder_is_too_slow_for_loses_no_frame_of_before_it() {
    if no_failpoints() {
        return;
    }
    let mut rig = rig();
    let clip = clip_in_the_backlog(&rig);
    stop_too_soon(&mut rig, &clip);
    // The next one is stopped too soon as well.
    rig.launch(&[]);
    await_backlog(&rig);
    stop_too_soon(&mut rig, &clip);
    rig.arm("");
    rig.launch(&[]);
    let manifest = rig.await_manifest(&clip);
    let report = rig.assert_true();
    assert!(report.verdicts().all(|verdict| verdict.present == verdict.expected), "{report}");
    assert_eq!(manifest["ended_early"], true, "{manifest:#}");
    rig.await_ready();
    until("the backlog to be given back", || (backlog_segments(&rig) == 0).then_some(()));
}

#[test]
fn f08_the_backlog_outlives_the_death_of_everything() {
    if no_failpoints() {
        return;
    }
    let mut rig = rig();
    let clip = clip_in_the_backlog(&rig);
    rig.kill_supervisor();
    rig.processes().iter().for_each(|pid| kill(*pid, Signal::KILL));
    until("everything to be gone", || rig.processes().is_empty().then_some(()));
    assert!(backlog_segments(&rig) > 0);
    rig.arm("");
    rig.launch(&[]);
    rig.await_manifest(&clip);
    rig.assert_true();
    let manifest = manifest(&clip);
    for camera in ["left", "right"] {
        // Only what the cameras made while no capture ran is missing.
        let causes = causes(&manifest, camera);
        assert!(causes.iter().all(|cause| cause == "capture_restart"), "{manifest:#}");
    }
}

#[test]
fn f48_a_second_signal_keeps_what_an_open_clip_needs() {
    if no_failpoints() {
        return;
    }
    let mut rig = rig();
    let clip = clip_in_the_backlog(&rig);
    let supervisor = rig.supervisor_pid();
    kill(supervisor, Signal::TERM);
    rig.await_log("stopping: closing 1 open clip");
    kill(supervisor, Signal::TERM);
    rig.await_end();
    assert!(backlog_segments(&rig) > 0 && rig.processes().is_empty());
    rig.arm("");
    rig.launch(&[]);
    let manifest = rig.await_manifest(&clip);
    let report = rig.assert_true();
    for camera in ["left", "right"] {
        assert!(
            causes(&manifest, camera).iter().all(|cause| cause == "capture_restart"),
            "{report}{manifest:#}"
        );
    }
}
