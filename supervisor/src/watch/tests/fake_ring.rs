//! A ring that breaks when a test says so, and the config of such cameras.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use proto::config::Config;
use proto::instance::RuntimeDir;
use proto::ring::Ring;

use crate::rings::{CameraRing, Look};

/// A ring that breaks when a test says so.
#[derive(Clone, Default)]
pub(super) struct FakeRing(Rc<RefCell<RingState>>);

#[derive(Default)]
pub(super) struct RingState {
    pub(super) broken: bool,
    pub(super) no_room: bool,
    pub(super) trouble: Option<&'static str>,
    pub(super) rebuilt: u64,
    pub(super) swept: u64,
    pub(super) removed: bool,
}

impl FakeRing {
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut RingState) -> T) -> T {
        look(&mut self.0.borrow_mut())
    }
}

impl CameraRing for FakeRing {
    fn ring(&self) -> Arc<Ring> {
        Arc::clone(nameless_ring())
    }

    fn rebuilt(&self) -> u64 {
        self.with(|ring| ring.rebuilt)
    }

    fn trouble(&self) -> Option<&str> {
        self.0.borrow().trouble
    }

    fn mend(&mut self) -> Look {
        self.with(|ring| match (ring.broken, ring.no_room, ring.trouble) {
            (false, _, _) | (true, true, Some(_)) => Look::AsBefore,
            (true, true, None) => {
                ring.trouble = Some("another can't be made");
                Look::Lost
            }
            (true, false, _) => {
                (ring.broken, ring.trouble) = (false, None);
                ring.rebuilt += 1;
                Look::MadeAnew
            }
        })
    }

    fn sweep(&self) -> usize {
        self.with(|ring| ring.swept += 1);
        0
    }

    fn remove(&self) {
        self.with(|ring| ring.removed = true);
    }
}

/// The small ring of all fakes: these tests write no frame.
fn nameless_ring() -> &'static Arc<Ring> {
    static RING: OnceLock<Arc<Ring>> = OnceLock::new();
    RING.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&["left"]);
        let dir = RuntimeDir::create(&folder.path().join("preroll")).unwrap();
        let (camera, segment) = (&config.cameras[0], dir.segment(&config.cameras[0].name));
        let ring = Ring::create(&segment, &config.ring_spec(camera).unwrap()).unwrap();
        Ring::remove(&segment).unwrap();
        ring
    })
}

pub(super) fn config(cameras: &[&str]) -> Config {
    let camera = |name: &&str| format!("  - {{ name: {name}, backend: sim }}\n");
    let cameras: String = cameras.iter().map(camera).collect();
    let text = format!(
        "camera: {{ width: 256, height: 64, fps: 60 }}\ncameras:\n{cameras}recording: {{ pre_roll_ms: 100 }}\n"
    );
    Config::parse("test.yaml".as_ref(), &text).unwrap()
}
