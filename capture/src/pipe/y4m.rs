//! YUV4MPEG2, as `ffmpeg -f yuv4mpegpipe` writes it: a line that says size, rate and colours, then raw frames, each behind a
//! line of its own. A frame that is too short shows by the next frame's line inside it.

use memchr::memmem::Finder;
use proto::frame::{
    FieldOrder, Fps, FrameFlags, Geometry, Payload, PictureTags, PixelFormat, PixelShape, Range,
};
use proto::ring::RingSpec;

use super::planes;
use crate::stream::{Found, FoundFrame, Framing, Unusable};

/// The beginning of the stream's own line.
const STREAM: &[u8] = b"YUV4MPEG2";
/// The beginning of each frame's line.
const FRAME: &[u8] = b"FRAME";
/// No line is longer: what goes on without an end is none.
const LONGEST_LINE: usize = 1024;
const NO_FRAME: &str = "no Y4M frame begins where one should";

/// Frames of YUV4MPEG2.
#[derive(Clone, Debug)]
pub(super) struct Y4m {
    /// The ring's frames; `None` while there is no ring.
    ring: Option<Geometry>,
    header: Option<Header>,
    frame: Finder<'static>,
    stream: Finder<'static>,
    /// The bytes are no frame's, and the next line is being looked for.
    is_lost: bool,
    /// The pixels of the frame that was found last, behind its line.
    pixels: usize,
}

/// The stream's own line.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Header {
    geometry: Geometry,
    rate: Option<f64>,
    tags: PictureTags,
}

impl Y4m {
    /// Frames for a ring's geometry, or of any.
    pub(super) fn new(ring: Option<Geometry>) -> Self {
        let (frame, stream) = (Finder::new(FRAME), Finder::new(STREAM));
        Self { ring, header: None, frame, stream, is_lost: false, pixels: 0 }
    }

    /// The frames' geometry. A capture that takes over while the writer goes on sees no stream's line, and its ring has the
    /// same frames.
    fn geometry(&self) -> Option<Geometry> {
        if let Some(header) = self.header {
            return Some(header.geometry);
        }
        let ring = self.ring?;
        let format = if ring.format() == PixelFormat::NV12 { PixelFormat::I420 } else { ring.format() };
        Geometry::new(ring.width(), ring.height(), format).ok()
    }

    fn stream_line(&mut self, bytes: &[u8]) -> Found {
        let Some(line) = line(bytes) else { return self.unended(bytes) };
        match Header::parse(&bytes[..line]) {
            Ok(header) => {
                self.is_lost = false;
                self.header = Some(header);
                Found::Nothing { bytes: line + 1 }
            }
            Err(unusable) => Found::Unusable(unusable),
        }
    }

    fn frame_line(&mut self, bytes: &[u8]) -> Found {
        let Some(line) = line(bytes) else { return self.unended(bytes) };
        let Some(geometry) = self.geometry() else { return self.lose() };
        if self.ring.is_some_and(|ring| !planes::fits(geometry.format(), ring.format())) {
            return Found::Unusable(
                "pixel_format: I420 or NV12 takes its frames in colour, GRAY8 those in grey",
            );
        }
        let start = line + 1;
        let end = start + planes::packed_bytes(&geometry);
        if bytes.len() < end {
            return Found::More;
        }
        if let Some(next) = self.begins_inside(&bytes[start..end]) {
            let behind = &bytes[end..];
            if behind.len() < FRAME.len() {
                return Found::More;
            }
            // Pixels may look like a line. Then a real one follows in the right place.
            if !behind.starts_with(FRAME) && !behind.starts_with(&STREAM[..FRAME.len()]) {
                return Found::Damaged { bytes: start + next, damage: "the frame is too short" };
            }
        }
        self.is_lost = false;
        self.pixels = start;
        let size = (geometry.width(), geometry.height());
        Found::Frame(FoundFrame { start: 0, end, room: 0, size, flags: FrameFlags::NONE })
    }

    /// The place at which another line seems to begin inside a frame's pixels, or at their very end.
    fn begins_inside(&self, pixels: &[u8]) -> Option<usize> {
        let whole = [&self.frame, &self.stream].into_iter().filter_map(|line| line.find(pixels)).min();
        let cut_off = || {
            let cut = |line: &[u8]| {
                let lengths = (1..line.len()).rev();
                lengths.filter(|n| pixels.ends_with(&line[..*n])).map(|n| pixels.len() - n).next()
            };
            [FRAME, STREAM].into_iter().filter_map(cut).min()
        };
        whole.or_else(cut_off)
    }

    /// A line whose end isn't there.
    fn unended(&mut self, bytes: &[u8]) -> Found {
        if bytes.len() <= LONGEST_LINE { Found::More } else { self.lose() }
    }

    /// Looks for the next line, and counts one damaged frame for all that is passed over.
    fn lose(&mut self) -> Found {
        if std::mem::replace(&mut self.is_lost, true) {
            Found::Nothing { bytes: 1 }
        } else {
            Found::Damaged { bytes: 1, damage: NO_FRAME }
        }
    }
}

impl Framing for Y4m {
    fn find(&mut self, bytes: &[u8]) -> Found {
        if bytes.starts_with(FRAME) {
            return self.frame_line(bytes);
        }
        if bytes.starts_with(STREAM) {
            return self.stream_line(bytes);
        }
        if [FRAME, STREAM].iter().any(|line| line.starts_with(bytes)) {
            return Found::More;
        }
        if !self.is_lost {
            return self.lose();
        }
        let next = [&self.frame, &self.stream].into_iter().filter_map(|line| line.find(&bytes[1..])).min();
        match next {
            Some(place) => Found::Nothing { bytes: place + 1 },
            // The last bytes may be the first of a line.
            None => Found::Nothing { bytes: bytes.len().saturating_sub(STREAM.len()).max(1) },
        }
    }

    fn write(&self, bytes: &[u8], frame: &mut [u8]) -> usize {
        let (Some(from), Some(ring)) = (self.geometry(), self.ring) else { return 0 };
        let packed = &bytes[self.pixels..][..planes::packed_bytes(&from)];
        planes::write(packed, from.format(), &ring, frame)
    }

    fn payload(&self) -> Payload {
        Payload::Planes
    }

    fn is(&self) -> &'static str {
        "whole Y4M frame is"
    }

    fn picture_tags(&self) -> PictureTags {
        self.header.map(|header| header.tags).unwrap_or_default()
    }

    fn pixel_format(&self) -> PixelFormat {
        self.geometry().map_or(PixelFormat::I420, |geometry| geometry.format())
    }

    fn rate(&self) -> Option<f64> {
        self.header.and_then(|header| header.rate)
    }

    fn fit(&mut self, ring: &RingSpec) {
        self.ring = Some(ring.geometry);
    }

    fn copy(&self) -> Box<dyn Framing> {
        Box::new(self.clone())
    }
}

/// The length of the line at the beginning of some bytes, without its end.
fn line(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', &bytes[..bytes.len().min(LONGEST_LINE)])
}

impl Header {
    fn parse(line: &[u8]) -> Result<Self, Unusable> {
        let text = String::from_utf8_lossy(line);
        let (mut width, mut height, mut rate, mut colours) = (0, 0, None, "420jpeg");
        let mut tags = PictureTags::default();
        for word in text.split_ascii_whitespace().skip(1) {
            let Some((key, value)) = word.split_at_checked(1) else { continue };
            match key {
                "W" => width = value.parse().unwrap_or(0),
                "H" => height = value.parse().unwrap_or(0),
                "F" => rate = ratio(value).map(|(frames, seconds)| f64::from(frames) / f64::from(seconds)),
                "I" => tags.fields = fields(value),
                "A" => tags.pixel_shape = ratio(value).and_then(|(w, h)| PixelShape::new(w.into(), h.into())),
                "C" => colours = if value == "mono" { "mono" } else { known(value)? },
                "X" if value == "COLORRANGE=FULL" => tags.range = Range::Full,
                "X" if value == "COLORRANGE=LIMITED" => tags.range = Range::Limited,
                _ => {}
            }
        }
        let format = if colours == "mono" { PixelFormat::GRAY8 } else { PixelFormat::I420 };
        let geometry = Geometry::new(width, height, format).map_err(
            |_| "its Y4M line names no size that frames can have (colour at half size takes even sides)",
        )?;
        // A rate that no camera can have is none.
        let rate = rate.filter(|rate| Fps::new(*rate).is_some());
        Ok(Self { geometry, rate, tags })
    }
}

/// The names of 4:2:0 in eight bits, which differ in the place of the colour's samples alone.
fn known(colours: &str) -> Result<&'static str, Unusable> {
    match colours {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok("420jpeg"),
        _ => Err(
            "its colours are neither 4:2:0 in eight bits nor grey: have them written so (ffmpeg … -pix_fmt yuv420p)",
        ),
    }
}

fn ratio(text: &str) -> Option<(u32, u32)> {
    let (one, other) = text.split_once(':')?;
    let ratio = (one.parse().ok()?, other.parse().ok()?);
    (ratio.0 > 0 && ratio.1 > 0).then_some(ratio)
}

fn fields(text: &str) -> FieldOrder {
    match text {
        "p" => FieldOrder::Progressive,
        "t" => FieldOrder::TopFirst,
        "b" => FieldOrder::BottomFirst,
        _ => FieldOrder::Unspecified,
    }
}

#[cfg(test)]
mod tests;
