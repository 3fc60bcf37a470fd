//! JPEGs one behind the other, with anything between them: the boundaries and headers of HTTP, or nothing.
//!
//! Neither boundaries nor `Content-Length` are read, of the headers `X-Timestamp` alone. Cameras leave the first boundary out (ESP32, Tasmota), write two hyphens
//! too many or bare line feeds, or no length; and the JPEG itself says where it begins and where it ends.

use memchr::memmem::Finder;
use proto::frame::{FrameFlags, Payload};
use proto::ring::RingSpec;

use super::part_header::PartHeader;
use super::{Found, FoundFrame, Framing, most_bytes};
use crate::jpeg::{BEGINNING, Step, Walk};

/// JPEGs in a stream.
#[derive(Clone, Debug)]
pub struct Jpegs {
    /// The bytes at which the next JPEG begins.
    beginning: Finder<'static>,
    /// Along the JPEG at the beginning of the bytes, if one is there.
    walk: Option<Walk>,
    /// The bytes since the last JPEG.
    header: PartHeader,
    /// The length of the JPEG that was found last.
    found: usize,
    /// The newest JPEG's time, if its headers have one.
    device_ns: Option<i64>,
    /// A JPEG may have so many bytes.
    most: usize,
}

impl Jpegs {
    /// JPEGs of at most `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            beginning: Finder::new(&BEGINNING),
            walk: None,
            header: PartHeader::default(),
            found: 0,
            device_ns: None,
            most,
        }
    }
}

impl Framing for Jpegs {
    fn find(&mut self, bytes: &[u8]) -> Found {
        let Some(walk) = &mut self.walk else {
            let skipped = match self.beginning.find(bytes) {
                Some(0) => {
                    self.walk = Some(Walk::default());
                    return self.find(bytes);
                }
                Some(place) => place,
                // The last two bytes may be the first two of a beginning.
                None if bytes.len() >= BEGINNING.len() => bytes.len() + 1 - BEGINNING.len(),
                None => return Found::More,
            };
            self.header.add(&bytes[..skipped]);
            return Found::Nothing { bytes: skipped };
        };
        let found = match walk.go_on(bytes) {
            Step::More if bytes.len() > self.most => Found::TooLarge { bytes: bytes.len() },
            Step::More => return Found::More,
            Step::Whole(jpeg) if jpeg.bytes > self.most => Found::TooLarge { bytes: jpeg.bytes },
            Step::Whole(jpeg) => {
                self.found = jpeg.bytes;
                let (end, size) = (jpeg.bytes, jpeg.size);
                Found::Frame(FoundFrame { start: 0, end, room: end, size, flags: FrameFlags::NONE })
            }
            Step::Broken { flaw, resume } => Found::Damaged { bytes: resume, damage: flaw.words() },
        };
        self.walk = None;
        self.device_ns = self.header.take_ns();
        found
    }

    fn write(&self, bytes: &[u8], frame: &mut [u8]) -> usize {
        frame[..self.found].copy_from_slice(&bytes[..self.found]);
        self.found
    }

    fn payload(&self) -> Payload {
        Payload::Jpeg
    }

    fn is(&self) -> &'static str {
        "whole JPEG is"
    }

    fn device_ns(&self) -> Option<i64> {
        self.device_ns
    }

    fn fit(&mut self, ring: &RingSpec) {
        self.most = most_bytes(ring);
    }

    fn copy(&self) -> Box<dyn Framing> {
        Box::new(self.clone())
    }
}
