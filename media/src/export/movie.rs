//! A video that is made of sheets: H.264 in an MP4, at a constant rate, with a chapter that begins at the trigger.

use std::fs::File;
use std::path::Path;

use ffmpeg::codec::{self, encoder};
use ffmpeg::format::Pixel;
use ffmpeg::format::context::Output;
use ffmpeg::frame::Video;
use ffmpeg::{Dictionary, Packet, Rational, color};
use ffmpeg_next as ffmpeg;
use proto::failpoint;
use proto::frame::PictureTags;

use super::sheet::Sheet;
use crate::colour::Meaning;
use crate::deadline;
use crate::plain_file;

/// The encoders to try, best first, with their options: for people to look at, close to what was recorded.
const ENCODERS: [(&str, &[(&str, &str)]); 3] = [
    ("libx264", &[("preset", "veryfast"), ("crf", "20"), ("threads", "auto")]),
    ("libopenh264", &[("b", "8000000")]),
    ("mpeg4", &[("flags", "+qscale"), ("global_quality", "354")]),
];

/// The kind of video.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// The rate, in thousandths of a frame a second.
    pub(crate) milli_fps: u64,
    pub(crate) meaning: Meaning,
    /// The number of the picture at which the trigger's chapter begins, and the number of all pictures.
    pub(crate) trigger: Option<u64>,
    pub(crate) count: u64,
}

/// The video while it is made.
pub(crate) struct Movie {
    output: Output,
    encoder: encoder::video::Encoder,
    time_base: Rational,
    picture: Video,
    next: i64,
    name: String,
    /// Stays open as long as libav writes to its name.
    _file: File,
}

impl Movie {
    /// Begins a video in a new file.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub(crate) fn create(path: &Path, kind: &Kind) -> Result<Self, String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let cant = |e: &dyn std::fmt::Display| format!("{name} can't be written: {e}");
        let file = plain_file::create(path).map_err(|e| cant(&e))?;
        let mut output =
            ffmpeg::format::output_as(&plain_file::name_of(&file), "mp4").map_err(|e| cant(&e))?;
        let time_base = Rational(1000, i32::try_from(kind.milli_fps).unwrap_or(i32::MAX));
        let encoder = open_any(kind, time_base)?;
        {
            let mut stream = output.add_stream_with(&encoder.0.0.0).map_err(|e| cant(&e))?;
            stream.set_time_base(time_base);
            stream.set_avg_frame_rate(time_base.invert());
        }
        add_chapters(&mut output, kind, time_base).map_err(|e| cant(&e))?;
        // The index in front: a browser begins to play before it has the whole file.
        let faststart: Dictionary<'_> = [("movflags", "+faststart")].into_iter().collect();
        output.write_header_with(faststart).map_err(|e| cant(&e))?;
        let [width, height] = [kind.width, kind.height].map(|side| u32::try_from(side).unwrap_or(2));
        let picture = Video::new(Pixel::YUV420P, width, height);
        Ok(Self { output, encoder, time_base, picture, next: 0, name, _file: file })
    }

    /// Adds a picture, one frame time behind the last.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub(crate) fn add(&mut self, sheet: &Sheet) -> Result<(), String> {
        self.add_at(sheet, self.next)
    }

    /// Adds a picture at so many frame times from the beginning.
    pub(super) fn add_at(&mut self, sheet: &Sheet, at: i64) -> Result<(), String> {
        // A fresh picture each time: the encoder may still hold the one before.
        let mut picture = Video::new(Pixel::YUV420P, self.picture.width(), self.picture.height());
        sheet.copy_to(&mut picture);
        picture.set_pts(Some(at));
        self.next = at + 1;
        self.encoder.send_frame(&picture).map_err(|e| self.cant(&e))?;
        self.drain()
    }

    /// Ends the video. Its file is whole then, and not yet flushed to the disk.
    ///
    /// # Errors
    /// A sentence on what is wrong.
    pub(crate) fn end(mut self) -> Result<(), String> {
        self.encoder.send_eof().map_err(|e| self.cant(&e))?;
        self.drain()?;
        // The index is put in front now, behind which everything moves.
        deadline::patiently(|| self.output.write_trailer()).map_err(|e| self.cant(&e))?;
        Ok(())
    }

    fn drain(&mut self) -> Result<(), String> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => return Ok(()),
                Err(ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => return Ok(()),
                Err(e) => return Err(self.cant(&e)),
            }
            deadline::step();
            let to = self.output.stream(0).map_or(self.time_base, |stream| stream.time_base());
            packet.set_stream(0);
            packet.set_duration(1);
            packet.rescale_ts(self.time_base, to);
            let written = failpoint::check("export.write", &self.name)
                .map_err(|e| e.to_string())
                .and_then(|()| packet.write_interleaved(&mut self.output).map_err(|e| e.to_string()));
            written.map_err(|e| format!("{} can't be written: {e}", self.name))?;
        }
    }

    fn cant(&self, e: &ffmpeg::Error) -> String {
        format!("{} can't be made: {e}", self.name)
    }
}

fn add_chapters(output: &mut Output, kind: &Kind, time_base: Rational) -> Result<(), ffmpeg::Error> {
    let Some(trigger) = kind.trigger else { return Ok(()) };
    let [trigger, end] = [trigger, kind.count].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    for (id, from, to, title) in [(1, 0, trigger, "pre-roll"), (2, trigger, end, "trigger")] {
        if from < to {
            output.add_chapter(id, time_base, from, to, title)?;
        }
    }
    Ok(())
}

/// Opens the first encoder that works here.
fn open_any(kind: &Kind, time_base: Rational) -> Result<encoder::video::Encoder, String> {
    let mut tried = Vec::new();
    for (name, options) in ENCODERS {
        match open(name, options, kind, time_base) {
            Ok(encoder) => return Ok(encoder),
            Err(e) => tried.push(format!("{name}: {e}")),
        }
    }
    Err(format!("no encoder works here ({})", tried.join("; ")))
}

fn open(
    name: &str,
    options: &[(&str, &str)],
    kind: &Kind,
    time_base: Rational,
) -> Result<encoder::video::Encoder, ffmpeg::Error> {
    let codec = encoder::find_by_name(name).ok_or(ffmpeg::Error::EncoderNotFound)?;
    let mut video = codec::Context::new_with_codec(codec).encoder().video()?;
    let side = |side: usize| u32::try_from(side).unwrap_or(0);
    video.set_width(side(kind.width));
    video.set_height(side(kind.height));
    video.set_format(Pixel::YUV420P);
    video.set_time_base(time_base);
    video.set_frame_rate(Some(time_base.invert()));
    // A key frame each second, and no picture that depends on a later one: for stepping back and forth.
    video.set_gop(u32::try_from(kind.milli_fps.div_ceil(1000)).unwrap_or(25));
    video.set_max_b_frames(0);
    video.set_flags(codec::Flags::GLOBAL_HEADER);
    video.set_colorspace(space(kind.meaning.matrix));
    video.set_color_range(if kind.meaning.full_range { color::Range::JPEG } else { color::Range::MPEG });
    let options: Dictionary<'_> = options.iter().copied().collect();
    video.open_as_with(codec, options)
}

/// The matrix, as libav calls it.
fn space(matrix: u8) -> color::Space {
    match matrix {
        PictureTags::BT709 => color::Space::BT709,
        PictureTags::BT601 => color::Space::SMPTE170M,
        4 => color::Space::FCC,
        7 => color::Space::SMPTE240M,
        PictureTags::BT2020 => color::Space::BT2020NCL,
        _ => color::Space::Unspecified,
    }
}
