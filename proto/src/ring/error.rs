//! The reasons why a ring can't be had, and what may become of one that was sound.

use std::io;

use super::header::BadHeader;
use super::segment::{Loss, SHM_DIR, SegmentName};
use super::state::ReaderBit;

/// The reason why a segment can't be made, opened or written to.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// A segment of this name exists.
    #[error("shared memory {0} exists already")]
    Exists(SegmentName),
    /// No segment has this name.
    #[error("there is no shared memory {0}")]
    Missing(SegmentName),
    /// /dev/shm has too little room left.
    #[error(
        "shared memory {name} needs {needed_bytes} bytes and {SHM_DIR} has {available_bytes} left; ask for less \
         pre-roll, smaller frames or fewer cameras, or enlarge it (mount -o remount,size=… {SHM_DIR})"
    )]
    NoRoom {
        /// The segment.
        name: SegmentName,
        /// The segment's size.
        needed_bytes: u64,
        /// The room that is left.
        available_bytes: u64,
    },
    /// Another process is its writer.
    #[error("another process is writing to shared memory {0}")]
    Busy(SegmentName),
    /// Another process reads as this reader.
    #[error("shared memory {name}: another process reads it as reader {} (pid {pid})", bit.number())]
    ReaderBusy {
        /// The segment.
        name: SegmentName,
        /// The reader.
        bit: ReaderBit,
        /// The pid that the other has noted.
        pid: u64,
    },
    /// Another user made it, or may use it.
    #[error(
        "shared memory {name} belongs to user {owner} with mode {mode:o}, and not to this user alone; remove {}",
        name.path().display()
    )]
    NotOurs {
        /// The segment.
        name: SegmentName,
        /// The uid of its owner.
        owner: u32,
        /// The permission bits that it has.
        mode: u32,
    },
    /// A system call failed.
    #[error("shared memory {name}: can't {doing}: {source}")]
    System {
        /// The segment.
        name: SegmentName,
        /// The attempt, in the words that follow "can't".
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

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
