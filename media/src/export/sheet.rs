//! A picture that is drawn on: brightness, and two colours at half size (4:2:0). Pure: libav's pictures come in and go out by
//! their planes.

use ffmpeg_next::frame::Video;
use proto::frame::Rotation;

use super::font;
use crate::colour::{self, Conversion};
use crate::picture;

/// A rectangle in pixels. Its sides are even wherever colours matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rect {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// A plane, row behind row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plane {
    bytes: Vec<u8>,
    width: usize,
    height: usize,
}

impl Plane {
    fn new(width: usize, height: usize, value: u8) -> Self {
        Self { bytes: vec![value; width * height], width, height }
    }

    fn row_mut(&mut self, y: usize, x: std::ops::Range<usize>) -> &mut [u8] {
        let end = x.end.min(self.width);
        let start = x.start.min(end);
        &mut self.bytes[y * self.width..][start..end]
    }

    fn at(&self, x: usize, y: usize) -> u8 {
        self.bytes[y.min(self.height - 1) * self.width + x.min(self.width - 1)]
    }

    /// Puts another plane in here, as far as there is room.
    fn put(&mut self, other: &Self, x: usize, y: usize) {
        for row in 0..other.height.min(self.height.saturating_sub(y)) {
            let to = self.row_mut(y + row, x..x + other.width);
            let bytes = to.len();
            to.copy_from_slice(&other.bytes[row * other.width..][..bytes]);
        }
    }

    fn turned(&self, rotation: Rotation) -> Self {
        let (width, height) =
            if picture::lies(rotation) { (self.height, self.width) } else { (self.width, self.height) };
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let from = |place| picture::turned(rotation, place, (self.width, self.height));
        let bytes = places.map(from).map(|(x, y)| self.at(x, y)).collect();
        Self { bytes, width, height }
    }
}

/// The picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    planes: [Plane; 3],
}

impl Sheet {
    /// A sheet of one colour.
    pub(crate) fn new(width: usize, height: usize, [y, cb, cr]: [u8; 3]) -> Self {
        let (across, down) = (width.div_ceil(2), height.div_ceil(2));
        let planes =
            [Plane::new(width, height, y), Plane::new(across, down, cb), Plane::new(across, down, cr)];
        Self { planes }
    }

    #[cfg(test)]
    fn width(&self) -> usize {
        self.planes[0].width
    }

    pub(crate) fn height(&self) -> usize {
        self.planes[0].height
    }

    /// A copy of a picture of libav's that has its colours at half size.
    pub(crate) fn copy_of(picture: &Video) -> Self {
        let mut sheet = Self::new(picture.width() as usize, picture.height() as usize, [0; 3]);
        for (at, plane) in sheet.planes.iter_mut().enumerate() {
            let stride = picture.stride(at);
            for (to, from) in plane.bytes.chunks_mut(plane.width).zip(picture.data(at).chunks(stride)) {
                to.copy_from_slice(&from[..to.len()]);
            }
        }
        sheet
    }

    /// Copies it into a picture of libav's of the same size and kind.
    pub(crate) fn copy_to(&self, picture: &mut Video) {
        for (at, plane) in self.planes.iter().enumerate() {
            let stride = picture.stride(at);
            for (from, to) in plane.bytes.chunks(plane.width).zip(picture.data_mut(at).chunks_mut(stride)) {
                to[..from.len()].copy_from_slice(from);
            }
        }
    }

    /// Gives every pixel another meaning.
    pub(crate) fn convert(&mut self, conversion: &Conversion) {
        let [luma, blue, red] = &mut self.planes;
        for y in 0..blue.height {
            for x in 0..blue.width {
                let place = y * blue.width + x;
                let (gain, offset, colours) = conversion.of_block(blue.bytes[place], red.bytes[place]);
                for row in 2 * y..(2 * y + 2).min(luma.height) {
                    for pixel in luma.row_mut(row, 2 * x..2 * x + 2) {
                        *pixel = colour::byte(gain * f32::from(*pixel) + offset);
                    }
                }
                [blue.bytes[place], red.bytes[place]] = colours;
            }
        }
    }

    /// The picture as a player turns it.
    pub(crate) fn turned(self, rotation: Rotation) -> Self {
        if rotation == Rotation::None {
            self
        } else {
            Self { planes: self.planes.map(|plane| plane.turned(rotation)) }
        }
    }

    /// Puts another sheet in here. The place has to be even.
    pub(crate) fn put(&mut self, other: &Self, x: usize, y: usize) {
        for (at, (plane, from)) in self.planes.iter_mut().zip(&other.planes).enumerate() {
            let half = if at == 0 { 1 } else { 2 };
            plane.put(from, x / half, y / half);
        }
    }

    /// Fills a rectangle.
    pub(crate) fn fill(&mut self, rect: Rect, colour: [u8; 3]) {
        for (at, (plane, value)) in self.planes.iter_mut().zip(colour).enumerate() {
            let half = if at == 0 { 1 } else { 2 };
            let across = rect.x / half..(rect.x + rect.width).div_ceil(half);
            for y in rect.y / half..(rect.y + rect.height).div_ceil(half).min(plane.height) {
                plane.row_mut(y, across.clone()).fill(value);
            }
        }
    }

    /// Fills a rectangle with stripes that lean, of two greys.
    pub(crate) fn hatch(&mut self, rect: Rect, paper: [u8; 3], ink: [u8; 3]) {
        self.fill(rect, paper);
        // Wide enough to be seen in a picture that is shown small.
        let (stripe, every) = (8, 32);
        for y in rect.y..(rect.y + rect.height).min(self.height()) {
            let row = self.planes[0].row_mut(y, rect.x..rect.x + rect.width);
            for (x, pixel) in row.iter_mut().enumerate() {
                if (x + y) % every < stripe {
                    *pixel = ink[0];
                }
            }
        }
    }

    /// Writes a line of text, each pixel of the letters `scale` pixels wide, as far as it has room before `end`.
    pub(crate) fn text(
        &mut self,
        (x, y): (usize, usize),
        end: usize,
        scale: usize,
        text: &str,
        ink: [u8; 3],
    ) {
        for (nth, letter) in text.chars().enumerate() {
            let left = x + nth * font::ADVANCE * scale;
            if left + font::WIDTH * scale > end {
                return;
            }
            for (row, bits) in font::rows(letter).into_iter().enumerate() {
                for column in (0..font::WIDTH).filter(|column| bits >> (font::WIDTH - 1 - column) & 1 == 1) {
                    let dot = (left + column * scale, y + row * scale);
                    for line in dot.1..(dot.1 + scale).min(self.height()) {
                        self.planes[0].row_mut(line, dot.0..dot.0 + scale).fill(ink[0]);
                    }
                }
            }
        }
    }

    /// The brightness of a pixel.
    pub(crate) fn brightness(&self, x: usize, y: usize) -> u8 {
        self.planes[0].at(x, y)
    }

    /// Brightness, and both colours, of a pixel.
    #[cfg(test)]
    pub(crate) fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        [self.planes[0].at(x, y), self.planes[1].at(x / 2, y / 2), self.planes[2].at(x / 2, y / 2)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: [u8; 3] = [16, 128, 128];
    const RED: [u8; 3] = [81, 90, 240];

    #[test]
    fn a_sheet_in_a_sheet_lies_at_its_place_and_is_cut_at_the_edge() {
        let mut sheet = Sheet::new(20, 10, BLACK);
        sheet.put(&Sheet::new(7, 5, RED), 4, 2);
        assert_eq!(
            [(3, 2), (4, 2), (10, 6), (11, 2), (4, 7)].map(|(x, y)| sheet.pixel(x, y)[0]),
            [16, 81, 81, 16, 16]
        );
        assert_eq!((sheet.pixel(4, 2), sheet.pixel(2, 2)), (RED, BLACK));
        sheet.put(&Sheet::new(40, 40, RED), 18, 8);
        assert_eq!((sheet.pixel(19, 9), sheet.pixel(17, 9)), (RED, BLACK));
    }

    #[test]
    fn a_sheet_is_turned_clockwise() {
        let mut sheet = Sheet::new(6, 4, BLACK);
        sheet.fill(Rect { x: 0, y: 0, width: 2, height: 2 }, RED);
        for (rotation, size, corner) in [
            (Rotation::None, (6, 4), (0, 0)),
            (Rotation::Quarter, (4, 6), (3, 0)),
            (Rotation::Half, (6, 4), (5, 3)),
            (Rotation::ThreeQuarters, (4, 6), (0, 5)),
        ] {
            let turned = sheet.clone().turned(rotation);
            assert_eq!((turned.width(), turned.height()), size);
            let red = (0..size.0 * size.1).filter(|n| turned.pixel(n % size.0, n / size.0) == RED).count();
            assert_eq!((turned.pixel(corner.0, corner.1), red), (RED, 4), "{rotation:?}");
        }
    }

    #[test]
    fn letters_end_where_there_is_no_more_room() {
        let mut sheet = Sheet::new(64, 32, BLACK);
        sheet.text((2, 2), 60, 2, "HHHHHHHHHH", RED);
        let lit = |x: usize| (0..32).any(|y| sheet.pixel(x, y)[0] == RED[0]);
        assert!(lit(2) && lit(3) && !lit(1), "the first letter's stem");
        assert!((60..64).all(|x| !lit(x)));
    }
}
