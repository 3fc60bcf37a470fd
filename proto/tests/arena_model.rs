//! A ring of compressed frames against a model of it that anyone can follow: an arena of units, each of which belongs to a frame or
//! to nobody; a list of all frames ever published.
//!
//! ```text
//! cargo test -p proto --test arena_model
//! ```
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod scratch;

use proptest::prelude::*;
use proto::frame::{DecodesFrom, Decoding, FrameFlags, FrameInfo, LossBefore};
use proto::ring::layout::part_bytes;
use proto::ring::{Lease, Miss, ReaderBit, Ring, RingWriter};
use proto::time::MonotonicNs;
use scratch::{ScratchRing, draw, is_whole, sweep_dead};

const READERS: u8 = 3;
/// Looks at everything after every step.
const AUDITOR: u8 = 15;
const UNIT: usize = 64;
/// Few enough that frames often don't fit.
const ARENA_UNITS: usize = 64;
const MAX_FRAME_BYTES: usize = 20 * UNIT;

#[derive(Clone, Debug)]
enum Step {
    /// A frame of so many bytes, by a source that claims so many more; they may be too many.
    Publish {
        bytes: usize,
        more: usize,
        is_key: bool,
        before: u8,
        from: DecodesFrom,
    },
    GiveUp {
        bytes: usize,
    },
    /// `back` frames behind the newest; 0 is the one to come.
    Lease {
        reader: u8,
        back: u64,
    },
    Release {
        which: usize,
    },
    ReaderDies {
        reader: u8,
    },
    Sweep {
        reader: u8,
    },
    WriterRestarts,
    WriterDiesInSlot {
        bytes: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let reader = 0..READERS;
    let bytes = 0..MAX_FRAME_BYTES + 1;
    prop_oneof![
        8 => (
            (bytes.clone(), prop_oneof![Just(0), 0..MAX_FRAME_BYTES]),
            any::<bool>(),
            prop_oneof![3 => Just(0), 1 => 1..8_u8],
            from(),
        )
            .prop_map(|((bytes, more), is_key, before, from)| Step::Publish { bytes, more, is_key, before, from }),
        1 => bytes.clone().prop_map(|bytes| Step::GiveUp { bytes }),
        5 => (reader.clone(), 0..9_u64).prop_map(|(reader, back)| Step::Lease { reader, back }),
        3 => any::<usize>().prop_map(|which| Step::Release { which }),
        1 => reader.clone().prop_map(|reader| Step::ReaderDies { reader }),
        2 => reader.prop_map(|reader| Step::Sweep { reader }),
        1 => Just(Step::WriterRestarts),
        1 => bytes.prop_map(|bytes| Step::WriterDiesInSlot { bytes }),
    ]
}

fn from() -> impl Strategy<Value = DecodesFrom> {
    prop_oneof![
        Just(DecodesFrom::NewestKey),
        Just(DecodesFrom::Nothing),
        (0..6_u32).prop_map(DecodesFrom::Back),
    ]
}

/// A frame that is there.
#[derive(Clone, Debug)]
struct Held {
    info: FrameInfo,
    bytes: usize,
    leased_by: [bool; READERS as usize],
}

impl Held {
    fn is_leased(&self) -> bool {
        self.leased_by.contains(&true)
    }
}

/// The ring as it should be.
struct Model {
    /// The owner of each unit, by sequence.
    units: [Option<u64>; ARENA_UNITS],
    held: Vec<Held>,
    slots: usize,
    cursor: usize,
    published: Vec<FrameInfo>,
    epoch: u32,
    start: u64,
    is_broken: bool,
    ring_full: u64,
    too_large: u64,
}

fn units_of(bytes: usize) -> usize {
    part_bytes(bytes).unwrap() / UNIT
}

impl Model {
    fn new(slots: usize) -> Self {
        Self {
            units: [None; ARENA_UNITS],
            held: Vec::new(),
            slots,
            cursor: 0,
            published: Vec::new(),
            epoch: 1,
            start: 0,
            is_broken: false,
            ring_full: 0,
            too_large: 0,
        }
    }

    fn next(&self) -> u64 {
        self.published.len() as u64 + 1
    }

    fn held(&mut self, sequence: u64) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.info.sequence == sequence)
    }

    /// The first unit, from the cursor on and then from the start on, behind which there are enough that nobody leases. All frames
    /// there are gone; so is the oldest that nobody leases if there is no slot left.
    fn claim(&mut self, bytes: usize) -> Option<usize> {
        let need = units_of(bytes);
        let is_leased = |owner: &Option<u64>| {
            self.held.iter().any(|held| Some(held.info.sequence) == *owner && held.is_leased())
        };
        let last = ARENA_UNITS.checked_sub(need)?;
        let at = (self.cursor..=last)
            .chain(0..=last)
            .find(|at| !self.units[*at..at + need].iter().any(is_leased))?;
        let over: Vec<u64> = self.units[at..at + need].iter().copied().flatten().collect();
        if over.is_empty() && self.held.len() == self.slots {
            let oldest =
                self.held.iter().filter(|held| !held.is_leased()).map(|held| held.info.sequence).min();
            self.lose(oldest?);
        }
        over.into_iter().for_each(|sequence| self.lose(sequence));
        Some(at)
    }

    fn lose(&mut self, sequence: u64) {
        self.held.retain(|held| held.info.sequence != sequence);
        self.units.iter_mut().filter(|owner| **owner == Some(sequence)).for_each(|owner| *owner = None);
    }

    /// The frame that a frame's source names, if every frame from there to it follows the one before, in one life of the writer.
    fn whole_start(&self, info: &FrameInfo, from: DecodesFrom) -> Option<u64> {
        let back = match from {
            _ if info.flags.contains(FrameFlags::KEY) => 0,
            DecodesFrom::Back(back) => back,
            DecodesFrom::NewestKey | DecodesFrom::Nothing => return None,
        };
        let start = info.sequence.checked_sub(back.into())?;
        let mut all = self.published.iter().chain([info]);
        let first = all.find(|frame| frame.sequence == start)?;
        let follows = |frame: &FrameInfo| frame.before == LossBefore::Nothing;
        (first.epoch == info.epoch && all.all(follows)).then_some(start)
    }

    fn publish(&mut self, info: FrameInfo, bytes: usize, claimed: usize, from: DecodesFrom) {
        if claimed > MAX_FRAME_BYTES {
            self.too_large += 1;
            return;
        }
        let Some(at) = self.claim(claimed) else {
            self.ring_full += 1;
            return;
        };
        match info.before {
            LossBefore::Nothing => {}
            LossBefore::Unplugged | LossBefore::Network | LossBefore::CameraStall => self.start = 0,
            _ => self.is_broken = true,
        }
        match self.whole_start(&info, from) {
            Some(start) => (self.start, self.is_broken) = (start, false),
            None if from == DecodesFrom::Nothing && !self.is_broken => self.start = 0,
            None => {}
        }
        let damaged = FrameFlags::DAMAGED.when(self.is_broken && self.start > 0);
        let info = FrameInfo { start_sequence: self.start, flags: info.flags.with(damaged), ..info };
        self.units[at..at + units_of(bytes)].fill(Some(info.sequence));
        self.cursor = at + units_of(bytes);
        self.published.push(info);
        self.held.push(Held { info, bytes, leased_by: [false; READERS as usize] });
    }

    fn give_up(&mut self, bytes: usize) {
        self.ring_full += u64::from(self.claim(bytes).is_none());
    }

    /// A new writer goes on behind the newest frame that is there.
    fn restart(&mut self) {
        self.epoch += 1;
        (self.start, self.is_broken) = (0, false);
        let newest = self.held.iter().map(|held| held.info.sequence).max();
        let end = self.units.iter().rposition(|owner| owner.is_some() && *owner == newest);
        self.cursor = end.map_or(0, |end| end + 1);
    }

    fn lease(&mut self, sequence: u64, reader: u8) -> Result<FrameInfo, Miss> {
        if sequence >= self.next() {
            return Err(Miss::NotYet);
        }
        let held = self.held(sequence).ok_or(Miss::Overrun)?;
        let leased = &mut held.leased_by[usize::from(reader)];
        if std::mem::replace(leased, true) { Err(Miss::AlreadyLeased) } else { Ok(held.info) }
    }

    fn sweep(&mut self, reader: u8) -> usize {
        let leases = self.held.iter_mut().map(|held| &mut held.leased_by[usize::from(reader)]);
        leases.map(std::mem::take).filter(|held| *held).count()
    }
}

/// The ring under test, beside its model.
struct Pair {
    // Leases and writer go before the scratch ring that they lie in.
    leases: Vec<(u8, Lease)>,
    writer: Option<RingWriter>,
    scratch: ScratchRing,
    model: Model,
}

impl Pair {
    fn new(slots: usize) -> Self {
        let scratch = ScratchRing::compressed(slots, ARENA_UNITS * UNIT, MAX_FRAME_BYTES);
        let writer = Some(scratch.ring().writer().unwrap());
        Self { leases: Vec::new(), writer, scratch, model: Model::new(slots) }
    }

    fn ring(&self) -> &Ring {
        self.scratch.ring()
    }

    fn publish(
        &mut self,
        bytes: usize,
        more: usize,
        flags: FrameFlags,
        before: LossBefore,
        from: DecodesFrom,
    ) {
        let sequence = self.model.next();
        let lost = self.model.ring_full + self.model.too_large;
        let info = FrameInfo {
            sequence,
            source_sequence: sequence * 7 + lost,
            t_capture: MonotonicNs(sequence * 10),
            epoch: self.model.epoch,
            before,
            flags,
            picture_offset_ns: -7,
            ..FrameInfo::default()
        };
        if let Some(mut slot) = self.writer.as_mut().unwrap().slot_for(bytes + more) {
            let room = slot.bytes_mut();
            assert_eq!(room.len(), bytes + more);
            draw(&mut room[..bytes], sequence, info.epoch);
            // What is written behind the frame is no part of it.
            room[bytes..].fill(0xEE);
            let slot = slot.filled(bytes).flagged(flags).decoding(&Decoding {
                from,
                reorders: false,
                picture_offset_ns: -7,
            });
            assert_eq!(slot.publish(info.source_sequence, info.t_capture, before), sequence);
        }
        self.model.publish(info, bytes, bytes + more, from);
    }

    fn restart_writer(&mut self) {
        self.writer = None;
        self.writer = Some(self.scratch.ring().writer().unwrap());
        self.model.restart();
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Publish { bytes, more, is_key, before, from } => {
                let (flags, before) = (FrameFlags::KEY.when(is_key), LossBefore::from_code(before));
                self.publish(bytes, more, flags, before, from);
            }
            Step::GiveUp { bytes } => {
                if let Some(mut slot) = self.writer.as_mut().unwrap().slot_for(bytes) {
                    slot.bytes_mut().fill(0xEE);
                }
                self.model.give_up(bytes);
            }
            Step::Lease { reader, back } => {
                let sequence = (self.ring().head() + 1).saturating_sub(back).max(1);
                let lease = self.scratch.ring().reader(bit(reader)).unwrap().lease(sequence);
                let leased = lease.as_ref().map(|lease| *lease.frame_info()).map_err(|miss| *miss);
                assert_eq!(leased, self.model.lease(sequence, reader));
                self.leases.extend(lease.ok().map(|lease| (reader, lease)));
            }
            Step::Release { which } => {
                if let Some(which) = which.checked_rem(self.leases.len()) {
                    let (reader, lease) = self.leases.swap_remove(which);
                    let held = self.model.held(lease.frame_info().sequence).unwrap();
                    held.leased_by[usize::from(reader)] = false;
                }
            }
            Step::ReaderDies { reader } => {
                let (dead, living) =
                    std::mem::take(&mut self.leases).into_iter().partition(|(r, _)| *r == reader);
                self.leases = living;
                dead.into_iter().for_each(|(_, lease): (u8, Lease)| std::mem::forget(lease));
            }
            Step::Sweep { reader } => {
                // Only the dead are swept.
                if self.leases.iter().all(|(living, _)| *living != reader) {
                    assert_eq!(sweep_dead(self.ring(), bit(reader)), self.model.sweep(reader));
                }
            }
            Step::WriterRestarts => self.restart_writer(),
            Step::WriterDiesInSlot { bytes } => {
                if let Some(mut slot) = self.writer.as_mut().unwrap().slot_for(bytes) {
                    slot.bytes_mut().fill(0xDD);
                    std::mem::forget(slot);
                }
                self.model.give_up(bytes);
                self.restart_writer();
            }
        }
    }

    /// Looks at everything there is to see.
    fn audit(&mut self) {
        let head = self.model.next() - 1;
        let ring = self.scratch.ring();
        assert_eq!((ring.head(), ring.epoch()), (head, u64::from(self.model.epoch)));
        let counters = ring.counters();
        let lost = [&counters.dropped_ring_full, &counters.dropped_too_large]
            .map(|counter| counter.load(proto::sync::Ordering::Relaxed));
        assert_eq!(lost, [self.model.ring_full, self.model.too_large]);
        assert_eq!(ring.check_all(), Ok(()));
        for (_, lease) in &self.leases {
            assert_is_whole(lease);
        }
        let auditor = ring.reader(bit(AUDITOR)).unwrap();
        for sequence in 0..=head + 1 {
            let expected = self.model.published.iter().find(|info| info.sequence == sequence).copied();
            assert_eq!(ring.frame_info(sequence), expected);
            match (auditor.lease(sequence), self.model.held(sequence)) {
                (Ok(lease), Some(held)) => {
                    assert_eq!((Some(*lease.frame_info()), lease.bytes().len()), (expected, held.bytes));
                    assert_is_whole(&lease);
                }
                (Err(Miss::NotYet), None) => assert_eq!(sequence, head + 1),
                (Err(Miss::Overrun), None) => assert!(sequence <= head),
                (lease, held) => panic!("frame {sequence}: {lease:?}, but the model has {held:?}"),
            }
        }
        let is_held = |sequence: &u64| self.model.held.iter().any(|held| held.info.sequence == *sequence);
        let oldest = (1..=head).rev().take_while(is_held).last();
        assert_eq!(ring.oldest().map(|info| info.sequence), oldest);
    }
}

fn assert_is_whole(lease: &Lease) {
    let info = lease.frame_info();
    assert!(is_whole(lease.bytes(), info.sequence, info.epoch), "frame {} is torn", info.sequence);
}

fn bit(number: u8) -> ReaderBit {
    ReaderBit::new(number).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_arena_is_its_model(slots in 1..12_usize, steps in prop::collection::vec(step(), 0..120)) {
        let mut pair = Pair::new(slots);
        for step in steps {
            pair.take(step);
            pair.audit();
        }
    }
}

#[test]
fn zeros_lie_behind_each_frame() {
    let mut pair = Pair::new(8);
    for bytes in [0, 1, 63, 64, 65, 1000, MAX_FRAME_BYTES] {
        pair.publish(
            bytes,
            MAX_FRAME_BYTES - bytes,
            FrameFlags::KEY,
            LossBefore::Nothing,
            DecodesFrom::NewestKey,
        );
        let lease = pair.scratch.ring().reader(bit(0)).unwrap().lease(pair.ring().head()).unwrap();
        let file = std::fs::read(pair.scratch.name().path()).unwrap();
        let frame = lease.bytes();
        if let Some(at) =
            (bytes > 8).then(|| file.windows(frame.len()).position(|piece| piece == frame).unwrap())
        {
            assert_eq!(file[at + bytes..][..64], [0; 64], "behind {bytes} bytes");
        }
    }
}

#[test]
fn a_frame_decodes_from_the_last_key_frame_unless_something_is_missing_since() {
    let mut pair = Pair::new(12);
    let (key, none) = (FrameFlags::KEY, FrameFlags::NONE);
    for (flags, before) in [
        (none, LossBefore::Nothing),
        (key, LossBefore::Nothing),
        (none, LossBefore::Nothing),
        (none, LossBefore::Corrupt),
        (none, LossBefore::Nothing),
        (key, LossBefore::Network),
        (none, LossBefore::Nothing),
    ] {
        pair.publish(8, 0, flags, before, DecodesFrom::NewestKey);
    }
    let starts = |pair: &Pair, frames: std::ops::RangeInclusive<u64>| -> Vec<u64> {
        frames.map(|sequence| pair.ring().frame_info(sequence).unwrap().start_sequence).collect()
    };
    assert_eq!(starts(&pair, 1..=7), [0, 2, 2, 2, 2, 6, 6]);
    let damaged = |sequence| pair.ring().frame_info(sequence).unwrap().flags.contains(FrameFlags::DAMAGED);
    assert_eq!([3, 4, 5, 6].map(damaged), [false, true, true, false]);
    // What a new capture gets doesn't go on from what the last one got.
    pair.restart_writer();
    pair.publish(8, 0, none, LossBefore::Nothing, DecodesFrom::NewestKey);
    assert_eq!(starts(&pair, 8..=8), [0]);
}

#[test]
#[should_panic(expected = "a frame of 101 bytes in a room of 100")]
fn a_frame_can_t_be_longer_than_its_room() {
    let scratch = ScratchRing::compressed(3, 4096, 100);
    let _ = scratch.ring().writer().unwrap().slot().unwrap().filled(101);
}
