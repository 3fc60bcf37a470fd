//! Is an encoder too slow for its camera? Pure: it goes by how far a take is behind its camera after each frame.
//!
//! A clip begins a whole pre-roll behind and catches up. One that doesn't, because the machine has less time to spare than
//! when the codecs were tried, is overtaken by the ring in the end, and loses frames that were captured.

use std::time::Duration;

/// Over so many frames it is seen whether a take catches up. A key frame, or another process's moment, is longer than one.
const OVER: u32 = 4;
/// With less than this part of the ring left before the oldest frame that is needed is written over, there is danger.
const DANGER: u64 = 6;

/// What is known of a take's haste.
#[derive(Debug, Default)]
pub(crate) struct Haste {
    from: Option<Mark>,
    frames: u32,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    behind: u64,
    waited: Duration,
}

impl Haste {
    /// After a frame was encoded: so many frames of the ring's `slots` are still to be encoded, and this thread has waited
    /// so long for the disk so far. Says whether a faster encoder would be better.
    pub(crate) fn is_too_slow(
        &mut self,
        behind: u64,
        slots: u64,
        waited: Duration,
        period: Duration,
    ) -> bool {
        let now = Mark { behind, waited };
        let from = *self.from.get_or_insert(now);
        self.frames += 1;
        if self.frames <= OVER {
            return false;
        }
        *self = Self { from: Some(now), frames: 1 };
        let kept_by_the_disk = waited.saturating_sub(from.waited) > period;
        let in_danger = slots.saturating_sub(behind) * DANGER <= slots;
        !kept_by_the_disk && in_danger && behind >= from.behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(16);

    /// After which of these frames, each so far behind in a ring of 60, it is found too slow.
    fn too_slow_after(behind: &[u64]) -> Option<usize> {
        let mut haste = Haste::default();
        behind.iter().position(|&behind| haste.is_too_slow(behind, 60, Duration::ZERO, PERIOD))
    }

    #[test]
    fn one_that_catches_up_is_never_too_slow_however_far_behind_it_began() {
        assert_eq!(too_slow_after(&[58, 58, 58, 57, 57, 57, 56, 56, 56, 56, 55, 55, 55]), None);
    }

    #[test]
    fn one_that_falls_behind_is_too_slow_when_the_ring_is_about_to_overtake_it() {
        assert_eq!(too_slow_after(&[40, 41, 42, 43, 44, 45, 46, 47, 48]), None, "there is room");
        assert_eq!(too_slow_after(&[40, 42, 44, 46, 48, 50, 52, 54, 56]), Some(8));
        assert_eq!(
            too_slow_after(&[55, 55, 55, 55, 55]),
            Some(4),
            "as fast as the camera is not enough here"
        );
    }

    #[test]
    fn a_disk_that_kept_it_is_not_the_encoder() {
        let mut haste = Haste::default();
        let slow: Vec<u64> = [50, 52, 54, 56, 58].to_vec();
        let waiting = |frame: usize| PERIOD * u32::try_from(frame).unwrap();
        assert!(!slow.iter().enumerate().any(|(n, b)| haste.is_too_slow(*b, 60, waiting(n), PERIOD)));
    }
}
