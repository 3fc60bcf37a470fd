//! Waiting for the disk: which of the recorder's threads wait, and since when. Whether it has room is found out in
//! [`output`]; what a take does without room is in [`crate::take`] and its `failure.rs`.
//!
//! A disk that doesn't answer stops the thread that asked it, in the kernel, for as long as it pleases. From outside
//! that looks like a hang, and killing the process would help nobody. So each call that may wait for the disk goes
//! through [`ask`], and the beat, which never touches the disk itself, tells since when a thread has been waiting.
//!
//! Room in the output folder is [`output`]'s subject, advice to people [`advice`]'s.

pub(crate) mod advice;
pub(crate) mod output;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::poison::lock;

/// A disk that hasn't answered for this long has stalled. That is long for a flush of a clip, and shorter than the
/// supervisor's patience with a process that makes no progress.
pub(crate) const STALLED: Duration = Duration::from_millis(1500);

/// Every call in this process that waits for a disk: its number, and when it began.
static ASKED: Mutex<(u64, BTreeMap<u64, Instant>)> = Mutex::new((0, BTreeMap::new()));

thread_local! {
    static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Makes a call that may have to wait for the disk. Nothing else belongs into it.
pub(crate) fn ask<T>(call: impl FnOnce() -> T) -> T {
    let _waiting = Waiting::begin();
    call()
}

/// A thread waits for the disk until the value is dropped.
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

/// The time that this thread has waited for the disk in its life.
pub(crate) fn waited() -> Duration {
    WAITED.with(Cell::get)
}

/// The time for which the disk has not answered, once that is [`STALLED`] or longer.
fn stalled_for() -> Option<Duration> {
    let oldest = lock(&ASKED).1.values().min().copied()?;
    Some(oldest.elapsed()).filter(|waited| *waited >= STALLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_thread_is_seen_until_the_answer_is_there() {
        let before = waited();
        ask(|| {
            let seen = lock(&ASKED).1.values().copied().collect::<Vec<_>>();
            assert!(!seen.is_empty());
            std::thread::sleep(Duration::from_millis(2));
        });
        assert!(waited() - before >= Duration::from_millis(2));
    }

    #[test]
    fn a_thread_that_panicked_waits_no_more() {
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
