//! The header of a frame in a ring: what is known of it, in plain memory before its bytes. It is touched under the same rules as
//! the bytes are.

use super::layout::FRAME_HEADER_BYTES;
use crate::frame::FrameInfo;
use crate::time::MonotonicNs;

/// The first bytes of a frame's place, as they lie in shared memory. Any bytes are a valid value.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct SlotHeader {
    sequence: u64,
    source_sequence: u64,
    t_capture_ns: u64,
    epoch: u32,
    /// [`FrameInfo::marks`].
    marks: u32,
    /// [`FrameInfo::decoding_word`].
    decoding: u64,
    /// The number of bytes behind the header that are the frame's.
    bytes: u64,
}

const _: () = assert!(size_of::<SlotHeader>() <= FRAME_HEADER_BYTES);

impl SlotHeader {
    /// The header of a frame of so many bytes.
    pub(super) fn of(info: &FrameInfo, bytes: usize) -> Self {
        Self {
            sequence: info.sequence,
            source_sequence: info.source_sequence,
            t_capture_ns: info.t_capture.0,
            epoch: info.epoch,
            marks: u32::from(info.marks()),
            decoding: info.decoding_word(),
            bytes: bytes as u64,
        }
    }

    /// The number of bytes that the frame has, as its writer noted it.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl From<SlotHeader> for FrameInfo {
    fn from(header: SlotHeader) -> Self {
        let (before, flags) = FrameInfo::from_marks(u16::try_from(header.marks).unwrap_or(0));
        let info = Self {
            sequence: header.sequence,
            source_sequence: header.source_sequence,
            t_capture: MonotonicNs(header.t_capture_ns),
            epoch: header.epoch,
            before,
            flags,
            ..Self::default()
        };
        info.with_decoding_word(header.decoding)
    }
}
