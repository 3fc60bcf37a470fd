//! The lock on a clip: one recorder at a time works on it, whichever instance the recorder belongs to.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use proto::clip::{clip_name, plan_path};
use proto::opened;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::disk;

/// The pause before another try to open a file, while the process or the system has no file descriptor left.
const TRY_AGAIN: Duration = Duration::from_millis(250);

/// A clip that this recorder has locked. The lock is on the clip's folder, which nothing ever replaces; the kernel drops
/// it with the process that holds it.
pub(crate) struct ClipLock {
    _folder: File,
    /// The plan is locked too, since a recorder of an older version asks for this lock and no other.
    _plan: File,
}

impl ClipLock {
    /// Locks a clip. `None` while another recorder holds it.
    pub(crate) fn take(folder: &Path) -> io::Result<Option<Self>> {
        let Some(locked) = lock(folder, || opened::folder(folder))? else { return Ok(None) };
        let plan = lock(folder, || opened::file(&plan_path(folder)))?;
        Ok(plan.map(|plan| Self { _folder: locked, _plan: plan }))
    }
}

fn lock(folder: &Path, open: impl Fn() -> io::Result<File>) -> io::Result<Option<File>> {
    let file = patiently(folder, open)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Tries to open a file of a clip until there is a descriptor for it. A plan must not count as unreadable only because
/// descriptors have run out.
pub(crate) fn patiently<T>(folder: &Path, once: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut told = false;
    loop {
        // The pause below is outside of `disk::ask`: waiting for a descriptor is not waiting for the disk.
        let answer = disk::ask(&once);
        let error = answer.as_ref().err().and_then(Errno::from_io_error);
        if !matches!(error, Some(Errno::MFILE | Errno::NFILE)) {
            return answer;
        }
        if !std::mem::replace(&mut told, true) {
            tracing::error!(
                clip = &*clip_name(folder),
                "clip {}: its files can't be opened for want of descriptors (Too many open files); trying again until \
                 it works",
                folder.display()
            );
        }
        std::thread::sleep(TRY_AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_locked_once_until_the_lock_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan_path(folder.path());
        std::fs::create_dir_all(plan.parent().unwrap()).unwrap();
        std::fs::write(&plan, "{}").unwrap();
        let lock = ClipLock::take(folder.path()).unwrap();
        assert!(lock.is_some());
        assert!(ClipLock::take(folder.path()).unwrap().is_none());
        drop(lock);
        assert!(ClipLock::take(folder.path()).unwrap().is_some());
    }
}
