//! Bayer patterns of 8 bits, turned into blue, green, red while a frame is copied into the ring. Each pixel keeps the one
//! value that its sensor has measured; the other two are the means of the nearest neighbours that have them (bilinear). Nothing else is done to the
//! colours: no white balance, no gamma. Pure.

use proto::frame::Plane;

/// The colours of the first two pixels of the first two rows, in the order in which they are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Red, green; green, blue.
    Rggb,
    /// Green, red; blue, green.
    Grbg,
    /// Green, blue; red, green.
    Gbrg,
    /// Blue, green; green, red.
    Bggr,
}

/// One row and its neighbours.
struct Rows<'a> {
    above: &'a [u8],
    row: &'a [u8],
    below: &'a [u8],
}

/// The way in which a row's values are to be read.
#[derive(Clone, Copy)]
struct RowColours {
    /// The row has red beside green, and blue if not.
    has_red: bool,
    /// Its first pixel is green.
    is_green_first: bool,
}

impl Pattern {
    fn colours(self, row: usize) -> RowColours {
        let is_odd = row % 2 == 1;
        let (has_red, is_green_first) = match self {
            Self::Rggb => (true, false),
            Self::Grbg => (true, true),
            Self::Gbrg => (false, true),
            Self::Bggr => (false, false),
        };
        RowColours { has_red: has_red != is_odd, is_green_first: is_green_first != is_odd }
    }

    /// Writes a picture into the one plane of a frame in BGR24. `from` has one byte a pixel, and each row begins `stride_bytes` behind
    /// the one before.
    ///
    /// # Panics
    /// When `to` isn't such a frame, or the picture isn't whole.
    pub fn write(self, from: &[u8], stride_bytes: usize, plane: &Plane, to: &mut [u8]) {
        let width = plane.row_bytes / 3;
        let line = |row: usize| &from[row * stride_bytes..][..width];
        for row in 0..plane.rows {
            // Behind an edge lies its mirror image, which has the same colours as the pattern would have there.
            let (above, below) = neighbours(row, plane.rows);
            Rows { above: line(above), row: line(row), below: line(below) }
                .write(self.colours(row), plane.row_mut(to, row));
        }
    }
}

/// The places before and behind one of so many in a row. At its ends the mirror image's count; of a single one it counts itself.
fn neighbours(place: usize, places: usize) -> (usize, usize) {
    let before = place.checked_sub(1).unwrap_or(1.min(places - 1));
    (before, if place + 1 < places { place + 1 } else { place.saturating_sub(1) })
}

impl Rows<'_> {
    fn write(&self, colours: RowColours, to: &mut [u8]) {
        let last = self.row.len() - 1;
        let pixels = to.as_chunks_mut::<3>().0;
        let is_green = |x: usize| x.is_multiple_of(2) == colours.is_green_first;
        for edge in [0, last] {
            pixels[edge] = pixel(self.around(edge), is_green(edge), colours.has_red);
        }
        let triples = self.above.windows(3).zip(self.row.windows(3)).zip(self.below.windows(3));
        for (x, (pixel_to, ((above, row), below))) in (1..).zip(pixels.iter_mut().skip(1).zip(triples)) {
            let around = Around {
                own: row[1],
                sides: mean([row[0], row[2]]),
                upright: mean([above[1], below[1]]),
                cross: mean_of_four([row[0], row[2], above[1], below[1]]),
                corners: mean_of_four([above[0], above[2], below[0], below[2]]),
            };
            *pixel_to = pixel(around, is_green(x), colours.has_red);
        }
    }

    fn around(&self, x: usize) -> Around {
        let Self { above, row, below } = self;
        let (before, behind) = neighbours(x, row.len());
        Around {
            own: row[x],
            sides: mean([row[before], row[behind]]),
            upright: mean([above[x], below[x]]),
            cross: mean_of_four([row[before], row[behind], above[x], below[x]]),
            corners: mean_of_four([above[before], above[behind], below[before], below[behind]]),
        }
    }
}

/// A pixel's own value, and the means of its neighbours.
#[derive(Clone, Copy)]
struct Around {
    own: u8,
    sides: u8,
    upright: u8,
    cross: u8,
    corners: u8,
}

/// Blue, green and red of a pixel.
fn pixel(around: Around, is_green: bool, has_red: bool) -> [u8; 3] {
    let Around { own, sides, upright, cross, corners } = around;
    // The colour that the row has beside green, green, and the one of the rows above and below.
    let (of_row, green, of_others) = if is_green { (sides, own, upright) } else { (own, cross, corners) };
    if has_red { [of_others, green, of_row] } else { [of_row, green, of_others] }
}

fn mean(values: [u8; 2]) -> u8 {
    values[0].midpoint(values[1])
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of bytes is one")]
fn mean_of_four(values: [u8; 4]) -> u8 {
    (values.iter().map(|value| u16::from(*value)).sum::<u16>() / 4) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::frame::{Geometry, PixelFormat};

    use super::*;

    const ALL: [Pattern; 4] = [Pattern::Rggb, Pattern::Grbg, Pattern::Gbrg, Pattern::Bggr];
    const BLUE: usize = 0;
    const GREEN: usize = 1;
    const RED: usize = 2;

    /// The colour that a pattern has at a place, from its name.
    fn colour(pattern: Pattern, x: usize, y: usize) -> usize {
        let name = format!("{pattern:?}").to_uppercase();
        match name.as_bytes()[y % 2 * 2 + x % 2] {
            b'R' => RED,
            b'G' => GREEN,
            _ => BLUE,
        }
    }

    /// A picture as a sensor sees it, with some bytes behind each row.
    fn seen(
        pattern: Pattern,
        (width, height): (usize, usize),
        padding: usize,
        of: impl Fn(usize, usize) -> [u8; 3],
    ) -> Vec<u8> {
        let row = |y: usize| {
            let pixels = (0..width).map(move |x| (x, y)).map(|(x, y)| of(x, y)[colour(pattern, x, y)]);
            pixels.chain(std::iter::repeat_n(0xEE, padding)).collect::<Vec<u8>>()
        };
        (0..height).flat_map(row).collect()
    }

    /// The pixels that a pattern's picture is turned into, row by row.
    fn turned(
        pattern: Pattern,
        (width, height): (usize, usize),
        padding: usize,
        from: &[u8],
    ) -> Vec<Vec<[u8; 3]>> {
        let side = |pixels: usize| u32::try_from(pixels).unwrap();
        let geometry = Geometry::new(side(width), side(height), PixelFormat::BGR24).unwrap();
        let plane = geometry.planes()[0];
        let mut frame = vec![0; geometry.frame_bytes()];
        pattern.write(from, width + padding, &plane, &mut frame);
        (0..height).map(|y| plane.row(&frame, y).as_chunks::<3>().0.to_vec()).collect()
    }

    #[test]
    fn a_picture_of_one_colour_has_it_everywhere() {
        for pattern in ALL {
            for size in [(2, 2), (3, 2), (2, 5), (7, 5), (64, 48)] {
                let colour = [10, 120, 250];
                let from = seen(pattern, size, 3, |_, _| colour);
                let pixels = turned(pattern, size, 3, &from);
                assert!(
                    pixels.iter().flatten().all(|pixel| *pixel == colour),
                    "{pattern:?} {size:?} {pixels:?}"
                );
            }
        }
    }

    #[test]
    fn values_that_rise_evenly_are_right_within_the_picture() {
        let of = |x: usize, y: usize| {
            [x * 2 + y * 4, x * 4 + y * 2 + 9, 200 - x * 2 - y * 2].map(|v| u8::try_from(v).unwrap())
        };
        for pattern in ALL {
            let size = (16, 12);
            let pixels = turned(pattern, size, 0, &seen(pattern, size, 0, of));
            for (y, row) in pixels.iter().enumerate().take(11).skip(1) {
                for (x, pixel) in row.iter().enumerate().take(15).skip(1) {
                    assert_eq!(*pixel, of(x, y), "{pattern:?} {x} {y}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn each_pixel_keeps_the_value_that_was_measured(
            width in 1_usize..9, height in 1_usize..9, padding in 0_usize..3, values in proptest::collection::vec(any::<u8>(), 99),
        ) {
            for pattern in ALL {
                let from: Vec<u8> = values.iter().copied().cycle().take(height * (width + padding)).collect();
                let pixels = turned(pattern, (width, height), padding, &from);
                for (y, row) in pixels.iter().enumerate() {
                    for (x, pixel) in row.iter().enumerate() {
                        prop_assert_eq!(pixel[colour(pattern, x, y)], from[y * (width + padding) + x]);
                    }
                }
            }
        }
    }
}
