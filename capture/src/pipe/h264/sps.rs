//! The little that is needed of H.264's parameter sets and slices (ITU-T H.264, 7.3.2.1.1, 7.3.2.2, 7.3.3): their numbers, the
//! size of the pictures, their rate, what they say of their colours, and whether they are fields.

use proto::frame::{PictureTags, PixelShape, Range};

/// A sequence parameter set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sps {
    pub(super) id: u32,
    /// Width and height of the pictures that are shown, in pixels.
    pub(super) size: (u32, u32),
    /// Frames a second, if it says so.
    pub(super) rate: Option<f64>,
    pub(super) tags: PictureTags,
    /// The bits of a frame's number in a slice.
    frame_number_bits: u32,
    has_separate_planes: bool,
    /// No picture is a single field.
    is_progressive: bool,
}

impl Sps {
    /// Reads one. `unit` is its NAL unit without start code. `None` for one that is damaged.
    pub(super) fn parse(unit: &[u8]) -> Option<Self> {
        let plain = unescaped(unit.get(1..)?);
        let mut bits = Bits { bytes: &plain, at: 0 };
        let profile = bits.bits(8)?;
        // Constraints and level.
        bits.bits(16)?;
        let id = bits.unsigned().filter(|id| *id < 32)?;
        let (chroma, has_separate_planes) =
            if has_chroma_format(profile) { chroma_format(&mut bits)? } else { (1, false) };
        let frame_number_bits = bits.unsigned().filter(|bits| *bits <= 12)? + 4;
        let (columns, rows, is_progressive) = picture_size(&mut bits)?;
        let (mut width, mut height) = (columns.checked_mul(16)?, rows.checked_mul(16)?);
        if bits.flag()? {
            // The unit of cropping: pixels of the colour planes, and of both fields.
            let across = if matches!(chroma, 1 | 2) { 2 } else { 1 };
            let down = (if chroma == 1 { 2 } else { 1 }) * if is_progressive { 1 } else { 2 };
            let mut sum = |unit: u32| -> Option<u32> {
                bits.unsigned()?.checked_add(bits.unsigned()?)?.checked_mul(unit)
            };
            (width, height) = (width.checked_sub(sum(across)?)?, height.checked_sub(sum(down)?)?);
        }
        if width == 0 || height == 0 {
            return None;
        }
        let (mut rate, mut tags) = (None, PictureTags::default());
        if bits.flag()? {
            // A set that ends here still has a size.
            let _ = usability(&mut bits, &mut rate, &mut tags);
        }
        let size = (width, height);
        Some(Self { id, size, rate, tags, frame_number_bits, has_separate_planes, is_progressive })
    }

    /// Is the picture that this slice begins a single field?
    pub(super) fn is_field(&self, slice: &[u8]) -> bool {
        let is_field = || {
            let plain = unescaped(slice.get(1..slice.len().min(SLICE_BYTES))?);
            let mut bits = Bits { bytes: &plain, at: 0 };
            for _ in 0..3 {
                bits.unsigned()?;
            }
            bits.bits(if self.has_separate_planes { 2 } else { 0 } + self.frame_number_bits)?;
            bits.flag()
        };
        !self.is_progressive && is_field() == Some(true)
    }
}

/// More bytes than stand in a slice before the mark of a field.
const SLICE_BYTES: usize = 24;

/// The numbers of a picture parameter set, and of the sequence parameter set that it belongs to.
pub(super) fn pps_ids(unit: &[u8]) -> Option<(u32, u32)> {
    let plain = unescaped(unit.get(1..unit.len().min(SLICE_BYTES))?);
    let mut bits = Bits { bytes: &plain, at: 0 };
    Some((bits.unsigned().filter(|id| *id < 256)?, bits.unsigned().filter(|id| *id < 32)?))
}

/// The number of the picture parameter set that a slice needs.
pub(super) fn pps_of_slice(slice: &[u8]) -> Option<u32> {
    let plain = unescaped(slice.get(1..slice.len().min(SLICE_BYTES))?);
    let mut bits = Bits { bytes: &plain, at: 0 };
    // The first macroblock, and the slice's type.
    bits.unsigned()?;
    bits.unsigned()?;
    bits.unsigned()
}

/// The profiles whose sets say how their colours are stored; the others store them at half size.
fn has_chroma_format(profile: u32) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

/// Reads the format of colours and whether each is coded as a picture of its own, and passes over what stands with them.
fn chroma_format(bits: &mut Bits<'_>) -> Option<(u32, bool)> {
    let chroma = bits.unsigned().filter(|format| *format <= 3)?;
    let has_separate_planes = chroma == 3 && bits.flag()?;
    // Bit depths, and lossless coding.
    bits.unsigned()?;
    bits.unsigned()?;
    bits.flag()?;
    if bits.flag()? {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.flag()? {
                pass_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some((if has_separate_planes { 0 } else { chroma }, has_separate_planes))
}

fn pass_scaling_list(bits: &mut Bits<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = i32::wrapping_add(last, bits.signed()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// Columns and rows of macroblocks, and whether no picture is made of fields.
fn picture_size(bits: &mut Bits<'_>) -> Option<(u32, u32, bool)> {
    // The order in which pictures are shown.
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.flag()?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.unsigned().filter(|count| *count <= 255)? {
                bits.signed()?;
            }
        }
        2 => {}
        _ => return None,
    }
    // Reference frames, and gaps in the numbers of frames.
    bits.unsigned()?;
    bits.flag()?;
    let columns = bits.unsigned()?.checked_add(1)?;
    let rows = bits.unsigned()?.checked_add(1)?;
    let is_progressive = bits.flag()?;
    if !is_progressive {
        bits.flag()?;
    }
    // Direct inference.
    bits.flag()?;
    Some((columns, rows.checked_mul(if is_progressive { 1 } else { 2 })?, is_progressive))
}

/// The shapes of pixels by number (table E-1).
const SHAPES: [(u64, u64); 17] = [
    (0, 0),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];
/// The number for a shape that is written out.
const WRITTEN_OUT: u32 = 255;

/// Reads the usability information up to the rate.
fn usability(bits: &mut Bits<'_>, rate: &mut Option<f64>, tags: &mut PictureTags) -> Option<()> {
    if bits.flag()? {
        let (width, height) = match bits.bits(8)? {
            WRITTEN_OUT => (bits.bits(16)?.into(), bits.bits(16)?.into()),
            number => SHAPES.get(number as usize).copied().unwrap_or_default(),
        };
        tags.pixel_shape = PixelShape::new(width, height);
    }
    // Overscan.
    if bits.flag()? {
        bits.flag()?;
    }
    if bits.flag()? {
        bits.bits(3)?;
        tags.range = if bits.flag()? { Range::Full } else { Range::Limited };
        if bits.flag()? {
            let mut number = || bits.bits(8).and_then(|number| u8::try_from(number).ok());
            (tags.primaries, tags.transfer, tags.matrix) = (number()?, number()?, number()?);
        }
    }
    // The place of the colours' samples.
    if bits.flag()? {
        bits.unsigned()?;
        bits.unsigned()?;
    }
    if bits.flag()? {
        let (units, scale) = (bits.bits(32)?, bits.bits(32)?);
        // A tick is a field's time.
        *rate = (units > 0 && scale > 0).then(|| f64::from(scale) / f64::from(units) / 2.0);
    }
    Some(())
}

/// The bytes of a NAL unit without those that keep start codes out of it (emulation prevention, 7.4.1).
fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for &byte in unit {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

/// Bits, the highest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// A number of up to 32 bits.
    fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |number: u32, _| Some(number << 1 | u32::from(self.flag()?)))
    }

    /// `ue(v)`: as many zeros as bits that follow the one behind them.
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// `se(v)`: 0, 1, -1, 2, -2 …
    fn signed(&mut self) -> Option<i32> {
        let number = i64::from(self.unsigned()?);
        let half = (number + 1) / 2;
        i32::try_from(if number % 2 == 1 { half } else { -half }).ok()
    }
}

#[cfg(test)]
mod tests;
