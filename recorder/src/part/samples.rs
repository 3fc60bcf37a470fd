//! Reading a part's packets back: those that are as they were written. Not libav reads them, whose table of a part's
//! fragments grows with every frame: the journal says where each fragment begins and ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ffmpeg_next::Packet;
use ffmpeg_next::codec::packet::Flags;

use proto::opened;

use super::{Part, fragment_end};
use crate::disk;
use crate::fragment::{self, PacketPlace};
use crate::journal::{JournalReader, Line, PartHeader, Row};
use crate::media::WriteError;

/// The extent to which a part is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Each fragment, which is compared with its sum.
    AtAll,
    /// The fragments' heads, which say where their packets lie.
    AtHeads,
}

/// A packet in a part.
pub(crate) struct Sample<'a> {
    pub(crate) row: Row,
    /// The packet's place in the file.
    pub(crate) at: u64,
    /// The packet's length.
    pub(crate) bytes: u64,
    /// Decoding can begin here.
    pub(crate) is_key: bool,
    /// The packet, if it was read.
    data: &'a [u8],
}

impl Part {
    /// Goes through the packets that are as they were written, each with its line. A damaged packet is passed over, with
    /// those that can't be decoded without it: up to the next key frame, and from the beginning on if the stream is `broken`
    /// there. With a look at heads alone, a packet's contents may be damaged. Says whether the stream is broken at the end.
    pub(crate) fn each_sample(
        &self,
        look: Look,
        mut broken: bool,
        mut each: impl FnMut(&Sample<'_>) -> Result<(), WriteError>,
    ) -> Result<bool, WriteError> {
        let opened = disk::ask(|| Ok((opened::file(&self.video)?, JournalReader::open(&self.journal)?)));
        let (video, lines) = opened.map_err(WriteError::Disk)?;
        let Some(mut lines) = lines else { return Ok(true) };
        let mut fragment = Vec::new();
        for _ in 0..self.frames.frames() {
            let line = disk::ask(|| lines.next()).map_err(WriteError::Disk)?;
            let Some(line) = line else { return Ok(true) };
            let read = || read(&video, &line, &self.header, look, &mut fragment);
            let place = disk::ask(read).map_err(WriteError::Disk)?;
            // Behind a lost line a packet is missing, as behind a damaged one.
            broken |= line.follows_damage;
            broken = place.as_ref().is_none_or(|place| broken && !place.is_key);
            let Some(PacketPlace { bytes, is_key }) = place.filter(|_| !broken) else { continue };
            let from = usize::try_from(bytes.start).unwrap_or(usize::MAX);
            let data = fragment.get(from..).unwrap_or_default();
            let (at, bytes) = (line.offset.saturating_add(bytes.start), bytes.end - bytes.start);
            each(&Sample { row: line.row, at, bytes, is_key, data })?;
        }
        Ok(broken)
    }

    /// The same packets, to be written elsewhere.
    pub(crate) fn each_packet(
        &self,
        broken: bool,
        mut each: impl FnMut(&Row, &mut Packet) -> Result<(), WriteError>,
    ) -> Result<bool, WriteError> {
        self.each_sample(Look::AtAll, broken, |sample| {
            let mut packet = Packet::copy(sample.data);
            packet.set_flags(if sample.is_key { Flags::KEY } else { Flags::empty() });
            each(&sample.row, &mut packet)
        })
    }
}

/// Reads a line's fragment. `None` when it is damaged, or not there.
fn read(
    video: &File,
    line: &Line,
    header: &PartHeader,
    look: Look,
    fragment: &mut Vec<u8>,
) -> io::Result<Option<PacketPlace>> {
    let length = video.metadata()?.len();
    let end = match line.seal {
        Some(seal) => Some(seal.offset),
        None => fragment_end(video, line.offset, length)?,
    };
    let whole = end.filter(|end| *end <= length).and_then(|end| end.checked_sub(line.offset));
    let Some(whole) = whole else { return Ok(None) };
    let bytes = usize::try_from(whole).unwrap_or(usize::MAX);
    fragment.resize(if look == Look::AtAll { bytes } else { bytes.min(fragment::HEAD_BYTES) }, 0);
    video.read_exact_at(fragment, line.offset)?;
    let intact = look == Look::AtHeads || line.seal.is_none_or(|seal| header.sum_of(fragment) == seal.sum);
    Ok(fragment::packet(fragment, whole).filter(|place| intact && !place.bytes.is_empty()))
}
