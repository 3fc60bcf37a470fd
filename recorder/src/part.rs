//! A part: a stretch of one camera's clip by one encoder, as a fragmented MP4 with a journal beside it. A recorder
//! that is killed leaves its part behind; the next one reads how far it got and begins another.

use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::{Packet, codec};

use proto::frame::{Fps, Geometry};
use proto::name::Name;
use proto::time::{MonotonicNs, nanos};

use crate::container::{Layout, VideoWriter, WriteError};
use crate::disk;
use crate::encode::{Encoder, EncoderSetup, WarmEncoder};
use crate::journal::{self, Journal, PartHeader, Row};
use crate::raw::{self, Pixels};

/// Why a part can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartError {
    /// The file can't be written.
    #[error("can't write {}: {source}", path.display())]
    Disk { path: PathBuf, source: std::io::Error },
    /// The encoder won't encode.
    #[error("encoder {encoder}: {source}")]
    Encoder { encoder: String, source: ffmpeg::Error },
}

/// A part that is being written.
pub(crate) struct OpenPart {
    encoder: Encoder,
    writer: VideoWriter,
    journal: Journal,
    header: PartHeader,
    path: PathBuf,
    period_us: i64,
    /// Frames that it was given.
    given: usize,
}

fn video_path(workshop: &Path, camera: &Name, number: u32) -> PathBuf {
    workshop.join(format!("{camera}.part{number}.mp4"))
}

fn journal_path(workshop: &Path, camera: &Name, number: u32) -> PathBuf {
    workshop.join(format!("{camera}.part{number}.journal"))
}

/// The number that the next part may have: no file of an earlier one is ever touched again.
pub(crate) fn next_number(workshop: &Path, camera: &Name) -> u32 {
    let taken =
        |n: &u32| video_path(workshop, camera, *n).exists() || journal_path(workshop, camera, *n).exists();
    (1..u32::MAX).find(|n| !taken(n)).unwrap_or(u32::MAX)
}

/// A frame's video time.
pub(crate) fn pts_us(t: MonotonicNs, base: MonotonicNs) -> i64 {
    i64::try_from(nanos(t - base) / 1_000).unwrap_or(i64::MAX)
}

/// One frame's length in video time, nominally.
pub(crate) fn period_us(fps: Fps) -> i64 {
    i64::try_from(fps.period().as_micros()).unwrap_or(1)
}

impl OpenPart {
    /// Opens the encoder and both files.
    pub(crate) fn begin(
        workshop: &Path,
        camera: &Name,
        number: u32,
        setup: &EncoderSetup,
        header: PartHeader,
        warm: Option<WarmEncoder>,
    ) -> Result<Self, PartError> {
        let path = video_path(workshop, camera, number);
        let disk = |source| PartError::Disk { path: path.clone(), source };
        let encoder = setup.open_unless(warm).map_err(|e| encoder_error(setup, e))?;
        let files = (|| {
            let journal = Journal::create(&journal_path(workshop, camera, number), &header).map_err(disk)?;
            let writer = VideoWriter::create(&path, Layout::FragmentedMp4, encoder.parameters())
                .map_err(|e| write_error(&path, &setup.choice.encoder, e))?;
            Ok((journal, writer))
        })();
        let (journal, writer) = files.inspect_err(|_| remove(&path))?;
        Ok(Self { encoder, writer, journal, header, path, period_us: period_us(setup.fps), given: 0 })
    }

    /// Adds one frame: its line to the journal, its packet to the file. When this returns, the kernel has both.
    pub(crate) fn add<P: Pixels + 'static>(&mut self, pixels: P, row: &Row) -> Result<(), PartError> {
        self.journal.add(row).map_err(|source| PartError::Disk { path: self.path.clone(), source })?;
        let pts = pts_us(row.moment.t_capture, self.header.base_ns);
        let (writer, period) = (&mut self.writer, self.period_us);
        let mut failed = None;
        let encoded = self.encoder.encode(pixels, pts, |packet| keep(writer, packet, period, &mut failed));
        self.outcome(encoded, failed)?;
        self.given += 1;
        Ok(())
    }

    /// Gives it up where it is, with whatever is in its file. Says how many of the frames that it was given are not.
    pub(crate) fn abandon(self) -> usize {
        let inside = self.encoder.inside().min(self.given);
        if inside == self.given {
            // Not one frame: a disk that stays full would be littered with such files.
            remove(&self.path);
        }
        inside
    }

    /// Writes what the encoder still holds. The file needs no ending.
    pub(crate) fn finish(mut self) -> Result<(), PartError> {
        let (writer, period) = (&mut self.writer, self.period_us);
        let mut failed = None;
        let encoded = self.encoder.finish(|packet| keep(writer, packet, period, &mut failed));
        self.outcome(encoded, failed)
    }

    fn outcome(
        &self,
        encoded: Result<(), ffmpeg::Error>,
        failed: Option<WriteError>,
    ) -> Result<(), PartError> {
        let encoder = &self.header.choice.encoder;
        match (failed, encoded) {
            (Some(e), _) => Err(write_error(&self.path, encoder, e)),
            (None, Err(source)) => Err(PartError::Encoder { encoder: encoder.clone(), source }),
            (None, Ok(())) => Ok(()),
        }
    }
}

/// Takes away a part that has nothing in it, as well as can be.
fn remove(video: &Path) {
    for path in [video.to_owned(), video.with_extension("journal")] {
        let _ = disk::ask(|| std::fs::remove_file(path));
    }
}

/// Writes a packet; keeps the writer's own error, of which libav's is only a shadow.
fn keep(
    writer: &mut VideoWriter,
    packet: &mut Packet,
    period_us: i64,
    failed: &mut Option<WriteError>,
) -> Result<(), ffmpeg::Error> {
    writer.write(packet, period_us).map_err(|e| {
        *failed = Some(e);
        ffmpeg::Error::External
    })
}

fn encoder_error(setup: &EncoderSetup, source: ffmpeg::Error) -> PartError {
    PartError::Encoder { encoder: setup.choice.encoder.clone(), source }
}

fn write_error(path: &Path, encoder: &str, error: WriteError) -> PartError {
    match error {
        WriteError::Disk(source) => PartError::Disk { path: path.to_owned(), source },
        WriteError::Libav(source) => PartError::Encoder { encoder: encoder.to_owned(), source },
    }
}

/// A part that is there, as far as it got.
pub(crate) struct Part {
    pub(crate) header: PartHeader,
    /// The frames whose packets are whole.
    pub(crate) rows: Vec<Row>,
    /// The stream's parameters.
    pub(crate) parameters: codec::Parameters,
    path: PathBuf,
}

/// How much all parts in a workshop take.
pub(crate) fn bytes(workshop: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(workshop)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// Every part of a camera's clip, in order. One that never got to a whole frame is passed over.
pub(crate) fn read_all(workshop: &Path, camera: &Name, geometry: &Geometry) -> std::io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for number in 1..next_number(workshop, camera) {
        let Ok(Some((header, rows))) = journal::read(&journal_path(workshop, camera, number)) else {
            continue;
        };
        let path = video_path(workshop, camera, number);
        // A file without its header yet is one without a frame.
        let Some(input) = disk::ask(|| raw::open_by_header(&path)) else { continue };
        let Some(stream) = input.stream(0) else { continue };
        let mut part = Part { header, rows, parameters: raw::with_size(stream.parameters(), geometry), path };
        let mut whole = Vec::new();
        part.each_packet(|row, _| {
            whole.push(*row);
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap_or_else(|never| match never {});
        part.rows = whole;
        if !part.rows.is_empty() {
            parts.push(part);
        }
    }
    Ok(parts)
}

impl Part {
    /// Goes through the packets that are whole, each with its line in the journal, and stops at the first that
    /// isn't or has none.
    pub(crate) fn each_packet<E>(
        &self,
        mut each: impl FnMut(&Row, &mut Packet) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(mut input) = disk::ask(|| raw::open_by_header(&self.path)) else { return Ok(()) };
        let mut rows = self.rows.iter();
        loop {
            let mut packet = Packet::empty();
            if disk::ask(|| packet.read(&mut input)).is_err() || packet.is_corrupt() || packet.size() == 0 {
                return Ok(());
            }
            // Encoders give frames out in the order they took them, one packet each. The times in the file are not
            // used: a fragment written at once can't know how long its frame will last, and libav's muxer counts
            // on from that guess.
            let Some(row) = rows.next() else { return Ok(()) };
            each(row, &mut packet)?;
        }
    }
}
