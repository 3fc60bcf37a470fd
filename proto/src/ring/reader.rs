//! The reading end of a ring: [`RingReader`], one of up to sixteen, and [`Lease`], its hold on one frame.
#![expect(unsafe_code, reason = "reads frame bytes under the ring's protocol; every block says why it may")]

use std::sync::Arc;

use super::layout::FRAME_HEADER_BYTES;
use super::place::Place;
use super::protocol::Miss;
use super::shared::Ring;
use super::slot_header::SlotHeader;
use super::state::ReaderBit;
use crate::frame::FrameInfo;

/// A reader of a ring. Clones share one bit, so they can't hold leases on the same frame. The example is at
/// [`Ring`].
#[derive(Clone, Debug)]
pub struct RingReader {
    pub(super) ring: Arc<Ring>,
    pub(super) bit: ReaderBit,
}

impl RingReader {
    /// The ring.
    #[must_use]
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Holds a frame where it lies, so that it can be read without copying. The writer passes the slot by until the
    /// lease is dropped.
    ///
    /// # Errors
    /// [`Miss::NotYet`] before the frame is published, [`Miss::Overrun`] once it is overwritten or is not as its writer
    /// left it, [`Miss::AlreadyLeased`] while this reader holds it.
    pub fn lease(&self, sequence: u64) -> Result<Lease, Miss> {
        let slot = self.ring.protocol().lease(sequence, self.bit)?;
        let place = Place { offset: 0, len: 0 };
        // From here on the lease gives the slot back, whichever way this function ends.
        let mut lease =
            Lease { ring: Arc::clone(&self.ring), slot, bit: self.bit, place, info: FrameInfo::default() };
        lease.place = self.ring.protocol().place(slot).ok_or(Miss::Overrun)?;
        let at = self.ring.frame(&lease.place).cast::<SlotHeader>();
        // SAFETY: aligned and inside the mapping (Protocol::place gives no other place); leased, so nobody writes it, and all
        // of it was written before the state that the lease's Acquire saw. Any bytes are a valid SlotHeader.
        let header = unsafe { at.read() };
        lease.info = FrameInfo::from(header);
        // The writer notes each frame in its header, in the slot and in the ledger. Where they differ, something else has written
        // over the frame.
        let is_as_noted = self.ring.frame_info(sequence).is_none_or(|noted| noted == lease.info)
            && header.bytes() == lease.place.len as u64;
        if lease.info.sequence == sequence && is_as_noted { Ok(lease) } else { Err(Miss::Overrun) }
    }
}

/// A hold on a frame: while it lives, nobody writes to the frame's bytes.
#[derive(Debug)]
pub struct Lease {
    ring: Arc<Ring>,
    slot: usize,
    bit: ReaderBit,
    /// As the slot told it when it was leased, and checked then.
    place: Place,
    info: FrameInfo,
}

impl Lease {
    /// The ring that the frame is in.
    #[must_use]
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The frame's numbers, its capture time and the loss before it.
    #[must_use]
    pub fn frame_info(&self) -> &FrameInfo {
        &self.info
    }

    /// The frame's bytes. Of planes, [`Geometry::frame_bytes`](crate::frame::Geometry::frame_bytes) of them, laid out by
    /// [`Geometry::planes`](crate::frame::Geometry::planes). Of a compressed frame as many as it has;
    /// [`PADDING_BYTES`](super::layout::PADDING_BYTES) zeros lie behind them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let bytes = self.ring.frame(&self.place).wrapping_add(FRAME_HEADER_BYTES);
        // SAFETY: inside the mapping, which `self.ring` keeps alive, since the place was checked against the arena; the reader's
        // bit is set in the slot's word, so the writer passes its bytes by until `self` is dropped, and the slice can't outlive
        // `self`.
        unsafe { core::slice::from_raw_parts(bytes, self.place.len) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ring.protocol().release(self.slot, self.bit);
    }
}
