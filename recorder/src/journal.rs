//! Journals: beside each part's video lies a text file with one line a frame, written *before* the frame's packet. So
//! whatever moment a recorder is killed at, no packet is without its line; a line without its packet is at the end, and
//! is passed over when the part is read back.
//!
//! The first line is JSON (how the part was made), the others are
//! `sequence,source_sequence,t_capture_ns,epoch,before,encoded_ns,offset,sum`. The last two seal the video written by
//! then: its length, and a sum over what the packet before added. So the state of a part is known without reading its
//! video, and a loss by the disk is noticed when the video is read. A part that was ended in order has a last line
//! `end,offset,sum`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use proto::codec::EncoderChoice;
use proto::durable;
use proto::frame::{FrameInfo, LossBefore};
use proto::opened;
use proto::time::MonotonicNs;

use crate::disk;

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
    /// See [`proto::fnv1a::Fnv1a`].
    pub(crate) sum: u64,
}

/// A frame's line, and the one after it as far as it speaks of this frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The frame.
    pub(crate) row: Row,
    /// The place in the video where the frame's packet begins.
    pub(crate) offset: u64,
    /// The packet's end, and its sum. The last packet of a recorder that was killed has none.
    pub(crate) seal: Option<Seal>,
}

/// A journal that is being written.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Begins one. There must be none at this path; and there is none if it fails.
    pub(crate) fn create(path: &Path, header: &PartHeader) -> io::Result<Self> {
        let mut line = serde_json::to_vec(header)?;
        line.push(b'\n');
        disk::ask(|| {
            let mut file = opened::create_new(path)?;
            durable::write_all(&mut file, &line, path).inspect_err(|_| {
                let _ = opened::remove_file(path);
            })?;
            Ok(Self { file, path: path.to_owned() })
        })
    }

    /// Adds a frame, in one write.
    pub(crate) fn add(&mut self, row: &Row, before: Seal) -> io::Result<()> {
        let FrameInfo { sequence, source_sequence, t_capture, epoch, before: why } = row.frame;
        let (t, w, e) = (t_capture.0, why.code(), row.encoded.0);
        let Seal { offset, sum } = before;
        let line = format!("{sequence},{source_sequence},{t},{epoch},{w},{e},{offset},{sum}\n");
        disk::ask(|| durable::write_all(&mut self.file, line.as_bytes(), &self.path))
    }

    /// Seals the last frame's packet.
    pub(crate) fn end(&mut self, seal: Seal) -> io::Result<()> {
        let line = format!("{END},{},{}\n", seal.offset, seal.sum);
        disk::ask(|| durable::write_all(&mut self.file, line.as_bytes(), &self.path))
    }
}

/// Begins the last line of a part that was ended in order.
const END: &str = "end";

/// A journal that is read back, line by line, to its last whole line. No call here goes through [`disk::ask`]: the caller
/// knows what it reads beside it.
pub(crate) struct JournalReader {
    lines: BufReader<File>,
    header: PartHeader,
    start: Seal,
    /// The line that was read ahead: only the one after a frame's line says where the frame's packet ends.
    ahead: Option<(Row, Seal)>,
}

impl JournalReader {
    /// Opens a journal. `None` when not even its first line is whole.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut lines = BufReader::new(opened::file(path)?);
        let Some(header) = whole_line(&mut lines)?.and_then(|line| serde_json::from_str(&line).ok()) else {
            return Ok(None);
        };
        let (start, ahead) = match whole_line(&mut lines)?.as_deref().and_then(parse) {
            Some((Some(row), seal)) => (seal, Some((row, seal))),
            Some((None, seal)) => (seal, None),
            None => (Seal::default(), None),
        };
        Ok(Some(Self { lines, header, start, ahead }))
    }

    /// The making of the part.
    pub(crate) fn header(&self) -> &PartHeader {
        &self.header
    }

    /// The video before the first packet (or with it).
    pub(crate) fn start(&self) -> Seal {
        self.start
    }

    /// The next frame's line.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        let Some((row, Seal { offset, .. })) = self.ahead.take() else { return Ok(None) };
        let mut seal = None;
        if let Some((next, its)) = whole_line(&mut self.lines)?.as_deref().and_then(parse) {
            seal = Some(its);
            self.ahead = next.map(|row| (row, its));
        }
        Ok(Some(Line { row, offset, seal }))
    }
}

/// The next line, without its end. `None` when there is none, or it was cut off.
fn whole_line(lines: &mut BufReader<File>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line)?;
    Ok((line.pop() == Some(b'\n')).then(|| String::from_utf8_lossy(&line).into_owned()))
}

fn parse(line: &str) -> Option<(Option<Row>, Seal)> {
    let (row, line) = match line.strip_prefix(END).and_then(|rest| rest.strip_prefix(',')) {
        Some(rest) => (None, rest),
        None => {
            let comma = line.match_indices(',').nth(5)?.0;
            (Some(row(&line[..comma])?), &line[comma + 1..])
        }
    };
    let (offset, sum) = line.split_once(',')?;
    Some((row, Seal { offset: offset.parse().ok()?, sum: sum.parse().ok()? }))
}

fn row(line: &str) -> Option<Row> {
    let mut fields = line.split(',').map(str::parse::<u64>);
    let mut field = || fields.next()?.ok();
    let frame = FrameInfo {
        sequence: field()?,
        source_sequence: field()?,
        t_capture: MonotonicNs(field()?),
        epoch: u32::try_from(field()?).ok()?,
        before: LossBefore::from_code(u8::try_from(field()?).ok()?),
    };
    Some(Row { frame, encoded: MonotonicNs(field()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::codec::Codec;

    #[test]
    fn a_journal_cut_anywhere_reads_back_to_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let choice = EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: None };
        let header = PartHeader {
            choice,
            base_ns: MonotonicNs(7),
            begun_because: PartReason::First,
            first_sequence: 1,
            previous: None,
        };
        let mut journal = Journal::create(&path, &header).unwrap();
        let rows: Vec<Row> = (1..5)
            .map(|n| Row {
                frame: FrameInfo {
                    sequence: n,
                    source_sequence: n + 10,
                    t_capture: MonotonicNs(n * 1000),
                    epoch: 1,
                    before: LossBefore::Nothing,
                },
                encoded: MonotonicNs(n * 1000 + 1),
            })
            .collect();
        let seal = |n: usize| Seal { offset: 100 * n as u64, sum: n as u64 };
        rows.iter().enumerate().for_each(|(n, row)| journal.add(row, seal(n)).unwrap());
        journal.end(seal(rows.len())).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let whole_lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
            let Some(mut journal) = JournalReader::open(&path).unwrap() else {
                assert_eq!(whole_lines, 0);
                continue;
            };
            assert_eq!((journal.header(), journal.start().sum), (&header, 0));
            let mut lines = Vec::new();
            while let Some(line) = journal.next().unwrap() {
                lines.push(line);
            }
            let frames = (whole_lines - 1).min(rows.len());
            let expected: Vec<Line> = (0..frames)
                .map(|n| Line {
                    row: rows[n],
                    offset: seal(n).offset,
                    // The line after it says where its packet ends.
                    seal: (n + 2 < whole_lines).then(|| seal(n + 1)),
                })
                .collect();
            assert_eq!(lines, expected);
        }
    }
}
