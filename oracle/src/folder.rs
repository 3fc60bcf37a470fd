//! The way in: judges every clip below a folder.
//!
//! ```no_run
//! use std::path::Path;
//! use oracle::folder;
//! use oracle::truth::{Truth, Truths};
//!
//! let left = Truth::read(Path::new("left.truth"))?;
//! let report = folder::judge(Path::new("recordings"), &Truths::from([("left".to_owned(), left)]))?;
//! assert!(report.is_true(), "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::path::{Path, PathBuf};

use crate::clip;
use crate::report::Report;
use crate::truth::Truths;

/// A reason why no verdict could be reached at all. Faults of a clip are in the report instead.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// A folder can't be listed.
    #[error("can't list the folder {path}")]
    List {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Nothing to judge: a test that checks no clip must not pass.
    #[error("no clip found in {path}: expected folders named `clip-…` in it or below")]
    NoClip {
        /// The folder that was searched.
        path: PathBuf,
    },
}

/// Judges every `clip-*` folder at any depth below `recordings` (and `recordings` itself, if it is one).
///
/// A camera without a truth log is judged by its stamps alone, which can't see a loss at either end of a clip. One
/// without stamps too is not judged, and its verdict says so.
pub fn judge(recordings: &Path, truths: &Truths) -> Result<Report, OracleError> {
    let folders = find_clips(recordings)?;
    if folders.is_empty() {
        return Err(OracleError::NoClip { path: recordings.to_owned() });
    }
    let judge = |folder: PathBuf| clip::judge(&folder, name_of(&folder, recordings), truths);
    Ok(Report { clips: folders.into_iter().map(judge).collect() })
}

/// The clip folders below `root`, sorted by path. Links aren't followed, and clips don't nest.
fn find_clips(root: &Path) -> Result<Vec<PathBuf>, OracleError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| OracleError::List { path, source }
    };
    let mut clips = Vec::new();
    let mut to_visit = vec![root.to_owned()];
    while let Some(folder) = to_visit.pop() {
        if is_clip(&folder) {
            clips.push(folder);
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(failed(&folder))? {
            let entry = entry.map_err(failed(&folder))?;
            if entry.file_type().map_err(failed(&entry.path()))?.is_dir() {
                to_visit.push(entry.path());
            }
        }
    }
    clips.sort();
    Ok(clips)
}

fn is_clip(folder: &Path) -> bool {
    folder.is_dir() && folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("clip-"))
}

fn name_of(folder: &Path, root: &Path) -> String {
    let below = folder.strip_prefix(root).ok().filter(|below| !below.as_os_str().is_empty());
    below.unwrap_or(folder).display().to_string()
}
