//! JPEGs of a few bytes: whole, cut off, damaged, in pieces.

use super::*;
use proptest::prelude::*;

/// A JPEG of this size whose data is `data`.
pub(crate) fn jpeg(size: (u16, u16), data: &[u8]) -> Vec<u8> {
    let ([h1, h0], [w1, w0]) = (size.1.to_be_bytes(), size.0.to_be_bytes());
    let mut bytes = vec![0xFF, SOI];
    bytes.extend([0xFF, 0xE0, 0, 4, b'J', b'F']);
    bytes.extend([0xFF, 0xC0, 0, 11, 8, h1, h0, w1, w0, 1, 1, 0x11, 0]);
    bytes.extend([0xFF, SOS, 0, 8, 1, 1, 0, 0, 63, 0]);
    bytes.extend(data);
    bytes.extend([0xFF, EOI]);
    bytes
}

#[test]
fn a_whole_one_has_its_length_and_its_size() {
    let one = jpeg((640, 360), &[1, 2, 0xFF, 0, 0xFF, 0xD0, 3]);
    let found = Ok(Jpeg { bytes: one.len(), size: (640, 360) });
    assert_eq!(examine(&one), found);
    for padding in [&[0; 9][..], b"\r\n--frame\r\n", &[0xFF, EOI]] {
        assert_eq!(examine(&[&one[..], padding].concat()), found, "bytes behind the end are no part of it");
    }
}

#[test]
fn a_picture_within_a_segment_is_not_its_picture() {
    let small = jpeg((160, 120), &[7; 20]);
    let mut one = jpeg((640, 480), &[5]);
    let length = u16::try_from(small.len() + 2).unwrap().to_be_bytes();
    let segment = [&[0xFF, 0xE1, length[0], length[1]][..], &small].concat();
    one.splice(2..2, segment);
    assert_eq!(examine(&one), Ok(Jpeg { bytes: one.len(), size: (640, 480) }));
}

#[test]
fn several_scans_are_one_picture() {
    let mut one = jpeg((64, 48), &[1, 2, 3]);
    one.truncate(one.len() - 2);
    one.extend([0xFF, 0xC4, 0, 3, 9, 0xFF, SOS, 0, 8, 1, 1, 0, 0, 63, 0, 4, 5, 0xFF, EOI]);
    assert_eq!(examine(&one), Ok(Jpeg { bytes: one.len(), size: (64, 48) }));
}

#[test]
fn each_flaw_has_its_name() {
    let one = jpeg((64, 48), &[1; 30]);
    let cut = &one[..one.len() - 9];
    assert_eq!(examine(cut), Err(Flaw::CutOff));
    assert_eq!(examine(&[cut, &one].concat()), Err(Flaw::CutOff), "another begins in its data");
    assert_eq!(examine(&one[..2]), Err(Flaw::CutOff));
    assert_eq!(examine(&[0xFF, SOI, 0xFF, SOI]), Err(Flaw::CutOff));
    assert_eq!(examine(b""), Err(Flaw::NoBeginning));
    assert_eq!(examine(b"GIF89a"), Err(Flaw::NoBeginning));
    assert_eq!(examine(&jpeg((0, 48), &[1])), Err(Flaw::NoSize));
    assert_eq!(examine(&[0xFF, SOI, 0xFF, SOS, 0, 8, 1, 1, 0, 0, 63, 0]), Err(Flaw::NoSize));
    for damaged in [[0xFF, SOI, 1, 2, 3], [0xFF, SOI, 0xFF, EOI, 3], [0xFF, SOI, 0xFF, 0xE0, 0]] {
        let damaged = [&damaged[..], &[0; 4]].concat();
        assert_eq!(examine(&damaged), Err(Flaw::Segments), "{damaged:?}");
    }
}

#[test]
fn the_next_one_is_found_behind_one_that_is_cut_off_anywhere() {
    let one = jpeg((64, 48), &[1; 30]);
    let boundary = b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n";
    // More than the longest segment, whose length may be anything in one that is cut off.
    let others = [&boundary[..], &one].concat().repeat(800);
    for kept in 2..one.len() - 1 {
        let bytes = [&one[..kept], &others].concat();
        let Step::Broken { resume, .. } = Walk::default().go_on(&bytes) else {
            panic!("{kept} bytes of it pass for the whole");
        };
        assert!(resume <= kept + boundary.len(), "after {kept} bytes the next one is passed over");
    }
}

proptest! {
    #[test]
    fn pieces_are_walked_as_the_whole_is(
        mut bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::collection::vec(prop_oneof![Just(0xFF), Just(0xD8), Just(0xD9), any::<u8>()], 0..200)
                .prop_map(|data| jpeg((64, 48), &data)),
        ],
        cuts in proptest::collection::vec(0_usize..300, 0..8),
        damage in proptest::option::of((0_usize..200, any::<u8>())),
    ) {
        if let Some((at, byte)) = damage && at < bytes.len() {
            bytes[at] = byte;
        }
        let whole = Walk::default().go_on(&bytes);
        if let Step::Broken { resume, .. } = whole {
            prop_assert!((1..=bytes.len()).contains(&resume));
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([bytes.len()]).collect();
        cuts.sort_unstable();
        let (mut walk, mut step) = (Walk::default(), Step::More);
        for cut in cuts {
            if step == Step::More {
                step = walk.go_on(&bytes[..cut]);
            }
        }
        prop_assert_eq!(step, whole);
    }
}
