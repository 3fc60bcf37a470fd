//! Undoing a start that fails: whatever it has made by then is removed again.

use std::path::PathBuf;

use proto::config::Config;
use proto::instance::RuntimeDir;

use crate::{rings, run_file, state};

/// The things that this start has made so far. Undone when it fails; kept once the first child is about to start.
pub(super) struct Made<'a> {
    config: &'a Config,
    dir: &'a RuntimeDir,
    pub(super) run_folder: Option<PathBuf>,
    pub(super) rings: bool,
    pub(super) kept: bool,
}

impl<'a> Made<'a> {
    pub(super) fn nothing(config: &'a Config, dir: &'a RuntimeDir) -> Self {
        Self { config, dir, run_folder: None, rings: false, kept: false }
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if self.rings {
            rings::remove(self.config, self.dir);
        }
        if let Some(run_folder) = &self.run_folder {
            run_file::remove_if_empty(run_folder);
        }
        // A run that was to be adopted still needs the rest.
        if state::load(self.dir).is_none() {
            clear(self.dir);
        }
    }
}

/// Empties the runtime directory.
pub(super) fn clear(dir: &RuntimeDir) {
    for path in [dir.control_socket(), dir.config_path(), dir.state_path()] {
        let _ = std::fs::remove_file(path);
    }
    for folder in ["rendezvous", "ipc", "probe"] {
        let _ = std::fs::remove_dir_all(dir.path().join(folder));
    }
    // The lock's file goes last but for the mark; whoever waits for it sees that and makes another.
    let _ = std::fs::remove_file(dir.lock_path());
    let _ = std::fs::remove_file(dir.marker());
}
