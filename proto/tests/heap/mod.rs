//! A ring on plain heap memory: the protocol's words, and a few numbers for pixels. For loom, Miri and sanitizers.
#![allow(
    unsafe_code,
    reason = "the pixels are plain memory on purpose: the protocol alone keeps accesses apart"
)]
#![allow(dead_code, reason = "each test uses its own part")]

#[cfg(loom)]
use loom::cell::UnsafeCell;
use proto::frame::{FrameFlags, FrameInfo, LossBefore};
use proto::ring::arena::Parts;
use proto::ring::place::{Place, Shape};
use proto::ring::protocol::{Heads, LedgerEntry, Protocol, Slot, WriterPosition};
use proto::ring::{Miss, ReaderBit};
use proto::time::MonotonicNs;

/// Enough to be torn, few enough for Miri.
const PIXELS: usize = 4;

pub(crate) struct HeapRing {
    heads: Heads,
    slots: Vec<Slot>,
    ledger: Vec<LedgerEntry>,
    pixels: Vec<UnsafeCell<[u64; PIXELS]>>,
}

// SAFETY: the pixels are only touched under the protocol, which is what the tests are about.
unsafe impl Sync for HeapRing {}

impl HeapRing {
    pub(crate) fn new(slots: usize, ledger: usize) -> Self {
        Self {
            heads: Heads::default(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            ledger: (0..ledger).map(|_| LedgerEntry::default()).collect(),
            pixels: (0..slots).map(|_| UnsafeCell::new([0; PIXELS])).collect(),
        }
    }

    pub(crate) fn protocol(&self) -> Protocol<'_> {
        let shape = Shape::Fixed { stride_bytes: 0, frame_bytes: 0 };
        Protocol { heads: &self.heads, slots: &self.slots, ledger: &self.ledger, shape }
    }

    /// Writes the next frame, whole. False when it had to be dropped: every slot was leased.
    pub(crate) fn write_frame(&self, at: &mut WriterPosition, epoch: u32) -> bool {
        let Some(slot) = self.protocol().claim(at) else { return false };
        let info = info_of(at.sequence, epoch);
        self.draw(slot, &info);
        self.protocol().publish(slot, &info);
        at.sequence += 1;
        true
    }

    /// Begins the next frame, unless every slot is leased, and dies before it is whole.
    pub(crate) fn die_in_a_frame(&self, at: &mut WriterPosition, epoch: u32) {
        if let Some(slot) = self.protocol().claim(at) {
            self.draw(slot, &info_of(at.sequence, epoch));
        }
    }

    /// Leases a frame, checks every pixel of it and what the ledger says, and gives it back.
    pub(crate) fn read_frame(&self, sequence: u64, reader: ReaderBit) -> Result<FrameInfo, Miss> {
        let (slot, info) = self.look_and_die(sequence, reader)?;
        // A lease keeps the pixels; the ledger goes on.
        assert!(
            self.protocol().frame_info(sequence).is_none_or(|noted| noted == info),
            "not noted as {info:?}"
        );
        self.protocol().release(slot, reader);
        Ok(info)
    }

    /// Leases a frame, checks every pixel of it, and never gives it back.
    pub(crate) fn look_and_die(&self, sequence: u64, reader: ReaderBit) -> Result<(usize, FrameInfo), Miss> {
        let slot = self.protocol().lease(sequence, reader)?;
        let pixels = self.pixels[slot].with(|pixels| {
            // SAFETY: leased, so nobody writes; loom checks just this.
            unsafe { *pixels }
        });
        let info = info_of(sequence, u32::try_from(pixels[0] & u64::from(u32::MAX)).expect("32 bits"));
        assert_eq!(pixels, pixels_of(&info), "not the frame {sequence} that was leased");
        Ok((slot, info))
    }

    fn draw(&self, slot: usize, info: &FrameInfo) {
        self.pixels[slot].with_mut(|pixels| {
            // SAFETY: claimed, so nobody else looks; loom checks just this.
            unsafe { *pixels = pixels_of(info) }
        });
    }
}

/// The units of an arena on the heap: a part is a whole number of them.
const UNIT: usize = proto::ring::layout::PART_ALIGN_BYTES;

/// A ring of frames that differ in length, on plain heap memory. Each unit of its arena is a number that tells the frame.
pub(crate) struct HeapArena {
    heads: Heads,
    slots: Vec<Slot>,
    ledger: Vec<LedgerEntry>,
    units: Vec<UnsafeCell<u64>>,
}

// SAFETY: the units are only touched under the protocol, which is what the tests are about.
unsafe impl Sync for HeapArena {}

/// The writer of a [`HeapArena`].
pub(crate) struct HeapWriter {
    pub(crate) sequence: u64,
    parts: Parts,
    epoch: u32,
}

impl HeapArena {
    pub(crate) fn new(slots: usize, ledger: usize, units: usize) -> Self {
        Self {
            heads: Heads::default(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            ledger: (0..ledger).map(|_| LedgerEntry::default()).collect(),
            units: (0..units).map(|_| UnsafeCell::new(0)).collect(),
        }
    }

    pub(crate) fn protocol(&self) -> Protocol<'_> {
        let arena_bytes = self.units.len() * UNIT;
        let shape = Shape::Parts { arena_bytes, max_frame_bytes: arena_bytes };
        Protocol { heads: &self.heads, slots: &self.slots, ledger: &self.ledger, shape }
    }

    pub(crate) fn take_over(&self, epoch: u32) -> HeapWriter {
        let sequence = self.protocol().take_over().sequence;
        HeapWriter { sequence, parts: self.protocol().find_parts().expect("nobody wrote over it"), epoch }
    }

    /// Writes the next frame, whole, into a part of so many units: two or more. False when it had to be dropped: readers hold
    /// too much.
    pub(crate) fn write_frame(&self, writer: &mut HeapWriter, units: usize) -> bool {
        self.write_frame_that_might_be_longer(writer, units, units)
    }

    /// The same, by a source that knew only how long the frame is at most.
    pub(crate) fn write_frame_that_might_be_longer(
        &self,
        writer: &mut HeapWriter,
        units: usize,
        at_most: usize,
    ) -> bool {
        let sequence = writer.sequence;
        let Some(claim) = self.protocol().claim_part(&mut writer.parts, sequence, bytes_of(at_most)) else {
            return false;
        };
        let info = info_of(sequence, writer.epoch);
        self.draw(&Place { len: bytes_of(units), ..claim.place }, &info);
        self.protocol().publish_part(&mut writer.parts, claim, bytes_of(units), &info);
        writer.sequence += 1;
        true
    }

    /// Begins the next frame, unless readers hold too much, writes into it, and gives it up.
    pub(crate) fn give_up_a_frame(&self, writer: &mut HeapWriter, units: usize) {
        let claim = self.protocol().claim_part(&mut writer.parts, writer.sequence, bytes_of(units));
        if let Some(claim) = claim {
            self.draw(&claim.place, &info_of(writer.sequence, 99));
            self.protocol().abandon_part(&mut writer.parts, claim);
        }
    }

    /// Begins the next frame, unless readers hold too much, and dies before it is whole.
    pub(crate) fn die_in_a_frame(&self, mut writer: HeapWriter, units: usize) {
        let claim = self.protocol().claim_part(&mut writer.parts, writer.sequence, bytes_of(units));
        if let Some(claim) = claim {
            self.draw(&claim.place, &info_of(writer.sequence, writer.epoch));
        }
    }

    /// Leases a frame, checks every unit of it and what the ledger says, and gives it back. Its units.
    pub(crate) fn read_frame(&self, sequence: u64, reader: ReaderBit) -> Result<(FrameInfo, usize), Miss> {
        let (slot, info, units) = self.look_and_die(sequence, reader)?;
        assert!(
            self.protocol().frame_info(sequence).is_none_or(|noted| noted == info),
            "not noted as {info:?}"
        );
        self.protocol().release(slot, reader);
        Ok((info, units))
    }

    /// Leases a frame, checks every unit of it, and never gives it back.
    pub(crate) fn look_and_die(
        &self,
        sequence: u64,
        reader: ReaderBit,
    ) -> Result<(usize, FrameInfo, usize), Miss> {
        let slot = self.protocol().lease(sequence, reader)?;
        let place = self.protocol().place(slot).expect("nobody wrote over it");
        let part = place.offset / UNIT..place.end().expect("inside") / UNIT;
        let units = part.len();
        let first = self.unit(part.start);
        let info = info_of(sequence, u32::try_from(first & u64::from(u32::MAX)).expect("32 bits"));
        let is_it = |unit| self.unit(unit) == pixels_of(&info)[0];
        assert!(part.into_iter().all(is_it), "not the frame {sequence} that was leased");
        Ok((slot, info, units))
    }

    fn unit(&self, number: usize) -> u64 {
        self.units[number].with(|unit| {
            // SAFETY: leased, so nobody writes; loom checks just this.
            unsafe { *unit }
        })
    }

    /// Fills the part of a frame, header and padding too: nobody else may look at any of it.
    fn draw(&self, place: &Place, info: &FrameInfo) {
        for unit in place.offset / UNIT..place.end().expect("inside") / UNIT {
            self.units[unit].with_mut(|unit| {
                // SAFETY: claimed, so nobody else looks; loom checks just this.
                unsafe { *unit = pixels_of(info)[0] }
            });
        }
    }
}

/// The longest frame whose part takes so many units.
fn bytes_of(units: usize) -> usize {
    (units - 2) * UNIT
}

/// Every pixel tells sequence and epoch.
fn pixels_of(info: &FrameInfo) -> [u64; PIXELS] {
    [(info.sequence << 32) | u64::from(info.epoch); PIXELS]
}

/// Every field tells the sequence.
pub(crate) fn info_of(sequence: u64, epoch: u32) -> FrameInfo {
    FrameInfo {
        sequence,
        source_sequence: sequence * 100,
        t_capture: MonotonicNs(sequence * 10),
        epoch,
        before: LossBefore::from_code(u8::try_from(sequence % 4).expect("below four")),
        flags: FrameFlags::TIME_REPAIRED.when(sequence.is_multiple_of(3)),
        start_sequence: sequence.div_ceil(2),
        picture_offset_ns: 0,
    }
}

pub(crate) fn bit(number: u8) -> ReaderBit {
    ReaderBit::new(number).expect("one of sixteen")
}

/// The shape of loom's cell, for memory that loom doesn't watch.
#[cfg(not(loom))]
struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    fn with<R>(&self, look: impl FnOnce(*const T) -> R) -> R {
        look(self.0.get())
    }

    fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
