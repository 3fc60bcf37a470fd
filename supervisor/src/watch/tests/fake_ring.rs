//! A ring that breaks when a test says so, and the config of such cameras.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use proto::config::Config;
use proto::instance::RuntimeDir;
use proto::ring::{ReaderBit, Ring, RingSpec};

use super::fake::{FakeWorld, Step};
use crate::inflow::Inflow;
use crate::mappers::Identity;
use crate::rings::{CameraRing, Look};

/// A ring that breaks when a test says so. Clones are the same one.
#[derive(Clone)]
pub(super) struct FakeRing {
    state: Rc<RefCell<RingState>>,
    world: FakeWorld,
}

/// Its fifteen fields are what tests set and ask for.
#[derive(Default)]
pub(super) struct RingState {
    pub(super) broken: bool,
    pub(super) no_room: bool,
    /// Without room for another, the broken one is let go of at the second look.
    pub(super) let_go: bool,
    /// The number of rings that it has been.
    changes: usize,
    pub(super) looks: u64,
    pub(super) trouble: Option<&'static str>,
    pub(super) rebuilt: u64,
    pub(super) swept: u64,
    pub(super) removed: bool,
    /// The newest frame, if none comes any more.
    pub(super) stands_at: Option<u64>,
    pub(super) foreign: Vec<(ReaderBit, u64)>,
    pub(super) has_ended: bool,
    /// What it was made for, one after the other.
    pub(super) made_for: Vec<RingSpec>,
}

impl FakeRing {
    pub(super) fn new(world: FakeWorld) -> Self {
        Self { state: Rc::default(), world }
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut RingState) -> T) -> T {
        look(&mut self.state.borrow_mut())
    }
}

impl CameraRing for FakeRing {
    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&nameless_rings()[self.with(|ring| ring.changes) % 2])
    }

    fn rebuilt(&self) -> u64 {
        self.with(|ring| ring.rebuilt)
    }

    fn trouble(&self) -> Option<&str> {
        self.state.borrow().trouble
    }

    fn mend(&mut self) -> Look {
        self.world.pass_look();
        self.with(|ring| ring.looks += 1);
        self.with(|ring| match (ring.broken, ring.no_room, ring.trouble) {
            (false, _, _) => Look::AsBefore,
            (true, true, Some(_)) => {
                if !std::mem::replace(&mut ring.let_go, true) {
                    ring.changes += 1;
                }
                Look::AsBefore
            }
            (true, true, None) => {
                ring.trouble = Some("another can't be made");
                Look::Lost
            }
            (true, false, _) => {
                (ring.broken, ring.trouble, ring.let_go) = (false, None, false);
                ring.changes += 1;
                ring.rebuilt += 1;
                Look::MadeAnew
            }
        })
    }

    fn make_for(&mut self, spec: RingSpec) -> Look {
        self.with(|ring| {
            ring.changes += 1;
            ring.made_for.push(spec);
        });
        Look::MadeAnew
    }

    fn sweep(&self) -> usize {
        // Every process hears the orders that it has been given by now before this.
        self.world.follow_orders();
        self.world.note(Step::Swept);
        self.with(|ring| ring.swept += 1);
        0
    }

    fn inflow(&self) -> Inflow {
        let running = self.world.age().as_millis() / 16;
        let head = self.with(|ring| ring.stands_at).unwrap_or(u64::try_from(running).unwrap());
        Inflow { head, slots: 60, foreign: self.with(|ring| ring.foreign.clone()) }
    }

    fn has_ended(&self) -> bool {
        self.with(|ring| ring.has_ended)
    }

    fn sweep_frames(&self, dead: ReaderBit, frames: &[u64]) -> usize {
        let before = self.with(|ring| ring.foreign.len());
        self.with(|ring| ring.foreign.retain(|(bit, frame)| *bit != dead || !frames.contains(frame)));
        before - self.with(|ring| ring.foreign.len())
    }

    fn identity(&self) -> Identity {
        Identity { device: (0, 0), inode: 0 }
    }

    fn remove(&self) {
        self.with(|ring| ring.removed = true);
    }
}

/// The two small rings of all fakes, which take turns: these tests write no frame.
fn nameless_rings() -> &'static [Arc<Ring>; 2] {
    static RINGS: OnceLock<[Arc<Ring>; 2]> = OnceLock::new();
    RINGS.get_or_init(|| [nameless_ring(), nameless_ring()])
}

/// A small ring without a name.
pub(super) fn nameless_ring() -> Arc<Ring> {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&["left"]);
    let dir = RuntimeDir::create(&folder.path().join("preroll")).unwrap();
    let (camera, segment) = (&config.cameras[0], dir.segment(&config.cameras[0].name));
    let ring = Ring::create(&segment, &config.ring_spec(camera).unwrap()).unwrap();
    Ring::remove(&segment).unwrap();
    ring
}

/// A camera named `live…` says its own size, one named `pipe…` is a pipe, and all others are simulated.
pub(super) fn config(cameras: &[&str]) -> Config {
    let camera = |name: &&str| {
        let sized = "width: 256, height: 64, fps: 60";
        let backend = match *name {
            live if live.starts_with("live") => "backend: v4l2, device: 7".to_owned(),
            pipe if pipe.starts_with("pipe") => "backend: pipe, path: /nowhere, format: y4m".to_owned(),
            _ => format!("backend: sim, {sized}"),
        };
        format!("  - {{ name: {name}, {backend} }}\n")
    };
    let cameras: String = cameras.iter().map(camera).collect();
    let text = format!("cameras:\n{cameras}recording: {{ pre_roll_ms: 100 }}\n");
    Config::parse("test.yaml".as_ref(), &text).unwrap()
}
