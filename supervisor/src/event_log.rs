//! The log of events: what has happened to the instance, for programs that follow it. Whoever notices something says it
//! here, and never waits; how it travels to those who follow is the business of [`crate::control`].
//!
//! The last events are kept once for all who follow. Each of those has a place among them, so one that doesn't read costs
//! nobody anything: it is told how many it has missed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use proto::event::{Event, LoggedEvent, SupervisorState};
use proto::time::WallAnchor;

use crate::control::waker::Waker;

/// Events that are kept. A thousand triggers a second fill it in one.
const KEPT: usize = 1000;

/// The log.
#[derive(Default)]
pub(crate) struct EventLog {
    kept: Mutex<Kept>,
    /// The connections that follow.
    followers: AtomicUsize,
    /// See [`EventLog::note_told`].
    told: AtomicU64,
    /// Wakes whoever tells the followers.
    waker: OnceLock<Arc<Waker>>,
}

/// A place among those who follow, counted until this is dropped.
pub(crate) struct Follower(Arc<EventLog>);

impl Follower {
    pub(crate) fn log(&self) -> &EventLog {
        &self.0
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.followers.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct Kept {
    events: VecDeque<Arc<LoggedEvent>>,
    /// The number of the newest event.
    newest: u64,
}

impl EventLog {
    /// Something has happened. Any thread may say so, the loop too: this takes microseconds.
    pub(crate) fn emit(&self, event: Event) {
        let WallAnchor { monotonic_ns, unix_ns } = WallAnchor::now();
        let oldest = {
            let mut kept = self.lock();
            kept.newest += 1;
            let logged = LoggedEvent { seq: kept.newest, t_ns: monotonic_ns, unix_ns, event };
            kept.events.push_back(Arc::new(logged));
            (kept.events.len() > KEPT).then(|| kept.events.pop_front())
        };
        // Freed after the lock.
        drop(oldest);
        if self.followers.load(Ordering::SeqCst) > 0
            && let Some(waker) = self.waker.get()
        {
            waker.wake();
        }
    }

    /// From now on this is woken by each event, while anybody follows.
    pub(crate) fn wakes(&self, waker: Arc<Waker>) {
        // Set once, when the control socket is opened.
        let _ = self.waker.set(waker);
    }

    /// Counts one more who follows, unless there are so many.
    pub(crate) fn follow(log: &Arc<Self>, at_most: usize) -> Option<Follower> {
        let follower = Follower(Arc::clone(log));
        (log.followers.fetch_add(1, Ordering::SeqCst) < at_most).then_some(follower)
    }

    /// All who follow and take what they are told know the events up to this number.
    pub(crate) fn note_told(&self, number: u64) {
        self.told.store(number, Ordering::SeqCst);
    }

    /// Is there somebody who follows, takes what it is told, and hasn't been told all?
    pub(crate) fn is_being_told(&self) -> bool {
        self.followers.load(Ordering::SeqCst) > 0 && self.told.load(Ordering::SeqCst) < self.newest()
    }

    /// The number of the newest event; 0 before the first.
    pub(crate) fn newest(&self) -> u64 {
        self.lock().newest
    }

    /// The place of somebody who knows all events up to this number, or all that there are. A number that no event has had is of
    /// another supervisor.
    pub(crate) fn place_after(&self, since: Option<u64>) -> u64 {
        let newest = self.newest();
        since.map_or(newest, |since| if since > newest { 0 } else { since })
    }

    /// The first event that somebody hasn't seen who knows all up to `place`; in place of those that are kept no more, the
    /// word of how many are missing.
    pub(crate) fn after(&self, place: u64) -> Option<Arc<LoggedEvent>> {
        let kept = self.lock();
        let oldest = kept.events.front()?.seq;
        let Some(missed) = oldest.checked_sub(place + 1).filter(|missed| *missed > 0) else {
            let at = usize::try_from(place + 1 - oldest).ok()?;
            return kept.events.get(at).cloned();
        };
        drop(kept);
        let WallAnchor { monotonic_ns, unix_ns } = WallAnchor::now();
        let event = Event::Lagged { missed };
        Some(Arc::new(LoggedEvent { seq: oldest - 1, t_ns: monotonic_ns, unix_ns, event }))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The supervisor's own event.
pub(crate) fn of_supervisor(state: SupervisorState) -> Event {
    Event::Supervisor { state, pid: std::process::id(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lost(n: u64) -> Event {
        Event::ClipLost { clip_id: n.to_string(), path: "/run_1".into(), why: "gone".into() }
    }

    /// Reads on from a place, at most so many.
    fn read(log: &EventLog, place: &mut u64, at_most: usize) -> Vec<Arc<LoggedEvent>> {
        let mut read = Vec::new();
        while read.len() < at_most {
            let Some(event) = log.after(*place) else { break };
            *place = event.seq;
            read.push(event);
        }
        read
    }

    #[test]
    fn one_who_reads_in_time_hears_each_event_once_and_in_order() {
        let (log, mut place) = (EventLog::default(), 0);
        assert!(log.after(place).is_none());
        for n in 1..=3000 {
            log.emit(lost(n));
            let told = read(&log, &mut place, 9);
            assert_eq!((told.len(), told[0].seq, &told[0].event), (1, n, &lost(n)));
        }
    }

    #[test]
    fn one_who_comes_late_hears_the_kept_ones_and_how_many_are_missing() {
        let log = EventLog::default();
        (1..=1500).for_each(|n| log.emit(lost(n)));
        let told = read(&log, &mut 0, usize::MAX);
        assert_eq!((told.len(), &told[0].event, told[0].seq), (1001, &Event::Lagged { missed: 500 }, 500));
        assert_eq!((told[1].seq, told[1000].seq), (501, 1500));
        // A number that is kept no more, the newest, and one of another supervisor.
        assert_eq!(log.after(log.place_after(Some(499))).unwrap().event, Event::Lagged { missed: 1 });
        assert!(log.after(log.place_after(Some(1500))).is_none());
        assert_eq!((log.place_after(Some(1501)), log.place_after(None)), (0, 1500));
    }

    proptest! {
        #[test]
        fn whoever_reads_however_seldom_knows_of_every_event_or_that_it_is_missing(
            turns in prop::collection::vec((0_u64..900, 0_usize..900), 1..20)
        ) {
            let (log, mut place, mut told, mut missed, mut said) = (EventLog::default(), 0, 0, 0, 0);
            for (happens, reads) in turns.into_iter().chain([(0, usize::MAX)]) {
                (0..happens).for_each(|n| log.emit(lost(n)));
                said += happens;
                for event in read(&log, &mut place, reads) {
                    match event.event {
                        Event::Lagged { missed: more } => missed += more,
                        _ => told += 1,
                    }
                    prop_assert_eq!(event.seq, told + missed);
                }
            }
            prop_assert_eq!(told + missed, said);
        }
    }
}
