//! The simulated camera: stamped frames of a moving scene, at absolute deadlines, with faults to rehearse.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use proto::config::{Backend, Episode, SimFaults};
use proto::frame::{Fps, Geometry, LossBefore};
use proto::time::MonotonicNs;
use std::time::Duration;

use crate::pace::{Due, Pace};
use crate::picture::Picture;
use crate::source::{Arrival, PATIENCE, Site, Source, SourceError};
use crate::stamp;

/// A simulated camera.
pub struct Sim {
    pace: Pace,
    picture: Picture,
    geometry: Geometry,
    index: u8,
    truth: Option<File>,
    faults: SimFaults,
    /// Frames made in this life of the process.
    made: u64,
    /// The frame that the picture shows.
    next: u64,
    stall: Stall,
    jitter: u64,
    clock: Clock,
}

/// The camera's own clock, which runs while nobody looks.
#[derive(Clone, Copy)]
struct Clock {
    zero: MonotonicNs,
    fps: Fps,
}

impl Clock {
    fn is_in(self, episode: Option<Episode>) -> bool {
        let Some(Episode { after_frames, ms }) = episode else { return false };
        let since = self.zero + Duration::from_nanos(self.fps.due_ns(after_frames));
        let now = MonotonicNs::now();
        since <= now && ms.is_none_or(|ms| now < since + Duration::from_millis(ms))
    }

    /// Nothing can be had of a camera that is unplugged, nor of one whose frames don't fit.
    fn can_deliver(self, faults: &SimFaults, geometry: &Geometry) -> Result<(), SourceError> {
        if self.is_in(faults.unplug) {
            return Err(SourceError::Lost(
                "the camera is unplugged, as configured (unplug_after_frames)".into(),
            ));
        }
        if self.is_in(faults.resize) {
            let (width, height) = (geometry.width(), geometry.height());
            return Err(SourceError::Config(format!(
                "the camera gives frames of {}x{} now, as configured (resize_after_frames), and its ring's are \
                 {width}x{height}; frames of another size need another config and a start",
                width * 2,
                height * 2
            )));
        }
        Ok(())
    }
}

/// Where the rehearsed stall stands.
enum Stall {
    Ahead,
    Since(MonotonicNs),
    Over,
}

impl Sim {
    /// Opens the camera of this site.
    ///
    /// # Errors
    /// When its truth log can't be written.
    pub fn open(site: &Site) -> Result<Box<dyn Source>, SourceError> {
        let Backend::Sim(sim) = &site.camera.backend else {
            return Err(SourceError::Config(format!(
                "this is the executable for sim cameras, not {}",
                site.camera.backend.name()
            )));
        };
        let truth = sim.truth_log.as_ref().map(|path| {
            let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
            opened
                .map_err(|e| SourceError::Lost(format!("can't write the truth log {}: {e}", path.display())))
        });
        let truth = truth.transpose()?;
        let picture = Picture::new(site.camera.geometry, site.camera.name.as_str());
        std::thread::sleep(Duration::from_millis(sim.faults.slow_start_ms));
        let clock = Clock { zero: site.ring.created(), fps: site.camera.fps };
        clock.can_deliver(&sim.faults, &site.camera.geometry)?;
        Ok(Box::new(Self {
            pace: Pace::opened(site.ring.created(), site.camera.fps, MonotonicNs::now()),
            picture,
            geometry: site.camera.geometry,
            index: site.camera.index,
            truth,
            faults: sim.faults.clone(),
            made: 0,
            next: 0,
            stall: Stall::Ahead,
            jitter: 0x9E37_79B9_7F4A_7C15,
            clock,
        }))
    }

    /// True while the rehearsed stall lasts.
    fn stalled(&mut self) -> bool {
        let Some(after) = self.faults.stall_after_frames else { return false };
        if matches!(self.stall, Stall::Ahead) && self.made >= after {
            self.stall = Stall::Since(MonotonicNs::now());
        }
        let Stall::Since(since) = self.stall else { return false };
        let lasts = self.faults.stall_ms.map(Duration::from_millis);
        if lasts.is_none_or(|lasts| since + lasts > MonotonicNs::now()) {
            return true;
        }
        self.stall = Stall::Over;
        self.pace.skip_to(MonotonicNs::now());
        false
    }

    fn jitter(&mut self) -> Duration {
        // xorshift64: a rehearsal has to be the same each time, not unpredictable.
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        Duration::from_micros(self.jitter % (self.faults.jitter_ms * 1_000).max(1))
    }
}

impl Source for Sim {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        let was_stalled = matches!(self.stall, Stall::Since(_));
        if self.stalled() {
            std::thread::sleep(PATIENCE.min(Duration::from_millis(20)));
            return Ok(Arrival::Silence);
        }
        if self.faults.crash_after_frames.is_some_and(|n| self.made >= n) {
            tracing::warn!("the simulated camera crashes now, as configured (crash_after_frames)");
            std::process::abort();
        }
        self.clock.can_deliver(&self.faults, &self.geometry)?;
        let mut due = self.pace.next(MonotonicNs::now());
        if was_stalled {
            due.before = LossBefore::CameraStall;
        }
        self.made += 1;
        if self.faults.drop_every.is_some_and(|n| self.made.is_multiple_of(n)) {
            due = Due { before: LossBefore::CameraDrop, ..self.pace.next(MonotonicNs::now()) };
        }
        let mut arrives = due.at;
        if self.faults.jitter_ms > 0 {
            arrives = arrives + self.jitter();
        }
        arrives.sleep_until();
        if !self.clock.is_in(self.faults.freeze) {
            self.next = due.source_sequence;
        }
        if let Some(truth) = &mut self.truth {
            // One write call a line: kill -9 loses none and tears none.
            let line = format!("{},{}\n", due.source_sequence, due.at.0);
            truth
                .write_all(line.as_bytes())
                .map_err(|e| SourceError::Lost(format!("can't write the truth log: {e}")))?;
        }
        Ok(Arrival::Frame { source_sequence: due.source_sequence, t_capture: due.at, before: due.before })
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<(), SourceError> {
        if self.clock.is_in(self.faults.black) {
            self.picture.black(frame);
            return Ok(());
        }
        self.picture.draw(frame, self.next);
        stamp::draw(frame, &self.geometry, stamp::bits(self.index, self.next));
        Ok(())
    }
}
