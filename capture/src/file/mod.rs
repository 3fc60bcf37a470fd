//! A video file as a camera: decoded by libav, paced by its own timestamps.
//!
//! Played in real time, a file is a camera that runs on while no process reads it. Its clock starts with the first frame
//! that is published in the ring; from then on frame `n` is captured at exactly `origin + start of n`, through any number
//! of repetitions and of restarts: a capture that was away for two seconds comes back where the file is by then, and the
//! numbers of the frames it missed are missing.

mod convert;
mod decode;
mod film_stream;
mod libav;
pub(crate) mod probe;
mod repair;
mod timetable;

use std::time::Duration;

use proto::config::{self, Backend, CameraConfig};
use proto::frame::{CaptureTime, FrameFlags, FrameInfo, Geometry, LossBefore, PictureTags, TimeOfSource};
use proto::time::MonotonicNs;

use capture::source::{Arrival, CameraSetup, PATIENCE, Source, SourceError};
use convert::FrameConverter;
use decode::{Decoder, Step};
use timetable::{Numbering, Timetable};

/// A frame up to this late is delivered nevertheless: unlike a driver's buffer, a file keeps its frames. Beyond that the
/// decoder isn't keeping up, and frames are passed over, so that the camera doesn't fall behind for ever.
const LATE_NS: u64 = 1_000_000_000;
/// A frame further ahead than this is looked up in the file's index; nearer ones are reached by decoding.
const SEEK_BEYOND_NS: u64 = 2_000_000_000;
/// A video file that is played. Of its 13 fields some never change; the others are one position in the film, which moves on as a whole.
pub(crate) struct VideoFile {
    decoder: Decoder,
    timetable: Timetable,
    converter: FrameConverter,
    /// The frames' tags: those of the first picture, which hold for all that this process delivers.
    tags: Option<PictureTags>,
    geometry: Geometry,
    looping: bool,
    scale: bool,
    playback: Playback,
    /// The number of the frame that is wanted next.
    next: u64,
    /// The number of the decoder's picture, while it waits for its time.
    pending: Option<u64>,
    /// The number after that of the last frame that this process delivered.
    expected: Option<u64>,
    position: Position,
    /// The log says once that a part can't be decoded, and not in each pass.
    warned: bool,
}

/// The way that frames follow each other.
#[derive(Clone, Copy)]
enum Playback {
    /// By the file's timestamps: frame 0 is shown at this many nanoseconds of the monotonic clock. Signed, since a ring that
    /// was filled faster than real time has an origin before the machine's boot.
    RealTime { origin_ns: i64 },
    /// As fast as they can be decoded.
    Unpaced,
}

/// The decoder's position in the file.
#[derive(Clone, Copy)]
struct Position {
    pass: u64,
    /// The number after that of the newest decoded frame, if it is known: it is given to a picture without a timestamp, and
    /// tells pictures with one timestamp apart.
    following: Option<u64>,
    /// The number of the frame that the decoder has reached, or is on its way to.
    reach: u64,
    /// A jump through the file's index has yet to prove that it didn't land too far.
    jumped: bool,
    /// The file's index can be trusted.
    seeks: bool,
    /// Passes in a row without one picture.
    barren: u32,
}

/// The result of [`VideoFile::fetch`].
enum Fetched {
    /// The decoder's picture is the frame of this number.
    Ready(u64),
    NotYet,
    End,
}

impl VideoFile {
    /// Opens the camera's file.
    ///
    /// # Errors
    /// When the file is not there, not a video, of another size than the config's, or faster.
    pub(crate) fn open(setup: &CameraSetup) -> Result<Box<dyn Source>, SourceError> {
        let camera = &setup.camera;
        let Backend::File(config) = &camera.backend else {
            return Err(SourceError::WrongBackend { opens: "file", configured: camera.backend.name() });
        };
        let (timetable, decoder) = Decoder::open(&config.path)?.scan()?;
        let converter = FrameConverter::new(camera.geometry).ok_or_else(|| SourceError::Unconvertible {
            input: config.path.display().to_string(),
            from: "libav's formats".into(),
            to: camera.geometry.format().to_string(),
        })?;
        if config.realtime {
            check_rate(&decoder, &timetable, camera)?;
        }
        let (playback, next) = resume(setup.newest(), &timetable, config.realtime);
        let this = Self {
            geometry: camera.geometry,
            looping: config.looping,
            scale: config.scale,
            playback,
            next,
            pending: None,
            expected: None,
            position: Position {
                pass: 0,
                following: Some(0),
                reach: 0,
                jumped: false,
                seeks: timetable.numbering() == Numbering::Time,
                barren: 0,
            },
            warned: false,
            decoder,
            timetable,
            converter,
            tags: None,
        };
        this.check_size(this.decoder.size())?;
        Ok(Box::new(this))
    }

    /// The moment at which frame `number` is due.
    fn due(&self, number: u64) -> Option<MonotonicNs> {
        let Playback::RealTime { origin_ns } = self.playback else { return None };
        Some(MonotonicNs(
            origin_ns.saturating_add_unsigned(self.timetable.start_ns(number)).max(0).unsigned_abs(),
        ))
    }

    /// Gives up frames that are too late. The last frames of a file that isn't repeated are never given up.
    fn catch_up(&mut self, now: MonotonicNs) {
        let (Some(due), Playback::RealTime { origin_ns }) = (self.due(self.next), self.playback) else {
            return;
        };
        if now.since(due) <= Duration::from_nanos(LATE_NS) {
            return;
        }
        let mut shown = self.timetable.shown_at(elapsed_ns(origin_ns, now));
        if !self.looping {
            shown = shown.min(self.timetable.frames() - 1);
        }
        self.next = self.next.max(shown);
        self.pending = self.pending.filter(|n| *n >= self.next);
    }

    /// Decodes until the wanted frame is there, or the first one after it that can be decoded.
    fn fetch(&mut self, give_up: MonotonicNs) -> Result<Fetched, SourceError> {
        loop {
            let (pass, _) = self.timetable.pass_and_index(self.next);
            if pass > 0 && !self.looping {
                return Ok(Fetched::End);
            }
            let far = self.timetable.start_ns(self.position.reach).saturating_add(SEEK_BEYOND_NS);
            if pass != self.position.pass || (self.position.seeks && self.timetable.start_ns(self.next) > far)
            {
                self.jump()?;
            }
            if MonotonicNs::now() >= give_up {
                return Ok(Fetched::NotYet);
            }
            match self.decoder.step() {
                Step::On => {}
                Step::Picture(ticks, count) => {
                    // A picture whose number can't be told is passed over; the next one shows whether a jump has led too far.
                    let Some(number) = self.number_of(pass, ticks, count) else { continue };
                    if number > self.next && self.position.jumped {
                        self.jumped_too_far()?;
                        continue;
                    }
                    self.position.jumped = false;
                    self.position.following = Some(number + 1);
                    if number >= self.next && self.timetable.pass_and_index(number).0 == pass {
                        self.position.reach = number;
                        self.position.barren = 0;
                        return Ok(Fetched::Ready(number));
                    }
                }
                Step::Over if self.position.jumped => self.jumped_too_far()?,
                Step::Over => self.turn_over(pass)?,
            }
        }
    }

    /// The number of a picture with this timestamp, the `count`th since the file was opened, if it can be told.
    fn number_of(&self, pass: u64, ticks: Option<i64>, count: u64) -> Option<u64> {
        let first = pass * self.timetable.frames();
        let following = self.position.following;
        match (self.timetable.numbering(), ticks) {
            (Numbering::Count, _) => Some(first + count),
            (Numbering::Time, None) => following,
            (Numbering::Time, Some(ticks)) => {
                let following = following.map(|following| following.saturating_sub(first));
                Some(first + self.timetable.index_of(ticks, following)?)
            }
        }
    }

    /// Goes to a place from which the wanted frame can be decoded.
    fn jump(&mut self) -> Result<(), SourceError> {
        let (pass, index) = self.timetable.pass_and_index(self.next);
        self.position = Position { pass, following: None, reach: self.next, ..self.position };
        let ticks = self.timetable.ticks(index).filter(|_| self.position.seeks);
        self.position.jumped = ticks.is_some_and(|ticks| self.decoder.seek(ticks));
        if self.position.jumped { Ok(()) } else { self.rewind() }
    }

    /// Starts the pass again after the index has led behind the wanted frame: a transport stream has no index, and libav
    /// guesses.
    fn jumped_too_far(&mut self) -> Result<(), SourceError> {
        self.position.seeks = false;
        self.rewind()
    }

    /// Goes to the beginning of the pass: slow, and always possible.
    fn rewind(&mut self) -> Result<(), SourceError> {
        self.position.following = Some(self.position.pass * self.timetable.frames());
        self.position.jumped = false;
        self.decoder.reopen()
    }

    /// Begins the next pass after this one has ended, perhaps before its time.
    fn turn_over(&mut self, pass: u64) -> Result<(), SourceError> {
        let end = (pass + 1) * self.timetable.frames();
        if self.next < end {
            let trouble = self.decoder.take_trouble();
            let input = self.decoder.path().display().to_string();
            let reason = format!(
                "it can't be decoded from {:.2} s on{}",
                Duration::from_nanos(self.timetable.start_ns(self.next % self.timetable.frames()))
                    .as_secs_f64(),
                trouble.map(|e| format!(": {e}")).unwrap_or_default(),
            );
            self.position.barren += 1;
            let lost = if self.looping {
                // A process that starts near the end of a broken pass may find no picture there once, but not twice.
                self.position.barren > 1
            } else {
                // Without an error, the decoder only kept back a frame or two: this is the file's end.
                trouble.is_some() || self.next == 0
            };
            if lost {
                return Err(SourceError::stalled(input, reason));
            }
            if !self.warned {
                tracing::warn!(
                    "{input}: {reason}; each pass ends there, and the file is repeated from its start"
                );
                self.warned = true;
            }
        }
        self.next = end;
        Ok(())
    }

    fn check_size(&self, found: (u32, u32)) -> Result<(), SourceError> {
        config::check_size(&self.geometry, found, self.scale).map_err(|misfit| SourceError::Misfit {
            input: self.decoder.path().display().to_string(),
            misfit,
        })
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
                return Ok(Arrival::NotDue);
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
        let flags = FrameFlags::TIME_REPAIRED.when(self.timetable.is_repaired(number));
        Ok(Arrival::Frame { source_sequence: number, t_capture, before, flags, bytes: 0 })
    }

    fn has_variable_rate(&self) -> bool {
        self.timetable.has_variable_rate()
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        let picture = self.decoder.picture();
        if self.converter.write(picture, frame) {
            if self.tags.is_none() {
                let size = (self.geometry.width(), self.geometry.height());
                self.tags = Some(self.decoder.tags(self.geometry.format(), size));
            }
            return Ok(frame.len());
        }
        Err(SourceError::Unconvertible {
            input: self.decoder.path().display().to_string(),
            from: format!("{:?} at {}x{}", picture.format(), picture.width(), picture.height()),
            to: self.geometry.to_string(),
        })
    }

    fn time(&self) -> TimeOfSource {
        match self.playback {
            Playback::RealTime { .. } => TimeOfSource::by_own_clock(CaptureTime::Device),
            Playback::Unpaced => TimeOfSource::ARRIVAL,
        }
    }

    fn picture_tags(&self) -> PictureTags {
        self.tags.unwrap_or_default()
    }
}

/// The way to play on, and the next frame's number, behind the newest frame of this file in the ring.
fn resume(newest: Option<FrameInfo>, timetable: &Timetable, realtime: bool) -> (Playback, u64) {
    let now = MonotonicNs::now();
    match (newest, realtime) {
        (None, true) => (Playback::RealTime { origin_ns: signed(now.0) }, 0),
        (None, false) => (Playback::Unpaced, 0),
        (Some(newest), false) => (Playback::Unpaced, newest.source_sequence + 1),
        (Some(newest), true) => {
            let start_ns = signed(timetable.start_ns(newest.source_sequence));
            let origin_ns = signed(newest.t_capture.0).saturating_sub(start_ns);
            // As with any camera that is opened while it runs, the next exposure is the first frame.
            let next = timetable.shown_at(elapsed_ns(origin_ns, now)) + 1;
            (Playback::RealTime { origin_ns }, next.max(newest.source_sequence + 1))
        }
    }
}

fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

fn elapsed_ns(origin_ns: i64, now: MonotonicNs) -> u64 {
    u64::try_from(signed(now.0).saturating_sub(origin_ns)).unwrap_or(0)
}

/// Refuses a file that is faster than its config's `fps`: the ring's length follows from `fps`, and would hold less time
/// than was asked for.
fn check_rate(decoder: &Decoder, timetable: &Timetable, camera: &CameraConfig) -> Result<(), SourceError> {
    let (fps, name) = (timetable.fps(), decoder.path().display());
    config::check_rate(camera.fps, fps)
        .map_err(|misfit| SourceError::Misfit { input: name.to_string(), misfit })?;
    let burst = timetable.busiest_second();
    if f64::from(u32::try_from(burst).unwrap_or(u32::MAX)) > (camera.fps.as_f64() * 1.2).max(2.0) {
        tracing::warn!(
            "{name} has up to {burst} frames in one second: with fps: {} its clips may have less pre-roll there",
            camera.fps
        );
    }
    Ok(())
}
