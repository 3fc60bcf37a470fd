//! The colours of an encoder's pictures: what they are in the ring, what they are made into for a codec, and what the
//! stream says of them. H.264 says what its colours are, so YUV stays as it came; the other codecs say next to nothing, and
//! get what players assume of them. Only decisions are here; [`crate::scaler`] converts. Why they are as they are:
//! docs/decisions/colour.md.

use ffmpeg_next::color::{Primaries, Space, TransferCharacteristic};

use proto::codec::Codec;
use proto::frame::{PictureTags, PixelFormat, Range};

/// The meaning of a picture's numbers, as far as a conversion needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// The matrix of YUV, by its number in H.273.
    pub(crate) matrix: u8,
    /// Black is 0 and white 255, rather than 16 and 235.
    pub(crate) full_range: bool,
}

/// The colours of an encoder's pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colours {
    /// In the ring.
    pub(crate) from: Meaning,
    /// In the encoder.
    pub(crate) to: Meaning,
    /// What the stream says of them.
    pub(crate) range: Range,
}

impl Colours {
    /// The colours of a camera's pictures in a codec.
    pub(crate) fn of(format: PixelFormat, tags: &PictureTags, codec: Codec) -> Self {
        let is_full = |unless: Range| {
            tags.range == Range::Full || (tags.range == Range::Unspecified && unless == Range::Full)
        };
        let bt601 = |full_range| Meaning { matrix: PictureTags::BT601, full_range };
        let (from, is_yuv) = match format {
            PixelFormat::BGR24 => (bt601(true), false),
            PixelFormat::GRAY8 => {
                (Meaning { matrix: yuv_matrix(tags), full_range: is_full(Range::Full) }, false)
            }
            _ => (Meaning { matrix: yuv_matrix(tags), full_range: is_full(Range::Limited) }, true),
        };
        let to = match codec {
            Codec::H264 | Codec::Avc1 if is_yuv => from,
            Codec::H264 | Codec::Avc1 => Meaning { full_range: false, ..from },
            Codec::Mjpg => bt601(true),
            Codec::Xvid | Codec::Mp4v => bt601(false),
        };
        let range = match to.full_range {
            true => Range::Full,
            // Nothing is said of what nothing is known of.
            false if is_yuv && from == to => tags.range,
            false => Range::Limited,
        };
        Self { from, to, range }
    }
}

/// The matrix of YUV. YUV that says that it is RGB is shown by BT.709, since libswscale has that matrix in RGB's place.
fn yuv_matrix(tags: &PictureTags) -> u8 {
    if tags.matrix == PictureTags::RGB { PictureTags::BT709 } else { tags.matrix }
}

/// libav's name of a matrix with this number in H.273.
pub(crate) fn space(number: u8) -> Space {
    use Space as S;
    let known = [
        S::Unspecified,
        S::BT709,
        S::Unspecified,
        S::Unspecified,
        S::FCC,
        S::BT470BG,
        S::SMPTE170M,
        S::SMPTE240M,
        S::YCGCO,
        S::BT2020NCL,
        S::BT2020CL,
        S::SMPTE2085,
        S::ChromaDerivedNCL,
        S::ChromaDerivedCL,
        S::ICTCP,
    ];
    known.get(usize::from(number)).copied().unwrap_or(S::Unspecified)
}

/// libav's name of primaries with this number in H.273.
pub(crate) fn primaries(number: u8) -> Primaries {
    use Primaries as P;
    let known = [
        P::Unspecified,
        P::BT709,
        P::Unspecified,
        P::Unspecified,
        P::BT470M,
        P::BT470BG,
        P::SMPTE170M,
        P::SMPTE240M,
        P::Film,
        P::BT2020,
        P::SMPTE428,
        P::SMPTE431,
        P::SMPTE432,
    ];
    known.get(usize::from(number)).copied().unwrap_or(P::Unspecified)
}

/// libav's name of a transfer function with this number in H.273.
pub(crate) fn transfer(number: u8) -> TransferCharacteristic {
    use TransferCharacteristic as T;
    let known = [
        T::Unspecified,
        T::BT709,
        T::Unspecified,
        T::Unspecified,
        T::GAMMA22,
        T::GAMMA28,
        T::SMPTE170M,
        T::SMPTE240M,
        T::Linear,
        T::Log,
        T::LogSqrt,
        T::IEC61966_2_4,
        T::BT1361_ECG,
        T::IEC61966_2_1,
        T::BT2020_10,
        T::BT2020_12,
        T::SMPTE2084,
        T::SMPTE428,
        T::ARIB_STD_B67,
    ];
    known.get(usize::from(number)).copied().unwrap_or(T::Unspecified)
}

#[cfg(test)]
mod tests;
