//! Rings that break, and cameras that come and go.

use super::fake::{by_signal, ms};
use super::fake_ring::nameless_ring;
use super::*;
use crate::statistics::view::{CameraView, View};

#[test]
fn a_broken_ring_is_made_anew_and_everybody_goes_on_with_the_new_one() {
    let mut rig = Rig::ready();
    let (left, right) = (rig.pid(&capture("left")), rig.pid(&capture("right")));
    rig.rings["left"].with(|ring| ring.broken = true);
    rig.run(500);
    assert_ne!(rig.pid(&capture("left")), left);
    assert_eq!(rig.pid(&capture("right")), right);
    assert_eq!(rig.last_exit(&capture("left")), "signal 9 (its ring broke)");
    for id in [ChildId::Recorder, ChildId::Standby] {
        let told =
            |fake: &mut fake_process::Fake| fake.heard.iter().any(|o| matches!(o, RecorderOrder::Rings));
        assert!(rig.world.with(rig.pid(&id), told), "{id}");
    }
    assert_eq!((rig.state(), rig.instance.children.cameras()[0].ring.rebuilt()), (InstanceState::Ready, 1));
    assert!(rig.table_is_right(), "triggers find the new one");
}

#[test]
fn a_capture_waits_for_a_ring_that_cannot_be_made() {
    let mut rig = Rig::ready();
    rig.rings["left"].with(|ring| (ring.broken, ring.no_room) = (true, true));
    rig.run(5000);
    assert_eq!(rig.world.alive(&capture("left")), []);
    assert_eq!(rig.world.starts(&capture("left")).len(), 1);
    assert!(
        rig.troubles().contains(&"camera left: another can't be made".to_owned()),
        "{:?}",
        rig.troubles()
    );
    assert!(rig.rings["left"].with(|ring| ring.let_go));
    assert!(rig.table_is_right(), "nobody holds the memory that the next one needs");
    rig.rings["left"].with(|ring| ring.no_room = false);
    rig.run(1000);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn the_thread_of_the_statistics_keeps_no_ring_between_two_readings() {
    let view = |ring| {
        let mut camera = CameraView::of(&Rig::new(&["left"], &[]).instance.children.cameras()[0]);
        camera.ring = ring;
        View {
            state: InstanceState::Ready,
            troubles: Vec::new(),
            cameras: vec![camera],
            processes: Vec::new(),
            encoder: None,
            orders_resent: 0,
            recorder: RecorderBeat::default(),
            backlog_bytes: 0,
            encoded_per_s: None,
        }
    };
    let clips = Clips::new(RUN.into(), 1, HashSet::new(), Counts::default());
    let statistics = Statistics::start(Arc::new(config(&["left"])), Arc::new(clips)).unwrap();
    let broken = nameless_ring();
    let is_held = Arc::downgrade(&broken);
    statistics.publish(view(broken));
    // The thread has read its first: that of this process.
    while statistics.document().totals.memory_bytes == 0 {
        std::thread::yield_now();
    }
    statistics.publish(view(nameless_ring()));
    let since = std::time::Instant::now();
    while is_held.upgrade().is_some() {
        assert!(since.elapsed() < ms(500), "until the next reading");
        std::thread::yield_now();
    }
}

#[test]
fn a_crash_right_after_a_ring_broke_is_not_held_against_the_process() {
    let mut rig = Rig::recording(&["clip-0001"]);
    for _ in 0..3 {
        rig.rings["left"].with(|ring| ring.broken = true);
        rig.world.crash_over(rig.pid(&ChildId::Recorder), "left");
        rig.run(3000);
    }
    assert_eq!(rig.ladder("left").chain.len(), 2);
    assert!(!rig.child(&ChildId::Recorder).record.keeps_ending());
}

#[test]
fn a_camera_is_added_and_removed_while_everything_runs() {
    let mut rig = Rig::ready();
    let others = [capture("left"), capture("right"), ChildId::Recorder].map(|id| rig.pid(&id));
    rig.add("middle");
    rig.run(500);
    assert_eq!((rig.camera("middle"), rig.state()), (CameraStatus::Live, InstanceState::Ready));
    assert_eq!(rig.table.now().len(), 3, "triggers find it");
    assert_eq!(rig.world.saved().children.len(), 5, "the next supervisor finds it");
    let first = rig.pid(&capture("middle"));
    rig.world.exit(first, by_signal(9));
    rig.run(500);
    assert_ne!(rig.pid(&capture("middle")), first, "it is looked after like the others");
    let removed = rig.instance.children.remove(&name("middle"), &rig.world).unwrap();
    removed.ring.remove();
    rig.run(5000);
    assert_eq!(rig.world.alive(&capture("middle")), []);
    assert_eq!((rig.table.now().len(), rig.world.saved().children.len()), (2, 4));
    assert!(rig.rings["middle"].with(|ring| ring.removed));
    assert!(rig.instance.children.remove(&name("middle"), &rig.world).is_none());
    assert_eq!([capture("left"), capture("right"), ChildId::Recorder].map(|id| rig.pid(&id)), others);
    assert_eq!(rig.state(), InstanceState::Ready);
}
