//! The facts that meet in a stream: its packets, the camera's description, and what the config and the ring expect. Plain values, and
//! the interface behind which the network is.

use capture::rtp::Packet;
use capture::source::SourceError;
use capture::stream::most_bytes;
use proto::frame::{Fps, Payload};
use proto::ring::RingSpec;
use proto::time::MonotonicNs;

/// The packets of an open stream.
pub(super) trait Packets: Send {
    /// Hands packets to `take` until it has enough, which it says with true, or until a moment. False when it has not.
    ///
    /// # Errors
    /// [`SourceError::Lost`] when there will be no more.
    fn read(
        &mut self,
        until: MonotonicNs,
        take: &mut dyn FnMut(&Packet<'_>) -> bool,
    ) -> Result<bool, SourceError>;

    /// Has the camera said how its clock lies to its wall clock?
    fn has_reports(&self) -> bool;
}

/// A stream as the camera describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Described {
    pub(super) payload: Payload,
    /// Ticks a second of the stream's clock.
    pub(super) clock_rate: u32,
    /// Frames a second, if it says so.
    pub(super) rate: Option<f64>,
    /// Parameter sets, with start codes.
    pub(super) sets: Vec<u8>,
    /// Packets come by UDP.
    pub(super) is_udp: bool,
}

/// The facts about a camera that are known before its stream is opened.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// The URL, as it may be shown.
    pub(super) input: String,
    /// The frames that the ring is made for; `None` when there is no ring that was made for this camera.
    pub(super) ring: Option<RingShape>,
    pub(super) fps: Fps,
    /// The rate is the config's, and needn't be measured.
    pub(super) is_rate_typed: bool,
    /// Frames of another size than the ring's get a ring of their own. Otherwise they are refused.
    pub(super) may_change: bool,
}

/// The frames that a ring takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RingShape {
    pub(super) size: (u32, u32),
    pub(super) payload: Payload,
    pub(super) most_bytes: usize,
}

impl RingShape {
    pub(super) fn of(ring: &RingSpec) -> Self {
        let size = (ring.geometry.width(), ring.geometry.height());
        Self { size, payload: ring.payload, most_bytes: most_bytes(ring) }
    }
}
