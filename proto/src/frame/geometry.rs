//! The pixels of a frame: their format, and the places of a frame's planes in its bytes.

use core::fmt;

use crate::nontemporal;

/// The layout of a camera's pixels. The ring keeps the camera's own format: converting I420 to BGR24 doubles the memory
/// and costs about a millisecond a frame.
///
/// The numbers are part of the ring's layout. Those from 16 on are kept for Bayer patterns. For a compressed
/// [`Payload`](super::Payload) it is the format that a decoder is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize))]
#[repr(u32)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Three planes, one byte a sample: Y, then U and V, each at half the width and half the height.
    I420 = 1,
    /// Two planes, one byte a sample: Y, then U and V interleaved, at half the width and half the height.
    NV12 = 2,
    /// A single plane, two bytes a pixel: Y0 U Y1 V. U and V stand for two pixels of a row.
    YUYV = 3,
    /// A single plane, one byte a pixel.
    GRAY8 = 4,
    /// A single plane, three bytes a pixel: blue, green, red.
    BGR24 = 5,
}

impl PixelFormat {
    /// Every format that a camera may have today.
    pub const ALL: [Self; 5] = [Self::I420, Self::NV12, Self::YUYV, Self::GRAY8, Self::BGR24];

    /// The name used in configs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::I420 => "I420",
            Self::NV12 => "NV12",
            Self::YUYV => "YUYV",
            Self::GRAY8 => "GRAY8",
            Self::BGR24 => "BGR24",
        }
    }

    /// The format with this name, upper or lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name().eq_ignore_ascii_case(name))
    }

    /// The format with this number in a ring's header.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|f| u64::from(f.code()) == code)
    }

    /// The number of this format in a ring's header.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::I420 => 1,
            Self::NV12 => 2,
            Self::YUYV => 3,
            Self::GRAY8 => 4,
            Self::BGR24 => 5,
        }
    }

    fn subsampled_across(self) -> bool {
        matches!(self, Self::I420 | Self::NV12 | Self::YUYV)
    }

    fn subsampled_down(self) -> bool {
        matches!(self, Self::I420 | Self::NV12)
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Rows start at multiples of this many bytes: one AVX2 register, which is what encoders like to load.
pub const ROW_ALIGN_BYTES: usize = 32;

/// The largest width or height, in pixels: libx264 takes no more (its `MAX_RESOLUTION`). A larger number is a mistake
/// in a config.
pub const MAX_SIDE_PIXELS: u32 = 16_384;

/// A plane of a frame, by its place in the frame's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    /// The start of the first row.
    pub offset_bytes: usize,
    /// The distance from one row's start to the next; at least `row_bytes`.
    pub stride_bytes: usize,
    /// The bytes of a row that hold pixels.
    pub row_bytes: usize,
    /// The number of rows.
    pub rows: usize,
}

impl Plane {
    /// Fills this plane of `frame` (a whole frame's bytes) from rows that lie `stride_bytes` apart in `from`, past the
    /// caches ([`nontemporal`]).
    ///
    /// # Panics
    /// When `from` holds fewer rows than the plane, or `frame` is not a whole frame.
    pub fn fill(&self, frame: &mut [u8], from: &[u8], stride_bytes: usize) {
        if self.rows == 0 {
            return;
        }
        let to = &mut frame[self.offset_bytes..][..self.stride_bytes * self.rows];
        if self.stride_bytes == self.row_bytes && stride_bytes == self.row_bytes {
            let all = to.len();
            return nontemporal::copy(to, &from[..all]);
        }
        let rows = (0..self.rows).map(|row| &from[row * stride_bytes..][..self.row_bytes]);
        let lines = to.chunks_exact_mut(self.stride_bytes).map(|line| &mut line[..self.row_bytes]);
        nontemporal::copy_all(lines.zip(rows));
    }

    /// Row `row` of this plane, out of a whole frame's bytes: `row_bytes` of them.
    #[must_use]
    pub fn row<'a>(&self, frame: &'a [u8], row: usize) -> &'a [u8] {
        let start = self.offset_bytes + row * self.stride_bytes;
        &frame[start..start + self.row_bytes]
    }

    /// The same row, to be written.
    #[must_use]
    pub fn row_mut<'a>(&self, frame: &'a mut [u8], row: usize) -> &'a mut [u8] {
        let start = self.offset_bytes + row * self.stride_bytes;
        &mut frame[start..start + self.row_bytes]
    }
}

/// A frame's size and format, from which the places of its planes follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize))]
pub struct Geometry {
    width: u32,
    height: u32,
    format: PixelFormat,
}

/// The reason why no frame can have a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// A side is zero, or larger than any encoder takes.
    #[error("{width}x{height} is no picture size: each side must be 1 to {MAX_SIDE_PIXELS} pixels")]
    Size {
        /// The width asked for.
        width: u32,
        /// The height asked for.
        height: u32,
    },
    /// The format halves a side that is odd.
    #[error("{width}x{height} can't be {format}: it stores colour at half size, so {odd} must be even")]
    Odd {
        /// The width asked for.
        width: u32,
        /// The height asked for.
        height: u32,
        /// The format asked for.
        format: PixelFormat,
        /// The side that is odd, in words.
        odd: &'static str,
    },
}

impl Geometry {
    /// Checks a size, in pixels, and a format.
    ///
    /// # Errors
    /// [`GeometryError`]: a side is zero or too large, or odd where the format halves it.
    pub fn new(width: u32, height: u32, format: PixelFormat) -> Result<Self, GeometryError> {
        let fits = |side| (1..=MAX_SIDE_PIXELS).contains(&side);
        if !fits(width) || !fits(height) {
            return Err(GeometryError::Size { width, height });
        }
        if format.subsampled_across() && width % 2 == 1 {
            return Err(GeometryError::Odd { width, height, format, odd: "the width" });
        }
        if format.subsampled_down() && height % 2 == 1 {
            return Err(GeometryError::Odd { width, height, format, odd: "the height" });
        }
        Ok(Self { width, height, format })
    }

    /// The width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Is the width or the height odd? Codecs with 4:2:0 colour take even sides only, whatever the pixel format.
    #[must_use]
    pub fn has_an_odd_side(&self) -> bool {
        self.width % 2 == 1 || self.height % 2 == 1
    }

    /// The pixel format.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// The planes, in memory order, each directly behind the one before. Rows start at multiples of
    /// [`ROW_ALIGN_BYTES`]. The second and third plane have no rows where a format has none.
    #[must_use]
    pub fn planes(&self) -> [Plane; 3] {
        let (w, h) = (self.width as usize, self.height as usize);
        let shapes: [(usize, usize); 3] = match self.format {
            PixelFormat::I420 => [(w, h), (w / 2, h / 2), (w / 2, h / 2)],
            PixelFormat::NV12 => [(w, h), (w, h / 2), (0, 0)],
            PixelFormat::YUYV => [(w * 2, h), (0, 0), (0, 0)],
            PixelFormat::GRAY8 => [(w, h), (0, 0), (0, 0)],
            PixelFormat::BGR24 => [(w * 3, h), (0, 0), (0, 0)],
        };
        let mut offset_bytes = 0;
        shapes.map(|(row_bytes, rows)| {
            let stride_bytes = row_bytes.next_multiple_of(ROW_ALIGN_BYTES);
            let plane = Plane { offset_bytes, stride_bytes, row_bytes, rows };
            offset_bytes += stride_bytes * rows;
            plane
        })
    }

    /// The bytes of a frame, row padding included.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.planes().iter().map(|p| p.stride_bytes * p.rows).sum()
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} {}", self.width, self.height, self.format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_720p_i420_frame_has_no_padding() {
        let g = Geometry::new(1280, 720, PixelFormat::I420).unwrap();
        assert_eq!(g.frame_bytes(), 1_382_400);
        let [y, u, v] = g.planes();
        assert_eq!((y.offset_bytes, u.offset_bytes, v.offset_bytes), (0, 921_600, 1_152_000));
    }

    #[test]
    fn planes_lie_one_behind_the_other_in_every_format() {
        for format in PixelFormat::ALL {
            let g = Geometry::new(322, 242, format).unwrap();
            let mut end = 0;
            for plane in g.planes() {
                assert_eq!(plane.offset_bytes, end);
                assert!(plane.stride_bytes >= plane.row_bytes && plane.stride_bytes % ROW_ALIGN_BYTES == 0);
                end += plane.stride_bytes * plane.rows;
            }
            assert_eq!(g.frame_bytes(), end);
            assert_eq!(PixelFormat::from_code(u64::from(format.code())), Some(format));
            assert_eq!(PixelFormat::from_name(format.name()), Some(format));
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(Geometry::new(0, 720, PixelFormat::I420).is_err());
        assert!(Geometry::new(1281, 720, PixelFormat::YUYV).is_err());
        assert!(Geometry::new(1280, 721, PixelFormat::NV12).is_err());
        assert!(Geometry::new(1281, 721, PixelFormat::GRAY8).is_ok());
        assert!(Geometry::new(100_000, 10, PixelFormat::GRAY8).is_err());
    }
}
