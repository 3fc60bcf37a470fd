//! The folder that clips go to: is there room in it, can it be written? A thread of its own looks four times a second,
//! so that no worker has to ask.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::config::RecordingConfig;
use proto::storage::{self, Unfit};

use super::{ask, lock, stalled_for};

/// The disk, as a take sees it.
pub(crate) trait DiskState {
    /// Is there room to write at all?
    ///
    /// # Errors
    /// The reason why not, with what to do.
    fn has_room(&self) -> io::Result<()>;

    /// The time that this thread has waited for the disk in its life.
    fn waited(&self) -> Duration;
}

/// The time between two looks at the room.
const LOOK: Duration = Duration::from_millis(250);

/// The folder that clips go to.
#[derive(Default)]
pub(crate) struct OutputFolder {
    path: PathBuf,
    /// `recording.min_free_bytes`.
    floor: u64,
    found: Mutex<Found>,
}

/// The result of the last look.
#[derive(Default)]
struct Found {
    /// The folder of this run, once it is known.
    run_folder: Option<PathBuf>,
    low: bool,
    trouble: Option<String>,
}

impl OutputFolder {
    /// Begins to look at the folder.
    pub(crate) fn watch(recording: &RecordingConfig) -> io::Result<Arc<Self>> {
        let path = storage::plain(&recording.output_dir)?;
        let output = Arc::new(Self { path, floor: recording.min_free_bytes, found: Mutex::default() });
        let this = Arc::clone(&output);
        std::thread::Builder::new().name("disk".into()).spawn(move || {
            loop {
                this.look();
                std::thread::sleep(LOOK);
            }
        })?;
        Ok(output)
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at this run's folder from now on.
    pub(crate) fn use_run_folder(&self, run_folder: &Path) {
        lock(&self.found).run_folder = Some(run_folder.to_owned());
    }

    fn look(&self) {
        let run_folder = lock(&self.found).run_folder.clone();
        let fit = ask(|| match &run_folder {
            Some(run_folder) => storage::fit(run_folder, self.floor),
            None => storage::has_room(&self.path, self.floor, 0),
        });
        let mut found = lock(&self.found);
        found.low = matches!(fit, Err(Unfit::Low { .. }));
        found.trouble = fit.err().map(|unfit| unfit.to_string());
    }

    /// Is there room for so many bytes more, beside what has to stay free? Asks the disk.
    pub(crate) fn has_room_for(&self, folder: &Path, bytes: u64) -> io::Result<()> {
        Ok(ask(|| storage::has_room(folder, self.floor, bytes))?)
    }

    /// A sentence for a person when the disk doesn't answer.
    pub(crate) fn stall(&self) -> Option<String> {
        let waited = stalled_for()?;
        Some(format!(
            "disk stalled: {} has not answered for {} s; frames wait in the rings. Look at the disk and its cable or \
             network; nothing has to be restarted",
            self.path.display(),
            waited.as_secs()
        ))
    }

    /// A sentence for a person about any other trouble of the folder.
    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.found).trouble.clone()
    }
}

impl DiskState for OutputFolder {
    /// Answered from the last look, without asking the disk.
    fn has_room(&self) -> io::Result<()> {
        let found = lock(&self.found);
        match &found.trouble {
            Some(why) if found.low => Err(io::Error::new(io::ErrorKind::StorageFull, why.clone())),
            _ => Ok(()),
        }
    }

    fn waited(&self) -> Duration {
        super::waited()
    }
}
