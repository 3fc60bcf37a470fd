//! The forms in which packets carry NAL units: whole, several, or a part of one. Pure.

use crate::h26x::Codec;

/// The form of a packet's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// The packet is one NAL unit.
    Unit,
    /// Several, each behind its length.
    Units(&'a [u8]),
    /// A part of one.
    Fragment {
        /// The header of the whole NAL unit; H.264 has only its first byte.
        header: [u8; 2],
        is_first: bool,
        is_last: bool,
        bytes: &'a [u8],
    },
    /// Interleaved modes, which no camera uses; reserved types; a packet that is too short.
    Unknown,
}

impl<'a> Form<'a> {
    /// The form of a packet's content (RFC 6184, 5.2; RFC 7798, 4.4).
    pub(super) fn of(codec: Codec, payload: &'a [u8]) -> Self {
        let is_forbidden = payload.first().is_none_or(|byte| byte & 0x80 != 0);
        if is_forbidden || payload.len() < codec.header_bytes() {
            return Self::Unknown;
        }
        let number = match codec {
            Codec::H264 => payload[0] & 0x1F,
            Codec::H265 => payload[0] >> 1 & 0x3F,
        };
        match (codec, number, payload) {
            (Codec::H264, 1..=23, _) | (Codec::H265, 0..=47, _) => Self::Unit,
            (Codec::H264, 24, [_, units @ ..]) | (Codec::H265, 48, [_, _, units @ ..]) => Self::Units(units),
            (Codec::H264, 28, [indicator, fragment, bytes @ ..]) => {
                let header = [indicator & 0xE0 | fragment & 0x1F, 0];
                Self::fragment(header, *fragment, bytes)
            }
            (Codec::H265, 49, [high, low, fragment, bytes @ ..]) => {
                let header = [high & 0x81 | (fragment & 0x3F) << 1, *low];
                Self::fragment(header, *fragment, bytes)
            }
            _ => Self::Unknown,
        }
    }

    fn fragment(header: [u8; 2], byte: u8, bytes: &'a [u8]) -> Self {
        let (is_first, is_last) = (byte & 0x80 != 0, byte & 0x40 != 0);
        Self::Fragment { header, is_first, is_last, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_packet_shows_in_its_first_bytes() {
        let h264 = |payload| Form::of(Codec::H264, payload);
        assert_eq!(h264(&[0x65, 1]), Form::Unit);
        assert_eq!(h264(&[0x0A]), Form::Unit, "the end of a sequence has no more");
        assert_eq!(h264(&[0x18, 0, 1, 9]), Form::Units(&[0, 1, 9]));
        let fragment = |header, is_first, is_last, bytes| Form::Fragment { header, is_first, is_last, bytes };
        assert_eq!(h264(&[0x7C, 0x85, 7]), fragment([0x65, 0], true, false, &[7]));
        assert_eq!(h264(&[0x5C, 0x41, 7]), fragment([0x41, 0], false, true, &[7]));
        let h265 = |payload| Form::of(Codec::H265, payload);
        assert_eq!(h265(&[0x26, 1, 0xAF]), Form::Unit);
        assert_eq!(h265(&[0x60, 1, 0, 1, 9]), Form::Units(&[0, 1, 9]));
        assert_eq!(h265(&[0x62, 1, 0x93, 7]), fragment([0x26, 1], true, false, &[7]));
        for payload in [&[0xE5, 1][..], &[0x00, 1], &[0x1D, 1, 1], &[]] {
            assert_eq!(h264(payload), Form::Unknown, "{payload:x?}");
        }
        for payload in [&[0x26][..], &[0x64, 1, 1]] {
            assert_eq!(h265(payload), Form::Unknown, "{payload:x?}");
        }
    }
}
