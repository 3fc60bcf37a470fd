//! Raw frames one behind the other, with nothing between them: nothing in the bytes tells where a frame begins, so the count
//! of bytes since the writer began does.

use proto::frame::{FrameFlags, Geometry, Payload, PixelFormat};
use proto::ring::RingSpec;

use super::planes;
use crate::stream::{Found, FoundFrame, Framing};

/// Raw frames of one size and format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw {
    geometry: Geometry,
}

impl Raw {
    pub(super) fn new(geometry: Geometry) -> Self {
        Self { geometry }
    }
}

impl Framing for Raw {
    fn find(&mut self, bytes: &[u8]) -> Found {
        let end = planes::packed_bytes(&self.geometry);
        if bytes.len() < end {
            return Found::More;
        }
        let size = (self.geometry.width(), self.geometry.height());
        Found::Frame(FoundFrame { start: 0, end, room: 0, size, flags: FrameFlags::NONE })
    }

    fn write(&self, bytes: &[u8], frame: &mut [u8]) -> usize {
        let packed = &bytes[..planes::packed_bytes(&self.geometry)];
        planes::write(packed, self.geometry.format(), &self.geometry, frame)
    }

    fn payload(&self) -> Payload {
        Payload::Planes
    }

    fn is(&self) -> &'static str {
        "whole raw frame is"
    }

    fn pixel_format(&self) -> PixelFormat {
        self.geometry.format()
    }

    fn fit(&mut self, ring: &RingSpec) {
        self.geometry = ring.geometry;
    }

    fn copy(&self) -> Box<dyn Framing> {
        Box::new(*self)
    }
}
