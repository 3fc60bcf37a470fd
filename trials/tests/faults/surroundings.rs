//! What happens around the processes: a source that isn't there, a service manager, a supervisor that stands still.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use trials::{Rig, TWO_CAMERAS, camera, kill, list, process, until};

#[test]
fn f12_a_camera_whose_source_is_put_right_heals_by_itself() {
    let broken = TWO_CAMERAS.replace("$DIR/left.truth", "$DIR/missing/left.truth");
    let mut rig = Rig::prepare(&broken);
    rig.launch(&[]);
    let stats = rig.await_stats("the trouble to be noticed", |s| {
        s["state"] == "degraded"
            && process(s, "left")["restarts"].as_u64() >= Some(3)
            && camera(s, "right")["ring"]["reach_ms"].as_f64() > Some(700.0)
    });
    let reasons = list(&stats["health"], "reasons");
    assert!(reasons.iter().any(|r| r.as_str().unwrap().contains("can't write the truth log")), "{reasons:?}");
    assert_eq!(process(&stats, "right")["restarts"], 0);
    rig.command(&["trigger", "--camera", "right", "--wait"]).code(0);
    std::fs::create_dir(rig.path("missing")).unwrap();
    let stats = rig.await_stats("left to heal", |s| s["state"] == "ready" && full(s, "left"));
    assert!(
        !list(&stats["health"], "reasons").iter().any(|r| r.as_str().unwrap().contains("left")),
        "{stats:#}"
    );
    rig.command(&["trigger", "--wait"]).code(0);
    std::fs::copy(rig.path("missing/left.truth"), rig.path("left.truth")).unwrap();
    rig.assert_complete();
}

fn full(stats: &Value, name: &str) -> bool {
    camera(stats, name)["ring"]["reach_ms"].as_f64() > Some(700.0)
}

#[test]
fn f06_the_service_manager_is_told_by_the_loop_itself() {
    let mut rig = Rig::prepare(TWO_CAMERAS);
    let socket = rig.path("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let hear = || {
        let mut bytes = [0; 512];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    rig.launch_in(&[], &[("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "600000")]);
    let mut heard = String::new();
    while !heard.contains("READY=1") {
        heard += &hear();
    }
    assert!(heard.contains("STATUS=starting"), "{heard}");
    rig.await_ready();
    // Children have nothing to tell it, and must not keep its watchdog quiet.
    for pid in rig.children() {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment);
        assert!(!environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG"), "{environment}");
    }
    assert!((0..3).all(|_| hear().contains("WATCHDOG=1")));
    // The loop stands still with the rest of it.
    kill(rig.supervisor_pid(), Signal::STOP);
    manager.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut bytes = [0; 512];
    while manager.recv(&mut bytes).is_ok() {}
    kill(rig.supervisor_pid(), Signal::CONT);
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert!(hear().contains("WATCHDOG=1"));
    kill(rig.supervisor_pid(), Signal::TERM);
    until("the end to be told", || hear().contains("STOPPING=1").then_some(()));
    assert!(rig.await_end().success());
}

#[test]
fn f11_a_command_says_that_the_supervisor_is_stopped() {
    let rig = Rig::start(TWO_CAMERAS);
    kill(rig.supervisor_pid(), Signal::STOP);
    let asked = rig.ask(&["stats"]);
    let answer = asked.answer();
    kill(rig.supervisor_pid(), Signal::CONT);
    let pid = rig.supervisor_pid().to_string();
    answer.refusal(1, &["is stopped", "kill -CONT", &pid]);
    rig.command(&["trigger", "--wait"]).code(0);
    rig.assert_complete();
}
