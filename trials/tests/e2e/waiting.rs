//! Commands that wait: for an instance to be ready, for a clip to be finished; and a config that is changed meanwhile.

use std::process::Command;
use std::time::Duration;

use trials::{Rig, TWO_CAMERAS, clip_of, program};

const BROKEN_CAMERA: &str =
    "  - { name: gone, backend: opencv, source: \"rtsp://127.0.0.1:9/none\" }\nrecording:";

#[test]
fn a_clip_that_is_not_waited_for_any_longer_goes_on() {
    let rig = Rig::start(TWO_CAMERAS);
    let answer = rig.command(&["trigger", "--post-ms", "2500", "--wait", "--timeout", "0.5"]).code(5);
    assert!(answer.stderr.contains("--timeout is over; it goes on"), "{answer:#?}");
    let document = answer.json();
    assert!(document.get("complete").is_none(), "{document:#}");
    assert_eq!(rig.await_manifest(&clip_of(&document),)["complete"], true);
    // One that is long enough changes nothing.
    rig.command(&["trigger", "--wait", "--timeout", "60"]).code(0);
    rig.assert_complete();
    rig.command(&["trigger", "--timeout", "1"]).refusal(2, &["--wait"]);
    rig.command(&["trigger", "--wait", "--timeout", "soon"]).refusal(2, &["--timeout", "must be seconds"]);
}

#[test]
fn an_instance_is_waited_for_until_it_is_ready() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    rig.command(&["wait", "--ready", "--timeout", "0.3"]).refusal(3, &["no supervisor is running"]);
    let waits = [&["wait", "--ready"][..], &["wait", "--ready", "--timeout", "60"]].map(|args| rig.ask(args));
    // Nothing tells from outside that both have looked for an instance once.
    std::thread::sleep(Duration::from_millis(300));
    rig.launch(&[]);
    for wait in waits {
        wait.answer().code(0);
        assert_eq!(rig.stats()["state"], "ready");
    }
    rig.command(&["wait", "--ready", "--timeout", "0"]).code(0);
    rig.command(&["wait"]).refusal(2, &["--ready"]);
}

#[test]
fn a_camera_that_keeps_an_instance_from_being_ready_is_named() {
    let mut rig = Rig::prepare(&TWO_CAMERAS.replace("recording:", BROKEN_CAMERA));
    rig.launch(&[]);
    rig.await_log("clips go to");
    rig.command(&["wait", "--ready", "--timeout", "2"]).refusal(5, &["not ready", "camera gone is"]);
}

#[test]
fn a_config_that_was_changed_on_disk_is_said_until_it_is_put_back() {
    let rig = Rig::start(TWO_CAMERAS);
    let is_changed = |changed: bool| {
        rig.await_stats("a look at the config", |stats| stats["config_changed"] == changed);
        rig.command(&["status"]).code(0).stdout.contains("the config on disk is no longer the one in use")
    };
    assert!(!is_changed(false));
    rig.configure(&TWO_CAMERAS.replace("fps: 60", "fps: 30"));
    assert!(is_changed(true));
    rig.configure(&format!("# a remark\n{TWO_CAMERAS}"));
    assert!(!is_changed(false));
    std::fs::remove_file(rig.config()).unwrap();
    assert!(is_changed(true));
}

#[test]
fn a_terminal_shows_how_far_a_clip_is_and_a_pipe_shows_nothing() {
    let rig = Rig::start(TWO_CAMERAS);
    let in_a_pipe = rig.command(&["trigger", "--post-ms", "2500", "--wait"]).code(0);
    assert_eq!(in_a_pipe.stderr, "");
    // `script` gives a program a terminal.
    let command = format!("{} trigger --post-ms 2500 --wait", program("supervisor").display());
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &command, "/dev/null"]).env("PREROLL_RUNTIME_DIR", rig.path("run"));
    let Ok(output) = terminal.stdin(std::process::Stdio::null()).output() else {
        println!("skipped: there is no `script` here");
        return;
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("-clip-0002: 1 s, ") && shown.contains(" behind, ready"), "{shown:?}");
    assert!(shown.contains("\"complete\": true"), "{shown:?}");
    rig.assert_complete();
}
