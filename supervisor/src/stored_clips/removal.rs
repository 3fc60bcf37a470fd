//! Removing a clip whole. It is renamed into a folder of its own first, so that from then on nobody takes it for a clip, and then
//! its files go. Whatever ends this process in between, what is left is cleared away by the next [`sweep`].
//!
//! Only what Preroll has made is removed: a folder that holds a link, a folder or a file of another user stays as it is.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use proto::clip::{MANIFEST, PARTIAL_DIR, REMOVING_DIR, clip_number};
use proto::durable;
use proto::failpoint;
use proto::opened::{self, Entry, EntryKind};
use rustix::fs::FlockOperation;

use super::hold::{self, NotHeld};
use super::notes;

/// The reason why a clip stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    /// The clip isn't finished.
    Open,
    /// A person wants to keep it, or what people have said of it can't be read.
    Kept,
    /// Another program reads it, or works on it.
    InUse,
    /// Something lies in it that Preroll hasn't made, of this name.
    Foreign(String),
    /// The clip isn't there any more.
    Gone,
}

impl Stays {
    /// The rest of a sentence that begins with the clip.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Open => "is still being recorded; it can be removed when it is finished".into(),
            Self::Kept => "is kept; release it first".into(),
            Self::InUse => "is being read, verified, exported or summed; try again when that is done".into(),
            Self::Foreign(name) => format!(
                "holds {name}, which is a link, a folder or another user's file, so Preroll didn't make it; move it away first"
            ),
            Self::Gone => "isn't there any more".into(),
        }
    }
}

impl From<NotHeld> for Stays {
    fn from(why: NotHeld) -> Self {
        match why {
            NotHeld::Open => Self::Open,
            NotHeld::InUse => Self::InUse,
            NotHeld::Gone => Self::Gone,
        }
    }
}

/// Looks whether a clip could be removed now, and changes nothing.
///
/// # Errors
/// The system's error.
pub(crate) fn may_go(clip: &Path) -> io::Result<Result<(), Stays>> {
    match hold::to_remove(clip)? {
        Err(why) => Ok(Err(why.into())),
        Ok(_held) => looked_through(clip).map(|found| found.map(drop)),
    }
}

/// Removes a finished clip from an output folder. Returns the bytes that its files had.
///
/// # Errors
/// The system's error. The clip is whole then, or is no clip any more and goes with the next [`sweep`].
pub(crate) fn remove(output_dir: &Path, clip: &Path) -> io::Result<Result<u64, Stays>> {
    let _held = match hold::to_remove(clip)? {
        Err(why) => return Ok(Err(why.into())),
        Ok(held) => held,
    };
    let files = match looked_through(clip)? {
        Err(why) => return Ok(Err(why)),
        Ok(files) => files,
    };
    failpoint::check("remove.begun", clip.display())?;
    let moved = move_away(output_dir, clip)?;
    failpoint::pass("remove.renamed", clip.display());
    // Not before the name is off the disk: a power cut must not bring back half a clip under it.
    durable::sync_parent(&moved)?;
    durable::sync_parent(clip)?;
    if is_kept(&moved) {
        opened::rename_to_new(&moved, clip)?;
        return Ok(Err(Stays::Kept));
    }
    delete(&moved, &files)?;
    leave(output_dir);
    Ok(Ok(files.iter().map(|file| file.bytes).sum()))
}

/// Clears away what was left of clips whose removal was interrupted. One that somebody has asked to keep in that moment comes back.
/// Returns how many are gone.
///
/// # Errors
/// The system's error.
pub(crate) fn sweep(output_dir: &Path) -> io::Result<usize> {
    let left = match opened::folders_of_ours(&output_dir.join(REMOVING_DIR)) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(0),
        Err(e) if Some(rustix::io::Errno::LOOP) == rustix::io::Errno::from_io_error(&e) => return Ok(0),
        other => other?,
    };
    let mut gone = 0;
    for folder in left {
        let held = opened::folder(&folder)?;
        // Another process is at it.
        if rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        if is_kept(&folder) && folder.join(MANIFEST).exists() {
            if let Some(place) = place_before(output_dir, &folder) {
                opened::rename_to_new(&folder, &place)?;
            }
            continue;
        }
        let files = opened::entries(&folder)?;
        if let Some(foreign) = foreign(&files) {
            tracing::warn!(
                "{} holds {foreign}, which Preroll didn't make, and is left there",
                folder.display()
            );
            continue;
        }
        delete(&folder, &files)?;
        gone += 1;
    }
    leave(output_dir);
    Ok(gone)
}

/// The files of a clip that may be removed, or the reason why it stays.
fn looked_through(clip: &Path) -> io::Result<Result<Vec<Entry>, Stays>> {
    if is_kept(clip) {
        return Ok(Err(Stays::Kept));
    }
    let files = opened::entries(clip)?;
    if files.iter().any(|file| file.name == PARTIAL_DIR) {
        return Ok(Err(Stays::Open));
    }
    Ok(match foreign(&files) {
        Some(name) => Err(Stays::Foreign(name)),
        None => Ok(files),
    })
}

fn foreign(files: &[Entry]) -> Option<String> {
    let foreign = files.iter().find(|file| file.kind != EntryKind::File)?;
    Some(foreign.name.to_string_lossy().escape_debug().to_string())
}

fn is_kept(clip: &Path) -> bool {
    notes::read(clip).map_or(true, |said| said.keep)
}

/// Renames a clip into the folder of those that are being removed. Returns its path there.
fn move_away(output_dir: &Path, clip: &Path) -> io::Result<PathBuf> {
    let name = |path: Option<&Path>| path.and_then(Path::file_name).map(OsStr::to_owned).unwrap_or_default();
    let mut moved = name(clip.parent());
    moved.push("-");
    moved.push(name(Some(clip)));
    let mut number = 1;
    loop {
        let mut numbered = moved.clone();
        if number > 1 {
            numbered.push(format!("~{number}"));
        }
        let to = opened::own_folder(output_dir, REMOVING_DIR)?.join(numbered);
        match opened::rename_to_new(clip, &to) {
            Ok(()) => return Ok(to),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
            // Another process has just taken the empty folder away.
            Err(e) if e.kind() == io::ErrorKind::NotFound && clip.exists() && number < 1000 => number += 1,
            Err(e) => return Err(e),
        }
    }
}

/// The place that a clip had before it was moved away, if nothing has it now.
fn place_before(output_dir: &Path, moved: &Path) -> Option<PathBuf> {
    let name = moved.file_name()?.to_str()?;
    let name = name.rsplit_once('~').map_or(name, |(name, _)| name);
    let split = |(at, _): (usize, &str)| output_dir.join(&name[..at]).join(&name[at + 1..]);
    let is_place = |place: &PathBuf| {
        clip_number(place).is_some()
            && place.parent().is_some_and(Path::is_dir)
            && place.symlink_metadata().is_err()
    };
    name.match_indices('-').map(split).find(is_place)
}

/// Removes the files of a clip that was moved away, and then its folder. The manifest goes first: without it nothing is a clip.
fn delete(moved: &Path, files: &[Entry]) -> io::Result<()> {
    let is_manifest = |file: &&Entry| file.name == MANIFEST;
    let in_order = files.iter().filter(is_manifest).chain(files.iter().filter(|file| !is_manifest(file)));
    for (removed, file) in in_order.enumerate() {
        if removed == files.len() / 2 {
            failpoint::pass("remove.half", moved.display());
        }
        match opened::remove_file(&moved.join(&file.name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    failpoint::pass("remove.emptied", moved.display());
    match opened::remove_folder(moved) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Takes the folder of those that are being removed away, if it is empty.
fn leave(output_dir: &Path) {
    let _ = opened::remove_own_folder(output_dir, REMOVING_DIR);
}

#[cfg(test)]
mod tests;
