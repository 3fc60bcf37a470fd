//! The ring against a model of it that anyone can follow: slots in a circle, a list of all frames ever published.
//!
//! ```text
//! cargo test -p proto --test ring_model
//! ```
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod scratch;

use std::collections::VecDeque;

use proptest::prelude::*;
use proto::frame::{FrameFlags, FrameInfo, LossBefore};
use proto::ring::{Lease, Miss, ReaderBit, Ring, RingError, RingWriter};
use proto::time::MonotonicNs;
use scratch::{ScratchRing, draw, is_whole, sweep_dead};

const READERS: u8 = 3;
/// Looks at everything after every step.
const AUDITOR: u8 = 15;

#[derive(Clone, Debug)]
enum Step {
    Publish {
        frames: usize,
        apart_ns: u64,
        before: u8,
    },
    GiveUpSlot,
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
    WriterDiesInSlot,
    Search {
        at_ns: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let reader = 0..READERS;
    prop_oneof![
        6 => (1..4_usize, 0..50_u64, 0..4_u8)
            .prop_map(|(frames, apart_ns, before)| Step::Publish { frames, apart_ns, before }),
        1 => Just(Step::GiveUpSlot),
        6 => (reader.clone(), 0..9_u64).prop_map(|(reader, back)| Step::Lease { reader, back }),
        3 => any::<usize>().prop_map(|which| Step::Release { which }),
        1 => reader.clone().prop_map(|reader| Step::ReaderDies { reader }),
        2 => reader.prop_map(|reader| Step::Sweep { reader }),
        1 => Just(Step::WriterRestarts),
        1 => Just(Step::WriterDiesInSlot),
        2 => (0..3_000_u64).prop_map(|at_ns| Step::Search { at_ns }),
    ]
}

#[derive(Clone, Debug, Default)]
struct ModelSlot {
    number: usize,
    frame: Option<FrameInfo>,
    leased_by: [bool; READERS as usize],
}

/// The ring as it should be.
struct Model {
    /// The slot to try next in front.
    circle: VecDeque<ModelSlot>,
    /// The slot of the newest frame; before the first frame, the slot before the first.
    newest: usize,
    published: Vec<FrameInfo>,
    epoch: u32,
    dropped: u64,
}

impl Model {
    fn new(slots: usize) -> Self {
        let circle = (0..slots).map(|number| ModelSlot { number, ..ModelSlot::default() }).collect();
        Self { circle, newest: slots - 1, published: Vec::new(), epoch: 1, dropped: 0 }
    }

    /// The first slot round the circle that nobody leases, emptied; it is now at the back.
    fn claim(&mut self) -> Option<&mut ModelSlot> {
        let unleased = self.circle.iter().position(|slot| slot.leased_by == [false; READERS as usize])?;
        self.circle.rotate_left(unleased + 1);
        let slot = self.circle.back_mut()?;
        slot.frame = None;
        Some(slot)
    }

    fn publish(&mut self, info: FrameInfo) {
        match self.claim() {
            Some(slot) => {
                slot.frame = Some(info);
                self.newest = slot.number;
                self.published.push(info);
            }
            None => self.dropped += 1,
        }
    }

    fn give_up_slot(&mut self) {
        match self.claim() {
            Some(_) => self.circle.rotate_right(1),
            None => self.dropped += 1,
        }
    }

    /// A new writer goes on behind the newest frame.
    fn restart(&mut self) {
        self.epoch += 1;
        let newest = self.circle.iter().position(|slot| slot.number == self.newest);
        self.circle.rotate_left(newest.map_or(0, |newest| newest + 1));
    }

    fn slot_of(&mut self, sequence: u64) -> Option<&mut ModelSlot> {
        self.circle.iter_mut().find(|slot| slot.frame.is_some_and(|m| m.sequence == sequence))
    }

    fn lease(&mut self, sequence: u64, reader: u8) -> Result<FrameInfo, Miss> {
        if sequence > self.published.len() as u64 {
            return Err(Miss::NotYet);
        }
        let slot = self.slot_of(sequence).ok_or(Miss::Overrun)?;
        let leased = &mut slot.leased_by[usize::from(reader)];
        if std::mem::replace(leased, true) {
            Err(Miss::AlreadyLeased)
        } else {
            slot.frame.ok_or(Miss::Overrun)
        }
    }

    fn sweep(&mut self, reader: u8) -> usize {
        let leases = self.circle.iter_mut().map(|slot| &mut slot.leased_by[usize::from(reader)]);
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
    now_ns: u64,
}

impl Pair {
    fn new(slots: usize) -> Self {
        let scratch = ScratchRing::new(64, 16, slots);
        let writer = Some(scratch.ring().writer().unwrap());
        Self { leases: Vec::new(), writer, scratch, model: Model::new(slots), now_ns: 100 }
    }

    fn ring(&self) -> &Ring {
        self.scratch.ring()
    }

    fn writer(&mut self) -> &mut RingWriter {
        self.writer.as_mut().unwrap()
    }

    fn publish(&mut self, before: u8) {
        let sequence = self.model.published.len() as u64 + 1;
        let info = FrameInfo {
            sequence,
            source_sequence: sequence * 7 + self.model.dropped,
            t_capture: MonotonicNs(self.now_ns),
            epoch: self.model.epoch,
            before: LossBefore::from_code(before),
            flags: FrameFlags::TIME_REPAIRED.when(sequence.is_multiple_of(3)),
            ..FrameInfo::default()
        };
        if let Some(mut slot) = self.writer().slot() {
            draw(slot.bytes_mut(), sequence, info.epoch);
            let slot = slot.flagged(info.flags);
            assert_eq!(slot.publish(info.source_sequence, info.t_capture, info.before), sequence);
        }
        self.model.publish(info);
    }

    fn restart_writer(&mut self) {
        self.writer = None;
        self.writer = Some(self.scratch.ring().writer().unwrap());
        self.model.restart();
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Publish { frames, apart_ns, before } => {
                for _ in 0..frames {
                    self.now_ns += apart_ns;
                    self.publish(before);
                }
            }
            Step::GiveUpSlot => {
                if let Some(mut slot) = self.writer().slot() {
                    slot.bytes_mut().fill(0xEE);
                }
                self.model.give_up_slot();
            }
            Step::Lease { reader, back } => {
                let sequence = (self.ring().head() + 1).saturating_sub(back).max(1);
                let lease = self.scratch.ring().reader(bit(reader)).unwrap().lease(sequence);
                assert_eq!(
                    lease.as_ref().map(|l| *l.frame_info()).map_err(|m| *m),
                    self.model.lease(sequence, reader)
                );
                self.leases.extend(lease.ok().map(|lease| (reader, lease)));
            }
            Step::Release { which } => {
                if let Some(which) = which.checked_rem(self.leases.len()) {
                    let (reader, lease) = self.leases.swap_remove(which);
                    let slot = self.model.slot_of(lease.frame_info().sequence).unwrap();
                    slot.leased_by[usize::from(reader)] = false;
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
                    assert_eq!(sweep_dead(self.ring(), bit(reader)), 0);
                }
            }
            Step::WriterRestarts => self.restart_writer(),
            Step::WriterDiesInSlot => {
                if let Some(mut slot) = self.writer().slot() {
                    slot.bytes_mut().fill(0xDD);
                    std::mem::forget(slot);
                }
                if self.model.claim().is_none() {
                    self.model.dropped += 1;
                }
                self.restart_writer();
            }
            Step::Search { at_ns } => {
                let at = MonotonicNs(at_ns);
                let expected = self.model.published.iter().find(|m| m.t_capture >= at).copied();
                assert_eq!(self.ring().first_at_or_after(at), expected);
            }
        }
    }

    /// Looks at everything there is to see.
    fn audit(&mut self) {
        let head = self.model.published.len() as u64;
        let ring = self.scratch.ring();
        assert_eq!(ring.head(), head);
        assert_eq!(ring.epoch(), u64::from(self.model.epoch));
        assert_eq!(
            ring.counters().dropped_ring_full.load(proto::sync::Ordering::Relaxed),
            self.model.dropped
        );
        assert!(matches!(ring.writer(), Err(RingError::Segment(_))), "two writers");
        for (_, lease) in &self.leases {
            assert!(
                is_whole(lease.bytes(), lease.frame_info().sequence, lease.frame_info().epoch),
                "changed while leased"
            );
        }
        let auditor = ring.reader(bit(AUDITOR)).unwrap();
        for sequence in 0..=head + 1 {
            let expected = self.model.published.iter().find(|m| m.sequence == sequence).copied();
            assert_eq!(ring.frame_info(sequence), expected);
            match (auditor.lease(sequence), self.model.slot_of(sequence)) {
                (Ok(lease), Some(_)) => {
                    assert_eq!(Some(*lease.frame_info()), expected);
                    assert!(
                        is_whole(lease.bytes(), sequence, lease.frame_info().epoch),
                        "not frame {sequence}"
                    );
                }
                (Err(Miss::NotYet), None) => assert_eq!(sequence, head + 1),
                (Err(Miss::Overrun), None) => assert!(sequence <= head),
                (lease, slot) => panic!("frame {sequence}: {lease:?}, but the model has {slot:?}"),
            }
        }
    }
}

fn bit(number: u8) -> ReaderBit {
    ReaderBit::new(number).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_ring_is_its_model(slots in 1..7_usize, steps in prop::collection::vec(step(), 0..80)) {
        let mut pair = Pair::new(slots);
        for step in steps {
            pair.take(step);
            pair.audit();
        }
    }
}

#[test]
fn with_no_reader_every_slot_but_one_holds_the_newest_frames_through_every_restart() {
    let slots = 5;
    let mut pair = Pair::new(slots);
    for round in 0..40 {
        pair.publish(0);
        match round % 4 {
            0 => pair.take(Step::WriterDiesInSlot),
            1 => pair.take(Step::GiveUpSlot),
            2 => pair.take(Step::WriterRestarts),
            _ => {}
        }
        let head = pair.ring().head();
        let reader = pair.scratch.ring().reader(bit(0)).unwrap();
        for sequence in (head + 2).saturating_sub(slots as u64).max(1)..=head {
            assert!(reader.lease(sequence).is_ok(), "frame {sequence} of {head} is gone");
        }
        let oldest = pair.ring().oldest().unwrap().sequence;
        assert!(reader.lease(oldest).is_ok(), "the oldest of {head} frames, {oldest}, is gone");
    }
}

#[test]
fn the_ledger_remembers_thousands_of_frames_whose_pixels_are_gone() {
    let remembered = proto::ring::layout::LEDGER_MIN_ENTRIES as u64;
    let mut pair = Pair::new(3);
    for _ in 0..remembered * 2 + 10 {
        pair.now_ns += 10;
        pair.publish(0);
    }
    let ring = pair.ring();
    let oldest = ring.head() - remembered + 1;
    for info in &pair.model.published {
        let known = (info.sequence >= oldest).then_some(*info);
        assert_eq!(ring.frame_info(info.sequence), known);
        assert_eq!(ring.first_at_or_after(info.t_capture).unwrap().sequence, info.sequence.max(oldest));
    }
    assert_eq!(ring.first_at_or_after(MonotonicNs(pair.now_ns + 1)), None);
}

#[test]
fn a_name_given_to_a_newer_segment_lets_no_second_writer_into_the_old_one() {
    let scratch = ScratchRing::new(64, 16, 3);
    let slow_starter = Ring::open(scratch.name()).unwrap();
    let _writer = scratch.ring().writer().unwrap();
    Ring::remove(scratch.name()).unwrap();
    assert!(slow_starter.writer().is_err(), "the name is gone");
    let newer = Ring::create(scratch.name(), scratch.ring().spec()).unwrap();
    assert!(slow_starter.writer().is_err(), "the old ring has its writer");
    assert!(newer.writer().is_ok());
}

#[test]
fn a_ring_of_no_slots_leaves_no_name_behind() {
    let scratch = ScratchRing::new(64, 16, 3);
    let mut spec = *scratch.ring().spec();
    spec.size.pre_roll_slots = 0;
    Ring::remove(scratch.name()).unwrap();
    assert!(matches!(Ring::create(scratch.name(), &spec), Err(RingError::Absurd { .. })));
    assert!(!scratch.name().path().exists());
}
