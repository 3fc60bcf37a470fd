//! A part's head: what its file begins with, before the first fragment. A finisher may have turned it into the head of an
//! `mdat` box ([`crate::finish`]); it is read here as it was.

use std::fs::File;
use std::io::{self, Read, Write};

use crate::journal::{PartHeader, Seal};

/// libav's head takes some 750 bytes, with a parameter set of any sane length.
const MOST_BYTES: u64 = 1 << 20;
/// The size of a `mvhd` box of version 0, the first in a `moov`.
const MVHD_BYTES: u32 = 108;

/// A part's head.
pub(crate) struct Head {
    /// The bytes, as the part's writer wrote them: a `ftyp` box, and a `moov` box.
    pub(crate) bytes: Vec<u8>,
    /// The place of the `moov` box.
    pub(crate) moov_at: u64,
    /// In the file, the `moov` box is the head of an `mdat` box.
    pub(crate) is_toggled: bool,
}

impl Head {
    /// Reads the head of a part whose first fragment begins at `start`. `None` when it isn't what was written.
    pub(crate) fn read(video: File, start: Seal, header: &PartHeader) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let length = start.offset;
        if length > MOST_BYTES {
            return Ok(None);
        }
        video.take(length).read_to_end(&mut bytes)?;
        Ok(Self::of(bytes, length).filter(|head| header.sum_of(&head.bytes) == start.sum))
    }

    /// The head as it was, as a file for libav. It has no name, and is gone once it is closed.
    pub(crate) fn as_it_was(&self) -> io::Result<File> {
        let memory = rustix::fs::memfd_create("part-head", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut file = File::from(memory);
        file.write_all(&self.bytes)?;
        Ok(file)
    }

    /// The first bytes of a part, that should be so many.
    fn of(mut bytes: Vec<u8>, length: u64) -> Option<Self> {
        let moov_at = u64::from(u32::from_be_bytes(*bytes.first_chunk()?));
        let moov_bytes = u32::try_from(length.checked_sub(moov_at)?).ok()?;
        if bytes.len() as u64 != length {
            return None;
        }
        let moov = bytes.get_mut(usize::try_from(moov_at).ok()?..)?.first_chunk_mut::<16>()?;
        let is_toggled = moov[..8] == *b"\0\0\0\x01mdat";
        if is_toggled {
            *moov = untoggled(moov_bytes);
        }
        (*moov == untoggled(moov_bytes)).then_some(Self { bytes, moov_at, is_toggled })
    }

    /// The bytes that stand at the beginning of the `moov` box when everything from there to `end` is an `mdat` box, whose
    /// size has 64 bits.
    pub(crate) fn toggled(&self, end: u64) -> [u8; 16] {
        let mut head = *b"\0\0\0\x01mdat........";
        head[8..].copy_from_slice(&end.saturating_sub(self.moov_at).to_be_bytes());
        head
    }
}

/// The bytes that stood there.
fn untoggled(moov_bytes: u32) -> [u8; 16] {
    let mut head = *b"....moov....mvhd";
    head[..4].copy_from_slice(&moov_bytes.to_be_bytes());
    head[8..12].copy_from_slice(&MVHD_BYTES.to_be_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Vec<u8> {
        let moov = [&untoggled(40)[..], &[7; 24]].concat();
        [&b"\0\0\0\x14ftypiso5\0\0\x02\0iso6"[..], &moov].concat()
    }

    #[test]
    fn a_head_is_the_same_toggled_or_not() {
        let plain = Head::of(head(), 60).unwrap();
        assert_eq!((plain.moov_at, plain.is_toggled, &plain.bytes), (20, false, &head()));
        let mut toggled = head();
        toggled[20..36].copy_from_slice(&plain.toggled(5_000_000_020));
        assert_eq!(toggled[28..36], 5_000_000_000_u64.to_be_bytes());
        let toggled = Head::of(toggled, 60).unwrap();
        assert_eq!((toggled.moov_at, toggled.is_toggled, &toggled.bytes), (20, true, &head()));
    }

    #[test]
    fn other_bytes_are_no_head() {
        for cut in 0..60 {
            assert!(Head::of(head()[..cut].to_vec(), 60).is_none());
            assert!(Head::of(head()[..cut].to_vec(), cut as u64).is_none());
        }
        let mut other = head();
        other[24] = b'f';
        assert!(Head::of(other, 60).is_none());
        assert!(Head::of(vec![0xff; 60], 60).is_none());
    }
}
