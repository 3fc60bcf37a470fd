//! A header that was damaged is noticed, field by field.

use super::*;
use crate::ring::layout::{PAGE_BYTES, part_bytes};
use crate::sync::Ordering::Relaxed;

fn planes() -> RingSpec {
    let fps = Fps::new(60.0).unwrap();
    let geometry = Geometry::new(1280, 720, PixelFormat::I420).unwrap();
    RingSpec::planes(geometry, fps, RingSize::for_camera(500, 0, 250, fps).unwrap())
}

fn compressed() -> RingSpec {
    let planes = planes();
    let arena = Arena { bytes: 1 << 24, max_frame_bytes: 1 << 20, max_rate_bytes: 1 << 22 };
    RingSpec::compressed(planes.geometry, planes.fps, planes.size, Payload::Jpeg, arena)
}

fn filled(spec: &RingSpec) -> Header {
    let header = Header::default();
    header.fill(spec, &spec.layout().unwrap(), 7, MonotonicNs(1));
    header
}

#[test]
fn the_header_fits_its_page_and_its_parts_lie_where_the_format_says() {
    assert!(size_of::<Header>() <= PAGE_BYTES);
    let places = [
        (core::mem::offset_of!(Header, heads), 128),
        (core::mem::offset_of!(Header, counters), 192),
        (core::mem::offset_of!(Header, counters.dropped_too_large), 744),
        (core::mem::offset_of!(Header, payload), 768),
        (core::mem::offset_of!(Header, places), 800),
        (core::mem::offset_of!(Header, reader_pids), 832),
        (core::mem::offset_of!(Header, time), 960),
        (core::mem::offset_of!(Header, reorders), 1000),
    ];
    assert!(places.iter().all(|(is, should_be)| is == should_be), "{places:?}");
}

#[test]
fn every_damaged_field_is_noticed() {
    for spec in [planes(), compressed()] {
        let total_bytes = spec.layout().unwrap().total_bytes;
        assert_eq!(filled(&spec).check(total_bytes).unwrap().spec, spec);
        assert!(filled(&spec).check(total_bytes - 1).is_err());
        let fields: [fn(&Header) -> &AtomicU64; 17] = [
            |h| &h.magic,
            |h| &h.layout_version,
            |h| &h.total_bytes,
            |h| &h.width,
            |h| &h.height,
            |h| &h.pixel_format,
            |h| &h.fps_milli,
            |h| &h.pre_roll_slots,
            |h| &h.reserve_slots,
            |h| &h.lease_slots,
            |h| &h.payload.code,
            |h| &h.payload.arena_bytes,
            |h| &h.payload.max_frame_bytes,
            |h| &h.places.ledger_offset,
            |h| &h.places.ledger_entries,
            |h| &h.places.arena_offset,
            |h| &h.places.stride_bytes,
        ];
        for (i, field) in fields.into_iter().enumerate() {
            for value in [0, u64::MAX, 1 << 31] {
                let header = filled(&spec);
                let was = field(&header).swap(value, Relaxed);
                let is_noticed = header.check(total_bytes).is_err();
                assert_eq!(is_noticed, was != value, "field {i} as {value} of {}", spec.payload);
            }
        }
    }
}

#[test]
fn a_ring_of_the_layout_before_is_refused_by_its_number() {
    let header = filled(&planes());
    header.layout_version.store(1, Relaxed);
    let refused = header.check(usize::MAX).unwrap_err();
    assert_eq!(refused, BadHeader::OtherVersion { found: 1 });
    assert_eq!(refused.to_string(), "its layout is version 1, and this program reads version 2");
}

#[test]
fn a_payload_and_an_arena_that_do_not_belong_together_are_refused() {
    let whole = compressed();
    let arena = whole.arena.unwrap();
    assert!(whole.layout().is_some());
    for wrong in [
        RingSpec { arena: None, ..whole },
        RingSpec { payload: Payload::Planes, ..whole },
        RingSpec { arena: Some(Arena { max_frame_bytes: 0, ..arena }), ..whole },
        RingSpec { arena: Some(Arena { max_rate_bytes: 0, ..arena }), ..whole },
        RingSpec { arena: Some(Arena { bytes: arena.bytes + 64, ..arena }), ..whole },
        RingSpec { arena: Some(Arena { bytes: PAGE_BYTES, ..arena }), ..whole },
        RingSpec { arena: Some(Arena { max_frame_bytes: usize::MAX, ..arena }), ..whole },
        RingSpec { arena: Some(Arena { bytes: usize::MAX - usize::MAX % PAGE_BYTES, ..arena }), ..whole },
    ] {
        assert_eq!(wrong.layout(), None, "{wrong:?}");
    }
    let just = Arena { bytes: part_bytes(1 << 20).unwrap().next_multiple_of(PAGE_BYTES), ..arena };
    assert!(RingSpec { arena: Some(just), ..whole }.layout().is_some());
}
