//! H.264's parameter sets (SPS and PPS) in band: a file of stretches that were encoded with different sets carries them
//! in front of its key frames. A camera's own key frames have them there already. Pure: bytes go in, bytes come out. Which
//! parts become one file is decided in [`super::join`].

/// The parameter sets of one stretch, as they stand in front of a packet: each with its length.
pub(super) struct ParameterSets(Vec<u8>);

/// The length of a NAL unit stands in so many bytes before it. libav's muxer writes no other.
const LENGTH_BYTES: usize = 4;
/// The low five bits of a NAL unit's first byte are its type; 9 is the access unit delimiter, before which nothing may
/// stand (H.264, 7.4.1.2.3).
const DELIMITER: u8 = 9;
const SEQUENCE_SET: u8 = 7;

impl ParameterSets {
    /// Takes the sets from a decoder configuration record (`avcC`; ISO/IEC 14496-15, 5.3.3.1). `None` when it isn't one, or
    /// its packets give their lengths in fewer bytes.
    pub(super) fn of_record(record: &[u8]) -> Option<Self> {
        let &[1, _, _, _, length_size, sps_count, ref rest @ ..] = record else { return None };
        if usize::from(length_size & 3) + 1 != LENGTH_BYTES {
            return None;
        }
        let mut sets = Vec::new();
        let rest = take(rest, sps_count & 31, &mut sets)?;
        let (pps_count, rest) = rest.split_first()?;
        // Behind the PPS a High profile's record has a few bytes more, which repeat what stands in the SPS.
        take(rest, *pps_count, &mut sets)?;
        (!sets.is_empty()).then_some(Self(sets))
    }

    /// A packet with the sets in front. `None` for one that has its own.
    pub(super) fn before(&self, packet: &[u8]) -> Option<Vec<u8>> {
        if units(packet).any(|unit| kind(unit) == SEQUENCE_SET) {
            return None;
        }
        let (delimiter, picture) = packet.split_at(delimiter_bytes(packet));
        Some([delimiter, &self.0, picture].concat())
    }
}

/// The NAL units of a packet, each without its length, as far as they are whole.
fn units(mut packet: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, behind) = packet.split_first_chunk::<LENGTH_BYTES>()?;
        let (unit, rest) = behind.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        packet = rest;
        Some(unit)
    })
}

fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 31)
}

/// Takes so many sets with lengths of two bytes. Returns what follows.
fn take<'a>(mut rest: &'a [u8], count: u8, sets: &mut Vec<u8>) -> Option<&'a [u8]> {
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk()?;
        let length = u16::from_be_bytes(*length);
        let (set, behind) = behind.split_at_checked(usize::from(length))?;
        sets.extend_from_slice(&u32::from(length).to_be_bytes());
        sets.extend_from_slice(set);
        rest = behind;
    }
    Some(rest)
}

/// The length of the access unit delimiter that a packet begins with, if it does.
fn delimiter_bytes(packet: &[u8]) -> usize {
    let first = units(packet).next().filter(|unit| kind(unit) == DELIMITER);
    first.map_or(0, |delimiter| LENGTH_BYTES + delimiter.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: [u8; 19] =
        [1, 100, 0, 31, 0xff, 0xe1, 0, 4, 0x67, 100, 0, 31, 1, 0, 2, 0x68, 0xee, 0xfd, 0xf8];
    const SETS: [u8; 14] = [0, 0, 0, 4, 0x67, 100, 0, 31, 0, 0, 0, 2, 0x68, 0xee];

    #[test]
    fn the_sets_stand_in_front_of_the_picture_and_behind_a_delimiter() {
        let sets = ParameterSets::of_record(&RECORD).unwrap();
        let picture = [0, 0, 0, 3, 0x65, 1, 2];
        assert_eq!(sets.before(&picture), Some([&SETS[..], &picture].concat()));
        let delimiter = [0, 0, 0, 2, 0x09, 0xf0];
        let packet = [&delimiter[..], &picture].concat();
        assert_eq!(sets.before(&packet), Some([&delimiter[..], &SETS, &picture].concat()));
        assert_eq!(sets.before(&[&delimiter[..], &SETS, &picture].concat()), None, "it has its own");
    }

    #[test]
    fn a_record_that_is_cut_off_or_of_another_kind_has_no_sets() {
        for length in 0..17 {
            assert!(ParameterSets::of_record(&RECORD[..length]).is_none(), "{length}");
        }
        // Lengths in two bytes.
        let mut other = RECORD;
        other[4] = 0xfd;
        assert!(ParameterSets::of_record(&other).is_none());
        // As encoders have it: start codes.
        assert!(ParameterSets::of_record(&[0, 0, 0, 1, 0x67, 100, 0, 31]).is_none());
    }

    #[test]
    fn a_packet_of_any_bytes_is_kept_whole() {
        let sets = ParameterSets::of_record(&RECORD).unwrap();
        for packet in [&[][..], &[0, 0], &[0, 0, 0, 9, 9], &[0xff, 0xff, 0xff, 0xff, 9, 1]] {
            assert_eq!(sets.before(packet), Some([&SETS[..], packet].concat()));
        }
    }
}
