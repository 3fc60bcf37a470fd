//! The conversion of a decoded picture to a frame of the ring: a copy row by row where both have the same pixels, otherwise
//! by libswscale.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{color, frame};
use proto::frame::{Geometry, PictureTags, PixelFormat, Range};

use super::libav::{self, EVEN_WIDTH_PIXELS, Model, PictureFormat, Scaler, Target};

/// The converter into the frames of one ring.
pub(super) struct FrameConverter {
    to: Geometry,
    pixel: Pixel,
    /// The colours of the frames, once there is one.
    target: Option<Target>,
    scaler: Option<Scaler>,
    /// A picture between libswscale and the ring, at widths at which libswscale may write past a row's end.
    between: Option<frame::Video>,
}

impl FrameConverter {
    /// The converter into frames of this geometry. `None` when libav has no name for its format.
    pub(super) fn new(to: Geometry) -> Option<Self> {
        Some(Self { to, pixel: pixel(to.format())?, target: None, scaler: None, between: None })
    }

    /// Writes `picture` into a frame. False if libswscale can't convert it. The first picture's colours are kept; a later one
    /// in others is converted to them, since a clip's file says one thing of all its frames.
    pub(super) fn write(&mut self, picture: &frame::Video, bytes: &mut [u8]) -> bool {
        let format = PictureFormat::of(picture);
        let target = *self.target.get_or_insert_with(|| target(&format, self.to.format()));
        if self.is_already_like(&format, target) && has_rows_downward(picture) {
            copy_rows(picture, &self.to, bytes);
            return true;
        }
        if !self.scaler.as_ref().is_some_and(|s| s.takes(&format)) {
            self.scaler = Scaler::new(format, self.to, self.pixel, target);
        }
        let Some(scaler) = &mut self.scaler else { return false };
        if self.to.width().is_multiple_of(EVEN_WIDTH_PIXELS) {
            return scaler.fill_frame(picture, bytes);
        }
        let between = self
            .between
            .get_or_insert_with(|| frame::Video::new(self.pixel, self.to.width(), self.to.height()));
        let done = scaler.fill_picture(picture, between);
        if done {
            copy_rows(between, &self.to, bytes);
        }
        done
    }

    fn is_already_like(&self, picture: &PictureFormat, target: Target) -> bool {
        let same_colours = match self.to.format() {
            PixelFormat::BGR24 => true,
            PixelFormat::GRAY8 => picture.full_range == target.full_range,
            _ => {
                picture.full_range == target.full_range && libav::is_one_matrix(picture.matrix, target.matrix)
            }
        };
        same_colours
            && picture.pixel == self.pixel
            && (picture.width, picture.height) == (self.to.width(), self.to.height())
    }
}

/// The colours of the frames that are made of such pictures: their own where YUV becomes YUV. RGB becomes BT.601, as all
/// RGB does here (docs/decisions/colour.md).
fn target(from: &PictureFormat, to: PixelFormat) -> Target {
    let model = Model::of(from.pixel);
    let matrix = if model == Model::Rgb { PictureTags::BT601 } else { from.matrix };
    let full_range = match to {
        PixelFormat::GRAY8 | PixelFormat::BGR24 => true,
        _ => from.full_range && model == Model::Yuv,
    };
    Target { matrix, full_range }
}

/// The colour tags of frames that are made of such pictures.
pub(super) fn colour_tags(picture: &frame::Video, to: PixelFormat) -> PictureTags {
    let format = PictureFormat::of(picture);
    let Target { matrix, full_range } = target(&format, to);
    let (primaries, transfer) = libav::primaries_and_transfer(picture);
    let says_its_range = picture.color_range() != color::Range::Unspecified;
    let is_limited = says_its_range || Model::of(format.pixel) != Model::Yuv;
    PictureTags {
        matrix: if to == PixelFormat::BGR24 { PictureTags::RGB } else { matrix },
        primaries,
        transfer,
        range: match (full_range, is_limited) {
            (true, _) => Range::Full,
            (false, true) => Range::Limited,
            (false, false) => Range::Unspecified,
        },
        ..PictureTags::default()
    }
}

/// The name that libav has for a ring's format.
fn pixel(format: PixelFormat) -> Option<Pixel> {
    match format {
        PixelFormat::I420 => Some(Pixel::YUV420P),
        PixelFormat::NV12 => Some(Pixel::NV12),
        PixelFormat::YUYV => Some(Pixel::YUYV422),
        PixelFormat::GRAY8 => Some(Pixel::GRAY8),
        PixelFormat::BGR24 => Some(Pixel::BGR24),
        _ => None,
    }
}

/// False for a picture whose rows run from the bottom up (a raw AVI's): its stride is negative, and ffmpeg-next's safe view
/// of a plane would be nonsense.
fn has_rows_downward(picture: &frame::Video) -> bool {
    (0..picture.planes()).all(|at| i32::try_from(picture.stride(at)).is_ok())
}

/// Copies a picture that has the geometry's size and format.
fn copy_rows(picture: &frame::Video, to: &Geometry, bytes: &mut [u8]) {
    for (at, plane) in to.planes().iter().enumerate().filter(|(_, p)| p.rows > 0) {
        plane.fill(bytes, picture.data(at), picture.stride(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture with a gradient in each plane.
    fn picture(pixel: Pixel, width: u32, height: u32) -> frame::Video {
        let mut picture = frame::Video::new(pixel, width, height);
        for at in 0..picture.planes() {
            let stride = picture.stride(at);
            for (n, byte) in picture.data_mut(at).iter_mut().enumerate() {
                *byte = u8::try_from(40 + (n % stride + n / stride) * (at + 1) % 150).unwrap();
            }
        }
        picture
    }

    #[test]
    fn nothing_is_written_beside_a_frame_at_any_width() {
        const GUARD: usize = 256;
        for format in PixelFormat::ALL {
            for width in [2, 10, 62, 64, 66, 130, 192, 322, 640] {
                let to = Geometry::new(width, 46, format).unwrap();
                let mut converter = FrameConverter::new(to).unwrap();
                for from in [Pixel::YUV420P, Pixel::YUVJ422P, Pixel::RGB24, Pixel::GRAY8, Pixel::YUV420P10LE]
                {
                    let mut bytes = vec![0xEE; to.frame_bytes() + 2 * GUARD];
                    let frame = &mut bytes[GUARD..][..to.frame_bytes()];
                    assert!(converter.write(&picture(from, 200, 100), frame), "{from:?} to {to}");
                    let (before, rest) = bytes.split_at(GUARD);
                    let after = &rest[to.frame_bytes()..];
                    assert!(before.iter().chain(after).all(|b| *b == 0xEE), "{from:?} to {to}");
                }
            }
        }
    }

    #[test]
    fn a_picture_in_the_rings_own_format_is_copied_to_the_byte() {
        for format in PixelFormat::ALL {
            let to = Geometry::new(98, 34, format).unwrap();
            let mut converter = FrameConverter::new(to).unwrap();
            let from = picture(pixel(format).unwrap(), 98, 34);
            let mut bytes = vec![0; to.frame_bytes()];
            assert!(converter.write(&from, &mut bytes));
            assert!(converter.scaler.is_none(), "{format}");
            for (at, plane) in to.planes().iter().enumerate().filter(|(_, p)| p.rows > 0) {
                let last = plane.rows - 1;
                let row = &from.data(at)[last * from.stride(at)..][..plane.row_bytes];
                assert_eq!(plane.row(&bytes, last), row, "{format}");
            }
        }
    }

    /// A grey picture.
    fn grey(pixel: Pixel, value: u8) -> frame::Video {
        let mut grey = frame::Video::new(pixel, 64, 64);
        for at in 0..grey.planes() {
            grey.data_mut(at).fill(if at == 0 { value } else { 128 });
        }
        grey
    }

    /// The brightness in the middle of a frame that was made of a picture, and what the frame says of itself.
    fn brightness(converter: &mut FrameConverter, picture: &frame::Video) -> (u8, PictureTags) {
        let mut bytes = vec![0; converter.to.frame_bytes()];
        assert!(converter.write(picture, &mut bytes));
        (converter.to.planes()[0].row(&bytes, 5)[5], colour_tags(picture, converter.to.format()))
    }

    #[test]
    fn full_range_stays_full_and_says_so() {
        for (format, pixel) in [(PixelFormat::I420, Pixel::YUVJ420P), (PixelFormat::NV12, Pixel::YUVJ422P)] {
            let to = Geometry::new(64, 64, format).unwrap();
            for value in [0, 128, 255] {
                let mut converter = FrameConverter::new(to).unwrap();
                let (luma, tags) = brightness(&mut converter, &grey(pixel, value));
                assert!(luma.abs_diff(value) <= 1, "{value} became {luma}");
                assert_eq!(tags.range, Range::Full);
            }
        }
    }

    #[test]
    fn what_comes_later_in_another_range_becomes_what_the_first_picture_was() {
        let to = Geometry::new(64, 64, PixelFormat::I420).unwrap();
        let mut converter = FrameConverter::new(to).unwrap();
        assert_eq!(brightness(&mut converter, &grey(Pixel::YUV420P, 235)).0, 235);
        for (value, limited) in [(0, 16), (255, 235), (128, 126)] {
            let (luma, _) = brightness(&mut converter, &grey(Pixel::YUVJ420P, value));
            assert!(luma.abs_diff(limited) <= 1, "{value} became {luma}");
        }
    }

    /// The numbers of a strong blue, by matrix: 50, 60, 200 in limited range.
    const BLUE: [(u8, color::Space, [u8; 3]); 4] = [
        (2, color::Space::Unspecified, [79, 191, 114]),
        (6, color::Space::SMPTE170M, [79, 191, 114]),
        (1, color::Space::BT709, [74, 190, 118]),
        (9, color::Space::BT2020NCL, [72, 191, 119]),
    ];

    #[test]
    fn a_blue_film_is_blue_in_every_ring_format_and_by_every_matrix() {
        for (matrix, space, numbers) in BLUE {
            let mut blue = frame::Video::new(Pixel::YUV420P, 64, 64);
            blue.set_color_space(space);
            for (at, number) in numbers.into_iter().enumerate() {
                blue.data_mut(at).fill(number);
            }
            for format in PixelFormat::ALL {
                let to = Geometry::new(64, 64, format).unwrap();
                let mut bytes = vec![0; to.frame_bytes()];
                assert!(FrameConverter::new(to).unwrap().write(&blue, &mut bytes));
                let row = |at: usize| to.planes()[at].row(&bytes, 16);
                let [y, u, v] = numbers;
                let came = match format {
                    PixelFormat::NV12 => vec![row(0)[32], row(1)[32], row(1)[33]],
                    PixelFormat::YUYV => vec![row(0)[32], row(0)[33], row(0)[35]],
                    PixelFormat::BGR24 => row(0)[96..99].to_vec(),
                    PixelFormat::GRAY8 => vec![row(0)[32]],
                    _ => vec![row(0)[32], row(1)[16], row(2)[16]],
                };
                let grey = u8::try_from((u32::from(y) - 16) * 255 / 219).unwrap();
                let (wanted, said) = match format {
                    PixelFormat::BGR24 => (vec![200, 60, 50], PictureTags::RGB),
                    PixelFormat::GRAY8 => (vec![grey], matrix),
                    _ => (vec![y, u, v], matrix),
                };
                let off = came.iter().zip(&wanted).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(off <= Some(3), "{space:?} in {format}: {came:?} instead of {wanted:?}");
                assert_eq!(colour_tags(&blue, format).matrix, said, "{space:?} in {format}");
            }
        }
    }

    #[test]
    fn rgb_becomes_bt601_and_says_so_whatever_it_is_tagged_with() {
        for (pixel, space) in [(Pixel::RGB24, color::Space::Unspecified), (Pixel::GBRP, color::Space::RGB)] {
            let mut blue = frame::Video::new(pixel, 64, 64);
            blue.set_color_space(space);
            if pixel == Pixel::RGB24 {
                blue.data_mut(0).chunks_exact_mut(3).for_each(|rgb| rgb.copy_from_slice(&[50, 60, 200]));
            } else {
                [60, 200, 50].into_iter().enumerate().for_each(|(at, n)| blue.data_mut(at).fill(n));
            }
            let to = Geometry::new(64, 64, PixelFormat::I420).unwrap();
            let mut bytes = vec![0; to.frame_bytes()];
            assert!(FrameConverter::new(to).unwrap().write(&blue, &mut bytes));
            let came = [0, 1, 2].map(|at| to.planes()[at].row(&bytes, 16)[16]);
            assert!(came.iter().zip([79, 191, 114]).all(|(a, b)| a.abs_diff(b) <= 1), "{pixel:?}: {came:?}");
            let tags = colour_tags(&blue, PixelFormat::I420);
            assert_eq!((tags.matrix, tags.range), (PictureTags::BT601, Range::Limited), "{pixel:?}");
        }
    }
}
