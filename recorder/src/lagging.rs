//! Is an encoder too slow for its camera? A pure judgement by how far a take lags behind its camera after each frame.
//!
//! A clip begins a whole pre-roll behind its camera and catches up. A clip that doesn't catch up, because the machine
//! has less time to spare than when the encoders were tried, is overtaken by the ring in the end and loses captured
//! frames. The decision what to do about it is [`crate::take`]'s.

use std::time::Duration;

use proto::ring::RingSpec;

/// A take is judged over this many frames. A single one says little: a key frame takes longer than others, and another
/// process may have had the processor.
const OVER: u32 = 4;
/// A take is in danger when less than half of the reserve is left before its next frame is overwritten. With more time
/// left than this it is not, however long the reserve is.
const AT_EASE: Duration = Duration::from_millis(250);

/// The development of a take's lag behind its camera.
#[derive(Debug, Default)]
pub(crate) struct Lagging {
    from: Option<Mark>,
    frames: u32,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    behind: u64,
    waited: Duration,
}

impl Lagging {
    /// Judges after an encoded frame whether a faster encoder is needed. `behind` is the number of frames in the ring that
    /// are still to be encoded, `waited` how long this thread has waited for the disk in its life.
    pub(crate) fn is_too_slow(&mut self, behind: u64, ring: &RingSpec, waited: Duration) -> bool {
        let now = Mark { behind, waited };
        let from = *self.from.get_or_insert(now);
        self.frames += 1;
        if self.frames <= OVER {
            return false;
        }
        *self = Self { from: Some(now), frames: 1 };
        let kept_by_the_disk = waited.saturating_sub(from.waited) > ring.fps.period();
        let room = (ring.size.slots() as u64).saturating_sub(behind);
        let danger =
            (ring.size.reserve_slots as u64 / 2).min(ring.fps.frames_in(proto::time::nanos(AT_EASE)));
        !kept_by_the_disk && room <= danger && behind >= from.behind
    }
}

#[cfg(test)]
mod tests {
    use proto::frame::{Fps, Geometry, PixelFormat};
    use proto::ring::RingSize;

    use super::*;

    /// 60 slots of 60 frames a second, 20 of them the reserve: danger begins with room for 10.
    fn ring() -> RingSpec {
        let geometry = Geometry::new(64, 64, PixelFormat::I420).unwrap();
        let size = RingSize { pre_roll_slots: 38, reserve_slots: 20, lease_slots: 2 };
        RingSpec { geometry, fps: Fps::new(60.0).unwrap(), size }
    }

    /// After which of these frames, each so far behind, it is found too slow.
    fn too_slow_after(ring: &RingSpec, behind: &[u64]) -> Option<usize> {
        let mut lagging = Lagging::default();
        behind.iter().position(|&behind| lagging.is_too_slow(behind, ring, Duration::ZERO))
    }

    #[test]
    fn one_that_catches_up_is_never_too_slow_however_far_behind_it_began() {
        let catches_up = [58, 58, 58, 57, 57, 57, 56, 56, 56, 56, 55, 55, 55];
        assert_eq!(too_slow_after(&ring(), &catches_up), None);
    }

    #[test]
    fn one_that_falls_behind_is_too_slow_when_the_ring_is_about_to_overtake_it() {
        assert_eq!(too_slow_after(&ring(), &[40, 41, 42, 43, 44, 45, 46, 47, 48]), None, "there is room");
        assert_eq!(too_slow_after(&ring(), &[40, 42, 44, 46, 48, 50, 52, 54, 56]), Some(8));
        assert_eq!(
            too_slow_after(&ring(), &[55, 55, 55, 55, 55]),
            Some(4),
            "as fast as the camera is too slow"
        );
    }

    #[test]
    fn a_long_pre_roll_is_no_danger_and_a_long_reserve_is_ease() {
        let size = RingSize { pre_roll_slots: 600, reserve_slots: 240, ..ring().size };
        let ring = RingSpec { size, ..ring() };
        // Ten seconds behind at its beginning, as it should be, with four seconds of room; then half a second.
        assert_eq!(too_slow_after(&ring, &[600, 600, 600, 600, 600, 600]), None);
        assert_eq!(too_slow_after(&ring, &[812, 812, 812, 812, 812, 812]), None);
        assert_eq!(too_slow_after(&ring, &[828, 828, 828, 828, 828, 828]), Some(4));
    }

    #[test]
    fn a_disk_that_kept_it_is_not_the_encoder() {
        let mut lagging = Lagging::default();
        let ring = ring();
        let waiting = |frame: usize| ring.fps.period() * u32::try_from(frame).unwrap();
        let slow = [50, 52, 54, 56, 58];
        assert!(!slow.iter().enumerate().any(|(n, b)| lagging.is_too_slow(*b, &ring, waiting(n))));
    }
}
