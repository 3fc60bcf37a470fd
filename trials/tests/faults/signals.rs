//! Signals from outside, at each process of an instance.

use proto::process::Pid;
use rustix::process::Signal;
use trials::{Rig, TWO_CAMERAS, clip_of, kill, process, until};

/// Everything that another process can send and that is not meant to end one. SIGHUP has a test of its own.
const STRAYS: [Signal; 16] = [
    Signal::SEGV,
    Signal::BUS,
    Signal::ILL,
    Signal::FPE,
    Signal::TRAP,
    Signal::SYS,
    Signal::ABORT,
    Signal::PIPE,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::XCPU,
    Signal::XFSZ,
    Signal::IO,
];

fn everybody(rig: &Rig) -> Vec<Pid> {
    let mut all = rig.children();
    all.push(rig.pid_of("standby"));
    all.push(rig.supervisor_pid());
    all
}

#[test]
fn f61_no_signal_from_outside_ends_a_process_or_costs_a_codec() {
    let rig = Rig::start(TWO_CAMERAS);
    let (before, codec) = (everybody(&rig), rig.stats()["recorder"]["codec"].clone());
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "3000"]);
    let clip = until("the clip to begin", || rig.clips().first().cloned());
    rig.await_frames(&clip, "left", 30);
    // Twice: a handler that survives the first may not survive the second.
    for signal in STRAYS.iter().chain(&STRAYS) {
        before.iter().for_each(|pid| kill(*pid, *signal));
    }
    // No child has a terminal's end to fear.
    rig.children().iter().for_each(|pid| kill(*pid, Signal::HUP));
    assert_eq!(clip_of(&trigger.answer().code(0).json()), clip);
    assert_eq!(everybody(&rig), before);
    assert_eq!(rig.stats()["recorder"]["codec"], codec);
    rig.assert_complete();
}

#[test]
fn f61_a_recorder_that_is_told_to_end_again_and_again_keeps_its_codec() {
    let rig = Rig::start(TWO_CAMERAS);
    let codec = rig.stats()["recorder"]["codec"].clone();
    let trigger = rig.ask(&["trigger", "--wait", "--post-ms", "5000"]);
    let clip = until("the clip to begin", || rig.clips().first().cloned());
    // Nothing in Preroll sends these: somebody means this process, and not its encoder.
    for (n, signal) in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::TERM].into_iter().enumerate() {
        rig.await_frames(&clip, "left", 30 * (n + 1));
        let recorder = rig.pid_of("recorder");
        kill(recorder, signal);
        until("another recorder", || (rig.pid_of("recorder") != recorder).then_some(()));
        until("its standby", || process_is_up(&rig, "standby").then_some(()));
    }
    trigger.answer().code(0);
    let stats = rig.stats();
    assert_eq!(stats["recorder"]["codec"], codec);
    assert_eq!(process(&stats, "recorder")["restarts"], 4);
    rig.assert_complete();
}

fn process_is_up(rig: &Rig, role: &str) -> bool {
    !process(&rig.stats(), role)["pid"].is_null()
}

#[test]
fn f61_a_hangup_ends_no_supervisor_that_has_no_terminal() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    // A session of its own has no terminal, as under systemd.
    rig.launch_through(&["setsid"]);
    rig.await_ready();
    let before = everybody(&rig);
    kill(rig.supervisor_pid(), Signal::HUP);
    rig.await_log("SIGHUP is ignored");
    rig.command(&["trigger", "--wait"]).code(0);
    assert_eq!(everybody(&rig), before);
    // SIGQUIT ends it in order.
    kill(rig.supervisor_pid(), Signal::QUIT);
    assert!(rig.await_end().success());
    rig.assert_nothing_left();
    rig.assert_complete();
}
