//! Video files to luma planes, with a stock decoder (libav).
//!
//! Nothing is skipped: a packet that can't be read or decoded is reported, and a picture that the decoder had to
//! patch up is handed over and marked as such. Where each packet is a picture (in JPEG, and without B-frames) one that can't be decoded is
//! handed over without its samples, so that the others keep their places.

use std::path::Path;
use std::sync::Once;

use ffmpeg::format::Pixel;
use ffmpeg::{Dictionary, Packet, Rational, Rescale, decoder, frame, media};
use ffmpeg_next as ffmpeg;

/// The luma of a decoded picture. The samples stay in the decoder's memory.
#[derive(Clone, Copy, Debug)]
pub struct Luma<'a> {
    /// 8-bit samples, `stride` bytes a row.
    pub plane: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// The picture's time of display, if the file says.
    pub pts_us: Option<i64>,
    /// The decoder concealed an error in it.
    pub damaged: bool,
}

/// The part of a file that could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Pictures that were handed over.
    pub frames: usize,
    /// Each packet that couldn't be read or decoded, in words.
    pub errors: Vec<String>,
}

/// A reason why a file can't be decoded at all.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// libav takes paths as UTF-8 only.
    #[error("its path is not UTF-8")]
    Path,
    /// Not a video file that libav can open.
    #[error("it can't be opened: {0}")]
    Open(#[source] ffmpeg::Error),
    /// A container without a video in it.
    #[error("it holds no video stream")]
    NoVideo,
    /// No decoder takes the stream.
    #[error("its decoder can't be opened: {0}")]
    Decoder(#[source] ffmpeg::Error),
    /// The pictures aren't 8-bit planes with luma first.
    #[error("its pixel format {0} has no 8-bit luma plane")]
    PixelFormat(String),
}

/// The codecs of cameras, whose frames may have been damaged on their way.
const CAMERAS: [ffmpeg::codec::Id; 3] =
    [ffmpeg::codec::Id::MJPEG, ffmpeg::codec::Id::H264, ffmpeg::codec::Id::HEVC];

/// Decodes the first video stream of `path` and shows each picture to `look`, in the order of play: those too which the file
/// tells players to pass over.
///
/// Holds one picture at a time, so a long recording costs no more memory than a short one.
pub fn each_frame(path: &Path, look: impl FnMut(Luma<'_>)) -> Result<Decoded, DecodeError> {
    each_of(path, "1", look)
}

/// Counts the pictures that a player shows, if it goes by the file's edit list.
pub fn shown(path: &Path) -> Result<usize, DecodeError> {
    Ok(each_of(path, "0", |_| ())?.frames)
}

fn each_of(
    path: &Path,
    ignore_edit_list: &str,
    mut look: impl FnMut(Luma<'_>),
) -> Result<Decoded, DecodeError> {
    start_libav();
    if path.to_str().is_none() {
        return Err(DecodeError::Path);
    }
    let mut options = Dictionary::new();
    options.set("ignore_editlist", ignore_edit_list);
    let mut input = ffmpeg::format::input_with_dictionary(path, options).map_err(DecodeError::Open)?;
    let stream = input.streams().best(media::Type::Video).ok_or(DecodeError::NoVideo)?;
    let (stream_index, time_base) = (stream.index(), stream.time_base());
    let is_cameras = CAMERAS.contains(&stream.parameters().id());
    let mut decoder = open_decoder(&stream)?;

    let mut decoded = Decoded::default();
    for number in 0_u64.. {
        // A fresh packet each time: reading into a used one would leak what it held.
        let mut packet = Packet::empty();
        match packet.read(&mut input) {
            Ok(()) => {}
            Err(ffmpeg::Error::Eof) => break,
            Err(error) => {
                // libav can't always move on after an error, and would then return it for ever.
                decoded.errors.push(format!("packet {number} can't be read: {error}"));
                break;
            }
        }
        // An AVI's empty chunk says "the same picture again": it holds no frame, and sent on it would mean the end.
        if packet.stream() != stream_index || packet.size() == 0 {
            continue;
        }
        if packet.is_corrupt() {
            decoded.errors.push(format!("packet {number} is cut short"));
        }
        let (frames, errors) = (decoded.frames, decoded.errors.len());
        if let Err(error) = decoder.send_packet(&packet) {
            decoded.errors.push(format!("packet {number} can't be decoded: {error}"));
        }
        drain(&mut decoder, time_base, &mut decoded, &mut look)?;
        let is_a_picture = is_cameras && !decoder.has_b_frames();
        if is_a_picture && decoded.frames == frames && decoded.errors.len() > errors {
            decoded.errors.truncate(errors);
            decoded.frames += 1;
            let pts_us = packet.pts().map(|pts| pts.rescale(time_base, (1, 1_000_000)));
            look(Luma { plane: &[], stride: 0, width: 0, height: 0, pts_us, damaged: true });
        }
    }
    if let Err(error) = decoder.send_eof() {
        decoded.errors.push(format!("the decoder can't be flushed: {error}"));
    }
    drain(&mut decoder, time_base, &mut decoded, &mut look)?;
    Ok(decoded)
}

fn open_decoder(stream: &ffmpeg::Stream<'_>) -> Result<decoder::Video, DecodeError> {
    let parameters = stream.parameters();
    let codec = decoder::find(parameters.id()).ok_or(DecodeError::Decoder(ffmpeg::Error::DecoderNotFound))?;
    let context = ffmpeg::codec::Context::from_parameters(parameters).map_err(DecodeError::Decoder)?;
    let mut options = Dictionary::new();
    // By default libav hides damage: it conceals what it can and holds back what it can't.
    options.set("err_detect", "explode");
    options.set("flags", "+output_corrupt");
    let mut decoder = context.decoder();
    decoder.set_packet_time_base(stream.time_base());
    decoder.open_as_with(codec, options).and_then(decoder::Opened::video).map_err(DecodeError::Decoder)
}

fn drain(
    decoder: &mut decoder::Video,
    time_base: Rational,
    decoded: &mut Decoded,
    look: &mut impl FnMut(Luma<'_>),
) -> Result<(), DecodeError> {
    const WOULD_BLOCK: ffmpeg::Error = ffmpeg::Error::Other { errno: ffmpeg::util::error::EAGAIN };
    let mut picture = frame::Video::empty();
    loop {
        match decoder.receive_frame(&mut picture) {
            Ok(()) => look(luma_of(&picture, time_base)?),
            Err(ffmpeg::Error::Eof | WOULD_BLOCK) => return Ok(()),
            Err(error) => {
                decoded.errors.push(format!("frame {} can't be decoded: {error}", decoded.frames));
                return Ok(());
            }
        }
        decoded.frames += 1;
    }
}

fn luma_of(picture: &frame::Video, time_base: Rational) -> Result<Luma<'_>, DecodeError> {
    match picture.format() {
        Pixel::YUV420P | Pixel::YUVJ420P | Pixel::YUV422P | Pixel::YUVJ422P => {}
        Pixel::YUV444P | Pixel::YUVJ444P | Pixel::NV12 | Pixel::GRAY8 => {}
        other => return Err(DecodeError::PixelFormat(format!("{other:?}"))),
    }
    // An AVI has no PTS of its own for MPEG-4; libav's best guess counts its frames.
    let pts = picture.pts().or_else(|| picture.timestamp());
    Ok(Luma {
        plane: picture.data(0),
        stride: picture.stride(0),
        width: picture.width() as usize,
        height: picture.height() as usize,
        pts_us: pts.map(|pts| pts.rescale(time_base, (1, 1_000_000))),
        damaged: picture.is_corrupt() || picture.has_decode_errors(),
    })
}

/// Without its initialisation ffmpeg-next's errors print as nothing. What libav itself would print is in
/// [`Decoded::errors`] already, so it is silenced, for the whole process.
fn start_libav() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Registers names; it has no way to fail, and decoding works without them.
        _ = ffmpeg::init();
        ffmpeg::log::set_level(ffmpeg::log::Level::Fatal);
    });
}
