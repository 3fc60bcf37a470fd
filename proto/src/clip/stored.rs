//! The names of what lies in an output folder beside the clips' own files, and the folders of runs in it.

use std::io;
use std::path::{Path, PathBuf};

use crate::opened;

/// The file in a clip's folder with what people have said of it since: notes, and whether it is kept. It comes at any time, so
/// the sums leave it out.
pub const NOTES: &str = "notes.json";
/// The folder in an output folder that clips are moved to while they are removed.
pub const REMOVING_DIR: &str = ".removing";
/// The folder in an output folder with the index of its clips, which can be thrown away.
pub const INDEX_DIR: &str = ".clips-index";

/// The folders of ours in an output folder that may be of runs, in order of their names. One whose name begins with a dot is none:
/// clips that are being removed lie in such a folder.
///
/// # Errors
/// The output folder can't be read.
pub fn run_folders(output_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = opened::folders_of_ours(output_dir)?;
    found.retain(|folder| !is_hidden(folder));
    Ok(found)
}

fn is_hidden(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_removed_is_no_run() {
        let output = tempfile::tempdir().unwrap();
        for folder in ["run_20261122-091510", "copies", REMOVING_DIR, INDEX_DIR] {
            std::fs::create_dir(output.path().join(folder)).unwrap();
        }
        std::os::unix::fs::symlink("copies", output.path().join("link")).unwrap();
        let expected = ["copies", "run_20261122-091510"].map(|name| output.path().join(name));
        assert_eq!(run_folders(output.path()).unwrap(), expected);
    }
}
