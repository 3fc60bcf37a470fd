//! The disk that clips go to, as the recorder's threads see it: who is waiting for it, and whether there is room.
//!
//! A disk that doesn't answer stops the thread that asked, in the kernel, for as long as it pleases. From outside that
//! looks like a hang, and killing the process would help nobody. So whatever may wait for the disk is asked through
//! [`ask`], and the beat, which never touches the disk itself, tells since when somebody has been waiting.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::config::RecordingConfig;
use proto::storage::{self, Unfit};

/// A disk that hasn't answered for this long has stalled. Long for a flush of a clip, short of the supervisor's patience
/// with a process that gets nowhere.
pub(crate) const STALLED: Duration = Duration::from_millis(1500);
/// How often the room is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Everybody who waits for a disk, of the whole process: the number of the question, and when it was asked.
static ASKED: Mutex<(u64, BTreeMap<u64, Instant>)> = Mutex::new((0, BTreeMap::new()));

thread_local! {
    static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Does something that may have to wait for the disk, and nothing else.
pub(crate) fn ask<T>(question: impl FnOnce() -> T) -> T {
    let _waiting = Waiting::begin();
    question()
}

/// Somebody waits for the disk until the value is dropped.
struct Waiting {
    number: u64,
    begun: Instant,
}

impl Waiting {
    fn begin() -> Self {
        let begun = Instant::now();
        let mut asked = lock(&ASKED);
        asked.0 += 1;
        let number = asked.0;
        asked.1.insert(number, begun);
        Self { number, begun }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        lock(&ASKED).1.remove(&self.number);
        WAITED.with(|w| w.set(w.get() + self.begun.elapsed()));
    }
}

/// How long this thread has waited for the disk, all in all.
pub(crate) fn waited() -> Duration {
    WAITED.with(Cell::get)
}

/// For how long somebody has been waiting, if that is longer than it should be.
fn stalled_for() -> Option<Duration> {
    let oldest = lock(&ASKED).1.values().min().copied()?;
    Some(oldest.elapsed()).filter(|waited| *waited >= STALLED)
}

/// The folder that clips go to.
#[derive(Default)]
pub(crate) struct Disk {
    output: PathBuf,
    floor: u64,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// This run's, once it is known.
    run_folder: Option<PathBuf>,
    low: bool,
    trouble: Option<String>,
}

impl Disk {
    /// Looks after the folder from a thread of its own: it alone asks how much is free.
    pub(crate) fn watch(recording: &RecordingConfig) -> io::Result<Arc<Self>> {
        let output = storage::plain(&recording.output_dir)?;
        let disk =
            Arc::new(Self { output, floor: recording.min_free_bytes, found: Mutex::new(Found::default()) });
        let this = Arc::clone(&disk);
        std::thread::Builder::new().name("disk".into()).spawn(move || {
            loop {
                this.look();
                std::thread::sleep(LOOK);
            }
        })?;
        Ok(disk)
    }

    /// Where this run's clips go.
    pub(crate) fn use_run_folder(&self, run_folder: &Path) {
        lock(&self.found).run_folder = Some(run_folder.to_owned());
    }

    fn look(&self) {
        let run_folder = lock(&self.found).run_folder.clone();
        let fit = ask(|| match &run_folder {
            Some(run_folder) => storage::fit(run_folder, self.floor),
            None => storage::has_room(&self.output, self.floor, 0),
        });
        let mut found = lock(&self.found);
        found.low = matches!(fit, Err(Unfit::Low { .. }));
        found.trouble = fit.err().map(|unfit| unfit.to_string());
    }

    /// Too little room, though the disk would still take something.
    pub(crate) fn low(&self) -> io::Result<()> {
        let found = lock(&self.found);
        match &found.trouble {
            Some(why) if found.low => Err(io::Error::new(io::ErrorKind::StorageFull, why.clone())),
            _ => Ok(()),
        }
    }

    /// Is there room for so many bytes more, with what has to stay free?
    pub(crate) fn has_room_for(&self, folder: &Path, bytes: u64) -> io::Result<()> {
        Ok(ask(|| storage::has_room(folder, self.floor, bytes))?)
    }

    /// That it doesn't answer, for a person.
    pub(crate) fn stall(&self) -> Option<String> {
        let waited = stalled_for()?;
        Some(format!(
            "disk stalled: {} has not answered for {} s; frames wait in the rings. Look at the disk and its cable or \
             network; nothing has to be restarted",
            self.output.display(),
            waited.as_secs()
        ))
    }

    /// What else is wrong with it, for a person.
    pub(crate) fn trouble(&self) -> Option<String> {
        lock(&self.found).trouble.clone()
    }
}

/// What went wrong, and what a person can do about it. The system's own errors only say what.
pub(crate) fn with_advice(what: &str, error: &io::Error) -> String {
    let advice = match error.kind() {
        _ if error.get_ref().is_some() => "",
        io::ErrorKind::StorageFull => "; make room on that disk (df, and df -i for inodes)",
        io::ErrorKind::ReadOnlyFilesystem => "; mount it read-write",
        io::ErrorKind::NotFound => "; mount its disk again, or put the folder back",
        _ => "",
    };
    format!("{what}{advice}. It is tried again until it works; nothing has to be restarted")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_seen_until_the_answer_is_there() {
        let before = waited();
        ask(|| {
            let seen = lock(&ASKED).1.values().copied().collect::<Vec<_>>();
            assert!(!seen.is_empty());
            std::thread::sleep(Duration::from_millis(2));
        });
        assert!(waited() - before >= Duration::from_millis(2));
    }

    #[test]
    fn whoever_panicked_waits_no_more() {
        let (tell, told) = std::sync::mpsc::channel();
        let waits = move || {
            let waiting = Waiting::begin();
            tell.send(waiting.number).unwrap();
            panic!("as a test");
        };
        assert!(std::thread::spawn(waits).join().is_err());
        let number = told.recv().unwrap();
        assert!(!lock(&ASKED).1.contains_key(&number));
    }
}
