//! Publishing a frame allocates nothing, nor does leasing one: neither may wait for an allocator, or for whoever holds it.
#![cfg(feature = "host")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scratch;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use proto::frame::LossBefore;
use proto::nontemporal;
use proto::ring::ReaderBit;
use proto::time::MonotonicNs;

use scratch::{ScratchRing, scramble};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator is; this one hands everything on to the system's")]
// SAFETY: what is asked of it is asked of the system's allocator, unchanged. Counting needs no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same, and the memory is the system's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(during: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    during();
    ALLOCATIONS.get() - before
}

#[test]
fn a_frame_is_published_and_leased_without_an_allocation() {
    let scratch = ScratchRing::new(640, 480, 8);
    let mut writer = scratch.ring().writer().unwrap();
    let reader = scratch.ring().reader(ReaderBit::RECORDER).unwrap();
    let frame = vec![7; scratch.ring().spec().geometry.frame_bytes()];
    assert_eq!(allocations(|| drop(vec![0_u8; 1])), 1, "it counts");
    let all = allocations(|| {
        for number in 0..100 {
            let mut slot = writer.slot().unwrap();
            nontemporal::copy(slot.bytes_mut(), &frame);
            let sequence = slot.publish(number, MonotonicNs::now(), LossBefore::Nothing);
            assert_eq!(reader.lease(sequence).unwrap().bytes(), frame);
        }
    });
    assert_eq!(all, 0);
}

/// Lengths that make the writer jump over the arena's end and over a lease, and run out of slots now and then.
#[test]
fn a_compressed_frame_is_published_and_leased_without_an_allocation() {
    let scratch = ScratchRing::compressed(8, 64 << 10, 16 << 10);
    let mut writer = scratch.ring().writer().unwrap();
    let reader = scratch.ring().reader(ReaderBit::RECORDER).unwrap();
    let mut held = None;
    let all = allocations(|| {
        for number in 0..200_u64 {
            let bytes = usize::try_from(scramble(number) % (16 << 10)).unwrap();
            let Some(mut slot) = writer.slot_for(16 << 10) else { continue };
            slot.bytes_mut()[..bytes].fill(7);
            let sequence = slot.filled(bytes).publish(number, MonotonicNs::now(), LossBefore::Nothing);
            let lease = reader.lease(sequence).unwrap();
            assert_eq!((lease.bytes().len(), lease.bytes().iter().all(|byte| *byte == 7)), (bytes, true));
            if number % 20 == 0 {
                held = Some(lease);
            }
        }
    });
    drop(held);
    assert_eq!(all, 0);
}
