//! The headers of NAL units and of the packets that carry them, of both codecs. Pure.

/// A codec whose frames are access units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264, in packets by RFC 6184.
    H264,
    /// H.265, in packets by RFC 7798.
    H265,
}

/// The part of an access unit that a NAL unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A slice of a picture.
    Slice,
    /// A unit that only stands before a picture: parameter sets, remarks, delimiters.
    BeforePicture,
    Other,
}

/// The little that a NAL unit's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) part: Part,
    /// The first slice of its picture.
    pub(super) begins_picture: bool,
}

impl Header {
    /// Does it begin another access unit than the one that has a picture already?
    pub(super) fn begins_another(self) -> bool {
        match self.part {
            Part::Slice => self.begins_picture,
            Part::BeforePicture => true,
            Part::Other => false,
        }
    }
}

/// The form of a packet's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// The packet is one NAL unit.
    Unit,
    /// Several, each behind its length.
    Units(&'a [u8]),
    /// A part of one.
    Fragment {
        /// The header of the whole NAL unit, the second byte only with H.265.
        header: [u8; 2],
        is_first: bool,
        is_last: bool,
        bytes: &'a [u8],
    },
    /// Interleaved modes, which no camera uses; reserved types; a packet that is too short.
    Unknown,
}

impl Codec {
    /// The bytes of a NAL unit's header.
    pub(super) fn header_bytes(self) -> usize {
        match self {
            Self::H264 => 1,
            Self::H265 => 2,
        }
    }

    /// Reads the first bytes of a NAL unit. One that is too short is no slice.
    pub(super) fn header(self, unit: &[u8]) -> Header {
        let kind = self.unit_kind(unit);
        let part = match (self, kind) {
            // Table 7-1 of ITU-T H.264.
            (Self::H264, 1 | 2 | 5) => Part::Slice,
            (Self::H264, 6..=9 | 14..=18) => Part::BeforePicture,
            // Table 7-1 of ITU-T H.265.
            (Self::H265, 0..=31) => Part::Slice,
            (Self::H265, 32..=35 | 39 | 41..=44 | 48..=55) => Part::BeforePicture,
            _ => Part::Other,
        };
        // The number of the first macroblock is 0, or the flag of the first slice is set: a single bit either way.
        let first = unit.get(self.header_bytes()).is_some_and(|byte| byte & 0x80 != 0);
        Header { part, begins_picture: part == Part::Slice && first }
    }

    /// The number of a NAL unit's type; of none one that stands for nothing.
    fn unit_kind(self, unit: &[u8]) -> u8 {
        match (self, unit.first()) {
            (Self::H264, Some(byte)) => byte & 0x1F,
            (Self::H265, Some(byte)) => byte >> 1 & 0x3F,
            (_, None) => u8::MAX,
        }
    }

    /// The form of a packet's content.
    pub(super) fn kind(self, payload: &[u8]) -> Kind<'_> {
        let is_forbidden = payload.first().is_none_or(|byte| byte & 0x80 != 0);
        if is_forbidden || payload.len() < self.header_bytes() {
            return Kind::Unknown;
        }
        match (self, self.unit_kind(payload), payload) {
            (Self::H264, 1..=23, _) | (Self::H265, 0..=47, _) => Kind::Unit,
            (Self::H264, 24, [_, units @ ..]) | (Self::H265, 48, [_, _, units @ ..]) => Kind::Units(units),
            (Self::H264, 28, [indicator, fragment, bytes @ ..]) => {
                let header = [indicator & 0xE0 | fragment & 0x1F, 0];
                Self::fragment(header, *fragment, bytes)
            }
            (Self::H265, 49, [high, low, fragment, bytes @ ..]) => {
                let header = [high & 0x81 | (fragment & 0x3F) << 1, *low];
                Self::fragment(header, *fragment, bytes)
            }
            _ => Kind::Unknown,
        }
    }

    fn fragment(header: [u8; 2], byte: u8, bytes: &[u8]) -> Kind<'_> {
        let (is_first, is_last) = (byte & 0x80 != 0, byte & 0x40 != 0);
        Kind::Fragment { header, is_first, is_last, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_told_from_what_stands_before_them() {
        let header = |codec: Codec, unit: &[u8]| {
            let header = codec.header(unit);
            (header.part, header.begins_picture)
        };
        for (codec, unit, expected) in [
            (Codec::H264, &[0x65, 0x88][..], (Part::Slice, true)),
            (Codec::H264, &[0x41, 0x40], (Part::Slice, false)),
            (Codec::H264, &[0x67, 0x80], (Part::BeforePicture, false)),
            (Codec::H264, &[0x06], (Part::BeforePicture, false)),
            (Codec::H264, &[0x6C, 0xFF], (Part::Other, false)),
            (Codec::H264, &[], (Part::Other, false)),
            (Codec::H265, &[0x26, 1, 0xAF], (Part::Slice, true)),
            (Codec::H265, &[0x02, 1, 0x2F], (Part::Slice, false)),
            (Codec::H265, &[0x40, 1, 0xFF], (Part::BeforePicture, false)),
            (Codec::H265, &[0x4E, 1], (Part::BeforePicture, false)),
            (Codec::H265, &[0x50, 1, 0xFF], (Part::Other, false)),
        ] {
            assert_eq!(header(codec, unit), expected, "{codec:?} {unit:x?}");
        }
    }

    #[test]
    fn the_form_of_a_packet_shows_in_its_first_bytes() {
        assert_eq!(Codec::H264.kind(&[0x65, 1]), Kind::Unit);
        assert_eq!(Codec::H264.kind(&[0x0A]), Kind::Unit, "the end of a sequence has no more");
        assert_eq!(Codec::H264.kind(&[0x18, 0, 1, 9]), Kind::Units(&[0, 1, 9]));
        let fragment = |header, is_first, is_last, bytes| Kind::Fragment { header, is_first, is_last, bytes };
        assert_eq!(Codec::H264.kind(&[0x7C, 0x85, 7]), fragment([0x65, 0], true, false, &[7]));
        assert_eq!(Codec::H264.kind(&[0x5C, 0x41, 7]), fragment([0x41, 0], false, true, &[7]));
        assert_eq!(Codec::H265.kind(&[0x26, 1, 0xAF]), Kind::Unit);
        assert_eq!(Codec::H265.kind(&[0x60, 1, 0, 1, 9]), Kind::Units(&[0, 1, 9]));
        assert_eq!(Codec::H265.kind(&[0x62, 1, 0x93, 7]), fragment([0x26, 1], true, false, &[7]));
        for (codec, payload) in [
            (Codec::H264, &[0xE5, 1][..]),
            (Codec::H264, &[0x00, 1]),
            (Codec::H264, &[0x1D, 1, 1]),
            (Codec::H264, &[]),
            (Codec::H265, &[0x26]),
            (Codec::H265, &[0x64, 1, 1]),
        ] {
            assert_eq!(codec.kind(payload), Kind::Unknown, "{codec:?} {payload:x?}");
        }
    }
}
