//! Video files through libav's muxers, with every byte written by us. So an error of the disk is seen as what it is,
//! whichever of libav's calls it happened in.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec;
use ffmpeg_next::format::{self, context::StreamIo};
use ffmpeg_next::{Dictionary, Packet, Rational};

use proto::codec::Codec;
use proto::durable;
use proto::fnv1a::Fnv1a;
use proto::frame::Rotation;
use proto::opened;

use crate::disk;
use crate::journal::Seal;
use crate::libav;
use crate::media::{Video, WriteError};
use crate::poison::lock;
use crate::video_time::TIME_BASE;

/// Larger than any frame of a sane size, so that a fragment goes to the kernel in one call.
const BUFFER_BYTES: usize = 1 << 20;

/// The container, and how it is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A fragment a packet: what was written is readable, whenever the writer ends.
    FragmentedMp4,
    /// The beginning of a part that is not written by libav ([`crate::copied`]): QuickTime's, for fragments that follow.
    FragmentedMov,
    /// The index in front: an ordinary file.
    FaststartMp4,
    /// QuickTime's file for JPEG pictures, the index behind them: such files are large, and to put it in front is to write
    /// them twice.
    Mov,
    /// For codecs that MP4 players don't expect. Constant rate: a frame's time is in the CSV.
    Avi {
        /// Thousandths of a frame a second.
        fps_milli: u32,
        /// The stream's FourCC.
        fourcc: [u8; 4],
    },
}

/// The container that a codec is expected in.
pub(crate) fn layout(codec: Codec, fps_milli: u32) -> Layout {
    match codec {
        Codec::H264 | Codec::Avc1 | Codec::Mp4v => Layout::FaststartMp4,
        Codec::Xvid => Layout::Avi { fps_milli, fourcc: *b"XVID" },
        Codec::Mjpg => Layout::Avi { fps_milli, fourcc: *b"MJPG" },
    }
}

/// The matrix in an MP4's track header (ISO/IEC 14496-12, `tkhd`) that has a player turn a picture of this size.
pub(crate) fn display_matrix(rotation: Rotation, (width, height): (u32, u32)) -> [u32; 9] {
    const ONE: u32 = 0x1_0000;
    const LESS_ONE: u32 = ONE.wrapping_neg();
    let (width, height) = (width << 16, height << 16);
    let [a, b, c, d, x, y] = match rotation {
        Rotation::None => [ONE, 0, 0, ONE, 0, 0],
        Rotation::Quarter => [0, ONE, LESS_ONE, 0, height, 0],
        Rotation::Half => [LESS_ONE, 0, 0, LESS_ONE, width, height],
        Rotation::ThreeQuarters => [0, LESS_ONE, ONE, 0, 0, width],
    };
    [a, b, 0, c, d, 0, x, y, 0x4000_0000]
}

/// The bytes that a fragmented file begins with, as libav writes them.
pub(crate) fn beginning(layout: Layout, parameters: &codec::Parameters) -> Result<Vec<u8>, WriteError> {
    let in_memory = || {
        let memory = rustix::fs::memfd_create("file-head", rustix::fs::MemfdFlags::CLOEXEC)?;
        let file = File::from(memory);
        Ok((file.try_clone()?, file))
    };
    let (mut read, file) = in_memory().map_err(WriteError::Disk)?;
    drop(VideoWriter::over(file, Path::new("file-head"), layout, parameters.clone(), Rotation::None, || ())?);
    let mut bytes = Vec::new();
    read.rewind().and_then(|()| read.read_to_end(&mut bytes)).map_err(WriteError::Disk)?;
    Ok(bytes)
}

/// A file with one video stream, being written.
pub(crate) struct VideoWriter {
    output: format::context::Output,
    below: Arc<Mutex<Below>>,
    layout: Layout,
    stream_time_base: Rational,
    /// The last time stamp written, in the stream's own units.
    last: Option<i64>,
}

/// The state of the file underneath.
#[derive(Default)]
struct Below {
    /// The first error.
    trouble: Option<io::Error>,
    /// Bytes written so far, and a sum over those since it was last asked for.
    written: u64,
    sum: Fnv1a,
}

impl Below {
    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|e| {
            let told = io::Error::new(e.kind(), e.to_string());
            self.trouble.get_or_insert(e);
            told
        })
    }
}

struct Watched<F> {
    file: File,
    path: PathBuf,
    below: Arc<Mutex<Below>>,
    seals: bool,
    each_write: F,
}

impl<F: FnMut()> Write for Watched<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // All or an error: libav does not come back for the rest.
        let result = disk::ask(|| durable::write_all(&mut self.file, bytes, &self.path));
        let mut below = lock(&self.below);
        if self.seals {
            below.written += bytes.len() as u64;
            below.sum.add(bytes);
        }
        let result = below.note(result).map(|()| bytes.len());
        drop(below);
        (self.each_write)();
        result
    }
    fn flush(&mut self) -> io::Result<()> {
        disk::ask(|| self.file.flush())
    }
}

impl<F> Seek for Watched<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let result = disk::ask(|| self.file.seek(to));
        lock(&self.below).note(result)
    }
}

impl VideoWriter {
    /// Begins a file with one stream. There must be none at this path; and there is none if it fails. `each_write` is
    /// called behind every write: to end a long film takes as long as to copy it.
    pub(crate) fn create(
        path: &Path,
        layout: Layout,
        parameters: codec::Parameters,
        rotation: Rotation,
        each_write: impl FnMut() + Send + 'static,
    ) -> Result<Self, WriteError> {
        let file = disk::ask(|| opened::create_new(path)).map_err(WriteError::Disk)?;
        Self::over(file, path, layout, parameters, rotation, each_write).inspect_err(|_| {
            let _ = disk::ask(|| opened::remove_file(path));
        })
    }

    fn over(
        file: File,
        path: &Path,
        layout: Layout,
        mut parameters: codec::Parameters,
        rotation: Rotation,
        each_write: impl FnMut() + Send + 'static,
    ) -> Result<Self, WriteError> {
        let below = Arc::new(Mutex::new(Below::default()));
        let seals = matches!(layout, Layout::FragmentedMp4 | Layout::FragmentedMov);
        // To put the index in front, libav opens the file again by its name: this name is of this very file.
        let name_of_this_file = libav::descriptor_path(file.as_raw_fd());
        let stream = Watched { file, path: path.to_owned(), below: Arc::clone(&below), seals, each_write };
        let (name, fourcc) = match layout {
            Layout::FragmentedMp4 | Layout::FaststartMp4 => ("mp4", [0; 4]),
            Layout::FragmentedMov | Layout::Mov => ("mov", *b"jpeg"),
            Layout::Avi { fourcc, .. } => ("avi", fourcc),
        };
        libav::set_codec_tag(&mut parameters, u32::from_le_bytes(fourcc));
        let libav = WriteError::Libav;
        let io = StreamIo::from_write_seek_with_capacity(stream, BUFFER_BYTES).map_err(libav)?;
        let mut output = format::output_to_stream(io, Some(&name_of_this_file), Some(name)).map_err(libav)?;
        let mut options = Dictionary::new();
        let time_base = match layout {
            Layout::FragmentedMp4 | Layout::FragmentedMov => {
                options.set("movflags", "frag_custom+empty_moov+default_base_moof");
                TIME_BASE
            }
            Layout::FaststartMp4 => {
                options.set("movflags", "faststart");
                TIME_BASE
            }
            Layout::Mov => TIME_BASE,
            Layout::Avi { fps_milli, .. } => Rational(1000, i32::try_from(fps_milli).unwrap_or(i32::MAX)),
        };
        options.set("video_track_timescale", "1000000");
        {
            let mut stream = output.add_stream(None::<ffmpeg::Codec>).map_err(libav)?;
            let matrix = libav::size(&parameters).map(|size| display_matrix(rotation, size));
            stream.set_parameters(parameters);
            stream.set_time_base(time_base);
            stream.set_avg_frame_rate(match layout {
                Layout::Avi { .. } => time_base.invert(),
                _ => Rational(0, 1),
            });
            // AVI has no place for it.
            if let (true, Some(matrix)) = (rotation != Rotation::None, matrix) {
                libav::set_display_matrix(&mut stream, &matrix).map_err(libav)?;
            }
        }
        let mut this = Self { output, below, layout, stream_time_base: time_base, last: None };
        let header = this.output.write_header_with(options).map(|_| ());
        this.checked(header)?;
        this.stream_time_base = this.output.stream(0).map_or(time_base, |s| s.time_base());
        Ok(this)
    }

    /// Adds a packet whose times are in microseconds. Sets all of its fields but the data, so that the same packet may be
    /// written to several files.
    pub(crate) fn write(&mut self, packet: &mut Packet, duration_us: i64) -> Result<(), WriteError> {
        packet.set_stream(0);
        packet.set_position(-1);
        packet.set_duration(duration_us);
        packet.rescale_ts(TIME_BASE, self.stream_time_base);
        if matches!(self.layout, Layout::Avi { .. }) {
            // A frame of its own for each packet, in order: two frames that fall on one tick of the constant
            // rate must not replace each other, and a hole must not become frames that never were.
            let next = self.last.map_or(0, |last| last + 1);
            packet.set_pts(Some(next));
            packet.set_dts(Some(next));
            packet.set_duration(1);
        }
        self.last = packet.pts();
        let written = packet.write(&mut self.output).map(|_| ());
        self.checked(written)?;
        if self.layout == Layout::FragmentedMp4 {
            let ended = libav::end_fragment(&mut self.output);
            self.checked(ended)?;
        }
        Ok(())
    }

    /// Ends the file. Only after this is it an ordinary one; it is not yet flushed to the disk.
    pub(crate) fn finish(mut self) -> Result<(), WriteError> {
        let ended = self.output.write_trailer();
        self.checked(ended)
    }

    /// An error of the file underneath counts before libav's view of it, and even when libav saw none.
    fn checked(&self, result: Result<(), ffmpeg::Error>) -> Result<(), WriteError> {
        match (lock(&self.below).trouble.take(), result) {
            (Some(disk), _) => Err(WriteError::Disk(disk)),
            (None, Err(e)) => Err(WriteError::Libav(e)),
            (None, Ok(())) => Ok(()),
        }
    }
}

impl Video for VideoWriter {
    fn write(&mut self, packet: &mut Packet, duration_us: i64) -> Result<(), WriteError> {
        Self::write(self, packet, duration_us)
    }

    /// For a fragmented file, in which nothing is written twice.
    fn seal(&mut self) -> Seal {
        let mut below = lock(&self.below);
        Seal { offset: below.written, sum: std::mem::take(&mut below.sum).0 }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proto::codec::EncoderChoice;
    use proto::frame::{Fps, Geometry, PictureTags, PixelFormat};

    use super::*;
    use crate::encode::EncoderSetup;
    use crate::media::Encode;

    #[test]
    fn putting_the_index_in_front_shows_signs_of_life() {
        const PACKETS: usize = 8;
        let folder = tempfile::tempdir().unwrap();
        let choice = EncoderChoice { codec: Codec::Mp4v, encoder: "mpeg4".into(), preset: None };
        let geometry = Geometry::new(320, 192, PixelFormat::I420).unwrap();
        let fps = Fps::from_milli(60_000).unwrap();
        let parameters = EncoderSetup { choice, geometry, fps, quality: 23, picture: PictureTags::default() }
            .open()
            .unwrap()
            .parameters();
        let writes = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&writes);
        let count = move || {
            counts.fetch_add(1, Ordering::Relaxed);
        };
        let path = folder.path().join("film.mp4");
        let mut writer =
            VideoWriter::create(&path, Layout::FaststartMp4, parameters, Rotation::None, count).unwrap();
        for n in 0..PACKETS {
            let mut packet = Packet::copy(&vec![0; BUFFER_BYTES]);
            let pts = Some(i64::try_from(n).unwrap() * 16_667);
            packet.set_pts(pts);
            packet.set_dts(pts);
            writer.write(&mut packet, 16_667).unwrap();
        }
        let before = writes.load(Ordering::Relaxed);
        writer.finish().unwrap();
        assert!(writes.load(Ordering::Relaxed) - before >= PACKETS, "the whole film is copied");
    }
}
