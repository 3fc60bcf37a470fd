//! Cameras that aren't there at the start, and cameras that give something else than their rings were made for.

use proto::clip::CaptureTime;
use proto::frame::{Payload, PixelFormat};
use proto::offer::{NoOffer, Offer};

use super::fake::{ms, with_code};
use super::*;
use crate::check::offers::Answer;

fn offer(width: u32, height: u32) -> Offer {
    Offer {
        payload: Payload::Jpeg,
        pixel_format: PixelFormat::I420,
        width,
        height,
        fps: 30.0,
        variable_rate: false,
        capture_time: CaptureTime::Driver,
        reorders: false,
    }
}

/// Two simulated cameras and one that is to come, which answers that it isn't there.
fn with_one_absent() -> Rig {
    let mut rig = Rig::new(&["left", "live", "right"], &[]);
    let absent = NoOffer { error: "there is no device /dev/video7".into(), refused: false };
    rig.instance.children.begin_without(&[(name("live"), absent)].into(), &rig.world);
    rig
}

#[test]
fn an_absent_camera_is_failed_with_its_reason_from_the_first_moment_and_touches_no_other() {
    let mut rig = with_one_absent();
    let says = |rig: &Rig, why: &str| {
        assert_eq!(rig.camera("live"), CameraStatus::Failed);
        let reason = format!("capture live: failed: {why}");
        assert!(rig.troubles().contains(&reason), "{:?}", rig.troubles());
    };
    says(&rig, "there is no device /dev/video7");
    rig.run(3000);
    says(&rig, "there is no device");
    assert_eq!([rig.camera("left"), rig.camera("right")], [CameraStatus::Live; 2]);
    assert_eq!(rig.state(), InstanceState::Degraded, "nobody waits for it");
    assert!(rig.world.starts(&capture("live")).is_empty(), "a capture without a ring could do nothing");
    assert!(rig.rings["live"].with(|ring| ring.made_for.is_empty()));
    let asked = rig.world.asked("live");
    let longest = asked.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!(asked.len() > 3 && longest <= ms(1000), "{longest:?}");
}

#[test]
fn a_camera_that_comes_gets_its_ring_and_its_capture_and_is_live_within_a_second() {
    let mut rig = with_one_absent();
    rig.run(2000);
    let others = [capture("left"), capture("right"), ChildId::Recorder].map(|id| rig.pid(&id));
    rig.world.answer("live", Answer::Offer(offer(1280, 720)));
    rig.run(900);
    assert_eq!((rig.camera("live"), rig.state()), (CameraStatus::Live, InstanceState::Ready));
    let made = rig.rings["live"].with(|ring| ring.made_for.clone());
    let [spec] = &made[..] else { panic!("{made:?}") };
    assert_eq!((spec.geometry.width(), spec.payload), (1280, Payload::Jpeg));
    let config = rig.world.config().unwrap();
    let camera = config.camera(&name("live")).unwrap();
    assert!(camera.is_known && camera.geometry.height() == 720, "its capture reads it: {camera:?}");
    assert!(rig.table_is_right(), "triggers find its ring");
    assert_eq!([capture("left"), capture("right"), ChildId::Recorder].map(|id| rig.pid(&id)), others);
    let asked = rig.world.asked("live").len();
    rig.run(5000);
    assert_eq!(rig.world.asked("live").len(), asked, "it has answered");
}

#[test]
fn a_camera_that_refuses_the_login_is_asked_every_five_seconds() {
    let mut rig = with_one_absent();
    let refused = NoOffer { error: "401 Unauthorized".into(), refused: true };
    rig.world.answer("live", Answer::Absent(refused));
    rig.run(21_000);
    assert!(rig.troubles().iter().any(|reason| reason.contains("401")), "{:?}", rig.troubles());
    assert_eq!(rig.world.asked("live").len(), 1 + 1 + 4);
}

#[test]
fn a_camera_that_gives_something_else_now_gets_another_ring() {
    let mut rig = with_one_absent();
    rig.world.answer("live", Answer::Offer(offer(1280, 720)));
    rig.run(2000);
    let left = rig.pid(&capture("left"));
    // Its capture can't use it any more.
    rig.world.answer("live", Answer::Offer(offer(640, 480)));
    rig.world.exit(rig.pid(&capture("live")), with_code(2));
    rig.run(1000);
    assert_eq!((rig.camera("live"), rig.pid(&capture("left"))), (CameraStatus::Live, left));
    let widths = rig.rings["live"]
        .with(|ring| ring.made_for.iter().map(|spec| spec.geometry.width()).collect::<Vec<_>>());
    assert_eq!(widths, [1280, 640]);
    // Its answer comes when another capture is at work already.
    let another = rig.pid(&capture("live"));
    rig.world.event_in(
        ms(1),
        LoopEvent::Answered { camera: name("live"), answer: Ok(Answer::Offer(offer(800, 600))) },
    );
    rig.run(1000);
    assert_ne!(rig.pid(&capture("live")), another, "it would write where nobody looks");
    assert_eq!(rig.world.with(another, |fake| fake.told_of_rings), 0);
    // A camera that gives the same as before can't be helped by a ring.
    rig.world.answer("live", Answer::Offer(offer(800, 600)));
    rig.world.exit(rig.pid(&capture("live")), with_code(2));
    rig.run(5000);
    assert_eq!(rig.rings["live"].with(|ring| ring.made_for.len()), 3);
    assert!(rig.world.alive(&capture("live")).is_empty(), "it is tried again after half a minute");
}

#[test]
fn a_pipe_keeps_its_process_and_so_its_writer_when_its_ring_is_made() {
    let mut rig = Rig::new(&["pipe", "right"], &[]);
    rig.instance.children.begin_without(&BTreeMap::new(), &rig.world);
    rig.run(1000);
    assert!(rig.world.asked("pipe").is_empty(), "a look would end its writer");
    let pipe = rig.pid(&capture("pipe"));
    rig.world.with(pipe, |fake| fake.offer = Some(Offer { payload: Payload::Planes, ..offer(640, 480) }));
    rig.run(1000);
    assert_eq!(rig.pid(&capture("pipe")), pipe);
    assert_eq!(rig.world.with(pipe, |fake| fake.told_of_rings), 1);
    let widths = rig.rings["pipe"]
        .with(|ring| ring.made_for.iter().map(|spec| spec.geometry.width()).collect::<Vec<_>>());
    assert_eq!(widths, [640]);
}

#[test]
fn a_capture_that_waits_for_its_camera_for_long_is_not_taken_for_hung() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.with(left, |fake| fake.camera = CameraState::Failed("there is no device".into()));
    rig.run(600_000);
    assert_eq!((rig.pid(&capture("left")), rig.restarts(&capture("left"))), (left, 0));
    rig.world.with(left, |fake| fake.camera = CameraState::Live);
    rig.run(1000);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn a_camera_without_a_frame_holds_up_the_start_for_five_seconds() {
    let mut rig = Rig::new(&["left", "pipe"], &[]);
    rig.run(100);
    rig.world.with(rig.pid(&capture("pipe")), |fake| fake.camera = CameraState::Opening);
    rig.run(4500);
    assert_eq!(rig.state(), InstanceState::Starting);
    rig.run(1000);
    assert_eq!((rig.state(), rig.camera("left")), (InstanceState::Degraded, CameraStatus::Live));
}
