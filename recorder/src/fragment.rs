//! A part's fragments: one packet each, as a `moof` box and an `mdat` box (ISO/IEC 14496-12, 8.8). Pure: bytes go in, the
//! packet's place and kind come out. Which fragments a part has, and whether they are intact, is [`crate::part`]'s
//! subject.

use std::ops::Range;

/// Of a fragment, this much from its beginning tells where its packet lies. libav's `moof` of one packet takes 104 bytes.
pub(crate) const HEAD_BYTES: usize = 512;

/// The packet in a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PacketPlace {
    /// The packet's bytes, from the fragment's beginning.
    pub(crate) bytes: Range<u64>,
    /// Decoding can begin here.
    pub(crate) is_key: bool,
}

/// A box: its name, and what is in it.
type Boxed<'a> = ([u8; 4], &'a [u8]);

/// The box that begins here, as far as it is there, and its size with its head.
fn first_box(bytes: &[u8]) -> Option<(Boxed<'_>, u64)> {
    let &[a, b, c, d, e, f, g, h, ref rest @ ..] = bytes else { return None };
    let size = u32::from_be_bytes([a, b, c, d]);
    let inside = usize::try_from(size).ok()?.checked_sub(8)?;
    Some((([e, f, g, h], &rest[..inside.min(rest.len())]), u64::from(size)))
}

/// Finds the inside of the first box of this name.
pub(crate) fn find<'a>(mut bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    loop {
        let ((its_name, inside), size) = first_box(bytes)?;
        if its_name == *name {
            return Some(inside);
        }
        bytes = bytes.get(usize::try_from(size).ok()?..)?;
    }
}

/// Finds the packet of a fragment of so many bytes, by its beginning.
pub(crate) fn packet(beginning: &[u8], length: u64) -> Option<PacketPlace> {
    let ((name, moof), moof_size) = first_box(beginning)?;
    let ((data_name, _), data_size) = first_box(beginning.get(usize::try_from(moof_size).ok()?..)?)?;
    let end = moof_size.checked_add(data_size)?;
    let is_one_packet = name == *b"moof" && data_name == *b"mdat" && end == length;
    let is_key = is_key(find(moof, b"traf")?)?;
    is_one_packet.then_some(PacketPlace { bytes: moof_size + 8..end, is_key })
}

/// The flags of a fragment's only sample: its own, or those of the first sample, or those for all (14496-12, 8.8.7, 8.8.8).
fn is_key(traf: &[u8]) -> Option<bool> {
    /// `sample_is_non_sync_sample`.
    const NOT_A_KEY: u32 = 0x1_0000;
    let (tfhd, trun) = (Words(find(traf, b"tfhd")?), Words(find(traf, b"trun")?));
    let (of_tfhd, of_trun) = (tfhd.at(0)? & 0xff_ffff, trun.at(0)? & 0xff_ffff);
    let is_set = |flags: u32, bit: u32| usize::from(flags & bit != 0);
    // Behind flags and track: an offset of two words, then the index of a description, a duration, a size.
    let default_at =
        2 + 2 * is_set(of_tfhd, 1) + is_set(of_tfhd, 2) + is_set(of_tfhd, 8) + is_set(of_tfhd, 0x10);
    // Behind flags and count: an offset, the first sample's flags; then of each sample a duration and a size.
    let first_at = 2 + is_set(of_trun, 1);
    let own_at = first_at + is_set(of_trun, 4) + is_set(of_trun, 0x100) + is_set(of_trun, 0x200);
    let flags = match () {
        () if trun.at(1)? != 1 => None,
        () if of_trun & 4 != 0 => trun.at(first_at),
        () if of_trun & 0x400 != 0 => trun.at(own_at),
        () if of_tfhd & 0x20 != 0 => tfhd.at(default_at),
        () => None,
    };
    Some(flags? & NOT_A_KEY == 0)
}

/// Big-endian numbers of four bytes.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn at(&self, index: usize) -> Option<u32> {
        let bytes = self.0.get(4 * index..)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        let size = u32::try_from(inside.len() + 8).unwrap();
        [&size.to_be_bytes(), &name[..], inside].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// As libav writes it: flags for all in `tfhd`, for the first sample in `trun`.
    fn fragment(tfhd: &[u32], trun: &[u32], packet: &[u8]) -> Vec<u8> {
        let traf = [boxed(b"tfhd", &words(tfhd)), boxed(b"trun", &words(trun))].concat();
        let moof = [boxed(b"mfhd", &words(&[0, 1])), boxed(b"traf", &traf)].concat();
        [boxed(b"moof", &moof), boxed(b"mdat", packet)].concat()
    }

    #[test]
    fn a_packet_is_found_with_its_kind_wherever_the_flags_stand() {
        const KEY: u32 = 0x0200_0000;
        const OTHER: u32 = 0x0101_0000;
        for (tfhd, trun, is_key) in [
            (&[0x2_0038, 1, 512, 5, OTHER][..], &[5, 1, 112, KEY][..], true),
            (&[0x2_0038, 1, 512, 5, OTHER], &[1, 1, 112], false),
            (&[0x2_0038, 1, 512, 5, KEY], &[1, 1, 112], true),
            (&[0x2_0020, 1, KEY], &[0x701, 1, 112, 512, 5, OTHER], false),
            (&[0x2_0000, 1], &[0x700, 1, 512, 5, KEY], true),
        ] {
            let whole = fragment(tfhd, trun, b"12345");
            let length = whole.len() as u64;
            let found = packet(&whole, length).unwrap();
            assert_eq!(found, PacketPlace { bytes: length - 5..length, is_key });
            // The fragment's beginning is enough.
            assert_eq!(packet(&whole[..whole.len() - 4], length), Some(found));
            assert_eq!(packet(&whole, length + 1), None, "there is something behind it");
        }
    }

    #[test]
    fn bytes_of_any_kind_are_gone_over_without_a_panic() {
        let whole = fragment(&[0x2_0038, 1, 512, 5, 0], &[5, 1, 112, 0], b"12345");
        for cut in 0..whole.len() {
            let _ = packet(&whole[..cut], whole.len() as u64);
            let mut damaged = whole.clone();
            damaged[cut] = 0xff;
            let _ = packet(&damaged, whole.len() as u64);
        }
        assert_eq!(packet(&[0; 64], 64), None);
    }
}
