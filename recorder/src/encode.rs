//! One camera's encoder in libav: its settings, frames in, packets out, on one thread and with nothing held back.

use std::collections::VecDeque;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, Flags};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::util::{color, picture};
use ffmpeg_next::{Dictionary, Packet, Rational};

use proto::codec::{Codec, EncoderChoice, X264_PRESETS};
use proto::frame::{Fps, Geometry, PictureTags, PixelFormat, Range};

use crate::colour::{self, Colours};
use crate::frames::HeldFrame;
use crate::libav;
use crate::media::Encode;
use crate::scaler::{self, Scaler, Side};
use crate::video_time::TIME_BASE;

/// Everything an encoder is opened with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EncoderSetup {
    pub(crate) choice: EncoderChoice,
    pub(crate) geometry: Geometry,
    pub(crate) fps: Fps,
    /// CRF, 0 to 51.
    pub(crate) quality: u8,
    /// What the pictures say of themselves.
    pub(crate) picture: PictureTags,
}

/// An encoder that is open.
pub(crate) struct Encoder {
    inner: codec::encoder::video::Encoder,
    geometry: Geometry,
    convert: Option<(Scaler, Pixel)>,
    /// The encoder counts frames instead of microseconds.
    counts: bool,
    /// Each frame's quantiser, for the encoders that need one: in libav's own unit.
    quantiser: Option<i32>,
    taken: i64,
    /// The times of the frames that are inside, oldest first.
    inside: VecDeque<i64>,
}

impl EncoderSetup {
    /// Frames between key frames: a second, so that a player can seek in a long clip.
    fn gop(&self) -> u32 {
        (self.fps.milli() / 1000).max(1)
    }

    /// The ring's format if this encoder takes it without a copy; otherwise the format to convert to.
    fn input(&self) -> Pixel {
        match (self.choice.codec, self.geometry.format()) {
            (Codec::Mjpg, _) => Pixel::YUVJ420P,
            (Codec::H264 | Codec::Avc1, PixelFormat::NV12) if self.is_x264() => Pixel::NV12,
            // Hardware encoders take NV12 from main memory, nearly all of them.
            (Codec::H264, _) if !self.is_x264() => Pixel::NV12,
            _ => Pixel::YUV420P,
        }
    }

    fn is_x264(&self) -> bool {
        self.choice.encoder == "libx264"
    }

    /// Opens the encoder. 5 to 15 ms for x264 at 720p.
    pub(crate) fn open(&self) -> Result<Encoder, ffmpeg::Error> {
        let codec =
            ffmpeg::encoder::find_by_name(&self.choice.encoder).ok_or(ffmpeg::Error::EncoderNotFound)?;
        let mut context = codec::Context::new_with_codec(codec);
        // set_flags overwrites, so all of them are said at once. A constant quantiser is how the MPEG family is
        // told a quality; without QSCALE it would run at a constant bit rate.
        let constant_quantiser = !matches!(self.choice.codec, Codec::H264 | Codec::Avc1);
        let qscale = if constant_quantiser { Flags::QSCALE } else { Flags::empty() };
        context.set_flags(Flags::GLOBAL_HEADER | qscale);
        let mut video = context.encoder().video()?;
        let input = self.input();
        video.set_width(self.geometry.width());
        video.set_height(self.geometry.height());
        video.set_format(input);
        let rate = Rational(i32::try_from(self.fps.milli()).unwrap_or(i32::MAX), 1000).reduce();
        // MPEG-4 has 16 bits for its clock: it gets frame numbers instead of times.
        let counts = self.choice.encoder == "mpeg4";
        video.set_time_base(if counts { rate.invert() } else { TIME_BASE });
        // x264 takes the rate from the time base unless it is told: a million frames a second.
        video.set_frame_rate(Some(rate));
        video.set_gop(self.gop());
        video.set_max_b_frames(0);
        let colours = self.colours();
        self.tag(&mut video, &colours);
        // From CRF's 0..51 to the lower end of the MPEG quantiser's 2..31: 23 becomes 4, which looks about alike.
        let quantiser = i32::from(self.quality.div_ceil(6)).clamp(2, 31) * ffmpeg::ffi::FF_QP2LAMBDA;
        let quantiser = constant_quantiser.then_some(quantiser);
        let inner = video.open_as_with(codec, self.options())?;
        let convert = self.converter(input, &colours)?;
        let inside = VecDeque::new();
        Ok(Encoder { inner, geometry: self.geometry, convert, counts, quantiser, taken: 0, inside })
    }

    /// The colours of its pictures, in the ring and in the stream.
    pub(crate) fn colours(&self) -> Colours {
        Colours::of(self.geometry.format(), &self.picture, self.choice.codec)
    }

    /// Has the stream say what its pictures are.
    fn tag(&self, video: &mut codec::encoder::video::Video, colours: &Colours) {
        let PictureTags { primaries, transfer, pixel_shape, .. } = self.picture;
        video.set_color_range(match colours.range {
            Range::Unspecified => color::Range::Unspecified,
            Range::Limited => color::Range::MPEG,
            Range::Full => color::Range::JPEG,
        });
        video.set_colorspace(colour::space(colours.to.matrix));
        video.set_color_primaries(colour::primaries(primaries));
        video.set_color_transfer_characteristic(colour::transfer(transfer));
        if let Some(shape) = pixel_shape {
            video.set_aspect_ratio(Rational(shape.width().into(), shape.height().into()));
        }
    }

    /// The converter to the encoder's format, unless the ring's pictures are what it takes.
    fn converter(&self, input: Pixel, colours: &Colours) -> Result<Option<(Scaler, Pixel)>, ffmpeg::Error> {
        let from = self.geometry.format_pixel();
        if from == input && scaler::is_alike(colours.from, colours.to) {
            return Ok(None);
        }
        let (width, height) = (self.geometry.width(), self.geometry.height());
        let side = |pixel| Side { pixel, width, height };
        let scaler = Scaler::new(side(from), side(input), colours).ok_or(ffmpeg::Error::InvalidData)?;
        Ok(Some((scaler, input)))
    }

    fn options(&self) -> Dictionary<'static> {
        let mut options = Dictionary::new();
        options.set("threads", "1");
        if self.is_x264() {
            options.set("crf", &self.quality.to_string());
            let preset = self.choice.preset.as_deref().unwrap_or("ultrafast");
            options.set("preset", preset);
            // Nothing stays inside: what is in the encoder when it is killed has to be found in the ring again. With
            // a variable rate x264 holds each frame back until it knows the next one's time; the times in the file
            // are not its business here, so it may take the rate for constant.
            let params = "rc-lookahead=0:sync-lookahead=0:force-cfr=1";
            if self.choice.codec == Codec::Avc1 {
                options.set("x264-params", params);
                options.set("profile", "baseline");
            } else {
                let offset = chroma_qp_offset(preset);
                let params = format!("{params}:{SHARED_SETS}:chroma-qp-offset={offset}");
                options.set("x264-params", &params);
            }
        }
        options
    }
}

/// x264's parameters that make its presets write the same SPS and PPS, so that a stream may change its preset at a key
/// frame: whatever of a preset stands there. `stitchable` keeps the quality out of the PPS. With one reference frame the
/// level that x264 chooses by itself goes by size and rate alone. See docs/decisions/parameter-sets.md.
const SHARED_SETS: &str = "stitchable=1:ref=1:cabac=1:8x8dct=1:weightp=0";

/// The chroma offset that leaves 0 in the PPS. From `fast` on (`subme` 6 and up) x264 rates pictures by how they look, and
/// lowers the offset by 2 for it (encoder.c, `validate_parameters`).
fn chroma_qp_offset(preset: &str) -> u8 {
    let by_looks = X264_PRESETS.iter().skip_while(|p| **p != "fast").any(|p| *p == preset);
    if by_looks { 2 } else { 0 }
}

impl Encode for Encoder {
    fn send(&mut self, frame: Box<dyn HeldFrame>, pts_us: i64, key: bool) -> Result<(), ffmpeg::Error> {
        let mut frame = libav::frame_over(frame, &self.geometry).ok_or(ffmpeg::Error::Unknown)?;
        if let Some((scaler, into)) = &mut self.convert {
            let mut converted = Video::new(*into, self.geometry.width(), self.geometry.height());
            if !scaler.run(&frame, &mut converted) {
                return Err(ffmpeg::Error::InvalidData);
            }
            frame = converted;
        }
        frame.set_pts(Some(if self.counts { self.taken } else { pts_us }));
        if let Some(quantiser) = self.quantiser {
            // The quantiser in the context is not for the MPEG family: each frame has to carry it.
            libav::set_quality(&mut frame, quantiser);
        }
        if key {
            frame.set_kind(picture::Type::I);
        }
        self.taken += 1;
        self.inside.push_back(pts_us);
        self.inner.send_frame(&frame)
    }

    fn end(&mut self) -> Result<(), ffmpeg::Error> {
        self.inner.send_eof()
    }

    fn receive(&mut self) -> Result<Option<Packet>, ffmpeg::Error> {
        let mut packet = Packet::empty();
        match self.inner.receive_packet(&mut packet) {
            Ok(()) => {
                // Without B-frames packets come in the order of their frames.
                let pts = self.inside.pop_front();
                packet.set_pts(pts);
                packet.set_dts(pts);
                Ok(Some(packet))
            }
            Err(ffmpeg::Error::Eof) => Ok(None),
            Err(ffmpeg::Error::Other { errno }) if errno == ffmpeg::error::EAGAIN => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn parameters(&self) -> codec::Parameters {
        codec::Parameters::from(&self.inner)
    }
}

/// A ring's format in libav's terms.
trait FormatPixel {
    fn format_pixel(&self) -> Pixel;
}

impl FormatPixel for Geometry {
    fn format_pixel(&self) -> Pixel {
        libav::pixel(self.format())
    }
}

#[cfg(test)]
mod tests;
