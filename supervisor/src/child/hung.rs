//! The judgement on a child that makes no progress: is it hung, or only waiting for its turn? Pure; the readings that it
//! judges come from [`crate::child::proc`].

use std::time::Duration;

use crate::child::proc::Sign;

/// A child without progress for this long is looked into. Heartbeats come four times a second.
pub(crate) const PATIENCE: Duration = Duration::from_millis(2500);
/// A child that has not been heard of for this long is looked at for having been stopped. That needs no patience: a
/// stopped process does nothing until somebody wakes it.
pub(crate) const GLANCE: Duration = Duration::from_millis(100);
/// A process that has used this much processor time without progress is going in circles.
const CIRCLES: Duration = Duration::from_secs(2);
/// A process whose threads have waited for their turn for this part of the time has not had the chance to get on.
/// A hung one still wakes four times a second to report, and doesn't wait for long unless everything does.
const STARVING_PART: u32 = 4;

/// A judgement on a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// The child is doing what it should.
    Fine,
    /// The child gets no processor time, or its disk doesn't answer: killing it would not help.
    Starved,
    /// A debugger holds it, or a signal has stopped it: it has to be replaced, and nothing is wrong with it.
    Stopped,
    /// The child could go on and doesn't: it has to be replaced.
    Hung,
}

/// Judges a child that has made no progress for its patience: by its signs at its last progress and now, by how long it
/// has been under suspicion, and by how long its threads waited for their turn meanwhile.
pub(crate) fn judge(
    then: Option<Sign>,
    now: Option<Sign>,
    watched: Duration,
    waited: Option<Duration>,
) -> Opinion {
    let Some(now) = now else { return Opinion::Fine };
    let used = now.cpu.saturating_sub(then.map_or(now.cpu, |t| t.cpu));
    let starving = waited.is_some_and(|waited| waited * STARVING_PART >= watched);
    match now.state {
        _ if now.is_stopped() => Opinion::Stopped,
        _ if now.is_dead() => Opinion::Fine,
        'D' => Opinion::Starved,
        // A process that wants to run is hung if it did and got nowhere, and starved if it didn't get to.
        'R' if used >= CIRCLES => Opinion::Hung,
        'R' => Opinion::Starved,
        // Asleep at this moment, as a starved process may be too, between two turns that came too late.
        _ if starving => Opinion::Starved,
        _ => Opinion::Hung,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(state: char, cpu_ms: u64) -> Option<Sign> {
        Some(Sign { state, cpu: Duration::from_millis(cpu_ms), start_ticks: 1 })
    }

    fn after(now: Option<Sign>) -> Opinion {
        judge(at('S', 100), now, PATIENCE, Some(PATIENCE / 20))
    }

    #[test]
    fn a_process_is_hung_when_it_could_go_on_and_does_not() {
        assert_eq!(after(at('S', 100)), Opinion::Hung);
        assert_eq!(after(at('T', 100)), Opinion::Stopped);
        assert_eq!(after(at('R', 8_000)), Opinion::Hung);
    }

    #[test]
    fn a_process_without_its_turn_is_not_hung() {
        assert_eq!(after(at('R', 300)), Opinion::Starved);
        assert_eq!(after(at('D', 100)), Opinion::Starved);
        assert_eq!(after(None), Opinion::Fine);
    }

    #[test]
    fn a_process_that_sleeps_between_turns_that_come_too_late_is_not_hung() {
        let waiting = |waited| judge(at('S', 100), at('S', 300), PATIENCE, waited);
        assert_eq!(waiting(Some(PATIENCE / 2)), Opinion::Starved);
        assert_eq!(waiting(Some(PATIENCE / 10)), Opinion::Hung);
        assert_eq!(waiting(None), Opinion::Hung, "a kernel that doesn't count it");
        let stopped = judge(at('S', 100), at('T', 100), PATIENCE, Some(PATIENCE));
        assert_eq!(stopped, Opinion::Stopped);
    }
}
