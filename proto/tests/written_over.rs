//! Segments that something else cuts short, takes away or writes over while they are in use: no panic, no read out of
//! range, no loop without an end, and the ring knows it is broken.
//!
//! Overflow panics in these builds, so arithmetic on what is read is tested too.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up fails")]

mod scratch;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proto::frame::LossBefore;
use proto::ring::segment::Loss;
use proto::ring::{Broken, Miss, ReaderBit, Ring, RingError, lost_pages};
use proto::time::MonotonicNs;
use scratch::{ScratchRing, scramble};

const SLOTS: usize = 6;
const SEEDS: u64 = 600;
/// A reader that hasn't come to an end by then never will.
const FOR_EVER: Duration = Duration::from_secs(60);

/// A ring of planes, and one of compressed frames.
fn shapes() -> [fn() -> ScratchRing; 2] {
    [|| ScratchRing::new(64, 32, SLOTS), || ScratchRing::compressed(SLOTS, 16 << 10, 2 << 10)]
}

/// The ranges that get written over: each part of the segment alone, and all of it together.
fn places(ring: &Ring) -> Vec<std::ops::Range<usize>> {
    let layout = ring.spec().layout().unwrap();
    vec![
        128..144,
        96..1024,
        layout.slots_offset..layout.ledger_offset,
        layout.ledger_offset..layout.arena_offset,
        layout.slots_offset..layout.arena_offset,
        layout.arena_offset..layout.total_bytes,
        0..layout.total_bytes,
    ]
}

/// Random bytes; now and then a word of all zeros, all ones or a small number, which get further than noise does.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let word = |at: u64| match scramble(seed ^ at << 32) {
        r if r % 8 == 0 => 0,
        r if r % 8 == 1 => u64::MAX,
        r if r % 8 == 2 => r >> 56,
        r if r % 8 == 3 => (r >> 56) << 24,
        r => r,
    };
    (0..).flat_map(|at| word(at).to_ne_bytes()).take(bytes).collect()
}

/// Everything that a reader, the recorder and the supervisor ask of a ring.
fn ask_everything(ring: &Arc<Ring>, bit: ReaderBit) {
    let reader = ring.reader(bit).unwrap();
    let head = ring.head();
    for sequence in [0, 1, head.saturating_sub(3), head.saturating_sub(1), head, head + 1, u64::MAX] {
        let _ = ring.frame_info(sequence);
        match reader.lease(sequence) {
            Ok(lease) => assert!(lease.bytes().len() <= ring.spec().max_frame_bytes()),
            Err(Miss::NotYet | Miss::Overrun | Miss::AlreadyLeased) => {}
        }
    }
    for at in [0, head, MonotonicNs::now().0, u64::MAX] {
        let _ = ring.first_at_or_after(MonotonicNs(at));
    }
    let _ = (ring.newest(), ring.oldest(), ring.epoch(), ring.has_ended(), ring.sweep(bit));
    let _ = (ring.endangered(4), ring.held_by_others());
    let _ = ring.wait_newer(head, Duration::from_micros(10));
    let _ = (ring.check(), ring.check_all());
}

fn write_one(ring: &Arc<Ring>) {
    // An arena whose parts contradict each other gets no writer.
    let mut writer = match ring.writer() {
        Err(RingError::Contradiction { .. }) if ring.spec().arena.is_some() => return,
        writer => writer.unwrap(),
    };
    for part in 1..=3 {
        let source_sequence = ring.head();
        if let Some(mut slot) = writer.slot() {
            slot.bytes_mut().fill(7);
            let bytes = if ring.spec().arena.is_some() {
                slot.bytes_mut().len() / part
            } else {
                slot.bytes_mut().len()
            };
            slot.filled(bytes).publish(source_sequence, MonotonicNs::now(), LossBefore::Nothing);
        }
    }
}

#[test]
fn noise_over_any_part_of_a_ring_in_use_harms_nobody() {
    let turns = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let (watched, is_over) = (Arc::clone(&turns), Arc::clone(&over));
    // A loop without an end would hang the test without a word.
    let watchdog = std::thread::spawn(move || {
        let mut last = u64::MAX;
        while !is_over.load(Ordering::Relaxed) {
            std::thread::park_timeout(FOR_EVER);
            let now = watched.load(Ordering::Relaxed);
            if now == last && !is_over.load(Ordering::Relaxed) {
                eprintln!("seed {now} has no end");
                std::process::abort();
            }
            last = now;
        }
    });
    for seed in 0..SEEDS {
        turns.store(seed, Ordering::Relaxed);
        let scratch = shapes()[usize::try_from(seed).unwrap() % 2]();
        let ring = Arc::clone(scratch.ring());
        (0..4).for_each(|_| write_one(&ring));
        let file = OpenOptions::new().write(true).open(scratch.name().path()).unwrap();
        let places = places(&ring);
        let place = places[usize::try_from(seed / 2).unwrap() % places.len()].clone();
        let quiet = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| {
                while !quiet.load(Ordering::Relaxed) {
                    ask_everything(&ring, ReaderBit::RECORDER);
                }
            });
            for round in 0..4 {
                file.write_all_at(&noise(seed << 8 | round, place.len()), place.start as u64).unwrap();
                write_one(&ring);
                ask_everything(&ring, ReaderBit::new(1).unwrap());
            }
            quiet.store(true, Ordering::Relaxed);
            reading.join().unwrap();
        });
        // A process that opens it now refuses it, or gets by with it.
        match Ring::open(scratch.name()) {
            Ok(opened) => ask_everything(&opened, ReaderBit::new(5).unwrap()),
            Err(RingError::Bad { .. }) => {}
            Err(e) => panic!("seed {seed}: {e}"),
        }
    }
    over.store(true, Ordering::Relaxed);
    watchdog.thread().unpark();
    watchdog.join().unwrap();
}

#[test]
fn a_ring_that_was_written_over_says_so() {
    let parts = ["head", "moving words", "slots", "ledger", "slots and ledger"];
    for (shape, (index, part)) in
        shapes().into_iter().flat_map(|shape| parts.iter().enumerate().map(move |it| (shape, it)))
    {
        let scratch = shape();
        let ring = scratch.ring();
        (0..4).for_each(|_| write_one(ring));
        assert_eq!(ring.check_all(), Ok(()));
        let place = places(ring)[index].clone();
        let file = OpenOptions::new().write(true).open(scratch.name().path()).unwrap();
        let bytes: Vec<u8> = (0_u64..).flat_map(|n| scramble(n).to_ne_bytes()).take(place.len()).collect();
        file.write_all_at(&bytes, place.start as u64).unwrap();
        assert!(ring.check_all().is_err(), "{part} of {}", ring.spec().payload);
    }
}

#[test]
fn an_arena_in_which_frames_lie_over_each_other_gets_no_writer() {
    let scratch = ScratchRing::compressed(SLOTS, 16 << 10, 2 << 10);
    let ring = scratch.ring();
    (0..2).for_each(|_| write_one(ring));
    let layout = ring.spec().layout().unwrap();
    let file = OpenOptions::new().read(true).write(true).open(scratch.name().path()).unwrap();
    // Each slot tells its frame's offset in its second word.
    for slot in 0..SLOTS {
        file.write_all_at(&0_u64.to_ne_bytes(), (layout.slots_offset + slot * 64 + 8) as u64).unwrap();
    }
    let refused = ring.writer().unwrap_err();
    assert!(matches!(refused, RingError::Contradiction { .. }));
    assert!(
        refused.to_string().ends_with("two frames lie in one place; another program has written to it"),
        "{refused}"
    );
    let broken = ring.check_all().unwrap_err();
    assert_eq!(broken.to_string(), "two frames lie in one place; another program has written to it");
}

#[test]
fn another_version_another_id_another_name_and_another_size_are_noticed() {
    let scratch = ScratchRing::new(64, 32, SLOTS);
    let ring = Arc::clone(scratch.ring());
    let path = scratch.name().path();
    let file = OpenOptions::new().write(true).read(true).open(&path).unwrap();
    let spoilt = |at: u64, value: u64| {
        let mut was = [0; 8];
        file.read_exact_at(&mut was, at).unwrap();
        file.write_all_at(&value.to_ne_bytes(), at).unwrap();
        let (found, opened) = (ring.check(), Ring::open(scratch.name()));
        file.write_all_at(&was, at).unwrap();
        assert_eq!(ring.check(), Ok(()));
        (found.unwrap_err().to_string(), opened.err().map(|e| e.to_string()))
    };
    let (found, refused) = spoilt(8, 1);
    assert!(found.contains("is version 1") && refused.unwrap().contains("is version 1"));
    assert_eq!(spoilt(24, 1), (Broken::Rewritten.to_string(), None));
    assert!(spoilt(32, u64::MAX).1.unwrap().contains("in the future"));

    let aside = path.with_file_name(format!("{}-aside", path.file_name().unwrap().to_str().unwrap()));
    std::fs::rename(&path, &aside).unwrap();
    assert_eq!(ring.check(), Err(Broken::Segment(Loss::Unnamed)));
    std::fs::copy(&aside, &path).unwrap();
    assert_eq!(ring.check(), Err(Broken::Segment(Loss::Unnamed)), "a copy is another ring");
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(ring.check(), Ok(()));

    file.set_len(8192).unwrap();
    assert_eq!(ring.check(), Err(Broken::Segment(Loss::CutDown(8192))));
}

/// Alone in its process by what it asks for: the others here would live as well, but needn't.
#[test]
fn whoever_asked_to_outlives_a_ring_that_is_cut_short() {
    lost_pages::survive().unwrap();
    for bytes in [0, 4096, 8192] {
        let scratch = ScratchRing::new(64, 32, SLOTS);
        let ring = scratch.ring();
        (0..4).for_each(|_| write_one(ring));
        let file = OpenOptions::new().write(true).open(scratch.name().path()).unwrap();
        file.set_len(bytes).unwrap();
        // Each of these touches pages that are gone.
        ask_everything(ring, ReaderBit::RECORDER);
        write_one(ring);
        assert_eq!(ring.check(), Err(Broken::Segment(Loss::CutDown(bytes))));
        // The file has come back, the frames haven't.
        file.set_len(ring.total_bytes() as u64).unwrap();
        assert_eq!(ring.check(), Err(Broken::Segment(Loss::Holed)));
    }
}
