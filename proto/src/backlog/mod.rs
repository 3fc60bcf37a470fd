//! The backlog: frames of open clips, copied out of a ring before they are overwritten. It lies in segments of shared memory
//! `preroll-<instance>-<camera>~<n>`, so it survives the recorder that made it. This module holds their names, and
//! finding and removing them; [`layout`] is the form of a segment, [`segment`] the memory itself. Which frames are moved,
//! and when, is the recorder's part; which segments outlive a run is the supervisor's.
//!
//! Nothing here maps a segment but [`BacklogSegment`]: whoever only lists, asks for a ring's id or removes is safe from a
//! segment that is cut short.

pub mod layout;
pub mod segment;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use rustix::fs::OFlags;

pub use segment::{BacklogError, BacklogSegment, BacklogWriter};

use crate::instance::RuntimeDir;
use crate::name::Name;
use crate::ring::SegmentName;
use crate::ring::segment::{self as shared_memory, SegmentError};
use layout::{LAYOUT_VERSION, MAGIC, RING_ID_OFFSET};

/// The character between a camera's name and the number of a segment. No name may have it, so no backlog segment is
/// mistaken for the ring of a camera.
const BEFORE_NUMBER: char = '~';
/// The folder in which Linux keeps POSIX shared memory.
const SHM_DIR: &str = "/dev/shm";

/// A backlog segment that is there, by its name alone. It may be no segment at all: see [`BacklogSegment::open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The camera that its frames are of.
    pub camera: Name,
    /// Its number: a later segment of the camera has a higher one.
    pub number: u32,
    /// Its name.
    pub segment: SegmentName,
    /// The size of the file, which is the memory that it takes.
    pub bytes: u64,
}

/// The name of a camera's backlog segment.
#[must_use]
pub fn segment_name(dir: &RuntimeDir, camera: &Name, number: u32) -> SegmentName {
    SegmentName::new(format!("{}{BEFORE_NUMBER}{number}", dir.segment(camera)))
}

/// True for the file name of a backlog segment, of whatever instance.
#[must_use]
pub fn is_backlog(file_name: &str) -> bool {
    file_name.starts_with("preroll-") && file_name.contains(BEFORE_NUMBER)
}

/// Every backlog segment of this instance, by camera and number.
///
/// # Errors
/// `/dev/shm` can't be listed.
pub fn list(dir: &RuntimeDir) -> io::Result<Vec<Listed>> {
    let prefix = format!("preroll-{}-", dir.instance());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(SHM_DIR)? {
        let entry = entry?;
        let file = entry.file_name();
        let Some((camera, number)) = file.to_str().and_then(|file| parts_of(file, &prefix)) else { continue };
        // It may be gone by now: whoever made it gives it back at any time.
        let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
        let segment = segment_name(dir, &camera, number);
        found.push(Listed { camera, number, segment, bytes });
    }
    found.sort_by(|a, b| (&a.camera, a.number).cmp(&(&b.camera, b.number)));
    Ok(found)
}

fn parts_of(file: &str, prefix: &str) -> Option<(Name, u32)> {
    let (camera, number) = file.strip_prefix(prefix)?.split_once(BEFORE_NUMBER)?;
    let parsed: u32 = number.parse().ok()?;
    // `+1` and `01` are numbers too, and names that nobody here gives.
    (parsed.to_string() == number).then_some((Name::new(camera).ok()?, parsed))
}

/// The id of the ring that a segment's frames come from. Reads the file, and maps nothing. `None` for a file that is no
/// backlog segment of this version, or can't be read.
#[must_use]
pub fn ring_id(segment: &SegmentName) -> Option<u64> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).ok()?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(segment.path()).ok()?;
    let mut head = [0; RING_ID_OFFSET + 8];
    file.read_exact_at(&mut head, 0).ok()?;
    let word = |at: usize| head.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes);
    (word(0)? == MAGIC && word(8)? == LAYOUT_VERSION).then_some(word(RING_ID_OFFSET)?)
}

/// Takes a segment's name away. Its memory goes when the last process that has it mapped lets go of it. A name that is gone
/// already is no error.
///
/// # Errors
/// The system's error.
pub fn remove(segment: &SegmentName) -> Result<(), SegmentError> {
    shared_memory::remove(segment)
}

#[cfg(test)]
mod tests;
