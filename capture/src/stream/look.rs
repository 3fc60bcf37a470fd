//! [`Look`]: a stream's word on itself, from its first frames: their size, and the rate at which they come. They are looked
//! at and not taken, so that a stream that is there only once loses nothing. Pure, but for the arrival times that it is given.

use std::time::Duration;

use proto::clip::CaptureTime;
use proto::offer::Offer;
use proto::time::MonotonicNs;

use super::{Found, FoundFrame, Framing, Inbox, Unusable};

/// The rate is measured for so long, from the first frame on.
const MEASURED: Duration = Duration::from_millis(1_200);
/// The same for a camera that has shown fewer than three frames by then.
const MEASURED_AT_MOST: Duration = Duration::from_millis(2_500);
/// No more bytes are kept while a rate is measured.
const MOST_BYTES: usize = 32 << 20;

/// A look at the first frames of a stream.
pub(super) struct Look {
    framing: Box<dyn Framing>,
    /// The rate, if it is known already.
    fps: Option<f64>,
    /// The bytes that have been looked at.
    seen_bytes: usize,
    /// Width and height of the first frame.
    size: Option<(u32, u32)>,
    /// The arrival of each frame.
    arrived: Vec<MonotonicNs>,
}

impl Look {
    /// A look at frames in this form. With a rate that is known already, none is measured; the stream's own word comes first.
    pub(super) fn new(framing: Box<dyn Framing>, fps: Option<f64>) -> Self {
        Self { framing, fps, seen_bytes: 0, size: None, arrived: Vec::new() }
    }

    /// Looks at the bytes that are there. `None` while they don't tell enough.
    pub(super) fn on(&mut self, inbox: &Inbox, now: MonotonicNs) -> Result<Option<Offer>, Unusable> {
        loop {
            match self.framing.find(&inbox.bytes()[self.seen_bytes..]) {
                Found::More => break,
                Found::Nothing { bytes } | Found::Damaged { bytes, .. } | Found::TooLarge { bytes } => {
                    self.seen_bytes += bytes;
                }
                Found::Frame(FoundFrame { start, end, size, .. }) => {
                    self.size.get_or_insert(size);
                    self.arrived.push(inbox.arrived(self.seen_bytes + start));
                    self.seen_bytes += end;
                }
                Found::Unusable(why) => return Err(why),
            }
        }
        let Some((width, height)) = self.size else { return Ok(None) };
        let known = self.framing.rate().or(self.fps);
        if known.is_none() && !self.is_measured(now) && inbox.bytes().len() < MOST_BYTES {
            return Ok(None);
        }
        Ok(Some(Offer {
            payload: self.framing.payload(),
            pixel_format: self.framing.pixel_format(),
            width,
            height,
            fps: known.unwrap_or_else(|| rate(&self.arrived)),
            variable_rate: false,
            capture_time: CaptureTime::Arrival,
            reorders: self.framing.decoding().reorders,
        }))
    }

    /// Has a frame been seen?
    pub(super) fn has_seen(&self) -> bool {
        self.size.is_some()
    }

    /// No more will come: what is known by now is enough.
    pub(super) fn conclude(&mut self) {
        self.fps.get_or_insert(rate(&self.arrived));
    }

    fn is_measured(&self, now: MonotonicNs) -> bool {
        let since = self.arrived.first().map_or(Duration::ZERO, |first| now - *first);
        since >= MEASURED_AT_MOST || (since >= MEASURED && self.arrived.len() >= 3)
    }
}

/// The rate at which frames arrived, in whole frames a second, or in tenths of a slow camera: no camera is set to 29.83.
fn rate(arrived: &[MonotonicNs]) -> f64 {
    // A server may begin with a frame that it had kept.
    let arrived = if arrived.len() > 4 { &arrived[1..] } else { arrived };
    let [first, .., last] = arrived else { return 1.0 };
    let span = (*last - *first).as_secs_f64();
    if span <= 0.0 {
        return 1.0;
    }
    let intervals = u32::try_from(arrived.len() - 1).unwrap_or(u32::MAX);
    let measured = f64::from(intervals) / span;
    let near = if measured >= 5.0 { measured.round() } else { (measured * 10.0).round().max(1.0) / 10.0 };
    // Many frames in one piece are a burst and no rate.
    near.min(1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_measured_from_arrivals() {
        for (intervals_ms, expected) in [
            (&[33, 34, 33, 33, 34, 33, 33][..], 30.0),
            // The first frame was an old one, and the others come with jitter.
            (&[2, 20, 13, 17, 16, 17, 15, 18], 60.0),
            (&[400, 400, 401], 2.5),
            (&[2_500], 0.4),
            (&[40_000], 0.1),
            (&[], 1.0),
            (&[0], 1.0),
        ] {
            let mut now = MonotonicNs(9);
            let mut arrived = vec![now];
            for interval in intervals_ms {
                now = now + Duration::from_millis(*interval);
                arrived.push(now);
            }
            assert!((rate(&arrived) - expected).abs() < 1e-9, "{intervals_ms:?}");
        }
    }
}
