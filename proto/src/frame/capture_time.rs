//! The clock of a camera's capture times: which event they are times of, how far they may lie from it, and how often that clock
//! was tied to this machine's.

/// The event that a frame's capture time is the time of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "host", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum CaptureTime {
    /// Exposure, by the camera's own clock; or a file's timestamps.
    Device,
    /// Arrival at the driver.
    Driver,
    /// Arrival at the capture process.
    Arrival,
    /// The time of the RTP packets, which most cameras take where a picture enters their encoder.
    Rtp,
    /// The same, where the camera's reports say how it lies to the camera's wall clock.
    RtpSr,
}

impl CaptureTime {
    /// Every event, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::Device, Self::Driver, Self::Arrival, Self::Rtp, Self::RtpSr];

    /// The number that stands for it in a ring: from 1.
    #[must_use]
    pub fn code(self) -> u64 {
        self as u64 + 1
    }

    /// The event that a number in a ring stands for.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        let place = usize::try_from(code.checked_sub(1)?).ok()?;
        Self::ALL.get(place).copied()
    }
}

/// A source's word on its capture times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfSource {
    /// The event that they are times of, just now.
    pub source: CaptureTime,
    /// An estimate of how far they lie from a constant offset to that event, in nanoseconds: 0 where the event's clock is this
    /// machine's own, `None` where nobody can tell.
    pub error_ns: Option<u64>,
    /// How often the camera's clock was tied to this machine's. 0 where it has none, or its clock is this machine's own.
    pub anchors: u64,
}

impl TimeOfSource {
    /// Times of arrival: how far they lie behind exposure nobody can tell.
    pub const ARRIVAL: Self = Self { source: CaptureTime::Arrival, error_ns: None, anchors: 0 };

    /// Times of this event by this machine's own clock.
    #[must_use]
    pub const fn by_own_clock(source: CaptureTime) -> Self {
        Self { source, error_ns: Some(0), anchors: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_code_and_no_other_number_is_one() {
        for time in CaptureTime::ALL {
            assert_eq!(CaptureTime::from_code(time.code()), Some(time));
        }
        let ends = [0, CaptureTime::ALL.len() as u64 + 1, u64::MAX];
        assert!(ends.iter().all(|code| CaptureTime::from_code(*code).is_none()));
    }
}
