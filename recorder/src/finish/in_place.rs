//! Finishing in place: the only part of a camera becomes its video without being written again. An index is put behind
//! the part's last fragment; then the part's own header (a `moov` that says "fragments follow") is turned into the head
//! of one `mdat` box, 16 bytes in one write, so that the fragments are bytes that only the index explains. Both names,
//! the part's and the video's, lead to the same file.
//!
//! Theory of operation. The 16 bytes are known, so a part is read as before whether they are written or not
//! ([`crate::part::Head`]). They are written before the flush, and say that it was begun: should this process die in it,
//! nobody knows whether it failed, and a second flush would be called a success
//! (docs/decisions/failed-flush.md). So a part that is found with them is copied, as several parts are. See
//! docs/decisions/fragments.md.

use std::fs::File;
use std::io;
use std::path::Path;

use proto::clip::PlannedCamera;
use proto::durable;
use proto::failpoint;
use proto::opened;
use proto::time::MonotonicNs;

use super::index::{self, Counts, Durations, Index, Kind, Run, Shown, Track};
use super::join::{Joined, add_stretch, file_name, maker};
use crate::assignment::Footage;
use crate::container::Layout;
use crate::disk;
use crate::fragment;
use crate::journal::PartHeader;
use crate::media::WriteError;
use crate::part::{self, Head, Look, Part, Sample};
use crate::pulse::Pulse;
use crate::runs::Runs;
use crate::timestamps::{RowCounts, Timestamps};
use crate::video_time;

/// Gives a camera's only part a second name in the folder `ready`, that of its video. `None` if it has several, or must be
/// copied for another reason; else the most bytes that have to be written to finish it.
pub(super) fn link(partial: &Path, ready: &Path, camera: &PlannedCamera) -> io::Result<Option<u64>> {
    let Some(only) = part::only(partial, &camera.name)? else { return Ok(None) };
    let has_an_index = kind_of(&only.header, camera).is_some();
    if !has_an_index || !only.has_plain_head()? {
        return Ok(None);
    }
    match std::fs::hard_link(&only.video, ready.join(file_name(&camera.name, &only.header, 1))) {
        Ok(()) => {
            failpoint::pass("finish.linked", only.video.display());
            // A row of the journal is longer than a frame's entries in the index and the timestamps together.
            Ok(Some(only.journal.metadata()?.len()))
        }
        Err(e) if has_no_links(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The kind of index that a part's file is to get. `None` for a file that has none of this form, and for a part whose beginning
/// depends on one that isn't there.
fn kind_of(header: &PartHeader, camera: &PlannedCamera) -> Option<Kind> {
    match header.layout(camera.fps) {
        _ if header.goes_on => None,
        Layout::FaststartMp4 => Some(Kind::Mp4),
        Layout::Mov => Some(Kind::Mov),
        Layout::FragmentedMp4 | Layout::FragmentedMov | Layout::Avi { .. } => None,
    }
}

/// The file system makes no hard links, or no more of this file.
fn has_no_links(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::MLINK, Errno::XDEV].map(Some).contains(&errno)
}

/// The samples of a part that can be read, as they were counted.
struct Counted {
    counts: Counts,
    frames: Runs,
}

/// The frames of a finished part, and its rows.
struct Finished {
    frames: Runs,
    rows: RowCounts,
}

/// Finishes a part that is linked into `ready`. `None` if it has to be copied after all; then nothing of it is left in
/// `ready`.
pub(super) fn finish(
    part: &Part,
    footage: &Footage,
    ready: &Path,
    pulse: &Pulse,
) -> io::Result<Option<Joined>> {
    let camera = &footage.camera;
    let file = file_name(&camera.name, &part.header, 1);
    let path = ready.join(&file);
    let finished = match part.head()? {
        Some(head) if !head.is_toggled => match put_index(part, &head, footage, &path, ready, pulse) {
            // There is no room for an index in this file, and its copy can be split; or somebody gave the part a third name,
            // for a snapshot perhaps, and what it says under that name must stay as it is.
            Err(e) if matches!(e.kind(), io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData) => None,
            put => put?,
        },
        _ => None,
    };
    let Some(Finished { frames, rows }) = finished else {
        let timestamps = ready.join(crate::timestamps::file_name(&camera.name));
        for unfinished in [&path, &timestamps] {
            match opened::remove_file(unfinished) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        return Ok(None);
    };
    let mut stretches = Vec::new();
    add_stretch(&mut stretches, &file, &part.header, frames.frames());
    let mut made_by = maker(file, &part.header.choice);
    made_by.frames = frames.frames();
    let size_bytes = path.metadata()?.len();
    Ok(Some(Joined { frames, files: vec![made_by], stretches, rows, size_bytes }))
}

/// Puts the index behind a part, makes it count, and flushes everything. `None` if it can't be done to this part.
fn put_index(
    part: &Part,
    head: &Head,
    footage: &Footage,
    path: &Path,
    ready: &Path,
    pulse: &Pulse,
) -> io::Result<Option<Finished>> {
    let camera = &footage.camera;
    let mut timestamps =
        Timestamps::create(ready, &camera.name, footage.plan.trigger_ns, footage.plan.window.start_ns)?;
    timestamps.know(footage);
    let Some(counted) = count(part, footage, &mut timestamps, pulse)? else { return Ok(None) };
    let (Some(stsd), Some(kind)) = (sample_description(head), kind_of(&part.header, camera)) else {
        return Ok(None);
    };
    let shown = Shown::of(camera);
    let track = Track { kind, shown, hidden_us: hidden_us(part, timestamps.first_inside()), stsd };
    let Some(index) = index::lay_out(counted.counts, &track, part.end) else { return Ok(None) };
    let file = disk::ask(|| opened::file_to_end(path))?;
    // A recorder that was killed here may have left a piece of an index, and frames from behind the window may follow.
    disk::ask(|| file.set_len(part.end))?;
    fill(&Output { file: &file, path, pulse }, &index, part, footage, &counted.frames)?;
    failpoint::pass("finish.index", path.display());
    failpoint::pass("join.video", path.display());
    disk::ask(|| durable::write_all_at(&file, &head.toggled(part.end), head.moov_at, path))?;
    failpoint::pass("finish.toggled", path.display());
    disk::ask(|| durable::sync_contents(path))?;
    failpoint::pass("join.synced", path.display());
    let rows = timestamps.finish()?;
    failpoint::pass("join.csv", ready.join(crate::timestamps::file_name(&camera.name)).display());
    Ok(Some(Finished { frames: counted.frames, rows }))
}

/// The time in the video, in microseconds, at which players are to begin.
fn hidden_us(part: &Part, first_inside: Option<MonotonicNs>) -> u32 {
    let shown = first_inside.filter(|_| part.header.hides_lead_in());
    let hidden_us = shown.map_or(0, |shown| video_time::pts_us(shown, base(part)));
    u32::try_from(hidden_us).unwrap_or(0)
}

/// The inside of the sample description's box, as libav wrote it.
fn sample_description(head: &Head) -> Option<&[u8]> {
    let names = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"];
    names.iter().try_fold(&head.bytes[..], |inside, name| fragment::find(inside, name))
}

/// Reads all samples, and counts those that are as they were written. `None` when the first of them isn't the part's first:
/// then the video would not begin at its beginning.
fn count(
    part: &Part,
    footage: &Footage,
    timestamps: &mut Timestamps,
    pulse: &Pulse,
) -> io::Result<Option<Counted>> {
    let (mut counts, mut durations) = (Counts::default(), Durations::default());
    let mut frames = Runs::default();
    let base = part.first.frame.t_capture;
    each_sample(part, Look::AtAll, |sample| {
        counts.samples += 1;
        counts.keys += u32::from(sample.is_key);
        counts.runs += u32::from(durations.add(at_us(part, sample)).is_some());
        frames.add(&sample.row.frame);
        pulse.step();
        timestamps.add(&sample.row.frame)
    })?;
    let (runs, duration_us) = durations.end(|at_us| last_us(part, footage, at_us));
    counts.runs += u32::try_from(runs.iter().flatten().count()).unwrap_or(0);
    counts.duration_us = duration_us;
    let begins = frames.first().is_some_and(|first| first.t_capture == base);
    Ok(begins.then_some(Counted { counts, frames }))
}

/// Writes the index: its boxes' heads, and, in one pass over the samples, all of its tables side by side.
fn fill(to: &Output<'_>, index: &Index, part: &Part, footage: &Footage, frames: &Runs) -> io::Result<()> {
    for (at, bytes) in &index.heads {
        to.write(bytes, *at)?;
    }
    let mut runs = Table::new(to, index.runs_at);
    let mut keys = index.keys_at.map(|at| Table::new(to, at));
    let (mut sizes, mut offsets) = (Table::new(to, index.sizes_at), Table::new(to, index.offsets_at));
    let mut durations = Durations::default();
    let mut number = 0_u32;
    let mut kept = frames.iter().copied().peekable();
    each_sample(part, Look::AtHeads, |sample| {
        // Only those that were counted: this time the packets' sums are not looked at.
        let sequence = sample.row.frame.sequence;
        while kept.next_if(|run| run.last().sequence < sequence).is_some() {}
        if kept.peek().is_none_or(|run| sequence < run.first().sequence) {
            return Ok(());
        }
        number += 1;
        if let Some(keys) = keys.as_mut().filter(|_| sample.is_key) {
            keys.add(&number.to_be_bytes())?;
        }
        add_run(&mut runs, durations.add(at_us(part, sample)))?;
        sizes.add(&u32::try_from(sample.bytes).unwrap_or(u32::MAX).to_be_bytes())?;
        let offset = sample.at.to_be_bytes();
        offsets.add(if index.offset_bytes == 8 { &offset } else { &offset[4..] })
    })?;
    let (ended, _) = durations.end(|at_us| last_us(part, footage, at_us));
    ended.into_iter().try_for_each(|run| add_run(&mut runs, run))?;
    let ends = (runs.end()?, keys.map(Table::end).transpose()?, sizes.end()?, offsets.end()?);
    if ends == index.table_ends() {
        return Ok(());
    }
    Err(io::Error::other(format!("{} was changed while its index was made", to.path.display())))
}

fn add_run(runs: &mut Table<'_>, run: Option<Run>) -> io::Result<()> {
    let Some((samples, each_us)) = run else { return Ok(()) };
    runs.add(&samples.to_be_bytes())?;
    runs.add(&each_us.to_be_bytes())
}

fn each_sample(
    part: &Part,
    look: Look,
    mut each: impl FnMut(&Sample<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let read = part.each_sample(look, false, |sample| each(sample).map_err(WriteError::Disk));
    read.map(|_| ()).map_err(super::join::to_io)
}

fn base(part: &Part) -> MonotonicNs {
    video_time::video_base(part.first.frame.t_capture, part.header.base_ns)
}

fn at_us(part: &Part, sample: &Sample<'_>) -> u64 {
    let at = video_time::pts_us(sample.row.frame.t_capture, base(part));
    u64::try_from(at).unwrap_or(0)
}

/// The duration of the last sample, by its time.
fn last_us(part: &Part, footage: &Footage, at_us: u64) -> u64 {
    let at_us = i64::try_from(at_us).unwrap_or(i64::MAX);
    let stood_until = footage.evidence.last_stood_until();
    let lasts = video_time::last_us(at_us, stood_until, base(part), footage.camera.fps);
    u64::try_from(lasts).unwrap_or(0)
}

/// The file that the index is written to.
struct Output<'a> {
    file: &'a File,
    path: &'a Path,
    pulse: &'a Pulse,
}

impl Output<'_> {
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let written = disk::ask(|| durable::write_all_at(self.file, bytes, at, self.path));
        self.pulse.step();
        written
    }
}

/// A table that is written piece by piece, at its place.
struct Table<'a> {
    to: &'a Output<'a>,
    at: u64,
    piece: Vec<u8>,
}

/// A table's entries are handed to the kernel in pieces of this size.
const PIECE_BYTES: usize = 16 * 1024;

impl<'a> Table<'a> {
    fn new(to: &'a Output<'a>, at: u64) -> Self {
        Self { to, at, piece: Vec::with_capacity(PIECE_BYTES) }
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.piece.len() + bytes.len() > PIECE_BYTES {
            self.hand_over()?;
        }
        self.piece.extend_from_slice(bytes);
        Ok(())
    }

    fn hand_over(&mut self) -> io::Result<()> {
        self.to.write(&self.piece, self.at)?;
        self.at += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }

    /// Writes what is left. Returns the place behind the last entry.
    fn end(mut self) -> io::Result<u64> {
        self.hand_over()?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests;
