//! The search for Preroll's other executables. A camera's backend says which of them the camera needs.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The folder of the other executables once Preroll is installed, seen from that of `preroll` itself. The Makefile has the same.
const INSTALLED: &str = "../libexec/preroll";

/// The path of a capture or of the recorder: beside this program, as after a build, or else in [`INSTALLED`].
pub(crate) fn executable(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()
        .map_err(|e| Failure::failed(format!("can't find the supervisor's own executable: {e}")))?;
    let folder = own.parent().unwrap_or(Path::new("/"));
    find(folder, name).ok_or_else(|| {
        Failure::failed(format!(
            "{name} is missing in {} and in {}: build all of Preroll (make build), or install it again (make install)",
            folder.display(),
            folder.join(INSTALLED).display()
        ))
    })
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.to_owned(), folder.join(INSTALLED)]
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .and_then(|path| path.canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_is_found_beside_the_program_and_then_in_libexec() {
        let prefix = tempfile::tempdir().unwrap();
        let prefix = prefix.path().canonicalize().unwrap();
        let (bin, libexec) = (prefix.join("bin"), prefix.join("libexec/preroll"));
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&libexec).unwrap();
        assert_eq!(find(&bin, "recorder"), None);
        std::fs::write(libexec.join("recorder"), "").unwrap();
        assert_eq!(find(&bin, "recorder"), Some(libexec.join("recorder")));
        std::fs::write(bin.join("recorder"), "").unwrap();
        assert_eq!(find(&bin, "recorder"), Some(bin.join("recorder")));
    }
}
