//! The group whose members may read clips (`access.clips_group`): whatever is made below the output folder is given to it,
//! to be read and not to be written. The runtime directory's files, which are written by the same functions, stay their
//! owner's. Why unfinished clips stay closed: `docs/decisions/access.md`.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Gid, Mode, RawMode};

use crate::clip::PARTIAL_DIR;

/// The mode of a file that a group may read.
pub(super) const FILE: RawMode = 0o640;
/// The mode of a folder that a group may list.
const FOLDER: RawMode = 0o750;
/// The mode of a folder with an unfinished clip.
const UNFINISHED: RawMode = 0o700;

static READERS: OnceLock<Readers> = OnceLock::new();

/// The group, and where it has no business.
#[derive(Debug)]
pub(super) struct Readers {
    gid: u32,
    private: PathBuf,
    /// The system has refused to give them a file, and that was said.
    was_refused: AtomicBool,
}

/// Gives the members of a group all that this process makes from now on, but for what lies in the folder `private`. For the
/// process's first moments: the first call counts.
pub fn let_in(gid: u32, private: &Path) {
    let _ = READERS.set(Readers::new(gid, private));
}

/// The group that `path` is for, if there is any.
pub(super) fn of(path: &Path) -> Option<&'static Readers> {
    READERS.get().filter(|readers| readers.may_see(path))
}

/// The mode of a folder of this name.
pub(super) fn folder_mode(path: &Path) -> RawMode {
    if path.file_name().is_some_and(|name| name == PARTIAL_DIR) { UNFINISHED } else { FOLDER }
}

impl Readers {
    fn new(gid: u32, private: &Path) -> Self {
        Self { gid, private: private.to_owned(), was_refused: AtomicBool::new(false) }
    }

    fn may_see(&self, path: &Path) -> bool {
        !path.starts_with(&self.private)
    }

    /// Gives the group a file or folder that was just made. Recording goes on where the system refuses that.
    pub(super) fn give(&self, made: impl AsFd, path: &Path, mode: RawMode) {
        let group = Some(Gid::from_raw(self.gid));
        // The group first: a mode for another group would let that one read for a moment.
        let given = rustix::fs::fchown(&made, None, group)
            .and_then(|()| rustix::fs::fchmod(&made, Mode::from_raw_mode(mode)));
        if let Err(e) = given
            && !self.was_refused.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "access.clips_group: {} can't be given to the group {}: {e}; it is recorded all the same, for its owner \
                 alone. Does its file system know groups?",
                path.display(),
                self.gid
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_is_made_is_for_the_group_but_for_the_private_folder() {
        let folder = tempfile::tempdir().unwrap();
        let own = rustix::process::getegid().as_raw();
        let readers = Readers::new(own, Path::new("/run/preroll"));
        assert!(readers.may_see(Path::new("/recordings/run_1/run.json")));
        assert!(!readers.may_see(Path::new("/run/preroll/config.json")));
        assert!(readers.may_see(Path::new("/run/preroll-2/x")));
        let path = folder.path().join("left.mp4");
        let file = std::fs::File::create(&path).unwrap();
        readers.give(&file, &path, FILE);
        let there = file.metadata().unwrap();
        assert_eq!((there.mode() & 0o7777, there.gid()), (0o640, own));
        assert!(!readers.was_refused.load(Ordering::Relaxed));
    }

    #[test]
    fn a_system_that_refuses_costs_no_file() {
        // A descriptor by which nothing can be changed.
        let by_path = rustix::fs::open("/", rustix::fs::OFlags::PATH, Mode::empty()).unwrap();
        let readers = Readers::new(1, Path::new("/run/preroll"));
        readers.give(&by_path, Path::new("/"), FILE);
        assert!(readers.was_refused.load(Ordering::Relaxed));
    }

    #[test]
    fn an_unfinished_clip_stays_closed() {
        assert_eq!(folder_mode(Path::new("/r/run_1/clip-0001/.partial")), 0o700);
        assert_eq!(folder_mode(Path::new("/r/run_1/clip-0001")), 0o750);
    }
}
