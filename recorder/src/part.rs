//! Parts on the disk: their names, and reading them back. A part is a stretch of one camera's clip, by one encoder or copied,
//! as a fragmented MP4 (or QuickTime file, which has the same form) with a journal beside it. A recorder that is killed leaves its part behind; the next one reads how
//! far the part got and begins another. How a part is written is [`crate::track`]'s subject.

mod head;
mod samples;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec;

use proto::failpoint;
use proto::frame::{FrameInfo, Geometry, PictureTags};
use proto::name::Name;
use proto::opened;
use proto::time::MonotonicNs;

use crate::disk;
use crate::journal::{JournalReader, PartHeader, Row, Seal};
use crate::libav;
use crate::runs::Runs;

pub(crate) use head::Head;
pub(crate) use samples::{Look, Sample};

/// The path of a part's video. `extension` is that of [`PartHeader::part_extension`].
pub(crate) fn video_path(partial: &Path, camera: &Name, number: u32, extension: &str) -> PathBuf {
    partial.join(format!("{camera}.part{number}{extension}"))
}

/// The path of a part's journal.
fn journal_path(partial: &Path, camera: &Name, number: u32) -> PathBuf {
    partial.join(format!("{camera}.part{number}.journal"))
}

/// The numbers of a camera's parts, in order, by the files that are there. A folder that can't be listed is an error: it
/// must not be taken for an empty one.
fn numbers(partial: &Path, camera: &Name) -> io::Result<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for name in opened::names(partial)? {
        numbers.extend(name.to_str().and_then(|file| number_of(file, camera)));
    }
    Ok(numbers)
}

fn number_of(file: &str, camera: &Name) -> Option<u32> {
    let rest = file.strip_prefix(camera.as_str())?.strip_prefix(".part")?;
    [".mp4", ".mov", ".journal"].iter().find_map(|ending| rest.strip_suffix(ending))?.parse().ok()
}

/// The number that the next part may have: no file of an earlier one is ever touched again, but for one that is removed
/// whole ([`Part::remove`]).
pub(crate) fn next_number(partial: &Path, camera: &Name) -> io::Result<u32> {
    let taken = disk::ask(|| numbers(partial, camera))?;
    Ok(taken.last().map_or(1, |last| last.saturating_add(1)))
}

/// The size of a camera's files in a clip's partial folder.
pub(crate) fn bytes(partial: &Path, camera: &Name) -> io::Result<u64> {
    let mut bytes = 0;
    let is_its = |name: &OsString| name.to_str().and_then(|file| number_of(file, camera)).is_some();
    for name in opened::names(partial)?.into_iter().filter(is_its) {
        // A file that is gone by now takes no room.
        bytes += partial.join(name).symlink_metadata().map_or(0, |there| there.len());
    }
    Ok(bytes)
}

/// A camera's only part, by its files alone: how far it got is not read.
pub(crate) struct OnlyPart {
    pub(crate) video: PathBuf,
    pub(crate) journal: PathBuf,
    pub(crate) header: PartHeader,
    start: Seal,
}

/// A camera's part, if there is just one.
pub(crate) fn only(partial: &Path, camera: &Name) -> io::Result<Option<OnlyPart>> {
    let numbers = numbers(partial, camera)?;
    let (1, Some(number)) = (numbers.len(), numbers.first()) else { return Ok(None) };
    let journal = journal_path(partial, camera, *number);
    let Some(Some(lines)) = usable(JournalReader::open(&journal))? else { return Ok(None) };
    let (header, start) = (lines.header().clone(), lines.start());
    let video = video_path(partial, camera, *number, header.part_extension());
    Ok(Some(OnlyPart { video, journal, header, start }))
}

impl OnlyPart {
    /// Says whether the part's head is as its writer wrote it.
    pub(crate) fn has_plain_head(&self) -> io::Result<bool> {
        let Some(video) = usable(opened::file(&self.video))? else { return Ok(false) };
        Ok(Head::read(video, self.start, &self.header)?.is_some_and(|head| !head.is_toggled))
    }
}

/// A part that is there, as far as it got.
pub(crate) struct Part {
    pub(crate) header: PartHeader,
    /// The frames whose packets are whole.
    pub(crate) frames: Runs,
    pub(crate) first: Row,
    pub(crate) last: Row,
    start: Seal,
    /// The end of the last whole packet.
    pub(crate) end: u64,
    video: PathBuf,
    journal: PathBuf,
}

/// Every part of a camera's clip, in order: what their journals say, as far as the videos are long enough. No more is
/// read than that, since a recorder that takes over waits for it. A part without a whole frame is passed over. A part that
/// can't be read now is an error, since it must not be taken for one without frames.
pub(crate) fn read_all(partial: &Path, camera: &Name) -> io::Result<Vec<Part>> {
    failpoint::check("part.read", partial.join(camera.as_str()).display())?;
    let mut parts = Vec::new();
    for number in numbers(partial, camera)? {
        let journal = journal_path(partial, camera, number);
        let Some(Some(lines)) = usable(JournalReader::open(&journal))? else { continue };
        let video = video_path(partial, camera, number, lines.header().part_extension());
        if let Some(file) = usable(opened::file(&video))? {
            parts.extend(read(lines, &file, video, journal, None)?.part);
        }
    }
    Ok(parts)
}

/// `None` for a file of a part that is gone, or that isn't ours: trying again would change neither.
fn usable<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) if opened::is_foreign(&e) => {
            tracing::error!("{e}; the part that it stands for is lost");
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Leaves out what was captured after this moment: a window may get an earlier end than when its frames were recorded. Returns
/// the first frame that is left out, too.
pub(crate) fn up_to(parts: Vec<Part>, end: MonotonicNs) -> io::Result<(Vec<Part>, Option<FrameInfo>)> {
    let mut kept = Vec::new();
    for part in parts {
        if part.last.frame.t_capture <= end {
            kept.push(part);
            continue;
        }
        let Part { video, journal, .. } = part;
        let file = opened::file(&video)?;
        let Some(lines) = JournalReader::open(&journal)? else { continue };
        let Read { part, behind } = read(lines, &file, video, journal, Some(end))?;
        kept.extend(part);
        if behind.is_some() {
            return Ok((kept, behind));
        }
    }
    Ok((kept, None))
}

/// A part that was read.
struct Read {
    /// `None` when it holds no whole frame.
    part: Option<Part>,
    /// The first frame behind its end.
    behind: Option<FrameInfo>,
}

/// Reads how far one part got, or what it has up to a moment.
fn read(
    mut lines: JournalReader,
    file: &File,
    video: PathBuf,
    journal: PathBuf,
    until: Option<MonotonicNs>,
) -> io::Result<Read> {
    let length = file.metadata()?.len();
    let (mut frames, mut behind) = (Runs::default(), None);
    let (mut ends, mut end): (Option<(Row, Row)>, u64) = (None, 0);
    while let Some(line) = lines.next()? {
        if until.is_some_and(|until| line.row.frame.t_capture > until) {
            behind = Some(line.row.frame);
            break;
        }
        let its_end = match line.seal {
            Some(seal) => Some(seal.offset).filter(|end| *end <= length),
            None => fragment_end(file, line.offset, length)?,
        };
        let Some(its_end) = its_end else { break };
        end = its_end;
        frames.add(&line.row.frame);
        ends = Some((ends.map_or(line.row, |(first, _)| first), line.row));
    }
    let (header, start) = (lines.header().clone(), lines.start());
    let part = ends.map(|(first, last)| Part { header, frames, first, last, start, end, video, journal });
    Ok(Read { part, behind })
}

/// The end of the fragment at this place, if it is whole. Goes from box to box (their length, then their name) until the
/// packet's own has ended.
fn fragment_end(video: &File, mut at: u64, length: u64) -> io::Result<Option<u64>> {
    const HEAD: u64 = 8;
    while at.saturating_add(HEAD) <= length {
        let mut head = [0; 8];
        video.read_exact_at(&mut head, at)?;
        let [a, b, c, d, name @ ..] = head;
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        let end = at.saturating_add(size);
        if size < HEAD || end > length {
            return Ok(None);
        }
        if name == *b"mdat" {
            return Ok(Some(end));
        }
        at = end;
    }
    Ok(None)
}

impl Part {
    /// The capture time of the first frame from this moment on.
    pub(crate) fn first_at_or_after(&self, at: MonotonicNs) -> io::Result<Option<MonotonicNs>> {
        let Some(mut lines) = JournalReader::open(&self.journal)? else { return Ok(None) };
        while let Some(line) = lines.next()? {
            let t_capture = line.row.frame.t_capture;
            if t_capture >= at {
                return Ok(Some(t_capture).filter(|_| line.row.frame.sequence <= self.last.frame.sequence));
            }
        }
        Ok(None)
    }

    /// Removes the part. One of which the journal alone is gone, or the video, is passed over when parts are read.
    pub(crate) fn remove(self) -> io::Result<()> {
        let is_gone = |removed: io::Result<()>| match removed {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        };
        disk::ask(|| {
            is_gone(opened::remove_file(&self.journal))
                .and_then(|()| is_gone(opened::remove_file(&self.video)))
        })
    }

    /// The part's head. `None` when it isn't what was written.
    pub(crate) fn head(&self) -> io::Result<Option<Head>> {
        let Some(video) = disk::ask(|| usable(opened::file(&self.video)))? else { return Ok(None) };
        disk::ask(|| Head::read(video, self.start, &self.header))
    }

    /// The stream's parameters. `None` when the video's beginning isn't what was written.
    pub(crate) fn parameters(
        &self,
        geometry: &Geometry,
        picture: &PictureTags,
    ) -> io::Result<Option<codec::Parameters>> {
        let Some(head) = self.head()? else { return Ok(None) };
        let opened = disk::ask(|| {
            let file = if head.is_toggled { head.as_it_was()? } else { opened::file(&self.video)? };
            Ok::<_, io::Error>(libav::open_by_header(&file))
        })?;
        let Some(input) = unless_lost(opened)? else { return Ok(None) };
        Ok(input.stream(0).map(|stream| libav::with_size(stream.parameters(), geometry, picture.pixel_shape)))
    }
}

/// `None` when libav says that a file ends or makes no sense. An error of the system (no descriptor, a bad disk) says
/// nothing about the file, and is to be tried again.
fn unless_lost<T>(result: Result<T, ffmpeg::Error>) -> io::Result<Option<T>> {
    match result {
        Ok(read) => Ok(Some(read)),
        // libav's own word for what it can't make sense of.
        Err(ffmpeg::Error::Other { errno: ffmpeg::error::EINVAL }) => Ok(None),
        Err(ffmpeg::Error::Other { errno }) => Err(io::Error::from_raw_os_error(errno)),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_numbered_behind_every_file_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let partial = folder.path();
        let cam = Name::new("cam").unwrap();
        assert_eq!(next_number(partial, &cam).unwrap(), 1);
        for file in [
            "cam.part1.mp4",
            "cam.part2.mov",
            "cam.part3.journal",
            "cam2.part9.mp4",
            "cam.part7.txt",
            "plan.json",
        ] {
            std::fs::write(partial.join(file), "").unwrap();
        }
        assert_eq!(numbers(partial, &cam).unwrap(), BTreeSet::from([1, 2, 3]));
        assert_eq!(next_number(partial, &cam).unwrap(), 4);
        assert!(
            next_number(&partial.join("away"), &cam).is_err(),
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
        assert_eq!(fragment_end(&file, 0, 64).unwrap(), None);
        assert_eq!(fragment_end(&file, u64::MAX - 3, 64).unwrap(), None);
    }
}
