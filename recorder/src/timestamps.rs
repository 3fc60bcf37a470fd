//! A camera's `<camera>_timestamps.csv`: one row a frame, written while the parts are read, so that its length costs no
//! memory.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use proto::clip::CSV_HEADER;
use proto::durable;
use proto::name::Name;
use proto::opened;
use proto::time::MonotonicNs;

use crate::disk;

/// The text is handed to the kernel in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

/// The file's name for a camera.
pub(crate) fn file_name(camera: &Name) -> String {
    format!("{camera}_timestamps.csv")
}

/// A timestamps file that is being written.
pub(crate) struct Timestamps {
    file: File,
    path: PathBuf,
    camera: Name,
    rows: u64,
    /// Text that the kernel doesn't have yet.
    text: String,
}

impl Timestamps {
    /// Begins the file in a folder. There must be none yet.
    pub(crate) fn create(folder: &Path, camera: &Name) -> io::Result<Self> {
        let path = folder.join(file_name(camera));
        let file = disk::ask(|| opened::create_new(&path))?;
        let text = format!("{CSV_HEADER}\n");
        Ok(Self { file, path, camera: camera.clone(), rows: 0, text })
    }

    /// Adds the next frame's row.
    pub(crate) fn add(&mut self, t_capture: MonotonicNs) -> io::Result<()> {
        // Writing to a String can't fail.
        let _ = writeln!(self.text, "{},{},{}", self.camera, self.rows, t_capture.0);
        self.rows += 1;
        if self.text.len() >= PIECE_BYTES { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let written = disk::ask(|| durable::write_all(&mut self.file, self.text.as_bytes(), &self.path));
        self.text.clear();
        written
    }

    /// Ends the file and flushes it to the disk.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.hand_over()?;
        disk::ask(|| durable::sync_contents(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_those_of_one_long_text() {
        let folder = tempfile::tempdir().unwrap();
        let camera = Name::new("left").unwrap();
        let mut timestamps = Timestamps::create(folder.path(), &camera).unwrap();
        let mut expected = format!("{CSV_HEADER}\n");
        for n in 0..10_000_u64 {
            timestamps.add(MonotonicNs(n * n)).unwrap();
            expected += &format!("left,{n},{}\n", n * n);
        }
        timestamps.finish().unwrap();
        let path = folder.path().join("left_timestamps.csv");
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
    }
}
