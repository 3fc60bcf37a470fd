//! H.264 and H.265 with start codes, split into access units: a frame each. Where an access unit ends and what it says of
//! itself is [`crate::h26x`]'s business.
//!
//! An access unit ends where the next one begins, which shows when the first NAL unit of the next is there, or after a time
//! of quiet.

use proto::frame::{DecodesFrom, Decoding, Payload, PictureTags};
use proto::ring::RingSpec;

use super::{Found, FoundFrame, Framing, most_bytes};
use crate::h26x::{Codec, Flaw, START_CODE, Stream, Units};

/// Access units in a stream of bytes.
#[derive(Clone, Debug)]
pub struct AccessUnits {
    codec: Codec,
    units: Units,
    stream: Stream,
    /// A NAL unit has been found at the beginning of the bytes.
    has_begun: bool,
    /// A slice has been found behind it.
    has_picture: bool,
    /// The last access unit was taken for whole because nothing came. Bytes without a start code are its rest.
    was_quiet: bool,
    /// An access unit may have so many bytes.
    most: usize,
    /// Of the access unit that was found last.
    decodes_from: DecodesFrom,
}

impl AccessUnits {
    /// Access units of at most `most` bytes.
    #[must_use]
    pub fn new(codec: Codec, most: usize) -> Self {
        Self {
            codec,
            units: Units::of(codec),
            stream: Stream::new(codec),
            has_begun: false,
            has_picture: false,
            was_quiet: false,
            most,
            decodes_from: DecodesFrom::default(),
        }
    }

    /// Bytes that belong to no access unit: those before the first start code, or the rest of an access unit.
    fn pass_over(&mut self, bytes: &[u8]) -> Found {
        self.begin();
        let is_rest = bytes.iter().any(|byte| *byte != 0) && std::mem::take(&mut self.was_quiet);
        let bytes = bytes.len();
        if is_rest {
            Found::Damaged { bytes, damage: "it went on after a pause inside a frame" }
        } else {
            Found::Nothing { bytes }
        }
    }

    /// Forgets what was found of an access unit.
    fn begin(&mut self) {
        self.units.begin();
        (self.has_begun, self.has_picture) = (false, false);
    }

    /// The access unit that ends here is whole.
    fn unit_until(&mut self, bytes: &[u8], end: usize) -> Found {
        self.begin();
        if end > self.most {
            return Found::TooLarge { bytes: end };
        }
        match self.stream.look_at(&bytes[..end]) {
            Ok(unit) => {
                self.decodes_from = unit.decodes_from;
                let (size, flags, room) = (unit.picture.size, unit.flags, unit.room);
                Found::Frame(FoundFrame { start: 0, end, room, size, flags })
            }
            // Before the first parameter sets nothing can be decoded.
            Err(Flaw::NoSets | Flaw::NoPicture) => Found::Nothing { bytes: end },
            Err(Flaw::NoBeginning) => {
                Found::Damaged { bytes: end, damage: "the beginning of its picture is missing" }
            }
            Err(Flaw::Fields) => Found::Unusable(
                "its pictures are single fields; have it written in whole frames (progressive)",
            ),
        }
    }
}

impl Framing for AccessUnits {
    fn find(&mut self, bytes: &[u8]) -> Found {
        while let Some(unit) = self.units.next(bytes) {
            if !self.has_begun && unit.start > 0 {
                return self.pass_over(&bytes[..unit.start]);
            }
            if self.has_picture && self.codec.begins_another(unit.kind, &bytes[unit.header..]) {
                return self.unit_until(bytes, unit.start);
            }
            self.was_quiet = false;
            self.has_begun = true;
            self.has_picture |= unit.kind.is_slice();
        }
        if bytes.len() > self.most {
            self.begin();
            return Found::TooLarge { bytes: bytes.len() };
        }
        // A start code and the bytes by which a NAL unit is known may still be on their way.
        let beginning = bytes.len().saturating_sub(START_CODE.len() + self.units.least_bytes());
        if !self.has_begun && beginning > 0 { self.pass_over(&bytes[..beginning]) } else { Found::More }
    }

    fn find_when_quiet(&mut self, bytes: &[u8]) -> Found {
        if !self.has_picture {
            return Found::More;
        }
        // The beginning of the next start code is left for later.
        let searched = self.units.searched();
        let whole = if bytes[searched..].starts_with(START_CODE) { &bytes[..searched] } else { bytes };
        let end = whole.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        self.was_quiet = true;
        self.unit_until(bytes, end)
    }

    fn write(&self, bytes: &[u8], frame: &mut [u8]) -> usize {
        self.stream.write(bytes, frame)
    }

    fn payload(&self) -> Payload {
        self.codec.payload()
    }

    fn is(&self) -> &'static str {
        match self.codec {
            Codec::H264 => "H.264 picture that can be decoded is",
            Codec::H265 => "H.265 picture that can be decoded is",
        }
    }

    fn picture_tags(&self) -> PictureTags {
        self.stream.picture().tags
    }

    fn decoding(&self) -> Decoding {
        Decoding { from: self.decodes_from, reorders: self.stream.picture().reorders, picture_offset_ns: 0 }
    }

    fn rate(&self) -> Option<f64> {
        self.stream.picture().rate
    }

    fn fit(&mut self, ring: &RingSpec) {
        self.most = most_bytes(ring);
    }

    fn copy(&self) -> Box<dyn Framing> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
