//! The clips that a start finds on their disk: those that are not finished, and the rings whose frames they need. A disk that
//! gives no answer, such as a dead network mount, holds up no start: processes that run are adopted without it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::clip::unfinished_clips;
use proto::config::Config;
use proto::storage;

use super::inherited::Inherited;
use super::run_folder;
use crate::backlog::needed::Needed;
use crate::check::{output_dir, patience};
use crate::clips::Counts;
use crate::failure::Failure;
use crate::trigger::plan;

/// The clips on the disk.
pub(super) struct OnDisk {
    /// The folders that may hold unfinished clips, this run's first.
    pub(super) run_folders: Vec<PathBuf>,
    /// The rings that unfinished clips need.
    pub(super) needed: Needed,
    /// The clips of this run that are not finished, and the number of the others. `None` while the disk doesn't say.
    pub(super) clips: Option<(HashSet<PathBuf>, Counts)>,
}

impl OnDisk {
    /// Looks, within the time that a disk has to answer.
    ///
    /// # Errors
    /// There is no answer, and nothing that runs is adopted.
    pub(super) fn look(config: &Config, run_folder: &Path, inherited: &Inherited) -> Result<Self, Failure> {
        let (owned, this_run) = (config.clone(), run_folder.to_owned());
        let last_run = inherited.run_folder().map(Path::to_owned);
        let look = move || Self::read(&owned, &this_run, last_run.as_deref());
        match patience::within(output_dir::named(config), look) {
            Ok(found) => {
                // By this thread, since no later one may: a look that was left alone would take away the folder of a trigger
                // that is just being written down.
                inherited.run_folder().into_iter().for_each(plan::clear_unplanned);
                Ok(found)
            }
            Err(why) if inherited.is_adopting => {
                tracing::error!(
                    "{why}. Processes that run are adopted without it; clips that earlier runs left unfinished wait for the \
                     next start"
                );
                Ok(Self { run_folders: vec![run_folder.to_owned()], needed: Needed::unknown(), clips: None })
            }
            Err(why) => Err(why),
        }
    }

    fn read(config: &Config, run_folder: &Path, last_run: Option<&Path>) -> Self {
        let run_folders = run_folder::with_unfinished_clips(config, run_folder, last_run);
        let needed = Needed::by(&run_folders);
        let open: HashSet<PathBuf> = unfinished_clips(run_folder).unwrap_or_default().into_iter().collect();
        let counts = Counts::on_disk(run_folder, &open);
        Self { run_folders, needed, clips: Some((open, counts)) }
    }
}

/// Warns when there is no room to record, if the disk says so.
pub(super) fn warn_of_no_room(config: &Config, run_folder: &Path, at_most: Duration) {
    let (run_folder, floor) = (run_folder.to_owned(), config.recording.min_free_bytes);
    let fits =
        patience::at_most(at_most, &output_dir::named(config), move || storage::fit(&run_folder, floor));
    // A disk that doesn't answer is told of by the recorder, for as long as it doesn't.
    if let Ok(Err(e)) = fits {
        tracing::warn!("{e}; until then nothing is recorded");
    }
}
