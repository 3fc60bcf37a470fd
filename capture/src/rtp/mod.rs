//! Video frames put together from the packets of RTP (RFC 3550), by payload format: H.264 (RFC 6184) and H.265 (RFC 7798) in
//! [`nal_units`], JPEG (RFC 2435) in [`jpeg`]. Pure: packets in, frames out, with what is wrong with each. How packets come, and
//! their order, is the business of whoever receives them; a packet that comes late is lost.

mod counting;
mod decoding_times;
mod jpeg;
mod nal_units;
mod sdp;

use proto::time::MonotonicNs;

pub use counting::Counting;
pub use decoding_times::DecodingTimes;
pub use jpeg::JpegFrames;
pub use nal_units::AccessUnits;
pub use sdp::parameter_sets;

/// A packet of one stream, in the order of its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The time by the camera's clock, in ticks of the stream, without the wrap of its 32 bits.
    pub time: i64,
    /// The last packet of a frame, says the camera.
    pub mark: bool,
    /// The packets that are missing just before it.
    pub lost: u16,
    /// The moment at which it came.
    pub arrived: MonotonicNs,
    /// The content behind the header of RTP.
    pub payload: &'a [u8],
}

/// A frame that was put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The bytes: a JPEG, or an access unit with start codes.
    pub bytes: Vec<u8>,
    /// The time by the camera's clock, in ticks.
    pub time: i64,
    /// The arrival of its first packet.
    pub arrived: MonotonicNs,
    /// The packets that are missing in it, and before it behind the last frame.
    pub lost: u32,
    /// The reason why it can't be used.
    pub flaw: Option<Flaw>,
}

/// The reason why a frame can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A part of it is missing; in words.
    Damaged(&'static str),
    /// The frame has more bytes than a frame may have.
    TooLarge,
}

/// Frames from packets, in the form of one payload format.
pub trait Frames: Send {
    /// Takes the next packet. Afterwards the frames that it has ended are there.
    fn push(&mut self, packet: &Packet<'_>);

    /// No packet has come for a while: a frame whose end only shows when the next one begins is taken for whole.
    fn quiet(&mut self);

    /// The oldest frame that has ended.
    fn take(&mut self) -> Option<Frame>;

    /// A frame may have so many bytes from now on.
    fn fit(&mut self, most_bytes: usize);
}
