//! The pulse: each thread that works on clips shows here that it gets on, and the beat tells the supervisor.
//!
//! A thread takes turns, and the recorder makes progress only while every thread that has work takes turns: a camera's
//! worker that is stuck in its encoder must not hide behind the others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use proto::messages::RecorderBeat;
use proto::name::Name;

use crate::backlog::Backlog;
use crate::disk::output::OutputFolder;
use crate::known_clips::KnownClips;
use crate::poison::lock;

/// A thread that has work and takes no turn for this long is named in the beat.
const STUCK: Duration = Duration::from_secs(1);

/// Shared by all threads of the recorder.
#[derive(Default)]
pub(crate) struct Pulse {
    encoded: AtomicU64,
    clips: Mutex<KnownClips>,
    workers: Mutex<BTreeMap<Name, Worker>>,
    finisher: Mutex<Turns>,
    /// A count that moves on when all threads with work have moved on.
    progress: AtomicU64,
    storage: Mutex<Option<String>>,
    intake: Mutex<Option<String>>,
    attention: Mutex<Vec<String>>,
    output: OnceLock<Arc<OutputFolder>>,
    backlog: OnceLock<Arc<Backlog>>,
}

#[derive(Default)]
struct Worker {
    turns: Turns,
    lag: u64,
    left: u64,
    trouble: Option<String>,
}

/// A thread's turns.
#[derive(Default)]
struct Turns {
    busy: bool,
    /// A turn was taken since the progress last moved on.
    moved: bool,
    /// The moment of the last turn, or when work came.
    at: Option<Instant>,
}

impl Turns {
    fn take(&mut self, busy: bool) {
        *self = Self { busy, moved: true, at: Some(Instant::now()) };
    }

    fn holds_up(&self) -> bool {
        self.busy && !self.moved
    }

    fn is_stuck(&self) -> bool {
        self.busy && self.at.is_some_and(|at| at.elapsed() > STUCK)
    }
}

impl Pulse {
    pub(crate) fn encoded(&self) {
        self.encoded.fetch_add(1, Ordering::Relaxed);
    }

    /// The clips that the beat names.
    pub(crate) fn clips(&self) -> MutexGuard<'_, KnownClips> {
        lock(&self.clips)
    }

    /// Counts a turn of a camera's worker. A busy one takes another soon.
    pub(crate) fn turn(&self, camera: &Name, busy: bool) {
        self.worker(camera, |worker| worker.turns.take(busy));
    }

    /// Counts a turn of the finisher.
    pub(crate) fn step(&self) {
        lock(&self.finisher).take(true);
    }

    /// Shows that the finisher has work until the value is dropped.
    pub(crate) fn work(&self) -> Work<'_> {
        self.step();
        Work(self)
    }

    pub(crate) fn set_lag(&self, camera: &Name, lag: u64) {
        self.worker(camera, |worker| worker.lag = lag);
    }

    /// Shows how many captured frames of a camera's open clips are not encoded.
    pub(crate) fn set_left(&self, camera: &Name, left: u64) {
        self.worker(camera, |worker| worker.left = left);
    }

    pub(crate) fn set_trouble(&self, camera: &Name, trouble: Option<String>) {
        self.worker(camera, |worker| worker.trouble = trouble);
    }

    fn worker(&self, camera: &Name, act: impl FnOnce(&mut Worker)) {
        let mut workers = lock(&self.workers);
        match workers.get_mut(camera) {
            Some(worker) => act(worker),
            None => act(workers.entry(camera.clone()).or_default()),
        }
    }

    /// Shows the trouble that keeps finished footage from being published.
    pub(crate) fn set_storage_trouble(&self, trouble: Option<String>) {
        *lock(&self.storage) = trouble;
    }

    /// Shows the trouble that keeps clips from being begun or gone on with.
    pub(crate) fn set_intake_trouble(&self, trouble: Option<String>) {
        *lock(&self.intake) = trouble;
    }

    /// Shows what a person should look at, although nothing waits for it.
    pub(crate) fn set_attention(&self, sentences: Vec<String>) {
        *lock(&self.attention) = sentences;
    }

    /// Shows the output folder's troubles too, from now on.
    pub(crate) fn show_output(&self, output: &Arc<OutputFolder>) {
        let _ = self.output.set(Arc::clone(output));
    }

    /// Shows how the backlog stands too, from now on.
    pub(crate) fn show_backlog(&self, backlog: &Arc<Backlog>) {
        let _ = self.backlog.set(Arc::clone(backlog));
    }

    pub(crate) fn beat(&self) -> RecorderBeat {
        let output = self.output.get();
        let stall = output.and_then(|o| o.stall());
        let excused = stall.is_some();
        let of_output = stall.or_else(|| output.and_then(|o| o.trouble()));
        let mut workers = lock(&self.workers);
        let mut finisher = lock(&self.finisher);
        // Trouble with the folder as a whole says more than its effect on one file.
        let trouble = of_output
            .or_else(|| lock(&self.storage).clone())
            .or_else(|| lock(&self.intake).clone())
            .or_else(|| workers.values().find_map(|w| w.trouble.clone()));
        // Waiting for a disk is no thread's fault. Any other trouble leaves time to take turns.
        let held_up = !excused && (finisher.holds_up() || workers.values().any(|w| w.turns.holds_up()));
        if !held_up {
            self.progress.fetch_add(1, Ordering::Relaxed);
            finisher.moved = false;
            workers.values_mut().for_each(|w| w.turns.moved = false);
        }
        let (clips_open, clips_known) = {
            let mut clips = self.clips();
            (clips.open_count(), clips.marks(Instant::now()))
        };
        RecorderBeat {
            progress: self.progress.load(Ordering::Relaxed),
            busy: finisher.busy || workers.values().any(|w| w.turns.busy),
            stuck: workers.iter().find(|(_, w)| w.turns.is_stuck()).map(|(camera, _)| camera.clone()),
            clips_open,
            clips_known,
            lag_frames: workers.values().map(|w| w.lag).max().unwrap_or(0),
            frames_left: workers.values().map(|w| w.left).sum(),
            frames_encoded: self.encoded.load(Ordering::Relaxed),
            trouble,
            attention: lock(&self.attention).clone(),
            backlog: self.backlog.get().map(|backlog| backlog.beat()).unwrap_or_default(),
        }
    }
}

/// See [`Pulse::work`].
pub(crate) struct Work<'a>(&'a Pulse);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        // A thread that panicked leaves its work undone, which has to be seen as a hang.
        if !std::thread::panicking() {
            lock(&self.0.finisher).take(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_is_stuck_does_not_hide_behind_another() {
        let (pulse, left, right) =
            (Pulse::default(), Name::new("left").unwrap(), Name::new("right").unwrap());
        let both = |busy| [&left, &right].map(|camera| pulse.turn(camera, busy));
        both(true);
        let before = pulse.beat().progress;
        both(true);
        assert!(pulse.beat().progress > before);
        let before = pulse.beat().progress;
        pulse.turn(&left, true);
        assert_eq!(pulse.beat().progress, before, "right has work and does nothing");
        assert!(pulse.beat().busy);
        pulse.turn(&right, false);
        assert!(pulse.beat().progress > before, "right has nothing to do");
    }

    #[test]
    fn a_hang_is_seen_whatever_else_is_in_trouble() {
        let (pulse, left) = (Pulse::default(), Name::new("left").unwrap());
        pulse.turn(&left, true);
        pulse.set_trouble(&left, Some("its disk is full".to_owned()));
        let before = pulse.beat().progress;
        assert_eq!(pulse.beat().progress, before, "it takes no turn");
        pulse.turn(&left, true);
        assert!(pulse.beat().progress > before, "it takes turns while it waits for room");
    }

    #[test]
    fn a_finisher_that_panicked_is_not_done() {
        let pulse = Pulse::default();
        let panicked = std::thread::scope(|scope| {
            let works = || {
                let _working = pulse.work();
                panic!("as a test");
            };
            scope.spawn(works).join().is_err()
        });
        assert!(panicked);
        let before = pulse.beat();
        assert!(before.busy);
        assert_eq!(pulse.beat().progress, before.progress);
    }
}
