//! Joining: one camera's parts become ordinary files, without encoding anything again, with its timestamps beside them.
//! Everything is read and written packet by packet, so a long clip costs no more memory here than a short one; libav
//! keeps an index of its own.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ffmpeg_next::{Packet, codec};

use proto::clip::{
    CameraClip, FileMaker, Interruption, InterruptionCause, PARTIAL_DIR, PlannedCamera, Stretch, StretchHow,
};
use proto::codec::{Codec, EncoderChoice};
use proto::durable;
use proto::failpoint;
use proto::ladder::last_resort;
use proto::name::Name;
use proto::time::{MonotonicNs, nanos};

use super::announce::frames_text;
use super::in_place;
use super::parameter_sets::ParameterSets;
use crate::assignment::Footage;
use crate::container::{self, Layout, VideoWriter};
use crate::disk;
use crate::journal::PartReason;

use crate::libav;
use crate::media::WriteError;
use crate::part::{self, Part};
use crate::pulse::Pulse;
use crate::runs::Runs;
use crate::timestamps::{self, Timestamps};
use crate::video_time;

/// The frames that are really in the files, as opposed to those that were thought to be.
pub(super) struct Joined {
    pub(super) frames: Runs,
    pub(super) files: Vec<FileMaker>,
    pub(super) stretches: Vec<Stretch>,
    pub(super) size_bytes: u64,
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
    let in_place = match &parts[..] {
        [part] if ready.join(file_name(&camera.name, part.header.choice.codec, 1)).exists() => {
            in_place::finish(part, camera, ready, pulse)?
        }
        _ => None,
    };
    let joined = match in_place {
        Some(joined) => joined,
        None => join(&parts, footage, ready, pulse)?,
    };
    let mut evidence = footage.evidence.clone();
    evidence.correct_by(&joined.frames);
    let account = evidence.account();
    let made_by = parts.first().map_or_else(last_resort, |p| p.header.choice.clone());
    Ok(CameraClip {
        file: joined.files.first().map(|f| f.file.clone()),
        files: joined.files.iter().map(|f| f.file.clone()).collect(),
        made_by: joined.files,
        stretches: joined.stretches,
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
    let mut streams = Vec::new();
    for part in parts {
        match Stream::of(part, camera)? {
            Some(stream) => streams.push(stream),
            None => tracing::error!(
                "clip {}: camera {}: the disk has lost the beginning of a part; its {} are gone",
                footage.plan.clip_id,
                camera.name,
                frames_text(part.frames.frames())
            ),
        }
    }
    let (files, stretches) = (Vec::new(), Vec::new());
    let mut joining = Joining { camera, ready, pulse, timestamps, frames: Runs::default(), files, stretches };
    for file in streams.chunk_by(Stream::is_continued_by) {
        joining.write_file(file)?;
    }
    joining.finish()
}

/// A part's video stream, as a container and a decoder have to know it.
struct Stream<'a> {
    part: &'a Part,
    parameters: codec::Parameters,
    layout: Layout,
    extradata: Vec<u8>,
    /// H.264 only: what a file needs in band if its parts differ in it.
    sets: Option<ParameterSets>,
}

impl<'a> Stream<'a> {
    /// `None` when the part's beginning is lost.
    fn of(part: &'a Part, camera: &PlannedCamera) -> io::Result<Option<Self>> {
        let Some(parameters) = part.parameters(&camera.geometry)? else { return Ok(None) };
        let layout = container::layout(part.header.choice.codec, camera.fps.milli());
        let extradata = libav::extradata(&parameters);
        let is_h264 = parameters.id() == codec::Id::H264;
        let sets = is_h264.then(|| ParameterSets::of_record(&extradata)).flatten();
        Ok(Some(Self { part, parameters, layout, extradata, sets }))
    }

    /// Says whether both fit into one file: of one codec, and either a decoder that was set up for the one decodes the other, or both
    /// can be given their parameter sets in band. The picture size is the plan's, the same for all parts.
    fn is_continued_by(&self, next: &Self) -> bool {
        self.layout == next.layout
            && self.parameters.id() == next.parameters.id()
            && (self.extradata == next.extradata || (self.sets.is_some() && next.sets.is_some()))
    }
}

/// A join that is under way.
struct Joining<'a> {
    camera: &'a PlannedCamera,
    ready: &'a Path,
    pulse: &'a Arc<Pulse>,
    timestamps: Timestamps,
    frames: Runs,
    files: Vec<FileMaker>,
    stretches: Vec<Stretch>,
}

impl Joining<'_> {
    /// Writes the parts of one file.
    fn write_file(&mut self, streams: &[Stream<'_>]) -> io::Result<()> {
        let Some(first) = streams.first() else { return Ok(()) };
        let choice = &first.part.header.choice;
        let file = file_name(&self.camera.name, choice.codec, self.files.len() + 1);
        // A long film takes its time, and so does its end: every write is a sign of life.
        let beating = Arc::clone(self.pulse);
        let path = self.ready.join(&file);
        let parameters = first.parameters.clone();
        let writer = VideoWriter::create(&path, first.layout, parameters, move || beating.step());
        let mut writer = writer.map_err(to_io)?;
        self.files.push(maker(file, choice));
        // The capture time that video time 0 stands for.
        let base = first.part.first.frame.t_capture;
        // A player may go to any key frame from any other, so each of them carries its sets.
        let differ = streams.iter().any(|stream| stream.extradata != first.extradata);
        for stream in streams {
            let sets = stream.sets.as_ref().filter(|_| differ);
            self.add(stream.part, &mut writer, base, sets).map_err(to_io)?;
        }
        writer.finish().map_err(to_io)
    }

    /// Adds a part's packets to the newest file. A frame that an earlier part holds too is left out.
    fn add(
        &mut self,
        part: &Part,
        writer: &mut VideoWriter,
        base: MonotonicNs,
        sets: Option<&ParameterSets>,
    ) -> Result<(), WriteError> {
        let Self { camera, pulse, timestamps, frames, files, stretches, .. } = self;
        let Some(maker) = files.last_mut() else { return Ok(()) };
        let newest = frames.last().map_or(0, |frame| frame.sequence);
        let first_frame = frames.frames();
        part.each_packet(|row, packet| {
            if row.frame.sequence <= newest {
                return Ok(());
            }
            if let Some(sets) = sets
                && packet.is_key()
            {
                let flags = packet.flags();
                *packet = Packet::copy(&sets.before(packet.data().unwrap_or_default()));
                packet.set_flags(flags);
            }
            let pts = video_time::pts_us(row.frame.t_capture, base);
            packet.set_pts(Some(pts));
            packet.set_dts(Some(pts));
            pulse.step();
            frames.add(&row.frame);
            maker.frames += 1;
            timestamps.add(row.frame.t_capture).map_err(WriteError::Disk)?;
            writer.write(packet, video_time::period_us(camera.fps))
        })?;
        let added = frames.frames() - first_frame;
        add_stretch(stretches, &maker.file, &part.header.choice, first_frame, added);
        Ok(())
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
        let Self { frames, files, stretches, .. } = self;
        Ok(Joined { frames, files, stretches, size_bytes })
    }
}

pub(super) fn to_io(error: WriteError) -> io::Error {
    match error {
        WriteError::Disk(e) => e,
        e @ (WriteError::NoKeyFrame | WriteError::Libav(_)) => io::Error::other(e),
    }
}

/// The name of a camera's first, second, third file.
pub(super) fn file_name(camera: &Name, codec: Codec, number: usize) -> String {
    let suffix = if number == 1 { String::new() } else { format!("~{number}") };
    format!("{camera}{suffix}{}", codec.extension())
}

/// A file without frames yet.
pub(super) fn maker(file: String, choice: &EncoderChoice) -> FileMaker {
    let EncoderChoice { codec, encoder, preset } = choice.clone();
    FileMaker { file, codec, encoder, preset, frames: 0 }
}

/// Adds frames to the stretches: to the last one, if they go on with it in the same way.
pub(super) fn add_stretch(
    stretches: &mut Vec<Stretch>,
    file: &str,
    choice: &EncoderChoice,
    first_frame: u64,
    frames: u64,
) {
    let EncoderChoice { codec, encoder, preset } = choice;
    let goes_on = |last: &Stretch| {
        last.file == file && (&last.codec, &last.encoder, &last.preset) == (codec, encoder, preset)
    };
    match stretches.last_mut() {
        _ if frames == 0 => {}
        Some(last) if goes_on(last) => last.frames += frames,
        _ => stretches.push(Stretch {
            file: file.to_owned(),
            first_frame,
            frames,
            how: StretchHow::Encoded,
            codec: *codec,
            encoder: encoder.clone(),
            preset: preset.clone(),
        }),
    }
}

fn interruptions(parts: &[Part]) -> Vec<Interruption> {
    let between = |pair: &[Part]| {
        let (before, after) = (&pair[0].last, &pair[1].first);
        let cause = match pair[1].header.begun_because {
            PartReason::First | PartReason::RecorderRestart => InterruptionCause::RecorderRestart,
            PartReason::CodecChange => InterruptionCause::CodecChange,
            PartReason::PresetChange => return None,
            PartReason::Disk => InterruptionCause::Disk,
        };
        Some(Interruption {
            after_sequence: before.frame.sequence,
            outage_ms: nanos(after.encoded - before.encoded) / 1_000_000,
            resumed_ns: after.encoded,
            cause,
        })
    };
    parts.windows(2).filter_map(between).collect()
}

#[cfg(test)]
mod tests;
