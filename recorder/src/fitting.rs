//! Decoded pictures, made into bytes of a camera's size and format, as a ring of raw frames would hold them. How they are
//! decoded is [`crate::decode`]'s subject.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::color;
use ffmpeg_next::frame::Video;

use proto::frame::{Geometry, Payload, PictureTags, PixelFormat, Range};

use crate::colour::{self, Colours, Meaning};
use crate::libav;
use crate::scaler::{self, Scaler, Side};

/// Makes one camera's decoded pictures fit. A picture of another size is scaled: a camera may change its size in the stream.
pub(crate) struct Fitting {
    payload: Payload,
    geometry: Geometry,
    /// The conversion of the last picture that needed one: of this kind and colours.
    converts: Option<(Side, Meaning, Scaler)>,
    tags: Option<PictureTags>,
}

impl Fitting {
    /// For pictures of this payload that are to have this geometry.
    pub(crate) fn new(payload: Payload, geometry: Geometry) -> Self {
        Self { payload, geometry, converts: None, tags: None }
    }

    /// The pictures' word on themselves; none before the first.
    pub(crate) fn tags(&self) -> Option<PictureTags> {
        self.tags
    }

    /// A picture's bytes in the camera's size and format.
    pub(crate) fn bytes(&mut self, picture: &Video) -> Result<Vec<u8>, ffmpeg::Error> {
        let said = said_by(self.payload, picture);
        let tags = kept_of(said, self.geometry.format());
        self.tags = Some(tags);
        self.fit(picture, meaning(said), meaning(tags))
    }

    fn fit(&mut self, picture: &Video, from: Meaning, to: Meaning) -> Result<Vec<u8>, ffmpeg::Error> {
        let format = libav::pixel(self.geometry.format());
        let is =
            Side { pixel: scaler::plain(picture.format()), width: picture.width(), height: picture.height() };
        let wanted = Side { pixel: format, width: self.geometry.width(), height: self.geometry.height() };
        if is == wanted {
            return Ok(self.bytes_of(picture));
        }
        let is_kept = matches!(&self.converts, Some((side, colours, _)) if *side == is && *colours == from);
        if !is_kept {
            let colours = Colours { from, to, range: Range::Unspecified };
            let scaler = Scaler::new(is, wanted, &colours).ok_or(ffmpeg::Error::InvalidData)?;
            self.converts = Some((is, from, scaler));
        }
        let mut into = Video::new(wanted.pixel, wanted.width, wanted.height);
        let runs = |(_, _, scaler): &mut (Side, Meaning, Scaler)| scaler.run(picture, &mut into);
        if !self.converts.as_mut().is_some_and(runs) {
            return Err(ffmpeg::Error::InvalidData);
        }
        Ok(self.bytes_of(&into))
    }

    /// The rows of a picture that has the camera's size and format.
    fn bytes_of(&self, picture: &Video) -> Vec<u8> {
        let mut bytes = vec![0; self.geometry.frame_bytes()];
        for (at, plane) in self.geometry.planes().iter().enumerate().filter(|(_, plane)| plane.rows > 0) {
            let (from, stride) = (picture.data(at), picture.stride(at));
            for row in 0..plane.rows {
                let line = from.get(row * stride..).and_then(|rest| rest.get(..plane.row_bytes));
                if let Some(line) = line {
                    plane.row_mut(&mut bytes, row).copy_from_slice(line);
                }
            }
        }
        bytes
    }
}

/// A decoded picture's word on itself. A JPEG is BT.601 in full range whatever is said of it (JFIF).
fn said_by(payload: Payload, picture: &Video) -> PictureTags {
    if payload == Payload::Jpeg {
        return PictureTags { matrix: PictureTags::BT601, range: Range::Full, ..PictureTags::default() };
    }
    PictureTags {
        matrix: colour::number_of_space(picture.color_space()),
        primaries: colour::number_of_primaries(picture.color_primaries()),
        transfer: colour::number_of_transfer(picture.color_transfer_characteristic()),
        range: match picture.color_range() {
            color::Range::Unspecified => Range::Unspecified,
            color::Range::MPEG => Range::Limited,
            color::Range::JPEG => Range::Full,
        },
        ..PictureTags::default()
    }
}

/// The part of that which is still true of pictures in this format.
fn kept_of(said: PictureTags, format: PixelFormat) -> PictureTags {
    match format {
        PixelFormat::BGR24 => {
            let PictureTags { matrix, range, .. } = PictureTags::made_as(format);
            PictureTags { matrix, range, ..said }
        }
        // Grey that says nothing would be taken for full range.
        PixelFormat::GRAY8 if said.range == Range::Unspecified => {
            PictureTags { range: Range::Limited, ..said }
        }
        _ => said,
    }
}

fn meaning(tags: PictureTags) -> Meaning {
    let matrix = if tags.matrix == PictureTags::RGB { PictureTags::BT601 } else { tags.matrix };
    Meaning { matrix, full_range: tags.range == Range::Full }
}
