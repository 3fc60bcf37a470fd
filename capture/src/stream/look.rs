//! [`Look`]: a stream's word on itself, from its first frames: their size, and the rate at which they come. They are looked
//! at and not taken, so that a stream that is there only once loses nothing. Pure, but for the arrival times that it is given.

use std::time::Duration;

use proto::clip::CaptureTime;
use proto::offer::Offer;
use proto::time::MonotonicNs;

use super::rate::{Rate, Trust, rate};
use super::{Found, FoundFrame, Framing, Inbox, Unusable};

/// The rate is measured for so long, from the first frame on, where frames come one like the other.
const MEASURED: Duration = Duration::from_millis(1_200);
/// Shorter still where nearly all do, and they are many.
const MEASURED_AT_LEAST: Duration = Duration::from_millis(300);
/// The longest time for a camera whose frames come in pieces, or seldom.
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
    /// The device's time of each frame that has one.
    device_ns: Vec<i64>,
}

impl Look {
    /// A look at frames in this form. With a rate that is known already, none is measured; the stream's own word comes first.
    pub(super) fn new(framing: Box<dyn Framing>, fps: Option<f64>) -> Self {
        Self { framing, fps, seen_bytes: 0, size: None, arrived: Vec::new(), device_ns: Vec::new() }
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
                    self.device_ns.extend(self.framing.device_ns());
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
            fps: known.unwrap_or_else(|| self.rate().fps),
            variable_rate: false,
            capture_time: if self.has_device_times() { CaptureTime::Device } else { CaptureTime::Arrival },
            reorders: self.framing.decoding().reorders,
        }))
    }

    /// Has a frame been seen?
    pub(super) fn has_seen(&self) -> bool {
        self.size.is_some()
    }

    /// No more will come: what is known by now is enough.
    pub(super) fn conclude(&mut self) {
        let measured = self.rate().fps;
        self.fps.get_or_insert(measured);
    }

    fn is_measured(&self, now: MonotonicNs) -> bool {
        let since = self.arrived.first().map_or(Duration::ZERO, |first| now - *first);
        match since {
            _ if since >= MEASURED_AT_MOST => true,
            _ if since >= MEASURED => self.rate().trust >= Trust::Regular,
            _ => since >= MEASURED_AT_LEAST && self.rate().trust == Trust::Sure,
        }
    }

    /// Does every frame have a time of the device's own?
    fn has_device_times(&self) -> bool {
        !self.device_ns.is_empty() && self.device_ns.len() == self.arrived.len()
    }

    /// The rate by the device's own times, if they run, else by the arrivals.
    fn rate(&self) -> Rate {
        let runs = self.device_ns.windows(2).all(|pair| pair[1] > pair[0]);
        if self.has_device_times() && runs {
            return rate(&self.device_ns);
        }
        let arrived: Vec<i64> = self.arrived.iter().map(|t| i64::try_from(t.0).unwrap_or(i64::MAX)).collect();
        rate(&arrived)
    }
}
