//! Who may work on a clip.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use proto::clip::plan_path;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::disk;

/// How often something is tried again for which there was no descriptor.
const TRY_AGAIN: Duration = Duration::from_millis(250);

/// A clip is one recorder's at a time, whichever instance it belongs to: the one that has locked its folder, which
/// nothing ever replaces. The kernel drops the lock with its holder.
pub(crate) struct Hold {
    _folder: File,
    /// Locked too, since a recorder of an older version asks for this lock and no other.
    _plan: File,
}

impl Hold {
    /// `None` while somebody else holds it.
    pub(crate) fn take(folder: &Path) -> io::Result<Option<Self>> {
        let Some(locked) = lock(folder, folder)? else { return Ok(None) };
        let plan = lock(folder, &plan_path(folder))?;
        Ok(plan.map(|plan| Self { _folder: locked, _plan: plan }))
    }
}

fn lock(folder: &Path, path: &Path) -> io::Result<Option<File>> {
    let file = patiently(folder, || File::open(path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Asks for something of a clip's folder until there is a descriptor for it: a plan that can't be opened for want of
/// one is as good as it was.
pub(crate) fn patiently<T>(folder: &Path, once: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut told = false;
    loop {
        // To wait for a descriptor is not to wait for the disk.
        let answer = disk::ask(&once);
        let error = answer.as_ref().err().and_then(Errno::from_io_error);
        if !matches!(error, Some(Errno::MFILE | Errno::NFILE)) {
            return answer;
        }
        if !std::mem::replace(&mut told, true) {
            tracing::error!(
                "clip {}: can't be opened for want of descriptors (Too many open files); trying again until it works",
                folder.display()
            );
        }
        std::thread::sleep(TRY_AGAIN);
    }
}
