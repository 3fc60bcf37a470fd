//! A ring on plain heap memory: the protocol's words, and a few numbers for pixels. For loom, Miri and sanitizers.
#![allow(
    unsafe_code,
    reason = "the pixels are plain memory on purpose: the protocol alone keeps accesses apart"
)]
#![allow(dead_code, reason = "each test uses its own part")]

#[cfg(loom)]
use loom::cell::UnsafeCell;
use proto::frame::{FrameFlags, FrameInfo, LossBefore};
use proto::ring::protocol::{Heads, LedgerEntry, Protocol, SlotState, WriterPosition};
use proto::ring::{Miss, ReaderBit};
use proto::time::MonotonicNs;

/// Enough to be torn, few enough for Miri.
const PIXELS: usize = 4;

pub(crate) struct HeapRing {
    heads: Heads,
    states: Vec<SlotState>,
    ledger: Vec<LedgerEntry>,
    pixels: Vec<UnsafeCell<[u64; PIXELS]>>,
}

// SAFETY: the pixels are only touched under the protocol, which is what the tests are about.
unsafe impl Sync for HeapRing {}

impl HeapRing {
    pub(crate) fn new(slots: usize, ledger: usize) -> Self {
        Self {
            heads: Heads::default(),
            states: (0..slots).map(|_| SlotState::default()).collect(),
            ledger: (0..ledger).map(|_| LedgerEntry::default()).collect(),
            pixels: (0..slots).map(|_| UnsafeCell::new([0; PIXELS])).collect(),
        }
    }

    pub(crate) fn protocol(&self) -> Protocol<'_> {
        Protocol { heads: &self.heads, states: &self.states, ledger: &self.ledger }
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
