//! Kills of one child, counted: how soon the next process may follow, and when a person should hear of it. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Kills are remembered for this long.
const MEMORY: Duration = Duration::from_secs(60);
/// So many kills in [`MEMORY`] are no accident. A nemesis that takes a random victim every few seconds stays below.
const SAID: usize = 10;

/// The span in which [`TOO_FAST`] are counted.
const LATELY: Duration = Duration::from_secs(10);
/// Once every 250 ms: a recorder that is killed more often has no time to come back within the reserve of 200 ms. A child that is killed for a while only never comes to this.
const TOO_FAST: usize = 40;
/// Still within the reserve, together with a recorder's start.
const SHORT_WAIT: Duration = Duration::from_millis(100);

/// So many kills in [`MEMORY`] will not end soon, and each start takes the processor from the others.
const ENDLESS: usize = 150;
const LONG_WAIT: Duration = Duration::from_secs(1);

/// The moments at which a child was killed, within the last minute.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    at: VecDeque<Instant>,
}

impl Kills {
    /// Counts one more kill, and says how long the next process has to wait at least.
    pub(crate) fn another(&mut self, now: Instant) -> Duration {
        self.at.push_back(now);
        while self.at.front().is_some_and(|at| now.saturating_duration_since(*at) > MEMORY) {
            self.at.pop_front();
        }
        if self.within(MEMORY, now) >= ENDLESS {
            LONG_WAIT
        } else if self.within(LATELY, now) >= TOO_FAST {
            SHORT_WAIT
        } else {
            Duration::ZERO
        }
    }

    /// A sentence for a person, if kills are no accident.
    pub(crate) fn trouble(&self, now: Instant) -> Option<String> {
        let times = self.within(MEMORY, now);
        (times >= SAID)
            .then(|| format!("keeps being killed: {times} times in the last {} s", MEMORY.as_secs()))
    }

    fn within(&self, span: Duration, now: Instant) -> usize {
        self.at.iter().rev().take_while(|at| now.saturating_duration_since(**at) <= span).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Is killed after each of so many lives of so many milliseconds; the waits, and what is said at the end.
    fn waits(lives: usize, life_ms: u64) -> (Vec<u128>, Option<String>) {
        let (mut kills, mut now) = (Kills::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..lives {
            now += Duration::from_millis(life_ms);
            let wait = kills.another(now);
            waits.push(wait.as_millis());
            now += wait;
        }
        (waits, kills.trouble(now))
    }

    #[test]
    fn somebody_who_kills_for_a_while_does_not_slow_the_next_one_down() {
        assert_eq!(
            waits(39, 50),
            (vec![0; 39], Some("keeps being killed: 39 times in the last 60 s".into()))
        );
        assert_eq!(waits(500, 1000).0, vec![0; 500]);
        assert_eq!(waits(100, 10_000), (vec![0; 100], None));
    }

    #[test]
    fn an_endless_loop_gets_slower() {
        let (waits, _) = waits(400, 50);
        assert_eq!([waits[38], waits[39], waits[148], waits[149]], [0, 100, 100, 1000]);
        // And by that stays at what the limit allows: a few each second.
        assert!(waits[200..].iter().filter(|wait| **wait == 1000).count() > 20, "{waits:?}");
    }

    #[test]
    fn it_is_forgotten_after_a_minute() {
        let mut kills = Kills::default();
        let start = Instant::now();
        (0..200).for_each(|_| {
            kills.another(start);
        });
        assert!(kills.trouble(start + Duration::from_secs(59)).is_some());
        assert_eq!(kills.trouble(start + Duration::from_secs(61)), None);
        assert_eq!(kills.another(start + Duration::from_secs(61)), Duration::ZERO);
    }
}
