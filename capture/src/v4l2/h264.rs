//! Key frames and parameter sets in H.264 access units, as byte streams with start codes. Pure.
//!
//! A key frame in a ring carries its parameter sets, so that a clip can begin with it. Cameras mostly send them with each key
//! frame, and some only with the first.

/// The parameter sets seen last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParameterSets {
    /// The sequence parameter set, with its start code.
    sps: Vec<u8>,
    /// The picture parameter set, with its start code.
    pps: Vec<u8>,
}

/// An access unit, looked at up to its first slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The unit is an IDR picture.
    pub(crate) is_key: bool,
    /// The parameter sets differ from those before.
    pub(crate) has_new_sets: bool,
    /// Parameter sets have to be put before it: a key frame that has none of its own.
    pub(crate) needs_sets: bool,
}

const START: [u8; 3] = [0, 0, 1];
const SLICES: std::ops::RangeInclusive<u8> = 1..=5;
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;

impl ParameterSets {
    /// Looks at an access unit, and keeps its parameter sets. `None` for bytes without a slice in them.
    pub(crate) fn look_at(&mut self, unit: &[u8]) -> Option<Unit> {
        let (mut own_sps, mut own_pps, mut has_new_sets) = (false, false, false);
        let mut rest = behind_start(unit)?;
        loop {
            let kind = rest.first()? & 0x1f;
            if SLICES.contains(&kind) {
                let is_key = kind == IDR;
                let has_own = own_sps && own_pps;
                let are_known = self.bytes().iter().all(|set| !set.is_empty());
                let needs_sets = is_key && !has_own && are_known;
                return Some(Unit { is_key, has_new_sets, needs_sets });
            }
            let next = rest.windows(3).position(|three| three == START)?;
            // A start code may begin with a further zero, and a set may be followed by more.
            let nal = without_end_zeros(&rest[..next]);
            let kept = match kind {
                SPS => Some((&mut self.sps, &mut own_sps)),
                PPS => Some((&mut self.pps, &mut own_pps)),
                _ => None,
            };
            if let Some((kept, own)) = kept {
                let set = [&[0], &START[..], nal].concat();
                has_new_sets |= *kept != set;
                *kept = set;
                *own = true;
            }
            rest = &rest[next + START.len()..];
        }
    }

    /// The bytes of both sets.
    pub(crate) fn bytes(&self) -> [&[u8]; 2] {
        [&self.sps, &self.pps]
    }
}

/// The bytes behind the first start code.
fn behind_start(unit: &[u8]) -> Option<&[u8]> {
    let start = unit.windows(3).position(|three| three == START)?;
    Some(&unit[start + START.len()..])
}

fn without_end_zeros(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    &nal[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS_NAL: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2, 3];
    const PPS_NAL: &[u8] = &[0, 0, 0, 1, 0x68, 9];
    const IDR_NAL: &[u8] = &[0, 0, 1, 0x65, 5, 0, 0, 3, 1];
    const P_NAL: &[u8] = &[0, 0, 0, 1, 0x41, 5];
    const DELIMITER: &[u8] = &[0, 0, 0, 1, 0x09, 0x10];

    #[test]
    fn sets_are_kept_and_are_needed_by_a_key_frame_that_has_none() {
        let mut sets = ParameterSets::default();
        let first = [DELIMITER, SPS_NAL, PPS_NAL, IDR_NAL].concat();
        let unit = |is_key, has_new_sets, needs_sets| Some(Unit { is_key, has_new_sets, needs_sets });
        assert_eq!(sets.look_at(&first), unit(true, true, false));
        assert_eq!(sets.bytes(), [SPS_NAL, PPS_NAL]);
        assert_eq!(sets.look_at(&first), unit(true, false, false));
        assert_eq!(sets.look_at(P_NAL), unit(false, false, false));
        assert_eq!(sets.look_at(&[DELIMITER, IDR_NAL].concat()), unit(true, false, true));
        let others = [SPS_NAL, &[0, 0, 1, 0x68, 8, 0, 0, 0], IDR_NAL].concat();
        assert_eq!(sets.look_at(&others), unit(true, true, false));
        assert_eq!(sets.bytes()[1], [0, 0, 0, 1, 0x68, 8], "without the zeros behind it");
    }

    #[test]
    fn a_key_frame_before_any_set_goes_as_it_is_and_bytes_without_a_slice_are_none() {
        let mut sets = ParameterSets::default();
        assert_eq!(sets.look_at(IDR_NAL).map(|unit| unit.needs_sets), Some(false));
        for no_unit in [&[][..], &[0; 50], SPS_NAL, &[0, 0, 1]] {
            assert_eq!(sets.look_at(no_unit), None, "{no_unit:?}");
        }
    }
}
