//! Foreign readers that keep a ring's frames, and cameras from which nothing comes into their ring.

use proto::ring::ReaderBit;

use super::*;

fn five() -> ReaderBit {
    ReaderBit::new(5).unwrap()
}

/// A foreign reader holds every frame of the left camera's ring.
fn pin(rig: &Rig) {
    rig.rings["left"].with(|ring| {
        ring.stands_at = Some(60);
        ring.foreign = (1..=60).map(|frame| (five(), frame)).collect();
    });
}

#[test]
fn a_camera_from_which_nothing_comes_is_not_live_and_health_says_why() {
    let mut rig = Rig::ready();
    rig.rings["left"].with(|ring| ring.stands_at = Some(9));
    rig.run(1500);
    assert_eq!(rig.camera("left"), CameraStatus::Live, "not yet");
    rig.run(1000);
    let (status, why) = rig.camera_says("left");
    assert_eq!((status, why.as_str()), (CameraStatus::Silent, "no frame has come into its ring for 2 s"));
    assert_eq!((rig.state(), rig.camera("right")), (InstanceState::Degraded, CameraStatus::Live));
    assert_eq!(rig.troubles(), ["capture left: silent: no frame has come into its ring for 2 s"]);
    rig.rings["left"].with(|ring| ring.stands_at = None);
    rig.run(300);
    assert_eq!((rig.state(), rig.troubles()), (InstanceState::Ready, Vec::new()));
}

#[test]
fn frames_that_a_living_reader_keeps_are_said_and_not_swept() {
    let mut rig = Rig::ready();
    rig.world.map_rings(vec![rig.pid(&ChildId::Recorder), Pid::new(77).unwrap()]);
    pin(&rig);
    rig.run(9000);
    assert_eq!(rig.rings["left"].with(|ring| ring.foreign.len()), 60);
    let (status, why) = rig.camera_says("left");
    assert_eq!(status, CameraStatus::Silent);
    for words in ["reader 5 has held 60 of 60 frames for ", "(pid 77): end it"] {
        assert!(why.contains(words), "{why}");
    }
    assert!(rig.troubles()[0].contains(&why), "{:?}", rig.troubles());
    // Once its process has ended, they are free within some seconds.
    rig.world.map_rings(vec![rig.pid(&ChildId::Recorder)]);
    rig.run(6000);
    assert_eq!(rig.rings["left"].with(|ring| ring.foreign.len()), 0);
}

#[test]
fn frames_that_a_dead_reader_kept_are_free_again() {
    let mut rig = Rig::ready();
    rig.world.map_rings(vec![Pid::this(), rig.pid(&capture("left"))]);
    pin(&rig);
    rig.run(2500);
    assert_eq!(rig.rings["left"].with(|ring| ring.foreign.len()), 0);
    rig.rings["left"].with(|ring| ring.stands_at = None);
    rig.run(300);
    assert_eq!((rig.state(), rig.troubles()), (InstanceState::Ready, Vec::new()));
}

#[test]
fn a_reader_that_keeps_one_frame_of_a_live_camera_is_said_too() {
    let mut rig = Rig::ready();
    rig.world.map_rings(vec![Pid::new(77).unwrap()]);
    rig.rings["left"].with(|ring| ring.foreign = vec![(five(), 3)]);
    rig.run(3000);
    assert_eq!(rig.camera("left"), CameraStatus::Live);
    let said = rig.troubles().join("\n");
    assert!(said.starts_with("camera left: reader 5 has held 1 of 60 frames for "), "{said}");
}
