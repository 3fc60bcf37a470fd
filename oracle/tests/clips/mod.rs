//! Real clips to judge: stamped pictures, encoded by libav into the containers that Preroll writes, with a
//! manifest, a CSV and a truth log beside them. True as made; a test spoils what it is about.

#![expect(clippy::unwrap_used, reason = "test support: a clip that can't be made fails the test")]

use std::path::Path;

use ffmpeg::format::Pixel;
use ffmpeg::{Dictionary, Packet, codec, encoder, frame};
use ffmpeg_next as ffmpeg;
use oracle::folder;
use oracle::report::Report;
use oracle::stamp::{self, Stamp};
use oracle::truth::{Truth, Truths};
use serde_json::{Value, json};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 192;
const FPS: i32 = 60;
pub(crate) const CAMERA_INDEX: u8 = 3;
/// The clip's first sequence; the camera runs from 0 to [`MADE`].
pub(crate) const FIRST: u32 = 60;
pub(crate) const FRAMES: u32 = 48;
const MADE: u32 = 200;

/// A codec in a container, as Preroll's chain has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) extension: &'static str,
    encoder: &'static str,
    pixel: Pixel,
    /// Ticks a second. An MP4 has the capture times; an AVI counts frames; MPEG-4 allows no finer than 1/65535 s.
    ticks: i32,
}

pub(crate) const H264_MP4: Kind =
    Kind { extension: "mp4", encoder: "libx264", pixel: Pixel::YUV420P, ticks: 1_000_000 };
pub(crate) const MPEG4_MP4: Kind =
    Kind { extension: "mp4", encoder: "mpeg4", pixel: Pixel::YUV420P, ticks: 50_000 };
pub(crate) const MJPEG_AVI: Kind =
    Kind { extension: "avi", encoder: "mjpeg", pixel: Pixel::YUVJ420P, ticks: FPS };
pub(crate) const MJPEG_MOV: Kind =
    Kind { extension: "mov", encoder: "mjpeg", pixel: Pixel::YUVJ420P, ticks: 1_000_000 };
pub(crate) const MPEG4_AVI: Kind =
    Kind { extension: "avi", encoder: "mpeg4", pixel: Pixel::YUV420P, ticks: FPS };

/// A picture to encode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picture {
    pub(crate) stamp: Stamp,
    /// From this row on it is another frame's picture.
    pub(crate) torn_at: Option<usize>,
    pub(crate) t_ns: u64,
}

/// Everything a clip of one camera, `left`, consists of.
pub(crate) struct Clip {
    pub(crate) kind: Kind,
    pub(crate) pictures: Vec<Picture>,
    pub(crate) csv: Vec<(u32, u64)>,
    pub(crate) truth: Vec<(u32, u64)>,
    pub(crate) manifest: Value,
}

/// Capture times with the jitter of a real camera, so that no check can get by with a constant rate.
pub(crate) fn time_of(sequence: u32) -> u64 {
    let jitter_ns = u64::from(sequence * 37 % 11) * 100_000;
    5_000_000_000 + u64::from(sequence) * 1_000_000_000 / 60 + jitter_ns
}

impl Clip {
    pub(crate) fn of(kind: Kind) -> Self {
        let sequences = FIRST..FIRST + FRAMES;
        let picture = |source_sequence| Picture {
            stamp: Stamp { camera_index: CAMERA_INDEX, source_sequence },
            torn_at: None,
            t_ns: time_of(source_sequence),
        };
        Self {
            kind,
            pictures: sequences.clone().map(picture).collect(),
            csv: sequences.clone().map(|sequence| (sequence, time_of(sequence))).collect(),
            truth: (0..MADE).map(|sequence| (sequence, time_of(sequence))).collect(),
            manifest: json!({
                "clip_id": "clip-0001", "label": "test", "complete": true,
                "window": {
                    "start_ns": time_of(sequences.start) - 1_000_000,
                    "end_ns": time_of(sequences.end - 1) + 1_000_000,
                },
                "cameras": { "left": {
                    "file": format!("left.{}", kind.extension),
                    "codec": "H264", "encoder": kind.encoder, "camera_index": CAMERA_INDEX,
                    "frames_expected": FRAMES, "frames_written": FRAMES,
                    "gaps": [], "interruptions": [],
                } },
            }),
        }
    }

    /// What the manifest says of the camera.
    pub(crate) fn left(&mut self) -> &mut Value {
        &mut self.manifest["cameras"]["left"]
    }

    /// Leaves out frame `place` and lets CSV and `frames_written` agree, as a recorder would that lost it.
    pub(crate) fn lose(&mut self, place: usize) {
        self.pictures.remove(place);
        self.csv.remove(place);
        let written = self.pictures.len();
        self.left()["frames_written"] = json!(written);
    }

    /// Writes the clip as `folder/clip-0001-test`.
    pub(crate) fn write(&self, folder: &Path) {
        let clip = folder.join("clip-0001-test");
        std::fs::create_dir_all(&clip).unwrap();
        encode(self.kind, &self.pictures, &clip.join(format!("left.{}", self.kind.extension)));
        self.write_beside(&clip);
    }

    /// Writes what goes with the video.
    pub(crate) fn write_beside(&self, clip: &Path) {
        let rows: String = self.csv.iter().map(|(index, t_ns)| format!("left,{index},{t_ns}\n")).collect();
        let csv = format!("camera_id,frame_index,t_capture_monotonic_ns\n{rows}");
        std::fs::write(clip.join("left_timestamps.csv"), csv).unwrap();
        std::fs::write(clip.join("manifest.json"), self.manifest.to_string()).unwrap();
    }

    pub(crate) fn truth_log(&self) -> String {
        self.truth.iter().map(|(sequence, t_ns)| format!("{sequence},{t_ns}\n")).collect()
    }

    /// Writes the clip and has it judged.
    pub(crate) fn judge(&self) -> Report {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        folder::judge(folder.path(), &self.truths()).unwrap()
    }

    pub(crate) fn truths(&self) -> Truths {
        Truths::from([("left".to_owned(), Truth::parse(&self.truth_log()).unwrap())])
    }
}

/// Encodes `pictures` as Preroll would: real times where the container has them, no B-frames, a sane CRF.
pub(crate) fn encode(kind: Kind, pictures: &[Picture], path: &Path) {
    ffmpeg::log::set_level(ffmpeg::log::Level::Fatal);
    let mut output = ffmpeg::format::output(path).unwrap();
    let codec = encoder::find_by_name(kind.encoder).unwrap();
    let mut video = codec::Context::new_with_codec(codec).encoder().video().unwrap();
    video.set_width(WIDTH);
    video.set_height(HEIGHT);
    video.set_format(kind.pixel);
    video.set_time_base((1, kind.ticks));
    video.set_frame_rate(Some((FPS, 1)));
    video.set_max_b_frames(0);
    let mut options = Dictionary::new();
    options.set("threads", "1");
    if kind.encoder == "libx264" {
        options.set("preset", "ultrafast");
        options.set("crf", "23");
    } else {
        options.set("b", "4000000");
    }
    if kind.extension == "mp4" {
        options.set("flags", "+global_header");
    }
    let mut video = video.open_as_with(codec, options).unwrap();
    let mut stream = output.add_stream(codec).unwrap();
    stream.set_parameters(&video);
    stream.set_time_base((1, kind.ticks));
    output.write_header().unwrap();

    for (place, picture) in pictures.iter().enumerate() {
        let mut frame = paint(kind.pixel, *picture);
        frame.set_pts(Some(pts_of(kind, pictures, place)));
        video.send_frame(&frame).unwrap();
        write_packets(&mut video, kind, &mut output);
    }
    video.send_eof().unwrap();
    write_packets(&mut video, kind, &mut output);
    output.write_trailer().unwrap();
}

/// An AVI counts frames, and keeps the places of lost ones empty.
fn pts_of(kind: Kind, pictures: &[Picture], place: usize) -> i64 {
    if kind.ticks == FPS {
        let sequences = pictures[..=place].iter().map(|picture| picture.stamp.source_sequence);
        let empty: u32 = sequences
            .clone()
            .zip(sequences.skip(1))
            .map(|(last, next)| next.saturating_sub(last).saturating_sub(1))
            .sum();
        return i64::try_from(place).unwrap() + i64::from(empty);
    }
    let since_first_ns = pictures[place].t_ns - pictures[0].t_ns;
    i64::try_from(since_first_ns / (1_000_000_000 / u64::try_from(kind.ticks).unwrap())).unwrap()
}

fn write_packets(video: &mut encoder::Video, kind: Kind, output: &mut ffmpeg::format::context::Output) {
    loop {
        let mut packet = Packet::empty();
        if video.receive_packet(&mut packet).is_err() {
            return;
        }
        packet.set_stream(0);
        packet.rescale_ts((1, kind.ticks), output.stream(0).unwrap().time_base());
        packet.write_interleaved(output).unwrap();
    }
}

/// A picture with texture that moves, so that the encoder has something to predict and to get wrong.
fn paint(pixel: Pixel, picture: Picture) -> frame::Video {
    let mut frame = frame::Video::new(pixel, WIDTH, HEIGHT);
    let shift = picture.stamp.source_sequence as usize * 3;
    let stride = frame.stride(0);
    for (y, row) in frame.data_mut(0).chunks_mut(stride).enumerate() {
        for (x, luma) in row.iter_mut().enumerate() {
            *luma = u8::try_from((((x + shift) * 5) ^ (y * 3)) % 220 + 16).unwrap();
        }
    }
    frame.data_mut(1).fill(128);
    frame.data_mut(2).fill(128);
    stamp::draw(frame.data_mut(0), stride, WIDTH as usize, HEIGHT as usize, picture.stamp);
    if let Some(row) = picture.torn_at {
        let mut other = frame.data(0).to_vec();
        let source_sequence = picture.stamp.source_sequence ^ 0xFFFF;
        let theirs = Stamp { source_sequence, ..picture.stamp };
        stamp::draw(&mut other, stride, WIDTH as usize, HEIGHT as usize, theirs);
        frame.data_mut(0)[row * stride..].copy_from_slice(&other[row * stride..]);
    }
    frame
}
