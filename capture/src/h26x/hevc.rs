//! The little that is needed of H.265's parameter sets and slices (ITU-T H.265, 7.3.2.1 to 7.3.2.3, 7.3.6.1).

mod references;

use super::bits::Bits;
use super::picture::{Fields, Header, Order, Pps, Sps, StreamPicture, cropped, shape_and_colours, ticks};

/// Of a NAL unit's header.
const HEADER_BYTES: usize = 2;

/// The number of a video parameter set. `unit` is its NAL unit without start code.
pub(super) fn vps_id(unit: &[u8]) -> Option<u32> {
    Bits::of(unit.get(HEADER_BYTES..)?).bits(4)
}

/// Reads a sequence parameter set. `None` for one that is damaged.
pub(super) fn sps(unit: &[u8]) -> Option<Sps> {
    let mut bits = Bits::of(unit.get(HEADER_BYTES..)?);
    // The number of its video parameter set.
    bits.skip(4)?;
    let layers = bits.bits(3).filter(|layers| *layers <= 6)?;
    bits.flag()?;
    pass_profile_and_levels(&mut bits, layers)?;
    let id = bits.at_most(15)?;
    let chroma = bits.at_most(3)?;
    let has_separate_planes = chroma == 3 && bits.flag()?;
    let coded = (bits.unsigned()?, bits.unsigned()?);
    let size = if bits.flag()? {
        let unit = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        cropped(&mut bits, coded, unit)?
    } else {
        coded
    };
    if size.0 == 0 || size.1 == 0 {
        return None;
    }
    // Bit depths.
    bits.unsigned()?;
    bits.unsigned()?;
    let order_bits = bits.at_most(12)? + 4;
    // Of each layer or of the last alone; the last one is decoded.
    let (mut references, mut reordered) = (0, 0);
    for _ in if bits.flag()? { 0 } else { layers }..=layers {
        (references, reordered) = (bits.unsigned()?, bits.unsigned()?);
        bits.unsigned()?;
    }
    let order = if reordered > 0 { Order::Another } else { Order::AsDecoded };
    let mut picture = StreamPicture { size, reorders: reordered > 0, ..StreamPicture::default() };
    // A set that ends in here still has a size.
    let is_field = pass_to_usability(&mut bits, order_bits).and_then(|()| usability(&mut bits, &mut picture));
    let fields = if is_field == Some(true) { Fields::All } else { Fields::None };
    Some(Sps {
        id,
        picture,
        order,
        order_bits,
        frame_number_bits: 0,
        has_separate_planes,
        references,
        fields,
    })
}

/// Reads a picture parameter set.
pub(super) fn pps(unit: &[u8]) -> Option<Pps> {
    let mut bits = Bits::of(unit.get(HEADER_BYTES..)?);
    let (id, sps) = (bits.at_most(63)?, bits.at_most(15)?);
    // Slices that depend on others.
    bits.flag()?;
    Some(Pps { id, sps, says_output: bits.flag()?, extra_bits: bits.bits(3)? })
}

/// More bytes than stand in a slice before the place of its picture in the order of showing.
const SLICE_BYTES: usize = 24;

/// The bits of a picture's first slice behind the number of its picture parameter set, and that number.
fn slice(unit: &[u8]) -> Option<(u32, Bits<'_>)> {
    let number = unit.first()? >> 1 & 0x3F;
    let mut bits = Bits::of(unit.get(HEADER_BYTES..unit.len().min(SLICE_BYTES))?);
    if !bits.flag()? {
        return None;
    }
    if (16..=23).contains(&number) {
        bits.flag()?;
    }
    Some((bits.at_most(63)?, bits))
}

/// The number of the picture parameter set that a picture's first slice needs.
pub(super) fn pps_of_slice(unit: &[u8]) -> Option<u32> {
    slice(unit).map(|(pps, _)| pps)
}

/// Reads the header of a picture's first slice as far as the picture's place in the order of showing.
pub(super) fn header(unit: &[u8], sps: &Sps, pps: &Pps) -> Option<Header> {
    let number = unit.first()? >> 1 & 0x3F;
    let (_, mut bits) = slice(unit)?;
    bits.skip(pps.extra_bits)?;
    let is_intra = bits.unsigned()? == 2;
    if pps.says_output {
        bits.flag()?;
    }
    if sps.has_separate_planes {
        bits.skip(2)?;
    }
    let is_key = matches!(number, 19 | 20);
    let order = if is_key { 0 } else { bits.bits(sps.order_bits)? };
    Some(Header { is_intra, is_field: sps.fields == Fields::All, frame_number: 0, order })
}

/// Passes over profile, tier and level of a stream with so many layers of rates above the lowest.
fn pass_profile_and_levels(bits: &mut Bits<'_>, layers: u32) -> Option<()> {
    const PROFILE_BITS: u32 = 88;
    const LEVEL_BITS: u32 = 8;
    bits.skip(PROFILE_BITS + LEVEL_BITS)?;
    let mut parts = 0;
    for _ in 0..layers {
        let (profile, level) = (bits.flag()?, bits.flag()?);
        parts += if profile { PROFILE_BITS } else { 0 } + if level { LEVEL_BITS } else { 0 };
    }
    if layers > 0 {
        bits.skip(2 * (8 - layers))?;
    }
    bits.skip(parts)
}

/// Passes over everything between the order of pictures and the usability information.
fn pass_to_usability(bits: &mut Bits<'_>, order_bits: u32) -> Option<()> {
    // Sizes of blocks, and depths of their trees.
    for _ in 0..6 {
        bits.unsigned()?;
    }
    if bits.flag()? && bits.flag()? {
        pass_scaling_lists(bits)?;
    }
    bits.skip(2)?;
    // Blocks that aren't coded.
    if bits.flag()? {
        bits.skip(8)?;
        bits.unsigned()?;
        bits.unsigned()?;
        bits.flag()?;
    }
    references::pass_sets(bits)?;
    if bits.flag()? {
        for _ in 0..bits.at_most(32)? {
            bits.skip(order_bits + 1)?;
        }
    }
    bits.skip(2)
}

fn pass_scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4_u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.flag()? {
                bits.unsigned()?;
                continue;
            }
            if size > 1 {
                bits.signed()?;
            }
            for _ in 0..64.min(1 << (4 + (size << 1))) {
                bits.signed()?;
            }
        }
    }
    Some(())
}

/// Reads the usability information up to the rate. True if each picture is a single field.
fn usability(bits: &mut Bits<'_>, picture: &mut StreamPicture) -> Option<bool> {
    if !bits.flag()? {
        return Some(false);
    }
    shape_and_colours(bits, &mut picture.tags)?;
    // Neutral colours.
    bits.flag()?;
    let is_field = bits.flag()?;
    // A set that ends here still says whether pictures are fields.
    let _ = rate(bits, picture);
    Some(is_field)
}

fn rate(bits: &mut Bits<'_>, picture: &mut StreamPicture) -> Option<()> {
    // Structure of pictures in remarks.
    bits.flag()?;
    // A window that is shown by default.
    if bits.flag()? {
        for _ in 0..4 {
            bits.unsigned()?;
        }
    }
    if bits.flag()? {
        picture.rate = ticks(bits)?;
    }
    Some(())
}

#[cfg(test)]
mod tests;
