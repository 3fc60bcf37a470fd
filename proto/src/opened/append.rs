//! A file of ours that two processes append to.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{FILE_MODE, Kind, open, parent_of, readers};

/// Opens a file to read it and to append to it, and makes it if there is none. Tells whether it was made. Another process may
/// append to it meanwhile; what each writes in one call lies behind what was there, in one piece.
///
/// # Errors
/// As for [`file`](super::file); [`io::ErrorKind::InvalidData`] when the file has a second name, which somebody else has given
/// it.
pub fn file_to_append(path: &Path) -> io::Result<(File, bool)> {
    let (parent, name) = parent_of(path)?;
    let flags =
        OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(FILE_MODE)) {
        Ok(made) => {
            if let Some(readers) = readers::of(path) {
                readers.give(&made, path, readers::FILE);
            }
            Ok((made.into(), true))
        }
        Err(Errno::EXIST) => {
            let (file, stat) = open(path, OFlags::RDWR | OFlags::APPEND, Kind::File)?;
            if stat.st_nlink > 1 {
                let what =
                    format!("{} has a second name, so it is not written to; move it away", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            Ok((file, false))
        }
        Err(e) => Err(e.into()),
    }
}
