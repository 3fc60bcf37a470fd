//! Files that are whole or not there: written beside, flushed to the disk, renamed into place.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::failpoint;

/// Writes all of `bytes` to a file that is open; `path` is only its name.
///
/// # Errors
/// The system's word. Some of the bytes may be in the file then.
pub fn write_all(file: &mut File, bytes: &[u8], path: &Path) -> io::Result<()> {
    if let Err(e) = failpoint::check("disk.write", path.display()) {
        // As a disk does that fills up: it takes some of it.
        file.write_all(&bytes[..bytes.len() / 2])?;
        return Err(e);
    }
    file.write_all(bytes)
}

/// Replaces `path` with `bytes`, visibly at once and atomically, but not yet surely on the disk: it survives the
/// death of every process, not yet that of the machine. [`sync`] makes it so.
///
/// # Errors
/// The system's word; then `path` is as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("~new");
    let beside = Path::new(&beside);
    let result = write_new(beside, bytes).and_then(|_| rename(beside, path));
    if result.is_err() {
        // What was written beside is of no use to anyone.
        let _ = std::fs::remove_file(beside);
    }
    result
}

/// [`replace`], and flushed to the disk, the folder's entry included.
///
/// # Errors
/// The system's word. After a failed flush nothing is known of the disk: the caller must not take it for success.
pub fn replace_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("~new");
    let beside = Path::new(&beside);
    let result =
        write_new(beside, bytes).and_then(|file| flush(&file, path)).and_then(|()| rename(beside, path));
    if result.is_err() {
        // What was written beside is of no use to anyone.
        let _ = std::fs::remove_file(beside);
    }
    result?;
    sync_parent(path)
}

/// Writes a file and flushes its contents to the disk. Its folder's entry is for the caller to flush.
///
/// # Errors
/// The system's word.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    flush(&write_new(path, bytes)?, path)
}

/// Flushes a file's contents to the disk. Its folder's entry is for the caller to flush.
///
/// # Errors
/// The system's word.
pub fn sync_contents(path: &Path) -> io::Result<()> {
    flush(&File::open(path)?, path)
}

/// Flushes a file and its folder's entry to the disk.
///
/// # Errors
/// The system's word.
pub fn sync(path: &Path) -> io::Result<()> {
    sync_contents(path)?;
    sync_parent(path)
}

/// Flushes the entries of the folder that holds `path`.
///
/// # Errors
/// The system's word.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_contents)
}

/// Gives a file another name, in place of whatever has that name.
///
/// # Errors
/// The system's word.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    failpoint::check("disk.rename", to.display())?;
    std::fs::rename(from, to)?;
    failpoint::pass("disk.renamed", to.display());
    Ok(())
}

/// After an error nothing is known of the file: the kernel forgets what it could not write, and would call the next
/// try a success. What is wanted on the disk has to be written anew, into another file.
fn flush(file: &File, path: &Path) -> io::Result<()> {
    failpoint::check("disk.fsync", path.display())?;
    file.sync_all()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    write_all(&mut file, bytes, path)?;
    Ok(file)
}
