//! A camera that OpenCV opens: a device by its number, a URL, a file, a GStreamer pipeline.
//!
//! What OpenCV doesn't say, nobody can know here:
//! - A frame's time is when it arrived, right after `grab()`; exposure was earlier by the driver's queue.
//! - Frames lost by the camera or its driver leave no hole: frames are counted as they arrive. After a restart
//!   the count goes on by what the time that has passed is worth at the config's `fps`, and by one at least.
//! - `grab()` has no time-out for devices and pipelines (for URLs OpenCV has one of 30 s): while a camera is
//!   silent this process is too, and its supervisor can only end it.
//! - A file plays from its beginning at each start, at one steady rate. The `file` backend does better.

mod pixels;

use std::path::Path;
use std::time::Duration;

use opencv::core::Mat;
use opencv::prelude::*;
use opencv::videoio::{self, VideoCapture};
use proto::config::{Backend, CameraConfig};
use proto::frame::{Fps, Geometry, LossBefore};
use proto::ring::Ring;
use proto::time::MonotonicNs;

use capture::source::{Arrival, PATIENCE, Site, Source, SourceError};

/// How far behind its pace a file may fall before the pace starts anew.
const LATE: Duration = Duration::from_secs(1);
/// As for files played by libav.
const FPS_MARGIN: f64 = 1.05;

/// A camera that OpenCV opens.
pub(crate) struct CvCamera {
    capture: VideoCapture,
    /// As the config has it.
    source: String,
    geometry: Geometry,
    scale: bool,
    kind: Kind,
    /// The last frame.
    picture: Mat,
    /// The frame that was read to see whether any can be, until it is delivered.
    first: Option<MonotonicNs>,
    next: u64,
    /// A file is read at its own rate; anything else has its own.
    pace: Option<FilePace>,
}

/// When a file's next frame is due. OpenCV would hand them all out at once.
#[derive(Clone, Copy)]
struct FilePace {
    due: MonotonicNs,
    period: Duration,
}

/// What a config's `source` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Device(i32),
    Pipeline,
    /// A URL, or a device by its path.
    Live,
    File,
    NotThere,
}

impl Kind {
    fn of(source: &str) -> Self {
        let path = Path::new(source);
        if let Ok(index) = source.parse::<u16>() {
            Self::Device(index.into())
        } else if path.is_file() {
            Self::File
        } else if path.exists() || source.contains("://") {
            Self::Live
        } else if source.contains('!') {
            Self::Pipeline
        } else if source.contains('%') {
            // Numbered pictures, by printf's rules.
            Self::File
        } else {
            Self::NotThere
        }
    }
}

impl CvCamera {
    /// Opens the camera of this site, and reads a frame to see that it works.
    ///
    /// # Errors
    /// When it is not there, gives no frame, or frames of another size than the config's.
    pub(crate) fn open(site: &Site) -> Result<Box<dyn Source>, SourceError> {
        let camera = &site.camera;
        let Backend::Opencv(config) = &camera.backend else {
            return Err(SourceError::Config(format!(
                "this is the executable for opencv cameras, not {}",
                camera.backend.name()
            )));
        };
        let source = config.source.clone();
        let kind = Kind::of(&source);
        let mut capture = open(&source, kind)?;
        // A pipeline says itself what it gives. Asked for anything, OpenCV takes it apart, and some don't come up again.
        if matches!(kind, Kind::Device(_) | Kind::Live) {
            ask_for(&mut capture, camera);
        }
        let period = if kind == Kind::File { Some(file_period(&capture, &source, camera)?) } else { None };
        let mut this = Self {
            capture,
            source,
            geometry: camera.geometry,
            scale: config.scale,
            kind,
            picture: Mat::default(),
            first: None,
            next: 0,
            pace: None,
        };
        let silent = |camera: &Self| {
            let message = format!("OpenCV opened {} and got no frame from it", camera.source);
            if kind == Kind::File { SourceError::Config(message) } else { SourceError::Lost(message) }
        };
        let t = this.grab()?.ok_or_else(|| silent(&this))?;
        this.retrieve()?;
        this.first = Some(t);
        this.next = number_after(&site.ring, t, camera.fps);
        this.pace = period.map(|period| FilePace { due: t, period });
        Ok(Box::new(this))
    }

    /// When the next frame arrived; `None` when there is none.
    fn grab(&mut self) -> Result<Option<MonotonicNs>, SourceError> {
        let grabbed = self.capture.grab().map_err(|e| lost(&self.source, &e))?;
        Ok(grabbed.then(MonotonicNs::now))
    }

    /// Decodes what was grabbed.
    fn retrieve(&mut self) -> Result<(), SourceError> {
        let done = self.capture.retrieve_def(&mut self.picture).map_err(|e| lost(&self.source, &e))?;
        if !done || self.picture.empty() {
            return Err(SourceError::Lost(format!("{}: a frame can't be decoded", self.source)));
        }
        let side = |pixels: i32| u32::try_from(pixels).unwrap_or(0);
        let (width, height) = (side(self.picture.cols()), side(self.picture.rows()));
        let (w, h) = (self.geometry.width(), self.geometry.height());
        if (width, height) == (w, h) || self.is_raw() {
            return Ok(());
        }
        if self.kind == Kind::Pipeline && pixels::is_raw_of_another_size(&self.picture, &self.geometry) {
            return Err(SourceError::Config(format!(
                "{} gives {width}x{height} in one channel, which is what I420 or NV12 frames of {width}x{} look like: write \
                 that size, and pixel_format: I420 or NV12; or let the pipeline end in video/x-raw,format=BGR ! appsink",
                self.source,
                height / 3 * 2
            )));
        }
        if !self.scale {
            return Err(SourceError::Config(format!(
                "{} gives frames of {width}x{height} and the camera's are {w}x{h}: write width: {width} and \
                 height: {height}, or scale: true to have them scaled",
                self.source
            )));
        }
        self.picture = pixels::scaled(&self.picture, &self.geometry).map_err(|e| lost(&self.source, &e))?;
        Ok(())
    }
}

impl CvCamera {
    /// The pipeline's own 4:2:0, which its author has chosen to be what the ring holds.
    fn is_raw(&self) -> bool {
        self.kind == Kind::Pipeline && pixels::is_raw(&self.picture, &self.geometry)
    }
}

impl Source for CvCamera {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        let t_capture = match self.first.take() {
            Some(t) => t,
            None => {
                if let Some(pace) = &mut self.pace {
                    let now = MonotonicNs::now();
                    let due = pace.due + pace.period;
                    if due > now + PATIENCE {
                        std::thread::sleep(PATIENCE);
                        return Ok(Arrival::Silence);
                    }
                    due.sleep_until();
                    pace.due = if now.since(due) > LATE { now } else { due };
                }
                match (self.grab()?, self.pace) {
                    (Some(t), _) => {
                        self.retrieve()?;
                        t
                    }
                    (None, Some(_)) => return Ok(Arrival::End),
                    (None, None) => {
                        let message = format!("{} gives no more frames", self.source);
                        return Err(SourceError::Lost(message));
                    }
                }
            }
        };
        let source_sequence = self.next;
        self.next += 1;
        Ok(Arrival::Frame { source_sequence, t_capture, before: LossBefore::Nothing })
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<(), SourceError> {
        let write = if self.is_raw() { pixels::copy } else { pixels::write };
        write(&self.picture, &self.geometry, frame).map_err(|e| {
            SourceError::Config(format!(
                "{}: its frames can't be converted to {}: {}",
                self.source,
                self.geometry.format(),
                e.message
            ))
        })
    }
}

/// OpenCV says Ok to a source that isn't there.
fn open(source: &str, kind: Kind) -> Result<VideoCapture, SourceError> {
    let opened = match kind {
        Kind::Device(index) => VideoCapture::new(index, videoio::CAP_ANY),
        Kind::Pipeline => VideoCapture::from_file(source, videoio::CAP_GSTREAMER),
        Kind::Live | Kind::File => VideoCapture::from_file(source, videoio::CAP_ANY),
        Kind::NotThere => {
            return Err(SourceError::Config(format!(
                "{source} is no file that is there, and neither a device's number, nor a URL (with ://), nor a \
                 GStreamer pipeline (with !): check the camera's source"
            )));
        }
    };
    let opened = opened.and_then(|capture| Ok((capture.is_opened()?, capture)));
    let why = match opened {
        Ok((true, capture)) => return Ok(capture),
        Ok((false, _)) => String::new(),
        Err(e) => format!(": {}", e.message),
    };
    Err(match kind {
        Kind::Device(index) => SourceError::Lost(format!(
            "OpenCV can't open camera {index}{why}; is it plugged in, is it in use, may this user open \
             /dev/video{index}?"
        )),
        Kind::File => SourceError::Config(format!("OpenCV can't open {source} as a video{why}")),
        _ => SourceError::Lost(format!("OpenCV can't open {source}{why}")),
    })
}

/// A device has a choice of sizes and rates. What it doesn't take it passes over; the first frame tells.
fn ask_for(capture: &mut VideoCapture, camera: &CameraConfig) {
    for (property, value) in [
        (videoio::CAP_PROP_FRAME_WIDTH, f64::from(camera.geometry.width())),
        (videoio::CAP_PROP_FRAME_HEIGHT, f64::from(camera.geometry.height())),
        (videoio::CAP_PROP_FPS, camera.fps.as_f64()),
    ] {
        let _ = capture.set(property, value);
    }
}

/// From one frame of a file to the next.
fn file_period(capture: &VideoCapture, source: &str, camera: &CameraConfig) -> Result<Duration, SourceError> {
    let said = capture.get(videoio::CAP_PROP_FPS).ok().and_then(Fps::new);
    let fps = said.unwrap_or(camera.fps);
    if fps.as_f64() > camera.fps.as_f64() * FPS_MARGIN {
        return Err(SourceError::Config(format!(
            "{source} plays {fps} frames a second and the camera's fps is {}: set fps: {fps}",
            camera.fps
        )));
    }
    Ok(fps.period())
}

/// The number of a frame that arrived at `t`: the first is 0; after a restart what the time away is worth.
fn number_after(ring: &Ring, t: MonotonicNs, fps: Fps) -> u64 {
    let Some(newest) = ring.newest() else { return 0 };
    // Half a period more, to round to the nearest.
    let away = t.since(newest.t_capture) + fps.period() / 2;
    newest.source_sequence + fps.frames_in(proto::time::nanos(away)).max(1)
}

fn lost(source: &str, error: &opencv::Error) -> SourceError {
    SourceError::Lost(format!("{source}: {}", error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_what_it_looks_like() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (source, kind) in [
            ("0", Kind::Device(0)),
            ("12", Kind::Device(12)),
            ("rtsp://camera.example/stream", Kind::Live),
            ("/dev/null", Kind::Live),
            (file.path().to_str().unwrap(), Kind::File),
            ("frames/%04d.png", Kind::File),
            ("v4l2src ! videoconvert ! appsink", Kind::Pipeline),
            ("no/such/film.mp4", Kind::NotThere),
            ("", Kind::NotThere),
        ] {
            assert_eq!(Kind::of(source), kind, "{source}");
        }
    }
}
