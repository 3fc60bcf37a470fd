//! The words of a stream on its pictures: size, rate, colours, order. They stand in the sequence parameter set.

use proto::frame::{PictureTags, PixelShape, Range};

use super::bits::Bits;

/// The words of a stream on its pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamPicture {
    /// Width and height of the pictures that are shown, in pixels.
    pub size: (u32, u32),
    /// Frames a second, if the stream says so.
    pub rate: Option<f64>,
    /// Colours and shape of pixels.
    pub tags: PictureTags,
    /// Pictures are shown in another order than they are decoded in (B-frames).
    pub reorders: bool,
}

/// Everything that is needed of a sequence parameter set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sps {
    pub(super) id: u32,
    /// `reorders` isn't known yet if `order` is [`Order::Unsaid`].
    pub(super) picture: StreamPicture,
    pub(super) order: Order,
    /// The bits of a picture's place in the order of showing, in a slice; 0 if there is no such number.
    pub(super) order_bits: u32,
    /// The bits of a frame's number in a slice of H.264; 0 in H.265.
    pub(super) frame_number_bits: u32,
    pub(super) has_separate_planes: bool,
    /// How many earlier pictures one may refer to.
    pub(super) references: u32,
    /// H.264: a picture may be a single field, which its slices say. H.265: each is one.
    pub(super) fields: Fields,
}

/// Whether pictures are single fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    None,
    /// A slice says so.
    BySlice,
    All,
}

/// The word of a set on the order in which pictures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    AsDecoded,
    Another,
    /// The pictures tell.
    Unsaid,
}

/// The shapes of pixels by number (table E-1 of both standards).
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

/// Reads the beginning of the usability information, which is the same in both: shape of pixels, overscan, colours, and the
/// place of the colours' samples.
pub(super) fn shape_and_colours(bits: &mut Bits<'_>, tags: &mut PictureTags) -> Option<()> {
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
        bits.skip(3)?;
        tags.range = if bits.flag()? { Range::Full } else { Range::Limited };
        if bits.flag()? {
            (tags.primaries, tags.transfer, tags.matrix) = (bits.byte()?, bits.byte()?, bits.byte()?);
        }
    }
    if bits.flag()? {
        bits.unsigned()?;
        bits.unsigned()?;
    }
    Some(())
}

/// Reads how many ticks a second has and how many a picture takes; `None` inside for numbers that are no rate.
pub(super) fn ticks(bits: &mut Bits<'_>) -> Option<Option<f64>> {
    let (units, scale) = (bits.bits(32)?, bits.bits(32)?);
    Some((units > 0 && scale > 0).then(|| f64::from(scale) / f64::from(units)))
}

/// The size of pictures of which so much is cut off at each side, in units of `across` by `down` pixels.
pub(super) fn cropped(
    bits: &mut Bits<'_>,
    coded: (u32, u32),
    (across, down): (u32, u32),
) -> Option<(u32, u32)> {
    let mut sum =
        |unit: u32| -> Option<u32> { bits.unsigned()?.checked_add(bits.unsigned()?)?.checked_mul(unit) };
    Some((coded.0.checked_sub(sum(across)?)?, coded.1.checked_sub(sum(down)?)?))
}

/// The facts about a picture that stand in its first slice's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The picture decodes without others, as far as this slice goes.
    pub(super) is_intra: bool,
    pub(super) is_field: bool,
    /// The frame's number in H.264, modulo its bits.
    pub(super) frame_number: u32,
    /// The picture's place in the order of showing, modulo its bits.
    pub(super) order: u32,
}

/// The numbers of a picture parameter set, and what slices need of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pps {
    pub(super) id: u32,
    /// The sequence parameter set that it belongs to.
    pub(super) sps: u32,
    /// H.265: bits in each slice's header that mean nothing here, and whether it says that a picture isn't shown.
    pub(super) extra_bits: u32,
    pub(super) says_output: bool,
}
