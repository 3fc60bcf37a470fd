//! H.264 access units in Annex B form, as rings hold them (ITU-T H.264, annex B), taken apart into NAL units. Pure. What is
//! written of them into a file is [`crate::copied`]'s subject.

/// Types of NAL units.
const SPS: u8 = 7;
const PPS: u8 = 8;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The type of a NAL unit: the low five bits of its first byte.
fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 31)
}

/// The NAL units of an access unit, in order.
pub(crate) fn units(access_unit: &[u8]) -> Units<'_> {
    let next = start_code(access_unit).map(|at| at + 3);
    Units { rest: next.and_then(|next| access_unit.get(next..)) }
}

/// See [`units`].
pub(crate) struct Units<'a> {
    /// The bytes behind the next unit's start code; `None` behind the last unit.
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Units<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest.take()?;
            let (unit, behind) = match start_code(rest) {
                Some(at) => (&rest[..at], rest.get(at + 3..)),
                None => (rest, None),
            };
            self.rest = behind;
            // Zeros before a start code belong to it, and so do those at the end: no unit ends with one.
            let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if end > 0 {
                return Some(&unit[..end]);
            }
        }
    }
}

/// The place of the first three bytes 0, 0, 1.
fn start_code(bytes: &[u8]) -> Option<usize> {
    let mut last = 2;
    // The last byte of the three says most: if it is none of theirs, none of the three places before it can be the first.
    while let Some(byte) = bytes.get(last) {
        match byte {
            0 => last += 1,
            1 if bytes[last - 2..last] == [0, 0] => return Some(last - 2),
            _ => last += 3,
        }
    }
    None
}

/// The parameter sets of an access unit, each with a start code, as libav takes them. `None` if it has not both kinds.
pub(crate) fn parameter_sets(access_unit: &[u8]) -> Option<Vec<u8>> {
    let of = |wanted: u8| units(access_unit).filter(move |unit| kind(unit) == wanted);
    let sets: Vec<u8> = of(SPS).chain(of(PPS)).flat_map(|unit| [&START_CODE, unit].concat()).collect();
    (of(SPS).next().is_some() && of(PPS).next().is_some()).then_some(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(bytes: &[u8]) -> Vec<&[u8]> {
        units(bytes).collect()
    }

    #[test]
    fn an_access_unit_is_split_at_its_start_codes_long_and_short() {
        let bytes = [0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x67, 1, 0, 2, 0, 0, 0, 0, 1, 0x65, 5, 0, 0, 3, 1, 0, 0];
        assert_eq!(split(&bytes), [&[9, 0xf0][..], &[0x67, 1, 0, 2], &[0x65, 5, 0, 0, 3, 1]]);
        assert_eq!(split(&bytes[1..]), split(&bytes));
        // Bytes before the first start code, and units without any.
        assert_eq!(split(&[7, 7, 0, 0, 1, 0, 0, 0, 1, 0x41]), [&[0x41][..]]);
        for none in [&[][..], &[0, 0], &[0, 0, 1], &[1, 2, 3, 4, 5], &[0, 0, 0, 0, 0, 1]] {
            assert!(split(none).is_empty(), "{none:?}");
        }
    }

    #[test]
    fn every_start_code_is_found_wherever_it_stands() {
        for at in 0..40 {
            for filling in [0, 1, 2, 0xff] {
                let mut bytes = vec![filling; 40];
                bytes.splice(at..at, [0, 0, 1]);
                let first = bytes.windows(3).position(|three| three == [0, 0, 1]);
                assert_eq!(start_code(&bytes), first, "{at} {filling}");
            }
        }
    }

    #[test]
    fn parameter_sets_are_found_among_other_units_and_both_kinds_are_needed() {
        let (sps, pps) = ([0, 0, 0, 1, 0x67, 66, 0, 31], [0, 0, 0, 1, 0x68, 0xee]);
        let (delimiter, slice) = ([0, 0, 0, 1, 9, 0xf0], [0, 0, 1, 0x65, 1, 2, 3]);
        let sets = [&sps[..], &pps].concat();
        assert_eq!(parameter_sets(&[&delimiter[..], &pps, &sps, &slice].concat()), Some(sets));
        assert_eq!(parameter_sets(&[&sps[..], &slice].concat()), None);
        assert_eq!(parameter_sets(&[&pps[..], &slice].concat()), None);
        assert_eq!(parameter_sets(&slice), None);
    }
}
