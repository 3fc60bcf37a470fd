//! A camera's nominal frame rate, and the moments at which its frames are due.

use core::fmt;

/// A frame rate in thousandths of a frame a second, so that 59.94 is exact and arithmetic stays in integers. At least
/// 0.001 and at most [`Fps::MAX`] frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Fps(u32);

impl Fps {
    /// The fastest rate that a config may name, in frames a second.
    pub const MAX: f64 = 10_000.0;

    /// The rate of so many frames a second, rounded to thousandths. `None` when it is out of range or not a number.
    #[must_use]
    pub fn new(fps: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked first")]
        let milli = if fps > 0.0 && fps <= Self::MAX { (fps * 1_000.0).round() as u32 } else { 0 };
        Self::from_milli(u64::from(milli))
    }

    /// The rate of so many thousandths of a frame a second. `None` when it is out of range.
    #[must_use]
    pub fn from_milli(milli: u64) -> Option<Self> {
        u32::try_from(milli).ok().filter(|m| (1..=10_000_000).contains(m)).map(Self)
    }

    /// Thousandths of a frame a second.
    #[must_use]
    pub fn milli(self) -> u32 {
        self.0
    }

    /// Frames a second.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }

    /// The time from one frame to the next, rounded down to a nanosecond.
    #[must_use]
    pub fn period(self) -> core::time::Duration {
        core::time::Duration::from_nanos(1_000_000_000_000 / u64::from(self.0))
    }

    /// The whole frame periods in `elapsed_ns`: the sequence of the newest frame that is due so long after frame 0,
    /// `floor(elapsed * fps)`.
    #[must_use]
    pub fn frames_in(self, elapsed_ns: u64) -> u64 {
        let frames = u128::from(elapsed_ns) * u128::from(self.0) / 1_000_000_000_000;
        u64::try_from(frames).unwrap_or(u64::MAX)
    }

    /// The time from frame 0 to frame `sequence`: the first nanosecond at which [`Fps::frames_in`] returns it,
    /// `ceil(sequence / fps)`.
    #[must_use]
    pub fn due_ns(self, sequence: u64) -> u64 {
        let due = (u128::from(sequence) * 1_000_000_000_000).div_ceil(u128::from(self.0));
        u64::try_from(due).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Fps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_due_exactly_when_the_count_reaches_it() {
        for fps in [1.0, 23.976, 25.0, 59.94, 60.0, 120.0, 999.0] {
            let fps = Fps::new(fps).unwrap();
            for sequence in [0, 1, 2, 59, 60, 61, 1_000_003, 500_000_000] {
                let due = fps.due_ns(sequence);
                assert_eq!(fps.frames_in(due), sequence);
                assert!(due == 0 || fps.frames_in(due - 1) == sequence - 1);
            }
        }
    }

    #[test]
    fn no_number_of_frames_a_second_is_zero_negative_or_absurd() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9, 0.000_1] {
            assert_eq!(Fps::new(bad), None, "{bad}");
        }
    }
}
