//! Joining: one camera's parts become ordinary files, without encoding anything again, with its timestamps beside them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;

use proto::clip::{
    CSV_HEADER, CameraClip, FileMaker, GapCause, Interruption, InterruptionCause, PARTIAL_DIR,
};
use proto::codec::EncoderChoice;
use proto::durable;
use proto::failpoint;
use proto::frame::FrameInfo;
use proto::time::{MonotonicNs, nanos};

use super::announce::frames_text;
use crate::account::{Evidence, Wanted};
use crate::container::{self, VideoWriter, WriteError};
use crate::disk;
use crate::journal::{PartReason, Row};
use crate::libav;
use crate::part::{self, Part};
use crate::pulse::Pulse;
use crate::take::Footage;

/// What is in the files, as opposed to what was thought to be.
struct Joined {
    rows: Vec<Row>,
    files: Vec<FileMaker>,
    size_bytes: u64,
}

pub(super) fn join_camera(
    footage: &Footage,
    folder: &Path,
    ready: &Path,
    pulse: &Arc<Pulse>,
) -> io::Result<CameraClip> {
    let camera = &footage.camera;
    let parts = disk::ask(|| part::read_all(&folder.join(PARTIAL_DIR), &camera.name))?;
    let joined = join(&parts, footage, ready, pulse)?;
    let csv = format!("{}_timestamps.csv", camera.name);
    let mut text = format!("{CSV_HEADER}\n");
    for (index, row) in joined.rows.iter().enumerate() {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{},{index},{}", camera.name, row.moment.t_capture.0);
    }
    disk::ask(|| durable::write_synced(&ready.join(&csv), text.as_bytes()))?;
    failpoint::pass("join.csv", ready.join(&csv).display());

    let account = agree(&footage.evidence, &joined.rows).account();
    let made_by = parts.first().map_or_else(crate::ladder::last_resort, |p| p.header.choice.clone());
    let (first, last) = (joined.rows.first(), joined.rows.last());
    Ok(CameraClip {
        file: joined.files.first().map(|f| f.file.clone()),
        files: joined.files.iter().map(|f| f.file.clone()).collect(),
        made_by: joined.files,
        timestamps: csv,
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
        first_frame_ns: first.map(|r| r.moment.t_capture),
        last_frame_ns: last.map(|r| r.moment.t_capture),
        gaps: account.gaps,
        interruptions: interruptions(&parts),
        size_bytes: joined.size_bytes,
    })
}

/// The evidence, corrected by what is really in the files: a frame that was thought to be written and isn't, is
/// missing; one that another recorder wrote, is there.
fn agree(evidence: &Evidence, rows: &[Row]) -> Evidence {
    let mut there: BTreeMap<u64, FrameInfo> = rows.iter().map(|r| (r.moment.sequence, r.moment)).collect();
    let mut wanted: Vec<Wanted> = evidence
        .wanted
        .iter()
        .map(|w| match there.remove(&w.moment.sequence) {
            Some(moment) => Wanted { moment, lost: None },
            None => Wanted { lost: w.lost.or(Some(GapCause::Disk)), ..*w },
        })
        .collect();
    wanted.extend(there.into_values().map(|moment| Wanted { moment, lost: None }));
    wanted.sort_by_key(|w| w.moment.sequence);
    Evidence { wanted, ..evidence.clone() }
}

fn join(parts: &[Part], footage: &Footage, ready: &Path, pulse: &Arc<Pulse>) -> io::Result<Joined> {
    let camera = &footage.camera;
    let mut joined = Joined { rows: Vec::new(), files: Vec::new(), size_bytes: 0 };
    let mut open: Option<(VideoWriter, Settings, MonotonicNs)> = None;
    for part in parts {
        let Some(parameters) = part.parameters(&camera.geometry)? else {
            tracing::error!(
                "clip {}: camera {}: the disk has lost the beginning of a part; its {} are gone",
                footage.plan.clip_id,
                camera.name,
                frames_text(part.lines.len() as u64)
            );
            continue;
        };
        let settings =
            Settings { choice: part.header.choice.clone(), extradata: libav::extradata(&parameters) };
        let goes_on = open.as_ref().is_some_and(|(_, before, _)| *before == settings);
        if !goes_on {
            if let Some((writer, ..)) = open.take() {
                writer.finish().map_err(to_io)?;
            }
            let codec = part.header.choice.codec;
            let number = joined.files.len() + 1;
            let suffix = if number == 1 { String::new() } else { format!("~{number}") };
            let file = format!("{}{suffix}{}", camera.name, codec.extension());
            let layout = container::layout(codec, camera.fps.milli());
            // A long film takes its time, and to end it too: every write is a sign of life.
            let beating = Arc::clone(pulse);
            let writer = VideoWriter::create(&ready.join(&file), layout, parameters, move || beating.step())
                .map_err(to_io)?;
            let EncoderChoice { codec, encoder, preset } = part.header.choice.clone();
            joined.files.push(FileMaker { file, codec, encoder, preset, frames: 0 });
            let base = part.rows().next().map_or(part.header.base_ns, |r| r.moment.t_capture);
            open = Some((writer, settings, base));
        }
        let Some((writer, _, base)) = &mut open else { continue };
        let newest = joined.rows.last().map_or(0, |r| r.moment.sequence);
        part.each_packet(|row, packet| {
            if row.moment.sequence <= newest {
                return Ok(());
            }
            let pts = part::pts_us(row.moment.t_capture, *base);
            packet.set_pts(Some(pts));
            packet.set_dts(Some(pts));
            pulse.step();
            joined.rows.push(*row);
            if let Some(file) = joined.files.last_mut() {
                file.frames += 1;
            }
            writer.write(packet, part::period_us(camera.fps))
        })
        .map_err(to_io)?;
    }
    if let Some((writer, ..)) = open {
        writer.finish().map_err(to_io)?;
    }
    for FileMaker { file, .. } in &joined.files {
        let path = ready.join(file);
        failpoint::pass("join.video", path.display());
        disk::ask(|| durable::sync_contents(&path))?;
        failpoint::pass("join.synced", path.display());
        joined.size_bytes += path.metadata()?.len();
    }
    Ok(joined)
}

fn to_io(error: WriteError) -> io::Error {
    match error {
        WriteError::Disk(e) => e,
        WriteError::Libav(e) => io::Error::other(e),
    }
}

/// What two parts must have in common to be one stream: then a decoder that was set up for the one can decode the other.
#[derive(PartialEq)]
struct Settings {
    choice: EncoderChoice,
    extradata: Vec<u8>,
}

fn interruptions(parts: &[Part]) -> Vec<Interruption> {
    let between = |pair: &[Part]| {
        let (before, after) = (pair[0].rows().next_back()?, pair[1].rows().next()?);
        let outage_ms = nanos(after.encoded - before.encoded) / 1_000_000;
        let cause = match pair[1].header.begun_because {
            PartReason::First | PartReason::RecorderRestart => InterruptionCause::RecorderRestart,
            PartReason::CodecChange => InterruptionCause::CodecChange,
            PartReason::Disk => InterruptionCause::Disk,
        };
        Some(Interruption {
            after_sequence: before.moment.sequence,
            outage_ms,
            resumed_ns: after.encoded,
            cause,
        })
    };
    parts.windows(2).filter_map(between).collect()
}
