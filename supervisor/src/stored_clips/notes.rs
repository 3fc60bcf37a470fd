//! `notes.json` in a clip's folder: what people have said of the clip since it was recorded, and whether it is kept. The manifest
//! stays as it was written.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use proto::clip::{MANIFEST, NOTES, plan_path};
use proto::durable;
use proto::opened;
use proto::time::{UtcTime, WallAnchor};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// The version of the document.
const SCHEMA: u32 = 1;
/// The longest note, in bytes, as of a trigger's.
pub(crate) const MOST_NOTE_BYTES: usize = 4096;
/// Two people who write at once wait for each other for milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) schema: u32,
    /// Retention leaves the clip alone, and it has to be released before it is removed.
    pub(crate) keep: bool,
    pub(crate) notes: Vec<Note>,
}

impl Default for Said {
    fn default() -> Self {
        Self { schema: SCHEMA, keep: false, notes: Vec::new() }
    }
}

/// A note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The moment at which it was made.
    pub(crate) utc: String,
    pub(crate) text: String,
}

/// Something that is to be said of a clip.
pub(crate) enum Word<'a> {
    Keep,
    Release,
    Note(&'a str),
}

/// Reads what was said of a clip; nothing if there is no document.
///
/// # Errors
/// There is one that can't be read.
pub(crate) fn read(clip: &Path) -> io::Result<Said> {
    match opened::read(&clip.join(NOTES)) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Said::default()),
        Err(e) => Err(e),
    }
}

/// Says something of a clip. It is on the disk when this returns.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] when the clip was removed meanwhile; the system's error.
pub(crate) fn say(clip: &Path, word: &Word<'_>) -> io::Result<()> {
    let _one_at_a_time = lock_run(clip)?;
    let mut said = read(clip)?;
    match word {
        Word::Keep | Word::Release => {
            let keep = matches!(word, Word::Keep);
            if said.keep == keep {
                return is_there(clip);
            }
            said.keep = keep;
        }
        Word::Note(text) => {
            let utc = UtcTime::from_unix_ns(WallAnchor::now().unix_ns).to_string();
            said.notes.push(Note { utc, text: (*text).to_owned() });
        }
    }
    durable::replace_synced(&clip.join(NOTES), &serde_json::to_vec_pretty(&said)?)?;
    // A removal renames the clip and then looks here: a clip that still has its name now isn't removed any more.
    is_there(clip)
}

fn is_there(clip: &Path) -> io::Result<()> {
    let has = |path: &Path| path.symlink_metadata().is_ok();
    if has(&clip.join(MANIFEST)) || has(&plan_path(clip)) {
        return Ok(());
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Locks the run's folder: the clip's own lock is held by whoever records or reads it, for as long as that takes.
fn lock_run(clip: &Path) -> io::Result<File> {
    let run = opened::folder(clip.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    let begun = Instant::now();
    loop {
        match rustix::fs::flock(&run, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(run),
            Err(Errno::WOULDBLOCK) if begun.elapsed() < PATIENCE => std::thread::sleep(LOOK_AGAIN),
            Err(Errno::WOULDBLOCK) => {
                let what = "another program has had a lock on its run folder for 5 s; end that program";
                return Err(io::Error::new(io::ErrorKind::WouldBlock, what));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored_clips::row::tests::{clip, manifest};

    #[test]
    fn what_many_say_at_once_is_all_written_down() {
        let output = tempfile::tempdir().unwrap();
        let folder = &clip(output.path(), "run_20261122-091510/clip-0001", &manifest(None, None, 1), 1);
        std::thread::scope(|scope| {
            for note in ["a", "b", "c", "d"] {
                scope.spawn(move || say(folder, &Word::Note(note)).unwrap());
            }
            scope.spawn(|| say(folder, &Word::Keep).unwrap());
        });
        let said = read(folder).unwrap();
        let mut notes: Vec<_> = said.notes.iter().map(|note| note.text.as_str()).collect();
        notes.sort_unstable();
        assert_eq!((said.keep, notes), (true, vec!["a", "b", "c", "d"]));
        assert!(said.notes.iter().all(|note| note.utc.ends_with('Z')));
        say(folder, &Word::Release).unwrap();
        assert!(!read(folder).unwrap().keep);
    }

    #[test]
    fn nothing_is_said_of_a_clip_that_is_gone() {
        let output = tempfile::tempdir().unwrap();
        let folder = clip(output.path(), "run_20261122-091510/clip-0001", &manifest(None, None, 1), 1);
        say(&folder, &Word::Keep).unwrap();
        std::fs::rename(&folder, output.path().join("run_20261122-091510/moved")).unwrap();
        for word in [Word::Keep, Word::Note("x")] {
            assert_eq!(say(&folder, &word).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
        assert!(!folder.exists());
    }
}
