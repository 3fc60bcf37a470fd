//! A video file, decoded with libav from its beginning or from a moment on. Only the containers that clips and films of
//! cameras come in are opened, and nothing is read that lies outside the file: a playlist could name anything.

use std::fs::File;
use std::ops::ControlFlow;

use ffmpeg::codec::packet::side_data;
use ffmpeg::format::context::Input;
use ffmpeg::frame::Video;
use ffmpeg::{Dictionary, Packet, Rational, Rescale, codec, decoder, media};
use ffmpeg_next as ffmpeg;
use proto::frame::{PictureTags, Rotation};

use crate::colour::Meaning;
use crate::deadline;
use crate::picture;
use crate::plain_file;

/// The containers that are opened, by libav's names.
const CONTAINERS: &str = "mov,avi,matroska";
/// The most pixels of a picture.
pub(crate) const MAX_PIXELS: &str = "67108864";
const NS: Rational = Rational(1, 1_000_000_000);

/// The reason why a file can't be decoded at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilmError {
    #[error("it is no video that can be read here, or it is cut off before its index ({0})")]
    Open(#[source] ffmpeg::Error),
    #[error("it holds no video")]
    NoVideo,
    #[error("this libav can't decode its video ({0})")]
    Decoder(#[source] ffmpeg::Error),
}

/// The care with which pictures are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// For people: what can be shown of a damaged picture is shown.
    Show,
    /// For a copy of each frame: what can be shown is, also what the file hides from players.
    Each,
    /// For a judge: damage is told, and frames that the file hides from players count.
    Judge,
}

/// An open file.
pub(crate) struct Film {
    input: Input,
    decoder: decoder::Video,
    stream: usize,
    time_base: Rational,
    is_jpeg: bool,
    rotation: Rotation,
    /// Stays open as long as libav may come back to its name.
    _file: File,
}

/// The pictures of a file, as far as its header tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) meaning: Meaning,
    pub(crate) tags: PictureTags,
}

/// A picture as it comes out of a file.
pub(crate) struct FilmPicture {
    /// `None` in the place of a JPEG that can't be decoded.
    pub(crate) picture: Option<Video>,
    /// Its time in the file, if the file says.
    pub(crate) at_ns: Option<i64>,
    /// The decoder found an error in it.
    pub(crate) damaged: bool,
}

impl Film {
    /// Opens a file's best video.
    pub(crate) fn open(file: File, care: Care) -> Result<Self, FilmError> {
        let mut options = Dictionary::new();
        options.set("protocol_whitelist", "file");
        options.set("format_whitelist", CONTAINERS);
        if care != Care::Show {
            options.set("ignore_editlist", "1");
        }
        let input = ffmpeg::format::input_with_dictionary(&plain_file::name_of(&file), options)
            .map_err(FilmError::Open)?;
        deadline::step();
        let stream = input.streams().best(media::Type::Video).ok_or(FilmError::NoVideo)?;
        let (index, time_base) = (stream.index(), stream.time_base());
        let (rotation, is_jpeg) = (rotation(&stream), stream.parameters().id() == codec::Id::MJPEG);
        let decoder = open_decoder(&stream, care).map_err(FilmError::Decoder)?;
        Ok(Self { input, decoder, stream: index, time_base, is_jpeg, rotation, _file: file })
    }

    /// The pictures of this film, as its header has them.
    pub(crate) fn look(&self) -> Look {
        let of = &self.decoder;
        let tags = picture::tags(of.color_space(), of.color_range(), of.aspect_ratio(), self.rotation);
        Look { width: of.width(), height: of.height(), meaning: picture::meaning(of.format(), &tags), tags }
    }

    /// The turn that a player gives the pictures.
    pub(crate) fn rotation(&self) -> Rotation {
        self.rotation
    }

    /// The times of all pictures, in order, without decoding any. The next look goes on at the file's end.
    pub(crate) fn times(&mut self) -> Vec<i64> {
        let mut times = Vec::new();
        while let Some(Ok(packet)) = self.next_packet() {
            times.extend(packet.pts().or(packet.dts()).map(|at| at.rescale(self.time_base, NS)));
        }
        times.sort_unstable();
        times
    }

    /// Goes to the key frame at or before a time in the file. A format that can't is read from where it stands.
    pub(crate) fn seek(&mut self, at_ns: i64) {
        let us = at_ns.div_euclid(1000);
        self.decoder.flush();
        // libav counts the end of this range as part of it.
        let _ = self.input.seek(us, ..us);
    }

    /// Decodes on, and shows each picture to `look`, until it has seen enough or the file is over. Returns each packet that
    /// could not be read or decoded, in words.
    pub(crate) fn each(&mut self, mut look: impl FnMut(FilmPicture) -> ControlFlow<()>) -> Vec<String> {
        let mut errors = Vec::new();
        let mut number = 0_u64;
        while let Some(packet) = self.next_packet() {
            let packet = match packet {
                Ok(packet) => packet,
                // libav can't always move on after an error, and would then return it for ever.
                Err(e) => {
                    errors.push(format!("packet {number} can't be read: {e}"));
                    break;
                }
            };
            let sent =
                if packet.is_corrupt() { Err("is cut short".to_owned()) } else { Ok(()) }.and_then(|()| {
                    self.decoder.send_packet(&packet).map_err(|e| format!("can't be decoded: {e}"))
                });
            let mut shown = 0;
            let drained = self.drain(&mut |picture| {
                shown += 1;
                look(picture)
            });
            match (sent, drained) {
                (_, Ok(ControlFlow::Break(()))) => return errors,
                (Ok(()), Ok(ControlFlow::Continue(()))) => {}
                // Each JPEG is a picture of its own: the others keep their places.
                (Err(_), _) | (_, Err(_)) if self.is_jpeg && shown == 0 => {
                    let at_ns = packet.pts().map(|at| at.rescale(self.time_base, NS));
                    if look(FilmPicture { picture: None, at_ns, damaged: true }).is_break() {
                        return errors;
                    }
                }
                (Err(e), _) => errors.push(format!("packet {number} {e}")),
                (_, Err(e)) => errors.push(format!("packet {number} can't be decoded: {e}")),
            }
            number += 1;
        }
        let flushed = self.decoder.send_eof().and_then(|()| self.drain(&mut look));
        errors.extend(flushed.err().map(|e| format!("the last pictures can't be decoded: {e}")));
        errors
    }

    /// The next packet of the video; none at the end.
    fn next_packet(&mut self) -> Option<Result<Packet, ffmpeg::Error>> {
        loop {
            deadline::step();
            // A fresh packet each time: reading into a used one would leak what it held.
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                // An AVI's empty chunk says "the same picture again": it holds no frame, and sent on it would mean the end.
                Ok(()) if packet.stream() != self.stream || packet.size() == 0 => {}
                Ok(()) => return Some(Ok(packet)),
                Err(ffmpeg::Error::Eof) => return None,
                Err(e) => return Some(Err(e)),
            }
        }
    }

    fn drain(
        &mut self,
        look: &mut impl FnMut(FilmPicture) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ffmpeg::Error> {
        loop {
            let mut picture = Video::empty();
            match self.decoder.receive_frame(&mut picture) {
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => return Ok(ControlFlow::Continue(())),
                Err(ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => {
                    return Ok(ControlFlow::Continue(()));
                }
                Err(e) => return Err(e),
            }
            deadline::step();
            // An AVI has no times of its own for MPEG-4; libav's best guess counts its frames.
            let at_ns =
                picture.pts().or_else(|| picture.timestamp()).map(|at| at.rescale(self.time_base, NS));
            let damaged = picture.is_corrupt() || picture.has_decode_errors();
            if look(FilmPicture { picture: Some(picture), at_ns, damaged }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
}

fn open_decoder(stream: &ffmpeg::Stream<'_>, care: Care) -> Result<decoder::Video, ffmpeg::Error> {
    let parameters = stream.parameters();
    let codec = decoder::find(parameters.id()).ok_or(ffmpeg::Error::DecoderNotFound)?;
    let mut options = Dictionary::new();
    options.set("threads", "1");
    options.set("max_pixels", MAX_PIXELS);
    if care == Care::Judge {
        // By default libav hides damage: it conceals what it can and holds back what it can't.
        options.set("err_detect", "explode");
        options.set("flags", "+output_corrupt");
    }
    let mut decoder = codec::Context::from_parameters(parameters)?.decoder();
    decoder.set_packet_time_base(stream.time_base());
    decoder.open_as_with(codec, options)?.video()
}

/// The turn that a stream's display matrix asks for (ISO/IEC 14496-12, `tkhd`), if it is one by quarters.
fn rotation(stream: &ffmpeg::Stream<'_>) -> Rotation {
    let is_matrix = |data: &side_data::SideData<'_>| data.kind() == side_data::Type::DisplayMatrix;
    let Some(matrix) = stream.side_data().find(is_matrix) else { return Rotation::None };
    let number = |at: usize| {
        let bytes = matrix.data().get(4 * at..).and_then(|rest| rest.first_chunk());
        bytes.copied().map_or(0, i32::from_ne_bytes).signum()
    };
    match [0, 1, 3, 4].map(number) {
        [0, 1, -1, 0] => Rotation::Quarter,
        [-1, 0, 0, -1] => Rotation::Half,
        [0, -1, 1, 0] => Rotation::ThreeQuarters,
        _ => Rotation::None,
    }
}
