//! A start that is stopped at each moment of its first second, in every way, and each child killed there. Whatever was
//! done, nothing runs on, and the next start works. `make stops` tries smaller steps.

use std::time::Duration;

use proto::process::Pid;
use rustix::process::Signal;
use trials::{Rig, TWO_CAMERAS, kill, until};

/// The moments are so far apart, in milliseconds.
const STEP_MS: u64 = 50;
const STEP_VARIABLE: &str = "PREROLL_STOPS_STEP_MS";
/// The time from one SIGINT to the next of somebody who is impatient.
const IMPATIENCE: Duration = Duration::from_millis(20);

/// A way to stop a start.
#[derive(Clone, Copy, Debug)]
enum Way {
    Once(Signal),
    Twice(Signal),
    Killed,
    Command,
    /// A child is killed, by the first argument of its process, and the start stopped right after.
    ChildKilled(&'static str),
}

#[test]
fn f60_a_start_that_is_interrupted_at_any_moment_leaves_nothing_in_the_way() {
    try_every_moment(&[Way::Once(Signal::INT), Way::Twice(Signal::INT)]);
}

#[test]
fn f60_a_start_that_is_told_to_stop_at_any_moment_leaves_nothing_in_the_way() {
    try_every_moment(&[Way::Once(Signal::TERM), Way::Command]);
}

#[test]
fn f60_a_start_that_is_killed_at_any_moment_leaves_nothing_that_runs() {
    try_every_moment(&[Way::Killed]);
}

#[test]
fn f60_a_start_that_is_stopped_after_a_child_was_killed_leaves_nothing_in_the_way() {
    let children = ["preroll-recorder", "preroll-standby", "preroll-capture left", "preroll-codec-probe"];
    try_every_moment(&children.map(Way::ChildKilled));
}

fn try_every_moment(ways: &[Way]) {
    let step = std::env::var(STEP_VARIABLE).map_or(STEP_MS, |step| step.parse().unwrap());
    let mut rig = Rig::prepare(TWO_CAMERAS);
    for way in ways {
        for ms in (0..1000).step_by(usize::try_from(step).unwrap()) {
            // Each start is the one after the last that was stopped, and ends by what is done to it alone.
            rig.launch(&[]);
            std::thread::sleep(Duration::from_millis(ms));
            stop(&mut rig, *way, ms);
            until(&format!("everything to end after {way:?} at {ms} ms"), || {
                rig.processes().is_empty().then_some(())
            });
        }
    }
    // A camera that lived for one frame and the next that did look to the oracle like the same frame made twice.
    for log in ["left.truth", "right.truth"] {
        std::fs::remove_file(rig.path(log)).unwrap();
    }
    rig.launch(&[]);
    rig.await_ready();
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}

fn stop(rig: &mut Rig, way: Way, ms: u64) {
    let supervisor = rig.supervisor_pid();
    match way {
        Way::Once(signal) => kill(supervisor, signal),
        Way::Twice(signal) => {
            kill(supervisor, signal);
            std::thread::sleep(IMPATIENCE);
            kill(supervisor, signal);
        }
        Way::Killed => {
            rig.kill_supervisor();
            if !rig.path("run/settled").exists() {
                return;
            }
            // It had come up, so its children wait for the next one, which is stopped in order.
            rig.launch(&[]);
            until("the next supervisor to listen", || (rig.command(&["stop"]).code == Some(0)).then_some(()));
        }
        Way::ChildKilled(child) => {
            rig.processes().into_iter().filter(|pid| is(*pid, child)).for_each(|pid| kill(pid, Signal::KILL));
            stop_by_command(rig, supervisor);
        }
        Way::Command => stop_by_command(rig, supervisor),
    }
    let status = rig.await_end();
    // A signal that comes before anything was made ends it by its default action.
    assert!(matches!(status.code(), None | Some(0)), "{way:?} at {ms} ms: {status}\n{:#?}", rig.log());
}

/// The command `stop`, or SIGTERM as long as nobody listens to commands.
fn stop_by_command(rig: &Rig, supervisor: Pid) {
    let answer = rig.command(&["stop"]);
    match answer.code {
        Some(0) => {}
        Some(3) => kill(supervisor, Signal::TERM),
        _ => panic!("{answer:#?}"),
    }
}

fn is(process: Pid, title: &str) -> bool {
    let arguments = std::fs::read(process.proc("cmdline")).unwrap_or_default();
    arguments.split(|byte| *byte == 0).next() == Some(title.as_bytes())
}
