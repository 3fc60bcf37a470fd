//! The time until a child is started again, by how its last lives ended. Pure. [`super::kills`] may ask for a longer one.

use std::time::Duration;

use proto::instance::ChildId;

/// A life of this length shows that whatever made a process crash is over.
pub(crate) const HEALTHY_LIFE: Duration = Duration::from_secs(60);

/// A process that is killed within this time is followed by the next one after as long a wait.
const SHORTEST_LIFE: Duration = Duration::from_millis(50);

/// The end of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, or because it had to be ended: something is wrong with it, and may be next time.
    Crashed,
    /// By somebody's hand: nothing is wrong with it, and the next one is wanted at once.
    Killed,
    /// By itself, because its camera's config or source can't be used as it is. That stays so until a person changes one
    /// of them, and a file that is opened again and again costs more than a look every half a minute.
    Misconfigured,
}
/// The first wait after the restart at once; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Frames are ageing in the ring while there is no recorder.
const LONGEST_RECORDER_WAIT: Duration = Duration::from_secs(2);
/// A camera that isn't there is looked for in peace.
const LONGEST_CAPTURE_WAIT: Duration = Duration::from_secs(30);
/// A camera that is put right is found within this time. `preroll restart CAMERA` finds it at once.
const MISCONFIGURED_WAIT: Duration = Duration::from_secs(30);

/// A child's recent lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Restarts since the supervisor knows it.
    pub(crate) restarts: u64,
    /// Lives one after the other that were too short.
    short_lives: u32,
}

impl Record {
    /// Counts the end of a life, and says how long to wait before the next.
    pub(crate) fn next(&mut self, child: &ChildId, life: Duration, ending: Ending) -> Duration {
        if ending == Ending::Killed {
            // Something that kills at once, again and again, must not have the machine to itself.
            return if life < SHORTEST_LIFE { SHORTEST_LIFE } else { Duration::ZERO };
        }
        if life >= HEALTHY_LIFE {
            self.short_lives = 0;
        }
        let crash_wait = wait(child, self.short_lives);
        self.short_lives = self.short_lives.saturating_add(1);
        if ending == Ending::Misconfigured { MISCONFIGURED_WAIT } else { crash_wait }
    }

    /// Has it ended several times in a row before it was well?
    pub(crate) fn keeps_ending(&self) -> bool {
        self.short_lives >= 3
    }

    /// A long life, or something else to work with, makes earlier ends count no more.
    pub(crate) fn forgive(&mut self) {
        self.short_lives = 0;
    }
}

fn wait(child: &ChildId, short_lives: u32) -> Duration {
    let longest = match child {
        ChildId::Recorder => LONGEST_RECORDER_WAIT,
        ChildId::Capture(_) | ChildId::Standby => LONGEST_CAPTURE_WAIT,
    };
    match short_lives.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_WAIT.saturating_mul(1 << doublings.min(16)).min(longest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::name::Name;

    fn waits(child: &ChildId, lives: &[u64]) -> Vec<u128> {
        let mut record = Record::default();
        lives
            .iter()
            .map(|s| record.next(child, Duration::from_secs(*s), Ending::Crashed).as_millis())
            .collect()
    }

    #[test]
    fn a_process_that_is_killed_again_and_again_comes_back_at_once() {
        let mut record = Record::default();
        let waits = [5_000, 50, 60, 90]
            .map(|ms| record.next(&ChildId::Recorder, Duration::from_millis(ms), Ending::Killed));
        assert_eq!(waits, [Duration::ZERO; 4]);
        assert!(!record.keeps_ending());
    }

    #[test]
    fn the_first_restart_is_at_once_and_the_next_ones_back_off() {
        assert_eq!(waits(&ChildId::Recorder, &[1; 8]), [0, 100, 200, 400, 800, 1600, 2000, 2000]);
        let capture = ChildId::Capture(Name::new("left").unwrap());
        assert_eq!(waits(&capture, &[1; 12])[8..], [12_800, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn with_another_encoder_it_starts_afresh_and_at_once() {
        let mut record = Record::default();
        let crash =
            |record: &mut Record, s| record.next(&ChildId::Recorder, Duration::from_secs(s), Ending::Crashed);
        assert_eq!((crash(&mut record, 70), crash(&mut record, 1)), (Duration::ZERO, FIRST_WAIT));
        record.forgive();
        assert_eq!(crash(&mut record, 1), Duration::ZERO);
    }

    #[test]
    fn a_camera_that_cannot_be_used_as_configured_is_tried_every_half_a_minute() {
        let mut record = Record::default();
        let capture = ChildId::Capture(Name::new("left").unwrap());
        let waits = [1, 1, 1].map(|s| record.next(&capture, Duration::from_secs(s), Ending::Misconfigured));
        assert_eq!(waits, [Duration::from_secs(30); 3]);
        assert!(record.keeps_ending());
    }

    #[test]
    fn a_healthy_life_forgives() {
        assert_eq!(waits(&ChildId::Recorder, &[1, 1, 1, 61, 1]), [0, 100, 200, 0, 100]);
    }
}
