//! Numbers that look random, and can be had again by their seed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// xorshift64, from a seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice for one purpose: two purposes with the same seed don't disturb each other's throws.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        // Small seeds would begin with small numbers.
        let mut dice = Self((seed ^ purpose.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        (0..8).for_each(|_| _ = dice.below(2));
        dice
    }

    /// Dice for a test: the seed is that of the variable `PREROLL_SEED`, or else the clock's. It is printed, so that a
    /// failure can be had again.
    #[must_use]
    pub fn of_environment() -> Self {
        let given = std::env::var("PREROLL_SEED").ok().and_then(|seed| seed.parse().ok());
        let by_clock =
            || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos().into();
        let seed = given.unwrap_or_else(by_clock);
        println!("PREROLL_SEED={seed}");
        Self::new(seed, 0)
    }

    /// A number of `0..below`; 0 if there is none.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11).checked_rem(below).unwrap_or(0)
    }

    /// A number of `from..=to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// Sleeps for less than so long, and says for how long. For a moment that is meant to be any: where an event is meant,
    /// wait for it.
    pub fn pause(&mut self, below_ms: u64) -> u64 {
        let ms = self.below(below_ms);
        std::thread::sleep(Duration::from_millis(ms));
        ms
    }
}
