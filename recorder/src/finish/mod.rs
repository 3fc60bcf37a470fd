//! The finisher: waits until all cameras of a clip have their footage, and publishes the clip, again and again until it
//! works. One thread for the whole recorder.
//!
//! [`join`] makes ordinary files of the parts, [`open_file`] is one of them while it is written, [`manifest`] makes the
//! manifest's text, [`publish`] puts both in place, [`clear`] removes the parts, and [`announce`] tells of it.
//! [`recorded`] is what is on the disk up to the end of the window, [`made`] says how a video was made as a whole, [`parameter_sets`]
//! is about streams of several encoders in one file, [`trigger_place`] about where in a video a trigger is, [`trigger_list`] about how
//! triggers are listed.

mod announce;
mod clear;
mod in_place;
mod index;
mod join;
mod made;
mod manifest;
mod open_file;
mod parameter_sets;
mod publish;
mod recorded;
mod trigger_list;
mod trigger_place;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use proto::clip::{Manifest, clip_name};
use proto::link::Reports;
use proto::messages::RecorderReport;
use proto::panics;
use proto::storage;

use crate::assignment::Footage;
use crate::disk::{self, advice, output::OutputFolder};
use crate::pulse::Pulse;
use crate::sums::Sums;

pub(crate) use announce::announce;
pub(crate) use clear::already_finished;
#[cfg(test)]
pub(crate) use recorded::{Recorded, up_to_the_end};

/// The pause before a clip is published again after a failure.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// The time for which failing clips are tried again when Preroll is stopped. The next start goes on with them.
const LAST_TRIES: Duration = Duration::from_secs(1);
/// The pause between two of those tries.
const LAST_TRY_AGAIN: Duration = Duration::from_millis(100);

/// A message to the finisher.
pub(crate) enum Finishing {
    /// One camera's footage of a clip.
    Camera(Box<Footage>),
    /// No more footage will come.
    End,
}

/// Runs until it is told that no more footage will come.
pub(crate) fn run(
    queue: &Receiver<Finishing>,
    reports: &Reports<RecorderReport>,
    pulse: &Arc<Pulse>,
    output: &OutputFolder,
    sums: &Sums,
) {
    let mut finisher = Finisher {
        reports,
        pulse,
        output,
        sums,
        footage: HashMap::new(),
        failed: HashMap::new(),
        due: Vec::new(),
        tried: Instant::now(),
        ending: None,
    };
    while let Some(ready) = finisher.next(queue) {
        for folder in ready {
            finisher.finish(folder);
        }
        if finisher.due.is_empty() {
            pulse.set_storage_trouble(None);
        }
    }
}

/// Publishes a clip all of whose cameras' footage is there. From here on no trigger moves its end.
fn close_and_publish(
    folder: &Path,
    set: &mut [Footage],
    pulse: &Arc<Pulse>,
    output: &OutputFolder,
) -> io::Result<Manifest> {
    let no_camera = || io::Error::other("its plan names no camera, so there is nothing to publish");
    let window = set.first().ok_or_else(no_camera)?.window.close_for_good()?;
    set.iter_mut().for_each(|footage| footage.close(&window));
    publish::publish(folder, set, &window, pulse, output)
}

struct Finisher<'a> {
    reports: &'a Reports<RecorderReport>,
    pulse: &'a Arc<Pulse>,
    output: &'a OutputFolder,
    sums: &'a Sums,
    /// The footage of each clip, by its folder, until the clip is finished.
    footage: HashMap<PathBuf, Vec<Footage>>,
    /// The reason why a clip couldn't be published the last time. A person is told once of each reason.
    failed: HashMap<PathBuf, String>,
    /// Clips to be tried again.
    due: Vec<PathBuf>,
    /// The moment when a clip last failed.
    tried: Instant,
    /// The moment when the end was announced.
    ending: Option<Instant>,
}

impl Finisher<'_> {
    /// Waits for clips that can be published, or should be tried again. `None` at the end.
    fn next(&mut self, queue: &Receiver<Finishing>) -> Option<Vec<PathBuf>> {
        let told = match (self.ending, self.due.is_empty()) {
            (Some(since), false) if since.elapsed() < LAST_TRIES => {
                std::thread::sleep(LAST_TRY_AGAIN);
                Ok(Finishing::End)
            }
            (Some(_), _) => return None,
            (None, true) => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            (None, false) => queue.recv_timeout(TRY_AGAIN),
        };
        let mut ready = match told {
            Ok(Finishing::Camera(footage)) => self.add(*footage),
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Ok(Finishing::End) | Err(RecvTimeoutError::Disconnected) => {
                self.ending.get_or_insert_with(Instant::now);
                Vec::new()
            }
        };
        if self.ending.is_some() || self.tried.elapsed() >= TRY_AGAIN {
            ready.append(&mut self.due);
        }
        Some(ready)
    }

    /// Keeps one camera's footage. Returns the clip if that was the last of its cameras.
    fn add(&mut self, footage: Footage) -> Vec<PathBuf> {
        let folder = footage.folder.clone();
        let cameras = footage.plan.cameras.len();
        let set = self.footage.entry(folder.clone()).or_default();
        set.push(footage);
        if set.len() == cameras { vec![folder] } else { Vec::new() }
    }

    fn finish(&mut self, folder: PathBuf) {
        let Some(set) = self.footage.get_mut(&folder) else { return };
        let _on = set.first().map(|footage| panics::on_clip(&footage.plan.clip_id));
        let _working = self.pulse.work();
        match close_and_publish(&folder, set, self.pulse, self.output) {
            Ok(manifest) => {
                announce(&folder, &manifest, self.reports);
                // The clip's lock goes with its footage, and is asked for by whoever makes the sums.
                self.close(&folder);
                self.sums.of_finished(&folder, &manifest);
            }
            // A removed clip has nothing left to be finished, and nobody waits for it.
            Err(e) if disk::ask(|| storage::is_removed(&folder)) => {
                tracing::error!(
                    clip = &*clip_name(&folder),
                    "clip {}: its folder is gone, so it is not finished: {e}",
                    folder.display()
                );
                self.close(&folder);
            }
            Err(e) => self.try_again_later(folder, &e),
        }
    }

    fn close(&mut self, folder: &Path) {
        self.footage.remove(folder);
        self.failed.remove(folder);
        self.pulse.clips().finish(folder);
    }

    fn try_again_later(&mut self, folder: PathBuf, error: &io::Error) {
        let why = error.to_string();
        let told = format!("clip {} can't be finished: {why}", folder.display());
        if self.failed.get(&folder) != Some(&why) {
            tracing::error!(clip = &*clip_name(&folder), "{told}; trying again until it works");
            self.failed.insert(folder.clone(), why);
        }
        self.pulse.set_storage_trouble(Some(advice::with_advice(&told, error)));
        self.due.push(folder);
        self.tried = Instant::now();
    }
}
