//! The pace at which the recorder encodes, from the counts in its reports; and with it the time that waiting frames will
//! take. Pure: the time of each report is handed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A pace is that of so much time: long enough that single slow frames don't show, short enough that a machine which has
/// just got busier does.
const OVER: Duration = Duration::from_secs(4);
/// Less time than this says nothing yet.
const AT_LEAST: Duration = Duration::from_secs(1);

/// The recorder's pace.
#[derive(Default)]
pub(crate) struct Pace {
    /// The moments at which reports were heard, and the frames that the recorder had encoded by then.
    counts: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// Takes a report's count of encoded frames. A count that falls is another recorder's.
    pub(crate) fn heard(&mut self, now: Instant, frames_encoded: u64) {
        if self.counts.back().is_some_and(|(_, last)| frames_encoded < *last) {
            self.counts.clear();
        }
        self.counts.push_back((now, frames_encoded));
        while self.counts.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > OVER) {
            self.counts.pop_front();
        }
    }

    /// Frames a second of all cameras together; `None` before enough was heard, or while nothing is encoded.
    pub(crate) fn frames_per_s(&self) -> Option<f64> {
        let ((began, first), (ended, last)) = (self.counts.front()?, self.counts.back()?);
        let span = ended.saturating_duration_since(*began);
        #[expect(clippy::cast_precision_loss, reason = "frames of some seconds")]
        let frames = (last - first) as f64;
        (span >= AT_LEAST && frames > 0.0).then(|| frames / span.as_secs_f64())
    }
}

/// The seconds that so many frames take at this pace; `None` when that can't be said.
#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
pub(crate) fn seconds(frames: u64, frames_per_s: Option<f64>) -> Option<f64> {
    frames_per_s.map(|rate| frames as f64 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_that_of_the_last_seconds_of_one_recorder() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let mut hear = |ms, count| {
            pace.heard(start + Duration::from_millis(ms), count);
            pace.frames_per_s()
        };
        assert_eq!(hear(0, 100), None);
        assert_eq!(hear(500, 130), None, "half a second says nothing yet");
        assert_eq!(hear(1000, 160), Some(60.0));
        assert_eq!(hear(4000, 220), Some(30.0));
        assert_eq!(hear(8000, 320), Some(25.0), "what is older than four seconds doesn't count");
        assert_eq!(hear(8250, 5), None, "another recorder counts from its own start");
        assert_eq!(hear(9250, 25), Some(20.0));
        assert_eq!(hear(13_250, 25), None, "nothing is being encoded");
    }

    #[test]
    fn waiting_frames_take_their_number_over_the_pace() {
        assert_eq!((seconds(50, Some(25.0)), seconds(50, None)), (Some(2.0), None));
    }
}
