//! A simulated camera's JPEGs, put together from pieces that are made once: baseline, 4:2:0, with a restart interval of one
//! MCU (16 x 16 pixels), so that each MCU stands for itself. The tables are chosen so that every MCU has the same number of
//! bytes. A frame is then one copy of the scene, and the pieces of the stamp over it.
//!
//! - DC coefficients count in steps of one luma, and each has ten bits: a code of `10 - n` bits in front of `n` bits.
//! - AC coefficients only fill an MCU up to its size. Their steps are the smallest, so they are grain in the picture.
//! - No byte of an MCU is 0xFF, so none has to be escaped: the codes leave no room for eight ones in a row.

use super::bits::BitWriter;
use super::scene;
use super::stamp;

/// Pixels of an MCU's side, and of a block's.
const MCU: usize = 16;
const BLOCK: usize = 8;
/// A marker behind each MCU.
const MARKER_BYTES: usize = 2;
/// The luma and the colour whose DC coefficient is 0.
const MIDDLE: u8 = 128;
/// Bits of a DC coefficient, and the code of a block's end.
const DC_BITS: u32 = 10;
const END_OF_BLOCK: (u64, u32) = (0b01, 2);
/// Bits of an AC coefficient of 1 or -1, and of one of 8 to 15 or its negative.
const SMALL_BITS: usize = 3;
const LARGE_BITS: usize = 7;
/// Four blocks of luma, one of each colour.
const BLOCKS: usize = 6;
/// Bits of an MCU without AC coefficients.
const BARE_BITS: usize = BLOCKS * (DC_BITS as usize + END_OF_BLOCK.1 as usize);
/// AC coefficients that a block may have: one less than there are, so that its end is always written.
const COEFFICIENTS: usize = BLOCKS * 62;
/// The first coefficient of each block is a small one: its code begins with a 0, behind ones of the DC coefficient.
const MOST_BITS: usize = BARE_BITS + COEFFICIENTS * LARGE_BITS - BLOCKS * (LARGE_BITS - SMALL_BITS);
/// A comment's marker and length, and the most bytes that one has in all.
const COMMENT_BYTES: usize = 4;
const LONGEST_COMMENT: usize = 65_537;

/// Start of image, and the JFIF header.
const START: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0];
const END: [u8; MARKER_BYTES] = [0xFF, 0xD9];
/// The DC codes' table: how many codes have each length from 1 on, and the number of bits that each announces. The second
/// code of nine bits (15) is never used: without it the code behind it would have eight ones in a row.
const DC_TABLE: &[u8] =
    &[0x00, 0, 1, 1, 1, 1, 1, 1, 1, 2, 1, 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 15, 0];
/// The AC codes' table: 00 is a coefficient of one bit, 01 the block's end, 100 a coefficient of four bits.
const AC_TABLE: &[u8] = &[0x10, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00, 0x04];
/// The three components: number, samples of an MCU across and down, quantisation table.
const COMPONENTS: &[u8] = &[3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0];
/// The scan: each component with both tables 0, and all coefficients.
const SCAN: &[u8] = &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0];

/// The content of a block: none of the stamp, its 0 or its 1. An MCU's four blocks are a number in base 3.
const SHADES: [u8; 3] = [MIDDLE, stamp::ZERO, stamp::ONE];
const MCUS_OF_SHADES: usize = 81;

/// The pieces of one camera's JPEGs.
pub struct JpegPieces {
    size: (usize, usize),
    /// MCUs across and down.
    columns: usize,
    rows: usize,
    /// Bytes of an MCU, its marker included.
    mcu_bytes: usize,
    /// Tables and headers between the comments and the scan.
    tables: Vec<u8>,
    /// The scene: a multiple of eight MCUs, at least as many as a frame has, so that the markers' numbers go round.
    scene: Vec<u8>,
    /// The MCUs of all choices of four [`SHADES`], without a marker.
    shades: Vec<Vec<u8>>,
    black: Vec<u8>,
    /// Bytes of comments in every frame, and the most that a frame may have besides.
    comments: usize,
    spare: usize,
}

impl JpegPieces {
    /// The pieces of the camera of this name, whose frames have up to a twentieth less than `frame_bytes`; more only if a
    /// frame of this size takes more.
    #[must_use]
    pub fn new(size: (u32, u32), name: &str, frame_bytes: usize) -> Self {
        let (columns, rows) = (size.0.div_ceil(16) as usize, size.1.div_ceil(16) as usize);
        let tables = tables(size);
        let wanted = frame_bytes - frame_bytes / 20;
        let for_mcus = wanted.saturating_sub(START.len() + tables.len());
        let mcu_bytes =
            (for_mcus / (columns * rows)).clamp(BARE_BITS / 8 + MARKER_BYTES, MOST_BITS / 8 + MARKER_BYTES);
        let piece_bytes = mcu_bytes - MARKER_BYTES;
        let mut scene = Vec::new();
        for at in 0..(columns * rows).next_multiple_of(8) {
            let (luma, colours) = scene::mcu(name, at % columns * MCU, at / columns * MCU);
            scene.extend(mcu(luma, colours, at as u64, piece_bytes));
            scene.extend(marker(at));
        }
        let shade = |code: usize, block: u32| SHADES[code / 3_usize.pow(block) % 3];
        let shades = (0..MCUS_OF_SHADES).map(|code| {
            mcu([0, 1, 2, 3].map(|block| shade(code, block)), [MIDDLE; 2], code as u64, piece_bytes)
        });
        let mut this = Self {
            size: (size.0 as usize, size.1 as usize),
            columns,
            rows,
            mcu_bytes,
            scene,
            shades: shades.collect(),
            black: mcu([scene::BLACK; 4], [MIDDLE; 2], 0, piece_bytes),
            tables,
            comments: 0,
            spare: 0,
        };
        let bare = this.bytes_without_comments();
        this.comments = wanted.saturating_sub(bare);
        this.spare = frame_bytes.saturating_sub(bare + this.comments);
        this
    }

    fn bytes_without_comments(&self) -> usize {
        START.len() + self.tables.len() + self.columns * self.rows * self.mcu_bytes
    }

    /// The bytes of comments in frame `number`. They make a camera's frames differ in size, as real ones do.
    fn comments_in(&self, number: u64) -> usize {
        let spread = scene::mix(number) % (self.spare as u64 + 1);
        // Not more than `spare`, which is a usize.
        let bytes = self.comments + usize::try_from(spread).unwrap_or(0);
        if bytes < COMMENT_BYTES { 0 } else { bytes }
    }

    /// The bytes of frame `number`.
    #[must_use]
    pub fn bytes(&self, number: u64) -> usize {
        self.bytes_without_comments() + self.comments_in(number)
    }

    /// Writes frame `number` with these bits as its stamp, and says how many bytes it has.
    ///
    /// # Panics
    /// When `frame` has less than [`JpegPieces::bytes`].
    pub fn draw(&self, frame: &mut [u8], number: u64, bits: u64) -> usize {
        let (total, mcus) = (self.scene.len() / self.mcu_bytes, self.columns * self.rows);
        // Eight MCUs further with each frame: the numbers of the markers repeat after eight. Less than a usize.
        let turn = usize::try_from(number % (total as u64 / 8)).unwrap_or(0) * 8;
        let body = self.begin(frame, number);
        let at_once = (total - turn).min(mcus) * self.mcu_bytes;
        let (first, rest) = frame[body..][..mcus * self.mcu_bytes].split_at_mut(at_once);
        first.copy_from_slice(&self.scene[turn * self.mcu_bytes..][..at_once]);
        rest.copy_from_slice(&self.scene[..rest.len()]);
        for corner in stamp::corners(self.size) {
            self.draw_stamp(&mut frame[body..], bits, corner);
        }
        self.end(frame, body)
    }

    /// Writes the frame of a camera with its lens cap on.
    ///
    /// # Panics
    /// When `frame` has less than [`JpegPieces::bytes`].
    pub fn draw_black(&self, frame: &mut [u8], number: u64) -> usize {
        let body = self.begin(frame, number);
        self.fill(&mut frame[body..], &self.black);
        self.end(frame, body)
    }

    /// Writes the frame of a camera that looks into a flash of light, with these bits as its stamp.
    ///
    /// # Panics
    /// When `frame` has less than [`JpegPieces::bytes`].
    pub fn draw_lit(&self, frame: &mut [u8], number: u64, bits: u64) -> usize {
        let body = self.begin(frame, number);
        // The last choice is four times the lightest shade.
        self.fill(&mut frame[body..], &self.shades[MCUS_OF_SHADES - 1]);
        for corner in stamp::corners(self.size) {
            self.draw_stamp(&mut frame[body..], bits, corner);
        }
        self.end(frame, body)
    }

    /// Writes this piece into every MCU.
    fn fill(&self, body: &mut [u8], with: &[u8]) {
        let mcus = body.chunks_exact_mut(self.mcu_bytes).take(self.columns * self.rows);
        for (at, to) in mcus.enumerate() {
            let (piece, behind) = to.split_at_mut(with.len());
            piece.copy_from_slice(with);
            behind.copy_from_slice(&marker(at));
        }
    }

    /// Writes everything in front of the MCUs, and says where they begin.
    fn begin(&self, frame: &mut [u8], number: u64) -> usize {
        let mut at = START.len();
        frame[..at].copy_from_slice(START);
        let mut left = self.comments_in(number);
        while left > 0 {
            // No comment is shorter than its own header.
            let bytes = if left > LONGEST_COMMENT { LONGEST_COMMENT.min(left - COMMENT_BYTES) } else { left };
            let [high, low] = u16::try_from(bytes - 2).unwrap_or(u16::MAX).to_be_bytes();
            let (header, text) = frame[at..at + bytes].split_at_mut(COMMENT_BYTES);
            header.copy_from_slice(&[0xFF, 0xFE, high, low]);
            text.fill(b' ');
            at += bytes;
            left -= bytes;
        }
        frame[at..at + self.tables.len()].copy_from_slice(&self.tables);
        at + self.tables.len()
    }

    fn end(&self, frame: &mut [u8], body: usize) -> usize {
        let end = body + self.columns * self.rows * self.mcu_bytes;
        frame[end - MARKER_BYTES..end].copy_from_slice(&END);
        end
    }

    /// Draws the stamp of these bits with its top left pixel at a corner.
    fn draw_stamp(&self, body: &mut [u8], bits: u64, (left, top): (usize, usize)) {
        let columns = left / MCU..(left + stamp::WIDTH).div_ceil(MCU).min(self.columns);
        for row in top / MCU..(top + stamp::HEIGHT).div_ceil(MCU).min(self.rows) {
            for column in columns.clone() {
                // A block shows the bit in which its centre lies. The pixels of a bit that are read are all in such blocks.
                let code = (0..4).rev().fold(0, |code, block| {
                    let x = column * MCU + block % 2 * BLOCK + BLOCK / 2;
                    let y = row * MCU + block / 2 * BLOCK + BLOCK / 2;
                    let bit = x.checked_sub(left).zip(y.checked_sub(top));
                    code * 3
                        + bit.and_then(|place| stamp::bit(bits, place)).map_or(0, |bit| 1 + usize::from(bit))
                });
                let piece = &self.shades[code];
                let at = (row * self.columns + column) * self.mcu_bytes;
                body[at..at + piece.len()].copy_from_slice(piece);
            }
        }
    }
}

/// The restart marker behind the MCU of this number.
fn marker(mcu: usize) -> [u8; MARKER_BYTES] {
    [0xFF, 0xD0 | (mcu % 8).to_le_bytes()[0]]
}

/// Tables and headers: quantisation, frame, codes, restart interval, scan.
fn tables(size: (u32, u32)) -> Vec<u8> {
    let mut tables = Vec::new();
    let mut segment = |kind: u8, parts: &[&[u8]]| {
        let bytes = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
        tables.extend([0xFF, kind]);
        tables.extend(u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes());
        parts.iter().for_each(|part| tables.extend_from_slice(part));
    };
    let mut steps = [1; 64];
    steps[0] = 8;
    segment(0xDB, &[&[0], &steps]);
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX).to_be_bytes();
    segment(0xC0, &[&[8], &side(size.1), &side(size.0), COMPONENTS]);
    segment(0xC4, &[DC_TABLE, AC_TABLE]);
    segment(0xDD, &[&[0, 1]]);
    segment(0xDA, &[SCAN]);
    tables
}

/// An MCU of these four lumas and two colours, in so many bytes. The grain is made from `seed`.
fn mcu(luma: [u8; 4], colours: [u8; 2], seed: u64, bytes: usize) -> Vec<u8> {
    let free = bytes * 8 - BARE_BITS;
    let coefficients = (free / SMALL_BITS).min(COEFFICIENTS);
    let large = free.saturating_sub(COEFFICIENTS * SMALL_BITS) / (LARGE_BITS - SMALL_BITS);
    let first_large = coefficients - large;
    let mut bits = BitWriter::default();
    let mut last = MIDDLE;
    let levels = luma.into_iter().chain(colours);
    for (block, level) in levels.enumerate() {
        let before = if block < luma.len() { std::mem::replace(&mut last, level) } else { MIDDLE };
        dc(&mut bits, i32::from(level) - i32::from(before));
        // Every sixth coefficient is this block's.
        for number in (block..coefficients).step_by(BLOCKS) {
            let grain = scene::mix(seed << 16 | number as u64);
            if number < first_large { bits.bits(grain & 1, 3) } else { bits.bits(0b100 << 4 | grain & 15, 7) }
        }
        bits.bits(END_OF_BLOCK.0, END_OF_BLOCK.1);
    }
    bits.align(true);
    bits.into_bytes()
}

/// A DC coefficient, as the difference to the one before it: its number of bits, and the bits.
fn dc(bits: &mut BitWriter, difference: i32) {
    let count = u32::BITS - difference.unsigned_abs().leading_zeros();
    if count == 0 {
        return bits.bits(0b10_0000_0000, DC_BITS);
    }
    // A zero, ones, a zero.
    bits.bits(((1 << (8 - count)) - 1) << 1, DC_BITS - count);
    let value = if difference < 0 { difference - 1 } else { difference };
    bits.bits(u64::from(value.cast_unsigned()), count);
}
