//! The ring in shared memory: [`Ring`] maps it, [`RingWriter`] fills it, [`RingReader`] leases from it.
#![expect(
    unsafe_code,
    reason = "reads and writes frame bytes under the ring's protocol; every block says why"
)]

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::thread::futex;

use super::layout::{
    BadHeader, CheckedHeader, Counters, Header, INTERVAL_BUCKETS, RingSpec, SLOT_HEADER_BYTES,
};
use super::protocol::{Miss, Protocol, WriterPosition};
use super::segment::{self, Loss, Segment, SegmentError, SegmentName};
use super::state::ReaderBit;
use crate::frame::{FrameInfo, LossBefore};
use crate::sync::Ordering::{Acquire, Relaxed};
use crate::time::{MonotonicNs, nanos};

/// What can go wrong with a ring.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The memory itself.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The memory is there, but is no ring that this program can use.
    #[error("shared memory {name} is not usable as a ring: {why}")]
    Bad {
        /// The segment.
        name: SegmentName,
        /// What is wrong with it.
        why: BadHeader,
    },
    /// The ring would not fit in any memory.
    #[error("a ring of {slots} frames of {frame_bytes} bytes is larger than any memory")]
    Absurd {
        /// Frames.
        slots: usize,
        /// Bytes each.
        frame_bytes: usize,
    },
}

/// What has become of a ring that was sound when it was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Its memory was cut short, or its name taken away.
    #[error(transparent)]
    Segment(#[from] Loss),
    /// Its header can't be read any more.
    #[error(transparent)]
    Header(#[from] BadHeader),
    /// Its header is another ring's.
    #[error("its header says something else than when it was made")]
    Rewritten,
    /// What it says of its frames can't be so.
    #[error("{0}; something else has written to it")]
    Contradiction(&'static str),
}

/// A camera's ring, mapped.
#[derive(Debug)]
pub struct Ring {
    segment: Segment,
    checked: CheckedHeader,
}

/// The header of a slot, in plain memory before the pixels, under the same protocol as they.
#[derive(Clone, Copy)]
#[repr(C)]
struct SlotHeader {
    sequence: u64,
    source_sequence: u64,
    t_capture_ns: u64,
    epoch: u32,
    before: u32,
}

const _: () = assert!(size_of::<SlotHeader>() <= SLOT_HEADER_BYTES);

impl Ring {
    /// Makes a new ring; its time zero is now.
    ///
    /// # Errors
    /// [`RingError`]: there is one already, or no room for it.
    pub fn create(name: &SegmentName, spec: &RingSpec) -> Result<Arc<Self>, RingError> {
        Self::create_since(name, spec, MonotonicNs::now())
    }

    /// Makes a new ring that takes the place of one that began at `created`: the camera's clock goes on.
    ///
    /// # Errors
    /// As [`Ring::create`].
    pub fn create_since(
        name: &SegmentName,
        spec: &RingSpec,
        created: MonotonicNs,
    ) -> Result<Arc<Self>, RingError> {
        let absurd =
            || RingError::Absurd { slots: spec.size.slots(), frame_bytes: spec.geometry.frame_bytes() };
        let layout = spec.layout().ok_or_else(absurd)?;
        let segment = Segment::create(name, layout.total_bytes)?;
        header(&segment).fill(spec, &layout, random_id(), created);
        drop(segment);
        Self::open(name)
    }

    /// Maps a ring that exists, after checking everything it says of itself.
    ///
    /// # Errors
    /// [`RingError`]: there is none, or it is damaged or of another version.
    pub fn open(name: &SegmentName) -> Result<Arc<Self>, RingError> {
        let segment = Segment::open(name)?;
        let bad = |why| RingError::Bad { name: name.clone(), why };
        if segment.len() < size_of::<Header>() {
            return Err(bad(BadHeader::TooShort(segment.len())));
        }
        let checked = header(&segment).check(segment.len()).map_err(bad)?;
        if checked.created > MonotonicNs::now() {
            return Err(bad(BadHeader::Damaged("it was made in the future")));
        }
        Ok(Arc::new(Self { segment, checked }))
    }

    /// Is it still the ring that was opened, by its size, its header and its name? Two looks at files and one at a page.
    ///
    /// What this does not see: pixels that something else has written over, and what happens a moment later.
    ///
    /// # Errors
    /// [`Broken`], when it isn't: [`Loss::Unnamed`] only if nothing else is wrong, so that what it holds is still good.
    pub fn check(&self) -> Result<(), Broken> {
        self.check_header()?;
        Ok(self.segment.check_name()?)
    }

    /// [`Ring::check`], with a look at all that it says of its frames: 64 bytes a slot and 40 a ledger entry.
    ///
    /// # Errors
    /// [`Broken`], when any of it can't be so.
    pub fn check_all(&self) -> Result<(), Broken> {
        self.check_header()?;
        self.protocol().contradiction().map_or(Ok(()), |what| Err(Broken::Contradiction(what)))?;
        Ok(self.segment.check_name()?)
    }

    fn check_header(&self) -> Result<(), Broken> {
        self.segment.check_size()?;
        let now = header(&self.segment).check(self.segment.len())?;
        if now == self.checked { Ok(()) } else { Err(Broken::Rewritten) }
    }

    /// Takes the ring's name away.
    ///
    /// # Errors
    /// The system's word.
    pub fn remove(name: &SegmentName) -> Result<(), RingError> {
        Ok(segment::remove(name)?)
    }

    /// What it was made for.
    #[must_use]
    pub fn spec(&self) -> &RingSpec {
        &self.checked.spec
    }

    /// The segment's size.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.checked.layout.total_bytes
    }

    /// The random number that tells this ring from others of its name.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.checked.ring_id
    }

    /// When it was made: the sources' time zero.
    #[must_use]
    pub fn created(&self) -> MonotonicNs {
        self.checked.created
    }

    /// What the capture counts.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &header(&self.segment).counters
    }

    /// Has the capture said that no more frames will come (a video file at its end)?
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let epoch = self.epoch();
        epoch > 0 && self.counters().ended_epoch.load(Relaxed) == epoch
    }

    /// Lives of the capture process so far.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        header(&self.segment).epoch.load(Relaxed)
    }

    /// The newest sequence published; 0 before the first.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.protocol().head()
    }

    /// What is remembered of a frame, its pixels there or not.
    #[must_use]
    pub fn frame_info(&self, sequence: u64) -> Option<FrameInfo> {
        self.protocol().frame_info(sequence)
    }

    /// The newest frame's moment.
    #[must_use]
    pub fn newest(&self) -> Option<FrameInfo> {
        self.frame_info(self.head())
    }

    /// The oldest frame whose pixels should still be there. The writer may take it at any time.
    #[must_use]
    pub fn oldest(&self) -> Option<FrameInfo> {
        let first = (self.head() + 1).saturating_sub(self.spec().size.slots() as u64 - 1).max(1);
        self.frame_info(first)
    }

    /// The first published frame captured at `at` or later, as far back as the ledger remembers.
    #[must_use]
    pub fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        self.protocol().first_at_or_after(at)
    }

    /// Sleeps until a frame newer than `seen` is there, or the time is over. True when one is.
    #[must_use]
    pub fn wait_newer(&self, seen: u64, at_most: Duration) -> bool {
        let deadline = MonotonicNs::now() + at_most;
        let wake = &header(&self.segment).heads.wake;
        loop {
            let before = wake.load(Acquire);
            if self.head() > seen {
                return true;
            }
            let left = deadline.since(MonotonicNs::now());
            if left.is_zero() {
                return false;
            }
            let timeout = rustix::time::Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            // Woken, interrupted, out of time or the word has moved on: each time the head decides.
            let _ = futex::wait(wake, futex::Flags::empty(), before, Some(&timeout));
        }
    }

    /// Clears the leases of a reader that is proven dead, and says how many there were.
    #[must_use]
    pub fn sweep(&self, dead: ReaderBit) -> usize {
        self.protocol().sweep(dead)
    }

    /// Becomes the ring's one writer, in a new epoch.
    ///
    /// # Errors
    /// While another process is the writer.
    pub fn writer(self: &Arc<Self>) -> Result<RingWriter, RingError> {
        let lock = self.segment.lock_for_writing()?;
        let next = self.take_over();
        let epoch = header(&self.segment).epoch.fetch_add(1, Relaxed).wrapping_add(1);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "four billion restarts of a capture take decades"
        )]
        let epoch = epoch as u32;
        Ok(RingWriter { ring: Arc::clone(self), next, epoch, last_publish: None, _lock: lock })
    }

    /// Reads as `bit`, which must be this process's own.
    #[must_use]
    pub fn reader(self: &Arc<Self>, bit: ReaderBit) -> RingReader {
        RingReader { ring: Arc::clone(self), bit }
    }

    fn take_over(&self) -> WriterPosition {
        let next = self.protocol().take_over();
        // The last writer may have ended before it came to this.
        self.wake_readers();
        next
    }

    fn wake_readers(&self) {
        let wake = &header(&self.segment).heads.wake;
        // Nobody asleep is no error, and nothing else can go wrong with an address that is mapped.
        let _ = futex::wake(wake, futex::Flags::empty(), i32::MAX.unsigned_abs());
    }

    fn protocol(&self) -> Protocol<'_> {
        let layout = &self.checked.layout;
        Protocol {
            heads: &header(&self.segment).heads,
            states: self.segment.view(layout.states_offset, self.spec().size.slots()),
            ledger: self.segment.view(layout.ledger_offset, layout.ledger_entries),
        }
    }

    fn slot(&self, slot: usize) -> *mut u8 {
        let layout = &self.checked.layout;
        self.segment.byte(layout.slots_offset + slot * layout.slot_stride_bytes)
    }

    fn frame_bytes(&self) -> usize {
        self.spec().geometry.frame_bytes()
    }
}

fn header(segment: &Segment) -> &Header {
    // Both callers that make a Segment have made or found it at least this long.
    &segment.view::<Header>(0, 1)[0]
}

/// Not a secret: it only has to differ from that of the ring that had this name before.
fn random_id() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u64(MonotonicNs::now().0);
    hasher.finish()
}

/// The one writer of a ring.
#[derive(Debug)]
pub struct RingWriter {
    ring: Arc<Ring>,
    next: WriterPosition,
    epoch: u32,
    last_publish: Option<MonotonicNs>,
    _lock: OwnedFd,
}

impl RingWriter {
    /// The ring.
    #[must_use]
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// This life of the capture.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Says that no more frames will come in this epoch: the camera was a file, and it is at its end.
    pub fn end(&self) {
        self.ring.counters().ended_epoch.store(u64::from(self.epoch), Relaxed);
    }

    /// A slot for the next frame; `None`, and counted, when readers hold all of them.
    pub fn slot(&mut self) -> Option<WriteSlot<'_>> {
        match self.ring.protocol().claim(&mut self.next) {
            Some(slot) => Some(WriteSlot { writer: self, slot, published: false }),
            None => {
                self.ring.counters().dropped_ring_full.fetch_add(1, Relaxed);
                None
            }
        }
    }

    fn count_interval(&mut self) {
        let now = MonotonicNs::now();
        let counters = self.ring.counters();
        counters.last_publish_ns.store(now.0, Relaxed);
        if let Some(last) = self.last_publish.replace(now) {
            let interval_ns = nanos(now - last);
            counters.interval_max_ns.fetch_max(interval_ns, Relaxed);
            let sixteenth_ns = (nanos(self.ring.spec().fps.period()) / 16).max(1);
            let bucket = usize::try_from(interval_ns / sixteenth_ns).unwrap_or(usize::MAX);
            counters.interval_buckets[bucket.min(INTERVAL_BUCKETS - 1)].fetch_add(1, Relaxed);
        }
    }
}

/// A slot that is being written. Dropping it unpublished gives it up.
#[derive(Debug)]
pub struct WriteSlot<'a> {
    writer: &'a mut RingWriter,
    slot: usize,
    published: bool,
}

impl WriteSlot<'_> {
    /// The frame's bytes, as the ring's geometry lays them out. They hold an older frame until they are written.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let pixels = self.writer.ring.slot(self.slot).wrapping_add(SLOT_HEADER_BYTES);
        // SAFETY: the slot lies inside the mapping (the layout was checked against its size) and `frame_bytes`
        // fit in its stride; the slot was claimed, so its word is WRITING: no reader can lease it and no other
        // writer exists (the segment's lock); `&mut self` makes this the only slice of it in this process.
        unsafe { core::slice::from_raw_parts_mut(pixels, self.writer.ring.frame_bytes()) }
    }

    /// Makes the frame visible and wakes the readers. Returns its sequence.
    pub fn publish(mut self, source_sequence: u64, t_capture: MonotonicNs, before: LossBefore) -> u64 {
        let sequence = self.writer.next.sequence;
        let moment = FrameInfo { sequence, source_sequence, t_capture, epoch: self.writer.epoch, before };
        let header = SlotHeader {
            sequence,
            source_sequence,
            t_capture_ns: t_capture.0,
            epoch: moment.epoch,
            before: u32::from(before.code()),
        };
        let at = self.writer.ring.slot(self.slot).cast::<SlotHeader>();
        // SAFETY: the slot starts at a page boundary inside the mapping, so it is aligned and large enough, and
        // it is ours alone while its word says WRITING (see bytes_mut).
        unsafe { at.write(header) };
        self.writer.ring.protocol().publish(self.slot, &moment);
        self.published = true;
        self.writer.ring.wake_readers();
        self.writer.next.sequence += 1;
        self.writer.count_interval();
        sequence
    }
}

impl Drop for WriteSlot<'_> {
    fn drop(&mut self) {
        if !self.published {
            self.writer.ring.protocol().abandon(self.slot, &mut self.writer.next);
        }
    }
}

/// One reader of a ring.
#[derive(Clone, Debug)]
pub struct RingReader {
    ring: Arc<Ring>,
    bit: ReaderBit,
}

impl RingReader {
    /// The ring.
    #[must_use]
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Holds a frame where it is, so that it can be read without copying.
    ///
    /// # Errors
    /// [`Miss`] when it is not there yet, not there any more (or not as its writer left it), or held by this reader
    /// already.
    pub fn lease(&self, sequence: u64) -> Result<Lease, Miss> {
        let slot = self.ring.protocol().lease(sequence, self.bit)?;
        // From here on the lease gives the slot back, whatever happens.
        let mut lease =
            Lease { ring: Arc::clone(&self.ring), slot, bit: self.bit, moment: FrameInfo::default() };
        let at = self.ring.slot(slot).cast::<SlotHeader>();
        // SAFETY: aligned and inside the mapping (see WriteSlot::publish); leased, so nobody writes it, and all
        // of it was written before the state that the lease's Acquire saw. Any bytes are a valid SlotHeader.
        let header = unsafe { at.read() };
        lease.moment = FrameInfo {
            sequence,
            source_sequence: header.source_sequence,
            t_capture: MonotonicNs(header.t_capture_ns),
            epoch: header.epoch,
            before: LossBefore::from_code(u8::try_from(header.before).unwrap_or(0)),
        };
        // The writer says it twice. Where the two differ, something else has written over the frame.
        let is_as_noted = self.ring.frame_info(sequence).is_none_or(|noted| noted == lease.moment);
        if header.sequence == sequence && is_as_noted { Ok(lease) } else { Err(Miss::Overrun) }
    }
}

/// A hold on a frame: while it lives, nobody writes to the frame's bytes.
#[derive(Debug)]
pub struct Lease {
    ring: Arc<Ring>,
    slot: usize,
    bit: ReaderBit,
    moment: FrameInfo,
}

impl Lease {
    /// Which frame, when.
    #[must_use]
    pub fn frame_info(&self) -> &FrameInfo {
        &self.moment
    }

    /// The frame's bytes, as the ring's geometry lays them out.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let pixels = self.ring.slot(self.slot).wrapping_add(SLOT_HEADER_BYTES);
        // SAFETY: inside the mapping, which `self.ring` keeps alive; the reader's bit is set in the slot's word,
        // so the writer passes it by until `self` is dropped, and the slice can't outlive `self`.
        unsafe { core::slice::from_raw_parts(pixels, self.ring.frame_bytes()) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ring.protocol().release(self.slot, self.bit);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::mpsc::channel;
    use std::time::Instant;

    use super::*;
    use crate::frame::{Fps, Geometry, PixelFormat};
    use crate::instance::RuntimeDir;
    use crate::name::Name;
    use crate::ring::RingSize;
    use crate::ring::segment::SegmentError;

    #[test]
    fn a_ring_that_others_may_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let name = RuntimeDir::create(dir.path()).unwrap().segment(&Name::new("open").unwrap());
        let spec = RingSpec {
            geometry: Geometry::new(64, 16, PixelFormat::GRAY8).unwrap(),
            fps: Fps::new(60.0).unwrap(),
            size: RingSize { pre_roll_slots: 3, reserve_slots: 0, lease_slots: 0 },
        };
        drop(Ring::create(&name, &spec).unwrap());
        let opened_with = |mode| {
            std::fs::set_permissions(name.path(), Permissions::from_mode(mode)).unwrap();
            Ring::open(&name).map(drop)
        };
        let (refused, own) = (opened_with(0o666), opened_with(0o600));
        Ring::remove(&name).unwrap();
        assert!(matches!(refused, Err(RingError::Segment(SegmentError::NotOurs { mode: 0o666, .. }))));
        own.unwrap();
    }

    #[test]
    fn a_new_writer_wakes_a_reader_that_the_dead_one_had_no_time_to() {
        let dir = tempfile::tempdir().unwrap();
        let name = RuntimeDir::create(dir.path()).unwrap().segment(&Name::new("test").unwrap());
        let spec = RingSpec {
            geometry: Geometry::new(64, 16, PixelFormat::GRAY8).unwrap(),
            fps: Fps::new(60.0).unwrap(),
            size: RingSize { pre_roll_slots: 3, reserve_slots: 0, lease_slots: 0 },
        };
        let ring = Ring::create(&name, &spec).unwrap();
        Ring::remove(&name).unwrap();
        let (say, heard) = channel();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                say.send(rustix::thread::gettid()).unwrap();
                let asleep = Instant::now();
                (ring.wait_newer(0, Duration::from_secs(60)), asleep.elapsed())
            });
            let thread = heard.recv().unwrap().as_raw_nonzero();
            let is_asleep = || {
                std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap().contains(") S ")
            };
            while !is_asleep() {
                std::thread::yield_now();
            }
            // A writer's last frame, and its death on the way to waking anyone.
            let mut at = ring.protocol().take_over();
            let slot = ring.protocol().claim(&mut at).unwrap();
            ring.protocol().publish(slot, &FrameInfo { sequence: 1, ..FrameInfo::default() });
            // What every writer does when it has the lock.
            ring.take_over();
            let (is_newer, after) = waiting.join().unwrap();
            assert!(is_newer && after < Duration::from_secs(60), "it slept through, for {after:?}");
        });
    }
}
