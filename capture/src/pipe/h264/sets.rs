//! The parameter sets of an H.264 stream, without which no picture of it can be decoded: the newest of each number.

use std::collections::BTreeMap;

use super::Kind;
use super::sps::{self, Sps};

/// A set of more bytes is damaged.
const LONGEST: usize = 4096;
/// Put before each set that is added.
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The newest parameter sets.
#[derive(Clone, Debug, Default)]
pub(super) struct ParameterSets {
    sps: BTreeMap<u32, (Sps, Vec<u8>)>,
    /// By number; with the number of the sequence parameter set that each belongs to.
    pps: BTreeMap<u32, (u32, Vec<u8>)>,
}

/// The number of a parameter set, from its NAL unit without start code.
pub(super) fn id(kind: Kind, unit: &[u8]) -> Option<u32> {
    match kind {
        Kind::Sps => Sps::parse(unit).map(|sps| sps.id),
        Kind::Pps => sps::pps_ids(unit).map(|(id, _)| id),
        _ => None,
    }
}

impl ParameterSets {
    /// Keeps a NAL unit that is a parameter set. True for one that is new.
    pub(super) fn take(&mut self, kind: Kind, unit: &[u8]) -> bool {
        let unit = &unit[..unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
        if unit.len() > LONGEST {
            return false;
        }
        let before = match kind {
            Kind::Sps => {
                let Some(sps) = Sps::parse(unit) else { return false };
                self.sps.insert(sps.id, (sps, unit.to_vec())).map(|(_, unit)| unit)
            }
            Kind::Pps => {
                let Some((id, of)) = sps::pps_ids(unit) else { return false };
                self.pps.insert(id, (of, unit.to_vec())).map(|(_, unit)| unit)
            }
            _ => return false,
        };
        before.as_deref() != Some(unit)
    }

    /// The sequence parameter set that a slice needs.
    pub(super) fn of_slice(&self, slice: &[u8]) -> Option<Sps> {
        let (of, _) = self.pps.get(&sps::pps_of_slice(slice)?)?;
        self.sps.get(of).map(|(sps, _)| *sps)
    }

    /// The sets of a kind, but for those with these numbers, each behind a start code.
    pub(super) fn missing(&self, kind: Kind, but: &[u32]) -> Vec<u8> {
        let sps = self.sps.iter().map(|(id, (_, unit))| (id, unit)).filter(|_| kind == Kind::Sps);
        let pps = self.pps.iter().map(|(id, (_, unit))| (id, unit)).filter(|_| kind == Kind::Pps);
        let missing = sps.chain(pps).filter(|(id, _)| !but.contains(id));
        missing.flat_map(|(_, unit)| START_CODE.iter().chain(unit)).copied().collect()
    }
}
