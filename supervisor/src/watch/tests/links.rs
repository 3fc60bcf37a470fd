//! Orders and reports that get lost, links that break, and processes of another version.

use proto::link::{LinkError, Version};

use super::fake::{Step, by_signal, ms};
use super::*;

const CLIP: &str = "clip-0001";

fn clip() -> PathBuf {
    Path::new(RUN).join(CLIP)
}

/// A version that differs from this one.
fn another_version() -> Version {
    let mut text = serde_json::to_value(Version::own()).unwrap();
    text["language"][0] = (text["language"][0].as_u64().unwrap() ^ 1).into();
    text["program"] = "9.9.9".into();
    serde_json::from_value(text).unwrap()
}

impl Rig {
    fn recorder(&self) -> Pid {
        self.pid(&ChildId::Recorder)
    }

    fn tellings(&self, pid: Pid) -> usize {
        let is_it =
            |order: &&RecorderOrder| matches!(order, RecorderOrder::Clip(folder) if *folder == clip());
        self.world.with(pid, |fake| fake.heard.iter().filter(is_it).count())
    }

    fn armings(&self, pid: Pid) -> usize {
        self.world.steps().iter().filter(|step| **step == Step::Armed(pid)).count()
    }

    fn lose_orders(&self, pid: Pid, loses: bool) {
        self.world.with(pid, |fake| fake.loses_orders = loses);
    }

    /// A clip is accepted, and the loop told of it.
    fn accept(&mut self) {
        self.instance.clips.reserve().unwrap().take(clip()).unwrap();
        self.world.event_in(ms(1), LoopEvent::Planned(clip()));
    }

    fn orders_resent(&self) -> u64 {
        self.statistics.document().recorder.orders_resent
    }
}

#[test]
fn a_clip_whose_order_is_lost_is_told_again_within_a_second() {
    let mut rig = Rig::ready();
    let recorder = rig.recorder();
    rig.lose_orders(recorder, true);
    rig.accept();
    rig.run(50);
    assert_eq!(rig.tellings(recorder), 0);
    rig.lose_orders(recorder, false);
    rig.run(950);
    assert_eq!(rig.tellings(recorder), 1);
    rig.run(5000);
    assert_eq!((rig.tellings(recorder), rig.recorder()), (1, recorder), "it knows the clip now");
    assert!(rig.orders_resent() >= 1);
}

#[test]
fn a_recorder_that_hears_no_order_gets_another_link_and_is_armed_over_it() {
    let mut rig = Rig::ready();
    let recorder = rig.recorder();
    let armings = rig.armings(recorder);
    rig.world.leave_clip(clip());
    rig.lose_orders(recorder, true);
    rig.accept();
    rig.run(1100);
    rig.lose_orders(recorder, false);
    rig.run(600);
    assert!(rig.armings(recorder) > armings, "{:?}", rig.world.steps());
    assert_eq!((rig.recorder(), rig.state()), (recorder, InstanceState::Ready));
}

#[test]
fn a_recorder_that_hears_of_a_clip_and_does_not_know_it_is_replaced_in_the_end() {
    let mut rig = Rig::ready();
    let recorder = rig.recorder();
    rig.world.with(recorder, |fake| fake.forgets_clips = true);
    rig.accept();
    rig.run(15_000);
    assert_ne!(rig.recorder(), recorder);
    assert_eq!(rig.last_exit(&ChildId::Recorder), "signal 9 (it did not hear its orders)");
}

#[test]
fn a_recorder_whose_disk_hangs_is_told_nothing_again() {
    let mut rig = Rig::ready();
    let recorder = rig.recorder();
    rig.world.with(recorder, |fake| {
        fake.beat.trouble = Some("the disk hangs".into());
        fake.forgets_clips = true;
    });
    rig.run(300);
    rig.accept();
    rig.run(15_000);
    assert_eq!((rig.recorder(), rig.tellings(recorder)), (recorder, 1));
}

#[test]
fn a_link_that_breaks_is_made_anew_and_nobody_is_replaced() {
    let mut rig = Rig::recording(&[CLIP]);
    let before: Vec<Pid> = rig.instance.children.all().filter_map(|c| Some(c.running()?.pid())).collect();
    for id in [ChildId::Recorder, ChildId::Standby, capture("left")] {
        let pid = rig.pid(&id);
        let (traffic, armings) = (rig.world.with(pid, |fake| Arc::clone(&fake.traffic)), rig.armings(pid));
        traffic.broke(LinkError::Broken("No buffer space available".into()));
        rig.run(400);
        if id == ChildId::Recorder {
            assert!(rig.armings(pid) > armings);
        }
        if !matches!(id, ChildId::Capture(_)) {
            let is_rings = |order: &RecorderOrder| matches!(order, RecorderOrder::Rings);
            let looks = rig.world.with(pid, |fake| fake.heard.iter().filter(|order| is_rings(order)).count());
            assert_eq!(looks, 2, "with each link: a ring may have been made anew");
        }
    }
    let after: Vec<Pid> = rig.instance.children.all().filter_map(|c| Some(c.running()?.pid())).collect();
    assert_eq!(before, after);
    assert_eq!((rig.state(), rig.orders_resent()), (InstanceState::Ready, 1));
}

#[test]
fn reports_that_get_lost_are_asked_for() {
    let mut rig = Rig::ready();
    let recorder = rig.recorder();
    let armings = rig.armings(recorder);
    rig.world.with(recorder, |fake| fake.progress += 2);
    rig.run(600);
    assert_eq!(rig.armings(recorder), armings + 1, "once");
}

#[test]
fn a_stop_that_is_lost_is_said_again_over_another_link() {
    let mut rig = Rig::recording(&[CLIP]);
    let recorder = rig.recorder();
    rig.world.with(recorder, |fake| {
        fake.loses_orders = true;
        fake.heard.push(RecorderOrder::Clip(clip()));
    });
    let traffic = rig.world.with(recorder, |fake| Arc::clone(&fake.traffic));
    let world = rig.world.clone();
    // The link breaks just after the order was given: the close looks at it at every event.
    world.event_in(ms(30), LoopEvent::Planned(clip()));
    traffic.broke(LinkError::Broken("Cannot allocate memory".into()));
    rig.lose_orders(recorder, false);
    assert_eq!(rig.instance.close(), Afterwards::RemoveRings);
    assert_eq!(rig.instance.clips.open_count(), 0);
}

#[test]
fn a_process_of_another_version_is_ended_and_not_tried_at_once_again() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    let said = Some((left, another_version()));
    rig.world.event_in(ms(1), LoopEvent::Stranger { rendezvous: Rendezvous::Capture(name("left")), said });
    rig.run(500);
    assert_eq!(rig.world.starts(&capture("left")).len(), 1, "the same executable would be the same again");
    let said = rig.troubles().join("\n");
    for words in ["fake is of Preroll 9.9.9 (messages ", "build or install all of Preroll together"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(rig.last_exit(&capture("left")), "signal 9 (it is of another version)");
    assert_eq!(rig.pid(&capture("right")), rig.pid(&capture("right")));
    rig.run(31_000);
    assert_eq!(rig.camera("left"), CameraStatus::Live);
    assert_eq!(rig.troubles(), Vec::<String>::new(), "this one speaks as the supervisor does");
}

#[test]
fn an_adopted_process_of_another_version_is_replaced_at_once() {
    let mut rig = Rig::new(&["left"], &[]);
    let old = rig.world.left_over(&ChildId::Recorder);
    let process = rig.world.adopt(&ChildId::Recorder, old).unwrap();
    let now = rig.world.now();
    rig.instance.children.all_mut().find(|c| c.id == ChildId::Recorder).unwrap().adopt(process, now);
    let said = Some((old, another_version()));
    rig.world.event_in(ms(1), LoopEvent::Stranger { rendezvous: Rendezvous::Recorder, said });
    rig.run(1500);
    assert_ne!(rig.recorder(), old);
    assert_eq!(rig.state(), InstanceState::Ready, "{:?}", rig.troubles());
}

#[test]
fn a_stranger_that_is_no_child_is_left_alone() {
    let mut rig = Rig::ready();
    let before = rig.world.all_alive();
    let said = Pid::new(77).map(|pid| (pid, another_version()));
    rig.world.event_in(ms(1), LoopEvent::Stranger { rendezvous: Rendezvous::Recorder, said });
    rig.world.event_in(ms(1), LoopEvent::Stranger { rendezvous: Rendezvous::Recorder, said: None });
    rig.run(500);
    assert_eq!((rig.world.all_alive(), rig.state()), (before, InstanceState::Ready));
    rig.world.exit(rig.recorder(), by_signal(9));
    rig.run(500);
}
