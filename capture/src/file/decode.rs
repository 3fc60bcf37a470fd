//! A video file, read and decoded with libav: one thread, one picture at a time. Which of its frames are shown, and when, is
//! found out beforehand by its [`scan`].

mod scan;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;

use ffmpeg_next as ffmpeg;

use ffmpeg::codec::packet::side_data;
use ffmpeg::format::context::Input;
use ffmpeg::{Dictionary, Packet, Rational, codec, decoder, frame};

use super::convert::colour_tags;
use super::repair::Steps;
use super::timetable::Tick;
use super::{film_stream, libav};
use capture::source::SourceError;
use proto::frame::{FieldOrder, PictureTags, PixelFormat, Rotation};
use proto::source::{self, NotAFile};

/// Unreadable packets in a row that are taken for the end of a file. Some formats recover after a few.
const UNREADABLE: u32 = 64;
/// Frames a second of a file that doesn't state its rate; libav assumes the same of bare streams.
const ASSUMED_FPS: f64 = 25.0;

/// An open file.
pub(super) struct Decoder {
    path: PathBuf,
    input: Input,
    decoder: decoder::Video,
    stream: usize,
    time_base: Rational,
    rotation: Rotation,
    picture: frame::Video,
    /// Pictures since the file was opened.
    pictures: u64,
    /// Packets that are still to be decoded.
    packets_left: usize,
    unreadable: u32,
    trouble: Option<ffmpeg::Error>,
}

/// The use that a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Its pictures are looked at.
    Pictures,
    /// Its frames are counted: their pictures may be wrong, which is faster.
    Counting,
}

/// The result of one step through a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A part of the file was read; there is no picture yet.
    On,
    /// [`Decoder::picture`] is another one: with its timestamp, if it has one, and its number since the file was
    /// opened.
    Picture(Option<i64>, u64),
    /// The file is over.
    Over,
}

impl Decoder {
    /// Opens a file's best video stream.
    ///
    /// # Errors
    /// When there is no file, no video in it, or nothing to decode it with.
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        Self::open_for(path, Use::Pictures)
    }

    fn open_for(path: &Path, to: Use) -> Result<Self, SourceError> {
        start_libav();
        let cant = |reason: String| unplayable(path, reason);
        // Opening a pipe or a terminal would wait for ever.
        source::plain_file(path).map_err(|why| match why {
            NotAFile::Unreachable(e) if e.kind() == io::ErrorKind::NotFound => {
                // Its disk may still come, or whoever writes it.
                let reason = "there is no such file (yet? else check the camera's path)";
                SourceError::stalled(path.display().to_string(), reason)
            }
            why => cant(why.to_string()),
        })?;
        std::fs::File::open(path).map_err(|e| cant(e.to_string()))?;
        let name = path.to_str().filter(|name| !name.contains('\0'));
        let name = name.ok_or_else(|| cant("libav takes only names in UTF-8; rename the file".into()))?;
        // Without the prefix a name with a colon in it would be taken for a protocol.
        let input = ffmpeg::format::input(&format!("file:{name}")).map_err(|e| {
            cant(format!("it is not a video that libav can read, or it is cut off before its index ({e})"))
        })?;
        let stream = film_stream::of(&input).map_err(|why| cant(why.into()))?;
        let (index, time_base, rotation) = (stream.index(), stream.time_base(), rotation(&stream));
        let decoder = open_decoder(&stream, to).map_err(|e| {
            cant(format!("this libav can't decode its {} video ({e})", stream.parameters().id().name()))
        })?;
        film_stream::be_decodable(&decoder).map_err(|why| cant(why.into()))?;
        Ok(Self {
            path: path.to_owned(),
            input,
            decoder,
            stream: index,
            time_base,
            rotation,
            picture: frame::Video::empty(),
            pictures: 0,
            packets_left: usize::MAX,
            unreadable: 0,
            trouble: None,
        })
    }

    /// Goes back to the file's beginning, whatever its format.
    ///
    /// # Errors
    /// As [`Decoder::open`].
    pub(super) fn reopen(&mut self) -> Result<(), SourceError> {
        *self = Self::open(&self.path)?;
        Ok(())
    }

    /// Goes to the key frame before a timestamp, or near it: formats differ. False if this format can't.
    pub(super) fn seek(&mut self, ticks: i64) -> bool {
        let us = self.tick().us_ceil(ticks);
        self.decoder.flush();
        self.unreadable = 0;
        self.trouble = None;
        // libav counts the end of this range as part of it.
        self.input.seek(us, ..us).is_ok()
    }

    /// Reads one packet or decodes one picture.
    pub(super) fn step(&mut self) -> Step {
        const WOULD_BLOCK: ffmpeg::Error = ffmpeg::Error::Other { errno: ffmpeg::util::error::EAGAIN };
        match self.decoder.receive_frame(&mut self.picture) {
            Ok(()) => {
                let number = self.pictures;
                self.pictures += 1;
                return Step::Picture(self.picture.pts().or_else(|| self.picture.timestamp()), number);
            }
            Err(ffmpeg::Error::Eof) => return Step::Over,
            Err(WOULD_BLOCK) => {}
            Err(e) => self.trouble = Some(e),
        }
        if self.packets_left == 0 {
            // The decoder then hands out what it holds.
            _ = self.decoder.send_eof();
            return Step::On;
        }
        let mut packet = Packet::empty();
        let fed = match packet.read(&mut self.input) {
            Ok(()) => {
                self.unreadable = 0;
                if packet.stream() != self.stream || packet.size() == 0 {
                    return Step::On;
                }
                self.packets_left -= 1;
                self.decoder.send_packet(&packet)
            }
            Err(ffmpeg::Error::Eof) => self.decoder.send_eof(),
            Err(e) => {
                self.unreadable += 1;
                if e != ffmpeg::Error::InvalidData || self.unreadable > UNREADABLE {
                    // The decoder then hands out what it holds, and answers Eof: Step::Over.
                    _ = self.decoder.send_eof();
                }
                Err(e)
            }
        };
        if let Err(e) = fed {
            self.trouble = Some(e);
        }
        Step::On
    }

    /// The picture of the last [`Step::Picture`].
    pub(super) fn picture(&self) -> &frame::Video {
        &self.picture
    }

    /// The tags of frames of this format and size that are made of such a picture.
    pub(super) fn tags(&mut self, to: PixelFormat, size: (u32, u32)) -> PictureTags {
        let picture = &self.picture;
        let shape = libav::pixel_shape(&mut self.input, self.stream, picture);
        let own_size = (picture.width(), picture.height());
        PictureTags {
            pixel_shape: shape.and_then(|shape| shape.scaled(own_size, size)),
            rotation: self.rotation,
            fields: match (picture.is_interlaced(), picture.is_top_first()) {
                (false, _) => FieldOrder::Progressive,
                (true, true) => FieldOrder::TopFirst,
                (true, false) => FieldOrder::BottomFirst,
            },
            ..colour_tags(picture, to)
        }
    }

    /// The tags of the film's first picture, which is decoded for that; the next step goes on behind it.
    pub(super) fn first_tags(&mut self) -> PictureTags {
        loop {
            match self.step() {
                Step::On => {}
                Step::Over => return PictureTags::default(),
                Step::Picture(..) => {
                    let size = (self.picture.width(), self.picture.height());
                    return self.tags(PixelFormat::I420, size);
                }
            }
        }
    }

    /// The last error of libav since this was last called.
    pub(super) fn take_trouble(&mut self) -> Option<ffmpeg::Error> {
        self.trouble.take()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Width and height in pixels, as the file's header states them.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.decoder.width(), self.decoder.height())
    }

    pub(super) fn codec(&self) -> &'static str {
        self.decoder.id().name()
    }

    /// The stream's unit of time.
    pub(super) fn tick(&self) -> Tick {
        let positive = |n: i32| u32::try_from(n).unwrap_or(1).max(1);
        Tick {
            numerator: positive(self.time_base.numerator()),
            denominator: positive(self.time_base.denominator()),
        }
    }

    /// The steps of its times: the period that follows from the rate that the file states, and the longest step that `ffmpeg`
    /// takes for none of two recordings' seam (its `-dts_delta_threshold` and `-dts_error_threshold`).
    fn stated_steps(&self) -> Steps {
        let longest_s = if libav::times_may_jump(&self.input) { 10 } else { 30 * 3_600 };
        Steps { period_ns: self.period_ns(), longest_ns: longest_s * 1_000_000_000 }
    }

    /// The time from one frame to the next that follows from the rate that the file states.
    fn period_ns(&self) -> u64 {
        let rates = self.input.stream(self.stream).map(|s| [s.avg_frame_rate(), s.rate()]);
        let rate = rates.into_iter().flatten().map(f64::from).find(|fps| (0.01..=10_000.0).contains(fps));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked above")]
        let period_ns = (1e9 / rate.unwrap_or(ASSUMED_FPS)).round() as u64;
        period_ns
    }
}

fn unplayable(path: &Path, reason: String) -> SourceError {
    SourceError::Unusable { input: path.display().to_string(), reason }
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

fn open_decoder(stream: &ffmpeg::Stream<'_>, to: Use) -> Result<decoder::Video, ffmpeg::Error> {
    let parameters = stream.parameters();
    let codec = decoder::find(parameters.id()).ok_or(ffmpeg::Error::DecoderNotFound)?;
    let mut options = Dictionary::new();
    // A thread more is a frame more of delay, and a core taken from the other cameras.
    options.set("threads", "1");
    if to == Use::Counting {
        options.set("skip_loop_filter", "all");
        options.set("skip_idct", "all");
    }
    let mut decoder = codec::Context::from_parameters(parameters)?.decoder();
    decoder.set_packet_time_base(stream.time_base());
    decoder.open_as_with(codec, options)?.video()
}

/// Initialises libav, without which ffmpeg-next's errors print as nothing, and silences it for the whole process: our
/// messages hold what it would print.
fn start_libav() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Registers names; it has no way to fail, and decoding works without them.
        _ = ffmpeg::init();
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
    });
}
