//! A camera that OpenCV opens: a device by its number, a URL, a file, a GStreamer pipeline.
//!
//! Limits that come with OpenCV's interface:
//! - A frame's time is that of its arrival, right after `grab()`; exposure was earlier by the driver's queue.
//! - Frames lost by the camera or its driver leave no hole: frames are counted as they arrive. After a restart the count goes
//!   on by as many frames as the config's `fps` makes of the time away, and by one at least.
//! - `grab()` has no time-out for devices and pipelines (for URLs OpenCV has one of 30 s): while a camera is silent this
//!   process doesn't react either, and its supervisor can only end it.
//! - A file plays from its beginning at each start, at one steady rate. The `file` backend does better.

mod pixels;
mod stderr;

use std::path::Path;
use std::time::Duration;

use opencv::core::Mat;
use opencv::prelude::*;
use opencv::videoio::{self, VideoCapture};
use proto::config::{self, Backend, CameraConfig};
use proto::frame::{Fps, FrameFlags, Geometry, LossBefore, PictureTags};
use proto::ring::Ring;
use proto::secret::Secret;
use proto::source::SourceKind;
use proto::time::MonotonicNs;

use capture::source::{Arrival, CameraSetup, PATIENCE, Source, SourceError};
use stderr::MaskedStderr;

/// A file that is further behind its pace than this starts the pace anew.
const LATE: Duration = Duration::from_secs(1);

/// A camera that OpenCV opens.
pub(crate) struct OpencvCamera {
    capture: VideoCapture,
    source: Secret,
    geometry: Geometry,
    scale: bool,
    kind: SourceKind,
    /// The newest frame.
    picture: Mat,
    /// The arrival of the frame that was read on opening, until that frame is delivered.
    first: Option<MonotonicNs>,
    /// The number of the next frame.
    next: u64,
    /// The pace of a file; `None` for a camera, which has a pace of its own.
    pace: Option<FilePace>,
    /// Masks this source's password in the lines that libraries print. Dropped last, after they have printed theirs.
    _stderr: Option<MaskedStderr>,
}

/// The pace of a file: OpenCV would hand out all its frames at once.
#[derive(Clone, Copy)]
struct FilePace {
    /// The moment at which the last frame was due.
    due: MonotonicNs,
    period: Duration,
}

/// Frames that OpenCV reads from the disk, and would hand out all at once.
fn is_film(kind: SourceKind) -> bool {
    matches!(kind, SourceKind::File | SourceKind::Pictures)
}

impl OpencvCamera {
    /// Opens the camera, and reads a frame to see that it works.
    ///
    /// # Errors
    /// When the camera is not there, gives no frame, or frames of another size than the config's.
    pub(crate) fn open(setup: &CameraSetup) -> Result<Box<dyn Source>, SourceError> {
        let CameraSetup { camera, ring } = setup;
        let Backend::Opencv(config) = &camera.backend else {
            return Err(SourceError::WrongBackend { opens: "opencv", configured: camera.backend.name() });
        };
        let source = config.source.clone();
        let kind = SourceKind::of(source.reveal());
        let stderr = MaskedStderr::start_for(&source).map_err(|e| unmasked(&source, &e))?;
        let mut capture = open(&source, kind)?;
        // A pipeline states its own size and rate. Asked for others, OpenCV takes it apart, and some don't come up again.
        if !is_film(kind) && kind != SourceKind::Pipeline {
            ask_for(&mut capture, camera);
        }
        let period = if is_film(kind) { Some(file_period(&capture, &source, camera)?) } else { None };
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
            _stderr: stderr,
        };
        let silent = |camera: &Self| {
            let (input, reason) =
                (camera.source.to_string(), "OpenCV opened it and got no frame from it".into());
            if is_film(kind) {
                SourceError::Unusable { input, reason }
            } else {
                SourceError::Lost { input, reason }
            }
        };
        let t = this.grab()?.ok_or_else(|| silent(&this))?;
        this.retrieve()?;
        this.first = Some(t);
        this.next = number_after(ring, t, camera.fps);
        this.pace = period.map(|period| FilePace { due: t, period });
        Ok(Box::new(this))
    }

    /// Waits for the next frame; returns its arrival, or `None` when there is none.
    fn grab(&mut self) -> Result<Option<MonotonicNs>, SourceError> {
        let grabbed = self.capture.grab().map_err(|e| lost(&self.source, &e))?;
        Ok(grabbed.then(MonotonicNs::now))
    }

    /// Decodes the frame that was grabbed.
    fn retrieve(&mut self) -> Result<(), SourceError> {
        let done = self.capture.retrieve_def(&mut self.picture).map_err(|e| lost(&self.source, &e))?;
        if !done || self.picture.empty() {
            return Err(SourceError::Lost {
                input: self.source.to_string(),
                reason: "OpenCV can't decode a frame of it".into(),
            });
        }
        let side = |pixels: i32| u32::try_from(pixels).unwrap_or(0);
        let (width, height) = (side(self.picture.cols()), side(self.picture.rows()));
        let (w, h) = (self.geometry.width(), self.geometry.height());
        if (width, height) == (w, h) || self.is_raw() {
            return Ok(());
        }
        if self.kind == SourceKind::Pipeline && pixels::is_raw_of_another_size(&self.picture, &self.geometry)
        {
            return Err(SourceError::Unusable {
                input: self.source.to_string(),
                reason: format!(
                    "it gives {width}x{height} in one channel, which is what I420 or NV12 frames of {width}x{} look like: \
                     write that size, and pixel_format: I420 or NV12; or let the pipeline end in \
                     video/x-raw,format=BGR ! appsink",
                    height / 3 * 2
                ),
            });
        }
        config::check_size(&self.geometry, (width, height), self.scale)
            .map_err(|misfit| SourceError::Misfit { input: self.source.to_string(), misfit })?;
        self.picture = pixels::scaled(&self.picture, &self.geometry).map_err(|e| lost(&self.source, &e))?;
        Ok(())
    }
}

impl OpencvCamera {
    /// True for a picture that a pipeline gives in the ring's own 4:2:0 format, to be copied as it is.
    fn is_raw(&self) -> bool {
        self.kind == SourceKind::Pipeline && pixels::is_raw(&self.picture, &self.geometry)
    }
}

impl Source for OpencvCamera {
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
                        let (input, reason) = (self.source.to_string(), "it gives no more frames".into());
                        return Err(SourceError::Lost { input, reason });
                    }
                }
            }
        };
        let source_sequence = self.next;
        self.next += 1;
        Ok(Arrival::Frame {
            source_sequence,
            t_capture,
            before: LossBefore::Nothing,
            flags: FrameFlags::NONE,
        })
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<(), SourceError> {
        let write = if self.is_raw() { pixels::copy } else { pixels::write };
        write(&self.picture, &self.geometry, frame).map_err(|e| SourceError::Unconvertible {
            input: self.source.to_string(),
            from: format!("OpenCV's picture ({})", e.message),
            to: self.geometry.format().to_string(),
        })
    }

    fn picture_tags(&self) -> PictureTags {
        // OpenCV gives BGR, and pixels::write makes the ring's frames of it. Nothing is known of a pipeline's own YUV.
        if self.is_raw() { PictureTags::default() } else { PictureTags::made_as(self.geometry.format()) }
    }
}

/// Opens a source and asks whether it is open: OpenCV returns Ok for one that isn't there.
fn open(source: &Secret, kind: SourceKind) -> Result<VideoCapture, SourceError> {
    let (text, input) = (source.reveal(), source.to_string());
    if kind == SourceKind::File && !Path::new(text).is_file() {
        let reason = "there is no such file, and it is neither a device, nor a URL (scheme://…), nor a GStreamer pipeline \
                      (with !): check the camera's source";
        // Its disk may still come, or whoever writes it.
        return Err(SourceError::Lost { input, reason: reason.into() });
    }
    let opened = match kind {
        SourceKind::Device(index) => VideoCapture::new(index.into(), videoio::CAP_ANY),
        SourceKind::Pipeline => VideoCapture::from_file(text, videoio::CAP_GSTREAMER),
        _ => VideoCapture::from_file(text, videoio::CAP_ANY),
    };
    let opened = opened.and_then(|capture| Ok((capture.is_opened()?, capture)));
    let why = match opened {
        Ok((true, capture)) => return Ok(capture),
        Ok((false, _)) => String::new(),
        Err(e) => format!(": {}", source.mask_in(&e.message)),
    };
    Err(match kind {
        SourceKind::Device(index) => SourceError::Lost {
            input: format!("camera {index}"),
            reason: format!(
                "OpenCV can't open it{why}; is it plugged in, is it in use, may this user open /dev/video{index}?"
            ),
        },
        SourceKind::File | SourceKind::Pictures => {
            SourceError::Unusable { input, reason: format!("OpenCV can't open it as a video{why}") }
        }
        _ => SourceError::Lost { input, reason: format!("OpenCV can't open it{why}") },
    })
}

/// Asks a device, which has a choice, for the config's size and rate. A refusal isn't reported here; the first frame shows
/// it.
fn ask_for(capture: &mut VideoCapture, camera: &CameraConfig) {
    for (property, value) in [
        (videoio::CAP_PROP_FRAME_WIDTH, f64::from(camera.geometry.width())),
        (videoio::CAP_PROP_FRAME_HEIGHT, f64::from(camera.geometry.height())),
        (videoio::CAP_PROP_FPS, camera.fps.as_f64()),
    ] {
        let _ = capture.set(property, value);
    }
}

/// The time from one frame of a file to the next.
fn file_period(
    capture: &VideoCapture,
    source: &Secret,
    camera: &CameraConfig,
) -> Result<Duration, SourceError> {
    let stated = capture.get(videoio::CAP_PROP_FPS).ok().and_then(Fps::new);
    let fps = stated.unwrap_or(camera.fps);
    config::check_rate(camera.fps, fps.as_f64())
        .map_err(|misfit| SourceError::Misfit { input: source.to_string(), misfit })?;
    Ok(fps.period())
}

/// The number of a frame that arrived at `t`: 0 in an empty ring; after a restart, as if the camera had gone on counting.
fn number_after(ring: &Ring, t: MonotonicNs, fps: Fps) -> u64 {
    let Some(newest) = ring.newest() else { return 0 };
    // Half a period more, to round to the nearest.
    let away = t.since(newest.t_capture) + fps.period() / 2;
    newest.source_sequence + fps.frames_in(proto::time::nanos(away)).max(1)
}

/// The source was not opened, since OpenCV would print its password. The lack of threads or files may pass.
fn unmasked(source: &Secret, error: &std::io::Error) -> SourceError {
    let reason =
        format!("it isn't opened, since its password can't be masked in what OpenCV prints: {error}");
    SourceError::Lost { input: source.to_string(), reason }
}

fn lost(source: &Secret, error: &opencv::Error) -> SourceError {
    SourceError::Lost { input: source.to_string(), reason: source.mask_in(&error.message) }
}
