//! The loop in a fake world: whatever happens to processes, rings and clips, in milliseconds.

mod cameras;
mod captures;
mod closing;
mod coming;
mod fake;
mod fake_process;
mod fake_ring;
mod hangs;
mod links;
mod model;
mod readers;
mod recorders;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::clip::Verdict;
use proto::codec::Codec;
use proto::control::Response;
use proto::instance::{ChildId, Rendezvous};
use proto::ladder::EncoderLadder;
use proto::messages::{CameraState, RecorderBeat, RecorderOrder, RecorderReport};
use proto::name::Name;
use proto::process::Pid;
use proto::refusal::Refusal;
use proto::status::{CameraStatus, InstanceState, ProcessRole, ProcessState};

use super::telling::{state, troubles};
use super::{Afterwards, Camera, Children, Instance, Telling};
use crate::child::Child;
use crate::child::recipe::Recipe;
use crate::clips::{Clips, Counts, Phase};
use crate::health::Reason;
use crate::loop_events::{LoopEvent, LoopRequest, Report};
use crate::rings::Rings;
use crate::statistics::Statistics;
use crate::world::World;
use fake::{FakeWorld, ms};
use fake_ring::{FakeRing, config};

const RUN: &str = "/nowhere/run_1";

/// An instance in its fake world.
struct Rig {
    world: FakeWorld,
    instance: Instance,
    rings: BTreeMap<String, FakeRing>,
    table: Rings,
    statistics: Arc<Statistics>,
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
        open.iter().for_each(|clip| world.leave_clip(clip.clone()));
        let clips = Arc::new(Clips::new(RUN.into(), 16, open, Counts::default()));
        let statistics = Arc::new(Statistics::new(Arc::clone(&config), Arc::clone(&clips)));
        let child = |id| Child::new(id, recipe(), Duration::ZERO, world.now());
        let (recorder, standby) = (child(ChildId::Recorder), child(ChildId::Standby));
        let (table, folders) = (Rings::default(), vec![RUN.into()]);
        let children = Children::new(recorder, Some(standby), None, folders, table.clone(), &world);
        let instance = Instance {
            telling: Telling::new(config, Arc::clone(&statistics), None),
            world: Box::new(world.clone()),
            children,
            clips,
            settled: false,
        };
        let mut rig = Self { world, instance, rings: BTreeMap::new(), table, statistics };
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
        let ring = FakeRing::new(self.world.clone());
        self.rings.insert(camera.into(), ring.clone());
        let config = config(&[camera]).cameras.remove(0);
        let camera = Camera::new(Arc::new(config), Box::new(ring), recipe(), self.world.now());
        self.instance.children.add(camera);
    }

    /// Lets the loop run for so long.
    fn run(&mut self, for_ms: u64) {
        self.world.event_in(ms(for_ms), LoopEvent::Signal);
        assert!(self.instance.run().is_none());
    }

    fn child(&self, id: &ChildId) -> &Child {
        self.instance.children.all().find(|child| child.id == *id).unwrap()
    }

    /// Does the table that triggers read hold the cameras' present rings?
    fn table_is_right(&self) -> bool {
        let table = self.table.now();
        let cameras = self.instance.children.cameras();
        table.len() == cameras.len()
            && table.iter().zip(cameras).all(|((_, ring), camera)| Arc::ptr_eq(ring, &camera.ring.ring()))
    }

    fn pid(&self, id: &ChildId) -> Pid {
        self.child(id).running().unwrap().pid()
    }

    /// The state and the pid that the statistics have for a child.
    fn published(&self, role: ProcessRole, camera: Option<&str>) -> (ProcessState, Option<Pid>) {
        let processes = self.statistics.document().processes;
        let process = processes.iter().find(|p| p.role == role && p.camera.as_deref() == camera).unwrap();
        (process.state, process.pid)
    }

    fn state(&self) -> InstanceState {
        state(&self.instance.children, self.world.now())
    }

    fn ladder(&self, camera: &str) -> EncoderLadder {
        self.instance.children.ladders().unwrap()[&name(camera)].clone()
    }

    fn troubles(&self) -> Vec<String> {
        self.reasons().into_iter().map(|reason| reason.text).collect()
    }

    /// The same with their grades.
    fn reasons(&self) -> Vec<Reason> {
        troubles(&self.instance.children, self.world.now())
    }

    fn camera(&self, camera: &str) -> CameraStatus {
        self.camera_says(camera).0
    }

    /// A camera's status, and what is wrong with it.
    fn camera_says(&self, camera: &str) -> (CameraStatus, String) {
        let cameras = self.instance.children.cameras();
        let (status, why) = cameras.iter().find(|its| its.name().as_str() == camera).unwrap().status();
        (status, why.unwrap_or_default())
    }

    fn restarts(&self, id: &ChildId) -> u64 {
        self.child(id).record.restarts
    }

    fn last_exit(&self, id: &ChildId) -> &str {
        self.child(id).last_exit.as_deref().unwrap_or_default()
    }
}
