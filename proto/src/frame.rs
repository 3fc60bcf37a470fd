//! What a frame is: its pixel format, where its planes lie, and when and by whom it was captured.

use core::fmt;

use crate::nontemporal;
use crate::time::MonotonicNs;

/// How a camera's pixels are laid out. The ring keeps the camera's own format: converting to BGR24 doubles the
/// memory of I420 and costs about a millisecond a frame.
///
/// The numbers are part of the ring's layout. 16 and up are left for Bayer, 32 and up for compressed JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize))]
#[repr(u32)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Three planes: Y, then U and V at half the width and half the height.
    I420 = 1,
    /// Two planes: Y, then U and V interleaved at half the height.
    NV12 = 2,
    /// One plane, two bytes a pixel: Y0 U Y1 V.
    YUYV = 3,
    /// One plane, one byte a pixel.
    GRAY8 = 4,
    /// One plane, three bytes a pixel: blue, green, red.
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

/// The largest width or height, that of H.264's highest levels rounded up. Beyond it is a mistake in a config.
pub const MAX_SIDE_PIXELS: u32 = 16_384;

/// One plane of a frame, within the frame's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    /// Where its first row starts.
    pub offset_bytes: usize,
    /// From one row's start to the next.
    pub stride_bytes: usize,
    /// The bytes of a row that hold pixels.
    pub row_bytes: usize,
    /// How many rows.
    pub rows: usize,
}

impl Plane {
    /// Fills this plane of a frame from rows that are `stride_bytes` apart, past the caches ([`nontemporal`]).
    ///
    /// # Panics
    /// When there are fewer rows than the plane has.
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

    /// Row `row` of this plane, out of a whole frame's bytes.
    #[must_use]
    pub fn row<'a>(&self, frame: &'a [u8], row: usize) -> &'a [u8] {
        let start = self.offset_bytes + row * self.stride_bytes;
        &frame[start..start + self.row_bytes]
    }

    /// Row `row` of this plane, to be written.
    #[must_use]
    pub fn row_mut<'a>(&self, frame: &'a mut [u8], row: usize) -> &'a mut [u8] {
        let start = self.offset_bytes + row * self.stride_bytes;
        &mut frame[start..start + self.row_bytes]
    }
}

/// A frame's size and format, and so where its planes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize))]
pub struct Geometry {
    width: u32,
    height: u32,
    format: PixelFormat,
}

/// Why a size can't be a frame's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// Zero, or larger than any encoder takes.
    #[error("{width}x{height} is no picture size: each side must be 1 to {MAX_SIDE_PIXELS} pixels")]
    Size {
        /// The width asked for.
        width: u32,
        /// The height asked for.
        height: u32,
    },
    /// A subsampled format with a side that can't be halved.
    #[error("{width}x{height} can't be {format}: it stores colour at half size, so {odd} must be even")]
    Odd {
        /// The width asked for.
        width: u32,
        /// The height asked for.
        height: u32,
        /// The format asked for.
        format: PixelFormat,
        /// Which side is odd.
        odd: &'static str,
    },
}

impl Geometry {
    /// A size and format that some encoder can take.
    ///
    /// # Errors
    /// When a side is zero or too large, or odd where the format halves it.
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

    /// Pixels across.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixel format.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// The planes, in memory order. The second and third are empty (no rows) where a format has none.
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

    /// All bytes of a frame, row padding included.
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

/// Frames a second, kept in thousandths so that 59.94 is exact and arithmetic stays in integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Fps(u32);

impl Fps {
    /// The fastest camera that a config may name.
    pub const MAX: f64 = 10_000.0;

    /// From frames a second.
    #[must_use]
    pub fn new(fps: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked first")]
        let milli = if fps > 0.0 && fps <= Self::MAX { (fps * 1_000.0).round() as u32 } else { 0 };
        Self::from_milli(u64::from(milli))
    }

    /// From thousandths of a frame a second.
    #[must_use]
    pub fn from_milli(milli: u64) -> Option<Self> {
        u32::try_from(milli).ok().filter(|m| (1..=10_000_000).contains(m)).map(Self)
    }

    /// Thousandths of a frame a second.
    #[must_use]
    pub fn milli(self) -> u32 {
        self.0
    }

    /// Frames a second.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }

    /// From one frame to the next, rounded down.
    #[must_use]
    pub fn period(self) -> core::time::Duration {
        core::time::Duration::from_nanos(1_000_000_000_000 / u64::from(self.0))
    }

    /// How many whole frame periods have passed `elapsed_ns` after the first frame: the camera's own count,
    /// `floor((t - t0) * fps)`.
    #[must_use]
    pub fn frames_in(self, elapsed_ns: u64) -> u64 {
        let frames = u128::from(elapsed_ns) * u128::from(self.0) / 1_000_000_000_000;
        u64::try_from(frames).unwrap_or(u64::MAX)
    }

    /// When frame `sequence` is due, after frame 0: the first nanosecond at which [`Fps::frames_in`] says so.
    #[must_use]
    pub fn due_ns(self, sequence: u64) -> u64 {
        let due = (u128::from(sequence) * 1_000_000_000_000).div_ceil(u128::from(self.0));
        u64::try_from(due).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Fps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_f64())
    }
}

/// Why frames are missing just before a frame, as the capture knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum LossBefore {
    /// None are, or the camera said nothing of it.
    #[default]
    Nothing,
    /// The camera or its driver lost them.
    CameraDrop,
    /// The camera fell silent and came back.
    CameraStall,
    /// Every slot of the ring was leased.
    RingFull,
}

impl LossBefore {
    const ALL: [Self; 4] = [Self::Nothing, Self::CameraDrop, Self::CameraStall, Self::RingFull];

    /// The number kept in the ring.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What a number in a ring means; an unknown one means nothing.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or_default()
    }
}

/// Which frame, when: all that is known of a frame besides its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize))]
pub struct FrameInfo {
    /// The ring's number for it: from 1, one more for each frame published, across restarts of the capture.
    pub sequence: u64,
    /// The camera's own number for it. A hole is a frame that was never published.
    pub source_sequence: u64,
    /// When it was captured, as close to exposure as the source can say.
    pub t_capture: MonotonicNs,
    /// Which life of the capture process wrote it, from 1.
    pub epoch: u32,
    /// Why frames are missing just before it, if they are.
    pub before: LossBefore,
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

    #[test]
    fn a_frame_is_due_exactly_when_the_count_reaches_it() {
        for fps in [1.0, 23.976, 25.0, 59.94, 60.0, 120.0, 999.0] {
            let fps = Fps::new(fps).unwrap();
            for sequence in [0, 1, 2, 59, 60, 61, 1_000_003, 500_000_000] {
                let due = fps.due_ns(sequence);
                assert_eq!(fps.frames_in(due), sequence);
                assert!(due == 0 || fps.frames_in(due - 1) == sequence - 1);
            }
        }
    }

    #[test]
    fn no_number_of_frames_a_second_is_zero_negative_or_absurd() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9, 0.000_1] {
            assert_eq!(Fps::new(bad), None, "{bad}");
        }
    }
}
