//! The clips that are open, and the counts of those that are finished: every other part of the supervisor asks here.
//! How a trigger becomes a clip is in [`crate::trigger`].

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::clip::{Verdict, clip_id, plan_path, unfinished_clips};
use proto::event::Event;
use proto::opened;
use proto::refusal::Refusal;
use proto::storage;

use crate::event_log::EventLog;
use crate::loop_events::LoopEvent;
use crate::trigger::plan;

/// The time between two looks at the folders of open clips, for clips whose end the recorder did not report.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The clips of this run, and those of earlier runs that are not finished.
pub(crate) struct Clips {
    run_folder: PathBuf,
    /// The config's `max_open_clips`.
    at_most_open: usize,
    inner: Mutex<Inner>,
    /// Notified with every change of [`Inner`].
    changed: Condvar,
    /// The room on the disk of the run's folder at the last look; [`NO_ANSWER`] while it doesn't say.
    free_bytes: AtomicU64,
    /// The instance's events. They are here since whoever notices one has the clips at hand.
    events: Arc<EventLog>,
}

const NO_ANSWER: u64 = u64::MAX;

/// Never locked while a disk is asked for anything: the loop needs it too.
#[derive(Default)]
struct Inner {
    phase: Phase,
    open: HashSet<PathBuf>,
    /// Triggers whose plans are being written.
    reserved: usize,
    /// Rises whenever a clip has ended or everything is over: a waiter that looked before that looks again.
    changes: u64,
    counts: Counts,
}

/// The way to the end of an instance. Each phase is followed by the next, and by no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Triggers are taken.
    #[default]
    Running,
    /// No further trigger is taken. Those whose plans are being written still count.
    LastTriggers,
    /// The recorder has been told to close: a plan that comes now would be of a clip whose moment is not recorded.
    Closing,
    /// Every process has ended. A clip that is not finished by now is finished by the next start.
    Over,
}

/// Finished clips of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) completed: u64,
    pub(crate) incomplete: u64,
    /// From the end of the last clip's window to its manifest.
    pub(crate) last_finish_ms: Option<u64>,
}

impl Counts {
    /// Counts the manifests in a run folder, but not those of `open` clips: their end is still to be reported.
    pub(crate) fn on_disk(run_folder: &Path, open: &HashSet<PathBuf>) -> Self {
        let mut counts = Self::default();
        let folders = opened::folders_of_ours(run_folder).unwrap_or_default();
        for folder in folders.iter().filter(|folder| !open.contains(*folder)) {
            if let Some(manifest) = plan::manifest(folder) {
                counts.add(manifest.complete);
            }
        }
        counts
    }

    fn add(&mut self, complete: bool) {
        if complete { self.completed += 1 } else { self.incomplete += 1 }
    }
}

/// The result of waiting for a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The clip has its manifest.
    Finished,
    /// The supervisor has ended before that.
    Ended,
    /// The clip's folder, or its plan, was removed.
    Removed,
    /// No recorder works on it any more.
    Lost,
}

/// A place for one more clip, given back unless a clip takes it.
#[must_use]
pub(crate) struct Reservation<'a> {
    clips: &'a Clips,
    is_taken: bool,
}

impl Reservation<'_> {
    /// Makes this clip one of the open ones. Refused when the recorder has been told to close by now.
    pub(crate) fn take(mut self, folder: PathBuf) -> Result<(), Refusal> {
        let mut inner = self.clips.lock();
        if inner.phase >= Phase::Closing {
            drop(inner);
            return Err(Refusal::EndingTrigger);
        }
        self.is_taken = true;
        inner.reserved -= 1;
        inner.open.insert(folder);
        self.clips.changed.notify_all();
        drop(inner);
        Ok(())
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.is_taken {
            self.clips.lock().reserved -= 1;
            self.clips.changed.notify_all();
        }
    }
}

impl Clips {
    /// `open`: this run's clips that are not finished. `counts`: those that are.
    pub(crate) fn new(
        run_folder: PathBuf,
        at_most_open: usize,
        open: HashSet<PathBuf>,
        counts: Counts,
    ) -> Self {
        let inner = Inner { open, counts, ..Inner::default() };
        Self {
            run_folder,
            at_most_open,
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            free_bytes: AtomicU64::new(NO_ANSWER),
            events: Arc::default(),
        }
    }

    /// The instance's events.
    pub(crate) fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    /// The folder of this run's clips.
    pub(crate) fn run_folder(&self) -> &Path {
        &self.run_folder
    }

    /// The phase that the instance is in.
    pub(crate) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// The folders of the clips that are not finished.
    pub(crate) fn open(&self) -> Vec<PathBuf> {
        self.lock().open.iter().cloned().collect()
    }

    /// The number of clips that are not finished.
    pub(crate) fn open_count(&self) -> u64 {
        self.lock().open.len() as u64
    }

    /// The clips of this run that are finished.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// The open clips and the finished ones, counted at one moment: no clip is counted in both.
    pub(crate) fn open_and_finished(&self) -> (u64, Counts) {
        let inner = self.lock();
        (inner.open.len() as u64, inner.counts)
    }

    /// Keeps a place for one more clip.
    pub(crate) fn reserve(&self) -> Result<Reservation<'_>, Refusal> {
        let mut inner = self.lock();
        if inner.phase > Phase::Running {
            return Err(Refusal::EndingTrigger);
        }
        let open = inner.open.len() + inner.reserved;
        if open >= self.at_most_open {
            return Err(Refusal::TooManyOpenClips { open });
        }
        inner.reserved += 1;
        Ok(Reservation { clips: self, is_taken: false })
    }

    /// A clip of an earlier run is open too: somebody asks for it.
    pub(crate) fn adopt(&self, folder: &Path) {
        self.lock().open.insert(folder.to_owned());
    }

    /// A clip has its manifest. False if that was known. Only clips of this run are counted. `after_ms`: from the end
    /// of the clip's window to the manifest, where the recorder said it.
    pub(crate) fn finish(&self, folder: &Path, verdict: Verdict, after_ms: Option<u64>) -> bool {
        let complete = verdict == Verdict::Complete;
        let is_of_this_run = folder.starts_with(&self.run_folder);
        let was_open = {
            let mut inner = self.lock();
            let was_open = inner.open.remove(folder);
            if was_open && is_of_this_run {
                inner.counts.add(complete);
                inner.counts.last_finish_ms = after_ms.or(inner.counts.last_finish_ms);
            }
            inner.changes += 1;
            was_open
        };
        // Of the clips of earlier runs only the recorder knows which are open.
        if was_open || !is_of_this_run {
            let (clip_id, path) = named(folder);
            self.events.emit(Event::ClipFinished { clip_id, path, verdict, complete });
        }
        self.changed.notify_all();
        was_open
    }

    /// A clip will have no manifest. `why`: for a person.
    pub(crate) fn give_up(&self, folder: &Path, why: &str) {
        let was_open = {
            let mut inner = self.lock();
            inner.changes += 1;
            inner.open.remove(folder)
        };
        if was_open {
            let (clip_id, path) = named(folder);
            self.events.emit(Event::ClipLost { clip_id, path, why: why.to_owned() });
        }
        self.changed.notify_all();
    }

    /// A finished clip has its sums.
    pub(crate) fn sums_made(&self, folder: &Path) {
        let (clip_id, path) = named(folder);
        self.events.emit(Event::SumsMade { clip_id, path });
    }

    /// Takes no further trigger, and waits no longer than `at_most` for those whose plans are being written. Returns
    /// the open clips; a plan that comes later does not count.
    pub(crate) fn close(&self, at_most: Duration) -> Vec<PathBuf> {
        let until = Instant::now() + at_most;
        let mut inner = self.lock();
        inner.phase = Phase::LastTriggers;
        while inner.reserved > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.phase = Phase::Closing;
        inner.open.iter().cloned().collect()
    }

    /// Every process has ended: tells it to all that wait for a clip.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.phase = Phase::Over;
        inner.changes += 1;
        self.changed.notify_all();
    }

    /// The outcome of a clip: whether it has its manifest and is counted. `None` as long as that may still come.
    pub(crate) fn outcome(&self, folder: &Path) -> Option<Outcome> {
        // Read before the manifest is looked for: a clip that was finished by then has one.
        let (phase, is_open) = {
            let inner = self.lock();
            (inner.phase, inner.open.contains(folder))
        };
        // A clip that is still open is not counted yet, even if its manifest is on the disk.
        if (!is_open || phase == Phase::Over) && plan::manifest(folder).is_some() {
            Some(Outcome::Finished)
        } else if storage::is_removed(folder) {
            Some(Outcome::Removed)
        } else if phase == Phase::Over {
            Some(Outcome::Ended)
        } else {
            (!is_open).then_some(Outcome::Lost)
        }
    }

    /// Waits for a change after the one of this number, and returns the number of the newest. `for_ever`: no longer than until
    /// the folders of clips should be looked at again otherwise.
    pub(crate) fn await_change(&self, seen: u64, for_ever: bool) -> u64 {
        let inner = self.lock();
        let is_seen = |inner: &mut Inner| inner.changes == seen;
        let inner = if for_ever {
            self.changed.wait_while(inner, is_seen).unwrap_or_else(PoisonError::into_inner)
        } else {
            self.changed
                .wait_timeout_while(inner, LOOK_AGAIN, is_seen)
                .unwrap_or_else(PoisonError::into_inner)
                .0
        };
        inner.changes
    }

    /// Has whoever waits for a change look again.
    pub(crate) fn nudge(&self) {
        self.lock().changes += 1;
        self.changed.notify_all();
    }

    /// Watches the open clips' folders from a thread. The recorder reports each finished clip; a recorder that is
    /// killed between the manifest and its report does not. `is_read`: this run's clips are known; else they are read
    /// here, however long the disk takes.
    pub(crate) fn watch_folders(
        self: &Arc<Self>,
        events: Sender<LoopEvent>,
        is_read: bool,
    ) -> std::io::Result<()> {
        let clips = Arc::clone(self);
        std::thread::Builder::new().name("folders".into()).spawn(move || {
            let mut is_read = is_read;
            loop {
                is_read = is_read || clips.read_run_folder();
                let free = storage::free_bytes(&clips.run_folder).unwrap_or(NO_ANSWER);
                clips.free_bytes.store(free, Ordering::Relaxed);
                std::thread::sleep(LOOK_AGAIN);
                let open: Vec<PathBuf> = clips.lock().open.iter().cloned().collect();
                for event in open.into_iter().filter_map(unreported_end) {
                    if events.send(event).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(())
    }

    /// Reads which of this run's clips are open, and counts the others. False when the disk is away.
    fn read_run_folder(&self) -> bool {
        let Ok(open) = unfinished_clips(&self.run_folder) else { return false };
        let open: HashSet<PathBuf> = open.into_iter().chain(self.open()).collect();
        let counts = Counts::on_disk(&self.run_folder, &open);
        let mut inner = self.lock();
        inner.open.extend(open);
        inner.counts = Counts { last_finish_ms: inner.counts.last_finish_ms, ..counts };
        true
    }

    /// The room on the disk of the run's folder, as it was at the last look.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        Some(self.free_bytes.load(Ordering::Relaxed)).filter(|free| *free != NO_ANSWER)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clip's id, and its folder as events write it.
pub(crate) fn named(folder: &Path) -> (String, String) {
    (clip_id(folder), folder.display().to_string())
}

/// The end of an open clip, if its folder shows one: without its plan a clip has nothing left for a recorder to do.
fn unreported_end(folder: PathBuf) -> Option<LoopEvent> {
    if !matches!(plan_path(&folder).try_exists(), Ok(false)) {
        return None;
    }
    match plan::manifest(&folder) {
        Some(manifest) => Some(LoopEvent::Found { folder, verdict: manifest.verdict }),
        None if storage::is_removed(&folder) => Some(LoopEvent::Gone(folder)),
        // The disk is away, and the clip with it; both may come back.
        None => None,
    }
}

#[cfg(test)]
mod tests;
