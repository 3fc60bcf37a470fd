//! Folders as they are listed: each thing in them by its kind, its owner and its size, without opening it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use serde::{Deserialize, Serialize};

use super::{Foreign, is_ours, kind_of};

/// A value that changes whenever a name in a folder comes, goes or is replaced. A file that is written in place doesn't change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FolderMark {
    /// The folder's inode.
    pub inode: u64,
    /// The time of its last change of names, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// The time of its last change of any kind, which nobody can set.
    pub changed_ns: i64,
}

impl FolderMark {
    fn of(stat: &Stat) -> Self {
        let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            inode: stat.st_ino,
            modified_ns: ns(stat.st_mtime, stat.st_mtime_nsec.try_into().unwrap_or(0)),
            changed_ns: ns(stat.st_ctime, stat.st_ctime_nsec.try_into().unwrap_or(0)),
        }
    }
}

/// A thing in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// The kind.
    pub kind: EntryKind,
    /// The length, if it is a file.
    pub bytes: u64,
    /// The room that it takes on its disk.
    pub disk_bytes: u64,
    /// The time of its last change, in nanoseconds since 1970.
    pub modified_ns: i64,
}

/// The kind of a thing in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file of ours.
    File,
    /// A folder of ours.
    Folder,
    /// A link, a FIFO, or anything of another user.
    Foreign,
}

/// The paths of the folders in a folder that are ours, each with its mark. Links and everything of other users are passed over.
///
/// # Errors
/// The folder, which may be anyone's, can't be listed.
pub fn folders_with_marks(path: &Path) -> io::Result<Vec<(PathBuf, FolderMark)>> {
    let mut found = Vec::new();
    look(path, |listed, name, stat| {
        if kind_of(stat) == FileType::Directory && is_ours(stat, listed, name) {
            found.push((path.join(name), FolderMark::of(stat)));
        }
    })?;
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// All that lies in a folder of ours, in order of the names.
///
/// # Errors
/// [`Foreign`] as an [`io::Error`], or the system's error.
pub fn entries(path: &Path) -> io::Result<Vec<Entry>> {
    // Refuses a folder that isn't ours, or is reached through a link.
    drop(super::folder(path)?);
    let mut found = Vec::new();
    look(path, |listed, name, stat| {
        let kind = match kind_of(stat) {
            _ if !is_ours(stat, listed, name) => EntryKind::Foreign,
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Folder,
            _ => EntryKind::Foreign,
        };
        let bytes = if kind == EntryKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
        // Blocks are of 512 bytes, whatever the file system's are.
        let disk_bytes = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
        let modified_ns = FolderMark::of(stat).modified_ns;
        found.push(Entry { name: name.to_owned(), kind, bytes, disk_bytes, modified_ns });
    })?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The mark of a folder of ours, or none if there is no such folder.
#[must_use]
pub fn mark(path: &Path) -> Option<FolderMark> {
    let stat = rustix::fs::fstat(super::folder(path).ok()?).ok()?;
    Some(FolderMark::of(&stat))
}

/// Makes a folder of ours with this name in an output folder, for its owner alone, if it isn't there. The output folder may be
/// anyone's.
///
/// # Errors
/// [`Foreign`] as an [`io::Error`] when something else has the name; the system's error.
pub fn own_folder(output_dir: &Path, name: &str) -> io::Result<PathBuf> {
    let output = output(output_dir)?;
    match rustix::fs::mkdirat(&output, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(e) => return Err(e.into()),
    }
    let stat = rustix::fs::statat(&output, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let path = output_dir.join(name);
    if kind_of(&stat) != FileType::Directory {
        return Err(Foreign::Kind { path, found: "no folder", wanted: "a folder" }.into());
    }
    if !is_ours(&stat, &output, OsStr::new(name)) {
        return Err(Foreign::Owner { path, owner: stat.st_uid }.into());
    }
    Ok(path)
}

/// Takes such a folder away again, if it is empty. A link of that name stays.
///
/// # Errors
/// The system's error.
pub fn remove_own_folder(output_dir: &Path, name: &str) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(&output(output_dir)?, name, AtFlags::REMOVEDIR)?)
}

fn output(output_dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(output_dir, flags, Mode::empty())?)
}

fn look(path: &Path, mut each: impl FnMut(&OwnedFd, &OsStr, &Stat)) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let listed: OwnedFd = rustix::fs::open(path, flags, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&listed)? {
        let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
        if name == "." || name == ".." {
            continue;
        }
        // A thing that went meanwhile isn't there.
        if let Ok(stat) = rustix::fs::statat(&listed, &name, AtFlags::SYMLINK_NOFOLLOW) {
            each(&listed, &name, &stat);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_is_listed_by_kinds_and_sizes_and_no_link_is_followed() {
        let output = tempfile::tempdir().unwrap();
        let clip = output.path().join("run/clip-0001");
        std::fs::create_dir_all(clip.join("below")).unwrap();
        std::fs::write(clip.join("left.mp4"), [7; 5000]).unwrap();
        symlink(clip.join("left.mp4"), clip.join("link")).unwrap();
        let listed = entries(&clip).unwrap();
        let kinds: Vec<_> = listed.iter().map(|e| (e.name.to_str().unwrap(), e.kind, e.bytes)).collect();
        assert_eq!(
            kinds,
            [
                ("below", EntryKind::Folder, 0),
                ("left.mp4", EntryKind::File, 5000),
                ("link", EntryKind::Foreign, 0)
            ]
        );
        symlink(&clip, output.path().join("run/clip-0002")).unwrap();
        assert!(entries(&output.path().join("run/clip-0002")).is_err());
        assert_eq!(folders_with_marks(&output.path().join("run")).unwrap().len(), 1);
    }

    #[test]
    fn a_mark_changes_with_each_name_and_not_with_contents() {
        let output = tempfile::tempdir().unwrap();
        let clip = output.path().join("run/clip-0001");
        std::fs::create_dir_all(&clip).unwrap();
        std::fs::write(clip.join("notes.json"), "a").unwrap();
        let before = mark(&clip).unwrap();
        std::fs::write(clip.join("notes.json"), "b").unwrap();
        assert_eq!(mark(&clip).unwrap(), before);
        // The kernel's clock for files goes on in steps of some milliseconds.
        let changed = || {
            std::fs::write(clip.join("new"), "").unwrap();
            std::fs::rename(clip.join("new"), clip.join("notes.json")).unwrap();
            mark(&clip).unwrap() != before
        };
        assert!((0..1_000_000).any(|_| changed()));
        assert_eq!(mark(&output.path().join("run/clip-0002")), None);
    }

    #[test]
    fn a_folder_of_our_own_is_made_once_and_nothing_else_is_taken_for_it() {
        let output = tempfile::tempdir().unwrap();
        let made = own_folder(output.path(), ".removing").unwrap();
        std::fs::write(made.join("x"), "").unwrap();
        assert!(remove_own_folder(output.path(), ".removing").is_err());
        std::fs::remove_file(made.join("x")).unwrap();
        assert_eq!(own_folder(output.path(), ".removing").unwrap(), made);
        remove_own_folder(output.path(), ".removing").unwrap();
        symlink(output.path(), &made).unwrap();
        assert!(super::super::is_foreign(&own_folder(output.path(), ".removing").unwrap_err()));
        let link = output.path().join("elsewhere");
        symlink(output.path(), &link).unwrap();
        assert!(own_folder(&link, ".x").is_err(), "no output folder is a link");
    }
}
