//! Suspects: the unfinished clips that are found after a recorder has crashed, since it may have crashed over any of them.
//! They are taken on one by one: the next when every camera of the one on trial has encoded a frame, or the clip is
//! finished. For its trial a mark is put beside a clip's plan. So a clip that is found with its mark after another crash
//! has crashed two recorders, and is set aside. Who takes the clips on is [`crate::intake`]; the reasons are in
//! `docs/decisions/suspects.md`.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto::clip::{PARTIAL_DIR, clip_name};
use proto::opened;

/// The mark's file in a clip's partial folder.
const MARK: &str = "on-trial";
/// A trial lasts no longer: the clip may wait for a camera that is away, and a crash over another clip must not be held
/// against it.
const LONGEST_TRIAL: Duration = Duration::from_secs(5);
/// The pause between two looks at the clip on trial.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// The suspects of one recorder's life.
#[derive(Default)]
pub(crate) struct Suspects {
    after_crash: bool,
    waiting: VecDeque<PathBuf>,
    on_trial: Option<(PathBuf, Instant)>,
}

impl Suspects {
    /// The recorder is armed; `after_crash`: the one before it crashed by a fault that is no encoder's.
    pub(crate) fn arm(&mut self, after_crash: bool) {
        self.after_crash = after_crash;
    }

    /// Are the unfinished clips that are found now suspects?
    pub(crate) fn are_there(&self) -> bool {
        self.after_crash
    }

    /// Adds a clip that was found. True if it wasn't known.
    pub(crate) fn add(&mut self, folder: &Path) -> bool {
        let is_new = !self.is_waiting(folder) && !self.is_on_trial(folder);
        if is_new {
            self.waiting.push_back(folder.to_owned());
        }
        is_new
    }

    /// Does this clip wait for its trial?
    pub(crate) fn is_waiting(&self, folder: &Path) -> bool {
        self.waiting.iter().any(|waiting| waiting == folder)
    }

    /// The clips that wait for theirs.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &PathBuf> {
        self.waiting.iter()
    }

    /// Is this the clip on trial?
    pub(crate) fn is_on_trial(&self, folder: &Path) -> bool {
        self.on_trial.as_ref().is_some_and(|(on_trial, _)| on_trial == folder)
    }

    /// Is there a clip whose trial may end, or has to begin?
    pub(crate) fn are_tried(&self) -> bool {
        self.on_trial.is_some() || !self.waiting.is_empty()
    }

    /// The clip to be taken on next, once the trial of the one before is over.
    pub(crate) fn next(&mut self, is_over: impl FnOnce(&Path) -> bool) -> Option<PathBuf> {
        if let Some((folder, since)) = &self.on_trial {
            if !is_over(folder) && since.elapsed() <= LONGEST_TRIAL {
                return None;
            }
            unmark(folder);
            self.on_trial = None;
        }
        let next = self.waiting.pop_front()?;
        self.on_trial = Some((next.clone(), Instant::now()));
        Some(next)
    }
}

/// Marks a clip. False if it has a mark already. The mark is not flushed to the disk: it is for the next process, and must
/// not outlast a crash of the machine.
pub(crate) fn mark(folder: &Path) -> bool {
    match opened::create_new(&mark_path(folder)) {
        Ok(_) => true,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
        Err(e) => {
            // A full disk is no reason to leave the clip alone.
            tracing::warn!(
                clip = &*clip_name(folder),
                "clip {}: can't be marked as on trial: {e}; it is taken on all the same",
                folder.display()
            );
            true
        }
    }
}

/// Removes a clip's mark, if it has one.
pub(crate) fn unmark(folder: &Path) {
    // There is none, or the clip is finished, or its disk is away: then one crash counts for two, later.
    let _ = opened::remove_file(&mark_path(folder));
}

fn mark_path(folder: &Path) -> PathBuf {
    folder.join(PARTIAL_DIR).join(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clips(output: &Path) -> [PathBuf; 2] {
        ["clip-0001", "clip-0002"].map(|name| {
            let clip = output.join("run").join(name);
            std::fs::create_dir_all(clip.join(PARTIAL_DIR)).unwrap();
            clip
        })
    }

    #[test]
    fn suspects_are_taken_on_one_by_one() {
        let output = tempfile::tempdir().unwrap();
        let [first, second] = clips(output.path());
        let mut suspects = Suspects::default();
        assert!(suspects.add(&first) && suspects.add(&second) && !suspects.add(&first));
        assert_eq!(suspects.next(|_| panic!("nothing is on trial")), Some(first.clone()));
        assert!(suspects.is_on_trial(&first) && suspects.is_waiting(&second));
        assert!(mark(&first));
        assert_eq!(suspects.next(|_| false), None);
        assert_eq!(suspects.next(|_| true), Some(second.clone()));
        assert!(mark(&first), "its mark was removed");
        assert!(suspects.are_tried());
        assert_eq!(suspects.next(|_| true), None);
        assert!(!suspects.are_tried());
    }

    #[test]
    fn a_mark_that_is_left_is_found() {
        let output = tempfile::tempdir().unwrap();
        let [clip, other] = clips(output.path());
        assert!(mark(&clip) && !mark(&clip) && mark(&other));
        unmark(&clip);
        assert!(mark(&clip));
        assert!(mark(&output.path().join("run/gone")), "what can't be marked is taken on");
    }
}
