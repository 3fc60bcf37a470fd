//! H.264 and H.265 as streams of bytes with start codes (Annex B of ITU-T H.264 and H.265): what an access unit says of itself.
//! [`Stream`] looks at one access unit after the other: whether decoding can begin with it, from which earlier one it decodes,
//! its size, rate and colours, and the parameter sets that it lacks. [`Units`] finds NAL units, and where an access unit ends.
//!
//! Pure: it reads bytes and decodes no picture. Where the bytes come from is the backends' business, and how frames lie in a
//! pipe is `stream::AccessUnits`'.

mod avc;
mod bits;
mod hevc;
mod nal;
mod picture;
mod sei;
mod sets;
mod starts;
mod stream;

pub use nal::{Codec, Kind, START_CODE, Unit, Units};
pub use picture::StreamPicture;
pub use stream::{AccessUnit, Flaw, Stream};

#[cfg(test)]
mod tests;
