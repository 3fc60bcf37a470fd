//! The frame stamp: which frame this is, drawn into its top-left corner, and again into the bottom-right one.
//!
//! 16 x 4 blocks of 16 x 16 pixels, one bit each, most significant bit first: a magic number, the camera's
//! index, the source sequence and a CRC-8 over the last two. Blocks this large survive any sane CRF and 4:2:0.

use serde::Serialize;

/// Width of the stamp in pixels; a narrower frame can't carry one.
pub const WIDTH: usize = COLUMNS * BLOCK;
/// Height of the stamp in pixels.
pub const HEIGHT: usize = ROWS * BLOCK;

const COLUMNS: usize = 16;
const ROWS: usize = 4;
const BLOCK: usize = 16;
/// Only the inner 8 x 8 pixels are read: a codec rings at the edges of a block.
const INNER: std::ops::Range<usize> = 4..12;
const MAGIC: u16 = 0xB4D2;
const ONE: u8 = 235;
const ZERO: u8 = 16;
/// Halfway between black and white; full-range MJPEG moves both, but not across it.
const THRESHOLD: u32 = 128;

/// The numbers in a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stamp {
    /// The camera's position in the config's list, from 0.
    pub camera_index: u8,
    /// The camera's own frame number, modulo 2^32.
    pub source_sequence: u32,
}

impl Stamp {
    fn to_bits(self) -> u64 {
        let [magic_high, magic_low] = MAGIC.to_be_bytes();
        let payload = self.payload();
        let [camera, a, b, c, d] = payload;
        u64::from_be_bytes([magic_high, magic_low, camera, a, b, c, d, crc8(&payload)])
    }

    fn from_bits(bits: u64) -> Option<Self> {
        let [magic_high, magic_low, camera_index, a, b, c, d, crc] = bits.to_be_bytes();
        let stamp = Self { camera_index, source_sequence: u32::from_be_bytes([a, b, c, d]) };
        let whole = u16::from_be_bytes([magic_high, magic_low]) == MAGIC && crc8(&stamp.payload()) == crc;
        whole.then_some(stamp)
    }

    fn payload(self) -> [u8; 5] {
        let [a, b, c, d] = self.source_sequence.to_be_bytes();
        [self.camera_index, a, b, c, d]
    }
}

/// Reads the stamp of a luma plane of `width` x `height` pixels whose rows are `stride` bytes apart.
///
/// `None` when the plane is too small, or holds no whole stamp: a wrong magic number, a wrong CRC, or another frame's
/// stamp in the bottom-right corner is what a torn frame looks like. Frames too low for two stamps have one.
///
/// What this does not see: pixels between the two that are another frame's, above and below which all is well.
pub fn read(luma: &[u8], stride: usize, width: usize, height: usize) -> Option<Stamp> {
    if width < WIDTH || height < HEIGHT || stride < width {
        return None;
    }
    let first = read_at(luma, stride, (0, 0))?;
    match second_place(width, height) {
        Some(place) => read_at(luma, stride, place).filter(|second| *second == first),
        None => Some(first),
    }
}

fn read_at(luma: &[u8], stride: usize, (left, top): (usize, usize)) -> Option<Stamp> {
    let reach = (top + HEIGHT - 1).checked_mul(stride)?.checked_add(left + WIDTH)?;
    if luma.len() < reach {
        return None;
    }
    let bits = blocks().fold(0_u64, |bits, (x, y)| {
        let sum: u32 = INNER
            .flat_map(|dy| {
                let row = (top + y + dy) * stride + left + x;
                &luma[row + INNER.start..row + INNER.end]
            })
            .map(|&pixel| u32::from(pixel))
            .sum();
        let pixels = 64;
        bits << 1 | u64::from(sum > THRESHOLD * pixels)
    });
    Stamp::from_bits(bits)
}

/// The top-left pixel of the second stamp, where there is room below the first: even, as colour at half size needs it.
fn second_place(width: usize, height: usize) -> Option<(usize, usize)> {
    (height >= 2 * HEIGHT).then(|| ((width - WIDTH) & !1, (height - HEIGHT) & !1))
}

/// Draws `stamp` into a luma plane of `width` x `height` pixels whose rows are `stride` bytes apart.
///
/// # Panics
/// When the plane is smaller than [`WIDTH`] x [`HEIGHT`].
pub fn draw(luma: &mut [u8], stride: usize, width: usize, height: usize, stamp: Stamp) {
    let bits = stamp.to_bits();
    for (left, top) in std::iter::once((0, 0)).chain(second_place(width, height)) {
        for (place, (x, y)) in blocks().enumerate() {
            let one = bits << place >> 63 == 1;
            for row in top + y..top + y + BLOCK {
                luma[row * stride + left + x..][..BLOCK].fill(if one { ONE } else { ZERO });
            }
        }
    }
}

/// The top-left pixel of each block, row by row.
fn blocks() -> impl Iterator<Item = (usize, usize)> {
    (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (column * BLOCK, row * BLOCK)))
}

/// CRC-8 with polynomial 0x07, initial value 0, no reflection, no final xor.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIDE: usize = 320;
    const LINES: usize = 192;
    const STAMP: Stamp = Stamp { camera_index: 3, source_sequence: 0xDEAD_BEEF };

    fn stamped(stamp: Stamp) -> Vec<u8> {
        let mut luma = vec![77; STRIDE * LINES];
        draw(&mut luma, STRIDE, STRIDE, LINES, stamp);
        luma
    }

    fn look(luma: &[u8]) -> Option<Stamp> {
        read(luma, STRIDE, STRIDE, LINES)
    }

    #[test]
    fn the_crc_is_the_one_the_page_names() {
        // The published check value of CRC-8 (poly 0x07, init 0, no reflection, no xor).
        assert_eq!(crc8(b"123456789"), 0xF4);
    }

    #[test]
    fn the_first_blocks_spell_the_magic_number() {
        let luma = stamped(STAMP);
        let first_row: String =
            (0..16).map(|column| if luma[column * 16 + 8] == ONE { '1' } else { '0' }).collect();
        assert_eq!(first_row, "1011010011010010");
    }

    #[test]
    fn what_was_drawn_is_read_back() {
        for sequence in [0, 1, 59, 0x8000_0000, u32::MAX] {
            for camera_index in [0, 1, 255] {
                let stamp = Stamp { camera_index, source_sequence: sequence };
                assert_eq!(look(&stamped(stamp)), Some(stamp));
            }
        }
    }

    #[test]
    fn a_stamp_survives_noise() {
        let mut luma = stamped(STAMP);
        let mut noise = 12345_u32;
        for pixel in &mut luma {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let shift = i16::try_from(noise >> 25).unwrap() - 64;
            *pixel = u8::try_from((i16::from(*pixel) + shift).clamp(0, 255)).unwrap();
        }
        assert_eq!(look(&luma), Some(STAMP));
    }

    #[test]
    fn one_wrong_bit_anywhere_is_no_stamp() {
        for (x, y) in blocks() {
            let mut luma = stamped(STAMP);
            for row in y..y + BLOCK {
                luma[row * STRIDE + x..][..BLOCK].iter_mut().for_each(|pixel| *pixel = 251 - *pixel);
            }
            assert_eq!(look(&luma), None, "block at {x},{y}");
        }
    }

    #[test]
    fn a_frame_torn_inside_its_stamp_is_no_stamp() {
        let mut luma = stamped(STAMP);
        let next = stamped(Stamp { source_sequence: 0xDEAD_BEF0, ..STAMP });
        luma[STRIDE * 56..].copy_from_slice(&next[STRIDE * 56..]);
        assert_eq!(look(&luma), None);
    }

    #[test]
    fn a_frame_torn_anywhere_between_its_stamps_is_no_stamp() {
        let next = stamped(Stamp { source_sequence: 0xDEAD_BEF0, ..STAMP });
        for row in [HEIGHT, 100, LINES - HEIGHT, LINES - 8] {
            let mut luma = stamped(STAMP);
            luma[STRIDE * row..].copy_from_slice(&next[STRIDE * row..]);
            assert_eq!(look(&luma), None, "torn at row {row}");
        }
    }

    #[test]
    fn a_frame_too_low_for_two_stamps_has_one() {
        let mut luma = vec![77; STRIDE * 100];
        draw(&mut luma, STRIDE, STRIDE, 100, STAMP);
        assert_eq!(read(&luma, STRIDE, STRIDE, 100), Some(STAMP));
    }

    #[test]
    fn a_plane_too_small_for_a_stamp_holds_none() {
        let luma = stamped(STAMP);
        assert_eq!(read(&luma, STRIDE, WIDTH - 1, LINES), None);
        assert_eq!(read(&luma, STRIDE, STRIDE, HEIGHT - 1), None);
        assert_eq!(read(&luma[..STRIDE * 40], STRIDE, STRIDE, LINES), None);
        assert_eq!(read(&luma, usize::MAX, STRIDE, LINES), None);
        assert_eq!(read(&[], STRIDE, STRIDE, LINES), None);
    }

    #[test]
    fn an_unstamped_picture_holds_none() {
        assert_eq!(look(&vec![128; STRIDE * LINES]), None);
    }
}
