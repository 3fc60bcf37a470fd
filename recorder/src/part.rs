//! A part: a stretch of one camera's clip by one encoder, as a fragmented MP4 with a journal beside it. A recorder
//! that is killed leaves its part behind; the next one reads how far it got and begins another.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::{Packet, codec};

use proto::codec::EncoderChoice;
use proto::failpoint;
use proto::frame::{Fps, FrameInfo, Geometry};
use proto::name::Name;
use proto::time::{MonotonicNs, nanos};

use crate::container::{Layout, VideoWriter, WriteError};
use crate::disk;
use crate::encode::{Encoder, EncoderSetup, WarmEncoder};
use crate::journal::{self, Journal, Line, PartHeader, Record, Row, Seal, Sum};
use crate::libav::{self, Pixels};

/// Why a part can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartError {
    /// The file can't be written.
    #[error("can't write {}: {source}", path.display())]
    Disk { path: PathBuf, source: io::Error },
    /// The encoder won't encode.
    #[error("encoder {encoder}: {source}")]
    Encoder { encoder: String, source: ffmpeg::Error },
}

/// What became of the frames of a part that was given up.
pub(crate) struct Abandoned {
    /// The last one in its file.
    pub(crate) last: Option<FrameInfo>,
    /// The first that was added and is not.
    pub(crate) inside: Option<u64>,
}

/// A part that is being written.
pub(crate) struct OpenPart {
    encoder: Encoder,
    choice: EncoderChoice,
    base_ns: MonotonicNs,
    tape: Tape,
}

/// The files of a part, and the frames that are still in its encoder.
struct Tape {
    writer: VideoWriter,
    journal: Journal,
    path: PathBuf,
    period_us: i64,
    inside: VecDeque<Row>,
    /// The last frame whose packet is in the file.
    last: Option<FrameInfo>,
}

fn video_path(workshop: &Path, camera: &Name, number: u32) -> PathBuf {
    workshop.join(format!("{camera}.part{number}.mp4"))
}

fn journal_path(workshop: &Path, camera: &Name, number: u32) -> PathBuf {
    workshop.join(format!("{camera}.part{number}.journal"))
}

/// The numbers of a camera's parts, in order, by the files that are there. A workshop that can't be listed is an error:
/// it must not be taken for an empty one.
fn numbers(workshop: &Path, camera: &Name) -> io::Result<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for entry in std::fs::read_dir(workshop)? {
        numbers.extend(entry?.file_name().to_str().and_then(|file| number_of(file, camera)));
    }
    Ok(numbers)
}

fn number_of(file: &str, camera: &Name) -> Option<u32> {
    let rest = file.strip_prefix(camera.as_str())?.strip_prefix(".part")?;
    rest.strip_suffix(".mp4").or_else(|| rest.strip_suffix(".journal"))?.parse().ok()
}

/// The number that the next part may have: no file of an earlier one is ever touched again.
pub(crate) fn next_number(workshop: &Path, camera: &Name) -> io::Result<u32> {
    let taken = disk::ask(|| numbers(workshop, camera))?;
    Ok(taken.last().map_or(1, |last| last.saturating_add(1)))
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
        failpoint::pass("encoder.opened", path.display());
        let lines = journal_path(workshop, camera, number);
        let journal = Journal::create(&lines, &header).map_err(disk)?;
        failpoint::pass("part.journal", path.display());
        let writer =
            VideoWriter::create(&path, Layout::FragmentedMp4, encoder.parameters(), || ()).map_err(|e| {
                remove(&lines);
                write_error(&path, &setup.choice.encoder, e)
            })?;
        failpoint::pass("part.begun", path.display());
        let (period_us, inside) = (period_us(setup.fps), VecDeque::new());
        let tape = Tape { writer, journal, path, period_us, inside, last: None };
        Ok(Self { encoder, choice: header.choice, base_ns: header.base_ns, tape })
    }

    /// Adds one frame: its line to the journal, its packet to the file. When this returns, the kernel has both, unless
    /// the encoder keeps frames back.
    pub(crate) fn add<P: Pixels + 'static>(&mut self, pixels: P, row: &Row) -> Result<(), PartError> {
        let (choice, path) = (&self.choice, self.tape.path.display());
        let preset = choice.preset.as_deref().unwrap_or_default();
        failpoint::pass(
            "encoder.encode",
            format_args!("{} {} {preset} {path}", choice.codec, choice.encoder),
        );
        let pts = pts_us(row.moment.t_capture, self.base_ns);
        self.tape.inside.push_back(*row);
        let mut failed = None;
        let encoded = self.encoder.encode(pixels, pts, |packet| self.tape.keep(packet, &mut failed));
        self.outcome(encoded, failed)
    }

    /// Writes what the encoder still holds. The video needs no ending; the journal gets its last line.
    pub(crate) fn finish(&mut self) -> Result<(), PartError> {
        let mut failed = None;
        let encoded = self.encoder.finish(|packet| self.tape.keep(packet, &mut failed));
        self.outcome(encoded, failed)?;
        let seal = self.tape.writer.seal();
        let disk = |source| PartError::Disk { path: self.tape.path.clone(), source };
        self.tape.journal.end(seal).map_err(disk)
    }

    /// Gives it up where it is, with whatever is in its file.
    pub(crate) fn abandon(self) -> Abandoned {
        if self.tape.last.is_none() {
            // A disk that stays full would be littered with such files.
            remove(&self.tape.path);
            remove(&self.tape.path.with_extension("journal"));
        }
        Abandoned { last: self.tape.last, inside: self.tape.inside.front().map(|row| row.moment.sequence) }
    }

    fn outcome(
        &self,
        encoded: Result<(), ffmpeg::Error>,
        failed: Option<WriteError>,
    ) -> Result<(), PartError> {
        let encoder = &self.choice.encoder;
        match (failed, encoded) {
            (Some(e), _) => Err(write_error(&self.tape.path, encoder, e)),
            (None, Err(source)) => Err(PartError::Encoder { encoder: encoder.clone(), source }),
            (None, Ok(())) => Ok(()),
        }
    }
}

/// Takes away a file of a part that has nothing in it, as well as can be.
fn remove(path: &Path) {
    let _ = disk::ask(|| std::fs::remove_file(path));
}

impl Tape {
    /// Writes a packet behind its line; keeps the file's own error, of which libav's is only a shadow.
    fn keep(&mut self, packet: &mut Packet, failed: &mut Option<WriteError>) -> Result<(), ffmpeg::Error> {
        self.write(packet).map_err(|e| {
            *failed = Some(e);
            ffmpeg::Error::External
        })
    }

    fn write(&mut self, packet: &mut Packet) -> Result<(), WriteError> {
        // Encoders give frames out in the order they took them, one packet each.
        let row = self.inside.front().ok_or(WriteError::Libav(ffmpeg::Error::Bug))?;
        self.journal.add(row, self.writer.seal()).map_err(WriteError::Disk)?;
        failpoint::pass("part.line", self.path.display());
        self.writer.write(packet, self.period_us)?;
        self.last = self.inside.pop_front().map(|row| row.moment);
        failpoint::pass("part.packet", self.path.display());
        Ok(())
    }
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
    pub(crate) lines: Vec<Line>,
    start: Seal,
    path: PathBuf,
}

/// How much all parts in a workshop take.
pub(crate) fn bytes(workshop: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(workshop)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// Every part of a camera's clip, in order: what their journals say, as far as the videos are long enough. No more is
/// read than that, since a recorder that takes over waits for it. A part that never got to a whole frame is passed
/// over; one that can't be read now is an error, since it must not be taken for one without frames.
pub(crate) fn read_all(workshop: &Path, camera: &Name) -> io::Result<Vec<Part>> {
    failpoint::check("part.read", workshop.join(camera.as_str()).display())?;
    let mut parts = Vec::new();
    for number in numbers(workshop, camera)? {
        let path = video_path(workshop, camera, number);
        let (Some(Some(record)), Some(video)) =
            (if_there(journal::read(&journal_path(workshop, camera, number)))?, if_there(File::open(&path))?)
        else {
            continue;
        };
        let Record { header, mut lines, start } = record;
        lines.truncate(whole(&lines, &video)?);
        if !lines.is_empty() {
            parts.push(Part { header, lines, start, path });
        }
    }
    Ok(parts)
}

fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// How many of a journal's packets are whole.
fn whole(lines: &[Line], video: &File) -> io::Result<usize> {
    let length = video.metadata()?.len();
    let is_whole = |line: &Line| match line.seal {
        Some(end) => Ok(end.offset <= length),
        None => is_whole_fragment(video, line.offset, length),
    };
    for (index, line) in lines.iter().enumerate() {
        if !is_whole(line)? {
            return Ok(index);
        }
    }
    Ok(lines.len())
}

/// Goes from box to box (their length, then their name) until the packet's own has ended.
fn is_whole_fragment(video: &File, mut at: u64, length: u64) -> io::Result<bool> {
    const HEAD: u64 = 8;
    while at.saturating_add(HEAD) <= length {
        let mut head = [0; 8];
        video.read_exact_at(&mut head, at)?;
        let [a, b, c, d, name @ ..] = head;
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        let end = at.saturating_add(size);
        if size < HEAD || end > length {
            return Ok(false);
        }
        if name == *b"mdat" {
            return Ok(true);
        }
        at = end;
    }
    Ok(false)
}

impl Part {
    /// The frames, in order.
    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.lines.iter().map(|line| &line.row)
    }

    /// The stream's parameters. `None` when the video's beginning isn't what was written.
    pub(crate) fn parameters(&self, geometry: &Geometry) -> io::Result<Option<codec::Parameters>> {
        let beginning = disk::ask(|| sum(&mut File::open(&self.path)?, self.start.offset))?;
        if beginning != Some(self.start.sum) {
            return Ok(None);
        }
        let Some(input) = unless_lost(disk::ask(|| libav::open_by_header(&self.path)))? else {
            return Ok(None);
        };
        Ok(input.stream(0).map(|stream| libav::with_size(stream.parameters(), geometry)))
    }

    /// Goes through the packets that are as they were written, each with its line. One that isn't is passed over, with
    /// those that can't be decoded without it.
    pub(crate) fn each_packet(
        &self,
        mut each: impl FnMut(&Row, &mut Packet) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let video = disk::ask(|| {
            File::open(&self.path).and_then(|mut v| Ok((v.seek(SeekFrom::Start(self.start.offset))?, v)))
        });
        let (mut at, mut video) = video.map_err(WriteError::Disk)?;
        let input = unless_lost(disk::ask(|| libav::open_by_header(&self.path))).map_err(WriteError::Disk)?;
        let Some(mut input) = input else { return Ok(()) };
        let mut broken = false;
        for line in &self.lines {
            let end = line.seal.map_or(u64::MAX, |seal| seal.offset);
            let intact = match line.seal {
                Some(seal) => {
                    let sum =
                        disk::ask(|| sum(&mut video, end.saturating_sub(at))).map_err(WriteError::Disk)?;
                    at = end;
                    sum == Some(seal.sum)
                }
                None => true,
            };
            let mut packet = Packet::empty();
            let read = unless_lost(disk::ask(|| packet.read(&mut input))).map_err(WriteError::Disk)?;
            if read.is_none() || packet.is_corrupt() || packet.size() == 0 {
                return Ok(());
            }
            // The times in the file are not used: a fragment written at once can't know how long its frame will last,
            // and libav's muxer counts on from that guess. What counts is where the packet lies.
            let lies_at = u64::try_from(packet.position()).unwrap_or(u64::MAX);
            if !(line.offset..end).contains(&lies_at) {
                return Ok(());
            }
            broken = !intact || (broken && !packet.is_key());
            if broken {
                continue;
            }
            each(&line.row, &mut packet)?;
        }
        Ok(())
    }
}

/// `None` when libav says that there is nothing to be read, or nonsense. What the system says (no descriptor, an error
/// of the disk) says nothing about the file, and is to be tried again.
fn unless_lost<T>(result: Result<T, ffmpeg::Error>) -> io::Result<Option<T>> {
    match result {
        Ok(read) => Ok(Some(read)),
        // libav's own word for what it can't make sense of.
        Err(ffmpeg::Error::Other { errno: ffmpeg::error::EINVAL }) => Ok(None),
        Err(ffmpeg::Error::Other { errno }) => Err(io::Error::from_raw_os_error(errno)),
        Err(_) => Ok(None),
    }
}

/// The sum over so many bytes; `None` when there are fewer.
fn sum(video: &mut File, bytes: u64) -> io::Result<Option<u64>> {
    let (mut sum, mut buffer) = (Sum::default(), [0; 64 * 1024]);
    let mut rest = video.take(bytes);
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok((rest.limit() == 0).then_some(sum.0)),
            n => sum.add(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_numbered_behind_every_file_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let workshop = folder.path();
        let cam = Name::new("cam").unwrap();
        assert_eq!(next_number(workshop, &cam).unwrap(), 1);
        for file in ["cam.part1.mp4", "cam.part3.journal", "cam2.part9.mp4", "cam.part7.txt", "plan.json"] {
            std::fs::write(workshop.join(file), "").unwrap();
        }
        assert_eq!(numbers(workshop, &cam).unwrap(), BTreeSet::from([1, 3]));
        assert_eq!(next_number(workshop, &cam).unwrap(), 4);
        assert!(
            next_number(&workshop.join("away"), &cam).is_err(),
            "a folder that is away is not an empty one"
        );
    }

    #[test]
    fn only_what_libav_says_of_the_contents_makes_a_part_lost() {
        let of = |error| unless_lost::<()>(Err(error));
        assert!(matches!(of(ffmpeg::Error::InvalidData), Ok(None)));
        assert!(matches!(of(ffmpeg::Error::Eof), Ok(None)));
        let none_left = of(ffmpeg::Error::Other { errno: ffmpeg::error::EMFILE });
        assert_eq!(none_left.unwrap_err().raw_os_error(), Some(ffmpeg::error::EMFILE));
    }

    #[test]
    fn a_box_of_any_length_is_gone_over_without_a_panic() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[0xff; 64], 0).unwrap();
        assert!(!is_whole_fragment(&file, 0, 64).unwrap());
        assert!(!is_whole_fragment(&file, u64::MAX - 3, 64).unwrap());
    }
}
