//! The header of a slot: what is known of the frame, in plain memory before its pixels. It is touched under the same
//! rules as the pixels are.

use super::layout::SLOT_HEADER_BYTES;
use crate::frame::{FrameInfo, LossBefore};
use crate::time::MonotonicNs;

/// The first bytes of a slot, as they lie in shared memory. Any bytes are a valid value.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct SlotHeader {
    sequence: u64,
    source_sequence: u64,
    t_capture_ns: u64,
    epoch: u32,
    /// [`LossBefore::code`].
    before: u32,
}

const _: () = assert!(size_of::<SlotHeader>() <= SLOT_HEADER_BYTES);

impl From<&FrameInfo> for SlotHeader {
    fn from(info: &FrameInfo) -> Self {
        Self {
            sequence: info.sequence,
            source_sequence: info.source_sequence,
            t_capture_ns: info.t_capture.0,
            epoch: info.epoch,
            before: u32::from(info.before.code()),
        }
    }
}

impl From<SlotHeader> for FrameInfo {
    fn from(header: SlotHeader) -> Self {
        Self {
            sequence: header.sequence,
            source_sequence: header.source_sequence,
            t_capture: MonotonicNs(header.t_capture_ns),
            epoch: header.epoch,
            before: LossBefore::from_code(u8::try_from(header.before).unwrap_or(0)),
        }
    }
}
