//! The folders that clips go to: whether they are there, are folders and no links, and have room.
//!
//! It stands in this crate because supervisor and recorder must judge alike: the one answers a trigger by it, the other
//! writes by it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatVfsMountFlags, StatxAttributes, StatxFlags};

use crate::clip::{MANIFEST, PARTIAL_DIR, plan_path};

/// The reason why nothing can be recorded in a folder, for a person.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The folder has too little room: what is to be written and `recording.min_free_bytes` don't fit.
    #[error(
        "{} has {free} bytes ({:.0} MB) free, and {}; make room",
        folder.display(), mb(*free), needs(*floor, *more)
    )]
    Low {
        /// The folder.
        folder: PathBuf,
        /// The bytes that an ordinary user may still write.
        free: u64,
        /// The bytes that are to stay free.
        floor: u64,
        /// The bytes about to be written.
        more: u64,
    },
    /// The file system holds as many files as it can.
    #[error("{} has no inode free: its disk holds as many files as it can; remove some", .0.display())]
    NoInodes(PathBuf),
    /// The file system is mounted read-only.
    #[error("{} is read-only; mount its disk read-write (after an error of the disk it may have become so by itself)", .0.display())]
    ReadOnly(PathBuf),
    /// The folder is gone.
    #[error("{} is gone; mount its disk again, or put the folder back", .0.display())]
    Gone(PathBuf),
    /// A symbolic link stands in the place of the folder.
    #[error(
        "{} is a symbolic link to {}, and nothing is recorded through one; name the folder itself, or put it back",
        link.display(), to.display()
    )]
    Link {
        /// The link.
        link: PathBuf,
        /// The path it leads to.
        to: PathBuf,
    },
    /// A system call failed.
    #[error("{} can't be looked at: {source}", folder.display())]
    System {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl From<Unfit> for io::Error {
    fn from(unfit: Unfit) -> Self {
        let kind = match &unfit {
            Unfit::Low { .. } | Unfit::NoInodes(_) => io::ErrorKind::StorageFull,
            Unfit::ReadOnly(_) => io::ErrorKind::ReadOnlyFilesystem,
            Unfit::Gone(_) => io::ErrorKind::NotFound,
            Unfit::Link { .. } => io::ErrorKind::NotADirectory,
            Unfit::System { source, .. } => source.kind(),
        };
        io::Error::new(kind, unfit)
    }
}

/// Checks that clips can be recorded in this run folder, which lies in the output folder: neither is a link, and `floor`
/// bytes are free.
///
/// # Errors
/// [`Unfit`].
pub fn fit(run_folder: &Path, floor: u64) -> Result<(), Unfit> {
    run_folder.parent().map_or(Ok(()), no_link)?;
    no_link(run_folder)?;
    has_room(run_folder, floor, 0)
}

/// Checks that a folder can be written to and has room for `more` bytes besides the `floor` that is to stay free.
///
/// # Errors
/// [`Unfit`].
pub fn has_room(folder: &Path, floor: u64, more: u64) -> Result<(), Unfit> {
    let system = |source: io::Error| Unfit::System { folder: folder.to_owned(), source };
    let disk = rustix::fs::statvfs(folder).map_err(|e| match e {
        rustix::io::Errno::NOENT => Unfit::Gone(folder.to_owned()),
        other => system(other.into()),
    })?;
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(Unfit::ReadOnly(folder.to_owned()));
    }
    // Counted as for an ordinary user, even for root: the rest is the system's reserve.
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < floor.saturating_add(more) {
        return Err(Unfit::Low { folder: folder.to_owned(), free, floor, more });
    }
    // Some file systems don't count inodes, and report 0 of 0.
    if disk.f_files > 0 && disk.f_favail == 0 {
        return Err(Unfit::NoInodes(folder.to_owned()));
    }
    Ok(())
}

/// The bytes that an ordinary user may still write in a folder. `None` when its disk doesn't say.
#[must_use]
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Refuses a symbolic link in the place of a folder. A folder that isn't there passes.
///
/// # Errors
/// [`Unfit::Link`], [`Unfit::System`].
pub fn no_link(folder: &Path) -> Result<(), Unfit> {
    match folder.symlink_metadata() {
        Ok(there) if there.is_symlink() => {
            Err(Unfit::Link { link: folder.to_owned(), to: std::fs::read_link(folder).unwrap_or_default() })
        }
        Ok(_) => Ok(()),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(source) => Err(Unfit::System { folder: folder.to_owned(), source }),
    }
}

/// Refuses a clip folder that is reached through a symbolic link: its `.partial`, the folder itself, its run folder and
/// the output folder have to be folders. Links above those are fine.
///
/// # Errors
/// [`Unfit::Link`], [`Unfit::System`].
pub fn no_link_to(clip: &Path) -> Result<(), Unfit> {
    no_link(&clip.join(PARTIAL_DIR))?;
    clip.ancestors().take(3).try_for_each(no_link)
}

/// Tells whether an unfinished clip was removed on purpose: its run folder is there without it. An output folder that is
/// unmounted or renamed for a while, covered by a mount, or replaced by a link, brings its clips back with it, so it
/// removes none.
#[must_use]
pub fn is_removed(clip: &Path) -> bool {
    // The order matters: a plan goes only after its manifest has come.
    let gone = |path: &Path| matches!(path.try_exists(), Ok(false));
    gone(&plan_path(clip))
        && gone(&clip.join(MANIFEST))
        && !is_covered(clip)
        && clip.parent().is_some_and(Path::is_dir)
        && no_link_to(clip).is_ok()
}

/// Is something mounted over a clip's partial folder, the clip's folder or its run folder? Preroll makes each in the one
/// above it, so none of them begins another file system by itself.
fn is_covered(clip: &Path) -> bool {
    let folders = [Some(clip.join(PARTIAL_DIR)), Some(clip.to_owned()), clip.parent().map(Path::to_owned)];
    folders.into_iter().flatten().any(|folder| is_mount_root(&folder))
}

fn is_mount_root(folder: &Path) -> bool {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let there = rustix::fs::statx(CWD, folder, flags, StatxFlags::BASIC_STATS);
    there.is_ok_and(|there| there.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// The absolute path of a folder, without a trailing slash: with one, [`no_link`] would look behind the link.
///
/// # Errors
/// The current folder is gone.
pub fn plain(folder: &Path) -> io::Result<PathBuf> {
    Ok(std::path::absolute(folder)?.components().collect())
}

/// The bytes that a person has to make room for, in words.
fn needs(floor: u64, more: u64) -> String {
    let keeps = format!("recording.min_free_bytes keeps {floor} ({:.0} MB)", mb(floor));
    let needed = format!("{more} ({:.0} MB) are needed", mb(more));
    match (floor, more) {
        (_, 0) => keeps,
        (0, _) => needed,
        _ => format!("{needed} and {keeps}"),
    }
}

/// Megabytes of 10^6 bytes, for texts.
#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
#[must_use]
pub fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(found: Result<(), Unfit>) -> String {
        found.unwrap_err().to_string()
    }

    #[test]
    fn a_folder_is_fit_when_there_is_room_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fit(folder.path(), 0).unwrap();
        let low = says(fit(folder.path(), u64::MAX));
        assert!(low.contains("bytes") && low.contains("18446744073709551615"), "{low}");
        assert!(says(fit(&folder.path().join("no"), 0)).contains("is gone"));
    }

    #[test]
    fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (there, link) = (folder.path().join("there"), folder.path().join("link"));
        std::fs::create_dir(&there).unwrap();
        std::os::unix::fs::symlink(&there, &link).unwrap();
        no_link(&there).unwrap();
        for path in [link.clone(), plain(&link.join("")).unwrap(), plain(&link.join(".")).unwrap()] {
            let told = says(no_link(&path));
            assert!(told.contains("there") && told.contains("symbolic link"), "{told}");
        }
        no_link_to(&there.join("run/clip")).unwrap();
        assert!(no_link_to(&link.join("run/clip")).is_err());
        assert!(fit(&link.join("run"), 0).is_err());
        no_link_to(&link.join("recordings/run/clip")).unwrap();
    }

    #[test]
    fn the_root_of_a_mount_is_told_from_a_folder() {
        assert!(is_mount_root(Path::new("/proc")));
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("run/clip-0001")).unwrap();
        assert!(!is_mount_root(folder.path()) && !is_covered(&folder.path().join("run/clip-0001")));
        assert!(is_covered(Path::new("/proc/self")), "its run folder is covered");
    }

    #[test]
    fn a_clip_is_removed_only_if_its_run_folder_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let run_folder = folder.path().join("run");
        let clip = run_folder.join("clip-0001");
        assert!(!is_removed(&clip), "its run folder is away");
        std::fs::create_dir(&run_folder).unwrap();
        assert!(is_removed(&clip));
        std::fs::create_dir_all(clip.join(PARTIAL_DIR)).unwrap();
        std::fs::write(plan_path(&clip), "").unwrap();
        assert!(!is_removed(&clip));
        std::fs::remove_file(plan_path(&clip)).unwrap();
        std::fs::write(clip.join(MANIFEST), "").unwrap();
        assert!(!is_removed(&clip), "it is finished");
    }
}
