//! Beside each partial video lies its journal: one line a frame, written *before* the frame's packet. So whatever
//! moment a recorder is killed at, no packet is without its line; a line without its packet is at the end, and is
//! passed over when the part is read back.
//!
//! The first line is JSON (how the part was made), the others are
//! `sequence,source_sequence,t_capture_ns,epoch,before,encoded_ns`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use proto::clip::EncoderChoice;
use proto::frame::{Before, Moment};
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
    pub(crate) previous: Option<Moment>,
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
    pub(crate) moment: Moment,
    /// When it was encoded.
    pub(crate) encoded: MonotonicNs,
}

/// A journal that is being written.
pub(crate) struct Journal {
    file: File,
}

impl Journal {
    /// Begins one. There must be none at this path.
    pub(crate) fn create(path: &Path, header: &PartHeader) -> io::Result<Self> {
        let mut line = serde_json::to_vec(header)?;
        line.push(b'\n');
        disk::ask(|| {
            let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(&line)?;
            Ok(Self { file })
        })
    }

    /// Adds a frame, in one write.
    pub(crate) fn add(&mut self, row: &Row) -> io::Result<()> {
        let Moment { sequence, source_sequence, t_capture, epoch, before } = row.moment;
        let (t, b, e) = (t_capture.0, before.code(), row.encoded.0);
        let line = format!("{sequence},{source_sequence},{t},{epoch},{b},{e}\n");
        disk::ask(|| self.file.write_all(line.as_bytes()))
    }
}

/// Reads a journal back. A torn last line is passed over; `None` when not even the first is whole.
pub(crate) fn read(path: &Path) -> io::Result<Option<(PartHeader, Vec<Row>)>> {
    let text = disk::ask(|| std::fs::read(path))?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.split_inclusive('\n').map_while(|line| line.strip_suffix('\n'));
    let header = lines.next().and_then(|line| serde_json::from_str(line).ok());
    Ok(header.map(|header| (header, lines.map_while(row).collect())))
}

fn row(line: &str) -> Option<Row> {
    let mut fields = line.split(',').map(str::parse::<u64>);
    let mut field = || fields.next()?.ok();
    let moment = Moment {
        sequence: field()?,
        source_sequence: field()?,
        t_capture: MonotonicNs(field()?),
        epoch: u32::try_from(field()?).ok()?,
        before: Before::from_code(u8::try_from(field()?).ok()?),
    };
    Some(Row { moment, encoded: MonotonicNs(field()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::clip::Codec;

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
                moment: Moment {
                    sequence: n,
                    source_sequence: n + 10,
                    t_capture: MonotonicNs(n * 1000),
                    epoch: 1,
                    before: Before::Nothing,
                },
                encoded: MonotonicNs(n * 1000 + 1),
            })
            .collect();
        rows.iter().for_each(|row| journal.add(row).unwrap());
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
            match read(&path).unwrap() {
                None => assert_eq!(lines, 0),
                Some((_, got)) => assert_eq!(got, rows[..lines - 1]),
            }
        }
    }
}
