//! The pictures of a camera's part of a clip, each with the row that it belongs to.

use std::ops::ControlFlow;
use std::path::Path;

use proto::clip::CameraClip;
use proto::time::MonotonicNs;

use crate::clip::{self, Part};
use crate::film::{Care, Film, Look};
use crate::picture::Picture;
use crate::plain_file;
use crate::rows::Row;

/// Times in a file are rounded, by 15 µs at most.
const ROUNDED_NS: u64 = 1_000_000;

/// A camera's video.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Video<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) camera: &'a CameraClip,
    pub(crate) rows: &'a [Row],
    pub(crate) window_start: MonotonicNs,
}

impl Video<'_> {
    /// The look of its first file; none if it has no video.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn look(&self) -> Result<Option<Look>, String> {
        let Some(part) = self.parts().into_iter().next() else { return Ok(None) };
        self.open(&part).map(|film| Some(film.look()))
    }

    /// Decodes it, and shows each picture to `look` with its row, until that has seen enough. Frames that can't be decoded are
    /// passed over.
    ///
    /// # Errors
    /// A sentence that names the file; that of `look`.
    pub(crate) fn each(
        &self,
        mut look: impl FnMut(usize, &Picture) -> Result<ControlFlow<()>, String>,
    ) -> Result<(), String> {
        for part in self.parts() {
            let mut film = self.open(&part)?;
            let (turn, mut rows) = (film.rotation(), Rows::of(&part));
            let mut looked = Ok(ControlFlow::Continue(()));
            film.each(|shown| {
                let row = rows.of_picture(shown.at_ns);
                if let (Some(row), Some(pixels)) = (row, shown.picture) {
                    looked = look(row, &Picture::decoded(pixels, turn));
                }
                match &looked {
                    Ok(flow) => *flow,
                    Err(_) => ControlFlow::Break(()),
                }
            });
            if looked?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<Part<'_>> {
        Part::all(self.camera, self.rows, self.window_start)
    }

    fn open(&self, part: &Part<'_>) -> Result<Film, String> {
        let open = || {
            clip::be_plain(part.file)?;
            let file = plain_file::open(&self.folder.join(part.file))
                .map_err(|e| format!("it can't be read: {e}"))?;
            Film::open(file, Care::Each).map_err(|e| e.to_string())
        };
        open().map_err(|why| format!("{}: {why}", part.file))
    }
}

/// The rows of a file that are still to come. Pure.
struct Rows<'a> {
    part: &'a Part<'a>,
    next: usize,
}

impl<'a> Rows<'a> {
    fn of(part: &'a Part<'a>) -> Self {
        Self { part, next: 0 }
    }

    /// The row of a picture that the file shows at this time, as the camera's rows are counted. A picture of another time than any
    /// row's has none. In a file without capture times the pictures follow the rows.
    fn of_picture(&mut self, at_ns: Option<i64>) -> Option<usize> {
        let rows = self.part.rows;
        let at = match at_ns.filter(|_| self.part.has_times) {
            None => self.next,
            Some(at_ns) => {
                let off = |row: &Row| self.part.due_ns(row).abs_diff(at_ns);
                let is_nearer = |pair: &[Row]| off(&pair[1]) < off(&pair[0]);
                let passed = rows.get(self.next..)?.windows(2).take_while(|pair| is_nearer(pair)).count();
                let at = self.next + passed;
                if rows.get(at).is_none_or(|row| off(row) > ROUNDED_NS) {
                    return None;
                }
                at
            }
        };
        rows.get(at)?;
        self.next = at + 1;
        usize::try_from(self.part.first).ok().map(|first| first + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(times: &[u64]) -> Vec<Row> {
        times.iter().map(|ms| Row { t_ns: 7_000 + ms * 1_000_000, ..Row::default() }).collect()
    }

    fn found(rows: &[Row], has_times: bool, at_ms: &[i64]) -> Vec<Option<usize>> {
        let part = Part::of_rows(rows, 30, has_times);
        let mut rows = Rows::of(&part);
        at_ms.iter().map(|at| rows.of_picture(Some(at * 1_000_000 + 14_000))).collect()
    }

    #[test]
    fn a_picture_finds_its_row_by_its_time() {
        let five = rows(&[0, 20, 40, 900, 920]);
        assert_eq!(found(&five, true, &[0, 20, 40, 900, 920]), [30, 31, 32, 33, 34].map(Some));
        // Some can't be decoded: the others keep their rows.
        assert_eq!(found(&five, true, &[20, 900]), [Some(31), Some(33)]);
        // A picture of no row, and one more than there are rows.
        assert_eq!(found(&five, true, &[0, 30, 40, 920, 940]), [Some(30), None, Some(32), Some(34), None]);
    }

    #[test]
    fn in_a_file_without_times_pictures_follow_the_rows() {
        let three = rows(&[0, 20, 500]);
        assert_eq!(found(&three, false, &[0, 40, 80, 120]), [Some(30), Some(31), Some(32), None]);
        assert_eq!(found(&[], true, &[0]), [None]);
    }
}
