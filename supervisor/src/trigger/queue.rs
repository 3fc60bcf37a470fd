//! The requests about triggers that are under way, as the three threads see them that have a part in each: one writes, one
//! flushes, and one answers when the disk does neither in time.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::control::{EndRequest, ExtendRequest, TriggerRequest};
use proto::refusal::Refusal;
use proto::time::MonotonicNs;

use super::Taken;
use crate::loop_events::LoopEvent;

/// Requests that are written together. Those that come meanwhile are the next group.
const GROUP: usize = 1024;

/// A request about a trigger.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    Trigger(TriggerRequest),
    End(EndRequest),
    Extend(ExtendRequest),
}

/// The way of the answer. Called once, by any thread; it must not wait.
pub(crate) type Reply = Box<dyn FnOnce(Result<Taken, Refusal>) + Send>;

/// A request under way.
pub(crate) struct Job {
    pub(super) wanted: Wanted,
    /// The moment at which it came, on the clock of frames.
    pub(super) came: MonotonicNs,
    pub(super) since: Instant,
    reply: Mutex<Option<Reply>>,
}

impl Job {
    pub(super) fn new(wanted: Wanted, reply: Reply) -> Self {
        Self { wanted, came: MonotonicNs::now(), since: Instant::now(), reply: Mutex::new(Some(reply)) }
    }

    /// Answers it, unless it has been answered.
    pub(super) fn answer(&self, answer: Result<Taken, Refusal>) {
        // Not under the lock: the reply is somebody else's code.
        let reply = self.reply.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reply) = reply {
            reply(answer);
        }
    }

    fn is_answered(&self) -> bool {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// What was written to one clip's folder, and has to be flushed before those who asked for it are answered.
pub(super) struct Batch {
    pub(super) folder: PathBuf,
    /// There is a new plan.
    pub(super) has_plan: bool,
    /// There are new lines; whether their file is new too.
    pub(super) has_lines: Option<bool>,
    pub(super) jobs: Vec<(Arc<Job>, Taken)>,
    pub(super) since: Instant,
    told: AtomicBool,
}

impl Batch {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            has_plan: false,
            has_lines: None,
            jobs: Vec::new(),
            since: Instant::now(),
            told: AtomicBool::new(false),
        }
    }

    /// Tells the recorder of the clip, once.
    pub(super) fn tell(&self, events: &Sender<LoopEvent>) {
        // Of a batch that only repeats an answer there is nothing to tell.
        let is_news = self.has_plan || self.has_lines.is_some();
        if is_news && !self.told.swap(true, Ordering::Relaxed) {
            let _ = events.send(LoopEvent::Planned(self.folder.clone()));
        }
    }

    fn is_answered(&self) -> bool {
        self.jobs.iter().all(|(job, _)| job.is_answered())
    }
}

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    under_way: Mutex<UnderWay>,
    changed: Condvar,
}

#[derive(Default)]
struct UnderWay {
    asked: VecDeque<Arc<Job>>,
    /// With the thread that writes.
    unwritten: Vec<Arc<Job>>,
    written: VecDeque<Arc<Batch>>,
    /// With the thread that flushes.
    unflushed: Vec<Arc<Batch>>,
}

impl Queue {
    pub(super) fn ask(&self, job: Job) {
        self.lock().asked.push_back(Arc::new(job));
        self.changed.notify_all();
    }

    /// For the thread that writes: hands on what it has written, and waits for the next group, no longer than `at_most`.
    pub(super) fn next_group(&self, written: Vec<Batch>, at_most: Option<Duration>) -> Vec<Arc<Job>> {
        let mut under_way = self.lock();
        under_way.unwritten.clear();
        if !written.is_empty() {
            under_way.written.extend(written.into_iter().map(Arc::new));
            self.changed.notify_all();
        }
        let nothing = |under_way: &mut UnderWay| under_way.asked.is_empty();
        under_way = match at_most {
            None => self.changed.wait_while(under_way, nothing).unwrap_or_else(PoisonError::into_inner),
            Some(at_most) => {
                let waited = self.changed.wait_timeout_while(under_way, at_most, nothing);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let count = under_way.asked.len().min(GROUP);
        let group: Vec<_> = under_way.asked.drain(..count).collect();
        under_way.unwritten.clone_from(&group);
        group
    }

    /// For the thread that flushes: waits for what was written since.
    pub(super) fn next_written(&self) -> Vec<Arc<Batch>> {
        let mut under_way = self.lock();
        under_way.unflushed.clear();
        let nothing = |under_way: &mut UnderWay| under_way.written.is_empty();
        under_way = self.changed.wait_while(under_way, nothing).unwrap_or_else(PoisonError::into_inner);
        let written: Vec<_> = under_way.written.drain(..).collect();
        under_way.unflushed.clone_from(&written);
        written
    }

    /// For the thread that watches: the requests that are not written yet, and what is not flushed yet. Waits until there is any.
    pub(super) fn under_way(&self) -> (Vec<Arc<Job>>, Vec<Arc<Batch>>) {
        let nothing = |under_way: &mut UnderWay| {
            let UnderWay { asked, unwritten, written, unflushed } = under_way;
            asked.is_empty() && unwritten.is_empty() && written.is_empty() && unflushed.is_empty()
        };
        let under_way = self.lock();
        let under_way = self.changed.wait_while(under_way, nothing).unwrap_or_else(PoisonError::into_inner);
        let jobs = under_way.asked.iter().chain(&under_way.unwritten);
        let batches = under_way.written.iter().chain(&under_way.unflushed);
        let jobs = jobs.filter(|job| !job.is_answered()).cloned().collect();
        (jobs, batches.filter(|batch| !batch.is_answered()).cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
