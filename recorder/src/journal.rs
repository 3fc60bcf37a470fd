//! Journals: beside each part's video lies a text file with one line a frame, written *before* the frame's packet. So
//! whatever moment a recorder is killed at, no packet is without its line; a line without its packet is at the end, and
//! is passed over when the part is read back.
//!
//! The first line is JSON (how the part was made), the others are
//! `sequence,source_sequence,t_capture_ns,epoch,marks,encoded_ns,offset,sum`
//! ([marks](proto::frame::FrameInfo::marks): the loss before the frame, and its flags). The last two seal the video written by
//! then: its length, and a sum over what the packet before added. So the state of a part is known without reading its
//! video, and a loss by the disk is noticed when the video is read. A part that was ended in order has a last line
//! `end,offset,sum`. Behind each line stands a sum over the line itself, `*` and 16 digits; older versions wrote none.
//! Reading a journal back is the subject of [`read`].

mod read;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use proto::clip::StretchHow;
use proto::codec::{Codec, EncoderChoice};
use proto::config::JpegContainer;
use proto::durable;
use proto::fnv1a::{self, BASIS, WideSum};
use proto::frame::{Fps, FrameInfo};
use proto::opened;
use proto::time::MonotonicNs;

use crate::container::{self, Layout};
use crate::disk;

pub(crate) use read::JournalReader;

/// The making of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartHeader {
    /// The encoder.
    pub(crate) choice: EncoderChoice,
    /// The capture time that video time 0 stands for: that of the clip's first frame.
    pub(crate) base_ns: MonotonicNs,
    /// The reason why this part was begun.
    pub(crate) begun_because: PartReason,
    /// The first frame that the clip should hold. Kept here because a long clip outlasts the ring's memory of it.
    pub(crate) first_sequence: u64,
    /// The frame before that one.
    pub(crate) previous: Option<FrameInfo>,
    /// The file that JPEGs are to end in, if they were passed on as they came. Not in journals of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) copied_into: Option<JpegContainer>,
    /// Its first frame can't be decoded by itself: the copied stream of the part before it goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) goes_on: bool,
}

impl PartHeader {
    /// The way in which the part's frames were made.
    pub(crate) fn how(&self) -> StretchHow {
        if self.choice.is_copied() { StretchHow::Copied } else { StretchHow::Encoded }
    }

    /// Are frames from before the window in the file only because others need them? Then players are told to begin behind them.
    pub(crate) fn hides_lead_in(&self) -> bool {
        self.choice.is_copied() && self.choice.codec == Codec::H264
    }

    /// The layout of the finished file.
    pub(crate) fn layout(&self, fps: Fps) -> Layout {
        match self.copied_into {
            Some(JpegContainer::Mov) => Layout::Mov,
            Some(JpegContainer::Avi) | None => container::layout(self.choice.codec, fps.milli()),
        }
    }

    /// The ending of the finished file's name, with its dot.
    pub(crate) fn extension(&self) -> &'static str {
        match self.copied_into {
            Some(JpegContainer::Mov) => ".mov",
            Some(JpegContainer::Avi) | None => self.choice.codec.extension(),
        }
    }

    /// The ending of the part's own name, with its dot.
    pub(crate) fn part_extension(&self) -> &'static str {
        if self.copied_into.is_some() { ".mov" } else { ".mp4" }
    }

    /// The sum over some bytes of the part's video, as its seals hold it.
    pub(crate) fn sum_of(&self, bytes: &[u8]) -> u64 {
        match self.how() {
            StretchHow::Copied => {
                let mut sum = WideSum::default();
                sum.add(bytes);
                sum.end()
            }
            StretchHow::Encoded => fnv1a::sum(BASIS, bytes),
        }
    }
}

/// The reason why a part was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PartReason {
    /// A clip's first part.
    First,
    /// Another recorder left the one before.
    RecorderRestart,
    /// The encoder failed.
    CodecChange,
    /// The same encoder goes on at another preset. Nothing was interrupted by that.
    PresetChange,
    /// Frames are copied from here on, or no longer. Nothing was interrupted by that.
    Cut,
    /// The file could not be written.
    Disk,
    /// The file could not grow any more. Nothing was interrupted by that.
    FileFull,
}

/// One frame in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The frame.
    pub(crate) frame: FrameInfo,
    /// The moment when the encoder was given the frame.
    pub(crate) encoded: MonotonicNs,
}

/// The length of the video when a line was written, and a sum over what was added to it since the line before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seal {
    /// The video's length: where the line's own packet begins.
    pub(crate) offset: u64,
    /// See [`PartHeader::sum_of`].
    pub(crate) sum: u64,
}

/// A frame's line, and the one after it as far as it speaks of this frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The frame.
    pub(crate) row: Row,
    /// The place in the video where the frame's packet begins.
    pub(crate) offset: u64,
    /// The packet's end, and its sum. The last packet of a recorder that was killed has none, nor has one before a damaged
    /// line.
    pub(crate) seal: Option<Seal>,
    /// Damaged lines stand between this line and the frame's line before it.
    pub(crate) follows_damage: bool,
}

/// A journal that is being written.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Begins one. There must be none at this path; and there is none if it fails.
    pub(crate) fn create(path: &Path, header: &PartHeader) -> io::Result<Self> {
        let line = sealed(&serde_json::to_string(header)?);
        disk::ask(|| {
            let mut file = opened::create_new(path)?;
            durable::write_all(&mut file, line.as_bytes(), path).inspect_err(|_| {
                let _ = opened::remove_file(path);
            })?;
            Ok(Self { file, path: path.to_owned() })
        })
    }

    /// Adds a frame, in one write.
    pub(crate) fn add(&mut self, row: &Row, before: Seal) -> io::Result<()> {
        let FrameInfo { sequence, source_sequence, t_capture, epoch, .. } = row.frame;
        let (t, marks, e) = (t_capture.0, row.frame.marks(), row.encoded.0);
        let Seal { offset, sum } = before;
        let line = sealed(&format!("{sequence},{source_sequence},{t},{epoch},{marks},{e},{offset},{sum}"));
        disk::ask(|| durable::write_all(&mut self.file, line.as_bytes(), &self.path))
    }

    /// Seals the last frame's packet.
    pub(crate) fn end(&mut self, seal: Seal) -> io::Result<()> {
        let line = sealed(&format!("{END},{},{}", seal.offset, seal.sum));
        disk::ask(|| durable::write_all(&mut self.file, line.as_bytes(), &self.path))
    }
}

/// Begins the last line of a part that was ended in order.
const END: &str = "end";

/// Begins the sum over a line.
const SUM: char = '*';

/// A line with its sum and its end.
fn sealed(line: &str) -> String {
    format!("{line}{SUM}{:016x}\n", fnv1a::sum(BASIS, line.as_bytes()))
}

#[cfg(test)]
mod tests;
