//! The capture's word on its frames' times, in the ring's first page: written by the capture, read by whoever shows it. No frame
//! depends on it, and its words may be of two moments.

use core::time::Duration;

use crate::frame::{CaptureTime, TimeOfSource};
use crate::sync::AtomicU64;
use crate::sync::Ordering::Relaxed;

/// The word on a ring's capture times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingTime {
    /// The source's word. Its anchors are counted through all lives of the capture.
    pub of_source: TimeOfSource,
    /// From a frame's time, as the source gave it, to the frame's arrival at the capture, as of the last frames.
    pub delay: Duration,
    /// The part of the times that the config has subtracted.
    pub latency: Duration,
}

/// [`RingTime`] in a ring. All zero before the first frame, and in a ring of a version that said nothing.
#[derive(Debug, Default)]
#[repr(C)]
pub struct TimeWords {
    /// [`CaptureTime::code`]; 0 before the first frame.
    pub source: AtomicU64,
    /// [`TimeOfSource::error_ns`] and one; 0 where nobody can tell.
    pub error_ns_and_one: AtomicU64,
    /// [`TimeOfSource::anchors`].
    pub anchors: AtomicU64,
    /// [`RingTime::delay`].
    pub delay_ns: AtomicU64,
    /// [`RingTime::latency`].
    pub latency_ns: AtomicU64,
}

impl TimeWords {
    /// The word, once a frame has come.
    #[must_use]
    pub fn load(&self) -> Option<RingTime> {
        let source = CaptureTime::from_code(self.source.load(Relaxed))?;
        let error_ns = self.error_ns_and_one.load(Relaxed).checked_sub(1);
        Some(RingTime {
            of_source: TimeOfSource { source, error_ns, anchors: self.anchors.load(Relaxed) },
            delay: Duration::from_nanos(self.delay_ns.load(Relaxed)),
            latency: Duration::from_nanos(self.latency_ns.load(Relaxed)),
        })
    }

    /// Leaves the word.
    pub fn store(&self, time: &RingTime) {
        let TimeOfSource { source, error_ns, anchors } = time.of_source;
        let ns = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        self.error_ns_and_one.store(error_ns.map_or(0, |ns| ns.saturating_add(1)), Relaxed);
        self.anchors.store(anchors, Relaxed);
        self.delay_ns.store(ns(time.delay), Relaxed);
        self.latency_ns.store(ns(time.latency), Relaxed);
        self.source.store(source.code(), Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_read_as_it_was_left_and_nothing_is_said_before_it() {
        let words = TimeWords::default();
        assert_eq!(words.load(), None);
        for error_ns in [None, Some(0), Some(7), Some(u64::MAX - 1)] {
            let of_source = TimeOfSource { source: CaptureTime::RtpSr, error_ns, anchors: 3 };
            let time =
                RingTime { of_source, delay: Duration::from_micros(17), latency: Duration::from_millis(40) };
            words.store(&time);
            assert_eq!(words.load(), Some(time));
        }
        words.source.store(99, Relaxed);
        assert_eq!(words.load(), None, "another version's event");
    }
}
