//! Undoing a start that fails: whatever it has made by then is removed again.

use std::collections::HashSet;
use std::path::PathBuf;

use proto::instance::RuntimeDir;
use proto::name::Name;
use proto::new_folders::NewFolders;
use proto::ring::Ring;

use crate::{run_file, state};

/// The things that this start has made so far. Undone when it fails; kept once the first child is about to start.
pub(super) struct Made<'a> {
    pub(super) dir: &'a RuntimeDir,
    pub(super) run_folder: Option<PathBuf>,
    /// The cameras whose rings this start has made. Others were there: open clips may need their frames.
    pub(super) rings: HashSet<Name>,
    /// The folders that it has made: the runtime directory, the output folder, and those above them.
    pub(super) folders: Vec<NewFolders>,
    pub(super) kept: bool,
}

impl<'a> Made<'a> {
    /// Nothing but the folders of the runtime directory.
    pub(super) fn only(dir: &'a RuntimeDir, folders: NewFolders) -> Self {
        Self { dir, run_folder: None, rings: HashSet::new(), folders: vec![folders], kept: false }
    }
}

impl Made<'_> {
    /// Leaves the run's folder where it is: its disk gives no answer.
    pub(super) fn leave_run_folder(&mut self) {
        if self.run_folder.take().is_some() {
            self.folders.pop().into_iter().for_each(NewFolders::keep);
        }
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.kept {
            self.folders.drain(..).for_each(NewFolders::keep);
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
        // The folders go last, now that they are empty.
        self.folders.clear();
    }
}
