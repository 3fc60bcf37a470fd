//! A part of frames that are passed on as they came: a QuickTime file whose beginning libav writes and whose fragments, one a
//! frame, are written here. A frame goes from the ring to the kernel in one call, without a copy between. How a part is
//! read back is [`crate::part`]'s subject; what frames are passed on, and which bytes, is [`crate::passing`]'s.

use std::fs::File;
use std::io::IoSlice;
use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::{Packet, codec};

use proto::durable;
use proto::fnv1a::WideSum;
use proto::opened;

use crate::container::{self, Layout};
use crate::disk;
use crate::journal::Seal;
use crate::media::{Video, WriteError};

/// A part's video, being written.
pub(crate) struct CopiedVideo {
    file: File,
    path: PathBuf,
    written: u64,
    sum: WideSum,
    fragments: u32,
}

impl CopiedVideo {
    /// Begins a file. There must be none at this path; and there is none if it fails.
    pub(crate) fn create(path: &Path, parameters: &codec::Parameters) -> Result<Self, WriteError> {
        let head = container::beginning(Layout::FragmentedMov, parameters)?;
        let begun = disk::ask(|| {
            let mut file = opened::create_new(path)?;
            durable::write_all(&mut file, &head, path).inspect_err(|_| {
                let _ = opened::remove_file(path);
            })?;
            Ok(file)
        });
        let file = begun.map_err(WriteError::Disk)?;
        let mut sum = WideSum::default();
        sum.add(&head);
        Ok(Self { file, path: path.to_owned(), written: head.len() as u64, sum, fragments: 0 })
    }
}

impl Video for CopiedVideo {
    fn write(&mut self, packet: &mut Packet, duration_us: i64) -> Result<(), WriteError> {
        let bad = WriteError::Libav(ffmpeg::Error::InvalidData);
        let Some(frame) = packet.data() else { return Err(bad) };
        let at_us = packet.pts().and_then(|pts| u64::try_from(pts).ok()).unwrap_or(0);
        let lasts_us = u32::try_from(duration_us).unwrap_or(u32::MAX);
        let Some(head) = fragment_head(self.fragments.wrapping_add(1), at_us, lasts_us, frame.len()) else {
            return Err(bad);
        };
        let mut pieces = [IoSlice::new(&head), IoSlice::new(frame)];
        disk::ask(|| durable::write_all_of(&mut self.file, &mut pieces, &self.path))
            .map_err(WriteError::Disk)?;
        self.fragments = self.fragments.wrapping_add(1);
        self.written += (head.len() + frame.len()) as u64;
        self.sum.add(&head);
        self.sum.add(frame);
        Ok(())
    }

    fn seal(&mut self) -> Seal {
        Seal { offset: self.written, sum: std::mem::take(&mut self.sum).end() }
    }
}

/// The bytes of a fragment before its frame.
const HEAD_BYTES: usize = 108;

/// The head of a fragment with one frame (ISO/IEC 14496-12, 8.8): a `moof` box, and the head of an `mdat` box. `None` for a
/// frame that is larger than a box may be.
fn fragment_head(number: u32, at_us: u64, lasts_us: u32, frame_bytes: usize) -> Option<[u8; HEAD_BYTES]> {
    const MFHD: u32 = 16;
    const TFHD: u32 = 20;
    const TFDT: u32 = 20;
    const TRUN: u32 = 28;
    const TRAF: u32 = 8 + TFHD + TFDT + TRUN;
    const MOOF: u32 = 8 + MFHD + TRAF;
    /// The offsets count from the `moof` box, and every sample's flags stand here.
    const TFHD_FLAGS: u32 = 0x2_0020;
    /// A sample that depends on no other.
    const KEY: u32 = 0x0200_0000;
    /// With the data's offset, and each sample's duration and size.
    const TRUN_FLAGS: u32 = 0x301;
    let bytes = u32::try_from(frame_bytes).ok()?;
    let name = |name: &[u8; 4]| u32::from_be_bytes(*name);
    let [high, low] = [at_us >> 32, at_us & u64::from(u32::MAX)].map(|half| u32::try_from(half).ok());
    let words: [u32; HEAD_BYTES / 4] = [
        MOOF,
        name(b"moof"),
        MFHD,
        name(b"mfhd"),
        0,
        number,
        TRAF,
        name(b"traf"),
        TFHD,
        name(b"tfhd"),
        TFHD_FLAGS,
        1,
        KEY,
        TFDT,
        name(b"tfdt"),
        0x100_0000,
        high?,
        low?,
        TRUN,
        name(b"trun"),
        TRUN_FLAGS,
        1,
        MOOF + 8,
        lasts_us,
        bytes,
        bytes.checked_add(8)?,
        name(b"mdat"),
    ];
    let mut head = [0; HEAD_BYTES];
    for (to, word) in head.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *to = word.to_be_bytes();
    }
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment;

    #[test]
    fn a_fragment_is_read_back_as_a_key_frame_behind_its_head() {
        let head = fragment_head(7, 5_000_000_000, 16_666, 1000).unwrap();
        let whole = HEAD_BYTES as u64 + 1000;
        let place = fragment::packet(&head, whole).unwrap();
        assert_eq!((place.bytes, place.is_key), (HEAD_BYTES as u64..whole, true));
        assert_eq!(fragment::packet(&head, whole + 1), None);
        assert!(fragment_head(1, 0, 1, u32::MAX as usize).is_none());
    }
}
