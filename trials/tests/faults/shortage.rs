//! Limits of a process: the size of its files, its threads, its address space. Descriptors and the supervisor's threads are in `limits.rs`.

use proto::process::Pid;
use rustix::process::{Resource, Rlimit, prlimit};
use trials::{Rig, TWO_CAMERAS, no_failpoints};

/// Sets a process's soft limit.
fn limit(process: Pid, what: Resource, soft: Option<u64>) {
    // Above the old one only root may go, so the hard one is "unlimited" as everybody's is.
    prlimit(Some(process.for_rustix()), what, Rlimit { current: soft, maximum: None }).unwrap();
}

#[test]
fn f65_a_limit_below_what_the_rings_need_is_refused_in_words() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    for (wrapper, says) in [("--fsize=20000000", "ulimit -f"), ("--as=300000000", "ulimit -v")] {
        rig.launch_through(&["prlimit", wrapper]);
        assert_eq!(rig.await_end().code(), Some(1), "{:#?}", rig.log());
        rig.await_log(says);
        assert_eq!(rig.processes(), []);
    }
    assert!(!rig.log().iter().any(|line| line.contains("panic")), "{:#?}", rig.log());
}

#[test]
fn f65_a_recorder_whose_files_may_not_grow_says_so_and_goes_on_when_they_may() {
    let rig = Rig::start(TWO_CAMERAS);
    let (recorder, codec) = (rig.pid_of("recorder"), rig.stats()["recorder"]["codec"].clone());
    // Less than a key frame: with more, each part takes some frames, and the clip is split without any trouble.
    limit(recorder, Resource::Fsize, Some(2_000));
    let trigger = rig.ask(&["trigger", "--wait"]);
    rig.await_stats("the trouble", |stats| {
        stats["recorder"]["trouble"].as_str().is_some_and(|said| said.contains("ulimit -f"))
    });
    limit(recorder, Resource::Fsize, None);
    trigger.answer().code(0);
    assert_eq!((rig.pid_of("recorder"), rig.stats()["recorder"]["codec"].clone()), (recorder, codec));
    rig.assert_complete();
}

#[test]
fn f65_a_recorder_out_of_threads_finishes_its_clips_one_camera_after_another() {
    if no_failpoints() {
        return;
    }
    let rig = Rig::start(TWO_CAMERAS);
    let recorder = rig.pid_of("recorder");
    let shortage = "thread.join=error(EAGAIN)*2";
    rig.arm(shortage);
    rig.command(&["trigger", "--wait"]).code(0);
    assert!(rig.happened(shortage, 2), "one for each camera");
    assert_eq!(rig.pid_of("recorder"), recorder);
    rig.assert_complete();
}

#[test]
fn f65_a_supervisor_that_may_write_no_file_refuses_triggers_in_words() {
    let rig = Rig::start(TWO_CAMERAS);
    let supervisor = rig.supervisor_pid();
    limit(supervisor, Resource::Fsize, Some(0));
    rig.command(&["trigger"]).refusal(1, &["File too large"]);
    limit(supervisor, Resource::Fsize, None);
    rig.command(&["trigger", "--wait"]).code(0);
    assert_eq!(rig.supervisor_pid(), supervisor);
    rig.assert_complete();
}
