//! The folder in which an export is made until it is whole. It is removed however this process ends, but for a kill: then the
//! next export of the same clip does it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::deadline;
use crate::plain_file;

/// The folder that this process has made, if any. Held while something in it gets its name, so that nothing is removed then.
static MADE: Mutex<Option<PathBuf>> = Mutex::new(None);

fn made() -> MutexGuard<'static, Option<PathBuf>> {
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The reason why a folder can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CantBegin {
    #[error("another process is exporting it there just now")]
    Taken,
    #[error("{0}")]
    System(#[from] io::Error),
}

/// The folder. Dropped, it is removed with all that is in it.
pub(crate) struct Unfinished {
    path: PathBuf,
    _lock: File,
}

impl Unfinished {
    /// Makes a folder that no other process works in, in the place of one that a killed process has left.
    pub(crate) fn begin(path: &Path) -> Result<Self, CantBegin> {
        loop {
            let is_new = match rustix::fs::mkdir(path, Mode::RWXU) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(e) => return Err(io::Error::from(e).into()),
            };
            let lock = match lock(path) {
                Err(CantBegin::System(e)) if e.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            match (is_new, is_still(&lock, path)) {
                (true, true) => {
                    *made() = Some(path.to_owned());
                    return Ok(Self { path: path.to_owned(), _lock: lock });
                }
                (false, true) => std::fs::remove_dir_all(path)?,
                (_, false) => {}
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Flushes everything in it to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        sync_all(&self.path)
    }

    /// Gives something in it its place, where nothing may be yet.
    pub(crate) fn put(&self, name: &Path, place: &Path) -> io::Result<()> {
        let _nothing_is_removed = made();
        rename_to_new(&self.path.join(name), place)
    }

    /// Takes something back that was put in its place.
    pub(crate) fn take_back(&self, place: &Path, name: &Path) {
        let _nothing_is_removed = made();
        // If that fails, the thing stays where it is, whole.
        let _ = rename_to_new(place, &self.path.join(name));
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        remove();
    }
}

/// Removes the folder of this process, if there is one, and keeps any from being made.
pub(crate) fn end() -> MutexGuard<'static, Option<PathBuf>> {
    remove();
    made()
}

fn remove() {
    let mut made = made();
    let Some(path) = made.take() else { return };
    // Another thread may still make files in it.
    for _ in 0..100 {
        match std::fs::remove_dir_all(&path) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            _ => return,
        }
    }
}

/// Flushes the files of a folder, those of the folders in it, and the names of all.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            let file = plain_file::open(&entry.path())?;
            deadline::patiently(|| file.sync_all())?;
        }
    }
    sync_names(folder)
}

/// Flushes the names in a folder.
///
/// # Errors
/// The system's error.
pub(crate) fn sync_names(folder: &Path) -> io::Result<()> {
    let folder =
        rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(deadline::patiently(|| rustix::fs::fsync(&folder))?)
}

fn lock(path: &Path) -> Result<File, CantBegin> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(opened),
        Err(Errno::WOULDBLOCK) => Err(CantBegin::Taken),
        // A file system without locks: whoever exports there twice at once has to know.
        Err(_) => Ok(opened),
    }
}

fn is_still(opened: &File, path: &Path) -> bool {
    let ids = |stat: rustix::io::Result<rustix::fs::Stat>| stat.map(|stat| (stat.st_dev, stat.st_ino)).ok();
    ids(rustix::fs::fstat(opened)) == ids(rustix::fs::lstat(path))
}

/// Renames something to a name that nothing has.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that can't tell (renameat2(2)): something that gets the name between two calls is replaced.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            match rustix::fs::statat(CWD, to, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(Errno::NOENT) => Ok(rustix::fs::renameat(CWD, from, CWD, to)?),
                Err(e) => Err(e.into()),
            }
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All in one test, since a process makes one such folder.
    #[test]
    fn a_folder_is_one_processes_own_and_nothing_of_it_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".clip.exporting");
        let place = folder.path().join("clip");
        // Left by a killed process.
        std::fs::create_dir_all(path.join("half")).unwrap();
        let made = Unfinished::begin(&path).unwrap();
        assert_eq!(std::fs::read_dir(made.path()).unwrap().count(), 0);
        assert!(matches!(Unfinished::begin(&path), Err(CantBegin::Taken)));
        std::fs::create_dir(path.join("clip")).unwrap();
        made.put(Path::new("clip"), &place).unwrap();
        std::fs::create_dir(path.join("clip")).unwrap();
        let taken = made.put(Path::new("clip"), &place).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_dir(path.join("clip")).unwrap();
        made.take_back(&place, Path::new("clip"));
        assert!(!place.exists() && path.join("clip").exists());
        made.sync().unwrap();
        drop(made);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        // A link in its place is not followed.
        std::os::unix::fs::symlink(folder.path(), &path).unwrap();
        assert!(matches!(Unfinished::begin(&path), Err(CantBegin::System(_))));
    }
}
