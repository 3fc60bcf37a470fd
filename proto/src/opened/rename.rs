//! New names for files and folders of ours, which lie below the output folder as all of [`super`] does.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::{parent_of, remove_folder};

/// Renames a file or folder, replacing any file of the new name.
///
/// # Errors
/// As for [`create_new`](super::create_new).
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let ((from, old), (to, new)) = (parent_of(from)?, parent_of(to)?);
    Ok(rustix::fs::renameat(&from, old, &to, new)?)
}

/// Renames a file to a name that nothing has.
///
/// # Errors
/// As for [`create_new`](super::create_new); [`io::ErrorKind::AlreadyExists`] when something has the name.
pub fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    let ((from, old), (to, new)) = (parent_of(from)?, parent_of(to)?);
    match rustix::fs::renameat_with(&from, old, &to, new, RenameFlags::NOREPLACE) {
        // A file system that can't tell (renameat2(2)): something that gets the name between two calls is replaced.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            match rustix::fs::statat(&to, new, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(Errno::NOENT) => Ok(rustix::fs::renameat(&from, old, &to, new)?),
                Err(e) => Err(e.into()),
            }
        }
        other => Ok(other?),
    }
}

/// Moves what stands in the place of one of our files out of the way, to `<name>.foreign`, with a number behind it if
/// that is taken too, and says so in the log. An empty folder is removed. Returns the new path.
///
/// # Errors
/// As for [`create_new`](super::create_new).
pub fn move_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    if remove_folder(path).is_ok() {
        tracing::warn!("{} was an empty folder in a file's place, and is removed", path.display());
        return Ok(None);
    }
    for number in 1.. {
        let mut name = path.as_os_str().to_owned();
        name.push(if number == 1 { ".foreign".to_owned() } else { format!(".foreign~{number}") });
        let aside = PathBuf::from(name);
        if matches!(aside.symlink_metadata(), Err(e) if e.kind() == io::ErrorKind::NotFound) {
            rename(path, &aside)?;
            tracing::warn!("{} is not what it has to be, and is now {}", path.display(), aside.display());
            return Ok(Some(aside));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let [made, place] = ["made", "place"].map(|name| folder.path().join(name));
        std::fs::write(&made, "made").unwrap();
        std::fs::write(&place, "a hand's").unwrap();
        let refused = rename_to_new(&made, &place).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "a hand's");
        std::fs::remove_file(&place).unwrap();
        rename_to_new(&made, &place).unwrap();
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "made");
        assert!(!made.exists());
    }
}
