//! The rings of the config's cameras: opened, and held by the recorder's bits once it is armed.

use std::sync::Arc;

use proto::config::{CameraConfig, Config};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::ring::{ReaderBit, Ring, RingReader, SegmentName};

/// A camera's ring, as its worker has it.
pub(crate) struct CameraRing {
    camera: Name,
    segment: SegmentName,
    ring: Option<Arc<Ring>>,
    /// This process is the recorder, and no standby.
    is_armed: bool,
}

impl CameraRing {
    /// The ring that was opened, if one was. Its frames can be held once it is armed.
    pub(crate) fn new(camera: Name, segment: SegmentName, ring: Option<Arc<Ring>>) -> Self {
        Self { camera, segment, ring, is_armed: false }
    }

    /// The ring that is open.
    pub(crate) fn open(&self) -> Option<&Arc<Ring>> {
        self.ring.as_ref()
    }

    /// The recorder's reader of it.
    pub(crate) fn reader(&self) -> Option<RingReader> {
        self.ring.as_ref().and_then(|ring| ring.reader(ReaderBit::RECORDER).ok())
    }

    /// From now on this process is the recorder, and holds frames.
    pub(crate) fn arm(&mut self) {
        self.is_armed = true;
        self.take_bits();
    }

    /// Lets go of a ring that is broken or no longer the camera's, and opens the one that is. Takes that are under way keep
    /// the one they have.
    pub(crate) fn look(&mut self) {
        if self.ring.as_ref().is_some_and(|ring| ring.check().is_ok()) {
            return;
        }
        let opened = Ring::open(&self.segment);
        let say = |e| {
            tracing::warn!(
                camera = self.camera.as_str(),
                "camera {}: its ring can't be opened: {e}",
                self.camera
            )
        };
        self.ring = opened.map_err(say).ok();
        self.take_bits();
    }

    /// Takes the recorder's two bits of the ring. A standby leaves them to the recorder.
    fn take_bits(&self) {
        let Some(ring) = self.ring.as_ref().filter(|_| self.is_armed) else { return };
        for bit in [ReaderBit::RECORDER, ReaderBit::MOVER] {
            if let Err(e) = ring.hold(bit) {
                let camera = &self.camera;
                tracing::error!(camera = camera.as_str(), "camera {camera}: its frames can't be held: {e}");
            }
        }
    }
}

/// Opens every camera's ring. One that can't be opened is logged, and tried again when the supervisor has made it anew.
pub(crate) fn open_rings(config: &Config, dir: &RuntimeDir) -> Vec<Option<Arc<Ring>>> {
    let open = |camera: &CameraConfig| {
        let ring = Ring::open(&dir.segment(&camera.name));
        ring.map_err(|e| {
            tracing::error!(
                camera = camera.name.as_str(),
                "camera {}: its ring can't be opened: {e}",
                camera.name
            )
        })
        .ok()
    };
    config.cameras.iter().map(open).collect()
}
