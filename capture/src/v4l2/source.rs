//! A V4L2 camera that streams: buffers from the driver, each given back at once, good or bad.

use std::time::Duration;

use proto::frame::{Decoding, Fps, FrameFlags, Geometry, LossBefore, PictureTags, TimeOfSource};
use proto::time::MonotonicNs;
use rustix::io::Errno;

use super::counting::{Numbered, Numbers, Times};
use super::frames::{self, Flaw, Shape, Whole};
use super::kernel::{Device, Filled, Kernel, Readiness};
use super::open::Opened;
use crate::source::{Arrival, PATIENCE, Source, SourceError};

/// A camera that streams.
pub(crate) struct V4l2Camera {
    kernel: Box<dyn Kernel>,
    device: Box<dyn Device + Send>,
    /// The device as the config names it.
    input: String,
    shape: Shape,
    tags: PictureTags,
    numbers: Numbers,
    times: Times,
    health: Health,
    /// The frame that was announced and not written yet.
    announced: Option<(Filled, Whole)>,
    /// Of the frame that was announced last.
    decoding: Decoding,
}

/// The course of a stream so far.
#[derive(Clone, Copy, Debug)]
struct Health {
    /// Without a good frame for so long, the camera is opened again.
    patience: Duration,
    /// The last good frame's arrival; before it, the stream's beginning.
    last_good: MonotonicNs,
    /// Bad frames since then.
    bad: u32,
    /// The flaw of the last of them.
    flaw: Option<Flaw>,
    /// Frames are missing in the driver's count since then.
    has_holes: bool,
}

/// A camera has stalled without a good frame for three seconds, or for twenty of its periods if that is longer: one with long
/// exposures is no broken one.
fn stalled_after(period: Duration) -> Duration {
    Duration::from_secs(3).max(period * 20)
}

/// A driver that is ready and gives nothing is asked again after this time.
const BREATHER: Duration = Duration::from_millis(5);

impl V4l2Camera {
    /// The camera that was opened and has been started. Frames go to a ring of this geometry and rate, behind a frame of the
    /// time `newest`.
    pub(crate) fn new(
        kernel: Box<dyn Kernel>,
        opened: Opened,
        input: String,
        geometry: Geometry,
        fps: Fps,
        newest: Option<MonotonicNs>,
    ) -> Self {
        let Opened { device, mode, picture, .. } = opened;
        let period = fps.period();
        let (patience, last_good) = (stalled_after(period), kernel.now());
        Self {
            kernel,
            device,
            input,
            shape: Shape::new(mode.format.form, geometry, &picture),
            tags: frames::tags(mode.format.form, &picture),
            numbers: Numbers::new(0, period),
            times: Times::new(newest, period),
            health: Health { patience, last_good, bad: 0, flaw: None, has_holes: false },
            announced: None,
            decoding: Decoding::default(),
        }
    }

    /// Takes a buffer from the driver, and announces it if a good frame is in it.
    fn fetch(&mut self) -> Result<Option<Arrival>, SourceError> {
        let filled = match self.device.dequeue() {
            Ok(filled) => filled,
            // Some drivers say that they are ready when they aren't, some for ever.
            Err(Errno::AGAIN | Errno::INTR) => {
                self.kernel.sleep(BREATHER);
                return Ok(None);
            }
            Err(error) => return Err(self.lost(error)),
        };
        let arrival = self.kernel.now();
        let Numbered { number, missing } = self.numbers.of(filled.sequence, arrival);
        if missing > 0 {
            self.health.has_holes = true;
        }
        let whole = match filled.is_damaged {
            true => Err(Flaw::Told),
            false => self.shape.look_at(self.device.bytes(&filled)),
        };
        let whole = match whole {
            Ok(whole) => whole,
            Err(flaw) => {
                self.health.bad = self.health.bad.saturating_add(1);
                self.health.flaw = Some(flaw);
                self.give_back(&filled)?;
                return Ok(None);
            }
        };
        let timed = self.times.of(filled.stamp, arrival);
        let before = match (self.health.bad, self.health.has_holes) {
            (0, false) => LossBefore::Nothing,
            (0, true) => LossBefore::CameraDrop,
            _ => LossBefore::Corrupt,
        };
        self.health = Health { last_good: arrival, bad: 0, flaw: None, has_holes: false, ..self.health };
        self.decoding = self.shape.decoding(&whole);
        self.announced = Some((filled, whole));
        Ok(Some(Arrival::Frame {
            source_sequence: number,
            t_capture: timed.at,
            before,
            flags: whole.flags.with(FrameFlags::TIME_REPAIRED.when(timed.is_repaired)),
            bytes: whole.room_bytes,
        }))
    }

    fn give_back(&mut self, filled: &Filled) -> Result<(), SourceError> {
        self.device.queue(filled.index).map_err(|error| self.lost(error))
    }

    /// No good frame has come for a while.
    fn silent(&self) -> Result<Arrival, SourceError> {
        let Health { patience, last_good, bad, flaw, .. } = self.health;
        let silence = self.kernel.now().since(last_good);
        if silence < patience {
            return Ok(Arrival::Silence);
        }
        let seconds = silence.as_secs_f64();
        let reason = match flaw {
            None => format!("it has given no frame for {seconds:.1} s, and is opened again"),
            Some(flaw) => format!(
                "it has given nothing but damaged frames for {seconds:.1} s ({bad}; {flaw}), and is opened again"
            ),
        };
        Err(SourceError::stalled(&*self.input, reason))
    }

    fn lost(&self, error: Errno) -> SourceError {
        let input = self.input.clone();
        match error {
            Errno::NODEV | Errno::NXIO => SourceError::Lost {
                input,
                reason: "it is unplugged".into(),
                cause: LossBefore::Unplugged,
                refused: false,
            },
            error => SourceError::stalled(input, format!("it fails ({error}), and is opened again")),
        }
    }
}

impl Source for V4l2Camera {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        // A frame that found no place in the ring wasn't written.
        if let Some((filled, _)) = self.announced.take() {
            self.give_back(&filled)?;
        }
        let until = self.kernel.now() + PATIENCE;
        loop {
            let left = until.since(self.kernel.now());
            if left.is_zero() {
                return self.silent();
            }
            match self.device.poll(left) {
                Ok(Readiness::Ready) => {
                    if let Some(frame) = self.fetch()? {
                        return Ok(frame);
                    }
                }
                Ok(Readiness::HungUp) => return Err(self.lost(Errno::NODEV)),
                Ok(Readiness::TimedOut) | Err(Errno::INTR) => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        let Some((filled, whole)) = self.announced.take() else { return Ok(0) };
        let written = self.shape.write(whole, self.device.bytes(&filled), frame);
        self.give_back(&filled)?;
        Ok(written)
    }

    fn picture_tags(&self) -> PictureTags {
        self.shape.tags().unwrap_or(self.tags)
    }

    fn decoding(&self) -> Decoding {
        self.decoding
    }

    fn time(&self) -> TimeOfSource {
        self.times.word()
    }
}
