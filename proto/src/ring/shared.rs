//! The ring in shared memory: [`Ring`] makes and maps it, checks that it is still sound, and looks up frames. Its two
//! ends are [`super::writer`] and [`super::reader`].

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::thread::futex;

use super::arena::Parts;
use super::error::{Broken, RingError};
use super::header::{BadHeader, CheckedHeader, Counters, Header};
use super::layout::RingSpec;
use super::overwriting::{self, Endangered};
use super::place::{Place, Shape};
use super::protocol::{Protocol, WriterPosition};
use super::reader_locks::HeldBits;
use super::segment::{self, Segment, SegmentError, SegmentName};
use super::time::RingTime;
use super::waking;
use crate::frame::{FrameInfo, LossBefore, PictureTags};
use crate::sync::Ordering::Relaxed;
use crate::time::MonotonicNs;

/// One camera's ring, mapped into this process.
///
/// ```
/// use proto::frame::{Fps, Geometry, LossBefore, PixelFormat};
/// use proto::ring::{Miss, ReaderBit, Ring, RingSize, RingSpec, SegmentName};
/// use proto::time::MonotonicNs;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let size = RingSize { pre_roll_slots: 3, reserve_slots: 0, lease_slots: 1 };
/// let (geometry, fps) = (Geometry::new(64, 16, PixelFormat::GRAY8)?, Fps::new(60.0).ok_or("no rate")?);
/// let spec = RingSpec::planes(geometry, fps, size);
/// let name = SegmentName::new(format!("preroll-doctest-{}", std::process::id()));
/// let ring = Ring::create(&name, &spec)?;
/// let mut writer = ring.writer()?;
/// let reader = ring.reader(ReaderBit::RECORDER)?;
/// # Ring::remove(&name)?; // leaves nothing behind; the memory lives as long as it is mapped
///
/// // The capture fills a slot in place and publishes it.
/// let mut slot = writer.slot().ok_or("every slot is leased")?;
/// slot.bytes_mut().fill(7);
/// let sequence = slot.publish(0, MonotonicNs::now(), LossBefore::Nothing);
///
/// // The recorder holds the frame where it lies, for as long as it needs it.
/// let frame = reader.lease(sequence)?;
/// assert!(frame.bytes().iter().all(|pixel| *pixel == 7));
/// assert_eq!(frame.frame_info().sequence, 1);
/// assert_eq!(reader.lease(2).err(), Some(Miss::NotYet));
///
/// // The writer never waits: it goes round the leased slot.
/// for source_sequence in 1..10 {
///     let slot = writer.slot().ok_or("every slot is leased")?;
///     slot.publish(source_sequence, MonotonicNs::now(), LossBefore::Nothing);
/// }
/// assert!(frame.bytes().iter().all(|pixel| *pixel == 7));
/// drop(frame);
/// assert!(reader.lease(10).is_ok());
/// assert_eq!(reader.lease(2).err(), Some(Miss::Overrun));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Ring {
    pub(super) segment: Segment,
    checked: CheckedHeader,
    pub(super) held: HeldBits,
}

/// The group whose members may look at the rings that this process makes.
static LOOKERS: OnceLock<u32> = OnceLock::new();

impl Ring {
    /// Lets the members of a group look at the rings that this process makes from now on: their files have mode 0640 then. They
    /// can't lease, since that is a store. Counts once in a process's life.
    pub fn let_look(gid: u32) {
        LOOKERS.get_or_init(|| gid);
    }

    /// Makes a new ring whose time zero is now. Every page of it is reserved; see [`RingSpec::layout`] for its size.
    ///
    /// # Errors
    /// [`RingError`]: a ring of this name exists, or there is no room for it.
    pub fn create(name: &SegmentName, spec: &RingSpec) -> Result<Arc<Self>, RingError> {
        Self::create_since(name, spec, MonotonicNs::now())
    }

    /// Makes a new ring that takes the place of one that began at `created`, so that the camera's clock goes on.
    ///
    /// # Errors
    /// As [`Ring::create`].
    pub fn create_since(
        name: &SegmentName,
        spec: &RingSpec,
        created: MonotonicNs,
    ) -> Result<Arc<Self>, RingError> {
        let absurd = || RingError::Absurd { slots: spec.size.slots(), frame_bytes: spec.max_frame_bytes() };
        let layout = spec.layout().ok_or_else(absurd)?;
        let segment = Segment::create(name, layout.total_bytes)?;
        let checked = CheckedHeader { spec: *spec, layout, ring_id: random_id(), created };
        let ring = Self { segment, checked, held: HeldBits::default() };
        ring.protocol().lay_out();
        // The magic number comes last: nobody takes a ring for whole that isn't.
        header(&ring.segment).fill(spec, &layout, checked.ring_id, created);
        LOOKERS.get().map_or(Ok(()), |gid| ring.segment.let_look(*gid))?;
        drop(ring);
        Self::open(name)
    }

    /// Maps a ring that exists, after checking everything that its header says.
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
        Ok(Arc::new(Self { segment, checked, held: HeldBits::default() }))
    }

    /// Checks that this is still the ring that was opened: its size, its header and its name. Costs two looks at files
    /// and one at a page.
    ///
    /// Overwritten pixels are not noticed, nor what happens a moment later.
    ///
    /// # Errors
    /// [`Broken`]. [`Loss::Unnamed`] comes only if nothing else is wrong: the frames it holds are still good then.
    pub fn check(&self) -> Result<(), Broken> {
        self.check_header()?;
        Ok(self.segment.check_name()?)
    }

    /// [`Ring::check`], and a look at all that the ring says of its frames: 64 bytes a slot and 48 a ledger entry.
    ///
    /// # Errors
    /// [`Broken`].
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

    /// Takes a ring's name away. Processes that have it mapped keep it until they end; nobody else can open it. A name
    /// that is gone already is no error.
    ///
    /// # Errors
    /// The system's error.
    pub fn remove(name: &SegmentName) -> Result<(), RingError> {
        Ok(segment::remove(name)?)
    }

    /// The frame size, rate and number of slots that it was made for.
    #[must_use]
    pub fn spec(&self) -> &RingSpec {
        &self.checked.spec
    }

    /// The file in shared memory that the ring is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.segment.name().path()
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

    /// The moment it was made: time zero of its camera's clock.
    #[must_use]
    pub fn created(&self) -> MonotonicNs {
        self.checked.created
    }

    /// The capture's counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &header(&self.segment).counters
    }

    /// True once the capture has said that no more frames will come: a video file that has played to its end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let epoch = self.epoch();
        epoch > 0 && self.counters().ended_epoch.load(Relaxed) == epoch
    }

    /// The cause of the gap that is being made, while the camera is away and its capture tries to open it again.
    #[must_use]
    pub fn away(&self) -> Option<LossBefore> {
        let code = self.counters().away.load(Relaxed);
        let cause = LossBefore::from_code(u8::try_from(code).unwrap_or(0));
        (cause != LossBefore::Nothing).then_some(cause)
    }

    /// For the writer: see [`RingWriter::set_away`](super::writer::RingWriter::set_away).
    pub(super) fn set_away(&self, cause: Option<LossBefore>) {
        self.counters().away.store(cause.unwrap_or_default().code().into(), Relaxed);
    }

    /// The capture's word on its frames' times, once a frame has come; none in a ring of a version that said nothing.
    #[must_use]
    pub fn time(&self) -> Option<RingTime> {
        header(&self.segment).time.load()
    }

    /// For the writer: see [`WriteSlot::timed`](super::writer::WriteSlot::timed).
    pub(super) fn set_time(&self, time: &RingTime) {
        header(&self.segment).time.store(time);
    }

    /// True if the camera's frames come at no rate, as its capture says: none is due at any moment.
    #[must_use]
    pub fn has_variable_rate(&self) -> bool {
        header(&self.segment).variable_rate.load(Relaxed) == 1
    }

    /// Notes whether the camera's frames come at no rate.
    pub(super) fn set_variable_rate(&self, variable: bool) {
        header(&self.segment).variable_rate.store(variable.into(), Relaxed);
    }

    /// True if the camera's pictures are shown in another order than they come in, as its capture says: the `n`-th frame to come
    /// isn't the `n`-th picture.
    #[must_use]
    pub fn reorders(&self) -> bool {
        header(&self.segment).reorders.load(Relaxed) == 1
    }

    /// Notes whether pictures are shown in another order than they come in.
    pub(super) fn set_reorders(&self, reorders: bool) {
        header(&self.segment).reorders.store(reorders.into(), Relaxed);
    }

    /// Lives of the capture process so far.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        header(&self.segment).epoch.load(Relaxed)
    }

    /// What the newest frames say of themselves. Nothing before the first frame.
    #[must_use]
    pub fn picture_tags(&self) -> PictureTags {
        PictureTags::from_word(header(&self.segment).picture_tags.load(Relaxed))
    }

    /// For the writer: see [`WriteSlot::tag`](super::writer::WriteSlot::tag).
    pub(super) fn set_picture_tags(&self, tags: PictureTags) {
        header(&self.segment).picture_tags.store(tags.to_word(), Relaxed);
    }

    /// The newest sequence published; 0 before the first.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.protocol().head()
    }

    /// A frame as the ledger remembers it, whether its pixels are still there or not.
    #[must_use]
    pub fn frame_info(&self, sequence: u64) -> Option<FrameInfo> {
        self.protocol().frame_info(sequence)
    }

    /// The newest frame.
    #[must_use]
    pub fn newest(&self) -> Option<FrameInfo> {
        self.frame_info(self.head())
    }

    /// The oldest frame whose pixels should still be there. The writer may overwrite it at any time.
    #[must_use]
    pub fn oldest(&self) -> Option<FrameInfo> {
        let first = match self.spec().arena {
            None => (self.head() + 1).saturating_sub(self.spec().size.slots() as u64 - 1).max(1),
            Some(_) => self.protocol().oldest_held()?,
        };
        self.frame_info(first)
    }

    /// The first published frame captured at `at` or later, as far back as the ledger remembers.
    #[must_use]
    pub fn first_at_or_after(&self, at: MonotonicNs) -> Option<FrameInfo> {
        self.protocol().first_at_or_after(at)
    }

    /// The frames that the writer overwrites before it has published `within` more, the soonest first.
    #[must_use]
    pub fn endangered(&self, within: usize) -> Vec<Endangered> {
        match self.spec().arena {
            None => self.protocol().endangered(within),
            Some(_) => self.protocol().endangered_parts(within, self.usual_part_bytes().unwrap_or(1)),
        }
    }

    /// The bytes that a frame takes of the arena at the rate that the ring was made for. None in a ring of planes.
    #[must_use]
    pub fn usual_part_bytes(&self) -> Option<usize> {
        let RingSpec { arena, fps, .. } = self.spec();
        arena.map(|arena| overwriting::usual_part_bytes(arena.max_rate_bytes, *fps))
    }

    /// True while a frame's pixels are where its writer left them. The next moment they may not be.
    #[must_use]
    pub fn holds(&self, sequence: u64) -> bool {
        self.protocol().holds(sequence)
    }

    /// Sleeps until a frame newer than `seen` is published, or `at_most` is over. True when there is one.
    #[must_use]
    pub fn wait_newer(&self, seen: u64, at_most: Duration) -> bool {
        waking::wait_newer(&header(&self.segment).heads, || self.head(), seen, at_most)
    }

    /// Device and inode of its memory, by which the kernel lists who maps it.
    #[must_use]
    pub fn device_and_inode(&self) -> (u64, u64) {
        self.segment.device_and_inode()
    }

    pub(super) fn lock_for_writing(&self) -> Result<OwnedFd, SegmentError> {
        self.segment.lock_for_writing()
    }

    pub(super) fn begin_epoch(&self) -> u32 {
        let epoch = header(&self.segment).epoch.fetch_add(1, Relaxed).wrapping_add(1);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "four billion restarts of a capture take decades"
        )]
        let epoch = epoch as u32;
        epoch
    }

    pub(super) fn take_over(&self) -> WriterPosition {
        let next = self.protocol().take_over();
        // The last writer may have ended between publishing a frame and waking the readers.
        self.wake_readers();
        next
    }

    /// The parts of the arena, for a writer that has taken over. None in a ring of planes.
    pub(super) fn find_parts(&self) -> Result<Option<Parts>, RingError> {
        let contradiction = |what| RingError::Contradiction { name: self.segment.name().clone(), what };
        self.spec().arena.map(|_| self.protocol().find_parts().map_err(contradiction)).transpose()
    }

    pub(super) fn wake_readers(&self) {
        let wake = &header(&self.segment).heads.wake;
        // To wake nobody is no error, and nothing else can fail with an address that is mapped.
        let _ = futex::wake(wake, futex::Flags::empty(), i32::MAX.unsigned_abs());
    }

    pub(super) fn protocol(&self) -> Protocol<'_> {
        let layout = &self.checked.layout;
        Protocol {
            heads: &header(&self.segment).heads,
            slots: self.segment.view(layout.slots_offset, self.spec().size.slots()),
            ledger: self.segment.view(layout.ledger_offset, layout.ledger_entries),
            shape: Shape::of(self.spec(), layout),
        }
    }

    /// The first byte of a frame's place: its header, with the frame's bytes behind it.
    pub(super) fn frame(&self, place: &Place) -> *mut u8 {
        self.segment.byte(self.checked.layout.arena_offset + place.offset)
    }
}

pub(super) fn header(segment: &Segment) -> &Header {
    // Ring::create_since makes the segment at least this long, and Ring::open has looked.
    &segment.view::<Header>(0, 1)[0]
}

/// A number that differs from that of the ring that had this name before. It is not a secret.
fn random_id() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u64(MonotonicNs::now().0);
    hasher.finish()
}

#[cfg(test)]
mod tests;
