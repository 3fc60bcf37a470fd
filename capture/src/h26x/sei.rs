//! Remarks (SEI) on a picture: of all of them only the recovery point matters here (D.1.8 of H.264, D.2.8 of H.265).

use super::bits::Bits;
use super::nal::Codec;

/// The number of a recovery point among the kinds of remarks, in both.
const RECOVERY_POINT: u32 = 6;

/// The pictures after which a decoder that begins here gives right ones, if a NAL unit of remarks says so: frames in H.264,
/// steps in the order of showing in H.265. Never negative.
pub(super) fn recovery_point(codec: Codec, unit: &[u8]) -> Option<u32> {
    let mut bits = Bits::of(unit.get(codec.header_bytes()..)?);
    loop {
        let (kind, bytes) = (long_number(&mut bits)?, long_number(&mut bits)?);
        if kind == RECOVERY_POINT {
            return match codec {
                Codec::H264 => bits.at_most(0xFFFF),
                // A count below zero means that it is over already.
                Codec::H265 => bits.signed().map(|count| u32::try_from(count).unwrap_or(0)),
            };
        }
        bits.skip(bytes.checked_mul(8)?)?;
    }
}

/// A number in bytes, of which each that is full has another behind it.
fn long_number(bits: &mut Bits<'_>) -> Option<u32> {
    let mut number = 0_u32;
    loop {
        let byte = bits.bits(8)?;
        number = number.checked_add(byte)?;
        if byte != 0xFF {
            return Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_point_is_found_behind_other_remarks() {
        // A remark of 260 bytes, then a recovery point with a count of 5: 00110.
        let mut unit = vec![0x06, 5, 0xFF, 5];
        unit.extend([7; 260]);
        unit.extend([6, 1, 0b0011_0100, 0x80]);
        assert_eq!(recovery_point(Codec::H264, &unit), Some(5));
        assert_eq!(recovery_point(Codec::H264, &unit[..200]), None);
        // In H.265 the same bits are 3, as a number with a sign.
        assert_eq!(recovery_point(Codec::H265, &[0x4E, 1, 6, 1, 0b0011_0100, 0x80]), Some(3));
        assert_eq!(recovery_point(Codec::H265, &[0x4E, 1, 6, 1, 0b0111_0000, 0x80]), Some(0));
    }

    #[test]
    fn other_remarks_and_damaged_ones_are_none() {
        for unit in [&[0x06, 5, 2, 1, 1, 0x80][..], &[0x06], &[], &[0x06, 0xFF, 0xFF], &[0x06, 6, 1]] {
            assert_eq!(recovery_point(Codec::H264, unit), None, "{unit:?}");
        }
    }
}
