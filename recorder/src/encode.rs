//! One camera's encoder: frames in, packets out, at one thread and with nothing held back.

use std::collections::VecDeque;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, Flags};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling;
use ffmpeg_next::util::color;
use ffmpeg_next::{Dictionary, Packet, Rational};

use proto::codec::{Codec, EncoderChoice};
use proto::frame::{Fps, Geometry, PixelFormat};

use crate::libav::{self, Pixels};

/// Video timestamps are microseconds, from the clip's first frame on.
pub(crate) const TIME_BASE: Rational = Rational(1, 1_000_000);

/// What an encoder is opened for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EncoderSetup {
    pub(crate) choice: EncoderChoice,
    pub(crate) geometry: Geometry,
    pub(crate) fps: Fps,
    /// CRF, 0 to 51.
    pub(crate) quality: u8,
}

/// An encoder that was opened before there was a frame for it, and what for.
pub(crate) struct WarmEncoder {
    setup: EncoderSetup,
    encoder: Encoder,
}

impl WarmEncoder {
    /// Opens it. `None` if it can't be: then it will be tried again when it is needed, and the reason said.
    pub(crate) fn open(setup: EncoderSetup) -> Option<Self> {
        let encoder = setup.open().ok()?;
        Some(Self { setup, encoder })
    }

    /// What it was opened for.
    pub(crate) fn setup(&self) -> &EncoderSetup {
        &self.setup
    }
}

/// An encoder that is open.
pub(crate) struct Encoder {
    inner: codec::encoder::video::Encoder,
    geometry: Geometry,
    convert: Option<Converter>,
    /// The encoder counts frames instead of microseconds.
    counts: bool,
    /// What each frame is to be quantised by, for the encoders that are told so: libav's quantiser, in its own unit.
    quantiser: Option<i32>,
    taken: i64,
    /// The times of the frames that are inside, oldest first.
    inside: VecDeque<i64>,
}

/// From the ring's format to the encoder's, where they differ.
struct Converter {
    context: scaling::Context,
    into: Pixel,
}

impl EncoderSetup {
    /// Frames between key frames: a second, so that a player can seek in a long clip.
    fn gop(&self) -> u32 {
        (self.fps.milli() / 1000).max(1)
    }

    /// What this encoder takes as it is, without a copy; otherwise the format to convert to.
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

    /// The encoder that is open already, if it is the right one; else one that is opened now.
    pub(crate) fn open_unless(&self, warm: Option<WarmEncoder>) -> Result<Encoder, ffmpeg::Error> {
        match warm {
            Some(warm) if warm.setup == *self => Ok(warm.encoder),
            _ => self.open(),
        }
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
        if input == Pixel::YUVJ420P {
            video.set_color_range(color::Range::JPEG);
        }
        // From CRF's 0..51 to the lower end of the MPEG quantiser's 2..31: 23 becomes 4, which looks about alike.
        let quantiser = i32::from(self.quality.div_ceil(6)).clamp(2, 31) * ffmpeg::ffi::FF_QP2LAMBDA;
        let quantiser = constant_quantiser.then_some(quantiser);
        let inner = video.open_as_with(codec, self.options())?;
        let convert = if self.geometry.format_pixel() == input {
            None
        } else {
            let (w, h) = (self.geometry.width(), self.geometry.height());
            let flags = scaling::Flags::BILINEAR;
            let context = scaling::Context::get(self.geometry.format_pixel(), w, h, input, w, h, flags)?;
            Some(Converter { context, into: input })
        };
        let inside = VecDeque::new();
        Ok(Encoder { inner, geometry: self.geometry, convert, counts, quantiser, taken: 0, inside })
    }

    fn options(&self) -> Dictionary<'static> {
        let mut options = Dictionary::new();
        options.set("threads", "1");
        if self.is_x264() {
            options.set("crf", &self.quality.to_string());
            options.set("preset", self.choice.preset.as_deref().unwrap_or("ultrafast"));
            // Nothing stays inside: what is in the encoder when it is killed has to be found in the ring again. With
            // a variable rate x264 holds each frame back until it knows the next one's time; the times in the file
            // are not its business here, so it may take the rate for constant.
            options.set("x264-params", "rc-lookahead=0:sync-lookahead=0:force-cfr=1");
            if self.choice.codec == Codec::Avc1 {
                options.set("profile", "baseline");
            }
        }
        options
    }
}

impl Encoder {
    /// Encodes one frame and hands every packet that is ready to `out`. The pixels' owner is dropped as soon as
    /// the encoder lets go of them.
    pub(crate) fn encode<P: Pixels + 'static>(
        &mut self,
        pixels: P,
        pts_us: i64,
        out: impl FnMut(&mut Packet) -> Result<(), ffmpeg::Error>,
    ) -> Result<(), ffmpeg::Error> {
        let mut frame = libav::frame_over(pixels, &self.geometry).ok_or(ffmpeg::Error::Unknown)?;
        if let Some(convert) = &mut self.convert {
            let mut converted = Video::new(convert.into, self.geometry.width(), self.geometry.height());
            convert.context.run(&frame, &mut converted)?;
            frame = converted;
        }
        frame.set_pts(Some(if self.counts { self.taken } else { pts_us }));
        if let Some(quantiser) = self.quantiser {
            // Each frame has to say it: what the encoder's context says is for others than the MPEG family.
            libav::set_quality(&mut frame, quantiser);
        }
        self.taken += 1;
        self.inside.push_back(pts_us);
        self.inner.send_frame(&frame)?;
        drop(frame);
        self.drain(out)
    }

    /// Hands over what the encoder still holds. It takes no more frames after that.
    pub(crate) fn finish(
        &mut self,
        out: impl FnMut(&mut Packet) -> Result<(), ffmpeg::Error>,
    ) -> Result<(), ffmpeg::Error> {
        self.inner.send_eof()?;
        self.drain(out)
    }

    fn drain(
        &mut self,
        mut out: impl FnMut(&mut Packet) -> Result<(), ffmpeg::Error>,
    ) -> Result<(), ffmpeg::Error> {
        loop {
            let mut packet = Packet::empty();
            match self.inner.receive_packet(&mut packet) {
                Ok(()) => {
                    // Without B-frames packets come in the order of their frames.
                    let pts = self.inside.pop_front();
                    packet.set_pts(pts);
                    packet.set_dts(pts);
                    out(&mut packet)?;
                }
                Err(ffmpeg::Error::Eof) => return Ok(()),
                Err(ffmpeg::Error::Other { errno }) if errno == ffmpeg::error::EAGAIN => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }

    /// The stream's parameters, for a container.
    pub(crate) fn parameters(&self) -> codec::Parameters {
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
mod tests {
    use super::*;

    struct Gray(Vec<u8>);

    impl Pixels for Gray {
        fn bytes(&self) -> &[u8] {
            &self.0
        }
    }

    #[test]
    fn each_frame_comes_out_before_the_next_goes_in() {
        let geometry = Geometry::new(320, 192, PixelFormat::I420).unwrap();
        for (codec, encoder, preset) in [
            (Codec::H264, "libx264", Some("superfast")),
            (Codec::H264, "libx264", Some("veryfast")),
            (Codec::Avc1, "libx264", Some("ultrafast")),
            (Codec::Mp4v, "mpeg4", None),
            (Codec::Mjpg, "mjpeg", None),
        ] {
            let choice = EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(Into::into) };
            let fps = Fps::from_milli(60_000).unwrap();
            let mut encoder = EncoderSetup { choice, geometry, fps, quality: 23 }.open().unwrap();
            // Not at a constant rate.
            for pts in [0_i64, 16_666, 33_333, 500_000, 516_666, 900_000] {
                let mut out = Vec::new();
                let gray = Gray(vec![pts.to_le_bytes()[1]; geometry.frame_bytes()]);
                encoder
                    .encode(gray, pts, |packet| {
                        out.push(packet.pts());
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(out, [Some(pts)], "{codec:?} {preset:?}");
            }
            encoder.finish(|_| panic!("{codec:?} {preset:?}: it held something back")).unwrap();
        }
    }

    #[test]
    fn a_worse_quality_makes_smaller_files_of_every_codec() {
        let geometry = Geometry::new(320, 192, PixelFormat::I420).unwrap();
        // Of all frequencies, so that every step of the quantiser shows.
        let noise: Vec<u8> =
            (0..geometry.frame_bytes()).map(|n| (n * n / 7 % 251).to_le_bytes()[0]).collect();
        for (codec, encoder, preset) in [
            (Codec::H264, "libx264", Some("superfast")),
            (Codec::Avc1, "libx264", Some("ultrafast")),
            (Codec::Xvid, "mpeg4", None),
            (Codec::Mp4v, "mpeg4", None),
            (Codec::Mjpg, "mjpeg", None),
        ] {
            let size = |quality| {
                let choice = EncoderChoice { codec, encoder: encoder.into(), preset: preset.map(Into::into) };
                let fps = Fps::from_milli(60_000).unwrap();
                let mut encoder = EncoderSetup { choice, geometry, fps, quality }.open().unwrap();
                let mut bytes = 0;
                encoder
                    .encode(Gray(noise.clone()), 0, |packet| {
                        bytes += packet.size();
                        Ok(())
                    })
                    .unwrap();
                bytes
            };
            let sizes = [12, 23, 36, 48].map(size);
            assert!(sizes.windows(2).all(|pair| pair[0] > pair[1]), "{codec:?}: {sizes:?}");
        }
    }
}
