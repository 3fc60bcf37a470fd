//! The backlog of this process: which frames the open clips still need, and the segments that hold those which the ring
//! could not keep any longer. Workers say what their takes need and read from here; [`crate::mover`] moves frames in and
//! gives segments back. Whether a frame is to be moved now is decided there; the memory itself is [`proto::backlog`]'s.
//!
//! Every lock here is held for an instant: never while a frame is copied, encoded, or asked of a disk.

mod need;
mod needs;
mod source;
mod view;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, TryLockError, Weak};
use std::time::Duration;

use proto::backlog::{self, BacklogError, BacklogSegment};
use proto::frame::FrameInfo;
use proto::instance::RuntimeDir;
use proto::messages::BacklogBeat;
use proto::name::Name;
use proto::ring::{Ring, SegmentName};
use proto::time::MonotonicNs;

use crate::frames::HeldFrame;
use crate::poison::lock;
pub(crate) use need::{Need, NeededFrom};
pub(crate) use source::WithBacklog;
pub(crate) use view::View;
use view::{frame_before, frames};

/// The backlogs of all cameras.
pub(crate) struct Backlog {
    pub(crate) dir: RuntimeDir,
    /// In the order of the config's.
    cameras: Vec<Arc<CameraBacklog>>,
    pub(crate) totals: Arc<Totals>,
    /// Every open plan has said what it needs, so what no plan needs can go.
    all_known: AtomicBool,
    /// The segments that an earlier recorder left; none before they have been looked for.
    adopted: OnceLock<Vec<SegmentName>>,
}

/// The memory of all cameras' backlogs, and the bell that wakes the mover.
#[derive(Default)]
pub(crate) struct Totals {
    bound: AtomicU64,
    /// The memory of the segments.
    bytes: AtomicU64,
    /// The bytes of the frames in them, still needed or not.
    filled: AtomicU64,
    moved: AtomicU64,
    rung: Mutex<bool>,
    bell: Condvar,
}

/// One camera's backlog.
pub(crate) struct CameraBacklog {
    pub(crate) camera: Name,
    totals: Arc<Totals>,
    shelf: Mutex<Shelf>,
    /// Frames that wait in it.
    waiting: AtomicU64,
    /// The mover found no room for a frame of this camera when it last looked.
    no_room: AtomicBool,
}

#[derive(Default)]
struct Shelf {
    ring: Weak<Ring>,
    /// By the clip's folder.
    needs: HashMap<PathBuf, Need>,
    /// In the order of their numbers.
    segments: Vec<Arc<BacklogSegment>>,
    /// Frames that were not moved, for want of room.
    refused: BTreeSet<u64>,
}

/// A frame in the backlog. Its memory stays while the value lives, also when its segment has been given back.
struct BacklogFrame {
    segment: Arc<BacklogSegment>,
    info: FrameInfo,
}

impl HeldFrame for BacklogFrame {
    fn info(&self) -> &FrameInfo {
        &self.info
    }

    fn bytes(&self) -> &[u8] {
        // A frame that is found stays where it is. Without bytes the encoder refuses it.
        self.segment.frame(self.info.sequence).map_or(&[], |(_, bytes)| bytes)
    }
}

impl Backlog {
    /// Backlogs without frames, and without room until [`Backlog::set_bound`].
    pub(crate) fn new(dir: &RuntimeDir, cameras: impl Iterator<Item = Name>) -> Arc<Self> {
        let totals = Arc::<Totals>::default();
        let of = |camera| Arc::new(CameraBacklog::new(camera, &totals));
        Arc::new(Self {
            dir: dir.clone(),
            cameras: cameras.map(of).collect(),
            totals: Arc::clone(&totals),
            all_known: AtomicBool::new(false),
            adopted: OnceLock::new(),
        })
    }

    /// One camera's.
    pub(crate) fn of(&self, camera: &Name) -> Option<&Arc<CameraBacklog>> {
        self.cameras.iter().find(|one| one.camera == *camera)
    }

    /// All cameras', in the order of the config's.
    pub(crate) fn cameras(&self) -> impl Iterator<Item = &Arc<CameraBacklog>> {
        self.cameras.iter()
    }

    /// Sets the most memory that all backlogs together may take.
    pub(crate) fn set_bound(&self, bytes: u64) {
        self.totals.bound.store(bytes, Relaxed);
    }

    /// Takes on the segments that an earlier recorder left. Done once, before any take of this one begins.
    pub(crate) fn adopt(&self) {
        if self.adopted.get().is_some() {
            return;
        }
        let listed = backlog::list(&self.dir).unwrap_or_else(|e| {
            tracing::error!("the backlog of an earlier recorder can't be looked for: {e}");
            Vec::new()
        });
        // Said before the mover can see the first of them.
        let _ = self.adopted.set(listed.iter().map(|listed| listed.segment.clone()).collect());
        for listed in listed {
            let Some(camera) = self.of(&listed.camera) else { continue };
            match BacklogSegment::open(&listed.segment) {
                Ok(segment) if segment.frames().next().is_some() => camera.put(segment),
                // One that was made in advance, and never used.
                Ok(_) => remove(&listed.segment),
                Err(e @ BacklogError::Bad(_)) => {
                    tracing::warn!(
                        camera = listed.camera.as_str(),
                        "camera {}: its backlog: {e}; it is removed",
                        listed.camera
                    );
                    remove(&listed.segment);
                }
                // There may be no descriptor, or no address space, just now. The next start looks again.
                Err(e) => {
                    tracing::error!(
                        camera = listed.camera.as_str(),
                        "camera {}: frames of its backlog are out of reach: {e}",
                        listed.camera
                    )
                }
            }
        }
    }

    /// Lets go of what no open clip needs of an earlier recorder's segments: all plans have been taken on. A standby, which
    /// has neither taken on plans nor adopted segments, says nothing by it.
    pub(crate) fn all_are_known(&self) {
        if self.adopted.get().is_some() && !self.all_known.swap(true, Relaxed) {
            self.totals.ring();
        }
    }

    /// True if a segment may go once no clip is known that needs it. One of an earlier recorder may be needed by a clip whose
    /// plan has not been read: its disk may be away.
    pub(crate) fn may_give_back(&self, segment: &BacklogSegment) -> bool {
        self.all_known.load(Relaxed)
            || !self.adopted.get().is_some_and(|names| names.contains(segment.name()))
    }

    /// The backlog's part of the beat.
    pub(crate) fn beat(&self) -> BacklogBeat {
        BacklogBeat {
            frames: self.cameras().map(|camera| camera.waiting.load(Relaxed)).sum(),
            bytes: self.totals.bytes.load(Relaxed),
            bound_bytes: self.totals.bound.load(Relaxed),
            moved_frames: self.totals.moved.load(Relaxed),
        }
    }
}

impl Totals {
    /// The most memory that may be taken.
    pub(crate) fn bound(&self) -> u64 {
        self.bound.load(Relaxed)
    }

    /// True if so many bytes more are within the bound. For the mover alone, which is the only one to make segments.
    pub(crate) fn has_room_for(&self, bytes: u64) -> bool {
        self.bytes.load(Relaxed).saturating_add(bytes) <= self.bound()
    }

    /// Counts a frame that was moved into this segment.
    pub(crate) fn count(&self, segment: &BacklogSegment) {
        self.moved.fetch_add(1, Relaxed);
        self.filled.fetch_add(frame_bytes(segment), Relaxed);
    }

    fn is_nearly_full(&self) -> bool {
        let (filled, bound) = (self.filled.load(Relaxed), self.bound());
        bound > 0 && filled >= bound / 4 * 3
    }

    /// Wakes the mover.
    pub(crate) fn ring(&self) {
        *lock(&self.rung) = true;
        self.bell.notify_one();
    }

    /// Sleeps until the bell is rung, or `at_most` is over.
    pub(crate) fn wait(&self, at_most: Option<Duration>) {
        let rung = lock(&self.rung);
        let mut rung = match at_most {
            Some(at_most) => {
                let waited = self.bell.wait_timeout_while(rung, at_most, |rung| !*rung);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.bell.wait_while(rung, |rung| !*rung).unwrap_or_else(PoisonError::into_inner),
        };
        *rung = false;
    }
}

impl CameraBacklog {
    fn new(camera: Name, totals: &Arc<Totals>) -> Self {
        Self {
            camera,
            totals: Arc::clone(totals),
            shelf: Mutex::default(),
            waiting: AtomicU64::new(0),
            no_room: AtomicBool::new(false),
        }
    }

    /// Says which ring is the camera's now. Only a weak hold: a broken ring's memory must be able to go.
    pub(crate) fn use_ring(&self, ring: Option<&Arc<Ring>>) {
        lock(&self.shelf).ring = ring.map_or_else(Weak::new, Arc::downgrade);
    }

    /// Brings a view up to date. False, with the view as it was, when a worker is at it: on a busy machine that worker may have
    /// lost the processor for longer than the mover can wait.
    pub(crate) fn refresh(&self, view: &mut View) -> bool {
        let shelf = match self.shelf.try_lock() {
            Ok(shelf) => shelf,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        view.ring = shelf.ring.clone();
        view.needs.clear();
        view.needs.extend(shelf.needs.values());
        view.segments.clone_from(&shelf.segments);
        true
    }

    /// Adds a segment, for frames that are in it or will be.
    pub(crate) fn put(&self, segment: Arc<BacklogSegment>) {
        self.totals.bytes.fetch_add(segment.total_bytes() as u64, Relaxed);
        self.totals.filled.fetch_add(filled(&segment), Relaxed);
        lock(&self.shelf).segments.push(segment);
    }

    /// The segments, in the order in which they were made.
    pub(crate) fn segments(&self) -> Vec<Arc<BacklogSegment>> {
        lock(&self.shelf).segments.clone()
    }

    /// Lets go of a segment, unless a clip that has just been begun needs it.
    pub(crate) fn give_back(&self, segment: &Arc<BacklogSegment>) -> bool {
        let mut shelf = lock(&self.shelf);
        let ring = shelf.ring.upgrade();
        let is_needed =
            segment.frames().any(|frame| shelf.wants(segment.header().ring_id, &frame, ring.as_deref()));
        if !is_needed {
            shelf.segments.retain(|one| !Arc::ptr_eq(one, segment));
            drop(shelf);
            self.totals.bytes.fetch_sub(segment.total_bytes() as u64, Relaxed);
            self.totals.filled.fetch_sub(filled(segment), Relaxed);
        }
        !is_needed
    }

    /// Shows how many frames wait here, and whether one found no room.
    pub(crate) fn show(&self, waiting: usize, no_room: bool) {
        self.waiting.store(waiting as u64, Relaxed);
        self.no_room.store(no_room, Relaxed);
    }

    /// Notes that a frame found no room. With the backlog switched off none ever does, and that is no news.
    pub(crate) fn refuse(&self, sequence: u64) {
        if self.totals.bound() > 0 {
            let mut shelf = lock(&self.shelf);
            shelf.refused.insert(sequence);
            // A clip that lasts for hours on a machine that is too slow for it must not fill the memory with numbers.
            while shelf.refused.len() > MOST_REFUSED {
                shelf.refused.pop_first();
            }
        }
    }

    fn was_refused(&self, sequence: u64) -> bool {
        lock(&self.shelf).refused.contains(&sequence)
    }

    /// The backlog fills faster than the encoder empties it, or has no room for what this camera's clips need.
    fn is_filling(&self) -> bool {
        let waits = self.waiting.load(Relaxed) > 0;
        self.no_room.load(Relaxed) || (waits && self.totals.is_nearly_full())
    }

    /// A frame of a ring, if it is here.
    pub(crate) fn find(&self, ring_id: u64, sequence: u64) -> Option<Box<dyn HeldFrame>> {
        let shelf = lock(&self.shelf);
        let (info, segment) = shelf.frames(ring_id).find(|(info, _)| info.sequence == sequence)?;
        Some(Box::new(BacklogFrame { segment: Arc::clone(segment), info }))
    }

    /// What is known of a frame that is here.
    pub(crate) fn info(&self, ring_id: u64, sequence: u64) -> Option<FrameInfo> {
        lock(&self.shelf).frames(ring_id).map(|(info, _)| info).find(|info| info.sequence == sequence)
    }

    fn first_where(&self, ring_id: u64, wanted: impl Fn(&FrameInfo) -> bool) -> Option<FrameInfo> {
        let shelf = lock(&self.shelf);
        shelf.frames(ring_id).map(|(info, _)| info).filter(wanted).min_by_key(|info| info.sequence)
    }

    /// The first frame captured at this time or later.
    fn first_at_or_after(&self, ring_id: u64, at: MonotonicNs) -> Option<FrameInfo> {
        self.first_where(ring_id, |info| info.t_capture >= at)
    }

    /// The first frame with this sequence or a later one.
    fn first_from(&self, ring_id: u64, sequence: u64) -> Option<FrameInfo> {
        self.first_where(ring_id, |info| info.sequence >= sequence)
    }

    /// The newest frame.
    fn newest(&self, ring_id: u64) -> Option<FrameInfo> {
        lock(&self.shelf).frames(ring_id).map(|(info, _)| info).max_by_key(|info| info.sequence)
    }
}

/// A day of a camera with 60 frames a second that loses one in ten, in 25 MB at worst.
const MOST_REFUSED: usize = 500_000;

impl Shelf {
    fn frames(&self, ring_id: u64) -> impl Iterator<Item = (FrameInfo, &Arc<BacklogSegment>)> {
        frames(&self.segments, ring_id)
    }

    fn wants(&self, ring_id: u64, frame: &FrameInfo, ring: Option<&Ring>) -> bool {
        let before = || frame_before(&self.segments, ring, ring_id, frame);
        self.needs.values().any(|need| need.ring_id == ring_id && need.wants(frame, before))
    }
}

/// The bytes of a segment's frames.
fn filled(segment: &BacklogSegment) -> u64 {
    segment.frames().count() as u64 * frame_bytes(segment)
}

/// The room for one frame.
fn frame_bytes(segment: &BacklogSegment) -> u64 {
    (segment.header().shape.data_bytes / segment.header().shape.entries) as u64
}

/// Takes a segment's name away.
pub(crate) fn remove(name: &proto::ring::SegmentName) {
    if let Err(e) = backlog::remove(name) {
        tracing::warn!("the backlog: {e}; it is no longer needed");
    }
}
