//! Up a ladder until it breaks, then halfway between, again and again: about the largest number that holds, in few tries,
//! since a machine that is asked for more than it can takes minutes. Pure.

/// From here on the ladder's steps are even, as far as a person wants to see the curve.
const EVEN_STEP: u32 = 8;
const CURVE: u32 = 64;
/// The number is found when no more than this part lies between what holds and what doesn't; or one.
const NEARLY: u32 = 16;

/// A search for the largest number that holds.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    least: u32,
    most: u32,
    held: u32,
    failed: Option<u32>,
    failed_once: Option<u32>,
}

impl Search {
    /// Among the numbers up to `most`, the first of which to try is `least`.
    #[must_use]
    pub fn between(least: u32, most: u32) -> Self {
        Self { least, most, held: 0, failed: None, failed_once: None }
    }

    /// The number to try next; `None` when it is found. A number that fails is tried once more before that counts.
    #[must_use]
    pub fn next(&self) -> Option<u32> {
        if self.failed_once.is_some() {
            return self.failed_once;
        }
        let next = match self.failed {
            Some(failed) if failed - self.held <= self.held / NEARLY => return None,
            Some(failed) => self.held + (failed - self.held) / 2,
            None if self.held == 0 => self.least.min(self.most),
            None if self.held < EVEN_STEP => (self.held * 2).min(self.most),
            None if self.held < CURVE => (self.held + EVEN_STEP).min(self.most),
            None => (self.held + 2 * EVEN_STEP).min(self.most),
        };
        (next > self.held).then_some(next)
    }

    /// Takes the result of the number that was to be tried.
    pub fn tried(&mut self, number: u32, held: bool) {
        if held {
            (self.held, self.failed_once) = (number, None);
        } else if self.failed_once.replace(number) == Some(number) {
            (self.failed, self.failed_once) = (Some(number), None);
        }
    }

    /// The number that was to be tried doesn't hold, for certain.
    pub fn is_too_much(&mut self, number: u32) {
        (self.failed, self.failed_once) = (Some(number), None);
    }

    /// The largest that has held so far; 0 for none.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number that is tried, and what is found.
    fn search(least: u32, most: u32, holds: impl Fn(u32) -> bool) -> (Vec<u32>, u32) {
        let (mut search, mut tried) = (Search::between(least, most), Vec::new());
        while let Some(number) = search.next() {
            assert!(tried.len() < 100, "{tried:?}");
            tried.push(number);
            search.tried(number, holds(number));
        }
        (tried, search.held())
    }

    #[test]
    fn the_limit_is_found_to_the_camera_if_it_is_small_and_nearly_if_it_is_large() {
        assert_eq!(search(1, 256, |n| n <= 27), (vec![1, 2, 4, 8, 16, 24, 32, 32, 28, 28, 26, 27], 27));
        for limit in 0..=31 {
            assert_eq!(search(1, 200, |n| n <= limit).1, limit);
        }
        for limit in 32..=200 {
            let found = search(1, 200, |n| n <= limit).1;
            assert!(found <= limit && limit - found <= limit / NEARLY, "{found} of {limit}");
        }
    }

    #[test]
    fn no_more_are_tried_than_were_asked_for() {
        assert_eq!(search(1, 2, |_| true), (vec![1, 2], 2));
        assert_eq!(search(1, 20, |_| true), (vec![1, 2, 4, 8, 16, 20], 20));
        assert_eq!(search(1, 0, |_| true), (vec![], 0));
    }

    #[test]
    fn it_can_begin_where_one_likes_and_goes_down_from_there_too() {
        assert_eq!(search(16, 16, |_| true), (vec![16], 16));
        assert_eq!(search(16, 20, |n| n <= 3), (vec![16, 16, 8, 8, 4, 4, 2, 3], 3));
    }

    #[test]
    fn what_is_too_much_for_certain_is_not_tried_again_even_after_a_bad_moment() {
        let (mut search, mut tried) = (Search::between(16, 24), Vec::new());
        while let Some(number) = search.next() {
            assert!(tried.len() < 100, "{tried:?}");
            tried.push(number);
            match tried.iter().filter(|n| **n == number).count() {
                1 => search.tried(number, number < 18),
                _ => search.is_too_much(number),
            }
        }
        assert_eq!((search.held(), tried), (17, vec![16, 24, 24, 20, 20, 18, 18, 17]));
    }

    #[test]
    fn one_bad_moment_is_no_limit() {
        let (mut search, mut bad_moments) = (Search::between(1, 16), 0);
        while let Some(number) = search.next() {
            let bad = number == 8 && bad_moments == 0;
            bad_moments += u32::from(bad);
            search.tried(number, !bad);
        }
        assert_eq!((search.held(), bad_moments), (16, 1));
    }
}
