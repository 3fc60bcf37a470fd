//! Requests that wait for the end of their clip. One thread looks after all of them, however many wait for one clip: it looks
//! at a clip's folder once for all of those.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::control::Response;
use proto::refusal::Refusal;

use super::outbox::Replier;
use super::{MAX_WAITING, STACK_BYTES};
use crate::clips::{Clips, Outcome};

/// The requests that wait.
pub(crate) struct Waiting {
    clips: Arc<Clips>,
    /// By the clip's folder.
    for_clips: Mutex<HashMap<PathBuf, Vec<Waiter>>>,
}

/// A request that waits.
struct Waiter {
    clip_id: String,
    replier: Replier,
}

impl Waiting {
    /// Starts the thread.
    pub(crate) fn start(clips: &Arc<Clips>) -> io::Result<Arc<Self>> {
        let waiting = Arc::new(Self { clips: Arc::clone(clips), for_clips: Mutex::default() });
        let looking = Arc::clone(&waiting);
        std::thread::Builder::new().name("waiting".into()).stack_size(STACK_BYTES).spawn(move || {
            let mut seen = 0;
            loop {
                looking.look();
                let is_nobody_there = looking.lock().is_empty();
                seen = looking.clips.await_change(seen, is_nobody_there);
            }
        })?;
        Ok(waiting)
    }

    /// Answers a request when its clip has come to its end. It has had its first answer.
    pub(super) fn add(&self, folder: PathBuf, clip_id: String, mut replier: Replier) {
        if !replier.begin_to_wait(MAX_WAITING) {
            return replier.answer(Err(Refusal::TooManyWaiting { at_most: MAX_WAITING, clip_id, folder }));
        }
        self.lock().entry(folder).or_default().push(Waiter { clip_id, replier });
        self.clips.nudge();
    }

    /// Answers those whose clips have come to an end.
    fn look(&self) {
        let folders: Vec<PathBuf> = self.lock().keys().cloned().collect();
        for folder in folders {
            // The disk is asked without the lock: who adds to it must not wait for a disk.
            let Some(outcome) = self.clips.outcome(&folder) else { continue };
            let waiters = self.lock().remove(&folder).unwrap_or_default();
            for Waiter { clip_id, replier } in waiters {
                replier.answer(end_of(outcome, clip_id, &folder));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Vec<Waiter>>> {
        self.for_clips.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last answer to a trigger that waits for its clip.
fn end_of(outcome: Outcome, clip_id: String, folder: &Path) -> Result<Response, Refusal> {
    match outcome {
        Outcome::Finished => Ok(Response::Finished),
        Outcome::Ended => Err(Refusal::EndedBeforeClip { clip_id }),
        Outcome::Removed => Err(Refusal::ClipRemoved { clip_id, folder: folder.to_owned() }),
        Outcome::Lost => Err(Refusal::ClipLost { clip_id, folder: folder.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_a_clip_has_an_answer_of_its_own() {
        let end = |outcome| end_of(outcome, "clip-0001".into(), Path::new("/run_1/clip-0001"));
        assert_eq!(end(Outcome::Finished), Ok(Response::Finished));
        for (outcome, said) in [
            (Outcome::Ended, "the next supervisor finishes it"),
            (Outcome::Removed, "was removed before it was finished: /run_1/clip-0001"),
            (Outcome::Lost, "is given up"),
        ] {
            let refusal = end(outcome).unwrap_err().to_string();
            assert!(refusal.starts_with("clip clip-0001 ") && refusal.contains(said), "{refusal}");
        }
    }
}
