//! The loop in a fake world: whatever happens to processes, rings and clips, in milliseconds.

mod fake;
mod model;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::codec::Codec;
use proto::control::Response;
use proto::instance::{ChildId, Rendezvous};
use proto::messages::{CameraState, RecorderBeat, RecorderOrder};
use proto::name::Name;
use proto::process::Pid;
use proto::refusal::Refusal;
use proto::status::{CameraStatus, InstanceState};

use super::telling::{state, troubles};
use super::{Afterwards, Camera, Children, Instance, Telling};
use crate::child::{Child, Recipe};
use crate::clips::{Clips, Counts, Phase};
use crate::events::{Event, LoopRequest};
use crate::rings::Rings;
use crate::statistics::Statistics;
use crate::statistics::view::camera_status;
use crate::world::World;
use fake::{FakeRing, FakeWorld, Mood, by_signal, config, ms, with_code};

const RUN: &str = "/nowhere/run_1";

/// An instance in its fake world.
struct Rig {
    world: FakeWorld,
    instance: Instance,
    rings: BTreeMap<String, FakeRing>,
    table: Rings,
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn capture(camera: &str) -> ChildId {
    ChildId::Capture(name(camera))
}

fn recipe() -> Recipe {
    Recipe { program: "fake".into(), args: Vec::new() }
}

impl Rig {
    /// Nothing is started yet. `clips` are open.
    fn new(cameras: &[&str], clips: &[&str]) -> Self {
        let (world, config) = (FakeWorld::new(), Arc::new(config(cameras)));
        let open: HashSet<PathBuf> = clips.iter().map(|clip| Path::new(RUN).join(clip)).collect();
        let clips = Arc::new(Clips::new(RUN.into(), 16, open, Counts::default()));
        let statistics = Arc::new(Statistics::new(Arc::clone(&config), Arc::clone(&clips)));
        let child = |id| Child::new(id, recipe(), Duration::ZERO, world.now());
        let (recorder, standby) = (child(ChildId::Recorder), child(ChildId::Standby));
        let (table, folders) = (Rings::default(), vec![RUN.into()]);
        let children = Children::new(recorder, Some(standby), None, folders, table.clone(), &world);
        let instance = Instance {
            telling: Telling::new(config, statistics, None),
            world: Box::new(world.clone()),
            children,
            clips,
        };
        let mut rig = Self { world, instance, rings: BTreeMap::new(), table };
        cameras.iter().for_each(|camera| rig.add(camera));
        rig
    }

    /// An instance with two cameras that has come up.
    fn ready() -> Self {
        Self::recording(&[])
    }

    /// The same with open clips, which the recorder reports to work on.
    fn recording(clips: &[&str]) -> Self {
        let mut rig = Self::new(&["left", "right"], clips);
        rig.run(1000);
        assert_eq!(rig.state(), InstanceState::Ready, "{:?}", rig.troubles());
        rig
    }

    fn add(&mut self, camera: &str) {
        let ring = FakeRing::default();
        self.rings.insert(camera.into(), ring.clone());
        let config = config(&[camera]).cameras.remove(0);
        let camera = Camera::new(Arc::new(config), Box::new(ring), recipe(), self.world.now());
        self.instance.children.add(camera);
    }

    /// Lets the loop run for so long.
    fn run(&mut self, for_ms: u64) {
        self.world.event_in(ms(for_ms), Event::Signal);
        assert!(self.instance.run().is_none());
    }

    fn child(&self, id: &ChildId) -> &Child {
        self.instance.children.all().find(|child| child.id == *id).unwrap()
    }

    fn pid(&self, id: &ChildId) -> Pid {
        self.child(id).running().unwrap().pid()
    }

    fn state(&self) -> InstanceState {
        state(&self.instance.children)
    }

    fn troubles(&self) -> Vec<String> {
        troubles(&self.instance.children, self.world.now())
    }

    fn camera(&self, camera: &str) -> CameraStatus {
        camera_status(self.child(&capture(camera))).0
    }

    fn restarts(&self, id: &ChildId) -> u64 {
        self.child(id).record.restarts
    }

    fn last_exit(&self, id: &ChildId) -> &str {
        self.child(id).last_exit.as_deref().unwrap_or_default()
    }
}

#[test]
fn everything_is_started_once_and_kept_for_the_next_supervisor() {
    let mut rig = Rig::new(&["left", "right"], &[]);
    assert_eq!(rig.state(), InstanceState::Starting);
    rig.run(1000);
    assert_eq!(rig.state(), InstanceState::Ready);
    assert_eq!(rig.world.all_alive(), 4);
    let saved = rig.world.saved();
    let pids: Vec<Pid> = saved.children.iter().map(|child| child.pid).collect();
    let expected =
        [capture("left"), capture("right"), ChildId::Recorder, ChildId::Standby].map(|id| rig.pid(&id));
    assert_eq!(pids, expected);
    assert_eq!((saved.run_folder, saved.verdict), (RUN.into(), Some(fake::ladder())));
    assert!(rig.troubles().is_empty(), "{:?}", rig.troubles());
}

#[test]
fn every_child_is_met_at_a_place_of_its_own() {
    let rig = Rig::new(&["left"], &[]);
    rig.instance.children.meet(&rig.world).unwrap();
    let places = [Rendezvous::Capture(name("left")), Rendezvous::Recorder, Rendezvous::Standby];
    assert_eq!(rig.world.met(), places);
}

#[test]
fn a_killed_capture_is_back_at_once_and_the_others_notice_nothing() {
    let mut rig = Rig::ready();
    let (left, right) = (rig.pid(&capture("left")), rig.pid(&capture("right")));
    let killed = rig.world.now();
    rig.world.exit(left, by_signal(9));
    rig.run(500);
    assert_ne!(rig.pid(&capture("left")), left);
    assert_eq!(rig.world.starts(&capture("left"))[1], killed);
    assert_eq!((rig.pid(&capture("right")), rig.restarts(&capture("right"))), (right, 0));
    assert_eq!((rig.state(), rig.restarts(&capture("left"))), (InstanceState::Ready, 1));
}

#[test]
fn a_capture_that_keeps_crashing_is_started_more_and_more_seldom_and_said() {
    let mut rig = Rig::ready();
    for _ in 0..5 {
        rig.world.exit(rig.pid(&capture("left")), by_signal(11));
        rig.run(3000);
    }
    let starts = rig.world.starts(&capture("left"));
    let waits: Vec<u128> = starts.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
    // Each life of three seconds less the wait, and then that wait.
    assert_eq!(waits[1..], [3100, 3100, 3200, 3400].map(|wait: u128| wait));
    rig.world.exit(rig.pid(&capture("left")), by_signal(11));
    rig.run(10);
    assert!(rig.troubles()[0].contains("capture left: restarting: signal 11"), "{:?}", rig.troubles());
    assert_eq!(rig.state(), InstanceState::Degraded);
}

#[test]
fn a_capture_that_cannot_be_started_is_tried_again_until_it_can() {
    let mut rig = Rig::ready();
    rig.world.refuse_to_spawn(true);
    rig.world.exit(rig.pid(&capture("left")), by_signal(9));
    rig.run(2000);
    assert_eq!(rig.last_exit(&capture("left")), "could not be started: no more processes");
    rig.world.refuse_to_spawn(false);
    rig.run(3000);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn a_camera_that_cannot_be_used_as_configured_is_tried_every_half_a_minute() {
    let mut rig = Rig::ready();
    let ended = rig.world.now();
    rig.world.exit(rig.pid(&capture("left")), with_code(2));
    rig.run(29_000);
    assert_eq!(rig.camera("left"), CameraStatus::Restarting);
    rig.run(2000);
    assert_eq!(rig.camera("left"), CameraStatus::Live, "put right, it is found");
    let starts = rig.world.starts(&capture("left"));
    assert_eq!(starts.len(), 2);
    assert_eq!(starts[1] - ended, Duration::from_secs(30));
    // A recorder has no camera: its own exit code 2 is a crash like any other.
    rig.world.exit(rig.pid(&ChildId::Recorder), with_code(2));
    rig.run(2000);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn a_restart_by_command_does_not_wait_for_half_a_minute() {
    let mut rig = Rig::ready();
    rig.world.exit(rig.pid(&capture("left")), with_code(2));
    rig.run(1000);
    let answer = rig.world.ask(LoopRequest::Restart("left".into()));
    rig.run(500);
    assert_eq!(answer.recv().unwrap(), Ok(Response::Done("capture left: starting".into())));
    assert_eq!(rig.camera("left"), CameraStatus::Live);
}

#[test]
fn a_restart_of_nobody_names_those_there_are() {
    let mut rig = Rig::ready();
    let answer = rig.world.ask(LoopRequest::Restart("middle".into()));
    rig.run(10);
    let known = vec!["left".into(), "right".into()];
    assert_eq!(answer.recv().unwrap(), Err(Refusal::UnknownProcess { name: "middle".into(), known }));
}

#[test]
fn processes_that_run_already_are_adopted_and_not_started_again() {
    let mut rig = Rig::new(&["left"], &[]);
    let all = [capture("left"), ChildId::Recorder, ChildId::Standby];
    let pids = all.clone().map(|id| rig.world.left_over(&id));
    for child in rig.instance.children.all_mut() {
        let pid = pids[all.iter().position(|id| *id == child.id).unwrap()];
        child.attach(rig.world.adopt(&child.id, pid).unwrap(), rig.world.now());
    }
    rig.run(1000);
    assert_eq!(all.clone().map(|id| rig.pid(&id)), pids);
    assert_eq!((rig.state(), rig.world.all_alive()), (InstanceState::Ready, 3));
}

#[test]
fn a_capture_without_progress_is_replaced_once_its_patience_is_over() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.with(left, |fake| fake.mood = Mood::Hung);
    // Its last progress was heard up to a beat ago.
    rig.run(2200);
    assert_eq!(rig.pid(&capture("left")), left, "not yet");
    rig.run(1000);
    assert_ne!(rig.pid(&capture("left")), left);
    assert_eq!(rig.last_exit(&capture("left")), "signal 9 (hung)");
    rig.run(500);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn a_stopped_process_is_replaced_at_the_next_looks_and_nothing_is_held_against_it() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.with(left, |fake| fake.mood = Mood::Stopped);
    rig.run(800);
    assert_ne!(rig.pid(&capture("left")), left);
    assert_eq!(rig.last_exit(&capture("left")), "signal 9 (hung: it was stopped)");
    assert!(!rig.child(&capture("left")).record.is_suspicious());
}

#[test]
fn a_process_that_does_not_get_its_turn_is_left_alone() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.with(left, |fake| fake.mood = Mood::Starved);
    rig.run(10_000);
    assert_eq!(rig.pid(&capture("left")), left);
}

#[test]
fn a_pause_of_the_whole_machine_is_nobodys_fault() {
    let mut rig = Rig::ready();
    let before = rig.pid(&capture("left"));
    // What a look finds after ten seconds in which nothing could be heard.
    rig.instance.world.next_event(Duration::ZERO).ok();
    rig.instance.children.look(&rig.world, Duration::from_secs(10));
    rig.run(300);
    assert_eq!(rig.pid(&capture("left")), before);
}

#[test]
fn a_kill_for_lack_of_memory_is_told_apart() {
    let mut rig = Rig::ready();
    rig.world.kill_for_memory(rig.pid(&capture("left")));
    rig.run(100);
    assert_eq!(rig.last_exit(&capture("left")), "signal 9 (killed: out of memory?)");
}

#[test]
fn the_standby_takes_over_from_a_killed_recorder_and_keeps_its_rendezvous() {
    let mut rig = Rig::recording(&["clip-0001"]);
    let (recorder, standby) = (rig.pid(&ChildId::Recorder), rig.pid(&ChildId::Standby));
    let killed = rig.world.now();
    rig.world.exit(recorder, by_signal(9));
    rig.run(100);
    assert_eq!(rig.pid(&ChildId::Recorder), standby);
    let armed = rig.world.with(standby, |fake| {
        fake.heard.iter().any(|order| matches!(order, RecorderOrder::Arm { verdict: Some(_), .. }))
    });
    assert!(armed, "with the encoders that are known");
    let saved = rig.world.saved().children;
    assert!(saved.iter().any(|child| child.id == ChildId::Recorder && child.pid == standby));
    assert!(rig.rings.values().all(|ring| ring.with(|ring| ring.swept) == 1), "before it may hold a frame");
    rig.run(2000);
    assert_eq!(rig.world.starts(&ChildId::Standby)[1] - killed, Duration::from_secs(1));
    // What it says comes from the standby's rendezvous, and is the recorder's.
    rig.world.with(standby, |fake| fake.beat.trouble = Some("the disk is full".into()));
    rig.run(500);
    assert_eq!(rig.troubles(), ["the disk is full"]);
    assert_eq!(rig.restarts(&ChildId::Recorder), 1);
}

#[test]
fn without_a_standby_that_is_up_the_recorder_is_started_anew() {
    let mut rig = Rig::ready();
    rig.world.exit(rig.pid(&ChildId::Recorder), by_signal(9));
    rig.world.exit(rig.pid(&ChildId::Standby), by_signal(9));
    rig.run(500);
    assert_eq!(rig.world.starts(&ChildId::Recorder).len(), 2);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn the_standby_is_warm_while_clips_are_recorded_and_cold_after() {
    let mut rig = Rig::ready();
    let (recorder, standby) = (rig.pid(&ChildId::Recorder), rig.pid(&ChildId::Standby));
    let orders = |rig: &Rig| -> Vec<&'static str> {
        rig.world.with(standby, |fake| {
            let word = |order: &RecorderOrder| match order {
                RecorderOrder::Warm(_) => Some("warm"),
                RecorderOrder::Cool => Some("cool"),
                _ => None,
            };
            fake.heard.iter().filter_map(word).collect()
        })
    };
    rig.world.with(recorder, |fake| (fake.beat.clips_open, fake.beat.lag_frames) = (1, 40));
    rig.run(600);
    assert_eq!(orders(&rig), ["cool"], "the recorder has not caught up");
    rig.world.with(recorder, |fake| fake.beat.lag_frames = 1);
    rig.run(600);
    assert_eq!(orders(&rig), ["cool", "warm"]);
    rig.world.with(recorder, |fake| fake.beat.clips_open = 0);
    rig.run(600);
    assert_eq!(orders(&rig), ["cool", "warm", "cool"]);
}

#[test]
fn an_encoder_is_doubted_after_the_second_crash_over_a_clip() {
    let mut rig = Rig::recording(&["clip-0001"]);
    let written = rig.world.run_file_writes();
    rig.world.exit(rig.pid(&ChildId::Recorder), by_signal(11));
    rig.run(1500);
    assert_eq!(rig.instance.children.ladder().unwrap().chain.len(), 2, "once may be chance");
    rig.world.exit(rig.pid(&ChildId::Recorder), by_signal(11));
    rig.run(500);
    let ladder = rig.instance.children.ladder().unwrap();
    assert_eq!((ladder.chain[0].codec, ladder.given_up[0].codec), (Codec::Mjpg, Codec::H264));
    assert!(rig.troubles()[0].contains("H264 (libx264) was given up"), "{:?}", rig.troubles());
    assert!(rig.world.run_file_writes() > written);
    // The last one is never given up.
    for _ in 0..4 {
        rig.run(3000);
        rig.world.exit(rig.pid(&ChildId::Recorder), by_signal(11));
    }
    rig.run(3000);
    assert_eq!(rig.instance.children.ladder().unwrap().chain.len(), 1);
}

#[test]
fn crashes_without_a_clip_are_not_held_against_the_encoder() {
    let mut rig = Rig::ready();
    for _ in 0..4 {
        rig.world.exit(rig.pid(&ChildId::Recorder), by_signal(11));
        rig.run(3000);
    }
    assert_eq!(rig.instance.children.ladder().unwrap().chain.len(), 2);
}

#[test]
fn a_recorder_that_is_stuck_in_an_encoder_gets_the_next_one_at_once() {
    let mut rig = Rig::recording(&["clip-0001"]);
    let recorder = rig.pid(&ChildId::Recorder);
    rig.world.with(recorder, |fake| {
        fake.mood = Mood::Hung;
        fake.beat =
            RecorderBeat { busy: true, clips_open: 1, stuck: Some(name("left")), ..fake.beat.clone() };
    });
    rig.run(3500);
    assert_eq!(rig.instance.children.ladder().unwrap().chain[0].codec, Codec::Mjpg);
    assert_eq!(rig.last_exit(&ChildId::Recorder), "signal 9 (hung)");
}

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
        let told = |fake: &mut fake::Fake| fake.heard.iter().any(|o| matches!(o, RecorderOrder::Rings));
        assert!(rig.world.with(rig.pid(&id), told), "{id}");
    }
    assert_eq!((rig.state(), rig.instance.children.cameras()[0].ring.rebuilt()), (InstanceState::Ready, 1));
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
    rig.rings["left"].with(|ring| ring.no_room = false);
    rig.run(1000);
    assert_eq!(rig.state(), InstanceState::Ready);
}

#[test]
fn a_crash_right_after_a_ring_broke_is_not_held_against_the_process() {
    let mut rig = Rig::recording(&["clip-0001"]);
    for _ in 0..3 {
        rig.rings["left"].with(|ring| ring.broken = true);
        rig.world.exit(rig.pid(&ChildId::Recorder), by_signal(7));
        rig.run(3000);
    }
    assert_eq!(rig.instance.children.ladder().unwrap().chain.len(), 2);
    assert!(!rig.child(&ChildId::Recorder).record.is_suspicious());
}

#[test]
fn a_file_that_has_played_to_its_end_is_not_started_again() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.with(left, |fake| fake.camera = CameraState::Ended);
    rig.run(300);
    rig.world.exit(left, with_code(0));
    rig.run(60_000);
    assert_eq!((rig.camera("left"), rig.state()), (CameraStatus::Ended, InstanceState::Ready));
    assert_eq!(rig.world.starts(&capture("left")).len(), 1);
}

#[test]
fn the_reason_of_a_failed_camera_is_heard_even_after_its_capture_has_ended() {
    let mut rig = Rig::ready();
    let left = rig.pid(&capture("left"));
    rig.world.exit(left, with_code(2));
    rig.run(10);
    let camera = CameraState::Failed("no such file".into());
    let report = crate::events::Report::Capture(proto::messages::CaptureReport::Beat { progress: 9, camera });
    rig.world.event_in(ms(1), Event::Report { pid: left, report, heard: rig.world.now() });
    rig.run(10);
    assert_eq!(rig.troubles(), ["capture left: failed: no such file"]);
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

#[test]
fn a_finished_clip_is_counted_and_a_lost_one_is_not() {
    let mut rig = Rig::recording(&["clip-0001", "clip-0002"]);
    let folder = Path::new(RUN).join("clip-0001");
    rig.world.event_in(ms(1), Event::Found { folder, complete: true });
    rig.world.event_in(ms(2), Event::Gone(Path::new(RUN).join("clip-0002")));
    rig.run(10);
    assert_eq!((rig.instance.clips.open_count(), rig.instance.clips.counts().completed), (0, 1));
}

#[test]
fn a_planned_clip_is_passed_on_to_the_recorder() {
    let mut rig = Rig::ready();
    let clip = Path::new(RUN).join("clip-0001");
    rig.world.event_in(ms(1), Event::Planned(clip.clone()));
    rig.run(10);
    assert_eq!(rig.world.with(rig.pid(&ChildId::Recorder), |fake| fake.clips()), [clip]);
}

#[test]
fn the_end_closes_clips_before_cameras_and_leaves_no_process() {
    let mut rig = Rig::recording(&["clip-0001"]);
    assert_eq!(rig.instance.clips.phase(), Phase::Running);
    assert_eq!(rig.instance.close(), Afterwards::RemoveRings);
    assert_eq!(rig.instance.clips.phase(), Phase::Over);
    assert_eq!((rig.world.all_alive(), rig.instance.clips.open_count()), (0, 0));
    assert_eq!(rig.world.starts(&capture("left")).len(), 1, "nothing is started again");
}

#[test]
fn a_recorder_that_dies_while_it_closes_gets_a_successor_that_does() {
    let mut rig = Rig::recording(&["clip-0001"]);
    let (recorder, standby) = (rig.pid(&ChildId::Recorder), rig.pid(&ChildId::Standby));
    rig.world.with(recorder, |fake| fake.mood = Mood::Hung);
    rig.world.event_in(ms(400), Event::Exited { pid: recorder, end: by_signal(11) });
    assert_eq!(rig.instance.close(), Afterwards::RemoveRings);
    assert_eq!(rig.world.with(standby, |fake| fake.clips()), [Path::new(RUN).join("clip-0001")]);
    assert_eq!(rig.instance.clips.open_count(), 0);
}

#[test]
fn a_recorder_that_takes_too_long_leaves_clips_and_rings_to_the_next_start() {
    let mut rig = Rig::recording(&["clip-0001"]);
    rig.world.with(rig.pid(&ChildId::Recorder), |fake| fake.mood = Mood::Hung);
    let began = rig.world.now();
    assert_eq!(rig.instance.close(), Afterwards::KeepRings);
    assert!(rig.world.now() - began < Duration::from_secs(5), "{:?}", rig.world.now() - began);
    assert_eq!((rig.world.all_alive(), rig.instance.clips.phase()), (0, Phase::Over));
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    let mut rig = Rig::recording(&["clip-0001"]);
    rig.world.with(rig.pid(&ChildId::Recorder), |fake| fake.mood = Mood::Hung);
    rig.world.event_in(ms(50), Event::Signal);
    let began = rig.world.now();
    rig.instance.close();
    assert!(rig.world.now() - began < ms(300), "{:?}", rig.world.now() - began);
    assert_eq!(rig.world.all_alive(), 0);
}

#[test]
fn a_question_during_the_end_is_refused() {
    let mut rig = Rig::ready();
    let answer = rig.world.ask(LoopRequest::Codecs);
    rig.instance.close();
    assert_eq!(answer.recv().unwrap(), Err(Refusal::Ending));
}

#[test]
fn stop_by_command_ends_the_loop_and_is_answered_when_all_is_over() {
    let mut rig = Rig::ready();
    let answer = rig.world.ask(LoopRequest::Stop);
    let reply = rig.instance.run();
    assert!(reply.is_some());
    assert!(answer.try_recv().is_err(), "not before the end");
}
