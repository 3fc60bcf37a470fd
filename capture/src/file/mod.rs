//! A video file as a camera: decoded by libav, paced by its own timestamps.
//!
//! Played in real time, a file is a camera that runs whether anybody looks or not. Its clock starts with the
//! first frame that is published in the ring; from then on frame `n` is captured at exactly
//! `origin + start of n`, through any number of repetitions and of restarts: a capture that was away for two
//! seconds comes back where the film is by then, and the numbers of the frames it missed are missing.

mod decode;
mod film;
mod fit;
pub(crate) mod probe;
mod raw;

use std::time::Duration;

use proto::config::{Backend, CameraConfig};
use proto::frame::{Geometry, LossBefore};
use proto::ring::Ring;
use proto::time::MonotonicNs;

use capture::source::{Arrival, PATIENCE, Site, Source, SourceError};
use decode::{Decoder, Step};
use film::{Film, Numbering};
use fit::Fit;

/// Up to so late, every frame is delivered nevertheless: a file is not lost like a driver's buffer. Later than
/// that the decoder isn't keeping up, and a camera that falls behind for ever is no camera.
const LATE_NS: u64 = 1_000_000_000;
/// Frames further ahead than this are looked for in the file's index; those nearer are decoded and passed over.
const SEEK_BEYOND_NS: u64 = 2_000_000_000;
/// How much faster than its config's `fps` a file may be: what rounding 29.97 or 59.94 makes no difference to,
/// and well within the fifth that the ring has to spare.
const FPS_MARGIN: f64 = 1.05;

/// A video file.
pub(crate) struct VideoFile {
    decoder: Decoder,
    film: Film,
    fit: Fit,
    geometry: Geometry,
    looping: bool,
    scale: bool,
    clock: Clock,
    /// The frame that is wanted next.
    next: u64,
    /// The decoder's picture, when it is waiting for its time.
    pending: Option<u64>,
    /// The frame after the last that was delivered by this process.
    expected: Option<u64>,
    place: Place,
    warned: bool,
}

/// What time it is in the film.
#[derive(Clone, Copy)]
enum Clock {
    /// Its own: frame 0 is shown at this many nanoseconds of the monotonic clock. Signed, since a ring that was
    /// filled faster than real time has an origin before the machine's boot.
    Film { origin_ns: i64 },
    /// None: as fast as it can be decoded.
    Rush,
}

/// Where the decoder stands.
#[derive(Clone, Copy)]
struct Place {
    pass: u64,
    /// The frame after the newest decoded: the number of a picture that has no timestamp.
    following: u64,
    /// The frame that it has reached, or is on its way to.
    reach: u64,
    /// A jump through the file's index has yet to prove that it didn't land too far.
    jumped: bool,
    /// This file's index can be trusted.
    seeks: bool,
    /// Passes that have just gone by without one picture.
    barren: u32,
}

enum Fetched {
    Ready(u64),
    NotYet,
    End,
}

impl VideoFile {
    /// Opens the file of this site.
    ///
    /// # Errors
    /// When it is not there, not a video, of another size than the config's, or faster.
    pub(crate) fn open(site: &Site) -> Result<Box<dyn Source>, SourceError> {
        let camera = &site.camera;
        let Backend::File(config) = &camera.backend else {
            return Err(SourceError::Config(format!(
                "this is the executable for file cameras, not {}",
                camera.backend.name()
            )));
        };
        let (film, decoder) = Decoder::open(&config.path)?.scan()?;
        let fit = Fit::new(camera.geometry).ok_or_else(|| {
            SourceError::Config(format!("libav can't convert to {}", camera.geometry.format()))
        })?;
        if config.realtime {
            check_rate(&decoder, &film, camera)?;
        }
        let (clock, next) = resume(&site.ring, &film, config.realtime);
        let this = Self {
            geometry: camera.geometry,
            looping: config.looping,
            scale: config.scale,
            clock,
            next,
            pending: None,
            expected: None,
            place: Place {
                pass: 0,
                following: 0,
                reach: 0,
                jumped: false,
                seeks: film.numbering() == Numbering::Time,
                barren: 0,
            },
            warned: false,
            decoder,
            film,
            fit,
        };
        this.check_size(this.decoder.size())?;
        Ok(Box::new(this))
    }

    /// When frame `number` is due.
    fn due(&self, number: u64) -> Option<MonotonicNs> {
        let Clock::Film { origin_ns } = self.clock else { return None };
        Some(MonotonicNs(origin_ns.saturating_add_unsigned(self.film.start_ns(number)).max(0).unsigned_abs()))
    }

    /// Gives up on what is too late. The last frames of a file that isn't repeated are never given up.
    fn catch_up(&mut self, now: MonotonicNs) {
        let (Some(due), Clock::Film { origin_ns }) = (self.due(self.next), self.clock) else { return };
        if now.since(due) <= Duration::from_nanos(LATE_NS) {
            return;
        }
        let mut shown = self.film.shown_at(elapsed_ns(origin_ns, now));
        if !self.looping {
            shown = shown.min(self.film.frames() - 1);
        }
        self.next = self.next.max(shown);
        self.pending = self.pending.filter(|n| *n >= self.next);
    }

    /// Decodes until the wanted frame is there, or the first one after it that can be.
    fn fetch(&mut self, give_up: MonotonicNs) -> Result<Fetched, SourceError> {
        loop {
            let (pass, _) = self.film.place(self.next);
            if pass > 0 && !self.looping {
                return Ok(Fetched::End);
            }
            let far = self.film.start_ns(self.place.reach).saturating_add(SEEK_BEYOND_NS);
            if pass != self.place.pass || (self.place.seeks && self.film.start_ns(self.next) > far) {
                self.jump()?;
            }
            if MonotonicNs::now() >= give_up {
                return Ok(Fetched::NotYet);
            }
            match self.decoder.step() {
                Step::On => {}
                Step::Picture(ticks, count) => {
                    let index = self.decoder.index(&self.film, ticks, count);
                    let number = index.map_or(self.place.following, |i| pass * self.film.frames() + i);
                    if number > self.next && self.place.jumped {
                        self.jumped_too_far()?;
                        continue;
                    }
                    self.place.jumped = false;
                    self.place.following = number + 1;
                    if number >= self.next && self.film.place(number).0 == pass {
                        self.place.reach = number;
                        self.place.barren = 0;
                        return Ok(Fetched::Ready(number));
                    }
                }
                Step::Over if self.place.jumped => self.jumped_too_far()?,
                Step::Over => self.turn_over(pass)?,
            }
        }
    }

    /// To a place from which the wanted frame can be decoded.
    fn jump(&mut self) -> Result<(), SourceError> {
        let (pass, index) = self.film.place(self.next);
        self.place = Place { pass, following: self.next, reach: self.next, ..self.place };
        self.place.jumped = self.place.seeks && self.decoder.seek(self.film.ticks(index));
        if self.place.jumped { Ok(()) } else { self.rewind() }
    }

    /// An index may lead behind the wanted frame (a transport stream has none, and libav guesses).
    fn jumped_too_far(&mut self) -> Result<(), SourceError> {
        self.place.seeks = false;
        self.rewind()
    }

    /// To the beginning of the pass, the slow but certain way.
    fn rewind(&mut self) -> Result<(), SourceError> {
        self.place.following = self.place.pass * self.film.frames();
        self.place.jumped = false;
        self.decoder.reopen()
    }

    /// A pass has ended, perhaps before its time.
    fn turn_over(&mut self, pass: u64) -> Result<(), SourceError> {
        let end = (pass + 1) * self.film.frames();
        if self.next < end {
            let trouble = self.decoder.take_trouble();
            let message = format!(
                "{} can't be decoded from {:.2} s on{}",
                self.decoder.path().display(),
                Duration::from_nanos(self.film.start_ns(self.next % self.film.frames())).as_secs_f64(),
                trouble.map(|e| format!(": {e}")).unwrap_or_default(),
            );
            self.place.barren += 1;
            let lost = if self.looping {
                // A process that came back near the end of a broken pass may find nothing there, but not twice.
                self.place.barren > 1
            } else {
                // A decoder that kept a frame or two to itself and complained of nothing has come to the end.
                trouble.is_some() || self.next == 0
            };
            if lost {
                return Err(SourceError::Lost(message));
            }
            if !self.warned {
                tracing::warn!("{message}; it is repeated from the start, here and each time");
                self.warned = true;
            }
        }
        self.next = end;
        Ok(())
    }

    fn check_size(&self, (width, height): (u32, u32)) -> Result<(), SourceError> {
        let (w, h) = (self.geometry.width(), self.geometry.height());
        // A header may leave the size to the pictures.
        if self.scale || (width, height) == (w, h) || (width, height) == (0, 0) {
            return Ok(());
        }
        let name = self.decoder.path().display();
        Err(SourceError::Config(format!(
            "{name} is {width}x{height} and the camera's frames are {w}x{h}: write width: {width} and \
             height: {height}, or scale: true to have it scaled"
        )))
    }
}

impl Source for VideoFile {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        let started = MonotonicNs::now();
        let give_up = started + PATIENCE;
        self.catch_up(started);
        let number = match self.pending {
            Some(number) => number,
            None => match self.fetch(give_up)? {
                Fetched::Ready(number) => number,
                Fetched::NotYet => return Ok(Arrival::Silence),
                Fetched::End => return Ok(Arrival::End),
            },
        };
        self.next = number;
        self.pending = Some(number);
        let picture = self.decoder.picture();
        self.check_size((picture.width(), picture.height()))?;
        let t_capture = match self.due(number) {
            Some(due) if due > give_up => {
                give_up.sleep_until();
                return Ok(Arrival::Silence);
            }
            Some(due) => {
                due.sleep_until();
                due
            }
            None => MonotonicNs::now(),
        };
        let skipped = self.expected.is_some_and(|expected| number > expected);
        let before = if skipped { LossBefore::CameraDrop } else { LossBefore::Nothing };
        self.pending = None;
        self.next = number + 1;
        self.expected = Some(number + 1);
        Ok(Arrival::Frame { source_sequence: number, t_capture, before })
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<(), SourceError> {
        let picture = self.decoder.picture();
        if self.fit.write(picture, frame) {
            return Ok(());
        }
        Err(SourceError::Config(format!(
            "{}: libswscale can't convert {:?} at {}x{} to {}",
            self.decoder.path().display(),
            picture.format(),
            picture.width(),
            picture.height(),
            self.geometry
        )))
    }
}

/// The film's clock and its next frame, for a ring that may have seen some of it.
fn resume(ring: &Ring, film: &Film, realtime: bool) -> (Clock, u64) {
    let now = MonotonicNs::now();
    match (ring.newest(), realtime) {
        (None, true) => (Clock::Film { origin_ns: signed(now.0) }, 0),
        (None, false) => (Clock::Rush, 0),
        (Some(newest), false) => (Clock::Rush, newest.source_sequence + 1),
        (Some(newest), true) => {
            let start_ns = signed(film.start_ns(newest.source_sequence));
            let origin_ns = signed(newest.t_capture.0).saturating_sub(start_ns);
            // Like any camera that is opened while it runs: the next exposure is the first.
            let next = film.shown_at(elapsed_ns(origin_ns, now)) + 1;
            (Clock::Film { origin_ns }, next.max(newest.source_sequence + 1))
        }
    }
}

fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

fn elapsed_ns(origin_ns: i64, now: MonotonicNs) -> u64 {
    u64::try_from(signed(now.0).saturating_sub(origin_ns)).unwrap_or(0)
}

/// A ring is as large as its config's `fps` makes it: a file that is faster would fill it with less time than
/// was asked for.
fn check_rate(decoder: &Decoder, film: &Film, camera: &CameraConfig) -> Result<(), SourceError> {
    let (fps, name) = (film.average_fps(), decoder.path().display());
    if fps > camera.fps.as_f64() * FPS_MARGIN {
        let fps = (fps * 1_000.0).ceil() / 1_000.0;
        return Err(SourceError::Config(format!(
            "{name} plays {fps} frames a second and the camera's fps is {}: set fps: {fps}",
            camera.fps
        )));
    }
    let burst = film.busiest_second();
    if f64::from(u32::try_from(burst).unwrap_or(u32::MAX)) > (camera.fps.as_f64() * 1.2).max(2.0) {
        tracing::warn!(
            "{name} has {burst} frames in one of its seconds: at fps: {} its clips may begin late",
            camera.fps
        );
    }
    Ok(())
}
