//! A ring in shared memory for one test, and frames that tell in every byte which they are.
#![allow(dead_code, reason = "each test uses its own part")]

use std::path::Path;
use std::sync::Arc;

use proto::frame::{Fps, Geometry, Payload, PixelFormat};
use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::ring::{Arena, ReaderBit, Ring, RingSize, RingSpec, SegmentName};
use tempfile::TempDir;

/// Takes its shared memory away when it goes, by a panic too.
pub(crate) struct ScratchRing {
    dir: TempDir,
    name: SegmentName,
    ring: Arc<Ring>,
}

impl ScratchRing {
    pub(crate) fn new(width: u32, height: u32, slots: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = segment_in(dir.path());
        let size = RingSize { pre_roll_slots: slots, reserve_slots: 0, lease_slots: 0 };
        let geometry = Geometry::new(width, height, PixelFormat::GRAY8).unwrap();
        let spec = RingSpec::planes(geometry, Fps::new(60.0).unwrap(), size);
        Self::of(dir, name, &spec)
    }

    /// One for H.264 frames of at most `max_frame_bytes`, in an arena of `arena_bytes`.
    pub(crate) fn compressed(slots: usize, arena_bytes: usize, max_frame_bytes: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = segment_in(dir.path());
        let size = RingSize { pre_roll_slots: slots, reserve_slots: 0, lease_slots: 0 };
        let geometry = Geometry::new(64, 16, PixelFormat::I420).unwrap();
        let arena = Arena { bytes: arena_bytes, max_frame_bytes, max_rate_bytes: 60_000 };
        let spec = RingSpec::compressed(geometry, Fps::new(60.0).unwrap(), size, Payload::H264, arena);
        Self::of(dir, name, &spec)
    }

    fn of(dir: TempDir, name: SegmentName, spec: &RingSpec) -> Self {
        let ring = Ring::create(&name, spec).unwrap();
        Self { dir, name, ring }
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    pub(crate) fn name(&self) -> &SegmentName {
        &self.name
    }

    /// The name by which another process finds the ring.
    pub(crate) fn runtime_dir(&self) -> &Path {
        self.dir.path()
    }
}

/// Sweeps a reader of this process after its death: all its leases are forgotten.
#[expect(unsafe_code, reason = "plays a reader's death")]
pub(crate) fn sweep_dead(ring: &Ring, bit: ReaderBit) -> usize {
    // SAFETY: the caller has forgotten each lease of that bit.
    unsafe { ring.leave_behind(bit) };
    ring.sweep(bit)
}

impl Drop for ScratchRing {
    fn drop(&mut self) {
        let removed = Ring::remove(&self.name);
        assert!(std::thread::panicking() || removed.is_ok(), "{removed:?}");
    }
}

pub(crate) fn segment_in(runtime_dir: &Path) -> SegmentName {
    RuntimeDir::create(runtime_dir).unwrap().segment(&Name::new("test").unwrap())
}

/// Fills a frame's bytes, each of which follows from its sequence, its epoch and its place.
pub(crate) fn draw(bytes: &mut [u8], sequence: u64, epoch: u32) {
    for (at, word) in bytes.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&pixels_at(at, sequence, epoch));
    }
}

/// Is every byte that of this frame?
pub(crate) fn is_whole(bytes: &[u8], sequence: u64, epoch: u32) -> bool {
    bytes.chunks_exact(8).enumerate().all(|(at, word)| word == pixels_at(at, sequence, epoch))
}

fn pixels_at(at: usize, sequence: u64, epoch: u32) -> [u8; 8] {
    scramble((u64::from(epoch) << 48) ^ (sequence << 20) ^ at as u64).to_le_bytes()
}

/// SplitMix64's output function: every bit of the input reaches every bit of the output.
pub(crate) fn scramble(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
