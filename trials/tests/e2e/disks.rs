//! Disks that aren't there yet when a machine starts its rig.

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;
use trials::{Rig, kill};

const ON_A_DISK: &str = "camera: { width: 320, height: 192, fps: 30 }
cameras:
  - { name: left, backend: sim }
recording: { output_dir: $DIR/disk/rig/recordings }
";

#[test]
fn a_clip_disk_that_is_not_there_ends_a_start_with_1_and_nothing_is_made_in_its_place() {
    let mut rig = Rig::prepare(ON_A_DISK);
    std::fs::create_dir(rig.path("disk")).unwrap();
    let says = ["output_dir", "disk/rig isn't there", "mount its disk"];
    rig.refused_start().refusal(1, &says);
    rig.assert_nothing_left();
    assert!(!rig.path("disk/rig").exists());
    let check = rig.command(&["check", "--config", rig.config().to_str().unwrap()]).code(0);
    for words in says.iter().chain(&["warning", "exit code 1"]) {
        assert!(check.stderr.contains(words), "{check:#?}");
    }
    std::fs::create_dir(rig.path("disk/rig")).unwrap();
    rig.launch(&[]);
    rig.await_ready();
    rig.command(&["trigger", "--wait"]).code(0);
    assert!(rig.path("disk/rig/recordings").is_dir());
}

#[test]
fn under_a_service_manager_a_start_waits_for_the_clip_disk_and_can_be_stopped_meanwhile() {
    let mut rig = Rig::prepare(ON_A_DISK);
    let socket = rig.path("notify");
    let _manager = UnixDatagram::bind(&socket).unwrap();
    let service = [("NOTIFY_SOCKET", socket.to_str().unwrap().to_owned())];
    let service = service.each_ref().map(|(name, value)| (*name, value.as_str()));
    rig.launch_in(&[], &service);
    rig.await_log("waiting for it");
    kill(rig.supervisor_pid(), Signal::TERM);
    assert!(rig.await_end().success());
    rig.assert_nothing_left();
    rig.launch_in(&[], &service);
    rig.await_log("waiting for it");
    std::fs::create_dir_all(rig.path("disk/rig")).unwrap();
    rig.await_ready();
    rig.command(&["trigger", "--wait"]).code(0);
}
