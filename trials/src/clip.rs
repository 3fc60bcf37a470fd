//! A clip's folder, as it lies on disk: while it is being recorded, and when it is finished.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proto::clip::{MANIFEST, PARTIAL_DIR};
use serde_json::Value;

/// The folder of the clip that an answer names.
pub fn clip_of(answer: &Value) -> PathBuf {
    PathBuf::from(answer["path"].as_str().unwrap())
}

/// A clip's manifest.
#[track_caller]
pub fn manifest(clip: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(clip.join(MANIFEST)).unwrap()).unwrap()
}

/// The names in a finished clip's folder. The parts it was made from are removed right after the manifest is written.
pub fn finished(clip: &Path) -> BTreeSet<String> {
    crate::until("the parts to be removed", || (!clip.join(PARTIAL_DIR).exists()).then(|| names(clip)))
}

/// The names in a folder.
pub fn names(folder: &Path) -> BTreeSet<String> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries(folder).iter().map(name).collect()
}

/// The number of a camera's frames in the journals of a clip that is being recorded.
pub fn recorded(clip: &Path, camera: &str) -> usize {
    let is_journal = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(&format!("{camera}.part")) && name.ends_with(".journal")
    };
    let lines = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    let journals = entries(&clip.join(PARTIAL_DIR)).into_iter().filter(is_journal);
    // The first line is the header.
    journals.map(|path| lines(path).saturating_sub(1)).sum()
}

/// The paths in a folder; none, if there is no such folder.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}
