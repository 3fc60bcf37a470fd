//! The lock on a finished clip, which is a flock on its folder: shared by all who read the clip, and alone for whoever removes it.
//!
//! A reader takes it only where there is nothing left of a plan: as long as there is, the lock is the recorders', who tell by it
//! whether another of them works on the clip.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use proto::clip::{MANIFEST, PARTIAL_DIR};
use proto::opened;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// A reader looks again so often while posters or sums of the clip are just being made.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The reason why a clip can't be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotHeld {
    /// The clip isn't finished.
    Open,
    /// Another program holds it.
    InUse,
    /// The clip isn't there any more.
    Gone,
}

/// A finished clip that is held: nobody removes it as long as this value lives.
#[derive(Debug)]
pub(crate) struct Held {
    _folder: File,
}

/// Holds a clip to read it. Others may read it meanwhile. Waits for the recorder's last work on it no longer than `patience`.
///
/// # Errors
/// The system's error; the inner one says why it can't be held.
pub(crate) fn to_read(clip: &Path, patience: Duration) -> io::Result<Result<Held, NotHeld>> {
    let begun = Instant::now();
    loop {
        match hold(clip, FlockOperation::NonBlockingLockShared)? {
            Err(NotHeld::InUse) if begun.elapsed() < patience => std::thread::sleep(LOOK_AGAIN),
            other => return Ok(other),
        }
    }
}

/// Holds a clip to remove it: nobody reads it meanwhile. Doesn't wait.
///
/// # Errors
/// As for [`to_read`].
pub(crate) fn to_remove(clip: &Path) -> io::Result<Result<Held, NotHeld>> {
    hold(clip, FlockOperation::NonBlockingLockExclusive)
}

fn hold(clip: &Path, operation: FlockOperation) -> io::Result<Result<Held, NotHeld>> {
    let is_there = |name: &str| clip.join(name).symlink_metadata().is_ok();
    let folder = match opened::folder(clip) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Err(NotHeld::Gone)),
        other => other?,
    };
    // A finished clip never gets a plan again.
    if is_there(PARTIAL_DIR) || !is_there(MANIFEST) {
        return Ok(Err(if clip.exists() { NotHeld::Open } else { NotHeld::Gone }));
    }
    match rustix::fs::flock(&folder, operation) {
        Err(Errno::WOULDBLOCK) => return Ok(Err(NotHeld::InUse)),
        other => other?,
    }
    // The folder may have been renamed before it was locked.
    let (held, now) = (rustix::fs::fstat(&folder)?, opened::mark(clip));
    if now.is_none_or(|now| now.inode != held.st_ino) {
        return Ok(Err(NotHeld::Gone));
    }
    Ok(Ok(Held { _folder: folder }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored_clips::row::tests::{clip, manifest};

    #[test]
    fn many_read_a_clip_and_nobody_removes_it_meanwhile() {
        let output = tempfile::tempdir().unwrap();
        let folder = clip(output.path(), "run_1/clip-0001", &manifest(None, None, 1), 1);
        let one = to_read(&folder, Duration::ZERO).unwrap().unwrap();
        let two = to_read(&folder, Duration::ZERO).unwrap().unwrap();
        drop(one);
        assert_eq!(to_remove(&folder).unwrap().unwrap_err(), NotHeld::InUse);
        drop(two);
        let removing = to_remove(&folder).unwrap().unwrap();
        assert_eq!(to_read(&folder, Duration::ZERO).unwrap().unwrap_err(), NotHeld::InUse);
        drop(removing);
        assert_eq!(to_remove(&output.path().join("run_1/clip-0002")).unwrap().unwrap_err(), NotHeld::Gone);
    }

    #[test]
    fn the_lock_of_an_unfinished_clip_is_left_to_recorders() {
        let output = tempfile::tempdir().unwrap();
        let folder = clip(output.path(), "run_1/clip-0001", &manifest(None, None, 1), 1);
        std::fs::create_dir(folder.join(PARTIAL_DIR)).unwrap();
        assert_eq!(to_read(&folder, Duration::ZERO).unwrap().unwrap_err(), NotHeld::Open);
        assert_eq!(to_remove(&folder).unwrap().unwrap_err(), NotHeld::Open);
        let recorder = opened::folder(&folder).unwrap();
        rustix::fs::flock(&recorder, FlockOperation::NonBlockingLockExclusive).unwrap();
    }
}
