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

/// The duration of a file's last picture, which is shown at `at_us`: one frame time, or longer if it stood until a later
/// moment.
pub(crate) fn last_us(at_us: i64, stood_until: Option<MonotonicNs>, base: MonotonicNs, fps: Fps) -> i64 {
    let stood_us = stood_until.map_or(0, |until| pts_us(until, base).saturating_sub(at_us));
    // libav takes no longer durations: 35 minutes.
    stood_us.max(period_us(fps)).min(i32::MAX.into())
}

/// One frame's length in video time, nominally.
pub(crate) fn period_us(fps: Fps) -> i64 {
    i64::try_from(fps.period().as_micros()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_picture_is_shown_for_a_frame_time_or_until_the_moment_to_which_it_stood() {
        let ms = |ms: u64| MonotonicNs(ms * 1_000_000);
        let fps = Fps::new(25.0).unwrap();
        let last = |at_us, until| last_us(at_us, until, ms(1000), fps);
        assert_eq!(last(300_000, None), 40_000);
        assert_eq!(last(300_000, Some(ms(2000))), 700_000);
        assert_eq!(last(990_000, Some(ms(2000))), 40_000, "no picture is shown for less than before");
        assert_eq!(last(1_500_000, Some(ms(2000))), 40_000);
        assert_eq!(last(0, Some(ms(10_000_000))), i64::from(i32::MAX));
    }
}
