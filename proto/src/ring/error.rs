//! The reasons why a ring can't be had, and what may become of one that was sound.

use super::header::BadHeader;
use super::segment::{Loss, SegmentError, SegmentName};

/// The reason why a ring can't be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The shared memory can't be had.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The memory is there, but holds no ring that this program can use.
    #[error("shared memory {name} is not usable as a ring: {why}")]
    Bad {
        /// The segment.
        name: SegmentName,
        /// The mistake in its header.
        why: BadHeader,
    },
    /// The memory holds a ring, and its parts contradict each other.
    #[error("shared memory {name} can't be written to: {what}; another program has written to it")]
    Contradiction {
        /// The segment.
        name: SegmentName,
        /// The contradiction.
        what: &'static str,
    },
    /// The ring would not fit in any address space.
    #[error("a ring of {slots} frames of {frame_bytes} bytes is larger than any memory")]
    Absurd {
        /// The number of frames.
        slots: usize,
        /// The bytes of each.
        frame_bytes: usize,
    },
}

/// The damage to a ring that was sound when it was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The memory was cut short, or its name taken away.
    #[error(transparent)]
    Segment(#[from] Loss),
    /// The header can't be read any more.
    #[error(transparent)]
    Header(#[from] BadHeader),
    /// The header is sound, and differs from the one that was read at first.
    #[error("its header has changed since it was opened; another program has written to it")]
    Rewritten,
    /// Its slot states and its ledger contradict each other.
    #[error("{0}; another program has written to it")]
    Contradiction(&'static str),
}
