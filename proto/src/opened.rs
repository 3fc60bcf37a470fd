//! Files and folders below the output folder, opened as what they must be: regular files and folders, our own, through
//! no symbolic link, and without ever waiting for a FIFO or a device. Other users may be able to write there.
//!
//! It stands in this crate because supervisor and recorder open the same files. Whether a folder is fit to be recorded
//! in is [`crate::storage`]'s subject; how a file is replaced whole [`crate::durable`]'s. Why the rules are as they are:
//! `docs/decisions/opened.md`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawMode, Stat};
use rustix::io::Errno;

use crate::clip::PARTIAL_DIR;

mod append;
mod listed;
mod readers;
mod rename;

pub use append::file_to_append;
pub use listed::{
    Entry, EntryKind, FolderMark, entries, folders_with_marks, mark, own_folder, remove_own_folder,
};
pub use readers::let_in;
pub use rename::{move_aside, rename, rename_to_new};

/// The longest document that is read whole. A manifest with a hundred thousand gaps is shorter.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;
/// The mode of every file that is made, before a group is let in.
const FILE_MODE: RawMode = 0o600;
/// The mode of every folder that is made, less the umask. The run folder above them has 0700.
const FOLDER_MODE: RawMode = 0o777;

/// Something in the place of a file or folder of ours that is not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum Foreign {
    /// It is of another kind.
    #[error("{} is {found}, where {wanted} has to be; move it away", path.display())]
    Kind {
        /// Its path.
        path: PathBuf,
        /// Its kind: "a symbolic link".
        found: &'static str,
        /// The kind that it must be of: "a file".
        wanted: &'static str,
    },
    /// It belongs to another user.
    #[error("{} belongs to another user (uid {owner}), so it is not used; move it away", path.display())]
    Owner {
        /// Its path.
        path: PathBuf,
        /// The uid of its owner.
        owner: u32,
    },
    /// It is longer than any document of ours.
    #[error("{} has {bytes} bytes, more than any document of Preroll's; move it away", path.display())]
    TooLong {
        /// Its path.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
}

impl From<Foreign> for io::Error {
    fn from(foreign: Foreign) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, foreign)
    }
}

/// Tells whether an error says that something foreign stands in a file's place. Trying again is of no use then.
#[must_use]
pub fn is_foreign(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Foreign>())
}

/// Opens a file for reading.
///
/// # Errors
/// [`Foreign`] as an [`io::Error`], or the system's error.
pub fn file(path: &Path) -> io::Result<File> {
    open(path, OFlags::RDONLY, Kind::File).map(|(file, _)| file)
}

/// Opens a folder for reading, flushing or locking.
///
/// # Errors
/// As for [`file`].
pub fn folder(path: &Path) -> io::Result<File> {
    open(path, OFlags::RDONLY | OFlags::DIRECTORY, Kind::Folder).map(|(file, _)| file)
}

/// Reads a whole document.
///
/// # Errors
/// As for [`file`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (file, stat) = open(path, OFlags::RDONLY, Kind::File)?;
    let bytes = u64::try_from(stat.st_size).unwrap_or(0);
    if bytes > MAX_DOCUMENT_BYTES {
        return Err(Foreign::TooLong { path: path.to_owned(), bytes }.into());
    }
    let mut text = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(MAX_DOCUMENT_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// Makes a file, for writing. There must be nothing of that name. No file that is there already is ever opened for
/// writing here: it might be another name of somebody else's file.
///
/// # Errors
/// The system's error; [`Foreign`] when the folder isn't ours.
pub fn create_new(path: &Path) -> io::Result<File> {
    let (parent, name) = parent_of(path)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(FILE_MODE))?;
    if let Some(readers) = readers::of(path) {
        readers.give(&made, path, readers::FILE);
    }
    Ok(made.into())
}

/// Opens a file for writing that was made with [`create_new`], to end what another process began. It has this name and one
/// more, both of which this process has seen: a third might be somebody else's.
///
/// # Errors
/// As for [`file`]; [`std::io::ErrorKind::InvalidData`] when the file has another number of names.
pub fn file_to_end(path: &Path) -> io::Result<File> {
    let (file, stat) = open(path, OFlags::RDWR, Kind::File)?;
    if stat.st_nlink == 2 {
        return Ok(file);
    }
    let what = format!("{} has {} names, where 2 are expected", path.display(), stat.st_nlink);
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// Makes a folder. There must be nothing of that name.
///
/// # Errors
/// As for [`create_new`].
pub fn create_folder(path: &Path) -> io::Result<()> {
    let (parent, name) = parent_of(path)?;
    rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(FOLDER_MODE))?;
    share_folder(path)
}

/// Gives a folder of ours that was just made to the group that may read clips, if there is one.
///
/// # Errors
/// As for [`file`].
pub fn share_folder(path: &Path) -> io::Result<()> {
    if let Some(readers) = readers::of(path) {
        readers.give(folder(path)?, path, readers::folder_mode(path));
    }
    Ok(())
}

/// Takes the files of another user for ours too: those of the user whose instance this command speaks to. For a command that
/// reads, and for its first moments: the first call counts.
pub fn believe(owner: u32) {
    let _ = BELIEVED.set(owner);
}

static BELIEVED: OnceLock<u32> = OnceLock::new();

/// Removes a file. A link is removed, not what it leads to.
///
/// # Errors
/// As for [`create_new`].
pub fn remove_file(path: &Path) -> io::Result<()> {
    let (parent, name) = parent_of(path)?;
    Ok(rustix::fs::unlinkat(&parent, name, AtFlags::empty())?)
}

/// Removes an empty folder.
///
/// # Errors
/// As for [`create_new`].
pub fn remove_folder(path: &Path) -> io::Result<()> {
    let (parent, name) = parent_of(path)?;
    Ok(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
}

/// The names in a folder, in order.
///
/// # Errors
/// As for [`file`].
pub fn names(path: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::new(folder(path)?)? {
        let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The paths of the folders in a folder that are ours. Links and everything of other users are passed over.
///
/// # Errors
/// The folder, which may be anyone's, can't be listed.
pub fn folders_of_ours(path: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(folders_with_marks(path)?.into_iter().map(|(path, _)| path).collect())
}

/// Flushes a folder's entries to the disk. It may be anyone's: the output folder is the person's.
///
/// # Errors
/// The system's error.
pub(crate) fn to_flush_entries(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// The kind that something must be of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Folder => "a folder",
        }
    }
}

/// Opens what is there, and looks at it before anything is read.
fn open(path: &Path, flags: OFlags, kind: Kind) -> io::Result<(File, Stat)> {
    let (parent, name) = parent_of(path)?;
    // A FIFO without a writer would hold up whoever opens it for reading, and for good. On regular files NONBLOCK has no
    // effect (open(2)).
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(&parent, name, flags, Mode::empty()) {
        Ok(opened) => opened,
        // A link, a file in a folder's place, a socket: the sentence says which.
        Err(e @ (Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::ACCESS)) => {
            return Err(foreign_there(&parent, path, name, kind).unwrap_or_else(|| e.into()));
        }
        Err(e) => return Err(e.into()),
    };
    let stat = rustix::fs::fstat(&opened)?;
    check(&stat, &parent, path, kind)?;
    Ok((File::from(opened), stat))
}

fn foreign_there(parent: &OwnedFd, path: &Path, name: &OsStr, kind: Kind) -> Option<io::Error> {
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    check(&stat, parent, path, kind).err()
}

fn check(stat: &Stat, parent: &OwnedFd, path: &Path, kind: Kind) -> io::Result<()> {
    let found = kind_of(stat);
    let wanted = match kind {
        Kind::File => FileType::RegularFile,
        Kind::Folder => FileType::Directory,
    };
    if found != wanted {
        let found = match found {
            FileType::RegularFile => "a file",
            FileType::Directory => "a folder",
            FileType::Symlink => "a symbolic link",
            FileType::Fifo => "a FIFO",
            FileType::Socket => "a socket",
            _ => "a device",
        };
        return Err(Foreign::Kind { path: path.to_owned(), found, wanted: kind.words() }.into());
    }
    if !is_ours(stat, parent, path.file_name().unwrap_or_default()) {
        return Err(Foreign::Owner { path: path.to_owned(), owner: stat.st_uid }.into());
    }
    Ok(())
}

fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Is it ours, or root's, who may do everything anyway? On a file system that gives every file to one user (a network
/// share, a memory card mounted for somebody) the owner of what we make there is ours too.
fn is_ours(stat: &Stat, parent: &OwnedFd, name: &OsStr) -> bool {
    let us = rustix::process::geteuid().as_raw();
    stat.st_uid == us
        || stat.st_uid == 0
        || BELIEVED.get() == Some(&stat.st_uid)
        || owner_of_new(stat.st_dev, parent, name) == Some(stat.st_uid)
}

/// The owner that a file system gives to what this process makes, found out once a file system, by making a file.
fn owner_of_new(device: u64, folder: &OwnedFd, beside: &OsStr) -> Option<u32> {
    static KNOWN: Mutex<BTreeMap<u64, u32>> = Mutex::new(BTreeMap::new());
    if let Some(owner) = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&device) {
        return Some(*owner);
    }
    let mut name = OsString::from(".owner-");
    name.push(std::process::id().to_string());
    name.push(beside);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(folder, &name, flags, Mode::from_raw_mode(FILE_MODE)).ok()?;
    let owner = rustix::fs::fstat(&made).ok().filter(|stat| stat.st_dev == device).map(|stat| stat.st_uid);
    let _ = rustix::fs::unlinkat(folder, &name, AtFlags::empty());
    if let Some(owner) = owner {
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(device, owner);
    }
    owner
}

/// Opens the folder that holds `path`, and gives the name in it. The folders below the output folder are opened one in
/// the other, none of them through a link, so that nobody can swap one for a link in between.
fn parent_of(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let parts: Vec<Component<'_>> = folder.components().collect();
    // From the run folder on, if the path tells; two folders otherwise: run and clip, or output folder and run.
    let partial = parts.iter().rposition(|part| part.as_os_str() == PARTIAL_DIR);
    let walked_from = partial.unwrap_or(parts.len()).saturating_sub(2);
    let (above, walked) = parts.split_at(walked_from);
    let mut base: PathBuf = above.iter().collect();
    if base.as_os_str().is_empty() {
        base.push(".");
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at: OwnedFd = rustix::fs::openat(CWD, &base, flags, Mode::empty())?;
    let mut reached = base;
    for part in walked {
        let part = part.as_os_str();
        reached.push(part);
        at = match rustix::fs::openat(&at, part, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(next) => next,
            Err(e @ (Errno::NOTDIR | Errno::LOOP)) => {
                return Err(foreign_there(&at, &reached, part, Kind::Folder).unwrap_or_else(|| e.into()));
            }
            Err(e) => return Err(e.into()),
        };
    }
    let stat = rustix::fs::fstat(at.as_fd())?;
    if !is_ours(&stat, &at, name) {
        return Err(Foreign::Owner { path: folder.to_owned(), owner: stat.st_uid }.into());
    }
    Ok((at, name))
}

#[cfg(test)]
mod tests;
