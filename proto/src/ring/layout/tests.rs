//! Sizes and places, against what they were measured and decided to be.

use super::*;
use crate::frame::PixelFormat;

fn spec(pre_roll_ms: u64, reserve_ms: u64, fps: f64) -> RingSpec {
    let fps = Fps::new(fps).unwrap();
    let geometry = Geometry::new(1280, 720, PixelFormat::I420).unwrap();
    RingSpec::planes(geometry, fps, RingSize::for_camera(pre_roll_ms, 0, reserve_ms, fps).unwrap())
}

#[test]
fn the_pre_roll_formula_is_that_of_the_recorder_preroll_began_from() {
    assert_eq!(spec(500, 0, 60.0).size.pre_roll_slots, 36);
    assert_eq!(spec(500, 0, 120.0).size.pre_roll_slots, 72);
}

#[test]
fn a_short_pre_roll_still_gets_its_frames_and_two() {
    assert_eq!(spec(100, 0, 10.0).size.pre_roll_slots, 3);
    assert_eq!(spec(0, 0, 60.0).size.pre_roll_slots, 2);
}

#[test]
fn lateness_comes_on_top_of_the_pre_roll_and_its_margin() {
    let late = |ms| RingSize::for_camera(500, ms, 0, Fps::new(60.0).unwrap()).unwrap().pre_roll_slots;
    assert_eq!([late(0), late(1), late(1000)], [36, 37, 96]);
}

#[test]
fn the_reserve_is_rounded_up() {
    assert_eq!(spec(500, 250, 60.0).size.reserve_slots, 15);
    assert_eq!(spec(500, 251, 60.0).size.reserve_slots, 16);
}

#[test]
fn an_absurd_ring_is_no_ring() {
    let fps = Fps::new(10_000.0).unwrap();
    assert_eq!(RingSize::for_camera(u64::MAX, 0, 0, fps), None);
    assert_eq!(RingSize::for_camera(1_000_000_000, 0, 0, fps), None);
    assert_eq!(RingSize::for_camera(0, u64::MAX, 0, fps), None);
}

#[test]
fn a_ring_without_slots_or_with_absurdly_many_has_no_layout() {
    let with = |pre_roll_slots| {
        let size = RingSize { pre_roll_slots, reserve_slots: 0, lease_slots: 0 };
        RingSpec { size, ..spec(500, 0, 60.0) }.layout()
    };
    assert!(with(1).is_some());
    assert_eq!([with(0), with(MAX_SLOTS + 1), with(usize::MAX / 2)], [None; 3]);
    let size = RingSize { pre_roll_slots: usize::MAX, reserve_slots: 1, lease_slots: 1 };
    assert_eq!(RingSpec { size, ..spec(500, 0, 60.0) }.layout(), None);
}

/// The rates, largest frames and distances of key frames of the table in docs/decisions/ring-arena.md, each with a pre-roll
/// of 10 s and a reserve of 250 ms: the slots, and the megabytes of arena with two leases, as they were simulated there.
#[test]
fn a_streams_size_is_that_of_the_trial() {
    let mb = 1_000_000;
    for (fps, max_rate_bytes, max_frame_bytes, gop_ms, slots, arena_mb) in [
        (60.0, 24 * mb, 1_000_000, 0, 740, 299.2),
        (30.0, 1_800_000, 250_000, 0, 371, 23.1),
        (30.0, mb / 2, 500_000, 2000, 443, 9.35),
        (30.0, mb, 500_000, 2000, 443, 16.7),
        (30.0, 1_500_000, 1_500_000, 2000, 443, 28.05),
    ] {
        let stream = Stream { max_rate_bytes, max_frame_bytes, gop_ms };
        let (size, arena) = stream.size(10_000, 0, 250, Fps::new(fps).unwrap()).unwrap();
        assert_eq!(size.slots(), slots, "{stream:?}");
        // The trial had room for two leases; there are three since the mover has one.
        let leases = part_bytes(max_frame_bytes).unwrap() * (LEASE_SLOTS - 2);
        #[expect(clippy::cast_precision_loss, reason = "megabytes, for a comparison")]
        let found_mb = (arena.bytes - leases) as f64 / 1e6;
        assert!((found_mb - arena_mb).abs() < 0.05, "{stream:?}: {found_mb} MB, and not {arena_mb}");
        assert!(arena.is_possible());
    }
}

#[test]
fn lateness_reserve_and_key_frames_each_lengthen_a_streams_span() {
    let fps = Fps::new(50.0).unwrap();
    let stream = Stream { max_rate_bytes: 1_000_000, max_frame_bytes: 100_000, gop_ms: 0 };
    let (least, arena) = stream.size(1000, 0, 0, fps).unwrap();
    assert_eq!((least.slots(), least.reserve_slots, least.lease_slots), (62, 0, 3));
    let longer = [
        stream.size(2000, 0, 0, fps),
        stream.size(1000, 1000, 0, fps),
        stream.size(1000, 0, 1000, fps),
        Stream { gop_ms: 1000, ..stream }.size(1000, 0, 0, fps),
    ];
    for (size, longer) in longer.map(Option::unwrap) {
        assert_eq!(size.slots(), 122);
        assert_eq!(
            longer.bytes.abs_diff(arena.bytes + 1_200_000) / PAGE_BYTES,
            0,
            "a second and a fifth more"
        );
    }
    // A pre-roll of next to nothing still gets its frames and two.
    assert_eq!(stream.size(20, 0, 0, fps).unwrap().0.pre_roll_slots, 3);
}

#[test]
fn an_absurd_stream_has_no_size() {
    let fps = Fps::new(10_000.0).unwrap();
    let stream = Stream { max_rate_bytes: 1, max_frame_bytes: 1, gop_ms: 0 };
    assert_eq!(stream.size(u64::MAX, u64::MAX, u64::MAX, fps), None);
    assert_eq!(stream.size(1_000_000, 0, 0, fps), None);
    for absurd in [
        Stream { max_rate_bytes: u64::MAX, ..stream },
        Stream { max_frame_bytes: usize::MAX, ..stream },
        Stream { max_frame_bytes: usize::MAX / 4, ..stream },
        Stream { gop_ms: u64::MAX, ..stream },
    ] {
        assert_eq!(absurd.size(100_000, 0, 0, fps), None, "{absurd:?}");
    }
}

#[test]
fn a_part_holds_header_bytes_and_zeros() {
    assert_eq!([0, 1, 64, 65].map(|bytes| part_bytes(bytes).unwrap()), [128, 192, 192, 256]);
    assert_eq!((part_bytes(usize::MAX), part_bytes(usize::MAX - 128)), (None, None));
}
