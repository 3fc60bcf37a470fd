//! Files that another process finds whole or not at all: written beside, flushed to the disk, renamed into place.
//!
//! It stands in this crate because it is a part of the format: plans, manifests, state and rendezvous are read by other
//! processes, which rely on it.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::failpoint;
use crate::opened;

/// Writes all of `bytes` to an open file. `path` is its name, for failpoints.
///
/// # Errors
/// The system's error. The file may hold a part of the bytes then.
pub fn write_all(file: &mut File, bytes: &[u8], path: &Path) -> io::Result<()> {
    if let Err(e) = failpoint::check("disk.write", path.display()) {
        // A disk that fills up takes a part of what is written, and so does this failpoint.
        file.write_all(&bytes[..bytes.len() / 2])?;
        return Err(e);
    }
    file.write_all(bytes)
}

/// Writes all of these pieces to an open file, one behind the other, as [`write_all`] does: in one call of the system, if it
/// takes them whole.
///
/// # Errors
/// The system's error. The file may hold a part of the bytes then.
pub fn write_all_of(file: &mut File, mut pieces: &mut [IoSlice<'_>], path: &Path) -> io::Result<()> {
    if let Err(e) = failpoint::check("disk.write", path.display()) {
        let half = pieces.iter().map(|piece| piece.len()).sum::<usize>() / 2;
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).take(half).collect();
        file.write_all(&bytes)?;
        return Err(e);
    }
    while !pieces.is_empty() {
        match file.write_vectored(pieces) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut pieces, written),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Appends `bytes` to a file that is open for that, in one call of the system, so that they lie in one piece whoever appends
/// beside this process. Returns how many of them were written.
///
/// # Errors
/// The system's error. The file may hold a part of the bytes then.
pub fn append(file: &mut File, bytes: &[u8], path: &Path) -> io::Result<usize> {
    if let Err(e) = failpoint::check("disk.write", path.display()) {
        file.write_all(&bytes[..bytes.len() / 2])?;
        return Err(e);
    }
    loop {
        match file.write(bytes) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Writes all of `bytes` to a place in an open file, as [`write_all`] does.
///
/// # Errors
/// The system's error. The file may hold a part of the bytes then.
pub fn write_all_at(file: &File, bytes: &[u8], at: u64, path: &Path) -> io::Result<()> {
    if let Err(e) = failpoint::check("disk.write", path.display()) {
        file.write_all_at(&bytes[..bytes.len() / 2], at)?;
        return Err(e);
    }
    file.write_all_at(bytes, at)
}

/// Replaces `path` with `bytes`, atomically and visibly at once. The new content survives the death of every process,
/// but not yet that of the machine; [`sync`] makes it so.
///
/// # Errors
/// The system's error; `path` is as it was then.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes, |_, beside| rename(beside, path))
}

/// Replaces `path` as [`replace`] does, with file and folder entry flushed to the disk.
///
/// # Errors
/// The system's error. After a failed flush nothing is known of the disk, so the caller must not take it for success.
pub fn replace_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes, |file, beside| flush(file, path).and_then(|()| rename(beside, path)))?;
    sync_parent(path)
}

/// Makes `path` with `bytes`, whole or not at all, with file and folder entry flushed to the disk. Nothing that has the name
/// already is replaced.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`]; the system's error.
pub fn create_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, bytes, |file, beside| {
        flush(file, path)?;
        failpoint::check("disk.rename", path.display())?;
        opened::rename_to_new(beside, path)
    })?;
    sync_parent(path)
}

/// The path under which a file is written before it gets its name.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push("~new");
    PathBuf::from(beside)
}

/// Writes `bytes` beside `path`, and has that file put in its place.
fn write_beside(
    path: &Path,
    bytes: &[u8],
    put_in_place: impl FnOnce(&File, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let beside = &beside(path);
    let result = write_new(beside, bytes).and_then(|file| put_in_place(&file, beside));
    if result.is_err() {
        // An unfinished file beside the old one is of no use to anyone.
        let _ = opened::remove_file(beside);
    }
    result
}

/// Writes a file and flushes its contents to the disk. The caller flushes its folder's entry.
///
/// # Errors
/// The system's error.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    flush(&write_new(path, bytes)?, path)
}

/// Flushes a file's contents to the disk. The caller flushes its folder's entry.
///
/// # Errors
/// The system's error.
pub fn sync_contents(path: &Path) -> io::Result<()> {
    flush(&opened::file(path)?, path)
}

/// Flushes a file and its folder's entry to the disk.
///
/// # Errors
/// The system's error.
pub fn sync(path: &Path) -> io::Result<()> {
    sync_contents(path)?;
    sync_parent(path)
}

/// Flushes the entries of the folder that holds `path`.
///
/// # Errors
/// The system's error.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| flush(&opened::to_flush_entries(folder)?, folder))
}

/// Renames a file, replacing any file of the new name.
///
/// # Errors
/// The system's error.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    failpoint::check("disk.rename", to.display())?;
    opened::rename(from, to)?;
    failpoint::pass("disk.renamed", to.display());
    Ok(())
}

/// Flushes a file's contents to the disk.
///
/// After an error nothing is known of the file: the kernel forgets what it could not write, and would call the next try
/// a success. The content has to be written anew then, to another file (`docs/decisions/failed-flush.md`).
fn flush(file: &File, path: &Path) -> io::Result<()> {
    failpoint::check("disk.fsync", path.display())?;
    file.sync_all()
}

/// Makes the file, in the place of whatever has that name: that may be what a process left that was killed here, or a
/// link that somebody else has put there.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = match opened::create_new(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            if opened::remove_file(path).is_err() {
                opened::move_aside(path)?;
            }
            opened::create_new(path)?
        }
        other => other?,
    };
    write_all(&mut file, bytes, path)?;
    Ok(file)
}
