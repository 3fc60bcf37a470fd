//! The pace of a free-running camera: absolute deadlines on the camera's own clock, so that no delay adds up.

use proto::frame::{Fps, LossBefore};
use proto::time::MonotonicNs;

/// Frames that a camera's driver keeps for a process that comes late. A process that is later than this has
/// lost frames, as it would with a real camera. Eight is what a careful V4L2 program asks its driver for.
pub const DRIVER_QUEUE_FRAMES: u64 = 8;

/// A free-running camera's clock: frame `n` is exposed at `zero + n / fps`, whoever looks.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    zero: MonotonicNs,
    fps: Fps,
    next: u64,
}

/// The next frame of a [`Pace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The camera's number for it.
    pub source_sequence: u64,
    /// The moment of its exposure.
    pub at: MonotonicNs,
    /// The cause, if numbers were passed over.
    pub before: LossBefore,
    /// The count of numbers passed over just before it.
    pub lost: u64,
}

impl Pace {
    /// A camera that has been running since `zero`, and is opened `now`: the next exposure is the first delivered.
    #[must_use]
    pub fn opened(zero: MonotonicNs, fps: Fps, now: MonotonicNs) -> Self {
        let next = if now <= zero { 0 } else { fps.frames_in(now.0 - zero.0) + 1 };
        Self { zero, fps, next }
    }

    /// The next frame for a process that looks at `now`: in order, except for frames that the driver has
    /// given up.
    pub fn next(&mut self, now: MonotonicNs) -> Due {
        let newest = self.fps.frames_in(now.0.saturating_sub(self.zero.0));
        let kept_from = (newest + 1).saturating_sub(DRIVER_QUEUE_FRAMES);
        let lost = kept_from.saturating_sub(self.next);
        let source_sequence = self.next + lost;
        self.next = source_sequence + 1;
        Due {
            source_sequence,
            at: self.due(source_sequence),
            before: if lost > 0 { LossBefore::CameraDrop } else { LossBefore::Nothing },
            lost,
        }
    }

    /// Passes over every frame until `now`: a camera that was silent made none.
    pub fn skip_to(&mut self, now: MonotonicNs) {
        *self = Self::opened(self.zero, self.fps, now);
    }

    fn due(&self, source_sequence: u64) -> MonotonicNs {
        MonotonicNs(self.zero.0.saturating_add(self.fps.due_ns(source_sequence)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: MonotonicNs = MonotonicNs(1_000_000_007);

    fn fps() -> Fps {
        Fps::new(60.0).unwrap()
    }

    #[test]
    fn a_process_in_time_gets_every_frame_at_its_time() {
        let mut pace = Pace::opened(ZERO, fps(), ZERO);
        for n in 0..1_000 {
            let due = pace.next(MonotonicNs(ZERO.0 + fps().due_ns(n)));
            assert_eq!((due.source_sequence, due.lost), (n, 0));
            assert_eq!(fps().frames_in(due.at.0 - ZERO.0), n);
        }
    }

    #[test]
    fn a_process_that_is_late_catches_up_from_the_drivers_queue() {
        let mut pace = Pace::opened(ZERO, fps(), ZERO);
        let late = MonotonicNs(ZERO.0 + fps().due_ns(3));
        let got: Vec<_> = (0..5).map(|_| pace.next(late).source_sequence).collect();
        assert_eq!(got, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_process_that_is_too_late_has_lost_frames_and_knows_how_many() {
        let mut pace = Pace::opened(ZERO, fps(), ZERO);
        let due = pace.next(MonotonicNs(ZERO.0 + fps().due_ns(20)));
        assert_eq!((due.source_sequence, due.lost, due.before), (13, 13, LossBefore::CameraDrop));
        assert_eq!(pace.next(due.at).lost, 0);
    }

    #[test]
    fn a_capture_that_was_dead_comes_back_at_the_cameras_own_number() {
        let away = MonotonicNs(ZERO.0 + fps().due_ns(30));
        assert_eq!(Pace::opened(ZERO, fps(), away).next(away).source_sequence, 31);
    }
}
