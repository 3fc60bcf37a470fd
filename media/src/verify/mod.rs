//! `verify`: decodes every video of a clip and compares it with the timestamps and the manifest, and the files with their
//! sums. Of the cameras' pictures nothing is known here; whether they are the true ones is the oracle's subject.

mod compare;
mod report;
mod rows;
mod sums;

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use proto::by_camera::ByCamera;
use proto::clip::{CameraClip, MANIFEST, Manifest, PARTIAL_DIR};
use proto::name::Name;

use crate::film::{Care, Film};
use crate::plain_file;
use compare::Frame;
pub(crate) use report::Report;
use report::{CameraReport, Fault};
use rows::Row;

/// The longest document that is read whole.
const MAX_BYTES: u64 = 1 << 30;

/// Verifies a clip.
///
/// # Errors
/// The folder holds no clip: a sentence says so.
pub(crate) fn clip(folder: &Path) -> Result<Report, String> {
    let mut report = Report {
        folder: folder.display().to_string(),
        clip_id: None,
        verdict: None,
        good: false,
        summed: None,
        cameras: ByCamera::default(),
        faults: Vec::new(),
    };
    let manifest = match read(&folder.join(MANIFEST)) {
        Ok(text) => {
            serde_json::from_str::<Manifest>(&text).map_err(|e| format!("it can't be understood: {e}"))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound && !folder.join(PARTIAL_DIR).exists() => {
            return Err(format!("{} is no clip: there is no {MANIFEST} in it", folder.display()));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err("it isn't there: the clip is being recorded, or the next start finishes it".into())
        }
        Err(e) => Err(format!("it can't be read: {e}")),
    };
    match manifest {
        Ok(manifest) => verify(folder, &manifest, &mut report),
        Err(why) => report.faults.push(Fault::of_file(MANIFEST, why)),
    }
    report.summed = sums::check(folder, &mut report.faults);
    report.good = report.faults.is_empty();
    Ok(report)
}

fn verify(folder: &Path, manifest: &Manifest, report: &mut Report) {
    report.clip_id = Some(manifest.clip_id.clone());
    report.verdict = Some(manifest.verdict);
    let of_manifest = consistent(manifest);
    report.faults.extend(of_manifest.map(|why| Fault::of_file(MANIFEST, why)));
    let mut cameras = Vec::new();
    for (name, camera) in manifest.cameras.iter() {
        cameras.push((name.clone(), verify_camera(folder, manifest, name, camera, &mut report.faults)));
    }
    report.cameras = cameras.into_iter().collect();
}

/// The first thing in a manifest that its other fields contradict.
fn consistent(manifest: &Manifest) -> Option<String> {
    use proto::clip::Verdict;
    let has_gaps = manifest.cameras.values().any(|camera| !camera.gaps.is_empty() || !camera.live);
    let is_short = manifest.window.start_ns > manifest.asked_start_ns;
    let verdict = Verdict::of(has_gaps, manifest.ended_early, is_short);
    if manifest.verdict != verdict {
        return Some(format!("it says {}, and by what else it says the clip is {verdict}", manifest.verdict));
    }
    manifest.cameras.iter().find_map(|(name, camera)| {
        let missing: u64 = camera.gaps.iter().map(|gap| gap.missing).sum();
        let CameraClip { frames_expected, frames_written, .. } = camera;
        (*frames_expected != frames_written + missing).then(|| {
            format!(
                "camera {name}: {frames_expected} frames are expected, {frames_written} written and {missing} missing, \
                 which doesn't add up"
            )
        })
    })
}

fn verify_camera(
    folder: &Path,
    manifest: &Manifest,
    name: &Name,
    camera: &CameraClip,
    faults: &mut Vec<Fault>,
) -> CameraReport {
    let rows = timestamps(folder, manifest, name, camera).unwrap_or_else(|why| {
        faults.push(Fault::of_camera(name.as_str(), Some(&camera.timestamps), why));
        Vec::new()
    });
    let (mut first, mut decoded, mut bytes) = (0, 0, 0);
    for file in &camera.files {
        let made = camera.made_by.iter().find(|made| made.file == *file);
        let frames = match (made, camera.files.len()) {
            (Some(made), 2..) => made.frames,
            _ => camera.frames_written - first.min(camera.frames_written),
        };
        let its_rows = part_of(&rows, first, frames);
        match verify_file(folder, file, its_rows, first, frames, rows.is_empty()) {
            Ok(verified) => {
                decoded += verified.frames;
                bytes += verified.bytes;
                faults.extend(verified.wrong.into_iter().map(|why| Fault::of_file(file, why)));
            }
            Err(why) => faults.push(Fault::of_file(file, why)),
        }
        first += frames;
    }
    if bytes != camera.size_bytes && decoded == camera.frames_written {
        let why = format!("its video has {bytes} bytes, and {MANIFEST} says {}", camera.size_bytes);
        faults.push(Fault::of_camera(name.as_str(), camera.file.as_deref(), why));
    }
    CameraReport {
        files: camera.files.clone(),
        frames_written: camera.frames_written,
        frames_decoded: decoded,
    }
}

/// The rows of a file that begins at this row.
fn part_of(rows: &[Row], first: u64, frames: u64) -> &[Row] {
    let [first, frames] = [first, frames].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let rows = rows.get(first..).unwrap_or_default();
    rows.get(..frames).unwrap_or(rows)
}

fn timestamps(
    folder: &Path,
    manifest: &Manifest,
    name: &Name,
    camera: &CameraClip,
) -> Result<Vec<Row>, String> {
    be_plain(&camera.timestamps)?;
    let text = match read(&folder.join(&camera.timestamps)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && camera.files.is_empty() => return Ok(Vec::new()),
        other => other.map_err(|e| format!("it can't be read: {e}"))?,
    };
    let rows = rows::read(&text, name.as_str(), manifest.trigger_ns.0)?;
    let [first, last] = [rows.first(), rows.last()].map(|row| row.map(|row| row.t_ns));
    if u64::try_from(rows.len()).ok() != Some(camera.frames_written) {
        return Err(format!(
            "it has {} rows, and {MANIFEST} says {} frames",
            rows.len(),
            camera.frames_written
        ));
    }
    if (first, last) != (camera.first_frame_ns.map(|t| t.0), camera.last_frame_ns.map(|t| t.0)) {
        return Err(format!("its first and last times are not those in {MANIFEST}"));
    }
    Ok(rows)
}

/// A file that could be decoded.
struct Verified {
    frames: u64,
    bytes: u64,
    wrong: Vec<String>,
}

/// `is_alone`: there are no rows to compare with, which was told.
fn verify_file(
    folder: &Path,
    name: &str,
    rows: &[Row],
    first: u64,
    promised: u64,
    is_alone: bool,
) -> Result<Verified, String> {
    be_plain(name)?;
    let file = plain_file::open(&folder.join(name)).map_err(|e| format!("it can't be read: {e}"))?;
    let bytes = file.metadata().map_err(|e| format!("it can't be read: {e}"))?.len();
    let (frames, errors) = decode(file)?;
    let count = u64::try_from(frames.len()).unwrap_or(u64::MAX);
    let has_times = !name.ends_with(".avi");
    let mut wrong = match is_alone {
        true if count != promised => {
            vec![format!("{count} frames can be decoded, and it should have {promised}")]
        }
        true => Vec::new(),
        false => compare::file(&frames, rows, first, has_times),
    };
    // Frames that are declared as damaged may fail to decode.
    if !rows.iter().any(|row| row.damaged) {
        wrong.extend(errors.into_iter().take(1));
    }
    Ok(Verified { frames: count, bytes, wrong })
}

fn decode(file: File) -> Result<(Vec<Frame>, Vec<String>), String> {
    let mut film = Film::open(file, Care::Judge).map_err(|e| e.to_string())?;
    let mut frames = Vec::new();
    let errors = film.each(|picture| {
        frames.push(Frame { at_ns: picture.at_ns, damaged: picture.damaged });
        ControlFlow::Continue(())
    });
    Ok((frames, errors))
}

/// A manifest that somebody else has made may name any path.
fn be_plain(name: &str) -> Result<(), String> {
    if name.is_empty() || name.contains('/') || name.contains('\0') || name == "." || name == ".." {
        return Err(format!("{MANIFEST} names it, and it is no name of a file in the clip's folder"));
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    plain_file::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
