//! [`Framing`]: how frames lie in a stream of bytes, and the words for finding them there. Pure: where the bytes come from, and
//! what becomes of the frames, is [`super::StreamSource`]'s business.

use proto::frame::{Decoding, FrameFlags, Payload, PictureTags, PixelFormat};
use proto::ring::RingSpec;

/// The form in which frames lie in a stream of bytes. Pure: the same bytes give the same frames, in whatever pieces they
/// arrive.
pub trait Framing: Send {
    /// Looks for a frame at the beginning of `bytes`, which are those of the last call, less those that its answer took, and
    /// more behind them.
    fn find(&mut self, bytes: &[u8]) -> Found;

    /// The same, when nothing has arrived for a while, or nothing more will.
    fn find_when_quiet(&mut self, _bytes: &[u8]) -> Found {
        Found::More
    }

    /// Writes the frame that was found last, and gives its length. `bytes` are those in which it was found.
    fn write(&self, bytes: &[u8], frame: &mut [u8]) -> usize;

    /// The form of a frame's bytes.
    fn payload(&self) -> Payload;

    /// A frame and its verb, behind "no": "whole JPEG is".
    fn is(&self) -> &'static str;

    /// Of raw frames; of others the format that a decoder is asked for.
    fn pixel_format(&self) -> PixelFormat {
        PixelFormat::I420
    }

    /// The time of the frame that was found last, by the clock of the device that made it, in nanoseconds.
    fn device_ns(&self) -> Option<i64> {
        None
    }

    /// The word on itself of the frame that was found last.
    fn picture_tags(&self) -> PictureTags {
        PictureTags::default()
    }

    /// How the frame that was found last decodes.
    fn decoding(&self) -> Decoding {
        Decoding::default()
    }

    /// Frames a second, if the stream says so.
    fn rate(&self) -> Option<f64> {
        None
    }

    /// Frames are written into this ring from now on.
    fn fit(&mut self, ring: &RingSpec);

    /// The same, at the same place of the stream.
    fn copy(&self) -> Box<dyn Framing>;
}

/// The thing that lies at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The bytes so far tell nothing more.
    More,
    /// Bytes that belong to no frame.
    Nothing {
        /// The number of bytes.
        bytes: usize,
    },
    /// A frame.
    Frame(FoundFrame),
    /// A frame that is damaged.
    Damaged {
        /// The frame's bytes, as far as they are known to be lost.
        bytes: usize,
        /// The damage, for a person: "the JPEG is cut off".
        damage: &'static str,
    },
    /// A frame of more bytes than a frame may have.
    TooLarge {
        /// The frame's bytes that are there.
        bytes: usize,
    },
    /// Frames that Preroll can't use.
    Unusable(Unusable),
}

/// A frame in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundFrame {
    /// The place of its first byte: a frame's time is the arrival of that byte.
    pub start: usize,
    /// The place behind its last byte.
    pub end: usize,
    /// The most bytes that [`Framing::write`] needs; 0 for planes.
    pub room: usize,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Remarks on it.
    pub flags: FrameFlags,
}

/// The reason why frames of a stream can't be used, and what to do.
pub type Unusable = &'static str;

/// The most bytes that a compressed frame may have while there is no ring for it.
pub const MOST_BYTES: usize = 8 << 20;

/// The most bytes that a ring takes of a compressed frame.
#[must_use]
pub fn most_bytes(ring: &RingSpec) -> usize {
    ring.arena.map_or(MOST_BYTES, |arena| arena.max_frame_bytes)
}
