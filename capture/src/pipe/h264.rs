//! H.264 with start codes (Annex B of ITU-T H.264), split into access units: a frame each, or a field of an interlaced stream.
//!
//! An access unit ends where the next one begins, which shows when the first NAL unit of the next is there, or after a time
//! of quiet. Every key frame gets the parameter sets that it lacks, so that it is a complete beginning, whoever reads from it.

mod sets;
mod sps;

use memchr::memmem::Finder;
use proto::frame::{FrameFlags, Payload, PictureTags};
use proto::ring::RingSpec;

use crate::stream::{Found, FoundFrame, Framing, most_bytes};
use sets::ParameterSets;

/// The bytes in front of each NAL unit. A zero before them belongs to them.
const START_CODE: &[u8] = &[0, 0, 1];

/// The kinds of NAL units that matter here (table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A slice of a picture that is no key frame.
    Slice,
    /// A slice of a key frame (IDR).
    KeySlice,
    Sps,
    Pps,
    /// An access unit delimiter.
    Delimiter,
    /// Another one that only stands before a picture: remarks (SEI), and those kept for later use.
    BeforePicture,
    Other,
}

impl Kind {
    fn of(header: u8) -> Self {
        match header & 0x1F {
            1..=4 => Self::Slice,
            5 => Self::KeySlice,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::Delimiter,
            6 | 15..=18 => Self::BeforePicture,
            _ => Self::Other,
        }
    }

    fn is_slice(self) -> bool {
        matches!(self, Self::Slice | Self::KeySlice)
    }
}

/// A NAL unit in the bytes.
#[derive(Clone, Copy, Debug)]
struct Unit {
    /// The place of its start code, with the zero before it.
    start: usize,
    /// The place of its first byte behind the start code.
    header: usize,
    kind: Kind,
}

/// Access units in a stream.
#[derive(Clone, Debug)]
pub(super) struct AccessUnits {
    start_code: Finder<'static>,
    /// The NAL units at the beginning of the bytes, as far as they have been found.
    units: Vec<Unit>,
    /// No start code that isn't in `units` begins before this place.
    searched: usize,
    sets: ParameterSets,
    found: Laid,
    tags: PictureTags,
    rate: Option<f64>,
    /// The last access unit was taken for whole because nothing came. Bytes without a start code are its rest.
    was_quiet: bool,
    /// An access unit may have so many bytes.
    most: usize,
}

/// The access unit that was found last: the bytes up to `end`, with parameter sets put in at two places.
#[derive(Clone, Debug, Default)]
struct Laid {
    end: usize,
    /// Behind the delimiter.
    sps_at: usize,
    sps: Vec<u8>,
    /// Before the first slice.
    pps_at: usize,
    pps: Vec<u8>,
}

impl AccessUnits {
    /// Access units of at most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            start_code: Finder::new(START_CODE),
            units: Vec::new(),
            searched: 0,
            sets: ParameterSets::default(),
            found: Laid::default(),
            tags: PictureTags::default(),
            rate: None,
            was_quiet: false,
            most,
        }
    }

    /// Finds the next NAL unit whose first two bytes are there: a slice's place in its picture shows in the second.
    fn next_unit(&mut self, bytes: &[u8]) -> Option<Unit> {
        let Some(found) = self.start_code.find(&bytes[self.searched..]) else {
            self.searched = self.searched.max((bytes.len() + 1).saturating_sub(START_CODE.len()));
            return None;
        };
        let place = self.searched + found;
        let header = place + START_CODE.len();
        if bytes.len() < header + 2 {
            self.searched = place;
            return None;
        }
        self.searched = header;
        let floor = self.units.last().map_or(0, |unit| unit.header);
        let has_zero = place > floor && bytes[place - 1] == 0;
        Some(Unit { start: place - usize::from(has_zero), header, kind: Kind::of(bytes[header]) })
    }

    /// Does a NAL unit begin the next access unit?
    fn begins_another(&self, unit: &Unit, bytes: &[u8]) -> bool {
        let begins = match unit.kind {
            Kind::Slice | Kind::KeySlice => is_first_slice(unit, bytes),
            Kind::Other => false,
            Kind::Sps | Kind::Pps | Kind::Delimiter | Kind::BeforePicture => true,
        };
        begins && self.has_picture()
    }

    fn has_picture(&self) -> bool {
        self.units.iter().any(|unit| unit.kind.is_slice())
    }

    /// Bytes that belong to no access unit: those before the first start code, or the rest of an access unit.
    fn pass_over(&mut self, bytes: &[u8]) -> Found {
        self.searched = 0;
        let is_rest = bytes.iter().any(|byte| *byte != 0) && std::mem::take(&mut self.was_quiet);
        let bytes = bytes.len();
        if is_rest {
            Found::Damaged { bytes, damage: "it went on after a pause inside a frame" }
        } else {
            Found::Nothing { bytes }
        }
    }

    /// Forgets what was found of an access unit.
    fn begin(&mut self) -> Vec<Unit> {
        self.searched = 0;
        std::mem::take(&mut self.units)
    }

    /// The access unit that ends here is whole.
    fn unit_until(&mut self, bytes: &[u8], end: usize) -> Found {
        let units = self.begin();
        if end > self.most {
            return Found::TooLarge { bytes: end };
        }
        let ends = units.iter().skip(1).map(|unit| unit.start).chain([end]);
        let contents: Vec<_> =
            units.iter().zip(ends).map(|(unit, end)| (*unit, &bytes[unit.header..end])).collect();
        let mut is_new = false;
        for (unit, content) in &contents {
            is_new |= self.sets.take(unit.kind, content);
        }
        let slice = contents.iter().find(|(unit, _)| unit.kind.is_slice());
        let Some((slice, content)) = slice.filter(|(slice, _)| is_first_slice(slice, bytes)) else {
            return Found::Damaged { bytes: end, damage: "the beginning of its picture is missing" };
        };
        // Before the first parameter sets nothing can be decoded.
        let Some(sps) = self.sets.of_slice(content) else { return Found::Nothing { bytes: end } };
        if sps.is_field(content) {
            return Found::Unusable(
                "its pictures are single fields; have it written in whole frames (progressive)",
            );
        }
        (self.tags, self.rate) = (sps.tags, sps.rate);
        let (size, is_key) = (sps.size, slice.kind == Kind::KeySlice);
        self.found = if is_key {
            self.with_sets(&contents, slice.start, end)
        } else {
            Laid { end, ..Laid::default() }
        };
        let flags = FrameFlags::KEY.when(is_key).with(FrameFlags::NEW_PARAMETERS.when(is_new));
        let room = end + self.found.sps.len() + self.found.pps.len();
        Found::Frame(FoundFrame { start: 0, end, room, size, flags })
    }

    /// A key frame with the parameter sets that it lacks.
    fn with_sets(&self, contents: &[(Unit, &[u8])], first_slice: usize, end: usize) -> Laid {
        let has = |kind| {
            let of_kind = contents.iter().filter(move |(unit, _)| unit.kind == kind);
            of_kind.filter_map(move |(_, content)| sets::id(kind, content)).collect::<Vec<_>>()
        };
        let behind_delimiter = contents.iter().find(|(unit, _)| unit.kind != Kind::Delimiter);
        Laid {
            end,
            sps_at: behind_delimiter.map_or(0, |(unit, _)| unit.start),
            sps: self.sets.missing(Kind::Sps, &has(Kind::Sps)),
            pps_at: first_slice,
            pps: self.sets.missing(Kind::Pps, &has(Kind::Pps)),
        }
    }
}

/// Does a slice begin a picture? Its number of the first macroblock is 0 then, which is a single bit that is set.
fn is_first_slice(unit: &Unit, bytes: &[u8]) -> bool {
    bytes.get(unit.header + 1).is_some_and(|byte| byte & 0x80 != 0)
}

impl Framing for AccessUnits {
    fn find(&mut self, bytes: &[u8]) -> Found {
        while let Some(unit) = self.next_unit(bytes) {
            if self.units.is_empty() && unit.start > 0 {
                return self.pass_over(&bytes[..unit.start]);
            }
            if self.begins_another(&unit, bytes) {
                return self.unit_until(bytes, unit.start);
            }
            self.was_quiet = false;
            self.units.push(unit);
        }
        if bytes.len() > self.most {
            self.begin();
            return Found::TooLarge { bytes: bytes.len() };
        }
        // A start code and two bytes may still be on their way.
        let beginning = bytes.len().saturating_sub(START_CODE.len() + 2);
        if self.units.is_empty() && beginning > 0 { self.pass_over(&bytes[..beginning]) } else { Found::More }
    }

    fn find_when_quiet(&mut self, bytes: &[u8]) -> Found {
        if !self.has_picture() {
            return Found::More;
        }
        // The beginning of the next start code is left for later.
        let whole =
            if bytes[self.searched..].starts_with(START_CODE) { &bytes[..self.searched] } else { bytes };
        let end = whole.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        self.was_quiet = true;
        self.unit_until(bytes, end)
    }

    fn write(&self, bytes: &[u8], frame: &mut [u8]) -> usize {
        let Laid { end, sps_at, sps, pps_at, pps } = &self.found;
        let pieces = [&bytes[..*sps_at], sps, &bytes[*sps_at..*pps_at], pps, &bytes[*pps_at..*end]];
        let mut written = 0;
        for piece in pieces {
            frame[written..][..piece.len()].copy_from_slice(piece);
            written += piece.len();
        }
        written
    }

    fn payload(&self) -> Payload {
        Payload::H264
    }

    fn is(&self) -> &'static str {
        "H.264 picture that can be decoded is"
    }

    fn picture_tags(&self) -> PictureTags {
        self.tags
    }

    fn rate(&self) -> Option<f64> {
        self.rate
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
