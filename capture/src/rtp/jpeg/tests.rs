//! JPEGs from packets that are right, and from packets of each way of being wrong.

use proptest::prelude::*;
use proto::time::MonotonicNs;

use super::*;
use crate::jpeg::examine;

/// The header of a packet: offset, kind, quality; 64 x 48 pixels.
fn packet(offset: u32, kind: u8, quality: u8, rest: &[u8]) -> Vec<u8> {
    let [_, o2, o1, o0] = offset.to_be_bytes();
    [&[0, o2, o1, o0, kind, quality, 8, 6], rest].concat()
}

/// The JPEGs of packets, each with its time, mark and the packets missing before it.
fn jpegs(frames: &mut JpegFrames, packets: &[(i64, bool, u16, Vec<u8>)]) -> Vec<Frame> {
    for (time, mark, lost, payload) in packets {
        let (time, mark, lost) = (*time, *mark, *lost);
        frames.push(&Packet { time, mark, lost, arrived: MonotonicNs(7), payload });
    }
    std::iter::from_fn(|| frames.take()).collect()
}

#[test]
fn a_picture_in_two_packets_is_a_whole_jpeg_of_its_size() {
    let packets = [(0, false, 0, packet(0, 1, 50, &[1, 2, 3])), (0, true, 0, packet(3, 1, 50, &[4, 5]))];
    let found = jpegs(&mut JpegFrames::new(10_000), &packets);
    let [Frame { bytes, flaw: None, lost: 0, .. }] = &found[..] else { panic!("{found:?}") };
    let whole = examine(bytes).unwrap();
    assert_eq!((whole.size, whole.bytes), ((64, 48), bytes.len()));
    assert!(bytes.ends_with(&[1, 2, 3, 4, 5, 0xFF, 0xD9]));
    // The quantisers of quality 50 are the tables themselves, and 4:2:0 has two samples of luma each way.
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(holds(&[0xFF, 0xDB, 0, 67, 0, 16, 11, 12, 14]) && holds(&[1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]));
}

#[test]
fn restart_markers_and_the_cameras_own_tables_are_written() {
    let tables = [&[0, 0, 0, 128][..], &[7; 64], &[9; 64], &[1, 2]].concat();
    let with_restarts = [&[0, 5, 0xFF, 0xFF][..], &tables].concat();
    let mut frames = JpegFrames::new(10_000);
    let found = jpegs(&mut frames, &[(0, true, 0, packet(0, 65, 200, &with_restarts))]);
    let bytes = &found[0].bytes;
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(
        holds(&[0xFF, 0xDD, 0, 4, 0, 5]) && holds(&[0xFF, 0xDB, 0, 67, 1, 9, 9]) && examine(bytes).is_ok()
    );
    // Later pictures refer to the same tables; others are unknown.
    let later = |quality| [(3, true, 0, packet(0, 1, quality, &[0, 0, 0, 0, 1, 2]))];
    assert_eq!(jpegs(&mut frames, &later(200))[0].flaw, None);
    assert!(matches!(jpegs(&mut frames, &later(201))[0].flaw, Some(Flaw::Damaged(_))));
}

#[test]
fn a_picture_of_which_something_is_missing_is_damaged_and_the_next_is_not() {
    let next = (3, true, 0, packet(0, 1, 50, &[8, 9]));
    let first = (0, false, 0, packet(0, 1, 50, &[1, 2, 3]));
    for (packets, flaws) in [
        // The end, with and without a number missing; the middle; the beginning.
        (vec![first.clone(), next.clone()], &[true, false][..]),
        (vec![first.clone(), (3, true, 1, next.3.clone())], &[true, false]),
        (vec![first.clone(), (0, true, 0, packet(4, 1, 50, &[5])), next.clone()], &[true, false]),
        (vec![(0, true, 0, packet(3, 1, 50, &[4])), next.clone()], &[true, false]),
        (vec![(0, true, 0, vec![0, 0, 0]), next.clone()], &[true, false]),
        (vec![(0, true, 0, packet(0, 7, 50, &[1])), next.clone()], &[true, false]),
    ] {
        let found = jpegs(&mut JpegFrames::new(10_000), &packets);
        let got: Vec<_> = found.iter().map(|frame| frame.flaw.is_some()).collect();
        assert_eq!(got, flaws, "{packets:?}");
    }
    let mut too_large = JpegFrames::new(700);
    let packets = [(0, true, 0, packet(0, 1, 50, &[0; 200])), next];
    assert_eq!(jpegs(&mut too_large, &packets)[0].flaw, Some(Flaw::TooLarge));
}

proptest! {
    #[test]
    fn any_packets_give_jpegs_within_their_bounds(
        packets in proptest::collection::vec(
            (0_i64..3, any::<bool>(), 0_u16..2, proptest::collection::vec(any::<u8>(), 0..200)), 0..30),
    ) {
        for frame in jpegs(&mut JpegFrames::new(2_000), &packets) {
            prop_assert!(frame.bytes.len() <= 2_002);
        }
    }
}
