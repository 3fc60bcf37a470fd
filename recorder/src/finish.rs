//! From footage to a finished clip set: parts are joined without re-encoding into ordinary files, flushed to the
//! disk, put in place, and the manifest is written last. Nothing of the parts is removed before that, so every step
//! can be repeated by another recorder, from the start, as often as it takes.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use proto::clip::{
    CSV_HEADER, CameraClip, FileMaker, GapCause, Interruption, InterruptionCause, MANIFEST, Manifest,
    PARTIAL_DIR, PLAN, SCHEMA, Window,
};
use proto::codec::EncoderChoice;
use proto::durable;
use proto::failpoint;
use proto::frame::FrameInfo;
use proto::link::Reports;
use proto::messages::RecorderReport;
use proto::name::Name;
use proto::storage;
use proto::time::{MonotonicNs, UtcTime, nanos};

use crate::account::{Evidence, Wanted};
use crate::container::{self, VideoWriter, WriteError};
use crate::disk::{self, Disk};
use crate::journal::{PartReason, Row};
use crate::part::{self, Part};
use crate::pulse::Pulse;
use crate::raw;
use crate::take::Footage;

/// Where joined files wait, in the workshop, until all of them are on the disk.
const READY: &str = "ready";
/// How long finished footage waits before a failed publication is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Before the end it is tried for so long, this often.
const LAST_TRIES: Duration = Duration::from_secs(1);
const LAST_TRY_AGAIN: Duration = Duration::from_millis(100);

/// What the finisher is told.
pub(crate) enum Finishing {
    /// One camera's footage is complete.
    Camera(Box<Footage>),
    /// No more will come.
    End,
}

/// Runs until it is told that no more will come.
pub(crate) fn run(
    queue: &Receiver<Finishing>,
    reports: &Reports<RecorderReport>,
    pulse: &Arc<Pulse>,
    disk: &Disk,
) {
    let mut sets: HashMap<PathBuf, Vec<Footage>> = HashMap::new();
    let mut failed: Vec<PathBuf> = Vec::new();
    // Why a clip couldn't be finished the last time: a person is told once.
    let mut said: HashMap<PathBuf, String> = HashMap::new();
    let mut tried = Instant::now();
    let mut ending: Option<Instant> = None;
    loop {
        let told = match (ending, failed.is_empty()) {
            (Some(since), false) if since.elapsed() < LAST_TRIES => {
                std::thread::sleep(LAST_TRY_AGAIN);
                Ok(Finishing::End)
            }
            (Some(_), _) => return,
            (None, true) => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            (None, false) => queue.recv_timeout(TRY_AGAIN),
        };
        let mut ready: Vec<PathBuf> = match told {
            Ok(Finishing::Camera(footage)) => {
                let folder = footage.folder.clone();
                let cameras = footage.plan.cameras.len();
                let set = sets.entry(folder.clone()).or_default();
                set.push(*footage);
                if set.len() == cameras { vec![folder] } else { Vec::new() }
            }
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Ok(Finishing::End) | Err(RecvTimeoutError::Disconnected) => {
                ending.get_or_insert_with(Instant::now);
                Vec::new()
            }
        };
        if ending.is_some() || tried.elapsed() >= TRY_AGAIN {
            ready.append(&mut failed);
        }
        for folder in ready {
            let Some(set) = sets.get(&folder) else { continue };
            let _working = pulse.work();
            match publish(&folder, set, pulse, disk) {
                Ok(manifest) => {
                    announce(&folder, &manifest, reports);
                    sets.remove(&folder);
                    said.remove(&folder);
                    pulse.clip_closed();
                }
                // Somebody has removed it. There is nothing left to finish, and nobody waits for it.
                Err(e) if disk::ask(|| storage::is_removed(&folder)) => {
                    tracing::error!("clip {}: is gone: {e}", folder.display());
                    sets.remove(&folder);
                    pulse.clip_closed();
                }
                Err(e) => {
                    let why = e.to_string();
                    if said.get(&folder) != Some(&why) {
                        tracing::error!(
                            "clip {}: can't be finished: {why}; trying again until it works",
                            folder.display()
                        );
                        said.insert(folder.clone(), why);
                    }
                    let what = format!("clip {} can't be finished: {e}", folder.display());
                    pulse.set_storage_trouble(Some(disk::with_advice(&what, &e)));
                    failed.push(folder);
                    tried = Instant::now();
                }
            }
        }
        if failed.is_empty() {
            pulse.set_storage_trouble(None);
        }
    }
}

/// Tells the supervisor, and the log, of a finished set.
pub(crate) fn announce(folder: &Path, manifest: &Manifest, reports: &Reports<RecorderReport>) {
    let after = MonotonicNs::now() - manifest.window.end_ns;
    let finished_after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    let frames: Vec<String> = manifest
        .cameras
        .iter()
        .map(|(name, c)| format!("{name} {}/{}", c.frames_written, c.frames_expected))
        .collect();
    let (clip, frames) = (&manifest.clip_id, frames.join(", "));
    match (manifest.complete, manifest.ended_early) {
        (true, _) => tracing::info!("clip {clip}: complete: {frames} ({finished_after_ms} ms after its end)"),
        (false, true) => {
            tracing::warn!("clip {clip}: INCOMPLETE, ended early by a stop; until then: {frames}")
        }
        (false, false) => {
            tracing::warn!("clip {clip}: INCOMPLETE: {frames} ({finished_after_ms} ms after its end)");
        }
    }
    for (name, camera) in &manifest.cameras {
        for gap in &camera.gaps {
            tracing::warn!(
                "clip {}: camera {name}: {} missing behind frame {}: {}",
                manifest.clip_id,
                frames_text(gap.missing),
                gap.after_sequence,
                gap.cause.name()
            );
        }
    }
    reports.send(RecorderReport::ClipDone {
        folder: folder.to_owned(),
        complete: manifest.complete,
        finished_after_ms,
    });
}

fn frames_text(n: u64) -> String {
    if n == 1 { "1 frame".to_owned() } else { format!("{n} frames") }
}

/// The manifest that is there already: then only the workshop has to go. One that can't be read now is an error: a
/// finished clip must not be taken for an unfinished one.
pub(crate) fn already_finished(folder: &Path) -> io::Result<Option<Manifest>> {
    let path = folder.join(MANIFEST);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let Ok(manifest) = serde_json::from_slice(&text) else { return Ok(None) };
    if folder.join(PARTIAL_DIR).try_exists()? {
        // Whoever wrote it may have been killed before its name was on the disk, or have been told that it can't be
        // flushed, and the kernel would call a second flush a success: it is written anew. Until then the workshop has
        // to stay.
        durable::replace_synced(&path, &text)?;
        clear_workshop(folder);
    }
    Ok(Some(manifest))
}

fn clear_workshop(folder: &Path) {
    let workshop = folder.join(PARTIAL_DIR);
    // The plan goes last: as long as it is there, somebody comes back to clear up the rest.
    if let Err(e) = empty(&workshop)
        && e.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("can't remove {}: {e}; it is no longer needed", workshop.display());
    }
}

fn empty(workshop: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(workshop)? {
        let path = entry?.path();
        if path.is_dir() {
            std::fs::remove_dir_all(&path)?;
        } else if path.file_name().is_some_and(|name| name != PLAN) {
            std::fs::remove_file(&path)?;
        }
        failpoint::pass("clear.removed", path.display());
    }
    match std::fs::remove_file(workshop.join(PLAN)) {
        // Somebody was killed right after this.
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => failpoint::pass("clear.plan", workshop.display()),
    }
    std::fs::remove_dir(workshop)
}

fn publish(folder: &Path, set: &[Footage], pulse: &Arc<Pulse>, disk: &Disk) -> io::Result<Manifest> {
    disk::ask(|| storage::no_link_to(folder))?;
    let ready = folder.join(PARTIAL_DIR).join(READY);
    disk::ask(|| match std::fs::remove_dir_all(&ready) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => std::fs::create_dir(&ready),
    })?;
    // For a moment there are the parts and what is made of them.
    disk.has_room_for(folder, disk::ask(|| part::bytes(&folder.join(PARTIAL_DIR)))?)?;
    failpoint::pass("join.begun", folder.display());
    // Side by side: most of the time goes into waiting for the disk, and it serves them together.
    let cameras: BTreeMap<Name, CameraClip> = std::thread::scope(|scope| {
        let ready = &ready;
        let join = |footage| {
            let clip = join_camera(footage, folder, ready, pulse)?;
            Ok((footage.camera.name.clone(), clip))
        };
        let threads: Vec<_> = set.iter().map(|footage| scope.spawn(move || join(footage))).collect();
        let panicked = || io::Error::other("a thread panicked");
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(panicked()))).collect::<io::Result<_>>()
    })?;
    for clip in cameras.values() {
        for file in clip.files.iter().chain([&clip.timestamps]) {
            disk::ask(|| durable::rename(&ready.join(file), &folder.join(file)))?;
            failpoint::pass("publish.renamed", folder.join(file).display());
        }
    }
    let manifest = manifest(set, cameras).ok_or_else(|| io::Error::other("no camera"))?;
    let (path, text) = (folder.join(MANIFEST), serde_json::to_vec_pretty(&manifest)?);
    disk::ask(|| durable::replace_synced(&path, &text)).inspect_err(|_| {
        // Its name may be there and not on the disk. While it is there nobody would try again.
        let _ = disk::ask(|| std::fs::remove_file(&path));
    })?;
    failpoint::pass("manifest.written", folder.display());
    disk::ask(|| clear_workshop(folder));
    Ok(manifest)
}

fn manifest(set: &[Footage], cameras: BTreeMap<Name, CameraClip>) -> Option<Manifest> {
    let first = set.first()?;
    let plan = &first.plan;
    let ended_early = set.iter().any(|f| f.ended_early);
    let end_ns = set.iter().map(|f| f.evidence.window.end_ns).max()?;
    let mut notes = plan.notes.clone();
    if ended_early {
        let asked = plan.window.end_ns - end_ns;
        notes.push(format!("ended {} ms early, because Preroll was stopped", asked.as_millis()));
    }
    for (name, camera) in &cameras {
        if camera.frames_expected == 0 {
            notes.push(format!(
                "camera {name} made no frame in this window: its file had ended, or it had not begun"
            ));
        }
        if let [first, .., last] = &camera.made_by[..] {
            let preset = |made_by: &FileMaker| made_by.preset.clone().unwrap_or_default();
            let by_the_same = first.codec == last.codec && first.encoder == last.encoder;
            notes.push(match by_the_same && first.preset != last.preset {
                true => {
                    let (from, to) = (preset(first), preset(last));
                    format!("camera {name}: the encoder's preset changed on the way, from {from} to {to}")
                }
                false => {
                    let (from, to) = (first.codec, last.codec);
                    format!("camera {name}: the codec changed on the way, from {from} to {to}")
                }
            });
        }
    }
    Some(Manifest {
        schema: SCHEMA,
        clip_id: plan.clip_id.clone(),
        label: plan.label.clone(),
        rig: plan.rig.clone(),
        complete: !ended_early && cameras.values().all(|c| c.gaps.is_empty()),
        ended_early,
        trigger_ns: plan.trigger_ns,
        window: Window { start_ns: plan.window.start_ns, end_ns },
        asked_start_ns: plan.asked_start_ns,
        wall: plan.wall,
        trigger_utc: UtcTime::from_unix_ns(plan.wall.unix(plan.trigger_ns)).to_string(),
        notes,
        cameras,
    })
}

/// What is in the files, as opposed to what was thought to be.
struct Joined {
    rows: Vec<Row>,
    files: Vec<FileMaker>,
    size_bytes: u64,
}

fn join_camera(footage: &Footage, folder: &Path, ready: &Path, pulse: &Arc<Pulse>) -> io::Result<CameraClip> {
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
    let made_by = parts.first().map_or_else(crate::encode::last_resort, |p| p.header.choice.clone());
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
            Settings { choice: part.header.choice.clone(), extradata: raw::extradata(&parameters) };
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
