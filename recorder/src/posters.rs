//! The posters of finished clips: the trigger's frame of each camera as a small JPEG, `<camera>_poster.jpg`, for people who look
//! through clips. The thread that makes the sums makes them before it, so that they have sums too. A clip is finished without
//! them. Why they are made so: `docs/decisions/posters.md`.
//!
//! [`place`] finds the trigger's frame, [`child`] has it decoded by another process: a camera's own frames may hold anything,
//! and a decoder that crashes must not take a recorder with it.

mod child;
mod place;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use proto::clip::{MANIFEST, SUMS, clip_name, plan_path, poster_name};
use proto::durable;
use proto::failpoint;
use proto::name::Name;
use proto::opened;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::Deserialize;

/// The first manifests of clips that get posters. Older clips stay as they are, as with sums.
const FIRST_SCHEMA: u32 = 2;

/// As much of a manifest as tells where a camera's frames are.
#[derive(Deserialize)]
struct Clip {
    schema: u32,
    trigger_ns: u64,
    cameras: BTreeMap<Name, CameraOfClip>,
}

/// As much of a camera.
#[derive(Clone, Debug, Deserialize)]
struct CameraOfClip {
    files: Vec<String>,
    made_by: Vec<FileOfClip>,
    timestamps: String,
    fps: f64,
}

/// As much of a file.
#[derive(Clone, Debug, Deserialize)]
struct FileOfClip {
    file: String,
    frames: u64,
}

/// Makes the posters that a finished clip lacks. One that can't be made is missing, which is told once and costs nothing else.
///
/// # Errors
/// The disk's error, or [`io::ErrorKind::WouldBlock`] while another program has a lock on the clip. It may work another time.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    match make_all(folder) {
        // A clip that is being removed goes file by file.
        Err(e) if e.kind() == io::ErrorKind::NotFound || opened::is_foreign(&e) => Ok(()),
        other => other,
    }
}

fn make_all(folder: &Path) -> io::Result<()> {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    // As long as there is a plan a recorder may come back to the clip; and what came after the sums would have none.
    if is_there(&plan_path(folder)) || is_there(&folder.join(SUMS)) {
        return Ok(());
    }
    let Ok(Clip { schema: FIRST_SCHEMA.., trigger_ns, cameras }) =
        serde_json::from_slice(&opened::read(&folder.join(MANIFEST))?)
    else {
        return Ok(());
    };
    // Another instance may have begun with the same clip: both would write beside the same name.
    let locked = opened::folder(folder)?;
    match rustix::fs::flock(&locked, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Err(io::ErrorKind::WouldBlock.into()),
        other => other?,
    }
    for (name, camera) in cameras {
        let poster = folder.join(poster_name(&name));
        if is_there(&poster) || camera.files.is_empty() {
            continue;
        }
        failpoint::pass("poster.begun", poster.display());
        match picture(folder, &camera, trigger_ns)? {
            Ok(jpeg) => match durable::create_synced(&poster, &jpeg) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            },
            Err(why) => {
                let clip = clip_name(folder);
                tracing::warn!(
                    clip = &*clip,
                    camera = name.as_str(),
                    "clip {clip}: camera {name} gets no poster: {why}. The clip itself is whole"
                );
            }
        }
    }
    Ok(())
}

/// The trigger's frame as a JPEG; the inner error says why there is none.
fn picture(folder: &Path, camera: &CameraOfClip, trigger_ns: u64) -> io::Result<Result<Vec<u8>, String>> {
    let csv = BufReader::new(file_of(folder, &camera.timestamps)?);
    let Some(place) = place::find(csv, camera, trigger_ns)? else {
        return Ok(Err(format!("{} has no row of a frame", camera.timestamps)));
    };
    Ok(child::still(file_of(folder, place.file)?, place.at_ns))
}

/// A file of the clip, by its base name.
fn file_of(folder: &Path, name: &str) -> io::Result<File> {
    if name.contains('/') {
        return Err(io::ErrorKind::NotFound.into());
    }
    opened::file(&folder.join(name))
}

#[cfg(test)]
mod tests;
