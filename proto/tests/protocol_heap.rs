//! The protocol with real threads on heap memory: small enough for Miri, and what ThreadSanitizer can see.
//!
//! ```text
//! cargo test -p proto --no-default-features --test protocol_heap
//! cargo +nightly miri test -p proto --no-default-features --test protocol_heap
//! RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" TSAN_OPTIONS=suppressions=FILE \
//!     cargo +nightly test -p proto --no-default-features --test protocol_heap --target x86_64-unknown-linux-gnu
//! ```
//!
//! The suppressions are `race:alloc::sync::Arc`, `race:std::thread` and `race:test::`: the standard library that
//! comes built is not instrumented, so the sanitizer does not see its fences.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod heap;

use std::thread;

use heap::{HeapArena, HeapRing, bit, info_of};
use proto::ring::Miss;

const FRAMES: u64 = if cfg!(miri) { 60 } else { 500_000 };
/// A writer dies inside a slot, and another takes over, each time it has written so many.
const A_LIFE: u64 = 7;

#[test]
fn readers_on_threads_see_whole_frames_through_the_lives_of_many_writers() {
    let ring = HeapRing::new(5, 16);
    thread::scope(|scope| {
        for number in 0..2 {
            let ring = &ring;
            scope.spawn(move || read_to_the_end(ring, number));
        }
        scope.spawn(|| {
            let mut epoch = 0;
            while ring.protocol().head() < FRAMES {
                epoch += 1;
                let mut at = ring.protocol().take_over();
                let end = (at.sequence + A_LIFE).min(FRAMES + 1);
                while at.sequence < end {
                    ring.write_frame(&mut at, epoch);
                }
                ring.die_in_a_frame(&mut at, epoch);
            }
        });
    });
    assert_eq!(ring.protocol().head(), FRAMES);
}

fn read_to_the_end(ring: &HeapRing, number: u8) {
    let (mut next, mut read) = (1, 0);
    while next <= FRAMES {
        match ring.read_frame(next, bit(number)) {
            Ok(info) => {
                let epoch = u32::try_from((next - 1) / A_LIFE + 1).unwrap();
                assert_eq!(info, info_of(next, epoch));
                read += 1;
                next += 1;
            }
            Err(Miss::NotYet) => thread::yield_now(),
            Err(Miss::Overrun) => next = ring.protocol().head().max(next + 1),
            Err(Miss::AlreadyLeased) => panic!("nobody else is reader {number}"),
        }
    }
    assert!(read > 0, "reader {number} saw nothing");
}

/// The units of a frame in the arena.
fn units(sequence: u64) -> usize {
    2 + usize::try_from(sequence * 7 % 11).unwrap()
}

#[test]
fn readers_on_threads_see_whole_frames_of_any_length_through_the_lives_of_many_writers() {
    let ring = HeapArena::new(9, 64, 60);
    thread::scope(|scope| {
        for number in 0..2 {
            let ring = &ring;
            scope.spawn(move || {
                let (mut next, mut read) = (1, 0);
                while next <= FRAMES {
                    match ring.read_frame(next, bit(number)) {
                        Ok(frame) => {
                            let epoch = u32::try_from((next - 1) / A_LIFE + 1).unwrap();
                            assert_eq!(frame, (info_of(next, epoch), units(next)));
                            read += 1;
                            next += 1;
                        }
                        Err(Miss::NotYet) => thread::yield_now(),
                        Err(Miss::Overrun) => next = ring.protocol().head().max(next + 1),
                        Err(Miss::AlreadyLeased) => panic!("nobody else is reader {number}"),
                    }
                }
                assert!(read > 0, "reader {number} saw nothing");
            });
        }
        scope.spawn(|| {
            let mut epoch = 0;
            while ring.protocol().head() < FRAMES {
                epoch += 1;
                let mut writer = ring.take_over(epoch);
                let end = (writer.sequence + A_LIFE).min(FRAMES + 1);
                while writer.sequence < end {
                    let units = units(writer.sequence);
                    // Two leases leave room for the longest.
                    assert!(ring.write_frame_that_might_be_longer(&mut writer, units, 12));
                    assert_eq!(ring.protocol().contradiction(), None);
                }
                ring.die_in_a_frame(writer, 12);
            }
        });
    });
    assert_eq!(ring.protocol().head(), FRAMES);
}
