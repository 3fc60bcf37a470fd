//! `still`: one picture as a JPEG, of a video file or of a camera as it sees now.

use std::fmt::Display;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto::ring::Miss;

use crate::film::{Care, Film, FilmPicture};
use crate::picture::Picture;
use crate::plain_file;
use crate::ring::Ring;

/// A time asked for is met within this: files round times, to a microsecond mostly and to 15 where MPEG-4 wants it.
const ROUNDED_NS: i64 = 100_000;
/// The patience with a ring that has no picture yet: after a start, or before a key frame.
const FIRST_PICTURE: Duration = Duration::from_secs(5);
/// A ring that has no picture is looked at this often.
const GLANCE: Duration = Duration::from_millis(50);

/// The picture that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Of a file: this one, from 0.
    Number(u64),
    /// Of a file: the newest at this time or before, from its beginning. Of a ring: the newest captured by then.
    At(u64),
    /// Of a ring: the newest.
    Newest,
}

/// The place that a still is made of.
#[derive(Clone, Debug)]
pub(crate) enum From {
    File(PathBuf),
    Ring { path: PathBuf, owner: u32 },
}

/// Makes a still of this width.
///
/// # Errors
/// A sentence on what is wrong.
pub(crate) fn make(from: &From, which: &Which, width: u32) -> Result<Vec<u8>, String> {
    match from {
        From::File(path) => {
            let picture = of_file(path, which).map_err(|why| format!("{}: {why}", path.display()))?;
            jpeg(&picture, width).map_err(|why| format!("{}: {why}", path.display()))
        }
        From::Ring { path, owner } => {
            let mut ring = Ring::open(path, *owner).map_err(|e| e.to_string())?;
            let picture = of_ring(&mut ring, which).map_err(|why| format!("{}: {why}", path.display()))?;
            jpeg(&picture, width).map_err(|why| format!("{}: {why}", path.display()))
        }
    }
}

fn jpeg(picture: &Picture, width: u32) -> Result<Vec<u8>, String> {
    picture.jpeg(width).map_err(|e| format!("no JPEG can be made of its picture: {e}"))
}

fn of_file(path: &Path, which: &Which) -> Result<Picture, String> {
    let open = || -> Result<Film, String> {
        let opened =
            if path == Path::new("-") { plain_file::standard_input() } else { plain_file::open(path) };
        let file = opened.map_err(|e| e.to_string())?;
        Film::open(file, Care::Show).map_err(|e| e.to_string())
    };
    let mut film = open()?;
    let at_ns = match which {
        Which::At(at_ns) => i64::try_from(*at_ns).unwrap_or(i64::MAX - ROUNDED_NS),
        Which::Number(number) => {
            let times = film.times();
            let at = usize::try_from(*number).ok().and_then(|number| times.get(number));
            let found = at.copied().ok_or_else(|| {
                format!("there is no frame {number}: it has {}, and they are counted from 0", times.len())
            })?;
            // A file that was read to its end may not go back.
            film = open()?;
            found
        }
        Which::Newest => i64::MAX - ROUNDED_NS,
    };
    if at_ns > 0 {
        film.seek(at_ns);
    }
    let mut newest = None;
    let errors = film.each(|FilmPicture { picture, at_ns: at, .. }| {
        let is_later = at.is_some_and(|at| at > at_ns + ROUNDED_NS);
        if is_later && newest.is_some() {
            return ControlFlow::Break(());
        }
        newest = picture.or(newest.take());
        // Nothing before it: the first one has to do.
        if is_later || at.is_some_and(|at| at + ROUNDED_NS >= at_ns) && newest.is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    let turn = film.rotation();
    newest.map(|pixels| Picture::decoded(pixels, turn)).ok_or_else(|| {
        errors.into_iter().next().map_or("it has no picture there".to_owned(), |why| format!("its {why}"))
    })
}

fn of_ring(ring: &mut Ring, which: &Which) -> Result<Picture, String> {
    let begun = Instant::now();
    loop {
        let sequence = match which {
            Which::At(moment) => ring
                .at(*moment)
                .ok_or("the ring no longer holds a frame of that time, or doesn't hold one yet")?,
            _ => ring.newest(),
        };
        let miss = match ring.picture(sequence) {
            Ok(picture) => return Ok(picture),
            Err(miss) => miss,
        };
        if matches!(which, Which::At(_)) && miss == Miss::Overrun && sequence > 0 {
            return Err(
                "the frame of that time can't be shown: it was overwritten, or the frame it depends on was"
                    .into(),
            );
        }
        if begun.elapsed() > FIRST_PICTURE {
            return Err("the camera gives no picture: is it live? preroll status says why it isn't".into());
        }
        // A frame that was overwritten under our eyes, or one that can't be decoded: the next may do.
        let _ = ring.wait_newer(sequence, GLANCE);
    }
}

/// Writes a still into a file, or to standard output for `-`.
///
/// # Errors
/// A sentence on what is wrong.
pub(crate) fn put(jpeg: &[u8], output: &Path) -> Result<(), String> {
    let cant = |e: &dyn Display| format!("can't write the still into {}: {e}", output.display());
    if output == Path::new("-") {
        let mut to = std::io::stdout().lock();
        return to.write_all(jpeg).and_then(|()| to.flush()).map_err(|e| cant(&e));
    }
    std::fs::write(output, jpeg).map_err(|e| cant(&e))
}
