//! The parameter sets of a stream, without which no picture of it can be decoded: the newest of each number.

use std::collections::{BTreeMap, BTreeSet};

use super::nal::{Codec, Kind, without_end_zeros};
use super::picture::{Pps, Sps};
use super::{avc, hevc};

/// A set of more bytes is damaged.
const LONGEST: usize = 4096;
/// Put before each set that is added.
const LONG_START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The newest parameter sets. At most 16, 32 and 256 of them, by the standards' numbers.
#[derive(Clone, Debug)]
pub(super) struct ParameterSets {
    codec: Codec,
    vps: BTreeMap<u32, Vec<u8>>,
    sps: BTreeMap<u32, (Sps, Vec<u8>)>,
    pps: BTreeMap<u32, (Pps, Vec<u8>)>,
}

/// A parameter set that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: u32,
    /// The set differs from the one before of this number.
    pub(super) is_new: bool,
}

impl ParameterSets {
    /// No sets of this codec.
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, vps: BTreeMap::new(), sps: BTreeMap::new(), pps: BTreeMap::new() }
    }

    /// Keeps a NAL unit that is a parameter set. `None` for one that is none, or is damaged.
    pub(super) fn keep(&mut self, kind: Kind, unit: &[u8]) -> Option<Kept> {
        let unit = without_end_zeros(unit);
        if unit.len() > LONGEST {
            return None;
        }
        match (kind, self.codec) {
            (Kind::Vps, Codec::H265) => {
                let id = hevc::vps_id(unit)?;
                Some(Kept { id, is_new: put(&mut self.vps, id, unit, Vec::as_slice, |bytes| bytes) })
            }
            (Kind::Sps, codec) => {
                let sps = if codec == Codec::H264 { avc::sps(unit) } else { hevc::sps(unit) }?;
                let with = |bytes| (sps, bytes);
                Some(Kept { id: sps.id, is_new: put(&mut self.sps, sps.id, unit, |(_, b)| b, with) })
            }
            (Kind::Pps, codec) => {
                let pps = if codec == Codec::H264 { avc::pps(unit) } else { hevc::pps(unit) }?;
                let with = |bytes| (pps, bytes);
                Some(Kept { id: pps.id, is_new: put(&mut self.pps, pps.id, unit, |(_, b)| b, with) })
            }
            _ => None,
        }
    }

    /// The sets that a picture's first slice needs.
    pub(super) fn of_slice(&self, slice: &[u8]) -> Option<(Sps, Pps)> {
        let number = match self.codec {
            Codec::H264 => avc::pps_of_slice(slice),
            Codec::H265 => hevc::pps_of_slice(slice),
        };
        let (pps, _) = self.pps.get(&number?)?;
        self.sps.get(&pps.sps).map(|(sps, _)| (*sps, *pps))
    }

    /// The sets of a kind, but for those with these numbers, each behind a start code.
    pub(super) fn missing(&self, kind: Kind, but: &BTreeSet<u32>) -> Vec<u8> {
        let of_kind: Vec<(&u32, &Vec<u8>)> = match kind {
            Kind::Vps => self.vps.iter().collect(),
            Kind::Sps => self.sps.iter().map(|(id, (_, unit))| (id, unit)).collect(),
            Kind::Pps => self.pps.iter().map(|(id, (_, unit))| (id, unit)).collect(),
            _ => Vec::new(),
        };
        let missing = of_kind.into_iter().filter(|(id, _)| !but.contains(id));
        missing.flat_map(|(_, unit)| LONG_START_CODE.iter().chain(unit)).copied().collect()
    }
}

/// Puts a set in the place of the one with its number. True if it differs from that. One that is the same costs no memory.
fn put<T>(
    sets: &mut BTreeMap<u32, T>,
    id: u32,
    unit: &[u8],
    bytes: impl Fn(&T) -> &[u8],
    with: impl FnOnce(Vec<u8>) -> T,
) -> bool {
    let is_new = sets.get(&id).map(bytes) != Some(unit);
    if is_new {
        sets.insert(id, with(unit.to_vec()));
    }
    is_new
}
