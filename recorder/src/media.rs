//! The part of libav that a clip needs while it is recorded, behind small traits: an encoder, and a video file that
//! grows. They are opened through [`crate::opening`].

use std::io;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::{Packet, codec};

use crate::frames::HeldFrame;
use crate::journal::Seal;

/// An open encoder, or what stands in its place where frames are passed on. Packets come in the order of their frames, one for
/// each.
pub(crate) trait Encode {
    /// Gives it a frame, with a time that grows from frame to frame, and asks for a key frame if `key` is true. The frame is
    /// dropped as soon as the encoder lets go of it.
    fn send(&mut self, frame: Box<dyn HeldFrame>, pts_us: i64, key: bool) -> Result<(), ffmpeg::Error>;

    /// Says that no more frames will come.
    fn end(&mut self) -> Result<(), ffmpeg::Error>;

    /// The next packet. `None` when it needs another frame first, or has ended.
    fn receive(&mut self) -> Result<Option<Packet>, ffmpeg::Error>;

    /// The stream's parameters, for a container.
    fn parameters(&self) -> codec::Parameters;
}

/// A part's video. Every packet that was written is readable, whenever the writer ends.
pub(crate) trait Video {
    /// Adds a packet whose times are in microseconds.
    fn write(&mut self, packet: &mut Packet, duration_us: i64) -> Result<(), WriteError>;

    /// The file's length, and a sum over what was added to it since the last call.
    fn seal(&mut self) -> Seal;
}

/// The reason why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The file system refused.
    #[error("{0}")]
    Disk(io::Error),
    /// A part would begin with a packet that can't be decoded by itself.
    #[error("the encoder's first packet is no key frame")]
    NoKeyFrame,
    /// libav refused.
    #[error("libav: {0}")]
    Libav(ffmpeg::Error),
}
