//! [`Stream`]: one access unit after the other, each looked at as a whole.

use std::collections::BTreeSet;

use proto::frame::{DecodesFrom, FrameFlags};

use super::nal::{Codec, Kind, Unit, Units};
use super::picture::{Fields, Header, Order, Pps, Sps, StreamPicture};
use super::sets::ParameterSets;
use super::starts::{Part, Seen, Starts};
use super::{avc, hevc, sei};

/// An access unit, as far as a ring has to know it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AccessUnit {
    /// `KEY` for one with which everything begins anew (IDR), `NEW_PARAMETERS` for one whose parameter sets differ from those
    /// before.
    pub flags: FrameFlags,
    /// The access unit from which it decodes.
    pub decodes_from: DecodesFrom,
    /// The stream's words on its pictures.
    pub picture: StreamPicture,
    /// The bytes that [`Stream::write`] makes of it.
    pub room: usize,
}

/// The reason why bytes are no access unit that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// There is no slice in it.
    #[error("there is no picture in it")]
    NoPicture,
    /// Its first slice doesn't begin a picture.
    #[error("the beginning of its picture is missing")]
    NoBeginning,
    /// Nothing can be decoded before the first parameter sets.
    #[error("the parameter sets that it needs have not come yet")]
    NoSets,
    /// Each picture is one field of two.
    #[error("its pictures are single fields; have it written in whole frames (progressive)")]
    Fields,
}

/// The access units of a stream, each looked at in the order of decoding.
#[derive(Clone, Debug)]
pub struct Stream {
    codec: Codec,
    units: Units,
    sets: ParameterSets,
    starts: Starts,
    count: Count,
    added: Added,
    picture: StreamPicture,
}

/// The numbers of the pictures, without the ends of their few bits.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// The last picture's place in the order of showing.
    shown: i64,
    /// The farthest such place since the last key picture.
    farthest: i64,
    /// The last picture's frame number (H.264).
    frame: i64,
    /// A picture was shown before one that was decoded earlier.
    went_back: bool,
}

/// The parameter sets that are put into the access unit that was looked at last: of each kind, the place, and the bytes.
#[derive(Clone, Debug, Default)]
struct Added {
    length: usize,
    pieces: [(usize, Vec<u8>); 3],
}

/// An access unit while it is looked at.
struct Look {
    /// The numbers of its own sets.
    own: [BTreeSet<u32>; 3],
    has_new_sets: bool,
    /// Where sets of each kind may be put: behind the delimiter, and behind its own sets that they refer to.
    set_places: [usize; 3],
    /// Where the next NAL unit begins is such a place.
    is_place: [bool; 3],
    recovery: Option<u32>,
    first: Option<First>,
    /// All slices so far need no other picture.
    is_intra: bool,
}

impl Look {
    fn new() -> Self {
        Self {
            own: Default::default(),
            has_new_sets: false,
            set_places: [0; 3],
            is_place: [true; 3],
            recovery: None,
            first: None,
            is_intra: false,
        }
    }

    /// Finds places for parameter sets, up to the first slice.
    fn find_places(&mut self, unit: &Unit) {
        if self.first.is_some() {
            return;
        }
        for (place, is_place) in self.set_places.iter_mut().zip(&mut self.is_place) {
            if std::mem::take(is_place) {
                *place = unit.start;
            }
        }
        let first = match unit.kind {
            Kind::Delimiter => 0,
            Kind::Vps => 1,
            Kind::Sps => 2,
            _ => return,
        };
        self.is_place[first..].fill(true);
    }
}

/// The first slice of an access unit.
#[derive(Clone, Copy)]
struct First {
    kind: Kind,
    header: Header,
    sps: Sps,
}

impl Stream {
    /// A stream of this codec, of which nothing is known.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            units: Units::of(codec),
            sets: ParameterSets::new(codec),
            starts: Starts::default(),
            count: Count::default(),
            added: Added::default(),
            picture: StreamPicture::default(),
        }
    }

    /// The codec.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The words of the last access unit that could be used on its pictures.
    #[must_use]
    pub fn picture(&self) -> StreamPicture {
        self.picture
    }

    /// Keeps parameter sets that came beside the stream, such as those in an SDP: `units` are NAL units behind start codes.
    pub fn know(&mut self, units: &[u8]) {
        self.each_unit(units, |this, unit, content| {
            this.sets.keep(unit.kind, content);
            Ok(())
        })
        .unwrap_or_default();
    }

    /// Looks at the next access unit, which is all of `bytes`.
    ///
    /// # Errors
    /// The [`Flaw`] for which it can't be used. The parameter sets in it are kept all the same.
    pub fn look_at(&mut self, bytes: &[u8]) -> Result<AccessUnit, Flaw> {
        let mut look = Look::new();
        self.each_unit(bytes, |this, unit, content| this.look_at_unit(&mut look, unit, content))?;
        let Some(first) = look.first else { return Err(Flaw::NoPicture) };
        let is_key = first.kind == Kind::KeySlice;
        let part = self.part(&look, &first);
        let seen = self.count(part, &first);
        let reorders = match first.sps.order {
            Order::Unsaid => self.count.went_back,
            Order::AsDecoded | Order::Another => first.sps.picture.reorders,
        };
        self.picture = StreamPicture { reorders, ..first.sps.picture };
        let begins = is_key || matches!(part, Part::Recovery(_) | Part::Alone { .. });
        self.added = if begins { self.lacking(&look) } else { Added::default() };
        self.added.length = bytes.len();
        let added: usize = self.added.pieces.iter().map(|(_, set)| set.len()).sum();
        Ok(AccessUnit {
            flags: FrameFlags::KEY.when(is_key).with(FrameFlags::NEW_PARAMETERS.when(look.has_new_sets)),
            decodes_from: self.starts.of(&seen),
            picture: self.picture,
            room: bytes.len() + added,
        })
    }

    /// Writes the access unit that was looked at last, with the parameter sets that it lacks, and gives its length. `bytes`
    /// begin with those that were looked at.
    ///
    /// # Panics
    /// When `to` has less than [`AccessUnit::room`] bytes.
    pub fn write(&self, bytes: &[u8], to: &mut [u8]) -> usize {
        let (mut written, mut read) = (0, 0);
        let mut append = |piece: &[u8]| {
            to[written..][..piece.len()].copy_from_slice(piece);
            written += piece.len();
        };
        for (place, set) in &self.added.pieces {
            // Places rise, and the last one is before the first slice.
            if !set.is_empty() {
                append(&bytes[read..*place]);
                append(set);
                read = *place;
            }
        }
        append(&bytes[read..self.added.length]);
        written
    }

    /// Has each NAL unit looked at, with its bytes behind the start code.
    fn each_unit(
        &mut self,
        bytes: &[u8],
        mut look: impl FnMut(&mut Self, &Unit, &[u8]) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        self.units.begin();
        let mut unit = self.units.next_in_whole(bytes);
        while let Some(this) = unit {
            unit = self.units.next_in_whole(bytes);
            let end = unit.map_or(bytes.len(), |next| next.start);
            look(self, &this, &bytes[this.header.min(end)..end])?;
        }
        Ok(())
    }

    fn look_at_unit(&mut self, look: &mut Look, unit: &Unit, content: &[u8]) -> Result<(), Flaw> {
        look.find_places(unit);
        let own = match unit.kind {
            Kind::Vps => Some(0),
            Kind::Sps => Some(1),
            Kind::Pps => Some(2),
            _ => None,
        };
        if let Some(own) = own {
            if let Some(kept) = self.sets.keep(unit.kind, content) {
                look.own[own].insert(kept.id);
                look.has_new_sets |= kept.is_new;
            }
        } else if unit.kind == Kind::Remarks && look.first.is_none() {
            look.recovery = look.recovery.or_else(|| sei::recovery_point(self.codec, content));
        } else if unit.kind.is_slice() {
            self.look_at_slice(look, unit, content)?;
        }
        Ok(())
    }

    fn look_at_slice(&mut self, look: &mut Look, unit: &Unit, content: &[u8]) -> Result<(), Flaw> {
        if look.first.is_some() {
            // In H.265 the first slice says it for all that decides here.
            look.is_intra &= self.codec == Codec::H265 || avc::is_intra(content);
            return Ok(());
        }
        if !self.codec.is_first_slice(content) {
            return Err(Flaw::NoBeginning);
        }
        let (sps, pps) = self.sets.of_slice(content).ok_or(Flaw::NoSets)?;
        let header = self.header(content, &sps, &pps);
        if header.is_field || sps.fields == Fields::All {
            return Err(Flaw::Fields);
        }
        look.is_intra = header.is_intra;
        look.first = Some(First { kind: unit.kind, header, sps });
        Ok(())
    }

    /// A slice's header; nothing of one that is cut off in it.
    fn header(&self, slice: &[u8], sps: &Sps, pps: &Pps) -> Header {
        let read = match self.codec {
            Codec::H264 => avc::header(slice, sps),
            Codec::H265 => hevc::header(slice, sps, pps),
        };
        read.unwrap_or_default()
    }

    fn part(&self, look: &Look, first: &First) -> Part {
        match (first.kind, look.recovery) {
            (Kind::KeySlice, _) => Part::Key,
            (Kind::OpenSlice, _) => Part::Recovery(0),
            (Kind::LeadingSlice, _) => Part::Leading,
            (Kind::OwnLeadingSlice, _) => Part::OwnLeading,
            (_, Some(count)) => Part::Recovery(count),
            (_, None) if look.is_intra => Part::Alone { is_sure: first.sps.references <= 1 },
            _ => Part::Ordinary,
        }
    }

    /// Goes on counting with a picture.
    fn count(&mut self, part: Part, first: &First) -> Seen {
        let First { header, sps, .. } = first;
        let is_counted = sps.order_bits > 0;
        if part == Part::Key {
            let shown = i64::from(header.order);
            self.count = Count { shown, farthest: shown, frame: 0, went_back: self.count.went_back };
        } else {
            let count = &mut self.count;
            count.frame += rise(count.frame, header.frame_number, sps.frame_number_bits);
            count.shown += nearest(count.shown, header.order, sps.order_bits);
            count.went_back |= is_counted && count.shown < count.farthest;
            count.farthest = count.farthest.max(count.shown);
        }
        let progress = match self.codec {
            Codec::H264 => self.count.frame,
            Codec::H265 => self.count.shown,
        };
        Seen { part, shown: is_counted.then_some(self.count.shown), progress }
    }

    /// The parameter sets that an access unit lacks for a beginning: each kind before what refers to it.
    fn lacking(&self, look: &Look) -> Added {
        let [vps, sps, pps] = look.set_places;
        let piece = |kind: Kind, place: usize, own: &BTreeSet<u32>| (place, self.sets.missing(kind, own));
        Added {
            length: 0,
            pieces: [
                piece(Kind::Vps, vps, &look.own[0]),
                piece(Kind::Sps, sps, &look.own[1]),
                piece(Kind::Pps, pps, &look.own[2]),
            ],
        }
    }
}

/// How far a number has come whose low bits these are, if it never goes back.
fn rise(from: i64, low: u32, bits: u32) -> i64 {
    let whole = 1_i64 << bits;
    (i64::from(low) - from).rem_euclid(whole)
}

/// How far a number has come whose low bits these are, if it never goes farther than half of what they tell apart.
fn nearest(from: i64, low: u32, bits: u32) -> i64 {
    let rise = rise(from, low, bits);
    let whole = 1_i64 << bits;
    if rise > whole / 2 { rise - whole } else { rise }
}
