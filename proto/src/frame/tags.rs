//! What a picture says of itself besides its pixels: the meaning of its colours, the shape of its pixels, the way up, and
//! the order of its fields. A source tells it, the ring's header keeps it in one word, a clip's plan takes it from there,
//! and the recorder writes it into the clip. How pixels are converted is the business of capture and recorder.

use core::fmt;

use super::geometry::PixelFormat;

/// What a camera's pictures say of themselves. Everything is unspecified by default, as in rings and plans of a version
/// that knew no tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct PictureTags {
    /// The matrix between RGB and YUV, by its number in ITU-T H.273 (`MatrixCoefficients`).
    pub matrix: u8,
    /// The primary colours, by their number in H.273 (`ColourPrimaries`).
    pub primaries: u8,
    /// The transfer function, by its number in H.273 (`TransferCharacteristics`).
    pub transfer: u8,
    /// The values of black and white.
    pub range: Range,
    /// The shape of a pixel; none when nothing is said of it, which means square.
    pub pixel_shape: Option<PixelShape>,
    /// The turn that a player has to give the picture.
    pub rotation: Rotation,
    /// The order of the fields.
    pub fields: FieldOrder,
}

/// The values of black and white in YUV and grey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Range {
    /// Nothing is said: limited for YUV, full for grey and RGB.
    #[default]
    Unspecified,
    /// 16 and 235; colour from 16 to 240.
    Limited,
    /// 0 and 255.
    Full,
}

/// The shape of a pixel: width to height. Neither is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(try_from = "(u64, u64)"))]
#[cfg_attr(feature = "host", serde(into = "(u64, u64)"))]
pub struct PixelShape {
    width: u16,
    height: u16,
}

/// A turn by quarters, clockwise, that a player has to give the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Rotation {
    /// The picture is shown as it is.
    #[default]
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

/// The order of a picture's fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum FieldOrder {
    /// Nothing is said.
    #[default]
    Unspecified,
    /// The picture was taken at one moment.
    Progressive,
    /// Two fields are woven into the picture; the one with the top row was taken first.
    TopFirst,
    /// Two fields are woven into the picture; the one with the top row was taken last.
    BottomFirst,
}

impl Default for PictureTags {
    fn default() -> Self {
        Self {
            matrix: Self::UNSPECIFIED,
            primaries: Self::UNSPECIFIED,
            transfer: Self::UNSPECIFIED,
            range: Range::default(),
            pixel_shape: None,
            rotation: Rotation::default(),
            fields: FieldOrder::default(),
        }
    }
}

impl PictureTags {
    /// The number in H.273 that says nothing, of matrix, primaries and transfer.
    pub const UNSPECIFIED: u8 = 2;
    /// The matrix of RGB, which is none.
    pub const RGB: u8 = 0;
    /// The matrix of BT.709.
    pub const BT709: u8 = 1;
    /// The matrix of BT.601, by its younger number (SMPTE 170M). Number 5 is the same matrix.
    pub const BT601: u8 = 6;
    /// The matrix of BT.2020 with a constant luminance aside, and its primaries.
    pub const BT2020: u8 = 9;
    /// The transfer function PQ (SMPTE 2084).
    pub const PQ: u8 = 16;
    /// The transfer function HLG (ARIB STD-B67).
    pub const HLG: u8 = 18;

    /// The tags of pictures that a source makes or converts itself: YUV by BT.601 in limited range, which every player assumes
    /// that ignores tags; grey and RGB in full range.
    #[must_use]
    pub fn made_as(format: PixelFormat) -> Self {
        let (matrix, range) = match format {
            PixelFormat::I420 | PixelFormat::NV12 | PixelFormat::YUYV => (Self::BT601, Range::Limited),
            PixelFormat::GRAY8 => (Self::BT601, Range::Full),
            PixelFormat::BGR24 => (Self::RGB, Range::Full),
        };
        Self { matrix, range, ..Self::default() }
    }

    /// Everything in one word, as it stands in a ring's header. A word of 0 says nothing.
    #[must_use]
    pub fn to_word(self) -> u64 {
        // The three numbers are stored with their 2s as zeros.
        let number = |n: u8| u64::from(n ^ Self::UNSPECIFIED);
        let (width, height) = self.pixel_shape.map_or((0, 0), |shape| (shape.width, shape.height));
        number(self.matrix)
            | number(self.primaries) << 8
            | number(self.transfer) << 16
            | u64::from(width) << 24
            | u64::from(height) << 40
            | (self.range as u64) << 56
            | (self.rotation as u64) << 58
            | (self.fields as u64) << 60
    }

    /// The tags that a word in a ring's header stands for. Any word stands for some: other processes may write there.
    #[must_use]
    pub fn from_word(word: u64) -> Self {
        let byte = |at: u32| word.to_le_bytes()[at as usize];
        let number = |at| byte(at) ^ Self::UNSPECIFIED;
        let side = |at| u64::from(u16::from_le_bytes([byte(at), byte(at + 1)]));
        let [ranges, rotations, orders] = [0, 2, 4].map(|at| byte(7) >> at & 3);
        Self {
            matrix: number(0),
            primaries: number(1),
            transfer: number(2),
            range: [Range::Unspecified, Range::Limited, Range::Full, Range::Unspecified][usize::from(ranges)],
            pixel_shape: PixelShape::new(side(3), side(5)),
            rotation: [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters]
                [usize::from(rotations)],
            fields: [
                FieldOrder::Unspecified,
                FieldOrder::Progressive,
                FieldOrder::TopFirst,
                FieldOrder::BottomFirst,
            ][usize::from(orders)],
        }
    }

    /// True for pictures made of two fields.
    #[must_use]
    pub fn is_interlaced(&self) -> bool {
        matches!(self.fields, FieldOrder::TopFirst | FieldOrder::BottomFirst)
    }
}

impl PixelShape {
    /// The shape of these proportions, as near as 16 bits a side come to it. `None` when a side is 0, or one is more than
    /// 65535 times the other.
    #[must_use]
    pub fn new(width: u64, height: u64) -> Option<Self> {
        let (mut width, mut height) = (width, height);
        let divisor = common_divisor(width, height);
        if divisor == 0 {
            return None;
        }
        (width, height) = (width / divisor, height / divisor);
        while width.max(height) > u64::from(u16::MAX) {
            (width, height) = (width / 2, height / 2);
        }
        match (u16::try_from(width), u16::try_from(height)) {
            (Ok(width @ 1..), Ok(height @ 1..)) => Some(Self { width, height }),
            _ => None,
        }
    }

    /// The shape that pixels have after a picture of size `from` was scaled to the size `to`: what it shows keeps its
    /// proportions. Pixels that are within a hundredth of square are square, as odd sizes leave them.
    #[must_use]
    pub fn scaled(self, from: (u32, u32), to: (u32, u32)) -> Option<Self> {
        if from == to {
            return Some(self);
        }
        let sides = |shape: u16, from: u32, to: u32| u64::from(shape) * u64::from(from) * u64::from(to);
        let (width, height) = (sides(self.width, from.0, to.1), sides(self.height, from.1, to.0));
        let is_square = width.abs_diff(height) <= width / 100;
        if is_square { Self::new(1, 1) } else { Self::new(width, height) }
    }

    /// The width, in the unit of [`PixelShape::height`].
    #[must_use]
    pub fn width(self) -> u16 {
        self.width
    }

    /// The height.
    #[must_use]
    pub fn height(self) -> u16 {
        self.height
    }

    /// True for pixels that are as wide as they are high.
    #[must_use]
    pub fn is_square(self) -> bool {
        self.width == self.height
    }
}

impl fmt::Display for PixelShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.width, self.height)
    }
}

impl TryFrom<(u64, u64)> for PixelShape {
    type Error = &'static str;

    fn try_from((width, height): (u64, u64)) -> Result<Self, Self::Error> {
        Self::new(width, height).ok_or("pixel_shape has a side of 0")
    }
}

impl From<PixelShape> for (u64, u64) {
    fn from(shape: PixelShape) -> Self {
        (shape.width.into(), shape.height.into())
    }
}

impl Rotation {
    /// The turn in degrees, clockwise.
    #[must_use]
    pub fn degrees(self) -> u16 {
        self as u16 * 90
    }
}

/// The greatest common divisor; 0 if either is 0.
fn common_divisor(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = if a == 0 || b == 0 { (0, 0) } else { (a, b) };
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_everything_and_zero_says_nothing() {
        assert_eq!(PictureTags::default().to_word(), 0);
        assert_eq!(PictureTags::from_word(0), PictureTags::default());
        for matrix in [0, 1, 2, 5, 6, 9, 255] {
            for (range, rotation, fields) in [
                (Range::Unspecified, Rotation::Quarter, FieldOrder::BottomFirst),
                (Range::Limited, Rotation::None, FieldOrder::Progressive),
                (Range::Full, Rotation::ThreeQuarters, FieldOrder::TopFirst),
            ] {
                for pixel_shape in [None, PixelShape::new(16, 11), PixelShape::new(65_535, 1)] {
                    let (primaries, transfer) = (PictureTags::BT2020, PictureTags::PQ);
                    let tags =
                        PictureTags { matrix, primaries, transfer, range, pixel_shape, rotation, fields };
                    assert_eq!(PictureTags::from_word(tags.to_word()), tags);
                }
            }
        }
    }

    #[test]
    fn any_word_stands_for_tags_that_can_be_used() {
        for word in [u64::MAX, 1 << 63, 0xFFFF << 24, 0xFFFF << 40, 3 << 56] {
            let tags = PictureTags::from_word(word);
            assert!(tags.pixel_shape.is_none_or(|s| s.width() > 0 && s.height() > 0));
            assert_eq!(PictureTags::from_word(tags.to_word()), tags);
        }
    }

    #[test]
    fn a_shape_is_kept_in_its_smallest_numbers() {
        let shape = PixelShape::new(1600, 1100).unwrap();
        assert_eq!((shape.width(), shape.height()), (16, 11));
        assert_eq!((PixelShape::new(0, 1), PixelShape::new(1, 0)), (None, None));
        assert_eq!(PixelShape::new(u64::MAX, 1), None);
        let long = PixelShape::new(1_000_003, 1_000_000).unwrap();
        assert!(long.width().abs_diff(long.height()) <= 1);
    }

    #[test]
    fn a_scaled_picture_keeps_its_proportions() {
        let shape = PixelShape::new(16, 11).unwrap();
        assert_eq!(shape.scaled((704, 576), (704, 576)), Some(shape));
        assert_eq!(shape.scaled((704, 576), (352, 288)), Some(shape));
        // 704 pixels of 16:11 are as wide as 1024 square ones.
        assert_eq!(shape.scaled((704, 576), (1024, 576)), PixelShape::new(1, 1));
        assert_eq!(shape.scaled((704, 576), (640, 480)), PixelShape::new(4, 3));
        let square = PixelShape::new(1, 1).unwrap();
        assert_eq!(square.scaled((1920, 1080), (854, 480)), Some(square));
    }
}
