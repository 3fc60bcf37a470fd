//! The players: each shows a file from beginning to end, and the stamps in its pictures are read.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use oracle::stamp;

use crate::browser;

/// The size of the pictures.
const SIZE: (usize, usize) = (640, 384);

/// A player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Player {
    Ffmpeg,
    OpenCv,
    Chromium,
    Mpv,
    GStreamer,
}

/// The frames that were shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub first: Option<u32>,
    pub last: Option<u32>,
    pub frames: usize,
}

impl Shown {
    pub(crate) fn of(numbers: &[Option<u32>]) -> Self {
        let end = |number: Option<&Option<u32>>| number.copied().flatten();
        Self { first: end(numbers.first()), last: end(numbers.last()), frames: numbers.len() }
    }

    /// Is the first frame that was shown the other's, and the last one too? A browser leaves frames out when it is busy.
    pub(crate) fn ends_like(&self, other: &Self) -> bool {
        self.first.is_some() && (self.first, self.last) == (other.first, other.last)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or("no stamp".to_owned(), |number| number.to_string());
        write!(f, "{} to {}, {} frames", number(self.first), number(self.last), self.frames)
    }
}

impl Player {
    pub(crate) const ALL: [Self; 5] =
        [Self::Ffmpeg, Self::OpenCv, Self::Chromium, Self::Mpv, Self::GStreamer];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg",
            Self::OpenCv => "OpenCV",
            Self::Chromium => "Chromium",
            Self::Mpv => "mpv",
            Self::GStreamer => "GStreamer",
        }
    }

    /// Has it show a file.
    pub(crate) fn show(self, file: &Path) -> Result<Shown, String> {
        let path = file.to_str().unwrap();
        match self {
            Self::Ffmpeg => gray(
                "ffmpeg",
                &[
                    "-nostdin",
                    "-v",
                    "error",
                    "-i",
                    path,
                    "-vsync",
                    "passthrough",
                    "-f",
                    "rawvideo",
                    "-pix_fmt",
                    "gray",
                    "-",
                ],
            ),
            Self::OpenCv => gray(PYTHON, &["-c", OPENCV, path]),
            Self::GStreamer => {
                let location = format!("location={path}");
                let pipeline =
                    "! qtdemux ! h264parse ! avdec_h264 ! videoconvert ! video/x-raw,format=GRAY8 ! fdsink";
                let mut arguments = vec!["-q", "filesrc", &location];
                arguments.extend(pipeline.split(' '));
                gray("gst-launch-1.0", &arguments)
            }
            Self::Mpv => mpv(path),
            Self::Chromium => browser::show(file),
        }
    }
}

/// The Python that Debian's packages are for.
const PYTHON: &str = "/usr/bin/python3";

/// Reads a file as programs in Python do, and writes its pictures as grey ones.
const OPENCV: &str = "
import cv2, sys
video = cv2.VideoCapture(sys.argv[1])
while True:
    there, picture = video.read()
    if not there: break
    sys.stdout.buffer.write(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).tobytes())
";

/// Runs a program that writes grey pictures to its standard output.
fn gray(program: &str, arguments: &[&str]) -> Result<Shown, String> {
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let done = done.map_err(|e| format!("{program}: {e}"))?;
    if !done.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&done.stderr).trim()));
    }
    let (width, height) = SIZE;
    let number =
        |picture: &[u8]| stamp::read(picture, width, width, height).map(|stamp| stamp.source_sequence);
    let numbers: Vec<_> = done.stdout.chunks_exact(width * height).map(number).collect();
    Ok(Shown::of(&numbers))
}

/// Has mpv write each picture that it shows into a file.
fn mpv(path: &str) -> Result<Shown, String> {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().to_str().unwrap();
    let into = format!("--vo-image-outdir={pictures}");
    let done = Command::new("mpv")
        .args([
            "--no-config",
            "--no-audio",
            "--untimed",
            "--framedrop=no",
            "--vo=image",
            "--vo-image-format=png",
        ])
        .args([&into, path])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("mpv: {e}"))?;
    if !done.status.success() {
        return Err(format!("mpv: {}", String::from_utf8_lossy(&done.stdout).trim()));
    }
    let all = format!("{pictures}/%08d.png");
    gray(
        "ffmpeg",
        &[
            "-nostdin",
            "-v",
            "error",
            "-i",
            &all,
            "-vsync",
            "passthrough",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "gray",
            "-",
        ],
    )
}
