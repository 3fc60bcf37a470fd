//! One clip folder: gathers what is in it and has each camera judged.

use std::collections::BTreeMap;
use std::path::Path;

use crate::damaged;
use crate::decode;
use crate::fault::Fault;
use crate::judge::{self, Evidence, Frame, Verdict};
use crate::lead_in;
use crate::manifest::{Camera, Manifest, is_plain_name};
use crate::report::{Clip, State};
use crate::schema2;
use crate::stamp;
use crate::timestamps::{self, Row};
use crate::triggers;
use crate::truth::Truths;

/// The file that makes a clip a finished one.
pub const MANIFEST: &str = "manifest.json";

/// Judges the clip in `folder`, to be called `name` in the report.
///
/// Never fails: whatever can't be read is a fault of the clip.
pub fn judge(folder: &Path, name: String, truths: &Truths) -> Clip {
    let path = folder.join(MANIFEST);
    if !path.exists() {
        return Clip {
            name,
            state: State::Unfinished,
            cameras: BTreeMap::new(),
            faults: vec![Fault::Unfinished],
        };
    }
    match read_manifest(&path) {
        Ok(manifest) => judge_finished(folder, name, &manifest, truths),
        Err(why) => Clip {
            name,
            state: State::Finished,
            cameras: BTreeMap::new(),
            faults: vec![Fault::ManifestUnreadable { why }],
        },
    }
}

fn read_manifest(path: &Path) -> Result<Manifest, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Manifest::parse(&text).map_err(|error| error.to_string())
}

fn judge_finished(folder: &Path, name: String, manifest: &Manifest, truths: &Truths) -> Clip {
    let cameras: BTreeMap<String, Verdict> = manifest
        .cameras
        .iter()
        .map(|(camera, claims)| (camera.clone(), judge_camera(folder, manifest, camera, claims, truths)))
        .collect();
    let mut faults = Vec::new();
    if cameras.is_empty() {
        faults.push(Fault::NoCamera);
    }
    if manifest.window.end_ns < manifest.window.start_ns {
        faults.push(Fault::WindowBackwards);
    }
    faults.extend(schema2::check_the_verdict(manifest));
    faults.extend(triggers::check(folder, manifest));
    faults.extend(cameras_left_out(manifest, truths));
    faults.extend(cameras_too_many(manifest));
    faults.extend(cameras_shown_twice(&cameras));
    Clip { name, state: State::Finished, cameras, faults }
}

fn judge_camera(folder: &Path, manifest: &Manifest, name: &str, claims: &Camera, truths: &Truths) -> Verdict {
    let mut faults = Vec::new();
    let mut frames = decode_parts(folder, claims, &mut faults);
    let rows = read_rows(folder, name, claims, &mut faults);
    if claims.parts().len() == 1 {
        frames = damaged::with_those_not_shown(frames, &rows);
    }
    faults.extend(schema2::check_the_columns(manifest, &rows));
    faults.extend(triggers::check_places(manifest, name, claims, &rows));
    faults.extend(lead_in::check(manifest.window, claims, &rows));
    faults.extend(damaged::check(claims, &rows));
    faults.extend(claims.stretches_break_at().map(|frame| Fault::StretchesElsewhere { frame }));
    let mut verdict = judge::judge(&Evidence {
        window: manifest.window,
        complete: manifest.complete,
        camera: claims,
        frames: &frames,
        rows: &rows,
        truth: truths.get(name),
    });
    faults.append(&mut verdict.faults);
    Verdict { faults, ..verdict }
}

fn decode_parts(folder: &Path, claims: &Camera, faults: &mut Vec<Fault>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut lead_in = lead_in::frames(claims);
    for (part, file) in claims.parts().into_iter().enumerate() {
        if !is_plain_name(file) {
            faults.push(Fault::NotAPlainName { name: file.to_owned() });
            continue;
        }
        let decoded = decode::each_frame(&folder.join(file), |luma| {
            frames.push(Frame {
                part,
                stamp: stamp::read(luma.plane, luma.stride, luma.width, luma.height),
                pts_us: luma.pts_us,
                damaged: luma.damaged,
            });
        });
        let file = file.to_owned();
        if claims.hides_lead_in() && lead_in > 0 {
            let there = decoded.as_ref().map_or(0, |decoded| decoded.frames);
            let due = there.saturating_sub(lead_in);
            let shown = decode::shown(&folder.join(&file)).unwrap_or_default();
            faults.extend((shown != due).then(|| Fault::LeadInShown { file: file.clone(), shown, due }));
            lead_in = lead_in.saturating_sub(there);
        }
        match decoded {
            Ok(decoded) => faults
                .extend(decoded.errors.into_iter().map(|why| Fault::DecodeError { file: file.clone(), why })),
            Err(error) => faults.push(Fault::Undecodable { file, why: error.to_string() }),
        }
    }
    frames
}

fn read_rows(folder: &Path, name: &str, claims: &Camera, faults: &mut Vec<Fault>) -> Vec<Row> {
    let file = format!("{name}_timestamps.csv");
    if !is_plain_name(&file) {
        faults.push(Fault::NotAPlainName { name: file });
        return Vec::new();
    }
    let path = folder.join(&file);
    if claims.parts().is_empty() && !path.exists() {
        return Vec::new(); // No video and no times of it: consistent, and judged by the count.
    }
    let rows = std::fs::read_to_string(path)
        .map_err(|error| error.to_string())
        .and_then(|text| timestamps::parse(&text).map_err(|error| error.to_string()));
    rows.unwrap_or_else(|why| {
        faults.push(Fault::TimestampsUnreadable { file, why });
        Vec::new()
    })
}

/// A clip that forgets a whole camera loses all of its frames in silence. The trigger's own list says which cameras a clip
/// owes; without one it owes all of those that made frames.
fn cameras_left_out<'a>(manifest: &'a Manifest, truths: &'a Truths) -> impl Iterator<Item = Fault> + 'a {
    let owed: Vec<&String> = match &manifest.cameras_asked {
        Some(asked) => asked.iter().collect(),
        None => truths.keys().filter(|camera| made_in(manifest, truths, camera) > 0).collect(),
    };
    owed.into_iter().filter(|camera| !manifest.cameras.contains_key(*camera)).map(|camera| {
        Fault::CameraLeftOut { camera: camera.clone(), made: made_in(manifest, truths, camera) }
    })
}

/// The frames that a camera made in the window, by its truth log if there is one.
fn made_in(manifest: &Manifest, truths: &Truths, camera: &str) -> usize {
    let life = truths.get(camera).map(|truth| truth.life_around(manifest.window)).unwrap_or_default();
    life.iter().filter(|row| manifest.window.contains(row.t_ns)).count()
}

/// A camera that the trigger didn't name has no place in the clip.
fn cameras_too_many(manifest: &Manifest) -> impl Iterator<Item = Fault> + '_ {
    let asked = manifest.cameras_asked.iter();
    asked
        .flat_map(|asked| manifest.cameras.keys().filter(move |camera| !asked.contains(camera)))
        .map(|camera| Fault::CameraNotAsked { camera: camera.clone() })
}

fn cameras_shown_twice(cameras: &BTreeMap<String, Verdict>) -> Vec<Fault> {
    let mut owners: BTreeMap<u8, &str> = BTreeMap::new();
    let mut faults = Vec::new();
    for (camera, verdict) in cameras {
        let Some(index) = verdict.camera_index else { continue };
        if let Some(other) = owners.insert(index, camera) {
            faults.push(Fault::SameCameraTwice { camera: camera.clone(), other: other.to_owned(), index });
        }
    }
    faults
}
