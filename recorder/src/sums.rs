//! The sums of finished clips: a thread of its own writes `SHA256SUMS` into their folders, behind everything else that runs
//! on the machine. A clip is finished without them, so nothing waits for this thread but the recorder's end, for a moment.
//! Why it is made so: `docs/decisions/sums.md`.
//!
//! [`recorded`] says which files a clip consists of, [`making`] sums them and writes the file.

mod making;
mod recorded;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

use proto::clip::{MANIFEST, Manifest, SUMS, clip_name, run_folders};
use proto::failpoint;
use proto::link::Reports;
use proto::messages::RecorderReport;
use proto::opened;
use proto::panics;
use proto::priority;

use making::{Outcome, make};
use recorded::Recorded;

use crate::posters;

/// The pause before another try at clips that could not be summed: their disk is full, or another program has a lock on
/// them.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// The time that the recorder's end waits for the posters and sums of clips that have just been finished. Those that take
/// longer are made by the next recorder.
const LAST_SUMS: Duration = Duration::from_secs(1);

/// The thread that makes sums, as the others see it. None of them ever waits for it.
#[derive(Clone)]
pub(crate) struct Sums {
    jobs: Sender<Job>,
}

enum Job {
    /// This clip is finished.
    Clip(PathBuf, Recorded),
    /// This clip was finished by an earlier recorder, which may not have come to its sums.
    Earlier(PathBuf),
    /// The same goes for every clip in this output folder.
    AllEarlier(PathBuf),
    /// The recorder ends. Answers as soon as the clips told of before have their sums.
    End(Sender<()>),
}

impl Sums {
    /// Starts the thread, which also makes the clips' posters if it is told to. Without it clips have no sums until a later recorder makes them, which costs no frame.
    pub(crate) fn start(posters: bool, reports: &Reports<RecorderReport>) -> Self {
        let (jobs, queue) = channel();
        let reports = reports.clone();
        let begun = std::thread::Builder::new().name("sums".into()).spawn(move || {
            priority::set(priority::SUMS);
            let told =
                move |folder: &Path| reports.send(RecorderReport::SumsMade { folder: folder.to_owned() });
            Thread::new(posters, told).run(&queue);
        });
        if let Err(e) = begun {
            tracing::warn!(
                "clips get no {SUMS}: no thread can be started for them: {e}; the next start makes them"
            );
        }
        Self { jobs }
    }

    /// Has the sums of a clip made that was just finished.
    pub(crate) fn of_finished(&self, folder: &Path, manifest: &Manifest) {
        self.tell(Job::Clip(folder.to_owned(), Recorded::now(folder, manifest)));
    }

    /// Has the sums of a clip made that an earlier recorder finished, if it has none.
    pub(crate) fn of_earlier(&self, folder: &Path) {
        self.tell(Job::Earlier(folder.to_owned()));
    }

    /// Has the sums made of every finished clip in an output folder that has none.
    pub(crate) fn of_all_earlier(&self, output_dir: &Path) {
        self.tell(Job::AllEarlier(output_dir.to_owned()));
    }

    /// Waits a moment for the sums of the clips that were just finished.
    pub(crate) fn end(&self) {
        let (done, wait) = channel();
        self.tell(Job::End(done));
        let _ = wait.recv_timeout(LAST_SUMS);
    }

    /// A thread that could not be started hears nothing, which was said.
    fn tell(&self, job: Job) {
        let _ = self.jobs.send(job);
    }
}

/// The thread.
struct Thread {
    /// Clips get posters.
    posters: bool,
    /// Hears of each clip that has got its sums.
    told: Box<dyn Fn(&Path)>,
    /// Clips of earlier recorders, which come after those that are just finished.
    earlier: VecDeque<PathBuf>,
    /// Clips that could not be summed, with the reason that a person was told.
    failed: BTreeMap<PathBuf, String>,
}

impl Thread {
    fn new(posters: bool, told: impl Fn(&Path) + 'static) -> Self {
        Self { posters, told: Box::new(told), earlier: VecDeque::new(), failed: BTreeMap::new() }
    }

    fn run(&mut self, queue: &Receiver<Job>) {
        while let Some(next) = self.next(queue) {
            match next {
                Job::Clip(folder, recorded) => self.sum(&folder, Some(&recorded)),
                Job::Earlier(folder) => self.sum(&folder, None),
                Job::AllEarlier(output_dir) => self.earlier.extend(without_sums(&output_dir)),
                Job::End(done) => drop(done.send(())),
            }
        }
    }

    /// The next thing to do; none when there will be nothing more.
    fn next(&mut self, queue: &Receiver<Job>) -> Option<Job> {
        loop {
            // A clip that was just finished comes before those of earlier recorders.
            match queue.try_recv() {
                Ok(job) => return Some(job),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            if let Some(folder) = self.earlier.pop_front() {
                return Some(Job::Earlier(folder));
            }
            if self.failed.is_empty() {
                return queue.recv().ok();
            }
            match queue.recv_timeout(TRY_AGAIN) {
                Err(RecvTimeoutError::Timeout) => self.earlier.extend(self.failed.keys().cloned()),
                told => return told.ok(),
            }
        }
    }

    fn sum(&mut self, folder: &Path, recorded: Option<&Recorded>) {
        let clip = clip_name(folder);
        let _on = panics::on_clip(&clip);
        failpoint::pass("sums.begun", folder.display());
        let posters = if self.posters { posters::make(folder) } else { Ok(()) };
        let made = match posters {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Outcome::Busy),
            // A file of the clip that can't be read, or a poster that can't be written.
            Err(e) => Err(e),
            Ok(()) => make(folder, recorded),
        };
        match made {
            Ok(Outcome::Made { files, bytes }) => {
                tracing::info!(
                    clip = &*clip,
                    "clip {clip}: {SUMS} made: {files} files of {bytes} bytes in all"
                );
                (self.told)(folder);
            }
            Ok(Outcome::None) => {}
            Ok(Outcome::Busy) => {
                self.failed.entry(folder.to_owned()).or_default();
                return;
            }
            Ok(Outcome::Refused(why)) => {
                tracing::warn!(clip = &*clip, "clip {clip}: no {SUMS} are made: {why}");
            }
            Err(e) => {
                let why = e.to_string();
                if self.failed.insert(folder.to_owned(), why.clone()).as_ref() != Some(&why) {
                    tracing::warn!(
                        clip = &*clip,
                        "clip {}: its posters and {SUMS} can't be made: {why}; trying again until it works. The clip itself is whole",
                        folder.display()
                    );
                }
                return;
            }
        }
        self.failed.remove(folder);
    }
}

/// The finished clips in an output folder that have no sums. A folder that can't be listed has none: its clips are found by
/// the next recorder.
fn without_sums(output_dir: &Path) -> Vec<PathBuf> {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let run_folders = run_folders(output_dir).unwrap_or_default();
    let clips = run_folders.iter().flat_map(|run| opened::folders_of_ours(run).unwrap_or_default());
    clips.filter(|clip| is_there(&clip.join(MANIFEST)) && !is_there(&clip.join(SUMS))).collect()
}
