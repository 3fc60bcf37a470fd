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

/// By their numbers in H.273.
const SPACES: [Space; 15] = [
    Space::Unspecified,
    Space::BT709,
    Space::Unspecified,
    Space::Unspecified,
    Space::FCC,
    Space::BT470BG,
    Space::SMPTE170M,
    Space::SMPTE240M,
    Space::YCGCO,
    Space::BT2020NCL,
    Space::BT2020CL,
    Space::SMPTE2085,
    Space::ChromaDerivedNCL,
    Space::ChromaDerivedCL,
    Space::ICTCP,
];

/// libav's name of a matrix with this number in H.273.
pub(crate) fn space(number: u8) -> Space {
    SPACES.get(usize::from(number)).copied().unwrap_or(Space::Unspecified)
}

/// The number that H.273 gives it; that of "nothing is said" for what it doesn't know.
pub(crate) fn number_of_space(of: Space) -> u8 {
    number_in(&SPACES, of)
}

/// By their numbers in H.273.
const PRIMARIES: [Primaries; 13] = [
    Primaries::Unspecified,
    Primaries::BT709,
    Primaries::Unspecified,
    Primaries::Unspecified,
    Primaries::BT470M,
    Primaries::BT470BG,
    Primaries::SMPTE170M,
    Primaries::SMPTE240M,
    Primaries::Film,
    Primaries::BT2020,
    Primaries::SMPTE428,
    Primaries::SMPTE431,
    Primaries::SMPTE432,
];

/// libav's name of primaries with this number in H.273.
pub(crate) fn primaries(number: u8) -> Primaries {
    PRIMARIES.get(usize::from(number)).copied().unwrap_or(Primaries::Unspecified)
}

/// The number that H.273 gives it; that of "nothing is said" for what it doesn't know.
pub(crate) fn number_of_primaries(of: Primaries) -> u8 {
    number_in(&PRIMARIES, of)
}

/// By their numbers in H.273.
const TRANSFERS: [TransferCharacteristic; 19] = [
    TransferCharacteristic::Unspecified,
    TransferCharacteristic::BT709,
    TransferCharacteristic::Unspecified,
    TransferCharacteristic::Unspecified,
    TransferCharacteristic::GAMMA22,
    TransferCharacteristic::GAMMA28,
    TransferCharacteristic::SMPTE170M,
    TransferCharacteristic::SMPTE240M,
    TransferCharacteristic::Linear,
    TransferCharacteristic::Log,
    TransferCharacteristic::LogSqrt,
    TransferCharacteristic::IEC61966_2_4,
    TransferCharacteristic::BT1361_ECG,
    TransferCharacteristic::IEC61966_2_1,
    TransferCharacteristic::BT2020_10,
    TransferCharacteristic::BT2020_12,
    TransferCharacteristic::SMPTE2084,
    TransferCharacteristic::SMPTE428,
    TransferCharacteristic::ARIB_STD_B67,
];

/// libav's name of a transfer function with this number in H.273.
pub(crate) fn transfer(number: u8) -> TransferCharacteristic {
    TRANSFERS.get(usize::from(number)).copied().unwrap_or(TransferCharacteristic::Unspecified)
}

/// The number that H.273 gives it; that of "nothing is said" for what it doesn't know.
pub(crate) fn number_of_transfer(of: TransferCharacteristic) -> u8 {
    number_in(&TRANSFERS, of)
}

fn number_in<T: PartialEq>(known: &[T], of: T) -> u8 {
    let at = known.iter().position(|one| *one == of).and_then(|at| u8::try_from(at).ok());
    // The first numbers stand for RGB, and for what the standard reserves: libav has no such name in its place here.
    at.filter(|number| *number > 0).unwrap_or(PictureTags::UNSPECIFIED)
}

#[cfg(test)]
mod tests;
