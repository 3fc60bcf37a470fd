//! The frame stamp: a frame's camera and number, drawn into its pixels. `docs/frame-stamp.md` defines it.

use proto::frame::{Geometry, PixelFormat};

const COLUMNS: usize = 16;
const ROWS: usize = 4;
const BLOCK_PIXELS: usize = 16;
/// The size of a stamp, in pixels.
pub(super) const WIDTH: usize = COLUMNS * BLOCK_PIXELS;
pub(super) const HEIGHT: usize = ROWS * BLOCK_PIXELS;
const MAGIC: u64 = 0xB4D2;
/// The luma of a 1, of a 0, and the colour of both.
pub(super) const ONE: u8 = 235;
pub(super) const ZERO: u8 = 16;
pub(super) const NEUTRAL: u8 = 128;

/// The stamp's 64 bits.
#[must_use]
pub fn bits(camera_index: u8, source_sequence: u64) -> u64 {
    // The page keeps the sequence modulo 2^32.
    let sequence = source_sequence & 0xFFFF_FFFF;
    let body = (u64::from(camera_index) << 32) | sequence;
    let crc = body.to_be_bytes()[3..].iter().fold(0, |crc, byte| crc8(crc ^ byte));
    MAGIC << 48 | body << 8 | u64::from(crc)
}

/// Does one step of CRC-8 with polynomial 0x07.
fn crc8(byte: u8) -> u8 {
    (0..8).fold(byte, |c, _| if c & 0x80 == 0 { c << 1 } else { (c << 1) ^ 0x07 })
}

/// The top left pixels of a frame's stamps: in the top-left corner of a frame, which is at least 256 x 64 pixels; and then,
/// where there is room below it, in the bottom-right corner too: a frame whose two stamps differ is made of two.
pub(super) fn corners((width, height): (usize, usize)) -> impl Iterator<Item = (usize, usize)> {
    // Even, so that subsampled colour starts at the same place.
    let second = (height >= 2 * HEIGHT).then(|| ((width - WIDTH) & !1, (height - HEIGHT) & !1));
    [(0, 0)].into_iter().chain(second)
}

/// The bit that a stamp of these bits shows at a pixel, counted from the stamp's top left one; `None` beside the stamp.
pub(super) fn bit(bits: u64, (x, y): (usize, usize)) -> Option<bool> {
    (x < WIDTH && y < HEIGHT).then(|| {
        let place = y / BLOCK_PIXELS * COLUMNS + x / BLOCK_PIXELS;
        bits >> (63 - place) & 1 == 1
    })
}

/// Draws the stamp into a frame, at each of its corners.
pub fn draw(frame: &mut [u8], geometry: &Geometry, bits: u64) {
    for corner in corners((geometry.width() as usize, geometry.height() as usize)) {
        draw_at(frame, geometry, bits, corner);
    }
}

fn draw_at(frame: &mut [u8], geometry: &Geometry, bits: u64, (left, top): (usize, usize)) {
    let [first, second, third] = geometry.planes();
    for block_row in 0..ROWS {
        let mut lumas = [ZERO; COLUMNS];
        for (column, luma) in lumas.iter_mut().enumerate() {
            if bits >> (63 - (block_row * COLUMNS + column)) & 1 == 1 {
                *luma = ONE;
            }
        }
        for row in block_row * BLOCK_PIXELS..(block_row + 1) * BLOCK_PIXELS {
            let line = first.row_mut(frame, top + row);
            match geometry.format() {
                PixelFormat::I420 | PixelFormat::NV12 | PixelFormat::GRAY8 => {
                    blocks(&mut line[left..], BLOCK_PIXELS, &lumas)
                }
                PixelFormat::BGR24 => blocks(&mut line[left * 3..], BLOCK_PIXELS * 3, &lumas),
                PixelFormat::YUYV => {
                    let line = &mut line[left * 2..];
                    blocks(line, BLOCK_PIXELS * 2, &lumas);
                    let stamped = &mut line[..COLUMNS * BLOCK_PIXELS * 2];
                    stamped.iter_mut().skip(1).step_by(2).for_each(|chroma| *chroma = NEUTRAL);
                }
                // PixelFormat is non-exhaustive. A new format is stamped here; until then no camera can have it.
                _ => {}
            }
        }
    }
    for row in top / 2..(top + ROWS * BLOCK_PIXELS) / 2 {
        match geometry.format() {
            PixelFormat::I420 => {
                second.row_mut(frame, row)[left / 2..][..COLUMNS * BLOCK_PIXELS / 2].fill(NEUTRAL);
                third.row_mut(frame, row)[left / 2..][..COLUMNS * BLOCK_PIXELS / 2].fill(NEUTRAL);
            }
            PixelFormat::NV12 => second.row_mut(frame, row)[left..][..COLUMNS * BLOCK_PIXELS].fill(NEUTRAL),
            _ => {}
        }
    }
}

fn blocks(line: &mut [u8], block_bytes: usize, lumas: &[u8; COLUMNS]) {
    for (block, luma) in line.chunks_exact_mut(block_bytes).zip(lumas) {
        block.fill(*luma);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_crc_8_is_the_published_one() {
        // CRC-8/SMBUS: polynomial 0x07, initial 0, no reflection; "123456789" gives 0xF4.
        assert_eq!(b"123456789".iter().fold(0, |crc, byte| crc8(crc ^ byte)), 0xF4);
    }

    #[test]
    fn every_format_carries_the_bits_in_its_luma() {
        for format in PixelFormat::ALL {
            let geometry = Geometry::new(322, 130, format).unwrap();
            let mut frame = vec![99; geometry.frame_bytes()];
            let bits = bits(3, 0x1_2345_6789);
            draw(&mut frame, &geometry, bits);
            let step = match format {
                PixelFormat::YUYV => 2,
                PixelFormat::BGR24 => 3,
                _ => 1,
            };
            for (left, top) in [(0, 0), (66, 66)] {
                let read = (0..64).fold(0_u64, |read, n| {
                    let x = left + n % COLUMNS * BLOCK_PIXELS + 8;
                    let y = top + n / COLUMNS * BLOCK_PIXELS + 8;
                    read << 1 | u64::from(geometry.planes()[0].row(&frame, y)[x * step] > 128)
                });
                assert_eq!(read, bits, "{format} at {left}, {top}");
            }
            assert_eq!((bits >> 48, bits >> 40 & 0xFF, bits >> 8 & 0xFFFF_FFFF), (0xB4D2, 3, 0x2345_6789));
        }
    }
}
