//! A part of frames that are passed on as they came: a file whose beginning libav writes (QuickTime's for JPEGs, an MP4's for
//! H.264) and whose fragments, one a frame, are written here. A frame goes from the ring to the kernel in one call, without a
//! copy between. How a part is read back is [`crate::part`]'s subject; what frames are passed on, and which bytes, is
//! [`crate::passing`]'s.

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
use crate::h264;
use crate::journal::Seal;
use crate::media::{Video, WriteError};

/// The form in which a frame's bytes are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As they came.
    Whole,
    /// Each NAL unit behind its length, in place of a start code (ISO/IEC 14496-15, 5.3.2).
    Lengths,
}

/// A part's video, being written.
pub(crate) struct CopiedVideo {
    file: File,
    path: PathBuf,
    form: Form,
    written: u64,
    sum: WideSum,
    fragments: u32,
}

impl CopiedVideo {
    /// Begins a file. There must be none at this path; and there is none if it fails.
    pub(crate) fn create(path: &Path, parameters: &codec::Parameters) -> Result<Self, WriteError> {
        let (layout, form) = match parameters.id() {
            codec::Id::H264 => (Layout::FragmentedMp4, Form::Lengths),
            _ => (Layout::FragmentedMov, Form::Whole),
        };
        let head = container::beginning(layout, parameters)?;
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
        Ok(Self { file, path: path.to_owned(), form, written: head.len() as u64, sum, fragments: 0 })
    }
}

impl Video for CopiedVideo {
    fn write(&mut self, packet: &mut Packet, duration_us: i64) -> Result<(), WriteError> {
        let bad = || WriteError::Libav(ffmpeg::Error::InvalidData);
        let frame = packet.data().ok_or_else(bad)?;
        let at_us = packet.pts().and_then(|pts| u64::try_from(pts).ok()).unwrap_or(0);
        let lasts_us = u32::try_from(duration_us).unwrap_or(u32::MAX);
        let pieces = match self.form {
            Form::Whole => Pieces::whole(frame),
            Form::Lengths => Pieces::with_lengths(frame).ok_or_else(bad)?,
        };
        let sample = Sample { at_us, lasts_us, bytes: pieces.bytes(), is_key: packet.is_key() };
        let head = fragment_head(self.fragments.wrapping_add(1), &sample).ok_or_else(bad)?;
        let mut slices = pieces.slices(&head);
        disk::ask(|| durable::write_all_of(&mut self.file, &mut slices, &self.path))
            .map_err(WriteError::Disk)?;
        self.fragments = self.fragments.wrapping_add(1);
        self.written += (head.len() + sample.bytes) as u64;
        pieces.slices(&head).iter().for_each(|piece| self.sum.add(piece));
        Ok(())
    }

    fn seal(&mut self) -> Seal {
        Seal { offset: self.written, sum: std::mem::take(&mut self.sum).end() }
    }
}

/// A frame's bytes as they are in the file, where they lie.
struct Pieces<'a> {
    /// The lengths that stand before the pieces; none before a whole frame.
    lengths: Vec<[u8; 4]>,
    frame: Vec<&'a [u8]>,
}

impl<'a> Pieces<'a> {
    fn whole(frame: &'a [u8]) -> Self {
        Self { lengths: Vec::new(), frame: vec![frame] }
    }

    /// `None` for a frame without a NAL unit, or with one that is too long.
    fn with_lengths(frame: &'a [u8]) -> Option<Self> {
        let frame: Vec<&[u8]> = h264::units(frame).collect();
        let length = |unit: &&[u8]| u32::try_from(unit.len()).ok().map(u32::to_be_bytes);
        let lengths: Vec<[u8; 4]> = frame.iter().map(length).collect::<Option<_>>()?;
        (!frame.is_empty()).then_some(Self { lengths, frame })
    }

    fn bytes(&self) -> usize {
        self.lengths.as_flattened().len() + self.frame.iter().map(|piece| piece.len()).sum::<usize>()
    }

    /// All of it behind the head of a fragment, for one call of the kernel.
    fn slices<'b>(&'b self, head: &'b [u8]) -> Vec<IoSlice<'b>> {
        let mut slices = vec![IoSlice::new(head)];
        let mut lengths = self.lengths.iter();
        for piece in &self.frame {
            slices.extend(lengths.next().map(|length| IoSlice::new(length)));
            slices.push(IoSlice::new(piece));
        }
        slices
    }
}

/// A frame as its fragment's head describes it.
struct Sample {
    at_us: u64,
    lasts_us: u32,
    bytes: usize,
    is_key: bool,
}

/// The bytes of a fragment before its frame.
const HEAD_BYTES: usize = 108;

/// The head of a fragment with one frame (ISO/IEC 14496-12, 8.8): a `moof` box, and the head of an `mdat` box. `None` for a
/// frame that is larger than a box may be.
fn fragment_head(number: u32, sample: &Sample) -> Option<[u8; HEAD_BYTES]> {
    const MFHD: u32 = 16;
    const TFHD: u32 = 20;
    const TFDT: u32 = 20;
    const TRUN: u32 = 28;
    const TRAF: u32 = 8 + TFHD + TFDT + TRUN;
    const MOOF: u32 = 8 + MFHD + TRAF;
    /// The offsets count from the `moof` box, and every sample's flags stand here.
    const TFHD_FLAGS: u32 = 0x2_0020;
    /// A sample that depends on no other, and one that does and is no place to begin at.
    const KEY: u32 = 0x0200_0000;
    const OTHER: u32 = 0x0101_0000;
    /// With the data's offset, and each sample's duration and size.
    const TRUN_FLAGS: u32 = 0x301;
    let Sample { at_us, lasts_us, is_key, .. } = *sample;
    let bytes = u32::try_from(sample.bytes).ok()?;
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
        if is_key { KEY } else { OTHER },
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
    fn a_fragment_is_read_back_with_its_kind_behind_its_head() {
        for is_key in [true, false] {
            let sample = Sample { at_us: 5_000_000_000, lasts_us: 16_666, bytes: 1000, is_key };
            let head = fragment_head(7, &sample).unwrap();
            let whole = HEAD_BYTES as u64 + 1000;
            let place = fragment::packet(&head, whole).unwrap();
            assert_eq!((place.bytes, place.is_key), (HEAD_BYTES as u64..whole, is_key));
            assert_eq!(fragment::packet(&head, whole + 1), None);
        }
        let sample = Sample { at_us: 0, lasts_us: 1, bytes: u32::MAX as usize, is_key: true };
        assert!(fragment_head(1, &sample).is_none());
    }

    #[test]
    fn start_codes_become_lengths_and_the_units_stay_where_they_are() {
        let frame = [0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 1, 2];
        let pieces = Pieces::with_lengths(&frame).unwrap();
        let slices = pieces.slices(b"head");
        let text: Vec<u8> = slices.iter().flat_map(|piece| piece.to_vec()).collect();
        assert_eq!(text, b"head\0\0\0\x02\x09\xf0\0\0\0\x03\x65\x01\x02");
        assert_eq!((pieces.bytes(), pieces.frame[1].as_ptr()), (text.len() - 4, frame[9..].as_ptr()));
        assert!(Pieces::with_lengths(b"no start code").is_none());
    }
}
