//! The folders of runs: this run's own, and those in which earlier runs left clips unfinished.

use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use proto::clip::{self, unfinished_clips};
use proto::config::{Config, ValueOf};
use proto::new_folders::NewFolders;
use proto::opened;
use proto::time::{UtcTime, WallAnchor};

use crate::check::output_dir;
use crate::failure::Failure;

/// Makes a run's folder: `<run_name>_<UTC date-time>`, with a number behind it if there is one of that name. The folders
/// above it that had to be made come with it.
pub(super) fn make(config: &Config) -> Result<(PathBuf, NewFolders), Failure> {
    let recording = &config.recording;
    let no = |path: &Path, e: &std::io::Error| {
        let message = format!(
            "recording.output_dir: {} can't be written: {e}; make it so, or name another folder",
            path.display()
        );
        // An error that may pass is no mistake in the config: it is worth trying again.
        if is_a_mistake(e.kind()) {
            Failure::bad_input(config.mistake(ValueOf::OutputDir, message))
        } else {
            Failure::failed(message)
        }
    };
    // Absolute, since the children and the person's other tools may stand elsewhere.
    let output = output_dir::plain(config)?;
    let above = NewFolders::make(&output, 0o777).map_err(|e| no(&output, &e))?;
    let utc = UtcTime::from_unix_ns(WallAnchor::now().unix_ns).compact();
    let name = format!("{}_{utc}", recording.run_name);
    for number in 1.. {
        let folder = output.join(if number == 1 { name.clone() } else { format!("{name}-{number}") });
        // Recordings are for their owner: nobody else reads them unless the folder is opened to others.
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => {
                let kept = opened::share_folder(&folder).and_then(|()| proto::durable::sync_parent(&folder));
                if let Err(e) = kept {
                    let _ = std::fs::remove_dir(&folder);
                    return Err(no(&folder, &e));
                }
                return Ok((folder, above));
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(no(&folder, &e)),
        }
    }
    Err(Failure::failed("no name is left for a run folder"))
}

/// Is an error of this kind the same at every try?
fn is_a_mistake(kind: ErrorKind) -> bool {
    use ErrorKind::{AlreadyExists, InvalidInput, NotADirectory, NotFound, PermissionDenied, Unsupported};
    matches!(kind, NotFound | PermissionDenied | NotADirectory | AlreadyExists | InvalidInput | Unsupported)
        || kind == ErrorKind::ReadOnlyFilesystem
}

/// Every run folder with unfinished clips, this run's first.
pub(super) fn with_unfinished_clips(
    config: &Config,
    run_folder: &Path,
    last_run: Option<&Path>,
) -> Vec<PathBuf> {
    let mut run_folders = vec![run_folder.to_owned()];
    let output = std::path::absolute(&config.recording.output_dir).unwrap_or_default();
    // Another user's runs are not ours to go on with, and links lead nowhere that is ours.
    let others = clip::run_folders(&output).unwrap_or_default().into_iter();
    let unfinished =
        |s: &PathBuf| s != run_folder && unfinished_clips(s).is_ok_and(|clips| !clips.is_empty());
    // The last run's may lie elsewhere: its config may have been another.
    run_folders.extend(others.chain(last_run.map(Path::to_owned)).filter(unfinished));
    run_folders.dedup();
    run_folders
}
