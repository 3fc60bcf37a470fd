//! The pixel formats of V4L2 that a camera may have: FourCCs, names in the config, and the form of their frames in a ring.

use core::fmt;

use proto::frame::{Geometry, Payload, PixelFormat};

use crate::bayer::Pattern;
use crate::h26x::Codec;

/// A pixel format's four letters, as V4L2 packs them: the first in the low byte.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FourCc(pub(crate) u32);

impl FourCc {
    /// The format with these letters.
    pub(crate) const fn of(letters: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(letters))
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(known) = Format::of(*self) {
            return f.write_str(known.name);
        }
        // The highest bit marks the big-endian form of a format.
        let letters = (self.0 & 0x7fff_ffff).to_le_bytes();
        letters.iter().try_for_each(|b| write!(f, "{}", b.escape_ascii()))
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The form in which frames of a format lie in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Raw planes, as they come.
    Planes(PixelFormat),
    /// Red, green, blue, to be turned into blue, green, red.
    SwappedRgb,
    /// A JPEG.
    Jpeg,
    /// An access unit of H.264 or H.265.
    Stream(Codec),
    /// A Bayer pattern, to be turned into blue, green, red.
    Bayer(Pattern),
}

/// A format that Preroll knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// The name in configs and messages.
    pub(crate) name: &'static str,
    /// V4L2's letters.
    pub(crate) fourcc: FourCc,
    /// The form of its frames in a ring.
    pub(crate) form: Form,
}

const fn format(name: &'static str, letters: [u8; 4], form: Form) -> Format {
    Format { name, fourcc: FourCc::of(letters), form }
}

impl Format {
    /// Every format that Preroll knows: those that `format: auto` prefers come first.
    pub(crate) const ALL: [Self; 14] = [
        format("NV12", *b"NV12", Form::Planes(PixelFormat::NV12)),
        format("YU12", *b"YU12", Form::Planes(PixelFormat::I420)),
        format("YUYV", *b"YUYV", Form::Planes(PixelFormat::YUYV)),
        format("BGR24", *b"BGR3", Form::Planes(PixelFormat::BGR24)),
        format("RGB24", *b"RGB3", Form::SwappedRgb),
        format("GREY", *b"GREY", Form::Planes(PixelFormat::GRAY8)),
        format("MJPG", *b"MJPG", Form::Jpeg),
        // The same by an older name.
        format("MJPG", *b"JPEG", Form::Jpeg),
        format("H264", *b"H264", Form::Stream(Codec::H264)),
        format("HEVC", *b"HEVC", Form::Stream(Codec::H265)),
        format("BAYER_RGGB8", *b"RGGB", Form::Bayer(Pattern::Rggb)),
        format("BAYER_BGGR8", *b"BA81", Form::Bayer(Pattern::Bggr)),
        format("BAYER_GBRG8", *b"GBRG", Form::Bayer(Pattern::Gbrg)),
        format("BAYER_GRBG8", *b"GRBG", Form::Bayer(Pattern::Grbg)),
    ];

    /// The format with these letters, if Preroll knows it.
    pub(crate) fn of(fourcc: FourCc) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.fourcc == fourcc)
    }

    /// The format with this name, upper or lower case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name.eq_ignore_ascii_case(name))
    }

    /// The payload and the pixel format of its frames in a ring.
    pub(crate) fn in_ring(self) -> (Payload, PixelFormat) {
        match self.form {
            Form::Planes(pixels) => (Payload::Planes, pixels),
            Form::SwappedRgb | Form::Bayer(_) => (Payload::Planes, PixelFormat::BGR24),
            // A decoder is asked for this one.
            Form::Jpeg => (Payload::Jpeg, PixelFormat::I420),
            Form::Stream(codec) => (codec.payload(), PixelFormat::I420),
        }
    }

    /// Can pictures of this size be recorded?
    pub(crate) fn takes(self, (width, height): (u32, u32)) -> bool {
        let (payload, pixels) = self.in_ring();
        // A decoder can be asked for a format that takes odd sides.
        let pixels = if payload.is_compressed() { PixelFormat::BGR24 } else { pixels };
        Geometry::new(width, height, pixels).is_ok()
    }

    /// The rank of a format in `format: auto`, the least first: raw ones, then JPEG. `None` of formats that have to be asked
    /// for.
    pub(crate) fn rank(self) -> Option<usize> {
        match self.form {
            Form::Stream(_) | Form::Bayer(_) => None,
            _ => Self::ALL.iter().position(|known| known.fourcc == self.fourcc),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_the_numbers_of_the_kernels_header_and_are_shown_by_their_names() {
        // From linux/videodev2.h.
        for (fourcc, name) in [
            (0x5659_5559, "YUYV"),
            (0x3231_564E, "NV12"),
            (0x3231_5559, "YU12"),
            (0x5945_5247, "GREY"),
            (0x3352_4742, "BGR24"),
            (0x3342_4752, "RGB24"),
            (0x4750_4A4D, "MJPG"),
            (0x3436_3248, "H264"),
            (0x4356_4548, "HEVC"),
            (0x4247_4752, "BAYER_RGGB8"),
            (0x3138_4142, "BAYER_BGGR8"),
        ] {
            assert_eq!(FourCc(fourcc).to_string(), name);
            assert_eq!(Format::named(&name.to_lowercase()).map(|f| f.fourcc), Some(FourCc(fourcc)));
        }
        assert_eq!(FourCc::of(*b"UYVY").to_string(), "UYVY");
        assert_eq!(FourCc(0).to_string(), "\\x00\\x00\\x00\\x00");
    }

    #[test]
    fn auto_prefers_raw_formats_and_never_takes_one_that_must_be_asked_for() {
        let rank = |name| Format::named(name).unwrap().rank();
        assert!(rank("NV12") < rank("YUYV") && rank("GREY") < rank("MJPG"));
        assert_eq!((rank("H264"), rank("BAYER_RGGB8")), (None, None));
    }
}
