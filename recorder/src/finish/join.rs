//! Joining: one camera's parts become ordinary files, without encoding anything again, with its timestamps beside them.
//! Everything is read and written packet by packet, so a long clip costs no more memory here than a short one; libav
//! keeps an index of its own.

use std::io;
use std::path::Path;
use std::sync::Arc;

use proto::clip::{CameraClip, FileMaker, Interruption, InterruptionCause, PARTIAL_DIR, PlannedCamera};
use proto::codec::EncoderChoice;
use proto::durable;
use proto::failpoint;
use proto::time::{MonotonicNs, nanos};

use super::announce::frames_text;
use crate::assignment::Footage;
use crate::container::{self, VideoWriter};
use crate::disk;
use crate::journal::PartReason;
use crate::ladder::last_resort;
use crate::libav;
use crate::media::WriteError;
use crate::part::{self, Part};
use crate::pulse::Pulse;
use crate::runs::Runs;
use crate::timestamps::{self, Timestamps};
use crate::video_time;

/// The frames that are really in the files, as opposed to those that were thought to be.
struct Joined {
    frames: Runs,
    files: Vec<FileMaker>,
    size_bytes: u64,
}

/// Joins one camera's parts in the folder `ready`, and accounts for its frames.
pub(super) fn join_camera(
    footage: &Footage,
    folder: &Path,
    ready: &Path,
    pulse: &Arc<Pulse>,
) -> io::Result<CameraClip> {
    let camera = &footage.camera;
    let parts = disk::ask(|| part::read_all(&folder.join(PARTIAL_DIR), &camera.name))?;
    let joined = join(&parts, footage, ready, pulse)?;
    let mut evidence = footage.evidence.clone();
    evidence.correct_by(&joined.frames);
    let account = evidence.account();
    let made_by = parts.first().map_or_else(last_resort, |p| p.header.choice.clone());
    Ok(CameraClip {
        file: joined.files.first().map(|f| f.file.clone()),
        files: joined.files.iter().map(|f| f.file.clone()).collect(),
        made_by: joined.files,
        timestamps: timestamps::file_name(&camera.name),
        codec: made_by.codec,
        encoder: made_by.encoder,
        preset: made_by.preset,
        width: camera.geometry.width(),
        height: camera.geometry.height(),
        fps: camera.fps.as_f64(),
        camera_index: camera.index,
        capture_time: camera.capture_time,
        frames_expected: account.expected,
        frames_written: account.written,
        first_frame_ns: joined.frames.first().map(|frame| frame.t_capture),
        last_frame_ns: joined.frames.last().map(|frame| frame.t_capture),
        gaps: account.gaps,
        interruptions: interruptions(&parts),
        size_bytes: joined.size_bytes,
    })
}

fn join(parts: &[Part], footage: &Footage, ready: &Path, pulse: &Arc<Pulse>) -> io::Result<Joined> {
    let camera = &footage.camera;
    let timestamps = Timestamps::create(ready, &camera.name)?;
    let mut joining =
        Joining { camera, ready, pulse, timestamps, frames: Runs::default(), files: Vec::new(), open: None };
    for part in parts {
        let Some(parameters) = part.parameters(&camera.geometry)? else {
            tracing::error!(
                "clip {}: camera {}: the disk has lost the beginning of a part; its {} are gone",
                footage.plan.clip_id,
                camera.name,
                frames_text(part.frames.frames())
            );
            continue;
        };
        let settings =
            Settings { choice: part.header.choice.clone(), extradata: libav::extradata(&parameters) };
        if joining.open.as_ref().is_none_or(|open| open.settings != settings) {
            joining.end_file()?;
            joining.begin_file(settings, parameters, part.first.frame.t_capture)?;
        }
        joining.add(part).map_err(to_io)?;
    }
    joining.end_file()?;
    joining.finish()
}

/// A join that is under way.
struct Joining<'a> {
    camera: &'a PlannedCamera,
    ready: &'a Path,
    pulse: &'a Arc<Pulse>,
    timestamps: Timestamps,
    frames: Runs,
    files: Vec<FileMaker>,
    open: Option<OpenFile>,
}

/// A joined file that is being written.
struct OpenFile {
    writer: VideoWriter,
    settings: Settings,
    /// The capture time that video time 0 stands for.
    base: MonotonicNs,
}

impl Joining<'_> {
    fn begin_file(
        &mut self,
        settings: Settings,
        parameters: ffmpeg_next::codec::Parameters,
        base: MonotonicNs,
    ) -> io::Result<()> {
        let EncoderChoice { codec, encoder, preset } = settings.choice.clone();
        let number = self.files.len() + 1;
        let suffix = if number == 1 { String::new() } else { format!("~{number}") };
        let file = format!("{}{suffix}{}", self.camera.name, codec.extension());
        let layout = container::layout(codec, self.camera.fps.milli());
        // A long film takes its time, and so does its end: every write is a sign of life.
        let beating = Arc::clone(self.pulse);
        let writer = VideoWriter::create(&self.ready.join(&file), layout, parameters, move || beating.step())
            .map_err(to_io)?;
        self.files.push(FileMaker { file, codec, encoder, preset, frames: 0 });
        self.open = Some(OpenFile { writer, settings, base });
        Ok(())
    }

    fn end_file(&mut self) -> io::Result<()> {
        self.open.take().map_or(Ok(()), |open| open.writer.finish().map_err(to_io))
    }

    /// Adds a part's packets to the open file. A frame that an earlier part holds too is left out.
    fn add(&mut self, part: &Part) -> Result<(), WriteError> {
        let Self { camera, pulse, timestamps, frames, files, open, .. } = self;
        let (Some(OpenFile { writer, base, .. }), Some(maker)) = (open, files.last_mut()) else {
            return Ok(());
        };
        let newest = frames.last().map_or(0, |frame| frame.sequence);
        part.each_packet(|row, packet| {
            if row.frame.sequence <= newest {
                return Ok(());
            }
            let pts = video_time::pts_us(row.frame.t_capture, *base);
            packet.set_pts(Some(pts));
            packet.set_dts(Some(pts));
            pulse.step();
            frames.add(&row.frame);
            maker.frames += 1;
            timestamps.add(row.frame.t_capture).map_err(WriteError::Disk)?;
            writer.write(packet, video_time::period_us(camera.fps))
        })
    }

    /// Flushes all files to the disk.
    fn finish(self) -> io::Result<Joined> {
        let mut size_bytes = 0;
        for FileMaker { file, .. } in &self.files {
            let path = self.ready.join(file);
            failpoint::pass("join.video", path.display());
            disk::ask(|| durable::sync_contents(&path))?;
            failpoint::pass("join.synced", path.display());
            size_bytes += path.metadata()?.len();
        }
        self.timestamps.finish()?;
        let csv = self.ready.join(timestamps::file_name(&self.camera.name));
        failpoint::pass("join.csv", csv.display());
        Ok(Joined { frames: self.frames, files: self.files, size_bytes })
    }
}

fn to_io(error: WriteError) -> io::Error {
    match error {
        WriteError::Disk(e) => e,
        e @ (WriteError::NoKeyFrame | WriteError::Libav(_)) => io::Error::other(e),
    }
}

/// Two parts with the same settings are one stream: a decoder that was set up for the one can decode the other.
#[derive(PartialEq)]
struct Settings {
    choice: EncoderChoice,
    extradata: Vec<u8>,
}

fn interruptions(parts: &[Part]) -> Vec<Interruption> {
    let between = |pair: &[Part]| {
        let (before, after) = (&pair[0].last, &pair[1].first);
        let cause = match pair[1].header.begun_because {
            PartReason::First | PartReason::RecorderRestart => InterruptionCause::RecorderRestart,
            PartReason::CodecChange => InterruptionCause::CodecChange,
            PartReason::Disk => InterruptionCause::Disk,
        };
        Interruption {
            after_sequence: before.frame.sequence,
            outage_ms: nanos(after.encoded - before.encoded) / 1_000_000,
            resumed_ns: after.encoded,
            cause,
        }
    };
    parts.windows(2).map(between).collect()
}

#[cfg(test)]
mod tests;
