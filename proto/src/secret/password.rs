//! A password by itself, as a file of its own holds it: never shown, not even masked in part.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::source::{NotAFile, special};

/// The longest password, in bytes.
const MAX_BYTES: u64 = 4096;

/// A password. Printed it is three stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// The reason why a file gives no password. The text goes behind the file's name.
#[derive(Debug, thiserror::Error)]
pub enum NoPassword {
    /// It can't be read.
    #[error("can't be read: {0}")]
    System(#[from] io::Error),
    /// It is no plain file.
    #[error("can't be read: {0}; name a file that holds the password")]
    NotAFile(NotAFile),
    /// It is longer than any password.
    #[error("has more than {MAX_BYTES} bytes; it has to hold the password and nothing else")]
    TooLong,
    /// Nothing is in it.
    #[error("is empty; it has to hold the password")]
    Empty,
    /// It holds several lines, a zero byte or no text.
    #[error("has to hold the password alone, in UTF-8 on one line")]
    NotOneLine,
}

impl Password {
    /// Reads the file that holds a password: its one line, without the line's end. It may be a symbolic link, as such files
    /// are where a service manager hands them out; a pipe or a device is refused, since it could be waited for for ever.
    ///
    /// # Errors
    /// [`NoPassword`].
    pub fn read(path: &Path) -> Result<Self, NoPassword> {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        special(&file.metadata()?).map_err(NoPassword::NotAFile)?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(NoPassword::TooLong);
        }
        let text = String::from_utf8(bytes).map_err(|_| NoPassword::NotOneLine)?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        match line {
            "" => Err(NoPassword::Empty),
            line if line.contains(['\n', '\r', '\0']) => Err(NoPassword::NotOneLine),
            line => Ok(Self(line.to_owned())),
        }
    }

    /// The password, for whoever logs in. Never for a log, an argument list or a file.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::MASK)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::MASK)
    }
}

/// Can users beside the file's owner and group read it?
#[must_use]
pub fn all_may_read(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| there.mode() & 0o004 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_one_line_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Password::read(&path).map(|password| password.reveal().to_owned()).map_err(|e| e.to_string())
        };
        for (bytes, password) in
            [("s3cret\n", "s3cret"), ("s3cret", "s3cret"), (" a b \r\n", " a b "), ("ü\n", "ü")]
        {
            assert_eq!(read(bytes.as_bytes()).as_deref(), Ok(password), "{bytes:?}");
        }
        for (bytes, says) in [
            (&b""[..], "is empty"),
            (b"\n", "is empty"),
            (b"a\nb\n", "on one line"),
            (b"a\0", "on one line"),
            (b"\xff", "UTF-8"),
        ] {
            assert!(read(bytes).unwrap_err().contains(says), "{bytes:?}");
        }
        assert!(read(&[b'x'; 5000]).unwrap_err().contains("more than 4096"));
        assert_eq!(format!("{0} {0:?}", Password::from("s3cret".to_owned())), "*** ***");
    }

    #[test]
    fn a_file_that_could_be_waited_for_is_refused_and_a_missing_one_named() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let says = |path: &Path| Password::read(path).unwrap_err().to_string();
        assert!(says(&pipe).contains("a named pipe"), "{}", says(&pipe));
        assert!(says(folder.path()).contains("a folder"), "{}", says(folder.path()));
        assert!(says(&folder.path().join("none")).contains("No such file"));
    }
}
