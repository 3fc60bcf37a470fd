//! The file that holds a clip's [`Line`]s: appended to by supervisor and recorder, read on by both. What the lines come to is
//! folded in [`super`].

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Growth, Line};
use crate::clip::{MANIFEST, PARTIAL_DIR, Plan, TRIGGERS};
use crate::{durable, opened};

/// The longest file that is read. A supervisor ends a clip's growth long before.
const MOST_BYTES: u64 = 64 << 20;
/// Appending is tried so often. Another try is needed only if the other process was killed, or ran out of disk, in the middle
/// of its own line and in the same moment.
const TRIES: usize = 4;
/// Stands behind a line that was cut off, so that it never becomes a whole one: somebody may have read it as cut off.
const AFTER_TORN: &[u8] = b"#\n";

/// The path of a clip's lines.
#[must_use]
pub fn path(clip_folder: &Path) -> PathBuf {
    clip_folder.join(PARTIAL_DIR).join(TRIGGERS)
}

/// A clip's growth, with the place in its file up to which it is read.
#[derive(Debug)]
pub struct GrowthFile {
    clip_folder: PathBuf,
    path: PathBuf,
    growth: Growth,
    read_to: u64,
}

impl GrowthFile {
    /// The growth of the clip in this folder, by its plan alone. Nothing is read.
    #[must_use]
    pub fn of(clip_folder: &Path, plan: &Plan) -> Self {
        Self {
            clip_folder: clip_folder.to_owned(),
            path: path(clip_folder),
            growth: Growth::of(plan),
            read_to: 0,
        }
    }

    /// The clip as far as its lines have been read.
    #[must_use]
    pub fn growth(&self) -> &Growth {
        &self.growth
    }

    /// The bytes of the lines that have been read.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read_to
    }

    /// Reads on. True if there were lines that had not been read.
    ///
    /// # Errors
    /// As for [`opened::file`]. A file that isn't there holds no lines.
    pub fn read_on(&mut self) -> io::Result<bool> {
        match opened::file(&self.path) {
            Ok(mut file) => self.read_from(&mut file).map(|lines| !lines.is_empty()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Appends lines in one piece, and reads on, so that [`growth`](Self::growth) says which of them count. Tells whether the
    /// file was made for it. Nothing is flushed.
    ///
    /// # Errors
    /// The system's error. Some of the lines may count even then: the growth says which. [`ErrorKind::NotFound`] when the
    /// clip is finished.
    pub fn append(&mut self, lines: &[Line]) -> io::Result<bool> {
        let text = text_of(lines)?;
        let mut is_new = false;
        for _ in 0..TRIES {
            let (mut file, made) = opened::file_to_append(&self.path)?;
            is_new |= made;
            let bytes = if ends_whole(&file)? { text.clone() } else { [AFTER_TORN, &text].concat() };
            let written = durable::append(&mut file, &bytes, &self.path);
            let read = self.read_from(&mut file)?;
            // A recorder removes the file when the clip has its manifest. This may be a new one in its place.
            if self.clip_folder.join(MANIFEST).try_exists()? {
                let what = format!("clip {} is finished", self.clip_folder.display());
                return Err(io::Error::new(ErrorKind::NotFound, what));
            }
            if written? < bytes.len() {
                return Err(ErrorKind::StorageFull.into());
            }
            if line_starts(&read).any(|at| read[at..].starts_with(&text)) {
                return Ok(is_new);
            }
        }
        let what = format!("{}: lines don't get into it whole", self.path.display());
        Err(io::Error::new(ErrorKind::InvalidData, what))
    }

    /// Takes the whole lines that are new in the file, and returns them.
    fn read_from(&mut self, file: &mut File) -> io::Result<Vec<u8>> {
        let bytes = file.metadata()?.len();
        if bytes > MOST_BYTES {
            let what =
                format!("{} has {bytes} bytes, more than a clip's lines can have", self.path.display());
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.read_to))?;
        file.take(MOST_BYTES).read_to_end(&mut text)?;
        // The rest is cut off, or only just being written.
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
        self.read_to += text.len() as u64;
        self.growth.take_text(&text);
        Ok(text)
    }
}

/// Flushes the lines of a clip to the disk. `is_new`: the file was made since the last time, so its name has to be flushed
/// too. A clip that is finished meanwhile has them in its manifest.
///
/// # Errors
/// The system's error. After it nothing is known of the file (`docs/decisions/failed-flush.md`).
pub fn flush(clip_folder: &Path, is_new: bool) -> io::Result<()> {
    let path = path(clip_folder);
    let flushed = durable::sync_contents(&path)
        .and_then(|()| if is_new { durable::sync_parent(&path) } else { Ok(()) });
    match flushed {
        Err(e) if e.kind() == ErrorKind::NotFound && clip_folder.join(MANIFEST).exists() => Ok(()),
        other => other,
    }
}

/// The lines as they stand in the file.
fn text_of(lines: &[Line]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Is the file's last line a whole one?
fn ends_whole(file: &File) -> io::Result<bool> {
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte == *b"\n")
}

/// The places at which lines begin.
fn line_starts(text: &[u8]) -> impl Iterator<Item = usize> {
    let after = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(after)
}
