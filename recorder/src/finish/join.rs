//! Joining: one camera's parts become ordinary files, without encoding anything again, with its timestamps beside them.
//! Everything is read and written packet by packet, so a long clip costs no more memory here than a short one; libav
//! keeps an index of its own.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ffmpeg_next::{Packet, codec};

use proto::clip::{CameraClip, CameraTime, FileMaker, PlannedCamera, Stretch};
use proto::codec::EncoderChoice;
use proto::durable;
use proto::failpoint;
use proto::frame::{FrameFlags, FrameInfo};
use proto::ladder::last_resort;
use proto::name::Name;
use proto::opened;
use proto::time::MonotonicNs;

use super::announce::frames_text;
use super::in_place;
use super::made;
use super::open_file::OpenFile;
use super::parameter_sets::ParameterSets;
use super::recorded::{self, Recorded};
use super::trigger_place::TriggerPlaces;
use crate::assignment::Footage;
use crate::container::{Layout, VideoWriter};
use crate::disk;
use crate::journal::{PartHeader, Row};
use crate::libav;
use crate::media::WriteError;
use crate::part::Part;
use crate::pulse::Pulse;
use crate::runs::Runs;
use crate::timestamps::{self, RowCounts, Timestamps};
use crate::video_time;

/// The frames that are really in the files, as opposed to those that were thought to be.
pub(super) struct Joined {
    pub(super) frames: Runs,
    pub(super) files: Vec<FileMaker>,
    pub(super) stretches: Vec<Stretch>,
    pub(super) rows: RowCounts,
    pub(super) size_bytes: u64,
}

/// One camera's part of the manifest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FinishedCamera {
    pub(super) clip: CameraClip,
    /// The places of the triggers' moments in the video; none without a video.
    pub(super) moments: Option<TriggerPlaces>,
}

/// Joins one camera's parts in the folder `ready`, and accounts for its frames.
pub(super) fn join_camera(
    footage: &Footage,
    folder: &Path,
    ready: &Path,
    pulse: &Arc<Pulse>,
) -> io::Result<FinishedCamera> {
    let Recorded { parts, footage } = &recorded::up_to_the_end(footage, folder)?;
    let camera = &footage.camera;
    let in_place = match &parts[..] {
        [part] if ready.join(file_name(&camera.name, &part.header, 1)).exists() => {
            in_place::finish(part, footage, ready, pulse)?
        }
        _ => None,
    };
    let joined = match in_place {
        Some(joined) => joined,
        None => join(parts, footage, ready, pulse)?,
    };
    let mut evidence = footage.evidence.clone();
    evidence.correct_by(&joined.frames);
    let account = evidence.account();
    let made_by = parts.first().map_or_else(last_resort, |p| p.header.choice.clone());
    let hides_lead_in = parts.first().is_some_and(|part| part.header.hides_lead_in());
    let moments = TriggerPlaces::of(footage, &joined, hides_lead_in);
    let (video, why) = made::video(camera, footage.asked, &joined.stretches);
    let clip = CameraClip {
        file: joined.files.first().map(|f| f.file.clone()),
        files: joined.files.iter().map(|f| f.file.clone()).collect(),
        made_by: joined.files,
        stretches: joined.stretches,
        video: Some(video),
        why,
        timestamps: timestamps::file_name(&camera.name),
        codec: made_by.codec,
        encoder: made_by.encoder,
        preset: made_by.preset,
        width: camera.geometry.width(),
        height: camera.geometry.height(),
        fps: camera.fps.as_f64(),
        camera_index: camera.index,
        capture_time: camera.capture_time,
        time: Some(CameraTime::of(camera, joined.rows.anchors)),
        live: account.live,
        frames_expected: account.expected,
        frames_written: account.written,
        lead_in_frames: joined.rows.lead_in,
        times_repaired: joined.rows.repaired,
        first_frame_ns: joined.frames.first().map(|frame| frame.t_capture),
        last_frame_ns: joined.frames.last().map(|frame| frame.t_capture),
        gaps: account.gaps,
        damaged: joined.rows.damaged,
        interruptions: recorded::interruptions(parts),
        size_bytes: joined.size_bytes,
    };
    Ok(FinishedCamera { clip, moments })
}

fn join(parts: &[Part], footage: &Footage, ready: &Path, pulse: &Arc<Pulse>) -> io::Result<Joined> {
    let camera = &footage.camera;
    let mut streams = Vec::new();
    for part in parts {
        match Stream::of(part, camera)? {
            Some(stream) => streams.push(stream),
            None => tracing::error!(
                clip = footage.plan.clip_id.as_str(),
                camera = camera.name.as_str(),
                "clip {}: camera {}: the disk has lost the beginning of a part; its {} are gone",
                footage.plan.clip_id,
                camera.name,
                frames_text(part.frames.frames())
            ),
        }
    }
    let mut most_bytes = None;
    loop {
        match Joining::new(footage, ready, pulse, most_bytes)?.join(&streams) {
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => {
                let reached = remove_files(ready, &camera.name)?;
                most_bytes = Some(smaller(most_bytes, reached).ok_or(e)?);
                tracing::warn!(
                    clip = footage.plan.clip_id.as_str(),
                    camera = camera.name.as_str(),
                    "clip {}: camera {}: a file in {} can't grow beyond {reached} bytes, so the video is split into several",
                    footage.plan.clip_id,
                    camera.name,
                    ready.display()
                );
            }
            joined => return joined,
        }
    }
}

/// The bytes of packets in a file, after files with `most` of them could not be ended at a size of `reached`. An index is
/// needed too, and a file ends at a key frame only. `None` when it makes no sense to try again.
fn smaller(most: Option<u64>, reached: u64) -> Option<u64> {
    const LEAST: u64 = 4096;
    let smaller = most.map_or(reached, |most| most.min(reached)) / 8 * 7;
    (smaller >= LEAST).then_some(smaller)
}

/// Removes a camera's files, to make them anew. Returns the size of the largest.
fn remove_files(ready: &Path, camera: &Name) -> io::Result<u64> {
    let timestamps = timestamps::file_name(camera);
    let mut largest = 0;
    for name in disk::ask(|| opened::names(ready))? {
        let rest = name.to_str().and_then(|name| name.strip_prefix(camera.as_str()));
        if name == *timestamps || rest.is_some_and(|rest| rest.starts_with(['.', '~'])) {
            let path = ready.join(name);
            largest = path.metadata()?.len().max(largest);
            disk::ask(|| opened::remove_file(&path))?;
        }
    }
    Ok(largest)
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
        let Some(parameters) = part.parameters(&camera.geometry, &camera.picture)? else { return Ok(None) };
        let layout = part.header.layout(camera.fps);
        let extradata = libav::extradata(&parameters);
        let is_h264 = parameters.id() == codec::Id::H264;
        let sets = is_h264.then(|| ParameterSets::of_record(&extradata)).flatten();
        Ok(Some(Self { part, parameters, layout, extradata, sets }))
    }

    /// Says whether the first frame can't be decoded, since the disk has lost some that it goes on with. `newest` is the last
    /// one before it, `broken` says whether the stream was broken there.
    fn begins_broken(&self, newest: u64, broken: bool) -> bool {
        let first = &self.part.first.frame;
        // Frames that were missing when it was written are no news: it says itself that it is damaged.
        let lacks_some =
            newest.saturating_add(1) < first.sequence && !first.flags.contains(FrameFlags::DAMAGED);
        self.part.header.goes_on && (broken || lacks_some)
    }

    /// Says whether both fit into one file: of one codec, and either a decoder that was set up for the one decodes the
    /// other, or both can be given their parameter sets in band. The picture size is the plan's, the same for all parts.
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
    /// A file with so many bytes of packets ends at the next key frame.
    most_bytes: Option<u64>,
    /// The moment until which the clip's last picture stood.
    stood_until: Option<MonotonicNs>,
    open: Option<OpenFile>,
}

impl<'a> Joining<'a> {
    fn new(
        footage: &'a Footage,
        ready: &'a Path,
        pulse: &'a Arc<Pulse>,
        most_bytes: Option<u64>,
    ) -> io::Result<Self> {
        let camera = &footage.camera;
        let mut timestamps =
            Timestamps::create(ready, &camera.name, footage.plan.trigger_ns, footage.plan.window.start_ns)?;
        timestamps.know(footage);
        let (frames, files, stretches) = (Runs::default(), Vec::new(), Vec::new());
        let stood_until = footage.evidence.last_stood_until();
        let open = None;
        Ok(Self { camera, ready, pulse, timestamps, frames, files, stretches, most_bytes, stood_until, open })
    }

    fn join(mut self, streams: &[Stream<'_>]) -> io::Result<Joined> {
        for file in streams.chunk_by(Stream::is_continued_by) {
            self.write_stretches(file).map_err(to_io)?;
        }
        self.end_file(self.stood_until).map_err(to_io)?;
        self.finish()
    }

    /// Writes parts that fit into one file.
    fn write_stretches(&mut self, streams: &[Stream<'_>]) -> Result<(), WriteError> {
        let Some(first) = streams.first() else { return Ok(()) };
        // A player may go to any key frame from any other, so each of them carries its sets.
        let differ = streams.iter().any(|stream| stream.extradata != first.extradata);
        self.begin_file(streams, &first.part.first.frame)?;
        let mut broken = false;
        for stream in streams {
            // A frame that an earlier part holds too is left out.
            let newest = self.frames.last().map_or(0, |frame| frame.sequence);
            broken = stream.begins_broken(newest, broken);
            broken = stream.part.each_packet(broken, |row, packet| {
                if row.frame.sequence <= newest { Ok(()) } else { self.add(stream, differ, row, packet) }
            })?;
        }
        Ok(())
    }

    /// Begins the file of these parts, with the frame `first` of the first of them.
    fn begin_file(&mut self, streams: &[Stream<'_>], first: &FrameInfo) -> Result<(), WriteError> {
        let Some(stream) = streams.first() else { return Ok(()) };
        // A camera of variable rate shows a picture until its next one comes, be it in another file.
        self.end_file(self.camera.variable_rate.then_some(first.t_capture))?;
        let base = video_time::video_base(first.t_capture, stream.part.header.base_ns);
        let header = &stream.part.header;
        let file = file_name(&self.camera.name, header, self.files.len() + 1);
        // A long film takes its time, and so does its end: every write is a sign of life.
        let beating = Arc::clone(self.pulse);
        let (path, parameters) = (self.ready.join(&file), stream.parameters.clone());
        let writer = {
            let rotation = self.camera.picture.rotation;
            VideoWriter::create(&path, stream.layout, parameters, rotation, move || beating.step())?
        };
        self.files.push(maker(file, &header.choice));
        let window_start = self.timestamps.window_start();
        let hides = header.hides_lead_in() && first.t_capture < window_start;
        // A recorder that was killed within the lead-in has left a part without a frame of the window.
        let inside_of =
            |stream: &Stream<'_>| disk::ask(|| stream.part.first_at_or_after(window_start)).transpose();
        let inside = streams.iter().filter(|_| hides).find_map(inside_of);
        let shown_from = inside.transpose().map_err(WriteError::Disk)?;
        self.open = Some(OpenFile::new(writer, base, self.camera.fps, shown_from));
        Ok(())
    }

    fn end_file(&mut self, stood_until: Option<MonotonicNs>) -> Result<(), WriteError> {
        self.open.take().map_or(Ok(()), |open| open.end(stood_until))
    }

    /// Adds a packet to the open file.
    fn add(
        &mut self,
        stream: &Stream<'_>,
        with_sets: bool,
        row: &Row,
        packet: &mut Packet,
    ) -> Result<(), WriteError> {
        let is_full =
            self.open.as_ref().is_some_and(|open| self.most_bytes.is_some_and(|most| open.bytes() >= most));
        if is_full && packet.is_key() {
            self.begin_file(std::slice::from_ref(stream), &row.frame)?;
        }
        let (Some(open), Some(maker)) = (&mut self.open, self.files.last_mut()) else { return Ok(()) };
        if let Some(sets) = stream.sets.as_ref().filter(|_| with_sets && packet.is_key()) {
            let flags = packet.flags();
            if let Some(with_sets) = sets.before(packet.data().unwrap_or_default()) {
                *packet = Packet::copy(&with_sets);
                packet.set_flags(flags);
            }
        }
        self.pulse.step();
        self.frames.add(&row.frame);
        self.timestamps.add(&row.frame).map_err(WriteError::Disk)?;
        maker.frames += 1;
        add_stretch(&mut self.stretches, &maker.file, &stream.part.header, 1);
        open.add(std::mem::replace(packet, Packet::empty()), row.frame.t_capture)
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
        let rows = self.timestamps.finish()?;
        let csv = self.ready.join(timestamps::file_name(&self.camera.name));
        failpoint::pass("join.csv", csv.display());
        let Self { frames, files, stretches, .. } = self;
        Ok(Joined { frames, files, stretches, rows, size_bytes })
    }
}

pub(super) fn to_io(error: WriteError) -> io::Error {
    match error {
        WriteError::Disk(e) => e,
        e @ (WriteError::NoKeyFrame | WriteError::Libav(_)) => io::Error::other(e),
    }
}

/// The name of a camera's first, second, third file.
pub(super) fn file_name(camera: &Name, header: &PartHeader, number: usize) -> String {
    let suffix = if number == 1 { String::new() } else { format!("~{number}") };
    format!("{camera}{suffix}{}", header.extension())
}

/// A file without frames yet.
pub(super) fn maker(file: String, choice: &EncoderChoice) -> FileMaker {
    let EncoderChoice { codec, encoder, preset } = choice.clone();
    FileMaker { file, codec, encoder, preset, frames: 0 }
}

/// Adds frames to the stretches: to the last one, if they go on with it in the same way.
pub(super) fn add_stretch(stretches: &mut Vec<Stretch>, file: &str, header: &PartHeader, frames: u64) {
    let (EncoderChoice { codec, encoder, preset }, how) = (&header.choice, header.how());
    let goes_on = |last: &Stretch| {
        last.file == file
            && last.how == how
            && (&last.codec, &last.encoder, &last.preset) == (codec, encoder, preset)
    };
    let first_frame = stretches.last().map_or(0, |last| last.first_frame + last.frames);
    match stretches.last_mut() {
        _ if frames == 0 => {}
        Some(last) if goes_on(last) => last.frames += frames,
        _ => stretches.push(Stretch {
            file: file.to_owned(),
            first_frame,
            frames,
            how,
            codec: *codec,
            encoder: encoder.clone(),
            preset: preset.clone(),
        }),
    }
}

#[cfg(test)]
pub(super) mod tests;
