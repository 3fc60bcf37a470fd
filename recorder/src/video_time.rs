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

/// One frame's length in video time, nominally.
pub(crate) fn period_us(fps: Fps) -> i64 {
    i64::try_from(fps.period().as_micros()).unwrap_or(1)
}
