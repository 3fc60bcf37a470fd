//! Folders that a start makes for itself and takes away again when it is refused: a refusal leaves nothing behind.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folders that were made, to be removed again unless they are kept. One that holds something by then stays.
#[derive(Debug)]
#[must_use = "the folders are removed when this value is dropped"]
pub struct NewFolders {
    /// The outermost first.
    made: Vec<PathBuf>,
}

impl NewFolders {
    /// Makes a folder and those above it that are missing, with this mode less the umask. A folder that is there stays as
    /// it is.
    ///
    /// # Errors
    /// One of them can't be made; then none is left.
    pub fn make(folder: &Path, mode: u32) -> io::Result<Self> {
        let is_missing = |folder: &&Path| matches!(folder.try_exists(), Ok(false));
        let named = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty());
        let missing: Vec<&Path> = named.take_while(is_missing).collect();
        let mut this = Self { made: Vec::new() };
        for folder in missing.into_iter().rev() {
            match std::fs::DirBuilder::new().mode(mode).create(folder) {
                Ok(()) => this.made.push(folder.to_owned()),
                // Somebody else has just made it.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
                Err(e) => return Err(e),
            }
        }
        // Says why a path that is there is no folder.
        std::fs::DirBuilder::new().recursive(true).mode(mode).create(folder)?;
        Ok(this)
    }

    /// Leaves them where they are.
    pub fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        for folder in self.made.iter().rev() {
            // A folder that isn't empty is in use.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_goes_again_and_what_was_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (there, deep) = (folder.path().join("there"), folder.path().join("there/a/b/c"));
        std::fs::create_dir(&there).unwrap();
        drop(NewFolders::make(&deep, 0o700).unwrap());
        assert!(there.is_dir() && !there.join("a").exists());
        let made = NewFolders::make(&deep, 0o700).unwrap();
        std::fs::write(there.join("a/mine"), "").unwrap();
        drop(made);
        assert!(there.join("a").is_dir() && !there.join("a/b").exists(), "one that is in use stays");
        NewFolders::make(&deep, 0o700).unwrap().keep();
        drop(NewFolders::make(&deep, 0o700).unwrap());
        assert!(deep.is_dir());
    }

    #[test]
    fn a_path_that_cannot_be_made_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(300);
        NewFolders::make(&folder.path().join("a/b").join(long), 0o700).unwrap_err();
        assert!(!folder.path().join("a").exists());
        std::fs::write(folder.path().join("file"), "").unwrap();
        NewFolders::make(&folder.path().join("file"), 0o700).unwrap_err();
        NewFolders::make(&folder.path().join("file/b"), 0o700).unwrap_err();
    }
}
