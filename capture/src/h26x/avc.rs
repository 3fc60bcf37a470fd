//! The little that is needed of H.264's parameter sets and slices (ITU-T H.264, 7.3.2.1.1, 7.3.2.2, 7.3.3).

use super::bits::Bits;
use super::picture::{Fields, Header, Order, Pps, Sps, StreamPicture, cropped, shape_and_colours, ticks};

/// Reads a sequence parameter set. `unit` is its NAL unit without start code. `None` for one that is damaged.
pub(super) fn sps(unit: &[u8]) -> Option<Sps> {
    let mut bits = Bits::of(unit.get(1..)?);
    let profile = bits.bits(8)?;
    let constraints = bits.bits(8)?;
    // Level.
    bits.bits(8)?;
    let id = bits.at_most(31)?;
    let (chroma, has_separate_planes) =
        if has_chroma_format(profile) { chroma_format(&mut bits)? } else { (1, false) };
    let frame_number_bits = bits.at_most(12)? + 4;
    let (order_bits, shown_as_decoded) = order_of_showing(&mut bits)?;
    let references = bits.unsigned()?;
    // Gaps in the numbers of frames.
    bits.flag()?;
    let (columns, rows) = (bits.unsigned()?.checked_add(1)?, bits.unsigned()?.checked_add(1)?);
    let is_progressive = bits.flag()?;
    if !is_progressive {
        bits.flag()?;
    }
    // Direct inference.
    bits.flag()?;
    let fields = if is_progressive { 1 } else { 2 };
    let coded = (columns.checked_mul(16)?, rows.checked_mul(16)?.checked_mul(fields)?);
    let size = if bits.flag()? {
        // The unit of cropping: pixels of the colour planes, and of both fields.
        let across = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let down = (if chroma == 1 { 2 } else { 1 }) * fields;
        cropped(&mut bits, coded, (across, down))?
    } else {
        coded
    };
    if size.0 == 0 || size.1 == 0 {
        return None;
    }
    let mut picture = StreamPicture { size, ..StreamPicture::default() };
    let mut reordered = None;
    if bits.flag()? {
        // A set that ends here still has a size.
        reordered = usability(&mut bits, &mut picture);
    }
    let order = match reordered {
        _ if shown_as_decoded || has_no_b_pictures(profile, constraints) => Order::AsDecoded,
        Some(0) => Order::AsDecoded,
        Some(_) => Order::Another,
        None => Order::Unsaid,
    };
    picture.reorders = order == Order::Another;
    let fields = if is_progressive { Fields::None } else { Fields::BySlice };
    Some(Sps { id, picture, order, order_bits, frame_number_bits, has_separate_planes, references, fields })
}

/// More bytes than stand in a slice before the place of its picture in the order of showing.
const SLICE_BYTES: usize = 40;

/// Reads a picture parameter set.
pub(super) fn pps(unit: &[u8]) -> Option<Pps> {
    let mut bits = Bits::of(unit.get(1..)?);
    Some(Pps { id: bits.at_most(255)?, sps: bits.at_most(31)?, extra_bits: 0, says_output: false })
}

/// The number of the picture parameter set that a slice needs.
pub(super) fn pps_of_slice(slice: &[u8]) -> Option<u32> {
    let mut bits = Bits::of(slice.get(1..slice.len().min(SLICE_BYTES))?);
    // The first macroblock, and the slice's type.
    bits.unsigned()?;
    bits.unsigned()?;
    bits.unsigned()
}

/// Does the slice need no other picture?
pub(super) fn is_intra(slice: &[u8]) -> bool {
    let kind = || {
        let mut bits = Bits::of(slice.get(1..slice.len().min(SLICE_BYTES))?);
        bits.unsigned()?;
        bits.unsigned()
    };
    // I and SI, and the same where all slices of the picture are so.
    matches!(kind(), Some(2 | 4 | 7 | 9))
}

/// Reads a slice's header as far as the picture's place in the order of showing.
pub(super) fn header(slice: &[u8], sps: &Sps) -> Option<Header> {
    let is_key = slice.first()? & 0x1F == 5;
    let mut bits = Bits::of(slice.get(1..slice.len().min(SLICE_BYTES))?);
    for _ in 0..3 {
        bits.unsigned()?;
    }
    if sps.has_separate_planes {
        bits.skip(2)?;
    }
    let frame_number = bits.bits(sps.frame_number_bits)?;
    let mut is_field = false;
    if sps.fields == Fields::BySlice {
        is_field = bits.flag()?;
        if is_field {
            bits.flag()?;
        }
    }
    if is_key {
        bits.unsigned()?;
    }
    let order = bits.bits(sps.order_bits)?;
    Some(Header { is_intra: is_intra(slice), is_field, frame_number, order })
}

/// The profiles whose sets say how their colours are stored; the others store them at half size.
fn has_chroma_format(profile: u32) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

/// Baseline has none, and neither have the profiles of pictures that stand alone.
fn has_no_b_pictures(profile: u32, constraints: u32) -> bool {
    let only_intra = constraints & 0x10 != 0;
    profile == 66 || profile == 44 || (only_intra && matches!(profile, 100 | 110 | 122 | 244))
}

/// Reads the format of colours and whether each is coded as a picture of its own, and passes over what stands with them.
fn chroma_format(bits: &mut Bits<'_>) -> Option<(u32, bool)> {
    let chroma = bits.at_most(3)?;
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

/// Reads how slices say the order of showing: the bits of the number that they have for it, and whether that order is the one
/// of decoding.
fn order_of_showing(bits: &mut Bits<'_>) -> Option<(u32, bool)> {
    match bits.unsigned()? {
        0 => Some((bits.at_most(12)? + 4, false)),
        1 => {
            bits.flag()?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.at_most(255)? {
                bits.signed()?;
            }
            Some((0, false))
        }
        2 => Some((0, true)),
        _ => None,
    }
}

/// Reads the usability information up to how many pictures change their order, which it gives.
fn usability(bits: &mut Bits<'_>, picture: &mut StreamPicture) -> Option<u32> {
    shape_and_colours(bits, &mut picture.tags)?;
    if bits.flag()? {
        // A tick is a field's time.
        picture.rate = ticks(bits)?.map(|rate| rate / 2.0);
        // A fixed rate.
        bits.flag()?;
    }
    let has_decoder_model = (pass_decoder_model(bits)?, pass_decoder_model(bits)?);
    if has_decoder_model != (false, false) {
        bits.flag()?;
    }
    // Structure of pictures in remarks.
    bits.flag()?;
    if !bits.flag()? {
        return None;
    }
    // Vectors beyond the edge, the largest picture and macroblock, the longest vectors.
    bits.flag()?;
    for _ in 0..4 {
        bits.unsigned()?;
    }
    bits.unsigned()
}

/// Passes over the parameters of a hypothetical decoder, if they are there.
fn pass_decoder_model(bits: &mut Bits<'_>) -> Option<bool> {
    if !bits.flag()? {
        return Some(false);
    }
    let rates = bits.at_most(31)?;
    bits.skip(8)?;
    for _ in 0..=rates {
        bits.unsigned()?;
        bits.unsigned()?;
        bits.flag()?;
    }
    bits.skip(20)?;
    Some(true)
}

#[cfg(test)]
mod tests;
