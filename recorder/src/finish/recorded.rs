//! A camera's recording as it is on the disk, up to the end of the clip's window: its parts, and what is known of their frames. A
//! window may have got an earlier end than when its last frames were recorded; those are left out here, and nothing is encoded
//! again.

use std::io;
use std::path::Path;

use proto::clip::{Interruption, InterruptionCause, PARTIAL_DIR};
use proto::time::nanos;

use crate::assignment::Footage;
use crate::disk;
use crate::journal::PartReason;
use crate::part::{self, Part};

/// A camera's parts, and its footage.
pub(crate) struct Recorded {
    pub(crate) parts: Vec<Part>,
    pub(crate) footage: Footage,
}

/// Reads a camera's parts, without what lies behind its window.
pub(crate) fn up_to_the_end(footage: &Footage, folder: &Path) -> io::Result<Recorded> {
    let mut footage = footage.clone();
    let (parts, behind) = disk::ask(|| {
        let parts = part::read_all(&folder.join(PARTIAL_DIR), &footage.camera.name)?;
        part::up_to(parts, footage.evidence.window.end_ns)
    })?;
    behind.iter().for_each(|behind| footage.evidence.end_before(behind));
    Ok(Recorded { parts, footage })
}

/// The interruptions between parts.
pub(super) fn interruptions(parts: &[Part]) -> Vec<Interruption> {
    let between = |pair: &[Part]| {
        let (before, after) = (&pair[0].last, &pair[1].first);
        let cause = match pair[1].header.begun_because {
            PartReason::First | PartReason::RecorderRestart => InterruptionCause::RecorderRestart,
            PartReason::CodecChange => InterruptionCause::CodecChange,
            PartReason::PresetChange | PartReason::Cut | PartReason::FileFull => return None,
            PartReason::Disk => InterruptionCause::Disk,
        };
        Some(Interruption {
            after_sequence: before.frame.sequence,
            outage_ms: nanos(after.encoded - before.encoded) / 1_000_000,
            resumed_ns: after.encoded,
            cause,
        })
    };
    parts.windows(2).filter_map(between).collect()
}
