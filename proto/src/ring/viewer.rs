//! The looking end of a ring: [`Viewer`], for whoever may read a ring's memory and not write it. It leases nothing, so the writer
//! never knows of it; a frame is copied, and the copy is kept only if the frame was there all the while.

use std::time::Duration;

use super::RingSpec;
use super::error::RingError;
use super::header::{BadHeader, CheckedHeader, Header};
use super::layout::FRAME_HEADER_BYTES;
use super::place::Shape;
use super::protocol::{Miss, Protocol};
use super::read_only::ReadOnly;
use super::segment::SegmentName;
use super::time::RingTime;
use super::waking;
use crate::frame::{FrameInfo, PictureTags};
use crate::sync::Ordering::Relaxed;

/// One camera's ring, mapped read-only.
///
/// ```
/// use proto::frame::{Fps, Geometry, LossBefore, PixelFormat};
/// use proto::ring::{Ring, RingSize, RingSpec, SegmentName, Viewer};
/// use proto::time::MonotonicNs;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let size = RingSize { pre_roll_slots: 3, reserve_slots: 0, lease_slots: 1 };
/// # let geometry = Geometry::new(64, 16, PixelFormat::GRAY8)?;
/// # let spec = RingSpec::planes(geometry, Fps::new(60.0).ok_or("no rate")?, size);
/// # let name = SegmentName::new(format!("preroll-viewer-{}", std::process::id()));
/// # let ring = Ring::create(&name, &spec)?;
/// # let mut writer = ring.writer()?;
/// # let owner = rustix::process::geteuid().as_raw();
/// let viewer = Viewer::open(&name, owner)?;
/// # Ring::remove(&name)?;
/// # let mut slot = writer.slot().ok_or("every slot is leased")?;
/// # slot.bytes_mut().fill(7);
/// # slot.publish(0, MonotonicNs::now(), LossBefore::Nothing);
/// let mut bytes = Vec::new();
/// let newest = viewer.copy(viewer.head(), &mut bytes)?;
/// assert_eq!((newest.sequence, bytes.len()), (1, 64 * 16));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Viewer {
    memory: ReadOnly,
    checked: CheckedHeader,
}

impl Viewer {
    /// Maps a ring of an instance that `owner` runs (a user's number), after checking everything that its header says.
    ///
    /// # Errors
    /// [`RingError`]: there is none, somebody else has made it, this user may not read it, or it is damaged or of another version.
    pub fn open(name: &SegmentName, owner: u32) -> Result<Self, RingError> {
        let memory = ReadOnly::open(name, owner)?;
        let bad = |why| RingError::Bad { name: name.clone(), why };
        if memory.len() < size_of::<Header>() {
            return Err(bad(BadHeader::TooShort(memory.len())));
        }
        let checked = memory.view::<Header>(0, 1)[0].check(memory.len()).map_err(bad)?;
        Ok(Self { memory, checked })
    }

    /// The frame size, rate and number of slots that the ring was made for.
    #[must_use]
    pub fn spec(&self) -> &RingSpec {
        &self.checked.spec
    }

    /// The random number that tells this ring from others of its name.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.checked.ring_id
    }

    /// True while all of the ring's memory is there. A ring that was made anew has another: open it again when no frame has come for
    /// long.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.memory.is_whole()
    }

    /// The newest sequence published; 0 before the first.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.protocol().look_at_head()
    }

    /// The pictures' word on themselves, as the writer has last told it.
    #[must_use]
    pub fn picture_tags(&self) -> PictureTags {
        PictureTags::from_word(self.header().picture_tags.load(Relaxed))
    }

    /// The writer's word on the capture times, once a frame has come.
    #[must_use]
    pub fn time(&self) -> Option<RingTime> {
        self.header().time.load()
    }

    /// A frame as the ledger remembers it, whether its bytes are still there or not.
    #[must_use]
    pub fn frame_info(&self, sequence: u64) -> Option<FrameInfo> {
        self.protocol().look_at_info(sequence)
    }

    /// Copies a frame's bytes into `bytes`, in place of what it holds.
    ///
    /// # Errors
    /// [`Miss::NotYet`] before the frame is published, [`Miss::Overrun`] once it is overwritten, in the midst of the copy too. `bytes`
    /// then holds nothing that can be used.
    pub fn copy(&self, sequence: u64, bytes: &mut Vec<u8>) -> Result<FrameInfo, Miss> {
        let (info, ()) = self.protocol().copy(sequence, |place| {
            let start = self.checked.layout.arena_offset + place.offset + FRAME_HEADER_BYTES;
            // Whole words: behind a frame lie its padding, or the page that ends the segment.
            let words = self.memory.words(start, place.len.div_ceil(8));
            bytes.clear();
            bytes.reserve(words.len() * 8);
            bytes.extend(words.iter().flat_map(|word| word.load(Relaxed).to_ne_bytes()));
            bytes.truncate(place.len);
        })?;
        Ok(info)
    }

    fn header(&self) -> &Header {
        // Viewer::open has looked that the memory is long enough.
        &self.memory.view::<Header>(0, 1)[0]
    }

    fn protocol(&self) -> Protocol<'_> {
        let CheckedHeader { spec, layout, .. } = &self.checked;
        Protocol {
            heads: &self.header().heads,
            slots: self.memory.view(layout.slots_offset, spec.size.slots()),
            ledger: self.memory.view(layout.ledger_offset, layout.ledger_entries),
            shape: Shape::of(spec, layout),
        }
    }

    /// Sleeps until a frame newer than `seen` is published, or `at_most` is over. True when there is one.
    #[must_use]
    pub fn wait_newer(&self, seen: u64, at_most: Duration) -> bool {
        waking::wait_newer(&self.header().heads, || self.head(), seen, at_most)
    }
}
