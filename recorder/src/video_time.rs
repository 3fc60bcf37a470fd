//! Times in a video: microseconds, from the clip's first frame on.

use ffmpeg_next::Rational;
use proto::frame::Fps;
use proto::time::{MonotonicNs, nanos};

/// The unit of times in a video: a microsecond.
pub(crate) const TIME_BASE: Rational = Rational(1, 1_000_000);

/// A frame's video time.
pub(crate) fn pts_us(t: MonotonicNs, base: MonotonicNs) -> i64 {
    i64::try_from(nanos(t - base) / 1_000).unwrap_or(i64::MAX)
}

/// The capture time that a file's time 0 stands for: its first frame's, but no earlier one than the clip's time 0. So a lead-in
/// is shown from the window's start on.
pub(crate) fn video_base(first: MonotonicNs, clip_base: MonotonicNs) -> MonotonicNs {
    first.max(clip_base)
}

/// One frame's length in video time, nominally.
pub(crate) fn period_us(fps: Fps) -> i64 {
    i64::try_from(fps.period().as_micros()).unwrap_or(1)
}
