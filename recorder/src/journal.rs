//! Beside each partial video lies its journal: one line a frame, written *before* the frame's packet. So whatever
//! moment a recorder is killed at, no packet is without its line; a line without its packet is at the end, and is
//! passed over when the part is read back.
//!
//! The first line is JSON (how the part was made), the others are
//! `sequence,source_sequence,t_capture_ns,epoch,before,encoded_ns,offset,sum`. The last two seal what is in the video
//! by then: how long it is, and a sum over what the packet before added. So how far a part got is known without
//! reading it, and what a disk has lost of it is noticed when it is read. A part that was ended in order has a last
//! line `end,offset,sum`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use proto::codec::EncoderChoice;
use proto::durable;
use proto::frame::{FrameInfo, LossBefore};
use proto::time::MonotonicNs;

use crate::disk;

/// How a part was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartHeader {
    /// What encoded it.
    pub(crate) choice: EncoderChoice,
    /// The capture time that video time 0 stands for: that of the clip's first frame.
    pub(crate) base_ns: MonotonicNs,
    /// Why this part was begun.
    pub(crate) begun_because: PartReason,
    /// The first frame that the clip should hold. Kept here because a long clip outlasts the ring's memory of it.
    pub(crate) first_sequence: u64,
    /// The frame before that one.
    pub(crate) previous: Option<FrameInfo>,
}

/// Why a part was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PartReason {
    /// It is the first.
    First,
    /// Another recorder left the one before.
    RecorderRestart,
    /// The encoder failed.
    CodecChange,
    /// The file could not be written.
    Disk,
}

/// One frame in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The frame.
    pub(crate) moment: FrameInfo,
    /// When it was encoded.
    pub(crate) encoded: MonotonicNs,
}

/// How far the video had got when a line was written, and a sum over what was added to it since the line before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seal {
    /// The video's length: where the line's own packet begins.
    pub(crate) offset: u64,
    /// See [`Sum`].
    pub(crate) sum: u64,
}

/// A frame's line, and the one after it as far as it speaks of this frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The frame.
    pub(crate) row: Row,
    /// Where its packet begins in the video.
    pub(crate) offset: u64,
    /// Where it ends, and its sum. The last packet of a recorder that was killed has none.
    pub(crate) seal: Option<Seal>,
}

/// A journal that has been read.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) header: PartHeader,
    pub(crate) lines: Vec<Line>,
    /// What lies before the first packet (or with it).
    pub(crate) start: Seal,
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
            let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
            durable::write_all(&mut file, &line, path).inspect_err(|_| {
                let _ = std::fs::remove_file(path);
            })?;
            Ok(Self { file, path: path.to_owned() })
        })
    }

    /// Adds a frame, in one write.
    pub(crate) fn add(&mut self, row: &Row, before: Seal) -> io::Result<()> {
        let FrameInfo { sequence, source_sequence, t_capture, epoch, before: why } = row.moment;
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

/// Reads a journal back, to its last whole line; `None` when not even the first is.
pub(crate) fn read(path: &Path) -> io::Result<Option<Record>> {
    let text = std::fs::read(path)?;
    let text = String::from_utf8_lossy(&text);
    let mut text = text.split_inclusive('\n').map_while(|line| line.strip_suffix('\n'));
    let Some(header) = text.next().and_then(|line| serde_json::from_str(line).ok()) else { return Ok(None) };
    let mut record = Record { header, lines: Vec::new(), start: Seal::default() };
    for line in text {
        let Some((row, seal)) = parse(line) else { break };
        match record.lines.last_mut() {
            Some(before) => before.seal = Some(seal),
            None => record.start = seal,
        }
        let Some(row) = row else { break };
        record.lines.push(Line { row, offset: seal.offset, seal: None });
    }
    Ok(Some(record))
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
    let moment = FrameInfo {
        sequence: field()?,
        source_sequence: field()?,
        t_capture: MonotonicNs(field()?),
        epoch: u32::try_from(field()?).ok()?,
        before: LossBefore::from_code(u8::try_from(field()?).ok()?),
    };
    Some(Row { moment, encoded: MonotonicNs(field()?) })
}

/// A sum over bytes, FNV-1a: enough to notice a page that a disk has lost, and cheap beside encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum(pub(crate) u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    /// Goes on with these bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 = bytes.iter().fold(self.0, step);
    }
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
                moment: FrameInfo {
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
            let Some(record) = read(&path).unwrap() else {
                assert_eq!(whole_lines, 0);
                continue;
            };
            let frames = (whole_lines - 1).min(rows.len());
            let expected: Vec<Line> = (0..frames)
                .map(|n| Line {
                    row: rows[n],
                    offset: seal(n).offset,
                    // By the line after it.
                    seal: (n + 2 < whole_lines).then(|| seal(n + 1)),
                })
                .collect();
            assert_eq!(record.lines, expected);
        }
    }
}
