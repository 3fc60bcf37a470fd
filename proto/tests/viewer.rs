//! Whoever may only look at a ring: what a viewer copies while the writer goes on, whose rings it opens, and the locks of the bits that
//! readers with leases have.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scratch;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use proto::frame::{FrameFlags, LossBefore};
use proto::ring::segment::SegmentError;
use proto::ring::{Miss, ReaderBit, Ring, RingError, SegmentName, Viewer};
use proto::time::MonotonicNs;
use scratch::{ScratchRing, draw, is_whole};

const FRAMES: u64 = 3000;

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Copies the newest frames while they are written, and checks each.
fn look_on(scratch: &ScratchRing, write: impl FnOnce(&Arc<Ring>) + Send) -> usize {
    let viewer = Viewer::open(scratch.name(), own_uid()).unwrap();
    let mut whole = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| write(scratch.ring()));
        let (mut bytes, mut seen) = (Vec::new(), 0);
        while seen < FRAMES {
            assert!(viewer.wait_newer(seen, Duration::from_secs(30)), "no frame after {seen}");
            seen = viewer.head();
            match viewer.copy(seen, &mut bytes) {
                Ok(info) => {
                    assert_eq!(info.sequence, seen);
                    assert!(is_whole(&bytes, seen, 1), "frame {seen} is torn");
                    whole += 1;
                }
                Err(miss) => assert_eq!(miss, Miss::Overrun),
            }
        }
    });
    whole
}

#[test]
fn a_viewer_copies_whole_frames_of_planes_beside_the_writer() {
    let scratch = ScratchRing::new(256, 64, 4);
    let whole = look_on(&scratch, |ring| {
        let mut writer = ring.writer().unwrap();
        for sequence in 1..=FRAMES {
            let mut slot = writer.slot().unwrap();
            draw(slot.bytes_mut(), sequence, 1);
            slot.publish(sequence, MonotonicNs::now(), LossBefore::Nothing);
        }
    });
    assert!(whole > 0);
}

#[test]
fn a_viewer_copies_whole_compressed_frames_beside_the_writer() {
    let scratch = ScratchRing::compressed(8, 64 * 1024, 16 * 1024);
    let whole = look_on(&scratch, |ring| {
        let mut writer = ring.writer().unwrap();
        for sequence in 1..=FRAMES {
            let bytes = usize::try_from(sequence % 7 + 1).unwrap() * 2048;
            let mut slot = writer.slot_for(bytes).unwrap();
            draw(&mut slot.bytes_mut()[..bytes], sequence, 1);
            let slot = slot.filled(bytes).flagged(FrameFlags::KEY);
            slot.publish(sequence, MonotonicNs::now(), LossBefore::Nothing);
        }
    });
    assert!(whole > 0);
}

#[test]
fn a_viewers_memory_can_not_be_written() {
    let scratch = ScratchRing::new(64, 16, 4);
    let _viewer = Viewer::open(scratch.name(), own_uid()).unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = scratch.name().path();
    let of_ring: Vec<&str> = maps.lines().filter(|line| line.ends_with(path.to_str().unwrap())).collect();
    assert!(of_ring.iter().any(|line| line.contains(" r--s ")), "{of_ring:?}");
}

#[test]
fn a_viewer_opens_its_instances_rings_and_no_others() {
    let scratch = ScratchRing::new(64, 16, 4);
    let refused = |name: &SegmentName, owner| match Viewer::open(name, owner) {
        Err(RingError::Segment(e)) => e,
        other => panic!("{other:?}"),
    };
    let missing = SegmentName::new("preroll-no-such-ring".into());
    assert!(matches!(refused(&missing, own_uid()), SegmentError::Missing(_)));
    assert!(matches!(refused(scratch.name(), own_uid() + 1), SegmentError::NotOurs { .. }));
    let mode =
        |mode| std::fs::set_permissions(scratch.name().path(), PermissionsExt::from_mode(mode)).unwrap();
    mode(0o640);
    assert!(Viewer::open(scratch.name(), own_uid()).is_ok());
    mode(0o660);
    assert!(matches!(refused(scratch.name(), own_uid()), SegmentError::NotOurs { mode: 0o660, .. }));
}

#[test]
fn a_readers_bit_is_one_openings_at_a_time() {
    let scratch = ScratchRing::new(64, 16, 4);
    let other = Ring::open(scratch.name()).unwrap();
    let bit = ReaderBit::new(3).unwrap();
    let first = scratch.ring().reader(bit).unwrap();
    let same = scratch.ring().reader(bit);
    assert!(same.is_ok(), "the same opening has the bit already");
    let busy = other.reader(bit).unwrap_err();
    let pid = u64::from(std::process::id());
    assert!(matches!(busy, SegmentError::ReaderBusy { pid: held_by, .. } if held_by == pid), "{busy}");
    assert!(other.reader(ReaderBit::new(4).unwrap()).is_ok());
    drop(first);
    assert!(other.reader(bit).is_err(), "a bit is held as long as the ring is open");
}

#[test]
fn frames_of_a_reader_that_lives_are_not_swept() {
    let scratch = ScratchRing::new(64, 16, 4);
    let bit = ReaderBit::new(3).unwrap();
    let mut writer = scratch.ring().writer().unwrap();
    let publish = |slot: Option<proto::ring::WriteSlot<'_>>| {
        slot.map(|slot| slot.publish(0, MonotonicNs::now(), LossBefore::Nothing))
    };
    let frame = publish(writer.slot()).unwrap();
    let living = Ring::open(scratch.name()).unwrap();
    let lease = living.reader(bit).unwrap().lease(frame).unwrap();
    assert_eq!(scratch.ring().sweep(bit), 0);
    assert_eq!(scratch.ring().sweep_frames(bit, &[frame]), 0);
    assert_eq!(lease.frame_info().sequence, frame);
    drop((lease, living));
    assert_eq!(scratch.ring().held_by_others(), []);
}
