//! The time since which a camera or the recorder is not at work, and why, over all the processes that were started for it
//! meanwhile. Pure.

use std::time::{Duration, Instant};

/// A camera or a recorder that takes longer than this to come up is missed. A camera opens within two seconds, and a recorder
/// within 0.2 s.
const COMING_UP: Duration = Duration::from_secs(5);
/// A camera that makes a frame now and then has shown none after so many frame times if it doesn't work.
const FRAMES_TO_COME: u32 = 3;

/// A look at what should be at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It does its work.
    There,
    /// It doesn't, and says or shows why.
    Failed(String),
    /// It is on its way; the end of its last process, if it had one.
    ComingUp(Option<String>),
}

/// The watch over one that should be at work.
#[derive(Clone, Debug)]
pub(crate) struct Absence {
    is_there: bool,
    was_there: bool,
    /// The moment when it was first seen not to be at work, or the beginning of the watch.
    since: Instant,
    /// It has failed since then.
    has_failed: bool,
    last_error: Option<String>,
    /// The time that coming up may take.
    patience: Duration,
}

/// How bad an absence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// It is there, or has just begun to come up for the first time.
    No,
    /// It was there, and is being replaced.
    Briefly,
    /// It has failed, or takes too long.
    Long,
}

impl Absence {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            is_there: false,
            was_there: false,
            since: now,
            has_failed: false,
            last_error: None,
            patience: COMING_UP,
        }
    }

    /// The same for a camera that makes a frame so often.
    pub(crate) fn of_camera(period: Duration, now: Instant) -> Self {
        Self { patience: COMING_UP.max(period * FRAMES_TO_COME), ..Self::new(now) }
    }

    /// Takes note of a look.
    pub(crate) fn note(&mut self, presence: Presence, now: Instant) {
        if self.is_there {
            self.since = now;
        }
        match presence {
            Presence::There => {
                let patience = self.patience;
                *self = Self { is_there: true, was_there: true, patience, ..Self::new(now) };
            }
            Presence::Failed(why) => {
                (self.is_there, self.has_failed, self.last_error) = (false, true, Some(why));
            }
            Presence::ComingUp(last_exit) => {
                self.is_there = false;
                // The camera's own word says more than its process's exit code.
                if !self.has_failed && self.last_error != last_exit && last_exit.is_some() {
                    self.last_error = last_exit;
                }
            }
        }
    }

    /// Judges it as of now.
    pub(crate) fn missed(&self, now: Instant) -> Missed {
        if self.is_there {
            Missed::No
        } else if self.has_failed || now.saturating_duration_since(self.since) >= self.patience {
            Missed::Long
        } else if self.was_there || self.last_error.is_some() {
            Missed::Briefly
        } else {
            Missed::No
        }
    }

    /// The last error since it was at work.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn the_first_seconds_of_the_first_start_are_no_absence() {
        let start = Instant::now();
        let mut absence = Absence::new(start);
        absence.note(Presence::ComingUp(None), start);
        assert_eq!(absence.missed(after(start, 4999)), Missed::No);
        assert_eq!(absence.missed(after(start, 5000)), Missed::Long);
        assert_eq!(absence.last_error(), None);
    }

    #[test]
    fn a_camera_that_makes_a_frame_a_minute_has_its_time() {
        let start = Instant::now();
        let absence = Absence::of_camera(Duration::from_secs(60), start);
        assert_eq!(absence.missed(after(start, 179_000)), Missed::No);
        assert_eq!(absence.missed(after(start, 180_000)), Missed::Long);
        let fast = Absence::of_camera(Duration::from_millis(16), start);
        assert_eq!(fast.missed(after(start, 5000)), Missed::Long);
    }

    #[test]
    fn an_error_is_kept_over_every_new_try_until_it_is_back() {
        let start = Instant::now();
        let mut absence = Absence::new(start);
        absence.note(Presence::There, start);
        absence.note(Presence::Failed("refused".into()), after(start, 10));
        for ms in (20..60_000).step_by(1000) {
            absence.note(Presence::ComingUp(Some("exit code 1".into())), after(start, ms));
            assert_eq!(
                (absence.missed(after(start, ms)), absence.last_error()),
                (Missed::Long, Some("refused"))
            );
        }
        absence.note(Presence::There, after(start, 60_000));
        assert_eq!((absence.missed(after(start, 60_000)), absence.last_error()), (Missed::No, None));
    }

    #[test]
    fn one_that_is_replaced_is_missed_briefly_and_from_five_seconds_on_for_long() {
        let start = Instant::now();
        let mut absence = Absence::new(start);
        absence.note(Presence::There, after(start, 9000));
        absence.note(Presence::ComingUp(Some("signal 9".into())), after(start, 9010));
        assert_eq!(
            (absence.missed(after(start, 9010)), absence.last_error()),
            (Missed::Briefly, Some("signal 9"))
        );
        absence.note(Presence::ComingUp(Some("signal 11".into())), after(start, 13_000));
        assert_eq!(
            (absence.missed(after(start, 14_010)), absence.last_error()),
            (Missed::Long, Some("signal 11"))
        );
    }
}
