//! NAL units: where they begin and end in bytes, what each is for, and which of them begins the next access unit.

use memchr::memmem::Finder;
use proto::frame::Payload;

/// The bytes in front of each NAL unit. A zero before them belongs to them.
pub const START_CODE: &[u8] = &[0, 0, 1];

/// The codec of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
}

/// The part that a NAL unit plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// H.265: a set that others refer to.
    Vps,
    /// A sequence parameter set.
    Sps,
    /// A picture parameter set.
    Pps,
    /// A slice of a picture that decodes from earlier ones, or says only in its header that it doesn't.
    Slice,
    /// A slice of a picture with which everything begins anew: IDR.
    KeySlice,
    /// H.265: a slice of a picture that stands alone, although pictures that are shown before it may not: CRA or BLA.
    OpenSlice,
    /// H.265: a slice of a picture that is shown before such a one, and needs what came before it: RASL.
    LeadingSlice,
    /// H.265: a slice of a picture that is shown before such a one, and needs nothing before it: RADL.
    OwnLeadingSlice,
    /// Begins an access unit, and holds nothing.
    Delimiter,
    /// Remarks (SEI) that stand before a picture.
    Remarks,
    /// Another one that only stands before a picture.
    BeforePicture,
    /// Any other.
    Other,
}

impl Kind {
    /// Is it a part of a picture?
    #[must_use]
    pub fn is_slice(self) -> bool {
        matches!(
            self,
            Self::Slice | Self::KeySlice | Self::OpenSlice | Self::LeadingSlice | Self::OwnLeadingSlice
        )
    }
}

impl Codec {
    /// The codec of a ring's frames; `None` for frames of another kind.
    #[must_use]
    pub fn of(payload: Payload) -> Option<Self> {
        match payload {
            Payload::H264 => Some(Self::H264),
            Payload::H265 => Some(Self::H265),
            Payload::Planes | Payload::Jpeg => None,
        }
    }

    /// The kind of a ring's frames.
    #[must_use]
    pub fn payload(self) -> Payload {
        match self {
            Self::H264 => Payload::H264,
            Self::H265 => Payload::H265,
        }
    }

    /// The bytes of a NAL unit's header.
    #[must_use]
    pub fn header_bytes(self) -> usize {
        match self {
            Self::H264 => 1,
            Self::H265 => 2,
        }
    }

    /// The part that a NAL unit plays; `unit` begins with its header, without start code.
    #[must_use]
    pub fn kind(self, unit: &[u8]) -> Kind {
        match (self, unit) {
            (Self::H264, [header, ..]) => Self::kind_in_h264(header & 0x1F),
            // Only the first layer is decoded.
            (Self::H265, [first, second, ..]) if first & 1 == 0 && second & 0xF8 == 0 => {
                Self::kind_in_h265(first >> 1 & 0x3F)
            }
            _ => Kind::Other,
        }
    }

    /// Table 7-1 of H.264.
    fn kind_in_h264(number: u8) -> Kind {
        match number {
            1..=4 => Kind::Slice,
            5 => Kind::KeySlice,
            6 => Kind::Remarks,
            7 => Kind::Sps,
            8 => Kind::Pps,
            9 => Kind::Delimiter,
            15..=18 => Kind::BeforePicture,
            _ => Kind::Other,
        }
    }

    /// Table 7-1 of H.265.
    fn kind_in_h265(number: u8) -> Kind {
        match number {
            0..=5 => Kind::Slice,
            6 | 7 => Kind::OwnLeadingSlice,
            8 | 9 => Kind::LeadingSlice,
            16..=18 | 21 => Kind::OpenSlice,
            19 | 20 => Kind::KeySlice,
            32 => Kind::Vps,
            33 => Kind::Sps,
            34 => Kind::Pps,
            35 => Kind::Delimiter,
            39 => Kind::Remarks,
            41..=44 | 48..=55 => Kind::BeforePicture,
            _ => Kind::Other,
        }
    }

    /// Does a slice begin a picture? The bit behind the header says so in both: H.265 has a flag there, and H.264 the number
    /// of the first macroblock, of which 0 is a single bit that is set.
    #[must_use]
    pub fn is_first_slice(self, unit: &[u8]) -> bool {
        unit.get(self.header_bytes()).is_some_and(|byte| byte & 0x80 != 0)
    }

    /// Does this NAL unit begin another access unit, behind one that has a picture?
    #[must_use]
    pub fn begins_another(self, kind: Kind, unit: &[u8]) -> bool {
        match kind {
            Kind::Other => false,
            kind if kind.is_slice() => self.is_first_slice(unit),
            _ => true,
        }
    }
}

/// A NAL unit in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The place of its start code, with the zero before it.
    pub start: usize,
    /// The place of its first byte behind the start code.
    pub header: usize,
    /// The part that it plays.
    pub kind: Kind,
}

/// Finds NAL units in bytes that grow at their end.
#[derive(Clone, Debug)]
pub struct Units {
    codec: Codec,
    start_code: Finder<'static>,
    /// No start code that wasn't found begins before this place.
    searched: usize,
    /// The place behind the last start code that was found; 0 before the first.
    last_header: usize,
}

impl Units {
    /// The NAL units of a stream of this codec.
    #[must_use]
    pub fn of(codec: Codec) -> Self {
        Self { codec, start_code: Finder::new(START_CODE), searched: 0, last_header: 0 }
    }

    /// Begins again, with other bytes.
    pub fn begin(&mut self) {
        (self.searched, self.last_header) = (0, 0);
    }

    /// No start code begins before this place, but for those that were found.
    #[must_use]
    pub fn searched(&self) -> usize {
        self.searched
    }

    /// The least bytes behind a start code by which a NAL unit is known: its header, and a slice's first byte.
    #[must_use]
    pub fn least_bytes(&self) -> usize {
        self.codec.header_bytes() + 1
    }

    /// The next NAL unit of which enough is there to know it.
    pub fn next(&mut self, bytes: &[u8]) -> Option<Unit> {
        self.next_of(bytes, self.least_bytes())
    }

    /// The next NAL unit, however few bytes it has.
    pub(super) fn next_in_whole(&mut self, bytes: &[u8]) -> Option<Unit> {
        self.next_of(bytes, 0)
    }

    fn next_of(&mut self, bytes: &[u8], least: usize) -> Option<Unit> {
        let Some(found) = self.start_code.find(bytes.get(self.searched..)?) else {
            self.searched = self.searched.max((bytes.len() + 1).saturating_sub(START_CODE.len()));
            return None;
        };
        let place = self.searched + found;
        let header = place + START_CODE.len();
        if bytes.len() < header + least {
            self.searched = place;
            return None;
        }
        let has_zero = place > self.last_header && bytes[place - 1] == 0;
        (self.searched, self.last_header) = (header, header);
        let kind = self.codec.kind(&bytes[header..]);
        Some(Unit { start: place - usize::from(has_zero), header, kind })
    }
}

/// A NAL unit without the zeros behind it, which belong to nothing.
pub(super) fn without_end_zeros(unit: &[u8]) -> &[u8] {
    &unit[..unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(codec: Codec, bytes: &[u8]) -> Vec<(usize, usize, Kind)> {
        let mut units = Units::of(codec);
        std::iter::from_fn(|| units.next(bytes)).map(|unit| (unit.start, unit.header, unit.kind)).collect()
    }

    #[test]
    fn nal_units_begin_behind_start_codes_of_three_or_four_bytes() {
        let h264 = [9, 0, 0, 1, 0x09, 0x10, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 0x80];
        let expected = [(1, 4, Kind::Delimiter), (6, 10, Kind::Sps), (12, 15, Kind::KeySlice)];
        assert_eq!(found(Codec::H264, &h264), expected);
        let h265 = [0, 0, 1, 0x40, 1, 0, 0, 0, 1, 0x42, 1, 0, 0, 1, 0x26, 1, 0x80];
        let expected = [(0, 3, Kind::Vps), (5, 9, Kind::Sps), (11, 14, Kind::KeySlice)];
        assert_eq!(found(Codec::H265, &h265), expected);
    }

    #[test]
    fn a_nal_unit_is_found_once_enough_of_it_is_there() {
        let bytes = [0, 0, 1, 0x65, 0x80, 0, 0, 0, 1, 0x41, 0x80];
        let mut units = Units::of(Codec::H264);
        let counts: Vec<usize> = (0..=bytes.len())
            .map(|length| std::iter::from_fn(|| units.next(&bytes[..length])).count())
            .collect();
        assert_eq!(counts, [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn other_layers_and_unknown_kinds_are_passed_over() {
        assert_eq!(Codec::H265.kind(&[0x26, 0x09, 0x80]), Kind::Other);
        assert_eq!(Codec::H265.kind(&[0x27, 0x01]), Kind::Other);
        for short in [&[][..], &[0x26]] {
            assert_eq!(Codec::H265.kind(short), Kind::Other);
        }
        let kinds = |numbers: &[u8]| -> Vec<Kind> {
            numbers.iter().map(|number| Codec::H265.kind(&[number << 1, 1, 0])).collect()
        };
        use Kind::{KeySlice, LeadingSlice, OpenSlice, Other, OwnLeadingSlice, Slice};
        assert_eq!(kinds(&[1, 7, 9, 10, 16]), [Slice, OwnLeadingSlice, LeadingSlice, Other, OpenSlice]);
        assert_eq!(kinds(&[19, 20, 21, 22, 40]), [KeySlice, KeySlice, OpenSlice, Other, Other]);
    }

    #[test]
    fn the_next_access_unit_begins_with_its_first_slice_or_what_stands_before_it() {
        let begins = |codec: Codec, unit: &[u8]| codec.begins_another(codec.kind(unit), unit);
        assert!(begins(Codec::H264, &[0x41, 0x9A]) && !begins(Codec::H264, &[0x41, 0x4A]));
        assert!(begins(Codec::H264, &[0x06, 5]) && !begins(Codec::H264, &[0x0C, 5]));
        assert!(begins(Codec::H265, &[0x02, 1, 0x80]) && !begins(Codec::H265, &[0x02, 1, 0x40]));
        assert!(begins(Codec::H265, &[0x4E, 1, 5]) && !begins(Codec::H265, &[0x50, 1, 5]));
    }
}
