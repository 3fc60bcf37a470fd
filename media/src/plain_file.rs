//! Files that a person names or that a manifest names, opened for reading: regular files alone, through no symbolic link,
//! and without waiting for a FIFO. Of whom they are doesn't matter: a clip may be a copy. Files that are made have to be new.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

/// Opens a regular file.
///
/// # Errors
/// The system's error, or that it is no regular file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| match e {
        rustix::io::Errno::LOOP => io::Error::other("it is a symbolic link"),
        e => e.into(),
    })?;
    be_plain(opened)
}

/// The regular file that is this process's standard input.
///
/// # Errors
/// As for [`open`].
pub(crate) fn standard_input() -> io::Result<File> {
    be_plain(rustix::io::dup(std::io::stdin())?)
}

fn be_plain(opened: OwnedFd) -> io::Result<File> {
    let stat = rustix::fs::fstat(&opened)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(opened.into())
}

/// Makes a file, for reading and writing. There must be nothing of that name.
///
/// # Errors
/// The system's error.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(0o666))?.into())
}

/// A name of an open file by which libav, which opens by names, opens no other.
pub(crate) fn name_of(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, fifo] = ["file", "link", "fifo"].map(|name| folder.path().join(name));
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(open(&file).is_ok());
        for (path, said) in [(&link, "link"), (&fifo, "regular"), (&folder.path().to_owned(), "regular")] {
            let error = open(path).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert_eq!(open(&folder.path().join("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
