//! Who may work on a clip.

use std::fs::File;
use std::path::Path;

use proto::clip::plan_path;
use rustix::fs::FlockOperation;

/// A clip is one recorder's at a time, whichever instance it belongs to: whoever holds its plan's lock, which the
/// kernel drops with its holder.
pub(crate) struct Hold {
    _plan: File,
}

impl Hold {
    /// `None` while somebody else holds it.
    pub(crate) fn take(folder: &Path) -> std::io::Result<Option<Self>> {
        let plan = File::open(plan_path(folder))?;
        match rustix::fs::flock(&plan, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _plan: plan })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}
