//! The mark by which this supervisor's children know whether they are to outlive it (see [`proto::parent`]). The loop sets it
//! when everything has come up, and the thread that takes a trigger before it answers; the end removes it. Whoever comes later
//! than the end is too late.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use proto::instance::{RuntimeDir, empty_file};

/// The mark, for all threads.
pub(crate) struct Settled {
    mark: PathBuf,
    stage: Mutex<Stage>,
}

/// Whether the children are to outlive this supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not known to be: the mark is as it was found.
    Starting,
    Settled,
    Ending,
}

impl Settled {
    /// Leaves a mark that is there as it is: an earlier supervisor's children count on it.
    pub(crate) fn new(dir: &RuntimeDir) -> Self {
        Self { mark: dir.settled_mark(), stage: Mutex::new(Stage::Starting) }
    }

    /// Removes a mark that is there: nobody is left to be adopted, so the children of this start end with it until it has
    /// settled.
    pub(crate) fn begin_anew(&self) {
        // There may be none.
        let _ = std::fs::remove_file(&self.mark);
    }

    /// Lets the children outlive this supervisor from now on, unless it is ending.
    pub(crate) fn settle(&self) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage != Stage::Starting {
            return;
        }
        *stage = Stage::Settled;
        if let Err(e) = empty_file(&self.mark) {
            tracing::warn!(
                "can't write {}: {e}; if this supervisor dies, its children end too, and frames are missed until the next \
                 start",
                self.mark.display()
            );
        }
    }

    /// Whoever is killed from here on leaves nobody to be adopted.
    pub(crate) fn end(&self) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        *stage = Stage::Ending;
        let _ = std::fs::remove_file(&self.mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_settles_a_supervisor_that_is_ending() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(&folder.path().join("runtime")).unwrap();
        let settled = Settled::new(&dir);
        let mark = dir.settled_mark();
        settled.settle();
        assert!(mark.exists());
        settled.end();
        assert!(!mark.exists());
        settled.settle();
        assert!(!mark.exists());
    }

    #[test]
    fn a_mark_stays_for_children_that_are_adopted_and_goes_for_those_of_a_new_start() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::create(&folder.path().join("runtime")).unwrap();
        Settled::new(&dir).settle();
        let next = Settled::new(&dir);
        assert!(dir.settled_mark().exists());
        next.begin_anew();
        assert!(!dir.settled_mark().exists());
    }
}
