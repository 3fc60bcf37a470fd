//! One camera's decoder in libav: compressed frames go in, pictures come out in the order of display. Broken frames are refused, never
//! patched up. Which frames are decoded, and in which order, is decided in [`crate::decoded`]; pictures are made to fit in
//! [`crate::fitting`].

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, Id};
use ffmpeg_next::decoder::Check;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Dictionary, Packet};

use proto::frame::Payload;

/// The frame that a decoder begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// A key frame: nothing that follows depends on anything before it.
    KeyFrame,
    /// A recovery point: the first frames that follow may depend on some before it, and don't come out right.
    RecoveryPoint,
}

/// A decoder that is open.
pub(crate) struct Decoder {
    inner: codec::decoder::Video,
    begins_with: Beginning,
    refuses_broken: bool,
}

impl Decoder {
    /// Opens a decoder. `has_silent_order`: pictures are shown in another order than their frames come in, and the stream
    /// doesn't say so.
    pub(crate) fn open(
        payload: Payload,
        begins_with: Beginning,
        has_silent_order: bool,
    ) -> Result<Self, ffmpeg::Error> {
        let id = match payload {
            Payload::Jpeg => Id::MJPEG,
            Payload::H264 => Id::H264,
            Payload::H265 => Id::HEVC,
            Payload::Planes => return Err(ffmpeg::Error::DecoderNotFound),
        };
        let codec = ffmpeg::decoder::find(id).ok_or(ffmpeg::Error::DecoderNotFound)?;
        let mut options = Dictionary::new();
        options.set("threads", "1");
        match begins_with {
            Beginning::KeyFrame => options.set("err_detect", "explode"),
            // libav holds back what follows a recovery point that isn't said to be one: an I picture.
            Beginning::RecoveryPoint => options.set("flags", "output_corrupt"),
        }
        if has_silent_order {
            // As many pictures are kept back as the standard allows. Otherwise libav learns the number on the way, and has
            // shown some in the wrong order by then.
            options.set("strict", "strict");
        }
        let decoder = codec::Context::new_with_codec(codec).decoder();
        let inner = decoder.open_as_with(codec, options).and_then(codec::decoder::Opened::video)?;
        Ok(Self { inner, begins_with, refuses_broken: begins_with == Beginning::KeyFrame })
    }

    /// Says whether pictures come out later than their frames go in.
    pub(crate) fn reorders(&self) -> bool {
        self.inner.has_b_frames()
    }

    /// From the next frame on broken ones are refused, if they weren't yet.
    pub(crate) fn refuse_broken(&mut self) {
        self.inner.check(Check::EXPLODE);
        self.refuses_broken = true;
    }

    /// Says whether broken frames are refused.
    pub(crate) fn refuses_broken(&self) -> bool {
        self.refuses_broken
    }

    /// Gives it the next frame.
    pub(crate) fn send(&mut self, number: u64, frame: &[u8]) -> Result<(), ffmpeg::Error> {
        // A copy, with the padding behind it that decoders read into.
        let mut packet = Packet::copy(frame);
        packet.set_pts(i64::try_from(number).ok());
        self.inner.send_packet(&packet)
    }

    /// Says that no more frames will come.
    pub(crate) fn end(&mut self) {
        // An error says that it was told already.
        let _ = self.inner.send_eof();
    }

    /// The next picture in the order of display, which has its frame's number. `None` when another frame is needed first.
    pub(crate) fn receive(&mut self) -> Result<Option<Video>, ffmpeg::Error> {
        const NEEDS_MORE: ffmpeg::Error = ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN };
        let mut picture = Video::empty();
        match self.inner.receive_frame(&mut picture) {
            Ok(()) => {}
            Err(NEEDS_MORE | ffmpeg::Error::Eof) => return Ok(None),
            Err(e) => return Err(e),
        }
        let is_held_to_be_whole = self.begins_with == Beginning::KeyFrame;
        if picture.has_decode_errors() || (is_held_to_be_whole && picture.is_corrupt()) {
            return Err(ffmpeg::Error::InvalidData);
        }
        Ok(Some(picture))
    }
}

#[cfg(test)]
mod tests;
