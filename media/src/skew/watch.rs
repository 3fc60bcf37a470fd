//! Looking at a camera's ring for a while, for the brightness of each of its pictures.

use std::path::Path;
use std::time::{Duration, Instant};

use proto::time::MonotonicNs;

use super::flashes::Sample;
use crate::deadline;
use crate::luma;
use crate::ring::{CantLook, Ring};

/// The longest sleep: a ring that has been made anew is noticed after it.
const GLANCE: Duration = Duration::from_millis(200);

/// A camera as it was seen.
pub(super) struct Look {
    pub(super) samples: Vec<Sample>,
    /// The latency that its capture times are corrected by.
    pub(super) latency: Duration,
}

/// The brightness of all pictures that come within this time. Where this process is too slow for the camera, pictures are
/// left out.
pub(super) fn brightness(path: &Path, owner: u32, lasts: Duration) -> Result<Look, CantLook> {
    let mut ring = Ring::open(path, owner)?;
    let begun = Instant::now();
    let since = i64::try_from(MonotonicNs::now().0).unwrap_or(0);
    let mut samples = Vec::new();
    let mut seen = ring.newest();
    loop {
        let left = lasts.saturating_sub(begun.elapsed());
        if left.is_zero() {
            break;
        }
        deadline::step();
        if !ring.wait_newer(seen, left.min(GLANCE)) {
            if !ring.is_whole() {
                ring = Ring::open(path, owner)?;
                seen = ring.newest();
            }
            continue;
        }
        let newest = ring.newest();
        for sequence in seen + 1..=newest {
            // A picture that was overwritten before it could be looked at is one less.
            for one in ring.pictures_to(sequence).unwrap_or_default() {
                let luma = luma::mean(&one.pixels);
                samples.extend(luma.map(|luma| Sample { at_ns: one.at_ns, luma }));
            }
        }
        seen = newest;
    }
    // In the order of the pictures, which decoding may leave. The first frame's key frame is older than the look.
    samples.retain(|sample| sample.at_ns >= since);
    samples.sort_by_key(|sample| sample.at_ns);
    Ok(Look { samples, latency: ring.latency() })
}
