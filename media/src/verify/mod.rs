//! `verify`: decodes every video of a clip and compares it with the timestamps and the manifest, and the files with their
//! sums. Of the cameras' pictures nothing is known here; whether they are the true ones is the oracle's subject.

mod compare;
mod report;

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use proto::by_camera::ByCamera;
use proto::clip::{CameraClip, MANIFEST, Manifest, PARTIAL_DIR};
use proto::name::Name;

use crate::clip::{self, Part};
use crate::film::{Care, Film};
use crate::plain_file;
use crate::sums;
use compare::Frame;
pub(crate) use report::Report;
use report::{CameraReport, Fault};

/// Verifies a clip. `clip_id`: its name for people, where that isn't the folder's.
///
/// # Errors
/// The folder holds no clip, or one that is being removed: a sentence says so.
pub(crate) fn clip(folder: &Path, clip_id: Option<String>) -> Result<Report, String> {
    let mut report = Report {
        folder: folder.display().to_string(),
        clip_id,
        verdict: None,
        good: false,
        summed: None,
        cameras: ByCamera::default(),
        faults: Vec::new(),
    };
    let manifest = match clip::read(&folder.join(MANIFEST)) {
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
    let _held = manifest.is_ok().then(|| clip::hold(folder)).transpose()?;
    match manifest {
        Ok(manifest) => verify(folder, &manifest, &mut report),
        Err(why) => report.faults.push(Fault::of_file(MANIFEST, why)),
    }
    let summed = sums::check(folder);
    report.summed = summed.as_ref().map(|checked| checked.files);
    let wrong = summed.into_iter().flat_map(|checked| checked.wrong);
    report.faults.extend(wrong.map(|(file, what)| Fault::of_file(&file, what)));
    report.good = report.faults.is_empty();
    Ok(report)
}

fn verify(folder: &Path, manifest: &Manifest, report: &mut Report) {
    report.clip_id.get_or_insert_with(|| manifest.clip_id.clone());
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
    let rows = clip::timestamps(folder, manifest, name, camera).unwrap_or_else(|why| {
        faults.push(Fault::of_camera(name.as_str(), Some(&camera.timestamps), why));
        Vec::new()
    });
    let (mut decoded, mut bytes) = (0, 0);
    for part in Part::all(camera, &rows, manifest.window.start_ns) {
        match verify_file(folder, &part, rows.is_empty()) {
            Ok(verified) => {
                decoded += verified.frames;
                bytes += verified.bytes;
                faults.extend(verified.wrong.into_iter().map(|why| Fault::of_file(part.file, why)));
            }
            Err(why) => faults.push(Fault::of_file(part.file, why)),
        }
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

/// A file that could be decoded.
struct Verified {
    frames: u64,
    bytes: u64,
    wrong: Vec<String>,
}

/// `is_alone`: there are no rows to compare with, which was told.
fn verify_file(folder: &Path, part: &Part<'_>, is_alone: bool) -> Result<Verified, String> {
    clip::be_plain(part.file)?;
    let file = plain_file::open(&folder.join(part.file)).map_err(|e| format!("it can't be read: {e}"))?;
    let bytes = file.metadata().map_err(|e| format!("it can't be read: {e}"))?.len();
    let (frames, errors) = decode(file)?;
    let count = u64::try_from(frames.len()).unwrap_or(u64::MAX);
    let mut wrong = match is_alone {
        true if count != part.frames => {
            vec![format!("{count} frames can be decoded, and it should have {}", part.frames)]
        }
        true => Vec::new(),
        false => compare::file(&frames, part),
    };
    // Frames that are declared as damaged may fail to decode.
    if !part.rows.iter().any(|row| row.damaged) {
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
