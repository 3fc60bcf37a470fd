//! Copying a frame into a ring past the caches, by non-temporal stores.
//!
//! A frame that comes into a ring is read after its pre-roll, or never. In the caches it would only push out what an
//! encoder has there. An ordinary store into a line that isn't in a cache first reads the line from memory, to overwrite
//! all of it; without that, copying into a ring takes half the time or less (`docs/decisions/nontemporal.md`).
//!
//! It stands in this crate because it is how a frame crosses: every capture fills its slots by it.

/// Copies `from` over `to`.
///
/// # Panics
/// When the two differ in length.
pub fn copy(to: &mut [u8], from: &[u8]) {
    copy_all([(to, from)]);
}

/// Copies the second of each pair over the first. The many rows of a plane are best copied in one call, since each call
/// ends with a fence that waits for its stores.
///
/// # Panics
/// When the two slices of a pair differ in length.
pub fn copy_all<'a>(pairs: impl IntoIterator<Item = (&'a mut [u8], &'a [u8])>) {
    // A value, so that the fence is there also when the iterator panics.
    let _fence = Fence;
    for (to, from) in pairs {
        assert_eq!(to.len(), from.len(), "copied from another length");
        here::copy_unfenced(to, from);
    }
}

/// Orders the stores before everything that this thread does later, a publication among them.
struct Fence;

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
use elsewhere as here;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use x86_64 as here;

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code, reason = "non-temporal stores are intrinsics; every block says why it may")]
mod x86_64 {
    use core::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_sfence, _mm_stream_si128};

    /// A cache line: memory is written in whole ones.
    #[repr(align(64))]
    struct Line([__m128i; 4]);

    /// Copies without a fence. The caller has a `Fence` that is dropped before another thread can read `to`.
    pub(super) fn copy_unfenced(to: &mut [u8], from: &[u8]) {
        // SAFETY: any bytes are a `Line`, and any `Line` is bytes.
        let (head, lines, tail) = unsafe { to.align_to_mut::<Line>() };
        let (first, from) = from.split_at(head.len());
        head.copy_from_slice(first);
        let (chunks, last) = from.as_chunks::<64>();
        for (Line(parts), chunk) in lines.iter_mut().zip(chunks) {
            for (to, from) in parts.iter_mut().zip(chunk.as_chunks::<16>().0) {
                // SAFETY: `from` is 16 bytes, and may lie anywhere.
                let part = unsafe { _mm_loadu_si128(from.as_ptr().cast()) };
                // SAFETY: `to` is 16 bytes, and aligned as its type is; every x86_64 has the instruction.
                unsafe { _mm_stream_si128(to, part) };
            }
        }
        tail.copy_from_slice(last);
    }

    impl Drop for super::Fence {
        fn drop(&mut self) {
            // SAFETY: every x86_64 has the instruction.
            unsafe { _mm_sfence() };
        }
    }
}

/// The plain copy of machines without such stores.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod elsewhere {
    pub(super) fn copy_unfenced(to: &mut [u8], from: &[u8]) {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU8;
    use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

    use super::*;

    #[test]
    fn every_byte_is_copied_and_none_beside_it_wherever_they_lie() {
        let from: Vec<u8> = (0..=255).cycle().take(400).collect();
        for (left, source, length) in (0..64).flat_map(|left| {
            [0, 1, 15, 16, 63, 64, 65, 127, 128, 200, 256].map(|length| (left, (left * 7) % 64, length))
        }) {
            let mut to = vec![0xEE; 400];
            copy(&mut to[left..left + length], &from[source..source + length]);
            let (before, rest) = to.split_at(left);
            let (copied, after) = rest.split_at(length);
            assert_eq!(copied, &from[source..source + length], "{length} bytes from {source} to {left}");
            assert!(before.iter().chain(after).all(|byte| *byte == 0xEE), "{length} bytes to {left}");
        }
    }

    #[test]
    #[expect(unsafe_code, reason = "memory that two threads share as a ring's is shared")]
    fn another_thread_that_is_told_afterwards_sees_all_of_it() {
        const LINE: usize = 64;
        let frame: Vec<AtomicU8> = std::iter::repeat_with(|| AtomicU8::new(0)).take(16 * LINE).collect();
        // The writer may touch the frame when both are equal, else the reader. They are stored by an instruction that
        // orders nothing but ordinary stores, as a ring's word could be.
        let (written, read) = (AtomicU8::new(0), AtomicU8::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in (1..=250).cycle().take(100_000) {
                    while written.load(Acquire) != read.load(Acquire) {
                        std::hint::spin_loop();
                    }
                    // SAFETY: exactly these bytes, which the reader doesn't touch until it is told.
                    let to = unsafe { std::slice::from_raw_parts_mut(frame[0].as_ptr(), frame.len()) };
                    copy(to, &[round; 16 * LINE]);
                    written.store(round, Release);
                }
            });
            let mut torn = 0;
            for round in (1..=250).cycle().take(100_000) {
                while written.load(Acquire) != round {
                    std::hint::spin_loop();
                }
                // From the last line on, since the last line is stored last.
                torn += u32::from(!frame.iter().rev().all(|byte| byte.load(Relaxed) == round));
                read.store(round, Release);
            }
            assert_eq!(torn, 0);
        });
    }

    #[test]
    #[should_panic(expected = "another length")]
    fn what_is_longer_is_not_cut_off() {
        copy(&mut [0; 3], &[0; 4]);
    }
}
