//! A decoded picture on its way to a JPEG for people: made as wide as asked, with its colours, its pixels' shape and its turn
//! as a player would show them.

use ffmpeg::format::Pixel;
use ffmpeg::frame::Video;
use ffmpeg::software::scaling::{Context, Flags};
use ffmpeg::{Packet, Rational, codec, color, encoder};
use ffmpeg_next as ffmpeg;
use proto::frame::{PictureTags, PixelShape, Range, Rotation};

use crate::colour::{Conversion, Meaning};

/// The tallest still, whatever the shape of the picture.
const MAX_HEIGHT: u32 = 8192;
/// The longest side of a picture whose pixels' shape is taken into account.
const MAX_SIDE: u32 = 16384;
/// The quantiser of stills, from 2 (best) to 31.
const QUANTISER: i32 = 3;

/// A picture, and what has to be known to show it.
pub(crate) struct Picture {
    pub(crate) pixels: Video,
    pub(crate) meaning: Meaning,
    pub(crate) shape: Option<PixelShape>,
    pub(crate) rotation: Rotation,
}

/// A family of pixel formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Yuv,
    /// YUV in full range, from before libav had a field for the range.
    FullYuv,
    Grey,
    Rgb,
}

impl Family {
    fn of(pixel: Pixel) -> Self {
        let name = pixel.descriptor().map_or("", |format| format.name());
        if name.starts_with("yuvj") {
            Self::FullYuv
        } else if name.starts_with("gray") || name.starts_with("ya") || name.starts_with("mono") {
            Self::Grey
        } else if ["yuv", "nv", "p0", "uyv", "yvy"].iter().any(|start| name.starts_with(start)) {
            Self::Yuv
        } else {
            Self::Rgb
        }
    }
}

impl Picture {
    /// A picture by its own word.
    pub(crate) fn decoded(pixels: Video, rotation: Rotation) -> Self {
        let tags = tags(pixels.color_space(), pixels.color_range(), pixels.aspect_ratio(), rotation);
        Self::tagged(pixels, &tags)
    }

    /// A picture whose tags stand elsewhere.
    pub(crate) fn tagged(pixels: Video, tags: &PictureTags) -> Self {
        let meaning = meaning(pixels.format(), tags);
        Self { meaning, shape: tags.pixel_shape, rotation: tags.rotation, pixels }
    }

    /// The picture as a JPEG of this width. Its height follows from its shape.
    pub(crate) fn jpeg(&self, width: u32) -> Result<Vec<u8>, ffmpeg::Error> {
        let lies = lies(self.rotation);
        let height = self.height_for(width, lies);
        let (across, down) = if lies { (height, width) } else { (width, height) };
        let (scaled, meaning) = self.scaled(across, down)?;
        let mut still = Video::new(Pixel::YUVJ420P, width, height);
        fill(&mut still, &scaled, meaning, self.rotation);
        encode(&still)
    }

    /// Even, as colour at half size wants it.
    fn height_for(&self, width: u32, lies: bool) -> u32 {
        let shape = self.shape.map_or(1.0, |shape| f64::from(shape.width()) / f64::from(shape.height()));
        let aspect = f64::from(self.pixels.width()) * shape / f64::from(self.pixels.height().max(1));
        let aspect = if lies { 1.0 / aspect } else { aspect };
        let height = (f64::from(width) / aspect / 2.0).round().clamp(1.0, f64::from(MAX_HEIGHT / 2));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped above")]
        let height = height as u32 * 2;
        height
    }

    /// The picture in another size, with all its colours. libswscale changes no number of YUV and grey but by scaling.
    pub(crate) fn scaled(&self, width: u32, height: u32) -> Result<(Video, Meaning), ffmpeg::Error> {
        self.scaled_into(width, height, Pixel::YUV444P, Pixel::YUVJ444P)
    }

    /// Shows the picture in this size, with its colours at half size, to `look`: as it is, if it is like that already.
    pub(crate) fn halved<T>(
        &self,
        width: u32,
        height: u32,
        look: impl FnOnce(&Video, Meaning) -> T,
    ) -> Result<T, ffmpeg::Error> {
        let is_halved = matches!(self.pixels.format(), Pixel::YUV420P | Pixel::YUVJ420P);
        if is_halved && (self.pixels.width(), self.pixels.height()) == (width, height) {
            return Ok(look(&self.pixels, self.meaning));
        }
        let (scaled, meaning) = self.scaled_into(width, height, Pixel::YUV420P, Pixel::YUVJ420P)?;
        Ok(look(&scaled, meaning))
    }

    fn scaled_into(
        &self,
        width: u32,
        height: u32,
        limited: Pixel,
        full: Pixel,
    ) -> Result<(Video, Meaning), ffmpeg::Error> {
        let from = self.pixels.format();
        let (to, meaning) = match Family::of(from) {
            Family::Yuv => (limited, self.meaning),
            Family::FullYuv | Family::Grey => (full, self.meaning),
            Family::Rgb => (limited, Meaning { matrix: PictureTags::BT601, full_range: false }),
        };
        let (w, h) = (self.pixels.width(), self.pixels.height());
        let flags = Flags::AREA | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INP;
        let mut scaler = Context::get(from, w, h, to, width, height, flags)?;
        let mut scaled = Video::empty();
        scaler.run(&self.pixels, &mut scaled)?;
        Ok((scaled, meaning))
    }
}

/// The size in which a player shows pictures of this size and shape, turned: none of its sides is smaller for its shape.
pub(crate) fn shown_size((width, height): (u32, u32), tags: &PictureTags) -> (u32, u32) {
    let shape = tags.pixel_shape.map_or((1, 1), |shape| (shape.width(), shape.height()));
    let longer = |side: u32, by: u16, to: u16| {
        let side = u64::from(side) * u64::from(by.max(to)) / u64::from(to);
        u32::try_from(side).unwrap_or(u32::MAX).min(MAX_SIDE)
    };
    let (width, height) = (longer(width, shape.0, shape.1), longer(height, shape.1, shape.0));
    if lies(tags.rotation) { (height, width) } else { (width, height) }
}

/// The place of a pixel in a picture of this size, by its place once the picture is turned.
pub(crate) fn turned(
    rotation: Rotation,
    (x, y): (usize, usize),
    (width, height): (usize, usize),
) -> (usize, usize) {
    match rotation {
        Rotation::None => (x, y),
        Rotation::Quarter => (y, height - 1 - x),
        Rotation::Half => (width - 1 - x, height - 1 - y),
        Rotation::ThreeQuarters => (width - 1 - y, x),
    }
}

/// Does a picture that is turned so lie on its side before?
pub(crate) fn lies(rotation: Rotation) -> bool {
    matches!(rotation, Rotation::Quarter | Rotation::ThreeQuarters)
}

/// The meaning of pixels of this format with these tags.
pub(crate) fn meaning(format: Pixel, tags: &PictureTags) -> Meaning {
    let family = Family::of(format);
    let full_range = match tags.range {
        Range::Full => true,
        Range::Limited => false,
        Range::Unspecified => family != Family::Yuv,
    };
    Meaning { matrix: tags.matrix, full_range: full_range || family == Family::FullYuv }
}

/// The tags of a picture by libav's word.
pub(crate) fn tags(
    space: color::Space,
    range: color::Range,
    ratio: Rational,
    rotation: Rotation,
) -> PictureTags {
    PictureTags {
        matrix: match space {
            color::Space::BT709 => PictureTags::BT709,
            color::Space::BT470BG | color::Space::SMPTE170M => PictureTags::BT601,
            color::Space::FCC => 4,
            color::Space::SMPTE240M => 7,
            color::Space::BT2020NCL | color::Space::BT2020CL => PictureTags::BT2020,
            _ => PictureTags::UNSPECIFIED,
        },
        range: match range {
            color::Range::Unspecified => Range::Unspecified,
            color::Range::MPEG => Range::Limited,
            color::Range::JPEG => Range::Full,
        },
        pixel_shape: shape(ratio),
        rotation,
        ..PictureTags::default()
    }
}

fn shape(ratio: Rational) -> Option<PixelShape> {
    let side = |n: i32| u64::try_from(n).unwrap_or(0);
    PixelShape::new(side(ratio.numerator()), side(ratio.denominator()))
}

/// Fills a still from a picture of its size, turned: brightness pixel by pixel, colour by the mean of four.
fn fill(still: &mut Video, from: &Video, meaning: Meaning, rotation: Rotation) {
    let conversion = Conversion::from(meaning);
    let (width, height) = (still.width() as usize, still.height() as usize);
    let strides = [0, 1, 2].map(|plane| from.stride(plane));
    let size = (from.width() as usize, from.height() as usize);
    let pixel = |x: usize, y: usize| {
        let (x, y) = turned(rotation, (x, y), size);
        conversion.of([0, 1, 2].map(|plane| from.data(plane)[y * strides[plane] + x]))
    };
    let strides = [0, 1, 2].map(|plane| still.stride(plane));
    for y in (0..height).step_by(2) {
        for x in (0..width).step_by(2) {
            let mut sums = [0_u16; 2];
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let (x, y) = (x + dx, y + dy);
                // A still of an odd width has no pixel here.
                if x >= width {
                    continue;
                }
                let [luma, cb, cr] = pixel(x, y);
                still.data_mut(0)[y * strides[0] + x] = luma;
                let weight = if dx == 0 && x + 1 == width { 2 } else { 1 };
                sums[0] += u16::from(cb) * weight;
                sums[1] += u16::from(cr) * weight;
            }
            for (plane, sum) in [1, 2].into_iter().zip(sums) {
                let mean = u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX);
                still.data_mut(plane)[y / 2 * strides[plane] + x / 2] = mean;
            }
        }
    }
}

fn encode(still: &Video) -> Result<Vec<u8>, ffmpeg::Error> {
    let codec = encoder::find(codec::Id::MJPEG).ok_or(ffmpeg::Error::EncoderNotFound)?;
    let mut video = codec::Context::new_with_codec(codec).encoder().video()?;
    video.set_width(still.width());
    video.set_height(still.height());
    video.set_format(Pixel::YUVJ420P);
    video.set_color_range(color::Range::JPEG);
    video.set_time_base(Rational(1, 25));
    video.set_qmin(QUANTISER);
    video.set_qmax(QUANTISER);
    let mut encoder = video.open_as(codec)?;
    encoder.send_frame(still)?;
    encoder.send_eof()?;
    let mut packet = Packet::empty();
    encoder.receive_packet(&mut packet)?;
    packet.data().map(<[u8]>::to_vec).ok_or(ffmpeg::Error::InvalidData)
}

#[cfg(test)]
mod tests;
