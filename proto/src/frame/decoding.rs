//! How a frame of a stream decodes, as its capture says it to the ring's writer. The ledger keeps the result:
//! [`FrameInfo::start_sequence`](super::FrameInfo::start_sequence).

/// Says how a frame of a stream decodes, and when its picture is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoding {
    /// The frame from which it decodes.
    pub from: DecodesFrom,
    /// Pictures of this stream are shown in another order than they come in (B-frames).
    pub reorders: bool,
    /// [`FrameInfo::picture_offset_ns`](super::FrameInfo::picture_offset_ns).
    pub picture_offset_ns: i64,
}

/// The newest frame such that decoding from it on gives a frame as it should be. A frame with the flag
/// [`KEY`](super::FrameFlags::KEY) decodes from itself, whatever is said here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecodesFrom {
    /// The newest key frame: of a source that knows nothing else.
    #[default]
    NewestKey,
    /// The one so many of the source's frames before it; 0 is the frame itself. Frames count that the source has announced, in
    /// the ring or not.
    Back(u32),
    /// No start is known.
    Nothing,
}
