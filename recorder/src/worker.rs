//! A worker: one camera's thread. It holds the camera's ring and moves the camera's takes on, the one most at risk
//! first, and sleeps on the ring when it has caught up with the camera.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use proto::clip::{Plan, PlannedCamera};
use proto::link::Reports;
use proto::messages::RecorderReport;
use proto::name::Name;
use proto::panics;
use proto::ring::{ReaderBit, Ring, RingReader, SegmentName};
use proto::time::MonotonicNs;

use crate::clip_lock::ClipLock;
use crate::disk::output::OutputFolder;
use crate::encode::{EncoderSetup, WarmEncoder};
use crate::finish::Finishing;
use crate::ladder::{SharedLadder, TakeLadder};
use crate::pulse::Pulse;
use crate::take::{Step, Take, TakeParts};

/// How long a worker sleeps at most before it looks for orders: a new clip waits no longer than this.
const NAP: Duration = Duration::from_millis(10);

/// What a worker is told.
pub(crate) enum Job {
    /// Record this camera's part of a clip.
    Record { folder: PathBuf, plan: Arc<Plan>, camera: PlannedCamera, lock: Arc<ClipLock> },
    /// The camera's ring may be another one now.
    LookAtRing,
    /// Close every take at this moment, if it would last longer; no more will come.
    Stop { end: MonotonicNs },
    /// Have an encoder open: a clip may have to be gone on with at any moment.
    Warm,
    /// Close it again.
    Cool,
}

/// One camera's worker.
pub(crate) struct Worker {
    pub(crate) camera: Name,
    pub(crate) segment: SegmentName,
    pub(crate) ring: Option<Arc<Ring>>,
    pub(crate) ladder: SharedLadder,
    pub(crate) quality: u8,
    /// The config names no preset.
    pub(crate) may_change_preset: bool,
    pub(crate) reports: Reports<RecorderReport>,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) finishing: Sender<Finishing>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) output: Arc<OutputFolder>,
}

impl Worker {
    /// Runs until it is told to stop, or its orders end.
    pub(crate) fn run(mut self) {
        panics::set_camera(self.camera.as_str());
        let mut takes: Vec<Take> = Vec::new();
        let mut stopping = false;
        let mut warm: Option<WarmEncoder> = None;
        loop {
            let job = if takes.is_empty() {
                if stopping {
                    return;
                }
                self.pulse.set_lag(&self.camera, 0);
                self.pulse.turn(&self.camera, false);
                self.jobs.recv().map_err(|_| TryRecvError::Disconnected)
            } else {
                self.jobs.try_recv()
            };
            // Before it is done: an encoder that never opens is a hang too.
            self.pulse.turn(&self.camera, true);
            match job {
                Ok(Job::LookAtRing) => self.look_at_ring(),
                Ok(Job::Record { folder, plan, camera, lock }) => {
                    self.look_at_ring();
                    // Until it is known how far behind it is: as far as can be.
                    let slots = self.ring.as_ref().map_or(0, |ring| ring.spec().size.slots());
                    self.pulse.set_lag(&self.camera, slots as u64);
                    let reader = self.reader();
                    let parts = TakeParts {
                        ring: self.ring.as_ref(),
                        reader: reader.as_ref(),
                        ladder: TakeLadder::new(self.ladder.get(), self.may_change_preset),
                        quality: self.quality,
                        warm: warm.take(),
                    };
                    takes.push(Take::begin(&folder, plan, camera, lock, parts));
                }
                Ok(Job::Warm) => warm = self.warmed(warm),
                Ok(Job::Cool) => warm = None,
                Ok(Job::Stop { end }) => {
                    stopping = true;
                    takes.iter_mut().for_each(|take| take.end_early(end));
                }
                Err(TryRecvError::Disconnected) if !stopping => {
                    stopping = true;
                    takes.iter_mut().for_each(|take| take.end_early(MonotonicNs::now()));
                }
                Err(TryRecvError::Disconnected | TryRecvError::Empty) => {}
            }
            self.move_on(&mut takes, self.reader().as_ref());
        }
    }

    fn reader(&self) -> Option<RingReader> {
        self.ring.as_ref().map(|ring| ring.reader(ReaderBit::RECORDER))
    }

    /// Lets go of a ring that is broken or no longer the camera's, and opens the one that is. Takes that are under way
    /// keep the one they have.
    fn look_at_ring(&mut self) {
        if self.ring.as_ref().is_none_or(|ring| ring.check().is_err()) {
            let opened = Ring::open(&self.segment);
            self.ring = opened.map_err(|e| tracing::warn!("camera {}: {e}", self.camera)).ok();
        }
    }

    /// The encoder that a clip begun now would have.
    fn warmed(&self, warm: Option<WarmEncoder>) -> Option<WarmEncoder> {
        let choice = self.ladder.first()?;
        let spec = *self.ring.as_ref()?.spec();
        let setup = EncoderSetup { choice, geometry: spec.geometry, fps: spec.fps, quality: self.quality };
        warm.filter(|w| *w.setup() == setup).or_else(|| WarmEncoder::open(setup))
    }

    fn move_on(&self, takes: &mut Vec<Take>, reader: Option<&RingReader>) {
        takes.sort_by_key(Take::next);
        let head = reader.map_or(0, |r| r.ring().head());
        let mut moved = false;
        let mut waiting_for_the_first = 0;
        let mut index = 0;
        while index < takes.len() {
            match takes[index].step(MonotonicNs::now(), &self.output) {
                Step::Encoded => {
                    moved = true;
                    self.pulse.encoded();
                    break;
                }
                Step::Hurried { from, to } => {
                    moved = true;
                    self.pulse.encoded();
                    if let Some(ladder) = self.ladder.change_preset(&from, &to) {
                        self.reports.send(RecorderReport::Codecs(ladder));
                    }
                    break;
                }
                Step::Moved => {
                    moved = true;
                    break;
                }
                Step::Waiting => {
                    waiting_for_the_first += usize::from(takes[index].next() == 0);
                    index += 1;
                }
                Step::Paused => index += 1,
                Step::Over => {
                    let footage = takes.remove(index).wrap();
                    // The finisher outlives the workers: it is told to end after they are.
                    let _ = self.finishing.send(Finishing::Camera(Box::new(footage)));
                    moved = true;
                }
            }
        }
        self.pulse.set_trouble(&self.camera, takes.iter().find_map(|t| t.trouble().map(str::to_owned)));
        // One that hasn't found its place yet may be far behind.
        if takes.iter().filter(|take| take.next() == 0).count() == waiting_for_the_first {
            let behind = takes.iter().map(Take::next).filter(|next| *next > 0).min();
            let lag = behind.map_or(0, |behind| (head + 1).saturating_sub(behind));
            self.pulse.set_lag(&self.camera, lag);
        }
        if !moved && !takes.is_empty() {
            match reader {
                Some(reader) => {
                    let _ = reader.ring().wait_newer(head, NAP);
                }
                None => std::thread::sleep(NAP),
            }
        }
    }
}
