//! A clip's folder, as it lies on disk: while it is being recorded, and when it is finished.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use proto::clip::{MANIFEST, PARTIAL_DIR, SUMS};
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

/// The names in a finished clip's folder. The parts it was made from are removed right after the manifest is written, and the
/// sums come after that.
#[track_caller]
pub fn finished(clip: &Path) -> BTreeSet<String> {
    crate::until("the parts to be removed and the sums to be made", || {
        (!clip.join(PARTIAL_DIR).exists() && clip.join(SUMS).exists()).then(|| names(clip))
    })
}

/// Asserts that `sha256sum` finds every file of a finished clip as its sums say, and a sum for each.
#[track_caller]
pub fn assert_sums(clip: &Path) {
    let mut files = finished(clip);
    files.remove(SUMS);
    let said = Command::new("sha256sum").args(["-c", "--strict", SUMS]).current_dir(clip).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    let text = String::from_utf8(said.stdout).unwrap();
    let right = text.lines().filter_map(|line| line.strip_suffix(": OK").map(str::to_owned));
    assert_eq!(right.collect::<BTreeSet<_>>(), files);
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
