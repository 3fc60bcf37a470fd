//! The simulated camera: stamped frames of a moving scene, at absolute deadlines, with faults to rehearse.

mod bits;
mod device_clock;
mod flash;
pub mod h264;
pub mod jpeg;
pub mod pace;
mod pictures;
pub mod scene;
pub mod stamp;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::config::{CameraConfig, Episode, SimConfig, SimFaults};
use proto::frame::{CaptureTime, Fps, FrameFlags, Geometry, LossBefore, PictureTags, TimeOfSource};
use proto::offer::Offer;
use proto::time::MonotonicNs;

use crate::reopening::{Live, Reopening};
use crate::source::{Arrival, CameraSetup, PATIENCE, Source, SourceError};
use device_clock::DeviceClock;
use pace::{Due, Pace};
use pictures::{Pictures, Shot};

/// A simulated camera.
pub struct SimulatedCamera {
    pace: Pace,
    pictures: Arc<Pictures>,
    geometry: Geometry,
    index: u8,
    truth: Option<TruthLog>,
    faults: SimFaults,
    flash_every: Option<Duration>,
    /// Frames made in this life of the process.
    made: u64,
    /// The frame that was announced last.
    shot: Shot,
    stall: Stall,
    /// The state of the generator behind [`SimulatedCamera::jitter`].
    jitter_state: u64,
    clock: CameraClock,
    /// The clock that its frames' times are of, if that isn't known to be this machine's.
    device: Option<DeviceClock>,
}

/// The camera's own clock, which runs on while no process reads the camera.
#[derive(Clone, Copy)]
struct CameraClock {
    zero: MonotonicNs,
    fps: Fps,
}

impl CameraClock {
    /// True while the episode lasts.
    fn is_in(self, episode: Option<Episode>, now: MonotonicNs) -> bool {
        let Some(Episode { after_frames, ms }) = episode else { return false };
        let begins = self.zero + Duration::from_nanos(self.fps.due_ns(after_frames));
        begins <= now && ms.is_none_or(|ms| now < begins + Duration::from_millis(ms))
    }

    /// Fails while the camera is unplugged, and while its frames don't fit into the ring.
    fn can_deliver(
        self,
        faults: &SimFaults,
        geometry: &Geometry,
        now: MonotonicNs,
    ) -> Result<(), SourceError> {
        if self.is_in(faults.unplug, now) {
            return Err(SourceError::Lost {
                input: "the simulated camera".into(),
                reason: "it is unplugged, as configured (unplug_after_frames)".into(),
                cause: LossBefore::Unplugged,
                refused: false,
            });
        }
        if self.is_in(faults.resize, now) {
            let (width, height) = (geometry.width(), geometry.height());
            return Err(SourceError::SizeChanged {
                input: "the simulated camera (resize_after_frames)".into(),
                found: (width * 2, height * 2),
                ring: (width, height),
            });
        }
        Ok(())
    }
}

/// The rehearsed stall (`stall_after_frames`), which happens once in a process.
#[derive(Clone, Copy)]
enum Stall {
    Ahead,
    Since(MonotonicNs),
    Over,
}

/// The record of every frame that the camera has made, for the oracle.
struct TruthLog {
    file: File,
    path: PathBuf,
}

impl TruthLog {
    fn open(path: &Path) -> Result<Self, SourceError> {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        match opened {
            Ok(file) => Ok(Self { file, path: path.to_owned() }),
            Err(source) => Err(SourceError::TruthLog { path: path.to_owned(), source }),
        }
    }

    fn note(&mut self, due: &Due) -> Result<(), SourceError> {
        // A single write call for each line: kill -9 loses no line and tears none.
        let line = format!("{},{}\n", due.source_sequence, due.at.0);
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|source| SourceError::TruthLog { path: self.path.clone(), source })
    }
}

/// A simulated camera's offer: it gives what its config says.
#[must_use]
pub fn offer(camera: &CameraConfig) -> Offer {
    Offer {
        payload: camera.payload,
        pixel_format: camera.geometry.format(),
        width: camera.geometry.width(),
        height: camera.geometry.height(),
        fps: camera.fps.as_f64(),
        variable_rate: false,
        capture_time: camera.capture_time(),
        reorders: false,
    }
}

impl SimulatedCamera {
    /// A simulated camera that is opened again whenever it was unplugged.
    #[must_use]
    pub fn reopening(setup: &CameraSetup, sim: &SimConfig) -> Box<dyn Source> {
        let (setup_again, sim) = (setup.clone(), sim.clone());
        // Made once: the camera is to be back at once, and making large pictures takes a while.
        let mut pictures = None;
        let open = move || {
            let pictures = pictures.get_or_insert_with(|| Arc::new(Pictures::of(&setup_again.camera, &sim)));
            Ok(Box::new(Self::open(&setup_again, &sim, Arc::clone(pictures))?) as Live)
        };
        Reopening::of(setup, Box::new(open))
    }

    /// Opens the simulated camera, whose clock began with its ring.
    fn open(setup: &CameraSetup, sim: &SimConfig, pictures: Arc<Pictures>) -> Result<Self, SourceError> {
        let (camera, zero) = (&setup.camera, setup.ring.created());
        let truth = sim.truth_log.as_deref().map(TruthLog::open).transpose()?;
        std::thread::sleep(Duration::from_millis(sim.faults.slow_start_ms));
        let now = MonotonicNs::now();
        let clock = CameraClock { zero, fps: camera.fps };
        clock.can_deliver(&sim.faults, &camera.geometry, now)?;
        let newest = setup.newest().map(|newest| newest.t_capture);
        Ok(Self {
            pace: Pace::opened(zero, camera.fps, now),
            pictures,
            geometry: camera.geometry,
            index: camera.index,
            truth,
            faults: sim.faults.clone(),
            flash_every: sim.flash_every_ms.map(Duration::from_millis),
            made: 0,
            shot: Shot { number: 0, shown: 0, black: false, lit: false },
            stall: Stall::Ahead,
            jitter_state: 0x9E37_79B9_7F4A_7C15,
            clock,
            device: sim.has_own_clock().then(|| DeviceClock::new(zero, sim.clock_ppm, newest)),
        })
    }

    /// True while the rehearsed stall lasts.
    fn is_stalled(&mut self, now: MonotonicNs) -> bool {
        let Some(after) = self.faults.stall_after_frames else { return false };
        if matches!(self.stall, Stall::Ahead) && self.made >= after {
            self.stall = Stall::Since(now);
        }
        let Stall::Since(since) = self.stall else { return false };
        let lasts = self.faults.stall_ms.map(Duration::from_millis);
        if lasts.is_none_or(|lasts| since + lasts > now) {
            return true;
        }
        self.stall = Stall::Over;
        self.pace.skip_to(now);
        false
    }

    /// The next frame, with the rehearsed losses before it.
    fn next_due(&mut self, was_stalled: bool) -> Due {
        let latency = self.latency();
        let mut due = self.pace.next(MonotonicNs::now().before(latency));
        if was_stalled {
            due.before = LossBefore::CameraStall;
        }
        self.made += 1;
        if self.faults.drop_every.is_some_and(|n| self.made.is_multiple_of(n)) {
            let next = self.pace.next(MonotonicNs::now().before(latency));
            due = Due { before: LossBefore::CameraDrop, ..next };
        }
        due
    }

    /// The way of each frame.
    fn latency(&self) -> Duration {
        Duration::from_nanos(self.faults.latency_ns)
    }

    /// The time of a frame that arrives now, and the remarks on it.
    fn time_of(&mut self, due: &Due, now: MonotonicNs) -> (MonotonicNs, FrameFlags) {
        let Some(device) = &mut self.device else { return (due.at, FrameFlags::NONE) };
        let mapped = device.map(due.at, now);
        (mapped.t_capture, mapped.flags())
    }

    /// A delay below `jitter_ms`. By xorshift64: a rehearsal has to be the same each time, not unpredictable.
    fn jitter(&mut self) -> Duration {
        self.jitter_state ^= self.jitter_state << 13;
        self.jitter_state ^= self.jitter_state >> 7;
        self.jitter_state ^= self.jitter_state << 17;
        Duration::from_micros(self.jitter_state % (self.faults.jitter_ms * 1_000).max(1))
    }
}

impl Source for SimulatedCamera {
    fn wait(&mut self) -> Result<Arrival, SourceError> {
        let was_stalled = matches!(self.stall, Stall::Since(_));
        if self.is_stalled(MonotonicNs::now()) {
            std::thread::sleep(PATIENCE.min(Duration::from_millis(20)));
            return Ok(Arrival::Silence);
        }
        if self.faults.crash_after_frames.is_some_and(|n| self.made >= n) {
            tracing::warn!("the simulated camera crashes now, as configured (crash_after_frames)");
            std::process::abort();
        }
        self.clock.can_deliver(&self.faults, &self.geometry, MonotonicNs::now())?;
        let due = self.next_due(was_stalled);
        let mut arrives = due.at + self.latency();
        if self.faults.jitter_ms > 0 {
            arrives = arrives + self.jitter();
        }
        arrives.sleep_until();
        let (number, now) = (due.source_sequence, MonotonicNs::now());
        // A picture is that of its exposure, however long it is on its way.
        let shown = if self.clock.is_in(self.faults.freeze, due.at) { self.shot.shown } else { number };
        let lit = self.flash_every.is_some_and(|every| flash::is_on(every, due.at));
        self.shot = Shot { number, shown, black: self.clock.is_in(self.faults.black, due.at), lit };
        if let Some(truth) = &mut self.truth {
            truth.note(&due)?;
        }
        let (t_capture, of_time) = self.time_of(&due, now);
        Ok(Arrival::Frame {
            source_sequence: number,
            t_capture,
            before: due.before,
            flags: self.pictures.flags(&self.shot).with(of_time),
            bytes: self.pictures.bytes(&self.shot),
        })
    }

    fn write(&mut self, frame: &mut [u8]) -> Result<usize, SourceError> {
        Ok(self.pictures.draw(frame, &self.shot, self.index))
    }

    fn picture_tags(&self) -> PictureTags {
        self.pictures.tags()
    }

    fn time(&self) -> TimeOfSource {
        let by_own_clock = TimeOfSource::by_own_clock(CaptureTime::Device);
        self.device.as_ref().map_or(by_own_clock, DeviceClock::word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::frame::PixelFormat;

    const ZERO: MonotonicNs = MonotonicNs(3_000_000_000);

    fn at(ms: u64) -> MonotonicNs {
        ZERO + Duration::from_millis(ms)
    }

    fn clock() -> CameraClock {
        CameraClock { zero: ZERO, fps: Fps::new(50.0).unwrap() }
    }

    #[test]
    fn an_episode_begins_with_its_frame_and_ends_by_the_cameras_clock() {
        let short = Some(Episode { after_frames: 10, ms: Some(300) });
        let endless = Some(Episode { after_frames: 10, ms: None });
        for (ms, in_short, in_endless) in
            [(0, false, false), (199, false, false), (200, true, true), (499, true, true), (500, false, true)]
        {
            assert_eq!(clock().is_in(short, at(ms)), in_short, "{ms} ms");
            assert_eq!(clock().is_in(endless, at(ms)), in_endless, "{ms} ms");
            assert!(!clock().is_in(None, at(ms)));
        }
    }

    #[test]
    fn a_camera_that_is_unplugged_may_come_back_and_one_of_another_size_may_not() {
        let episode = Some(Episode { after_frames: 0, ms: Some(100) });
        let geometry = Geometry::new(320, 192, PixelFormat::I420).unwrap();
        let unplugged = SimFaults { unplug: episode, ..SimFaults::default() };
        let error = clock().can_deliver(&unplugged, &geometry, at(50)).unwrap_err();
        assert!(!error.is_permanent() && error.to_string().contains("unplugged"), "{error}");
        let resized = SimFaults { resize: episode, ..SimFaults::default() };
        let error = clock().can_deliver(&resized, &geometry, at(50)).unwrap_err();
        assert!(error.is_permanent());
        assert!(error.to_string().contains("640x384 now and its ring's are 320x192"), "{error}");
        for faults in [unplugged, resized] {
            assert!(clock().can_deliver(&faults, &geometry, at(100)).is_ok());
        }
    }
}
