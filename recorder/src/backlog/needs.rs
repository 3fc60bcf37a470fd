//! The needs of the open clips, as intake and workers tell them to a camera's backlog. Which frames a need means is in
//! [`super::need`].

use std::path::Path;

use proto::time::MonotonicNs;

use super::{CameraBacklog, Need};
use crate::poison::lock;

impl CameraBacklog {
    /// Says what a clip needs from now on.
    pub(crate) fn need(&self, clip: &Path, need: Need) {
        let mut shelf = lock(&self.shelf);
        match shelf.needs.get_mut(clip) {
            Some(known) => *known = need,
            None => {
                shelf.needs.insert(clip.to_owned(), need);
                drop(shelf);
                self.totals.ring();
            }
        }
    }

    /// A clip needs frames up to this moment, if it needs any of this camera.
    pub(crate) fn need_until(&self, clip: &Path, end: MonotonicNs) {
        if let Some(need) = lock(&self.shelf).needs.get_mut(clip) {
            need.end = end;
        }
    }

    /// A clip needs nothing of this camera any more.
    pub(crate) fn done(&self, clip: &Path) {
        let was_open = lock(&self.shelf).needs.remove(clip).is_some();
        if was_open {
            self.totals.ring();
        }
    }
}
