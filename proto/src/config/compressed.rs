//! The keys of cameras whose frames come compressed: how much room such frames need in a ring, and how they get into
//! clips. The defaults go by payload and size, since a camera says neither its rate of bytes nor its largest frame.

use serde::{Deserialize, Serialize};

use super::Mistake;
use super::camera_entry::Camera;
use super::checker::Checker;
use super::key::{Key, KeyOr, Row};
use super::value::{At, Mapping};
use crate::frame::{Fps, Geometry, Payload};
use crate::ring::layout::Stream;

/// The largest frame that a config may name: no camera's is near it, and a mistake in its place would fill the memory.
pub(super) const MAX_FRAME_BYTES: u64 = 256 << 20;
/// The highest bit rate that a config may name, in millions of bits a second.
const MAX_BITRATE_MBPS: f64 = 100_000.0;
/// The pixels of 1920x1080, at which the largest frames by default were set.
const FULL_HD_PIXELS: u64 = 1920 * 1080;

static CLIP: KeyOr<String> = Key::one_of("clip", clip_modes).or(ClipMode::Smart.name());
static MAX_BITRATE: Key<f64> =
    Key::number("max_bitrate_mbps", "megabits a second").such_as("40").or_words("by size, rate and payload");
static MAX_FRAME: Key<u64> =
    Key::whole("max_frame_bytes", "bytes").such_as("1000000").or_words("by size and payload");
static GOP: KeyOr<u64> = Key::whole("gop_ms", "milliseconds").or(4000);
/// The keys of compressed frames, which every camera may have.
pub(super) static KEYS: &[&Row] = &[&CLIP.row, &MAX_BITRATE.row, &MAX_FRAME.row, &GOP.row];

/// How compressed frames get into a clip. Raw frames are always encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipMode {
    /// Copied where that gives a clip exact to the frame, else encoded again.
    #[default]
    Smart,
    /// Decoded, and encoded again.
    Exact,
    /// The camera's own bytes.
    Verbatim,
}

impl ClipMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Smart, Self::Exact, Self::Verbatim];

    /// The name used in configs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smart => "smart",
            Self::Exact => "exact",
            Self::Verbatim => "verbatim",
        }
    }
}

/// The room that a camera's compressed frames need, as typed. [`Compressed::stream`] fills in the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compressed {
    /// Millions of bits a second, at most.
    pub max_bitrate_mbps: Option<f64>,
    /// The bytes of the largest frame.
    pub max_frame_bytes: Option<u64>,
    /// From one key frame to the next, at most.
    pub gop_ms: u64,
}

impl Default for Compressed {
    fn default() -> Self {
        Self { max_bitrate_mbps: None, max_frame_bytes: None, gop_ms: GOP.default }
    }
}

/// What a payload takes at most, if nobody has said it.
struct Usual {
    /// Of a moving scene, by the codec of a camera.
    bits_per_pixel: f64,
    /// Of a picture of 1920x1080.
    frame_bytes: u64,
    /// A small picture may hold as much noise as a large one.
    least_frame_bytes: u64,
}

impl Usual {
    fn of(payload: Payload) -> Option<Self> {
        // 1.6 bits a pixel are 400 KB a frame of 1920x1080, as USB cameras send them; 0.13 are 8 Mbit/s at 1920x1080 and 30 fps.
        let (bits_per_pixel, frame_bytes, least_frame_bytes) = match payload {
            Payload::Planes => return None,
            Payload::Jpeg => (1.6, 1_000_000, 250_000),
            Payload::H264 => (0.13, 500_000, 125_000),
            Payload::H265 => (0.08, 500_000, 125_000),
        };
        Some(Self { bits_per_pixel, frame_bytes, least_frame_bytes })
    }
}

impl Compressed {
    /// The stream that a ring has to be made for; `None` for raw frames, whose room follows from their size. `frame_bytes` is
    /// what each frame is known to have.
    #[must_use]
    pub fn stream(
        &self,
        payload: Payload,
        geometry: &Geometry,
        fps: Fps,
        frame_bytes: Option<u64>,
    ) -> Option<Stream> {
        let usual = Usual::of(payload)?;
        let pixels = u64::from(geometry.width()) * u64::from(geometry.height());
        let scaled = usual.frame_bytes.saturating_mul(pixels) / FULL_HD_PIXELS;
        let usual_frame = frame_bytes.unwrap_or_else(|| scaled.max(usual.least_frame_bytes));
        let max_frame_bytes = self.max_frame_bytes.unwrap_or(usual_frame);
        #[expect(clippy::cast_precision_loss, reason = "at most 256 MiB, and 2^28 pixels")]
        let usual_bits = frame_bytes.map_or(pixels as f64 * usual.bits_per_pixel, |bytes| bytes as f64 * 8.0);
        let bits_per_s = self.max_bitrate_mbps.map_or(usual_bits * fps.as_f64(), |mbps| mbps * 1e6);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked when it was typed"
        )]
        let max_rate_bytes = (bits_per_s / 8.0).ceil() as u64;
        let max_frame_bytes = usize::try_from(max_frame_bytes).ok()?;
        let gop_ms = if payload.needs_key_frames() { self.gop_ms } else { 0 };
        Some(Stream { max_rate_bytes, max_frame_bytes, gop_ms })
    }
}

fn clip_modes() -> Vec<&'static str> {
    ClipMode::ALL.map(ClipMode::name).to_vec()
}

impl Checker<'_> {
    /// The keys of one camera's compressed frames.
    pub(super) fn compressed(&self, camera: &Camera<'_>) -> Result<(ClipMode, Compressed), Mistake> {
        let clip = camera.typed(&CLIP).map_or(Ok(ClipMode::default()), |typed| self.clip_mode(&typed))?;
        let room = Compressed {
            max_bitrate_mbps: camera.get(&MAX_BITRATE).map(|typed| self.max_bitrate(&typed)).transpose()?,
            max_frame_bytes: camera.get(&MAX_FRAME).map(|typed| self.max_frame(&typed)).transpose()?,
            gop_ms: camera.typed(&GOP).map_or(Ok(GOP.default), |typed| self.gop(&typed))?,
        };
        Ok((clip, room))
    }

    /// The same keys among the defaults for all cameras.
    pub(super) fn compressed_defaults(&self, all: &Mapping) -> Result<(), Mistake> {
        all.typed(&CLIP).map_or(Ok(ClipMode::default()), |typed| self.clip_mode(&typed))?;
        all.get(&MAX_BITRATE).map(|typed| self.max_bitrate(&typed)).transpose()?;
        all.get(&MAX_FRAME).map(|typed| self.max_frame(&typed)).transpose()?;
        all.typed(&GOP).map_or(Ok(GOP.default), |typed| self.gop(&typed))?;
        Ok(())
    }

    fn clip_mode(&self, typed: &At<String>) -> Result<ClipMode, Mistake> {
        match ClipMode::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(&typed.value)) {
            Some(mode) => Ok(mode),
            None => {
                let message = format!("clip: {:?} is not one of {}", typed.value, clip_modes().join(", "));
                self.wrong(typed.at, message)
            }
        }
    }

    fn max_bitrate(&self, typed: &At<f64>) -> Result<f64, Mistake> {
        if typed.value > 0.0 && typed.value <= MAX_BITRATE_MBPS {
            return Ok(typed.value);
        }
        let message =
            format!("max_bitrate_mbps: {} is not more than 0 and at most {MAX_BITRATE_MBPS}", typed.value);
        self.wrong(typed.at, message)
    }

    fn max_frame(&self, typed: &At<u64>) -> Result<u64, Mistake> {
        if (1..=MAX_FRAME_BYTES).contains(&typed.value) {
            return Ok(typed.value);
        }
        let message = format!("max_frame_bytes: {} is not 1 to {MAX_FRAME_BYTES} bytes", typed.value);
        self.wrong(typed.at, message)
    }

    fn gop(&self, typed: &At<u64>) -> Result<u64, Mistake> {
        if typed.value == 0 {
            return self.wrong(typed.at, "gop_ms: must be at least 1");
        }
        self.span_ms(typed, GOP.row.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PixelFormat;

    fn stream(payload: Payload, size: (u32, u32), fps: f64, frame_bytes: Option<u64>) -> Option<Stream> {
        let geometry = Geometry::new(size.0, size.1, PixelFormat::I420).unwrap();
        Compressed::default().stream(payload, &geometry, Fps::new(fps).unwrap(), frame_bytes)
    }

    #[test]
    fn the_room_that_nobody_has_named_goes_by_payload_and_size() {
        let full = (1920, 1080);
        assert_eq!(stream(Payload::Planes, full, 60.0, None), None);
        for (payload, size, fps, mbps, frame, gop_ms) in [
            (Payload::Jpeg, full, 60.0, 199.1, 1_000_000, 0),
            (Payload::Jpeg, (640, 480), 30.0, 14.7, 250_000, 0),
            (Payload::H264, full, 30.0, 8.1, 500_000, 4000),
            (Payload::H265, (3840, 2160), 30.0, 19.9, 2_000_000, 4000),
        ] {
            let stream = stream(payload, size, fps, None).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
            let found = stream.max_rate_bytes as f64 * 8.0 / 1e6;
            assert!((found - mbps).abs() < 0.1, "{payload:?} {size:?}: {found}");
            assert_eq!((stream.max_frame_bytes, stream.gop_ms), (frame, gop_ms), "{payload:?} {size:?}");
        }
    }

    #[test]
    fn the_room_that_was_named_counts_and_so_does_a_known_size_of_frames() {
        let known = stream(Payload::Jpeg, (1920, 1080), 60.0, Some(400_000)).unwrap();
        assert_eq!((known.max_rate_bytes, known.max_frame_bytes), (24_000_000, 400_000));
        let named = Compressed { max_bitrate_mbps: Some(8.0), max_frame_bytes: Some(7), gop_ms: 2000 };
        let geometry = Geometry::new(64, 64, PixelFormat::I420).unwrap();
        let stream = named.stream(Payload::H264, &geometry, Fps::new(25.0).unwrap(), Some(9)).unwrap();
        assert_eq!(stream, Stream { max_rate_bytes: 1_000_000, max_frame_bytes: 7, gop_ms: 2000 });
    }
}
