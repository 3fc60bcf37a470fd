//! Times, one by one, and what they come to: the figures that `benchmark ring` compares, whoever did the work.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Frames of each size that are counted.
pub(crate) const FRAMES: usize = 500;
/// As many again come first: they touch memory that nobody has touched before.
pub(crate) const WARM_UP: usize = 100;
/// Nanoseconds: half took no longer, and 99 of 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// The median.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
}

impl Took {
    pub(crate) fn of(mut all: Vec<u64>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| all.get(all.len() * percent / 100).copied().unwrap_or(0);
        Self { p50_ns: at(50), p99_ns: at(99) }
    }
}

/// The times of one size of frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Size {
    /// As in 1280x720 I420.
    pub name: String,
    /// A frame's bytes.
    pub bytes: usize,
    /// Slot, copy, announcement.
    pub publish: Took,
    /// The copy alone, in the same calls.
    pub copy: Took,
    /// The median of one over the other, call by call.
    pub publish_over_copy: f64,
    /// `memcpy` of the same frames into the same memory, in turn with publishing, fifty frames each.
    #[serde(default)]
    pub memcpy: Option<Took>,
    /// Publishing over that, the median of the turns.
    #[serde(default)]
    pub publish_over_memcpy: Option<f64>,
    /// Leasing a frame and giving it back.
    pub lease: Took,
}

pub(crate) fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The times of frames of one size, one by one.
#[derive(Default)]
pub(crate) struct Sizing {
    whole: Vec<u64>,
    copies: Vec<u64>,
    leases: Vec<u64>,
    ratios: Vec<f64>,
    memcpys: Vec<u64>,
    over_memcpy: Vec<f64>,
}

impl Sizing {
    pub(crate) fn published(&mut self, all: u64, copied: u64) {
        self.whole.push(all);
        self.copies.push(copied);
        self.ratios.push(over(all, copied));
    }

    pub(crate) fn copied_by_memcpy(&mut self, took: u64) {
        self.memcpys.push(took);
    }

    /// A turn of publishing and one of `memcpy`, of as many frames.
    pub(crate) fn turn(&mut self, published: u64, copied_by_memcpy: u64) {
        self.over_memcpy.push(over(published, copied_by_memcpy));
    }

    pub(crate) fn leased(&mut self, took: u64) {
        self.leases.push(took);
    }

    pub(crate) fn size(self, width: u32, height: u32, bytes: usize) -> Size {
        Size {
            name: format!("{width}x{height} I420"),
            bytes,
            publish: Took::of(self.whole),
            copy: Took::of(self.copies),
            publish_over_copy: median(self.ratios).unwrap_or(0.0),
            memcpy: (!self.memcpys.is_empty()).then(|| Took::of(self.memcpys)),
            publish_over_memcpy: median(self.over_memcpy),
            lease: Took::of(self.leases),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a millisecond")]
fn over(one: u64, other: u64) -> f64 {
    one as f64 / other.max(1) as f64
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
