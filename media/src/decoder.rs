//! A decoder of a camera's compressed frames, as a ring holds them: each with the time that its picture is to come out with.
//! Of damaged frames it shows what can be shown: which pictures are true is the recorder's subject.

use ffmpeg::codec::{self, Id};
use ffmpeg::frame::Video;
use ffmpeg::{Dictionary, Packet};
use ffmpeg_next as ffmpeg;
use proto::frame::Payload;

use crate::deadline;
use crate::film::MAX_PIXELS;

/// An open decoder.
pub(crate) struct Decoder {
    inner: codec::decoder::Video,
}

impl Decoder {
    pub(crate) fn open(payload: Payload) -> Result<Self, ffmpeg::Error> {
        let id = match payload {
            Payload::Jpeg => Id::MJPEG,
            Payload::H264 => Id::H264,
            Payload::H265 => Id::HEVC,
            Payload::Planes => return Err(ffmpeg::Error::DecoderNotFound),
        };
        let codec = ffmpeg::decoder::find(id).ok_or(ffmpeg::Error::DecoderNotFound)?;
        let mut options = Dictionary::new();
        options.set("threads", "1");
        options.set("max_pixels", MAX_PIXELS);
        let decoder = codec::Context::new_with_codec(codec).decoder();
        let inner = decoder.open_as_with(codec, options).and_then(codec::decoder::Opened::video)?;
        Ok(Self { inner })
    }

    /// Takes a frame, and gives the pictures that are ready: not always the frame's own, where pictures are shown in another
    /// order than they come in.
    pub(crate) fn feed(&mut self, frame: &[u8], at_ns: i64) -> Result<Vec<Video>, ffmpeg::Error> {
        // A copy, with the padding behind it that decoders read into.
        let mut packet = Packet::copy(frame);
        packet.set_pts(Some(at_ns));
        self.inner.send_packet(&packet)?;
        Ok(self.ready())
    }

    /// Gives the pictures that are still inside. The decoder takes no frame after it.
    pub(crate) fn end(&mut self) -> Vec<Video> {
        if self.inner.send_eof().is_err() {
            return Vec::new();
        }
        self.ready()
    }

    fn ready(&mut self) -> Vec<Video> {
        let mut ready = Vec::new();
        let mut picture = Video::empty();
        while self.inner.receive_frame(&mut picture).is_ok() {
            deadline::step();
            ready.push(std::mem::replace(&mut picture, Video::empty()));
        }
        ready
    }
}
