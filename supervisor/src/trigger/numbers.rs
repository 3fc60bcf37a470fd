//! The numbers of this run's clips. None is given twice in a run, also not that of a clip that was removed meanwhile, and not by
//! the next supervisor of this run: a clip's id is made of it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use proto::clip::clip_number;
use proto::durable;
use proto::opened;
use serde::{Deserialize, Serialize};

/// The numbers of a run.
pub(super) struct Numbers {
    run_folder: PathBuf,
    /// The file in the runtime directory that tells the next supervisor.
    kept: PathBuf,
    /// The highest that was given. Read at the first trigger: a start waits for no disk.
    last: OnceLock<AtomicU32>,
}

/// The file.
#[derive(Deserialize, Serialize)]
struct Kept {
    run_folder: PathBuf,
    last: u32,
}

impl Numbers {
    pub(super) fn new(run_folder: &Path, kept: PathBuf) -> Self {
        Self { run_folder: run_folder.to_owned(), kept, last: OnceLock::new() }
    }

    /// The counter that further numbers are taken from.
    pub(super) fn last(&self) -> &AtomicU32 {
        self.last.get_or_init(|| {
            // Every name counts, whosever it is.
            let names = opened::names(&self.run_folder).unwrap_or_default();
            let on_disk = names.iter().filter_map(|name| clip_number(Path::new(name))).max();
            AtomicU32::new(on_disk.max(self.kept()).unwrap_or(0))
        })
    }

    /// The highest that an earlier supervisor of this run has kept.
    fn kept(&self) -> Option<u32> {
        let kept: Kept = serde_json::from_slice(&opened::read(&self.kept).ok()?).ok()?;
        (kept.run_folder == self.run_folder).then_some(kept.last)
    }

    /// Keeps what was given so far for the next supervisor.
    pub(super) fn keep(&self) {
        let kept = Kept { run_folder: self.run_folder.clone(), last: self.last().load(Ordering::Relaxed) };
        let written = serde_json::to_vec(&kept).map_err(Into::into);
        if let Err(e) = written.and_then(|text| durable::replace(&self.kept, &text)) {
            tracing::warn!(
                "can't keep {}: {e}; a clip of this run that is removed before the next supervisor starts may give its \
                 number to another",
                self.kept.display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice_in_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run_1");
        std::fs::create_dir_all(run.join("clip-0007-goal")).unwrap();
        let last = |run: &Path| Numbers::new(run, folder.path().join("last-clip.json"));
        let numbers = last(&run);
        assert_eq!(numbers.last().fetch_add(1, Ordering::Relaxed), 7);
        numbers.keep();
        std::fs::remove_dir(run.join("clip-0007-goal")).unwrap();
        assert_eq!(last(&run).last().load(Ordering::Relaxed), 8);
        assert_eq!(last(&folder.path().join("run_2")).last().load(Ordering::Relaxed), 0, "another run");
    }
}
