//! Model-checks the ring's protocol: every interleaving (up to a bound on preemptions) and every value that the
//! memory model lets a load return.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p proto --no-default-features --release --test loom
//! ```
//!
//! The last test runs this executable again with one ordering weakened at a time
//! (`PREROLL_WEAKEN=return-acquire`, see `ring/order.rs`) and demands that the models fail: an ordering that
//! nobody would miss is not proven by them. To see one fail, name both:
//!
//! ```text
//! PREROLL_WEAKEN=return-acquire RUSTFLAGS="--cfg loom" cargo test -p proto --no-default-features --release \
//!     --test loom -- --exact a_reader_never_sees_a_frame_change
//! ```
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod heap;

use std::process::Command;

use heap::{HeapArena, HeapRing, HeapWriter, bit, info_of};
use loom::sync::Arc;
use loom::sync::atomic::Ordering::{Acquire, Relaxed};
use loom::sync::atomic::{AtomicU64, fence};
use loom::thread;
use proto::ring::Miss;
use proto::ring::protocol::WriterPosition;
use proto::ring::state::State;
use proto::time::MonotonicNs;

const START: WriterPosition = WriterPosition { sequence: 1, cursor: 0 };

/// The bound is what keeps it to seconds; the last test says that it is wide enough.
fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn write_frames(ring: &HeapRing, at: &mut WriterPosition, frames: usize, epoch: u32) {
    for _ in 0..frames {
        ring.write_frame(at, epoch);
    }
}

#[test]
fn a_reader_never_sees_a_frame_change() {
    check(3, || {
        let ring = Arc::new(HeapRing::new(2, 4));
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                for sequence in 1..=3 {
                    match ring.read_frame(sequence, bit(0)) {
                        Ok(info) => assert_eq!(info, info_of(sequence, 1)),
                        Err(miss) => assert_ne!(miss, Miss::AlreadyLeased),
                    }
                }
            }
        });
        let mut at = START;
        // The reader holds one slot at a time, yet a lap so short may find it in both, and drop the frame.
        write_frames(&ring, &mut at, 4, 1);
        reader.join().unwrap();
        assert!(ring.write_frame(&mut at, 1) && ring.write_frame(&mut at, 1), "nothing is held any more");
    });
}

#[test]
fn two_readers_share_a_frame_and_the_writer_waits_for_neither() {
    check(3, || {
        let ring = Arc::new(HeapRing::new(2, 4));
        let mut at = START;
        write_frames(&ring, &mut at, 1, 1);
        let readers = [0, 1].map(|number| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                if let Ok(info) = ring.read_frame(1, bit(number)) {
                    assert_eq!(info, info_of(1, 1));
                }
            })
        });
        write_frames(&ring, &mut at, 2, 1);
        for reader in readers {
            reader.join().unwrap();
        }
        assert!(ring.write_frame(&mut at, 1) && ring.write_frame(&mut at, 1), "nothing is held any more");
    });
}

#[test]
fn who_sees_the_head_can_lease_that_frame() {
    check(4, || {
        let ring = Arc::new(HeapRing::new(2, 4));
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let head = ring.protocol().head();
                if head > 0 {
                    // Nothing is overwritten yet.
                    assert_eq!(ring.read_frame(head, bit(0)), Ok(info_of(head, 1)));
                }
            }
        });
        write_frames(&ring, &mut START.clone(), 2, 1);
        reader.join().unwrap();
    });
}

#[test]
fn a_dead_readers_slot_is_written_again_only_after_the_sweep() {
    check(2, || {
        let ring = Arc::new(HeapRing::new(1, 4));
        let mut at = START;
        write_frames(&ring, &mut at, 1, 1);
        let dying = thread::spawn({
            let ring = Arc::clone(&ring);
            move || ring.look_and_die(1, bit(0)).is_ok()
        });
        let sweeper = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let held = dying.join().unwrap();
                assert_eq!(ring.protocol().sweep(bit(0)), usize::from(held));
                assert_eq!(ring.protocol().sweep(bit(0)), 0, "a sweep is done once");
            }
        });
        let living = thread::spawn({
            let ring = Arc::clone(&ring);
            move || ring.read_frame(1, bit(1)).is_ok()
        });
        write_frames(&ring, &mut at, 2, 1);
        living.join().unwrap();
        sweeper.join().unwrap();
        assert!(ring.write_frame(&mut at, 1), "swept, and still held");
    });
}

#[test]
fn a_new_writer_voids_what_the_dead_one_left_and_repeats_nothing() {
    check(4, || {
        let ring = Arc::new(HeapRing::new(2, 4));
        let first = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let mut at = ring.protocol().take_over();
                write_frames(&ring, &mut at, 1, 1);
                ring.die_in_a_frame(&mut at, 1);
            }
        });
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                for (sequence, epoch) in [(1, 1), (2, 2)] {
                    if let Ok(info) = ring.read_frame(sequence, bit(0)) {
                        assert_eq!(info, info_of(sequence, epoch));
                    }
                }
            }
        });
        // The kernel gives the writer's lock away only when its holder is gone.
        first.join().unwrap();
        let mut at = ring.protocol().take_over();
        assert_eq!(at.sequence, 2);
        write_frames(&ring, &mut at, 2, 2);
        reader.join().unwrap();
    });
}

#[test]
fn a_ledger_entry_is_read_whole_or_not_at_all() {
    check(4, || {
        let ring = Arc::new(HeapRing::new(2, 2));
        let mut at = START;
        write_frames(&ring, &mut at, 2, 1);
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                for sequence in [1, 3] {
                    let info = ring.protocol().frame_info(sequence);
                    assert!(info.is_none_or(|m| m == info_of(sequence, 1)), "torn: {info:?}");
                }
            }
        });
        // The third entry lies where the first did.
        write_frames(&ring, &mut at, 1, 1);
        reader.join().unwrap();
    });
}

#[test]
fn a_search_by_time_never_answers_with_an_earlier_frame() {
    check(3, || {
        let ring = Arc::new(HeapRing::new(2, 2));
        let searcher = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let between_1_and_2 = MonotonicNs(15);
                let found = ring.protocol().first_at_or_after(between_1_and_2);
                assert!(found.is_none_or(|m| m == info_of(2, 1)), "{found:?}");
            }
        });
        write_frames(&ring, &mut START.clone(), 3, 1);
        searcher.join().unwrap();
    });
}

/// A reader without write access, such as a script: it copies, and keeps the copy if the state has not changed. Its
/// reads race with the writer's, so here the pixels are atomics.
#[test]
fn a_copy_is_whole_when_the_state_is_unchanged() {
    check(3, || {
        let ring = Arc::new(HeapRing::new(1, 2));
        let pixels = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let copier = thread::spawn({
            let (ring, pixels) = (Arc::clone(&ring), Arc::clone(&pixels));
            move || {
                let before = ring.protocol().state(0);
                let copy = [pixels[0].load(Relaxed), pixels[1].load(Relaxed)];
                fence(Acquire);
                if before == ring.protocol().state(0) && !before.is_writing() && before != State::EMPTY {
                    assert_eq!(copy, [before.sequence(); 2], "torn, and taken for whole");
                }
            }
        });
        let mut at = START;
        for sequence in 1..=2 {
            let slot = ring.protocol().claim(&mut at).unwrap();
            pixels[0].store(sequence, Relaxed);
            pixels[1].store(sequence, Relaxed);
            ring.protocol().publish(slot, &info_of(sequence, 1));
            at.sequence += 1;
        }
        copier.join().unwrap();
    });
}

/// A viewer's copy, which is made by relaxed loads and fences alone.
#[test]
fn what_a_viewer_copies_is_whole() {
    check(3, || {
        let ring = Arc::new(HeapRing::new(1, 2));
        let pixels = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let viewer = thread::spawn({
            let (ring, pixels) = (Arc::clone(&ring), Arc::clone(&pixels));
            move || {
                let head = ring.protocol().look_at_head();
                for sequence in head.max(1)..=2 {
                    let copy = |_| [pixels[0].load(Relaxed), pixels[1].load(Relaxed)];
                    match ring.protocol().copy(sequence, copy) {
                        Ok((info, copy)) => {
                            assert_eq!(copy, [sequence; 2], "torn, and taken for whole");
                            assert_eq!(info, info_of(sequence, 1), "another frame's entry");
                        }
                        Err(miss) => assert_ne!(miss, Miss::AlreadyLeased),
                    }
                }
            }
        });
        let mut at = START;
        for sequence in 1..=2 {
            let slot = ring.protocol().claim(&mut at).unwrap();
            pixels[0].store(sequence, Relaxed);
            pixels[1].store(sequence, Relaxed);
            ring.protocol().publish(slot, &info_of(sequence, 1));
            at.sequence += 1;
        }
        viewer.join().unwrap();
    });
}

/// The units of frame `sequence` in the models below: short ones and long ones.
fn units(sequence: u64) -> usize {
    [4, 2, 6, 2, 4, 2][usize::try_from(sequence % 6).unwrap()]
}

fn write_units(ring: &HeapArena, writer: &mut HeapWriter, units: &[usize]) {
    for units in units {
        ring.write_frame(writer, *units);
    }
}

#[test]
fn in_an_arena_a_reader_never_sees_a_frame_change() {
    check(3, || {
        let ring = Arc::new(HeapArena::new(3, 4, 8));
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                for sequence in 1..=3 {
                    match ring.read_frame(sequence, bit(0)) {
                        Ok(frame) => assert_eq!(frame, (info_of(sequence, 1), units(sequence))),
                        Err(miss) => assert_ne!(miss, Miss::AlreadyLeased),
                    }
                }
            }
        });
        let mut writer = ring.take_over(1);
        for _ in 0..4 {
            let units = units(writer.sequence);
            ring.write_frame(&mut writer, units);
        }
        reader.join().unwrap();
        assert!(ring.write_frame(&mut writer, 8), "nothing is held any more");
    });
}

#[test]
fn in_an_arena_two_readers_share_a_frame_and_the_writer_waits_for_neither() {
    check(3, || {
        let ring = Arc::new(HeapArena::new(3, 4, 8));
        let mut writer = ring.take_over(1);
        write_units(&ring, &mut writer, &[4]);
        let readers = [0, 1].map(|number| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                if let Ok(frame) = ring.read_frame(1, bit(number)) {
                    assert_eq!(frame, (info_of(1, 1), 4));
                }
            })
        });
        write_units(&ring, &mut writer, &[4, 6]);
        for reader in readers {
            reader.join().unwrap();
        }
        assert!(ring.write_frame(&mut writer, 8), "nothing is held any more");
    });
}

#[test]
fn in_an_arena_who_sees_the_head_can_lease_that_frame() {
    check(4, || {
        let ring = Arc::new(HeapArena::new(3, 4, 8));
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let head = ring.protocol().head();
                if head > 0 {
                    // Nothing is overwritten yet, whatever was claimed beforehand.
                    assert_eq!(ring.read_frame(head, bit(0)), Ok((info_of(head, 1), 2)));
                }
            }
        });
        let mut writer = ring.take_over(1);
        ring.write_frame_that_might_be_longer(&mut writer, 2, 6);
        ring.write_frame_that_might_be_longer(&mut writer, 2, 6);
        reader.join().unwrap();
    });
}

#[test]
fn in_an_arena_a_dead_readers_part_is_written_again_only_after_the_sweep() {
    check(2, || {
        let ring = Arc::new(HeapArena::new(2, 4, 4));
        let mut writer = ring.take_over(1);
        write_units(&ring, &mut writer, &[4]);
        let dying = thread::spawn({
            let ring = Arc::clone(&ring);
            move || ring.look_and_die(1, bit(0)).is_ok()
        });
        let sweeper = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let held = dying.join().unwrap();
                assert_eq!(ring.protocol().sweep(bit(0)), usize::from(held));
            }
        });
        write_units(&ring, &mut writer, &[2, 2]);
        sweeper.join().unwrap();
        assert!(ring.write_frame(&mut writer, 4), "swept, and still held");
    });
}

#[test]
fn in_an_arena_a_new_writer_finds_the_parts_in_the_slots() {
    check(3, || {
        let ring = Arc::new(HeapArena::new(3, 4, 8));
        let first = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let mut writer = ring.take_over(1);
                write_units(&ring, &mut writer, &[4]);
                ring.die_in_a_frame(writer, 4);
            }
        });
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                for (sequence, epoch, units) in [(1, 1, 4), (2, 2, 2)] {
                    if let Ok(frame) = ring.read_frame(sequence, bit(0)) {
                        assert_eq!(frame, (info_of(sequence, epoch), units));
                    }
                }
            }
        });
        // The kernel gives the writer's lock away only when its holder is gone.
        first.join().unwrap();
        let mut writer = ring.take_over(2);
        assert_eq!(writer.sequence, 2);
        write_units(&ring, &mut writer, &[2, 6]);
        reader.join().unwrap();
        assert!(ring.write_frame(&mut writer, 8), "nothing is held any more");
    });
}

#[test]
fn in_an_arena_a_part_that_was_given_up_is_nobodys() {
    check(3, || {
        let ring = Arc::new(HeapArena::new(2, 4, 4));
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                for sequence in 1..=2 {
                    if let Ok(frame) = ring.read_frame(sequence, bit(0)) {
                        assert_eq!(frame, (info_of(sequence, 1), 2));
                    }
                }
            }
        });
        let mut writer = ring.take_over(1);
        ring.write_frame(&mut writer, 2);
        ring.give_up_a_frame(&mut writer, 4);
        ring.write_frame(&mut writer, 2);
        reader.join().unwrap();
    });
}

/// A reader without write access, as in `a_copy_is_whole_when_the_state_is_unchanged`: there for the bytes, here for their place.
/// Each frame lies elsewhere and has another length.
#[test]
fn in_an_arena_a_place_between_two_equal_states_is_that_frames() {
    check(3, || {
        let ring = Arc::new(HeapArena::new(1, 4, 8));
        let mut writer = ring.take_over(1);
        write_units(&ring, &mut writer, &[4]);
        let copier = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                if let Some((state, place)) = ring.protocol().settled(0) {
                    let place = place.map(|place| (place.offset, place.len));
                    let should_be = [(0, 128), (256, 0)][usize::try_from(state.sequence() - 1).unwrap()];
                    assert_eq!(place, Some(should_be), "not the place of frame {}", state.sequence());
                }
            }
        });
        write_units(&ring, &mut writer, &[2]);
        copier.join().unwrap();
    });
}

#[test]
fn in_an_arena_no_writer_contradicts_itself() {
    check(2, || {
        let ring = Arc::new(HeapArena::new(2, 4, 4));
        let mut writer = ring.take_over(1);
        write_units(&ring, &mut writer, &[2, 2]);
        let looking = thread::spawn({
            let ring = Arc::clone(&ring);
            move || assert_eq!(ring.protocol().contradiction(), None)
        });
        // It takes the place of both.
        write_units(&ring, &mut writer, &[4]);
        looking.join().unwrap();
    });
}

#[test]
fn every_weakened_ordering_is_noticed() {
    let copy = "a_copy_is_whole_when_the_state_is_unchanged";
    let viewed = "what_a_viewer_copies_is_whole";
    let lease = "a_reader_never_sees_a_frame_change";
    let sweep = "a_dead_readers_slot_is_written_again_only_after_the_sweep";
    let head = "who_sees_the_head_can_lease_that_frame";
    let ledger = "a_ledger_entry_is_read_whole_or_not_at_all";
    let place = "in_an_arena_a_place_between_two_equal_states_is_that_frames";
    let part = "in_an_arena_a_reader_never_sees_a_frame_change";
    let sweep_part = "in_an_arena_a_dead_readers_part_is_written_again_only_after_the_sweep";
    let head_part = "in_an_arena_who_sees_the_head_can_lease_that_frame";
    for (weakened, model, complaint) in [
        // The ledger's fence, which comes between the pixels and the state, would do for both.
        ("publish-release,entry-release", copy, "torn, and taken for whole"),
        ("publish-acquire", copy, "torn, and taken for whole"),
        ("mark-release", copy, "torn, and taken for whole"),
        ("mark-release", viewed, "torn, and taken for whole"),
        ("mark-acquire", viewed, "torn, and taken for whole"),
        ("return-release", lease, "Causality violation"),
        ("return-release", sweep, "Causality violation"),
        ("return-acquire", lease, "Causality violation"),
        ("head-release", head, "Overrun"),
        ("head-acquire", head, "Overrun"),
        ("entry-release", ledger, "torn: Some"),
        ("entry-acquire", ledger, "torn: Some"),
        ("publish-release,entry-release", place, "not the place of frame"),
        ("publish-acquire", place, "not the place of frame"),
        ("mark-release", place, "not the place of frame"),
        ("mark-acquire", place, "not the place of frame"),
        ("return-release", part, "Causality violation"),
        ("return-release", sweep_part, "Causality violation"),
        ("return-acquire", part, "Causality violation"),
        ("head-release", head_part, "Overrun"),
        ("head-acquire", head_part, "Overrun"),
    ] {
        let said = run_weakened(model, weakened);
        let noticed = said.contains("0 passed; 1 failed") && said.contains(complaint);
        assert!(noticed, "{model} did not notice {weakened}:\n{said}");
    }
    for model in [copy, place] {
        let said = run_weakened(model, "entry-release");
        let is_content = said.contains("1 passed; 0 failed");
        assert!(is_content, "so it's publish-release that {model} misses in the pair:\n{said}");
    }
}

fn run_weakened(model: &str, orderings: &str) -> String {
    let this = std::env::current_exe().unwrap();
    let run = Command::new(this).args(["--exact", model]).env("PREROLL_WEAKEN", orderings).output().unwrap();
    String::from_utf8_lossy(&run.stdout).into_owned()
}
