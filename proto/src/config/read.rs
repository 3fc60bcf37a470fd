//! Reading a config's file: plain files of a sane size only, so that a pipe, a terminal or a device can't hold up a
//! command for ever, and a wrong file can't fill the memory.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::source::{NotAFile, special};

/// The largest config, in bytes: 256 cameras with every key take a fifth of it.
const MAX_BYTES: u64 = 1 << 20;

/// The reason why a config's file can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("{0}; name a file that holds the config")]
    NotAFile(NotAFile),
    #[error("it has more than {MAX_BYTES} bytes (1 MiB), which no config needs; is it the right file?")]
    TooLarge,
    #[error("it is not UTF-8, so it is no YAML text; is it the right file?")]
    NotText,
}

/// The text of a config's file.
pub(super) fn text(path: &Path) -> Result<String, Unreadable> {
    // Without O_NONBLOCK the open itself waits for a pipe's writer.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    special(&file.metadata()?).map_err(Unreadable::NotAFile)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Unreadable::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| Unreadable::NotText)
}
