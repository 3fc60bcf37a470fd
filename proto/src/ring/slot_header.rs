//! The header of a slot: what is known of the frame, in plain memory before its pixels. It is touched under the same
//! rules as the pixels are.

use super::layout::SLOT_HEADER_BYTES;
use crate::frame::FrameInfo;
use crate::time::MonotonicNs;

/// The first bytes of a slot, as they lie in shared memory. Any bytes are a valid value.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct SlotHeader {
    sequence: u64,
    source_sequence: u64,
    t_capture_ns: u64,
    epoch: u32,
    /// [`FrameInfo::marks`].
    marks: u32,
}

const _: () = assert!(size_of::<SlotHeader>() <= SLOT_HEADER_BYTES);

impl From<&FrameInfo> for SlotHeader {
    fn from(info: &FrameInfo) -> Self {
        Self {
            sequence: info.sequence,
            source_sequence: info.source_sequence,
            t_capture_ns: info.t_capture.0,
            epoch: info.epoch,
            marks: u32::from(info.marks()),
        }
    }
}

impl From<SlotHeader> for FrameInfo {
    fn from(header: SlotHeader) -> Self {
        let (before, flags) = FrameInfo::from_marks(u16::try_from(header.marks).unwrap_or(0));
        Self {
            sequence: header.sequence,
            source_sequence: header.source_sequence,
            t_capture: MonotonicNs(header.t_capture_ns),
            epoch: header.epoch,
            before,
            flags,
        }
    }
}
