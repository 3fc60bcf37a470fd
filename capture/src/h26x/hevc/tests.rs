//! Parameter sets that an encoder wrote, and bytes that are none.

use proptest::prelude::*;
use proto::frame::{PixelShape, Range};

use super::*;

/// The name of a set, size, rate, whether pictures are shown in another order, and its bytes.
type Written = (&'static str, (u32, u32), f64, bool, &'static str);

/// Sets as libx265 writes them (`ffmpeg -f lavfi -i testsrc=size=…:rate=… -c:v libx265 …`), with what they say.
const SETS: [Written; 7] = [
    (
        "main",
        (1920, 1080),
        30.0,
        true,
        "420101016000000300900000030000030078a003c0801107cb965654a4c2f0168080000003008000000f04",
    ),
    (
        "no reordering",
        (1280, 720),
        29.97,
        false,
        "42010101600000030090000003000003005da00280802d165ba4a4c2f01680800001f480003a9804",
    ),
    (
        "4:2:2 in ten bits, cropped",
        (854, 480),
        60.0,
        true,
        "4201010408000003009d0800000300005db006c201e1cdb6595952930bc05a020000030002000003007810",
    ),
    (
        "4:4:4",
        (66, 50),
        15.0,
        true,
        "4201010408000003009e0800000300001e90051020e3e3f2caca94985e02d010000003001000000300f080",
    ),
    (
        "scaling lists",
        (640, 360),
        25.0,
        true,
        "42010101600000030090000003000003003fa005020171f2e5959529385e02d0100000030010000003019080",
    ),
    (
        "layers of rates",
        (640, 480),
        25.0,
        true,
        "42010201600000030090000003000003005a0000a0050201e1659594aca94985e02d010000030001000003001908",
    ),
    (
        "colours and pixel shape",
        (320, 240),
        12.5,
        true,
        "42010101600000030090000003000003003ca00a080f16595952930bc21b808080820000030004000003003210",
    ),
];
const FIELDS: &str = "42010101600000030040000003000003005aa005a200905965654a4c2f016868000003000800000300c840";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn sets_of_an_encoder_say_their_size_rate_and_order() {
    for (name, size, rate, reorders, hex) in SETS {
        let sps = sps(&bytes(hex)).unwrap_or_else(|| panic!("{name}"));
        assert_eq!((sps.id, sps.picture.size, sps.picture.reorders), (0, size, reorders), "{name}");
        assert!((sps.picture.rate.unwrap() - rate).abs() < 0.01, "{name}: {:?}", sps.picture.rate);
        assert_eq!(sps.fields, Fields::None, "{name}");
    }
}

#[test]
fn colours_and_pixel_shape_are_read() {
    let tags = sps(&bytes(SETS[6].4)).unwrap().picture.tags;
    assert_eq!((tags.matrix, tags.primaries, tags.transfer), (1, 1, 1));
    assert_eq!((tags.range, tags.pixel_shape), (Range::Full, PixelShape::new(32, 11)));
}

#[test]
fn pictures_that_are_single_fields_are_known() {
    let sps = sps(&bytes(FIELDS)).unwrap();
    assert_eq!((sps.fields, sps.picture.size), (Fields::All, (720, 576)));
}

#[test]
fn a_set_without_its_end_has_a_size_or_is_none() {
    for (name, size, .., hex) in SETS {
        let whole = bytes(hex);
        for kept in 0..whole.len() {
            if let Some(sps) = sps(&whole[..kept]) {
                assert_eq!(sps.picture.size, size, "{name}, {kept} bytes");
            }
        }
        assert!(sps(&whole[..5]).is_none(), "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_set_or_none(
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        which in 0..SETS.len(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let _ = (vps_id(&bytes), pps(&bytes), pps_of_slice(&bytes), sps(&bytes));
        let mut set = self::bytes(SETS[which].4);
        for (place, byte) in damage {
            let place = place.index(set.len());
            set[place] = byte;
        }
        if let Some(sps) = sps(&set) {
            prop_assert!(sps.picture.size.0 > 0 && sps.picture.size.1 > 0);
            header(&bytes, &sps, &Pps { id: 0, sps: 0, extra_bits: 3, says_output: true });
        }
    }
}
