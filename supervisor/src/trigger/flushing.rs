//! The second half of a trigger's way: what was written is flushed to the disk, the recorder is told, and whoever asked is
//! answered. A disk that hangs keeps nobody without an answer.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::clip::clip_name;
use proto::clip::growth::file;
use proto::failpoint;
use proto::refusal::Refusal;

use super::plan;
use super::queue::{Batch, Queue};
use crate::loop_events::LoopEvent;
use crate::settled::Settled;

/// A disk that takes longer than this to take a plan or a line, or to flush it, has stalled. Both fit into the time in which a
/// command expects its answer.
const DISK_PATIENCE: Duration = Duration::from_secs(4);
/// The time that a flush has to itself before the recorder is told of a clip. Encoders take the processor at once, and would
/// double the time to a trigger's answer; a longer wait would take from the ring's reserve.
const HEAD_START: Duration = Duration::from_millis(20);
/// The time between two looks at what is under way.
const GLANCE: Duration = Duration::from_millis(10);

/// What both threads of this module need.
pub(super) struct Flushing {
    pub(super) queue: Arc<Queue>,
    /// The way to the loop, which tells the recorder.
    pub(super) events: Sender<LoopEvent>,
    pub(super) settled: Arc<Settled>,
    /// Where triggers are written to.
    pub(super) run_folder: PathBuf,
    /// Clips whose lines could not be flushed.
    pub(super) doubtful: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Flushing {
    /// The thread that flushes.
    pub(super) fn run(&self) {
        loop {
            let written = self.queue.next_written();
            // What trips over a bug is answered by the thread that watches, and all further requests by this one.
            let _ = catch_unwind(AssertUnwindSafe(|| self.flush(&written)));
        }
    }

    /// Flushes what was written, a clip after the other, however many asked for it.
    fn flush(&self, written: &[Arc<Batch>]) {
        let mut by_folder: BTreeMap<&Path, Vec<&Arc<Batch>>> = BTreeMap::new();
        for batch in written {
            by_folder.entry(&batch.folder).or_default().push(batch);
        }
        for (folder, batches) in by_folder {
            let has_plan = batches.iter().any(|batch| batch.has_plan);
            let has_lines = batches.iter().any(|batch| batch.has_lines.is_some());
            let is_new = batches.iter().any(|batch| batch.has_lines == Some(true));
            let flushed = flush_clip(folder, has_plan, has_lines, is_new);
            failpoint::pass("grow.synced", folder.display());
            batches.iter().for_each(|batch| batch.tell(&self.events));
            failpoint::pass("grow.told", folder.display());
            if has_plan {
                failpoint::pass("plan.synced", folder.display());
            }
            let failed = flushed.err().map(|e| e.to_string());
            if let Some(e) = &failed {
                tracing::error!(
                    clip = &*clip_name(folder),
                    "clip {}: what its trigger asks for may not be on the disk yet: {e}",
                    folder.display()
                );
                self.doubtful.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
            }
            batches.iter().for_each(|batch| self.accept(batch, failed.as_deref()));
        }
    }

    /// Answers those who asked for what is in a batch. `failed`: why it may not be on the disk.
    fn accept(&self, batch: &Batch, failed: Option<&str>) {
        // A trigger that was accepted is worth captures that outlive this supervisor, and it is known to nobody before they do.
        self.settled.settle();
        for (job, taken) in &batch.jobs {
            let mut taken = taken.clone();
            taken.accepted.notes.extend(failed.map(|e| {
                format!("the plan may not be on the disk yet, so it may not outlive a power cut: {e}")
            }));
            job.answer(Ok(taken));
        }
    }

    /// The thread that watches: tells the recorder if the flush takes long, and answers if the disk hangs.
    pub(super) fn watch(&self) {
        loop {
            let (jobs, batches) = self.queue.under_way();
            for batch in batches.iter().filter(|batch| batch.since.elapsed() >= HEAD_START) {
                batch.tell(&self.events);
                if batch.since.elapsed() >= DISK_PATIENCE {
                    let why = format!("the disk has not answered for {} s", DISK_PATIENCE.as_secs());
                    self.accept(batch, Some(&why));
                }
            }
            for job in jobs.iter().filter(|job| job.since.elapsed() >= DISK_PATIENCE) {
                let folder = self.run_folder.clone();
                job.answer(Err(Refusal::DiskStalled { folder, waited_s: DISK_PATIENCE.as_secs() }));
            }
            drop((jobs, batches));
            std::thread::sleep(GLANCE);
        }
    }
}

/// Flushes what is new of a clip.
fn flush_clip(folder: &Path, has_plan: bool, has_lines: bool, is_new: bool) -> io::Result<()> {
    if has_plan {
        plan::sync_plan(folder)?;
    }
    // The plan's flush has taken the name of the file with it.
    if has_lines { file::flush(folder, is_new && !has_plan) } else { Ok(()) }
}
