//! A camera that OpenCV opens: a device by its number, a URL, a file, a GStreamer pipeline.
//!
//! Limits that come with OpenCV's interface:
//! - A frame's time is that of its arrival, right after `grab()`; exposure was earlier by the driver's queue.
//! - Frames lost by the camera or its driver leave no hole: frames are counted as they arrive. After a restart the count goes
//!   on by as many frames as the config's `fps` makes of the time away, and by one at least.
//! - `grab()` has no time-out for devices and pipelines (for URLs OpenCV has one of 30 s): while a camera is silent this
//!   process doesn't react either, and its supervisor can only end it.
//! - A file plays from its beginning at each start, at one steady rate. The `file` backend does better.
//! - OpenCV 4.6 can't follow frames that change their size within a stream: it shows the last picture of the old size for
//!   ever. That is noticed by what libswscale prints, and a camera is opened again. A pixel format that changes isn't noticed:
//!   colours are wrong from there, or OpenCV crashes.

mod film;
mod pixels;
mod stderr;

use std::path::Path;
use std::time::Duration;

use opencv::core::Mat;
use opencv::prelude::*;
use opencv::videoio::{self, VideoCapture};
use proto::config::{self, Backend, CameraConfig};
use proto::frame::{Fps, FrameFlags, FrameInfo, Geometry, LossBefore, PictureTags};
use proto::secret::Secret;
use proto::source::SourceKind;
use proto::time::MonotonicNs;

use capture::source::{Arrival, CameraSetup, PATIENCE, Source, SourceError};
use film::Film;
use stderr::MaskedStderr;

/// So many pictures in a row that can't be decoded are no passing fault of a live camera.
const UNDECODABLE: u32 = 25;
/// The first pictures of a film that may be dead.
const FIRST_TRIES: u64 = 8;
/// A camera whose picture stands still is opened again, unless that was done within this time: then it was in vain.
const OPENED_LATELY: Duration = Duration::from_secs(10);
/// The time that a line of libswscale takes to be heard of. It is printed before the picture is handed out.
const HEARSAY: Duration = Duration::from_millis(5);

/// A camera that OpenCV opens.
pub(crate) struct OpencvCamera {
    capture: VideoCapture,
    source: Secret,
    geometry: Geometry,
    scale: bool,
    kind: SourceKind,
    /// The newest picture as OpenCV gave it, and the one before.
    raw: [Mat; 2],
    /// The newest frame: of the config's size.
    picture: Mat,
    /// The arrival of the frame that was read on opening, until that frame is delivered.
    first: Option<MonotonicNs>,
    numbers: Numbers,
    /// `None` for a camera, which has a pace of its own.
    film: Option<Film>,
    opened: MonotonicNs,
    /// Reads what libraries print, and masks this source's password in it. Dropped last, after they have printed theirs.
    stderr: Option<MaskedStderr>,
}

/// The numbers of frames, and what goes wrong with some.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    /// Of the next frame.
    next: u64,
    /// Frames that can't be decoded, since the last one that can.
    dead: u32,
    /// The last two pictures were the same.
    stands_still: bool,
}

/// The answer of OpenCV to the wish for a picture.
enum Picture {
    /// It is there, and arrived at this moment.
    Arrived(MonotonicNs),
    /// It has arrived, and can't be decoded.
    Dead,
    /// OpenCV gives none.
    Nothing,
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
        let camera = &setup.camera;
        let Backend::Opencv(config) = &camera.backend else {
            return Err(SourceError::WrongBackend { opens: "opencv", configured: camera.backend.name() });
        };
        let source = config.source.clone();
        let kind = SourceKind::of(source.reveal());
        let stderr = MaskedStderr::start_for(&source, kind).map_err(|e| unmasked(&source, &e))?;
        let mut capture = open(&source, kind)?;
        // A pipeline states its own size and rate. Asked for others, OpenCV takes it apart, and some don't come up again.
        if !is_film(kind) && kind != SourceKind::Pipeline {
            ask_for(&mut capture, camera);
        }
        let period = is_film(kind).then(|| period(&capture, kind, &source, camera)).transpose()?;
        let mut this = Self {
            capture,
            source,
            geometry: camera.geometry,
            scale: config.scale,
            kind,
            raw: [Mat::default(), Mat::default()],
            picture: Mat::default(),
            first: None,
            numbers: Numbers::default(),
            film: None,
            opened: MonotonicNs::now(),
            stderr,
        };
        let silent = |camera: &Self| {
            let (input, reason) =
                (camera.source.to_string(), "OpenCV opened it and got no frame from it".into());
            match is_film(kind) {
                true => SourceError::Unusable { input, reason },
                false => SourceError::stalled(input, reason),
            }
        };
        let (tries, t) = this.first_picture()?.ok_or_else(|| silent(&this))?;
        this.first = Some(t);
        this.numbers.next = number_after(setup.newest(), t, camera.fps).max(tries - 1);
        if let Some(period) = period {
            let stated = this.capture.get(videoio::CAP_PROP_FRAME_COUNT).unwrap_or_default();
            this.film = Some(Film::new(t, period, stated, tries));
        }
        Ok(Box::new(this))
    }

    /// The first picture, with the number of tries that it took. A film may begin with dead ones.
    fn first_picture(&mut self) -> Result<Option<(u64, MonotonicNs)>, SourceError> {
        let most = if is_film(self.kind) { FIRST_TRIES } else { 1 };
        for tries in 1..=most {
            if let Picture::Arrived(t) = self.ask()? {
                return Ok(Some((tries, t)));
            }
        }
        Ok(None)
    }

    /// Waits for the next picture, and decodes it.
    fn ask(&mut self) -> Result<Picture, SourceError> {
        if !self.capture.grab().map_err(|e| lost(&self.source, &e))? {
            return Ok(Picture::Nothing);
        }
        let t = MonotonicNs::now();
        self.raw.swap(0, 1);
        let done = self.capture.retrieve_def(&mut self.raw[0]).map_err(|e| lost(&self.source, &e))?;
        if !done || self.raw[0].empty() {
            return Ok(Picture::Dead);
        }
        self.be_of_one_size()?;
        self.fit()?;
        Ok(Picture::Arrived(t))
    }

    /// Notices frames of another size in the stream, which OpenCV 4.6 can't show: it gives its last picture again.
    fn be_of_one_size(&mut self) -> Result<(), SourceError> {
        let Some(stderr) = &self.stderr else { return Ok(()) };
        let stood_still = self.numbers.stands_still;
        self.numbers.stands_still = pixels::are_equal(&self.raw[0], &self.raw[1]);
        if !self.numbers.stands_still {
            return Ok(());
        }
        if !stood_still {
            std::thread::sleep(HEARSAY);
        }
        if !stderr.told_of_another_size() {
            return Ok(());
        }
        let input = self.source.to_string();
        Err(if is_film(self.kind) {
            let reason = "its frames change their size on the way, which OpenCV can't follow; write backend: file and path: \
                          FILE, with scale: true to have all of them scaled";
            SourceError::Unusable { input, reason: reason.into() }
        } else {
            let seen = "its frames have another size than before, which OpenCV sees only on opening it again";
            SourceError::stalled(input, seen)
        })
    }

    /// Makes the frame of the picture.
    fn fit(&mut self) -> Result<(), SourceError> {
        self.picture = self.raw[0].clone();
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
        self.picture = pixels::scaled(&self.raw[0], &self.geometry).map_err(|e| lost(&self.source, &e))?;
        Ok(())
    }
}

impl OpencvCamera {
    /// Counts a picture that can't be had, or ends.
    fn missed(&mut self, what: &Picture) -> Result<Arrival, SourceError> {
        self.numbers.next += 1;
        self.numbers.dead += 1;
        if let Some(film) = &mut self.film {
            return Ok(if film.missed() { Arrival::End } else { Arrival::NotDue });
        }
        let reason = match what {
            Picture::Dead if self.numbers.dead < UNDECODABLE => return Ok(Arrival::Silence),
            Picture::Dead => "OpenCV can't decode its frames",
            _ => "it gives no more frames",
        };
        Err(SourceError::stalled(self.source.to_string(), reason))
    }

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
                if let Some(film) = &mut self.film {
                    let due = film.next_due();
                    if due > MonotonicNs::now() + PATIENCE {
                        std::thread::sleep(PATIENCE);
                        return Ok(Arrival::NotDue);
                    }
                    due.sleep_until();
                    film.ask(MonotonicNs::now());
                }
                match self.ask()? {
                    Picture::Arrived(t) => t,
                    missed => return self.missed(&missed),
                }
            }
        };
        if let Some(film) = &mut self.film {
            film.had();
        }
        let before = if self.numbers.dead > 0 { LossBefore::CameraDrop } else { LossBefore::Nothing };
        let source_sequence = self.numbers.next;
        self.numbers = Numbers { next: source_sequence + 1, dead: 0, ..self.numbers };
        Ok(Arrival::Frame { source_sequence, t_capture, before, flags: FrameFlags::NONE, bytes: 0 })
    }

    fn frozen(&mut self) -> Result<(), SourceError> {
        if !is_opened_again(self.kind, MonotonicNs::now().since(self.opened)) {
            return Ok(());
        }
        let reason = "its picture stands still; it is opened again, in case that OpenCV has lost it";
        Err(SourceError::stalled(self.source.to_string(), reason))
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        let write = if self.is_raw() { pixels::copy } else { pixels::write };
        write(&self.picture, &self.geometry, frame).map_err(|e| SourceError::Unconvertible {
            input: self.source.to_string(),
            from: format!("OpenCV's picture ({})", e.message),
            to: self.geometry.format().to_string(),
        })?;
        Ok(frame.len())
    }

    fn picture_tags(&self) -> PictureTags {
        // OpenCV gives BGR, and pixels::write makes the ring's frames of it. Nothing is known of a pipeline's own YUV.
        if self.is_raw() { PictureTags::default() } else { PictureTags::made_as(self.geometry.format()) }
    }
}

/// Is a camera opened again whose picture stands still, `after` it was opened? A pipeline and a pipe may not be there a second
/// time, and a film's picture may stand still.
fn is_opened_again(kind: SourceKind, after: Duration) -> bool {
    let is_live = matches!(kind, SourceKind::Device(_) | SourceKind::DevicePath | SourceKind::Url);
    is_live && after >= OPENED_LATELY
}

/// Opens a source and asks whether it is open: OpenCV returns Ok for one that isn't there.
fn open(source: &Secret, kind: SourceKind) -> Result<VideoCapture, SourceError> {
    let (text, input) = (source.reveal(), source.to_string());
    if kind == SourceKind::File && !Path::new(text).is_file() {
        let reason = "there is no such file, and it is neither a device, nor a URL (scheme://…), nor a GStreamer pipeline \
                      (with !): check the camera's source";
        // Its disk may still come, or whoever writes it.
        return Err(SourceError::stalled(input, reason));
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
        SourceKind::Device(index) => SourceError::stalled(
            format!("camera {index}"),
            format!(
                "OpenCV can't open it{why}; is it plugged in, is it in use, may this user open /dev/video{index}?"
            ),
        ),
        SourceKind::File | SourceKind::Pictures => {
            SourceError::Unusable { input, reason: format!("OpenCV can't open it as a video{why}") }
        }
        _ => SourceError::stalled(input, format!("OpenCV can't open it{why}")),
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

/// The time from one frame of a file to the next. Pictures have no rate of their own, whatever OpenCV states.
fn period(
    capture: &VideoCapture,
    kind: SourceKind,
    source: &Secret,
    camera: &CameraConfig,
) -> Result<Duration, SourceError> {
    let stated = capture.get(videoio::CAP_PROP_FPS).ok().filter(|_| kind == SourceKind::File);
    let fps = stated.and_then(Fps::new).unwrap_or(camera.fps);
    config::check_rate(camera.fps, fps.as_f64())
        .map_err(|misfit| SourceError::Misfit { input: source.to_string(), misfit })?;
    Ok(fps.period())
}

/// The number of a frame that arrived at `t`: 0 in an empty ring; after a restart, as if the camera had gone on counting.
fn number_after(newest: Option<FrameInfo>, t: MonotonicNs, fps: Fps) -> u64 {
    let Some(newest) = newest else { return 0 };
    // Half a period more, to round to the nearest.
    let away = t.since(newest.t_capture) + fps.period() / 2;
    newest.source_sequence + fps.frames_in(proto::time::nanos(away)).max(1)
}

/// The source was not opened, since OpenCV would print its password. The lack of threads or files may pass.
fn unmasked(source: &Secret, error: &std::io::Error) -> SourceError {
    let reason =
        format!("it isn't opened, since its password can't be masked in what OpenCV prints: {error}");
    SourceError::stalled(source.to_string(), reason)
}

fn lost(source: &Secret, error: &opencv::Error) -> SourceError {
    SourceError::stalled(source.to_string(), source.mask_in(&error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_live_camera_that_was_open_for_long_is_opened_again() {
        let (long, short) = (OPENED_LATELY, OPENED_LATELY / 2);
        for (kind, after, again) in [
            (SourceKind::Url, long, true),
            (SourceKind::Device(0), long, true),
            (SourceKind::Url, short, false),
            (SourceKind::Pipeline, long, false),
            (SourceKind::File, long, false),
        ] {
            assert_eq!(is_opened_again(kind, after), again, "{kind:?} {after:?}");
        }
    }
}
