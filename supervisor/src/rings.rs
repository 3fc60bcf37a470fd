//! The cameras' rings: made at start, kept from the last run where they fit, made anew when something breaks them,
//! removed at the end.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::config::{CameraConfig, Config};
use proto::frame::{Geometry, PixelFormat};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::ring::segment::SegmentError;
use proto::ring::{ReaderBit, Ring, RingError, RingSpec, SegmentName};
use proto::time::MonotonicNs;

use crate::failure::Failure;

/// The rings in use, one a camera, in the config's order. Clones are the same rings.
#[derive(Clone)]
pub(crate) struct Rings(Arc<Mutex<Vec<Held>>>);

/// A camera's ring.
pub(crate) struct Held {
    pub(crate) ring: Arc<Ring>,
    /// What it is to be, and since when the camera's clock runs: the supervisor's own copies.
    spec: RingSpec,
    created: MonotonicNs,
    /// How often it had to be made anew.
    pub(crate) rebuilt: u64,
    /// Why there is none that can be used.
    pub(crate) trouble: Option<String>,
}

/// What came of a look at a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is as it should be, or as bad as it was.
    AsBefore,
    /// It is broken, and no other could be made.
    Lost,
    /// It was broken, and another has taken its place.
    MadeAnew,
}

impl Rings {
    /// The ring of the camera at this place in the config.
    pub(crate) fn of(&self, camera: usize) -> Option<Arc<Ring>> {
        self.held().get(camera).map(|held| Arc::clone(&held.ring))
    }

    /// Those in use at this moment.
    pub(crate) fn now(&self) -> Vec<Arc<Ring>> {
        self.held().iter().map(|held| Arc::clone(&held.ring)).collect()
    }

    /// The camera at this place has none that can be used.
    pub(crate) fn is_missing(&self, camera: usize) -> bool {
        self.held().get(camera).is_some_and(|held| held.trouble.is_some())
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks closely at a camera's ring, and makes another if it is broken. For the loop alone.
    pub(crate) fn mend(&self, place: usize, camera: &CameraConfig, name: &SegmentName) -> Look {
        let Some(ring) = self.of(place) else { return Look::AsBefore };
        let Err(broken) = ring.check_all() else { return Look::AsBefore };
        let mut held = self.held();
        let Some(held) = held.get_mut(place) else { return Look::AsBefore };
        // Nothing in its memory can be believed. The camera's clock goes on.
        let made = Ring::remove(name).and_then(|()| Ring::create_since(name, &held.spec, held.created));
        match made {
            Ok(another) => {
                tracing::error!(
                    "camera {}: its ring broke: {broken}; there is a new one, empty",
                    camera.name
                );
                held.ring = another;
                held.rebuilt += 1;
                held.trouble = None;
                Look::MadeAnew
            }
            Err(e) => {
                if matches!(e, RingError::Segment(SegmentError::NoRoom { .. })) {
                    held.let_go(name);
                }
                if held.trouble.is_some() {
                    return Look::AsBefore;
                }
                held.trouble = Some(format!("its ring broke: {broken}; another can't be made: {e}"));
                tracing::error!(
                    "camera {}: its ring broke: {broken}; another can't be made yet: {e}",
                    camera.name
                );
                Look::Lost
            }
        }
    }
}

impl Held {
    fn new(ring: Arc<Ring>) -> Self {
        let (spec, created) = (*ring.spec(), ring.created());
        Self { ring, spec, created, rebuilt: 0, trouble: None }
    }

    /// Gives the memory of a broken ring back, in which its successor has to find room: it is held for as long as
    /// anybody maps it. One of as many frames of next to no size stands in for it, without a name, so that it never
    /// counts as whole.
    fn let_go(&mut self, name: &SegmentName) {
        let Ok(geometry) = Geometry::new(16, 16, PixelFormat::GRAY8) else { return };
        if self.ring.spec().geometry == geometry {
            return;
        }
        // If there isn't even room for that, the next look tries again.
        if let Ok(stand_in) = Ring::create(name, &RingSpec { geometry, ..self.spec }) {
            self.ring = stand_in;
        }
        let _ = Ring::remove(name);
    }
}

/// Finds or makes every ring, and says whose were made. These are removed again if one can't be. `had_some`: there was
/// room for them before.
pub(crate) fn open(
    config: &Config,
    dir: &RuntimeDir,
    had_some: bool,
) -> Result<(Rings, HashSet<Name>), Failure> {
    let mut rings = Vec::new();
    let mut new = HashSet::new();
    let mut made: Vec<SegmentName> = Vec::new();
    remove_others(config, dir);
    // A start that has been possible before is one that can be tried again.
    let had_some = had_some || config.cameras.iter().any(|c| dir.segment(&c.name).path().exists());
    for camera in &config.cameras {
        let name = dir.segment(&camera.name);
        match find_or_make(config, camera, &name) {
            Ok((ring, is_new)) => {
                if is_new {
                    made.push(name);
                    new.insert(camera.name.clone());
                }
                rings.push(Held::new(ring));
            }
            Err(e) => {
                made.iter().for_each(|name| drop(Ring::remove(name)));
                let why = format!("camera {}: {e}", camera.name);
                return Err(if had_some { Failure::failed(why) } else { Failure::bad_input(why) });
            }
        }
    }
    Ok((Rings(Arc::new(Mutex::new(rings))), new))
}

fn find_or_make(
    config: &Config,
    camera: &CameraConfig,
    name: &SegmentName,
) -> Result<(Arc<Ring>, bool), RingError> {
    let Some(spec) = config.ring_spec(camera) else {
        return Err(RingError::Absurd { slots: usize::MAX, frame_bytes: camera.geometry.frame_bytes() });
    };
    match Ring::open(name) {
        Ok(ring) if *ring.spec() == spec => match ring.check_all() {
            Ok(()) => {
                tracing::info!(
                    "camera {}: its ring is there, with {} frames captured so far",
                    camera.name,
                    ring.head()
                );
                return Ok((ring, false));
            }
            Err(e) => tracing::warn!("camera {}: its ring is broken: {e}; making a new one", camera.name),
        },
        Ok(_) => {
            tracing::info!("camera {}: its ring was made for another config; making a new one", camera.name)
        }
        Err(RingError::Segment(SegmentError::Missing(_))) => {}
        Err(e) => tracing::warn!("camera {}: {e}; making a new one", camera.name),
    }
    Ring::remove(name)?;
    Ok((Ring::create(name, &spec)?, true))
}

/// Says what was made and what it is good for.
pub(crate) fn announce(config: &Config, rings: &Rings) {
    for (camera, ring) in config.cameras.iter().zip(rings.now()) {
        let size = ring.spec().size;
        tracing::info!(
            "camera {}: {} at {} fps; ring of {} frames, {} MB: {} pre-roll, {} reserve ({} ms), {} for readers",
            camera.name,
            camera.geometry,
            camera.fps,
            size.slots(),
            (ring.total_bytes() + 500_000) / 1_000_000,
            size.pre_roll_slots,
            size.reserve_slots,
            config.recording.reserve_ms,
            size.lease_slots,
        );
    }
}

/// Clears the leases of a recorder that is proven dead.
pub(crate) fn sweep_recorder(rings: &Rings) {
    let swept: usize = rings.now().iter().map(|ring| ring.sweep(ReaderBit::RECORDER)).sum();
    if swept > 0 {
        tracing::debug!("{swept} frames that the last recorder held are free again");
    }
}

/// Takes every ring's name away.
pub(crate) fn remove(config: &Config, dir: &RuntimeDir) {
    for camera in &config.cameras {
        if let Err(e) = Ring::remove(&dir.segment(&camera.name)) {
            tracing::warn!("{e}");
        }
    }
}

/// Removes rings of this instance's cameras that the config no longer has.
fn remove_others(config: &Config, dir: &RuntimeDir) {
    let prefix = format!("preroll-{}-", dir.instance());
    let Ok(entries) = std::fs::read_dir(Path::new("/dev/shm")) else { return };
    for entry in entries.filter_map(Result::ok) {
        let file = entry.file_name();
        let Some(camera) = file.to_str().and_then(|f| f.strip_prefix(&prefix)) else { continue };
        if !config.cameras.iter().any(|c| c.name.as_str() == camera) {
            // The name has this instance's own prefix; if it can't be removed it does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
