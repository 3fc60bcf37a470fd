//! The pictures of one camera, decoded by a thread of its own some frames ahead, each made as the picture wants it that it becomes
//! a part of.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use super::pictures::Video;
use super::sheet::Sheet;
use crate::colour::{Conversion, Meaning};
use crate::picture::{self, Picture};

/// The pictures that lie ready.
const READY: usize = 2;

/// The picture that is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) meaning: Meaning,
}

type Made = Result<(usize, Sheet), String>;

/// The camera's pictures, in the order of its rows.
pub(crate) struct Ahead {
    made: Receiver<Made>,
    /// The newest picture that was asked for or passed, and the one behind it.
    shown: Option<(usize, Sheet)>,
    next: Option<(usize, Sheet)>,
}

impl Ahead {
    /// Begins to decode.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn begin<'scope>(
        scope: &'scope Scope<'scope, '_>,
        video: Video<'scope>,
        wanted: Wanted,
    ) -> std::io::Result<Self> {
        let (sender, made) = sync_channel(READY);
        let work = move || decode(&video, &wanted, &sender);
        Builder::new().name("decode".into()).spawn_scoped(scope, work)?;
        Ok(Self { made, shown: None, next: None })
    }

    /// The picture of a row, which is none before that of the last call. `None` if it couldn't be decoded.
    ///
    /// # Errors
    /// A sentence on what went wrong.
    pub(crate) fn of_row(&mut self, row: usize) -> Result<Option<&Sheet>, String> {
        loop {
            if self.next.is_none() {
                // An error is that the thread has ended: there is no further picture.
                self.next = self.made.recv().ok().transpose()?;
            }
            match self.next.take() {
                Some(next) if next.0 <= row => self.shown = Some(next),
                next => {
                    self.next = next;
                    break;
                }
            }
        }
        Ok(self.shown.as_ref().filter(|(shown, _)| *shown == row).map(|(_, sheet)| sheet))
    }
}

fn decode(video: &Video<'_>, wanted: &Wanted, to: &SyncSender<Made>) {
    let decoded = video.each(|row, picture| {
        let sheet = sheet_of(picture, wanted).map_err(|e| format!("a picture can't be scaled: {e}"))?;
        // The video is done, or given up.
        Ok(if to.send(Ok((row, sheet))).is_err() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    });
    if let Err(why) = decoded {
        let _ = to.send(Err(why));
    }
}

/// A picture as it is wanted: turned, in its own proportions, in the middle of black if those are others.
fn sheet_of(picture: &Picture, wanted: &Wanted) -> Result<Sheet, ffmpeg_next::Error> {
    let tags = proto::frame::PictureTags {
        pixel_shape: picture.shape,
        rotation: picture.rotation,
        ..proto::frame::PictureTags::default()
    };
    let size = (picture.pixels.width(), picture.pixels.height());
    let (width, height) = fitted(picture::shown_size(size, &tags), (wanted.width, wanted.height));
    let (across, down) = if picture::lies(picture.rotation) { (height, width) } else { (width, height) };
    let (sheet, meaning) =
        picture.halved(side(across), side(down), |pixels, meaning| (Sheet::copy_of(pixels), meaning))?;
    let mut sheet = sheet.turned(picture.rotation);
    if !meaning.is_like(wanted.meaning) {
        sheet.convert(&Conversion::between(meaning, wanted.meaning));
    }
    if (width, height) == (wanted.width, wanted.height) {
        return Ok(sheet);
    }
    let mut whole = Sheet::new(wanted.width, wanted.height, wanted.meaning.grey(0.0));
    whole.put(&sheet, (wanted.width - width) / 4 * 2, (wanted.height - height) / 4 * 2);
    Ok(whole)
}

fn side(pixels: usize) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

/// The largest size of these proportions that has room. One that fits but for rounding fills the room.
fn fitted((width, height): (u32, u32), room: (usize, usize)) -> (usize, usize) {
    let (width, height) = (width.max(1) as usize, height.max(1) as usize);
    let fits = if room.0 * height <= room.1 * width {
        (room.0, (room.0 * height / width).max(2))
    } else {
        ((room.1 * width / height).max(2), room.1)
    };
    let is_nearly = room.0 - fits.0.min(room.0) <= 2 && room.1 - fits.1.min(room.1) <= 2;
    if is_nearly { room } else { (fits.0.min(room.0), fits.1.min(room.1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_its_proportions() {
        assert_eq!(fitted((1280, 720), (1280, 720)), (1280, 720));
        assert_eq!(fitted((1280, 720), (1016, 572)), (1016, 572), "but for rounding");
        assert_eq!(fitted((640, 480), (1280, 720)), (960, 720));
        assert_eq!(fitted((720, 1280), (640, 480)), (270, 480));
        assert_eq!(fitted((4000, 2), (640, 480)), (640, 2));
        assert_eq!(fitted((33, 21), (33, 21)), (33, 21));
    }
}
