//! A clip's need of one camera's frames, as a value: which frames its take has yet to write.

use proto::frame::FrameInfo;
use proto::time::MonotonicNs;

/// The first frame that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NeededFrom {
    /// The parts of an earlier recorder have not been read, so what they hold isn't known: every frame from this time on.
    Unread(MonotonicNs),
    /// The window's first frame isn't known yet.
    Time(MonotonicNs),
    /// The first frame whose packet isn't in the kernel's hands.
    Frame(u64),
}

/// A clip's need of one camera's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// The ring that they are in.
    pub(crate) ring_id: u64,
    pub(crate) from: NeededFrom,
    /// The end of the window.
    pub(crate) end: MonotonicNs,
}

impl Need {
    /// Is this frame needed? The first one behind the window is: it tells that none before it is missing, and the ring's
    /// ledger may have forgotten it by the time a slow encoder is done. `before` is the frame before this one.
    pub(crate) fn wants(&self, frame: &FrameInfo, before: impl FnOnce() -> Option<FrameInfo>) -> bool {
        let has_begun = match self.from {
            NeededFrom::Unread(start) | NeededFrom::Time(start) => frame.t_capture >= start,
            NeededFrom::Frame(first) => frame.sequence >= first,
        };
        has_begun && (frame.t_capture <= self.end || before().is_some_and(|b| b.t_capture <= self.end))
    }

    /// The room under which a frame of this need is moved. A take that hasn't read its parts may have many of its frames on
    /// disk, and soon knows: it gets half, so that a recorder that takes over on a quiet machine moves nothing.
    pub(crate) fn limit(&self, threshold: usize) -> usize {
        match self.from {
            NeededFrom::Unread(_) => (threshold / 2).max(1),
            NeededFrom::Time(_) | NeededFrom::Frame(_) => threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(n: u64) -> FrameInfo {
        FrameInfo { sequence: n, t_capture: MonotonicNs(n * 10), ..FrameInfo::default() }
    }

    fn wanted(need: &Need) -> Vec<u64> {
        (1..30).filter(|n| need.wants(&frame(*n), || n.checked_sub(1).map(frame))).collect()
    }

    #[test]
    fn the_window_is_needed_and_the_first_frame_behind_it() {
        let need = Need { ring_id: 1, from: NeededFrom::Time(MonotonicNs(95)), end: MonotonicNs(130) };
        assert_eq!(wanted(&need), [10, 11, 12, 13, 14]);
        let need = Need { from: NeededFrom::Unread(MonotonicNs(100)), ..need };
        assert_eq!(wanted(&need), [10, 11, 12, 13, 14]);
        let need = Need { from: NeededFrom::Frame(12), ..need };
        assert_eq!(wanted(&need), [12, 13, 14]);
        assert!(!need.wants(&frame(14), || None), "nobody knows whether it is the first");
        let need = Need { from: NeededFrom::Frame(15), ..need };
        assert!(wanted(&need).is_empty());
    }

    #[test]
    fn a_take_that_knows_little_waits_longer() {
        let need = Need { ring_id: 1, from: NeededFrom::Unread(MonotonicNs(0)), end: MonotonicNs(9) };
        assert_eq!(need.limit(15), 7);
        assert_eq!(need.limit(1), 1, "half of one frame would be none");
        assert_eq!(Need { from: NeededFrom::Time(MonotonicNs(0)), ..need }.limit(15), 15);
        assert_eq!(Need { from: NeededFrom::Frame(3), ..need }.limit(15), 15);
    }
}
