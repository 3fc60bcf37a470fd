//! The cameras' rings: made at start, kept from the last run where they fit, made anew when something breaks them,
//! removed at the end. The protocol of a ring is in [`proto::ring`].

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use proto::backlog;
use proto::config::{CameraConfig, Config};
use proto::frame::{Geometry, Payload, PixelFormat};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::ring::segment::SegmentError;
use proto::ring::{ReaderBit, Ring, RingError, RingSpec, SegmentName};
use proto::time::MonotonicNs;

use crate::failure::Failure;
use crate::inflow::Inflow;
use crate::mappers::Identity;

/// The cameras that triggers may record, each with its ring. The loop keeps it right; any thread reads it. Clones are the
/// same table.
#[derive(Clone, Default)]
pub(crate) struct Rings(Arc<Mutex<Vec<OneRing>>>);

/// A camera, and the ring that is its own at this moment.
pub(crate) type OneRing = (Arc<CameraConfig>, Arc<Ring>);

impl Rings {
    /// The cameras and the rings in use at this moment.
    pub(crate) fn now(&self) -> Vec<OneRing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the table. For the loop alone.
    pub(crate) fn publish(&self, rings: Vec<OneRing>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rings;
    }
}

/// A camera's ring, as the loop looks after it.
pub(crate) trait CameraRing {
    /// The ring in use.
    fn ring(&self) -> Arc<Ring>;

    /// The number of times that it had to be made anew.
    fn rebuilt(&self) -> u64;

    /// The reason why there is none that can be used.
    fn trouble(&self) -> Option<&str>;

    /// Looks closely at the ring, and makes another if it is broken.
    fn mend(&mut self) -> Look;

    /// Makes another in its place, for a camera that gives something else than it was made for.
    fn make_for(&mut self, spec: RingSpec) -> Look;

    /// Frees the frames that a recorder held which is proven dead, and counts them.
    fn sweep(&self) -> usize;

    /// Its newest frame, and the frames that foreign readers hold.
    fn inflow(&self) -> Inflow;

    /// Has the film that was captured played to its end?
    fn has_ended(&self) -> bool;

    /// Frees these frames of a foreign reader that is proven to be gone, and counts them.
    fn sweep_frames(&self, dead: ReaderBit, frames: &[u64]) -> usize;

    /// The name by which the kernel lists who maps it.
    fn identity(&self) -> Identity;

    /// Takes the ring's name away.
    fn remove(&self);
}

/// The outcome of a look at a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// As it should be, or as bad as it was.
    AsBefore,
    /// Broken, and no other could be made.
    Lost,
    /// Broken, and another has taken its place.
    MadeAnew,
}

/// A ring in shared memory.
pub(crate) struct Held {
    camera: Name,
    segment: SegmentName,
    ring: Arc<Ring>,
    /// The ring's shape and the start of the camera's clock: the supervisor's own copies, since a broken ring's can't be
    /// believed.
    spec: RingSpec,
    created: MonotonicNs,
    rebuilt: u64,
    /// The camera hasn't come yet, and nobody knows what it gives.
    is_stand_in: bool,
    trouble: Option<String>,
}

impl Held {
    fn new(camera: &CameraConfig, segment: SegmentName, ring: Arc<Ring>) -> Self {
        let (spec, created) = (*ring.spec(), ring.created());
        let (camera, is_stand_in) = (camera.name.clone(), !camera.is_known);
        Self { camera, segment, ring, spec, created, rebuilt: 0, is_stand_in, trouble: None }
    }

    /// Gives the memory of a broken ring back, in which its successor has to find room: it is held for as long as
    /// anybody maps it. A [`stand_in`] takes its place, without a name, so that it never counts as whole.
    fn let_go(&mut self) {
        let Some(spec) = stand_in(&self.spec) else { return };
        if *self.ring.spec() == spec {
            return;
        }
        // If there isn't even room for that, the next look tries again.
        if let Ok(stand_in) = Ring::create(&self.segment, &spec) {
            self.ring = stand_in;
        }
        let _ = Ring::remove(&self.segment);
    }

    /// Makes another ring in place of this one, `since` it is of no use any more.
    fn make_another(&mut self, since: &str) -> Look {
        // Nothing in the ring's memory is believed. The camera's clock goes on.
        let made = Ring::remove(&self.segment)
            .and_then(|()| Ring::create_since(&self.segment, &self.spec, self.created));
        match made {
            Ok(another) => {
                self.ring = another;
                self.trouble = None;
                Look::MadeAnew
            }
            Err(e) => {
                if matches!(e, RingError::Segment(SegmentError::NoRoom { .. })) {
                    self.let_go();
                }
                if self.trouble.is_some() {
                    return Look::AsBefore;
                }
                tracing::error!(
                    camera = self.camera.as_str(),
                    "camera {}: {since}; another ring can't be made yet: {e}",
                    self.camera
                );
                self.trouble = Some(format!("{since}; another ring can't be made: {e}"));
                Look::Lost
            }
        }
    }
}

/// A ring of next to no size, for a camera that has none: as many frames at the same rate.
fn stand_in(spec: &RingSpec) -> Option<RingSpec> {
    let geometry = Geometry::new(16, 16, PixelFormat::GRAY8).ok()?;
    Some(RingSpec::planes(geometry, spec.fps, spec.size))
}

impl CameraRing for Held {
    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring)
    }

    fn rebuilt(&self) -> u64 {
        self.rebuilt
    }

    fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn mend(&mut self) -> Look {
        let Err(broken) = self.ring.check_all() else { return Look::AsBefore };
        let look = self.make_another(&format!("its ring broke: {broken}"));
        if look == Look::MadeAnew {
            tracing::error!(
                camera = self.camera.as_str(),
                "camera {}: its ring broke: {broken}; there is a new one, empty",
                self.camera
            );
            self.rebuilt += 1;
        }
        look
    }

    fn make_for(&mut self, spec: RingSpec) -> Look {
        let is_first = self.is_stand_in;
        (self.spec, self.is_stand_in) = (spec, false);
        let look = self.make_another("its camera gives frames that its ring is not made for");
        if look == Look::MadeAnew {
            let what = if is_first {
                "has its ring now"
            } else {
                "has a new ring, empty, for frames of another kind"
            };
            tracing::info!(
                camera = self.camera.as_str(),
                "camera {} {what}: {} frames, {} MB",
                self.camera,
                self.ring.spec().size.slots(),
                (self.ring.total_bytes() + 500_000) / 1_000_000,
            );
        }
        look
    }

    fn sweep(&self) -> usize {
        self.ring.sweep(ReaderBit::RECORDER) + self.ring.sweep(ReaderBit::MOVER)
    }

    fn inflow(&self) -> Inflow {
        let slots = self.spec.size.slots();
        Inflow { head: self.ring.head(), slots, foreign: self.ring.held_by_others() }
    }

    fn has_ended(&self) -> bool {
        self.ring.has_ended()
    }

    fn sweep_frames(&self, dead: ReaderBit, frames: &[u64]) -> usize {
        self.ring.sweep_frames(dead, frames)
    }

    fn identity(&self) -> Identity {
        let (device, inode) = self.ring.device_and_inode();
        Identity { device: (rustix::fs::major(device), rustix::fs::minor(device)), inode }
    }

    fn remove(&self) {
        if let Err(e) = Ring::remove(&self.segment) {
            tracing::warn!(
                camera = self.camera.as_str(),
                "camera {}: its ring can't be removed: {e}",
                self.camera
            );
        }
    }
}

/// The rings of a start.
pub(crate) struct Opened {
    /// Rings in the order of the config's cameras.
    pub(crate) rings: Vec<(Arc<CameraConfig>, Held)>,
    /// The cameras whose rings were made, not found.
    pub(crate) new: HashSet<Name>,
}

impl Opened {
    /// The memory that is counted for rings of cameras that haven't come yet.
    pub(crate) fn to_come_bytes(&self, config: &Config) -> u64 {
        let to_come = self.rings.iter().filter(|(_, held)| held.is_stand_in);
        let layouts = to_come.filter_map(|(camera, _)| config.ring_spec(camera)?.layout());
        layouts.map(|layout| layout.total_bytes as u64).sum()
    }
}

/// Finds or makes every ring. Those that were made are removed again if one can't be. `had_some`: there was room for them
/// before.
pub(crate) fn open(config: &Config, dir: &RuntimeDir, had_some: bool) -> Result<Opened, Failure> {
    let mut opened = Opened { rings: Vec::new(), new: HashSet::new() };
    remove_others(config, dir);
    // A start that has been possible before is one that can be tried again.
    let had_some = had_some || config.cameras.iter().any(|c| dir.segment(&c.name).path().exists());
    for camera in &config.cameras {
        let name = dir.segment(&camera.name);
        match find_or_make(config, camera, &name) {
            Ok((ring, is_new)) => {
                if is_new {
                    opened.new.insert(camera.name.clone());
                }
                opened.rings.push((Arc::new(camera.clone()), Held::new(camera, name, ring)));
            }
            Err(e) => {
                opened.new.iter().for_each(|camera| drop(Ring::remove(&dir.segment(camera))));
                let why = format!("camera {}: {e}", camera.name);
                return Err(if had_some { Failure::failed(why) } else { Failure::bad_input(why) });
            }
        }
    }
    Ok(opened)
}

fn find_or_make(
    config: &Config,
    camera: &CameraConfig,
    name: &SegmentName,
) -> Result<(Arc<Ring>, bool), RingError> {
    // A camera of which nothing is known gets its ring when it comes.
    let spec = config.ring_spec(camera);
    let spec = if camera.is_known { spec } else { spec.and_then(|spec| stand_in(&spec)) };
    let Some(spec) = spec else {
        return Err(RingError::Absurd { slots: usize::MAX, frame_bytes: camera.geometry.frame_bytes() });
    };
    match Ring::open(name) {
        Ok(ring) if *ring.spec() == spec => match ring.check_all() {
            Ok(()) => {
                tracing::info!(
                    camera = camera.name.as_str(),
                    "camera {}: its ring is there, with {} frames captured so far",
                    camera.name,
                    ring.head()
                );
                return Ok((ring, false));
            }
            Err(e) => tracing::warn!(
                camera = camera.name.as_str(),
                "camera {}: its ring is broken: {e}; making a new one",
                camera.name
            ),
        },
        Ok(_) => {
            tracing::info!(
                camera = camera.name.as_str(),
                "camera {}: its ring was made for another config; making a new one",
                camera.name
            )
        }
        Err(RingError::Segment(SegmentError::Missing(_))) => {}
        Err(e) => {
            tracing::warn!(camera = camera.name.as_str(), "camera {}: {e}; making a new one", camera.name)
        }
    }
    Ring::remove(name)?;
    Ok((Ring::create(name, &spec)?, true))
}

/// Logs each ring's size, and what its parts are for.
pub(crate) fn announce(config: &Config, rings: &[(Arc<CameraConfig>, Held)]) {
    for (camera, held) in rings {
        let (ring, size) = (&held.ring, held.spec.size);
        if held.is_stand_in {
            tracing::info!(
                camera = camera.name.as_str(),
                "camera {}: nobody has said what it gives; its ring is made when it comes",
                camera.name
            );
            continue;
        }
        tracing::info!(
            camera = camera.name.as_str(),
            "camera {}: {} at {} fps; ring of {} frames, {} MB: {} pre-roll{}, {} reserve ({} ms), {} for readers",
            camera.name,
            shape(camera),
            camera.fps,
            size.slots(),
            (ring.total_bytes() + 500_000) / 1_000_000,
            size.pre_roll_slots,
            late(config),
            size.reserve_slots,
            config.recording.reserve_ms,
            size.lease_slots,
        );
    }
}

/// Size and format of a camera's frames; for compressed ones the payload, since the format is only what a decoder is asked for.
pub(crate) fn shape(camera: &CameraConfig) -> String {
    let geometry = camera.geometry;
    match camera.payload {
        Payload::Planes => geometry.to_string(),
        payload => format!("{}x{} {payload}", geometry.width(), geometry.height()),
    }
}

/// How much of the pre-roll's slots is for late triggers, in brackets; nothing without such.
pub(crate) fn late(config: &Config) -> String {
    match config.recording.late_ms {
        0 => String::new(),
        ms => format!(" (with {ms} ms for late triggers)"),
    }
}

/// Removes rings of this instance's cameras that the config no longer has. Segments of a backlog are
/// [`crate::backlog::segments`]'s.
fn remove_others(config: &Config, dir: &RuntimeDir) {
    let prefix = format!("preroll-{}-", dir.instance());
    let Ok(entries) = std::fs::read_dir(Path::new("/dev/shm")) else { return };
    for entry in entries.filter_map(Result::ok) {
        let file = entry.file_name();
        let Some(camera) = file.to_str().and_then(|f| f.strip_prefix(&prefix)) else { continue };
        let is_rings = !backlog::is_backlog(file.to_str().unwrap_or_default());
        if is_rings && !config.cameras.iter().any(|c| c.name.as_str() == camera) {
            // The name has this instance's own prefix. A ring that can't be removed does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
