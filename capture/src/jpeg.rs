//! The shape of a JPEG: its end, and the size of its picture. Nothing is decoded: segments are followed by their lengths up to
//! the picture's data, and the data to the marker behind it. A whole buffer goes through [`examine`]; bytes that are still
//! arriving, through a [`Walk`]. Where a JPEG begins in a stream is [`crate::stream`]'s subject.

use memchr::memchr;

/// The bytes that a JPEG begins with: start of image, and the first byte of the next marker.
pub const BEGINNING: [u8; 3] = [0xFF, SOI, 0xFF];

/// Start of image.
const SOI: u8 = 0xD8;
/// End of image.
const EOI: u8 = 0xD9;
/// Start of scan: behind this segment comes the picture's data.
const SOS: u8 = 0xDA;

/// A JPEG that is whole, from its first marker to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jpeg {
    /// The length. Bytes behind the end, which some cameras pad with, are no part of it.
    pub bytes: usize,
    /// Width and height of the picture, in pixels.
    pub size: (u32, u32),
}

/// The reason why bytes are no whole JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The first two bytes are not those of a JPEG.
    NoBeginning,
    /// The bytes end, or another JPEG begins, before its end.
    CutOff,
    /// A segment isn't followed by another one.
    Segments,
    /// The picture begins before a size was said, or has no pixels.
    NoSize,
}

impl Flaw {
    /// The flaw in words, for a person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NoBeginning => "it doesn't begin as a JPEG",
            Self::CutOff => "the JPEG is cut off",
            Self::Segments => "the JPEG's segments are damaged",
            Self::NoSize => "the JPEG says no size",
        }
    }
}

/// Examines bytes that should be one JPEG.
///
/// # Errors
/// The [`Flaw`] for which they are none.
pub fn examine(bytes: &[u8]) -> Result<Jpeg, Flaw> {
    match Walk::default().go_on(bytes) {
        Step::Whole(jpeg) => Ok(jpeg),
        Step::Broken { flaw, .. } => Err(flaw),
        Step::More if bytes.len() < 2 => Err(Flaw::NoBeginning),
        Step::More => Err(Flaw::CutOff),
    }
}

/// A walk along a JPEG, which goes on where it stopped when more bytes are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Everything before has been walked.
    at: usize,
    place: Place,
    size: Option<(u32, u32)>,
    /// The content of the segment that was jumped over last.
    jumped: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Beginning,
    /// A marker is next; no picture data has been seen.
    Segments,
    /// Inside picture data.
    Data,
    /// A marker is next, behind picture data.
    BetweenData,
}

/// The result of going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The JPEG goes on behind these bytes.
    More,
    /// The JPEG is whole.
    Whole(Jpeg),
    /// The bytes are no whole JPEG.
    Broken {
        /// The reason.
        flaw: Flaw,
        /// The place from which another JPEG is worth looking for; at least 1.
        resume: usize,
    },
}

impl Walk {
    /// Walks on. `bytes` are those of the last call, and more behind them.
    pub fn go_on(&mut self, bytes: &[u8]) -> Step {
        loop {
            let step = match self.place {
                Place::Beginning => self.beginning(bytes),
                Place::Segments | Place::BetweenData => self.segment(bytes),
                Place::Data => self.data(bytes),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn beginning(&mut self, bytes: &[u8]) -> Option<Step> {
        match bytes {
            [0xFF, SOI, ..] => {
                self.at = 2;
                self.jumped = 2;
                self.place = Place::Segments;
                None
            }
            [] | [0xFF] => Some(Step::More),
            _ => Some(Step::Broken { flaw: Flaw::NoBeginning, resume: 1 }),
        }
    }

    /// Reads the marker that is next, and jumps over its segment.
    fn segment(&mut self, bytes: &[u8]) -> Option<Step> {
        // A marker may be preceded by any number of bytes 0xFF.
        while bytes.get(self.at..self.at + 2) == Some(&[0xFF, 0xFF]) {
            self.at += 1;
        }
        let Some(&[first, marker]) = bytes.get(self.at..self.at + 2) else {
            let wrong = bytes.get(self.at).is_some_and(|first| *first != 0xFF);
            return Some(if wrong { self.broken(Flaw::Segments) } else { Step::More });
        };
        match marker {
            _ if first != 0xFF => return Some(self.broken(Flaw::Segments)),
            EOI if self.place == Place::BetweenData => return Some(self.whole(self.at + 2)),
            SOI => return Some(Step::Broken { flaw: Flaw::CutOff, resume: self.at }),
            0x00..=0xBF | 0xD0..=0xD7 | EOI => return Some(self.broken(Flaw::Segments)),
            _ => {}
        }
        let content = self.at + 4;
        let Some(&[high, low]) = bytes.get(self.at + 2..content) else { return Some(Step::More) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Some(self.broken(Flaw::Segments));
        }
        if is_frame_header(marker) {
            // Precision, height, width.
            let Some(&[_, h1, h0, w1, w0]) = bytes.get(content..content + 5) else { return Some(Step::More) };
            self.size = Some((u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into()));
        }
        if marker == SOS {
            // Components. One that is cut off here would pass for another one's picture.
            let Some(&components) = bytes.get(content) else { return Some(Step::More) };
            if length != 6 + 2 * usize::from(components) {
                return Some(self.broken(Flaw::Segments));
            }
            if self.size.is_none_or(|(width, height)| width == 0 || height == 0) {
                return Some(self.broken(Flaw::NoSize));
            }
            self.place = Place::Data;
        }
        self.jumped = content;
        self.at += 2 + length;
        None
    }

    /// Looks for the marker that ends the picture's data.
    fn data(&mut self, bytes: &[u8]) -> Option<Step> {
        loop {
            let Some(found) = bytes.get(self.at..).and_then(|rest| memchr(0xFF, rest)) else {
                self.at = self.at.max(bytes.len());
                return Some(Step::More);
            };
            self.at += found;
            match bytes.get(self.at + 1) {
                None => return Some(Step::More),
                // A byte 0xFF of the data is followed by a zero; the others are restarts.
                Some(0x00 | 0xD0..=0xD7) => self.at += 2,
                Some(0xFF) => self.at += 1,
                Some(&EOI) => return Some(self.whole(self.at + 2)),
                Some(&SOI) => return Some(Step::Broken { flaw: Flaw::CutOff, resume: self.at }),
                Some(_) => {
                    self.place = Place::BetweenData;
                    self.jumped = self.at + 2;
                    return None;
                }
            }
        }
    }

    fn whole(&self, bytes: usize) -> Step {
        Step::Whole(Jpeg { bytes, size: self.size.unwrap_or_default() })
    }

    /// The last segment's length may have been that of a segment that was cut off: whatever came next lies inside it.
    fn broken(&self, flaw: Flaw) -> Step {
        Step::Broken { flaw, resume: self.jumped }
    }
}

/// Start of frame, of any kind. The three numbers between them stand for other things: tables, and a reserve.
fn is_frame_header(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

#[cfg(test)]
pub(crate) mod tests;
