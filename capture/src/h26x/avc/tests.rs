//! Parameter sets that an encoder wrote, and bytes that are none.

use proptest::prelude::*;

use proto::frame::{PictureTags, PixelShape, Range};

use super::*;

/// Sets as libx264 writes them (`ffmpeg -f lavfi -i testsrc=size=…:rate=… -c:v libx264 …`), with what they say.
const SETS: [(&str, (u32, u32), f64, &str); 8] = [
    ("baseline", (1920, 1080), 30.0, "6742c028dc0780227e5c0440000003004000000f03c60ce0"),
    ("cropped across", (854, 480), 29.97, "6742c01fda0360f79bc04400000fa40003a9803c60ca80"),
    ("fields allowed", (1920, 1080), 25.0, "674d4028f403c0227ef011000003000100000300321f162ea0"),
    ("4:2:2", (1280, 720), 60.0, "677a0020bcb402802dd80880000003008000003c078c1950"),
    ("4:4:4", (66, 50), 15.0, "67f4000a919685278f8fc044000003000400000300783c489a80"),
    ("scaling lists", (640, 360), 25.0, "6764001eacb405017fcb80880000030008000003019078b175"),
    ("colours and pixel shape", (320, 240), 12.5, "6742c00cda0507ec39b808080a000003000400000300641e285540"),
    ("grey", (64, 64), 10.0, "6764000af2d084d80b64000003000400000300503c489a80"),
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn sets_of_an_encoder_say_their_size_and_rate() {
    for (name, size, rate, hex) in SETS {
        let sps = sps(&bytes(hex)).unwrap_or_else(|| panic!("{name}"));
        assert_eq!((sps.id, sps.picture.size), (0, size), "{name}");
        assert!((sps.picture.rate.unwrap() - rate).abs() < 0.01, "{name}: {:?}", sps.picture.rate);
    }
}

#[test]
fn colours_and_pixel_shape_are_read() {
    let tags = sps(&bytes(SETS[6].3)).unwrap().picture.tags;
    assert_eq!((tags.matrix, tags.primaries, tags.transfer), (1, 1, 1));
    assert_eq!((tags.range, tags.pixel_shape), (Range::Full, PixelShape::new(4, 3)));
    let tags = sps(&bytes(SETS[0].3)).unwrap().picture.tags;
    assert_eq!(tags, PictureTags { pixel_shape: PixelShape::new(1, 1), ..PictureTags::default() });
}

#[test]
fn scaling_lists_are_passed_over() {
    // High profile with two lists, one of which ends early; then as in the set for grey: 64x64.
    let mut bits = String::from("01100100 00000000 00001010 1 010 1 1 0 1 1");
    // A list of 16 whose second number says that the first stands for all; six more without; one of 64 by differences of 0.
    bits.push_str(" 011 0001111 0 0 0 0 0 1");
    bits.push_str(&" 1".repeat(64));
    bits.push_str(" 0 1 011 010 0 00100 00100 1 1 0 0 1");
    let digits: Vec<char> = bits.chars().filter(|c| *c != ' ').collect();
    let mut unit = vec![0x67];
    unit.extend(digits.chunks(8).map(|eight| {
        let text: String = eight.iter().chain(&['0'; 8]).take(8).collect();
        u8::from_str_radix(&text, 2).unwrap()
    }));
    assert_eq!(sps(&unit).map(|sps| sps.picture.size), Some((64, 64)));
}

#[test]
fn a_set_without_its_end_has_a_size_or_is_none() {
    for (name, size, _, hex) in SETS {
        let whole = bytes(hex);
        for kept in 0..whole.len() {
            if let Some(sps) = sps(&whole[..kept]) {
                assert_eq!(sps.picture.size, size, "{name}, {kept} bytes");
            }
        }
        assert!(sps(&whole[..5]).is_none(), "{name}");
    }
}

/// The numbers of a picture parameter set, and of the sequence parameter set that it belongs to.
fn numbers(unit: &[u8]) -> Option<(u32, u32)> {
    pps(unit).map(|pps| (pps.id, pps.sps))
}

#[test]
fn numbers_of_picture_sets_are_read() {
    assert_eq!(numbers(&[0x68, 0xCE, 0x3C, 0x80]), Some((0, 0)));
    // 1 and 2: 010 011.
    assert_eq!(numbers(&[0x68, 0b0100_1110]), Some((1, 2)));
    assert_eq!(numbers(&[0x68]), None);
    // First macroblock 0, type 7, set 1: 1 0001000 010.
    assert_eq!(pps_of_slice(&[0x65, 0b1000_1000, 0b0100_0000]), Some(1));
}

proptest! {
    #[test]
    fn any_bytes_are_a_set_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Some(sps) = sps(&bytes) {
            prop_assert!(sps.picture.size.0 > 0 && sps.picture.size.1 > 0);
            header(&bytes, &sps);
        }
        let _ = (numbers(&bytes), pps_of_slice(&bytes));
    }
}
