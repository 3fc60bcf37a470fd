//! Undoing a start that fails: whatever it has made by then is removed again.

use std::collections::HashSet;
use std::path::PathBuf;

use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::ring::Ring;

use crate::{run_file, state};

/// The things that this start has made so far. Undone when it fails; kept once the first child is about to start.
pub(super) struct Made<'a> {
    dir: &'a RuntimeDir,
    pub(super) run_folder: Option<PathBuf>,
    /// The cameras whose rings this start has made. Others were there: open clips may need their frames.
    pub(super) rings: HashSet<Name>,
    pub(super) kept: bool,
}

impl<'a> Made<'a> {
    pub(super) fn nothing(dir: &'a RuntimeDir) -> Self {
        Self { dir, run_folder: None, rings: HashSet::new(), kept: false }
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for camera in &self.rings {
            if let Err(e) = Ring::remove(&self.dir.segment(camera)) {
                tracing::warn!(camera = camera.as_str(), "camera {camera}: its ring can't be removed: {e}");
            }
        }
        if let Some(run_folder) = &self.run_folder {
            run_file::remove_if_empty(run_folder);
        }
        // A run that was to be adopted still needs the rest.
        if state::load(self.dir).is_none() {
            self.dir.clear();
        }
    }
}
