//! Streams of H.264 and H.265 whose pictures carry stamps, made by the `ffmpeg` command, and a program that writes one into a
//! FIFO, played by a thread of the test.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oracle::stamp::{self, Stamp};

/// The codec of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamCodec {
    /// By libx264.
    H264,
    /// By libx265.
    H265,
}

impl StreamCodec {
    fn encoder(self) -> &'static str {
        match self {
            Self::H264 => "libx264",
            Self::H265 => "libx265",
        }
    }

    /// The name of libav's format, and of a config's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "hevc",
        }
    }

    /// A delimiter, with which every access unit begins.
    fn delimiter(self) -> &'static [u8] {
        match self {
            Self::H264 => &[0, 0, 0, 1, 0x09],
            Self::H265 => &[0, 0, 0, 1, 0x46, 0x01],
        }
    }
}

/// A stream to be made.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The codec.
    pub codec: StreamCodec,
    /// Width and height; stamps take 256 x 64.
    pub size: (usize, usize),
    /// The numbers in the stamps, of the camera with index 0.
    pub numbers: std::ops::Range<u32>,
    /// The encoder's parameters, in its own words.
    pub parameters: &'a str,
}

/// Makes a stream: its access units, in the order of decoding.
pub fn stamped(wanted: &Wanted<'_>) -> Vec<Vec<u8>> {
    let Wanted { codec, size: (width, height), numbers, parameters } = wanted.clone();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-r", "30"]);
    ffmpeg.args(["-s", &format!("{width}x{height}"), "-i", "-", "-c:v", codec.encoder()]);
    let quiet = if codec == StreamCodec::H265 { ":log-level=none" } else { "" };
    let parameters = format!("aud=1:repeat-headers=1:scenecut=0{quiet}:{parameters}");
    ffmpeg.args(["-preset", "ultrafast", "-crf", "20"]);
    ffmpeg.args([&format!("-{}-params", &codec.encoder()[3..]), &parameters, "-f", codec.name(), "-"]);
    let mut ffmpeg = ffmpeg.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut pictures, numbers_there) = (ffmpeg.stdin.take().unwrap(), numbers.clone());
    let writes = std::thread::spawn(move || {
        numbers_there.for_each(|number| pictures.write_all(&picture(width, height, number)).unwrap());
    });
    let mut bytes = Vec::new();
    ffmpeg.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    writes.join().unwrap();
    assert!(ffmpeg.wait().unwrap().success(), "ffmpeg makes no stream");
    let units = split(&bytes, codec.delimiter());
    assert_eq!(units.len(), numbers.len());
    units
}

/// A picture with a stamp, and something that moves.
fn picture(width: usize, height: usize, number: u32) -> Vec<u8> {
    let shift = number as usize * 3;
    let luma = |at: usize| 40 + u8::try_from((at % width + at / width * 2 + shift) % 150).unwrap();
    let mut bytes: Vec<u8> = (0..width * height).map(luma).collect();
    stamp::draw(&mut bytes, width, width, height, Stamp { camera_index: 0, source_sequence: number });
    bytes.resize(width * height * 3 / 2, 128);
    bytes
}

/// The pieces that begin with a delimiter.
fn split(bytes: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
    let begins = |at: &usize| bytes[*at..].starts_with(delimiter);
    let starts: Vec<usize> = (0..bytes.len()).filter(begins).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(start, end)| bytes[*start..end].to_vec()).collect()
}

/// Takes the first slice out of an H.264 access unit of several.
pub fn lose_first_slice(unit: &mut Vec<u8>) {
    let is_slice = |bytes: &[u8]| bytes.starts_with(&[0, 0, 1]) && matches!(bytes[3] & 0x1f, 1 | 5);
    let mut slices = unit.windows(4).enumerate().filter(|(_, bytes)| is_slice(bytes)).map(|(at, _)| at);
    let (first, second) = (slices.next().unwrap(), slices.next().unwrap());
    unit.drain(first..second);
}

/// Makes an H.264 access unit longer by so many bytes, which are no part of its picture.
pub fn fill_up(unit: &mut Vec<u8>, bytes: usize) {
    unit.extend([0, 0, 1, 12]);
    unit.resize(unit.len() + bytes, 0xff);
    unit.push(0x80);
}

/// A writer. It stops when it is dropped.
pub struct UnitWriter {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl UnitWriter {
    /// Opens the FIFO, which waits for a reader, and writes access units at this rate, each once. Behind the last one it
    /// keeps the FIFO open until it is stopped.
    pub fn start(fifo: &Path, units: Vec<Vec<u8>>, fps: u32) -> Self {
        let (stop, fifo) = (Arc::new(AtomicBool::new(false)), fifo.to_owned());
        let stops = Arc::clone(&stop);
        let write = move || {
            let mut fifo = File::options().write(true).open(fifo).unwrap();
            let mut due = Instant::now();
            for unit in units {
                // The rig may be gone before the end.
                if stops.load(Ordering::SeqCst) || fifo.write_all(&unit).is_err() {
                    return;
                }
                due += Duration::from_secs(1) / fps;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            while !stops.load(Ordering::SeqCst) {
                std::thread::park_timeout(Duration::from_millis(100));
            }
        };
        Self { stop, thread: Some(std::thread::spawn(write)) }
    }
}

impl Drop for UnitWriter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Its panic is told already.
            let _ = thread.join();
        }
    }
}
