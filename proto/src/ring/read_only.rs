//! A ring's memory, mapped to be read and no more: for [`super::viewer`]. Nothing that a process does with it can disturb the ring.
#![expect(unsafe_code, reason = "maps a file and views atomics in it; every block says why it may")]

use std::ffi::c_void;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::ptr;

use rustix::fs::{Mode, OFlags};
use rustix::mm::{MapFlags, ProtFlags};

use super::lost_pages::Guard;
use super::segment::{AtomicsOnly, SegmentError, SegmentName};
use crate::sync::AtomicU64;

/// A mapping without permission to write. Dropping it unmaps.
pub(super) struct ReadOnly {
    /// Stands first, so that it is dropped first: an address is guarded only while it is this mapping's.
    guard: Guard,
    start: *const u8,
    bytes: usize,
    file: OwnedFd,
}

// SAFETY: the mapping belongs to this value alone, is unmapped by its Drop only, and is not tied to a thread.
unsafe impl Send for ReadOnly {}
// SAFETY: as above; all access through `&ReadOnly` is by loads of atomics.
unsafe impl Sync for ReadOnly {}

impl ReadOnly {
    /// Maps a segment that `owner` has made and only `owner` may write.
    pub(super) fn open(name: &SegmentName, owner: u32) -> Result<Self, SegmentError> {
        let system = |doing, source: io::Error| SegmentError::System { name: name.clone(), doing, source };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::open(name.path(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => return Err(SegmentError::Missing(name.clone())),
            Err(e) => return Err(system("open it", e.into())),
        };
        let file = File::from(file);
        let there = file.metadata().map_err(|e| system("look at it", e))?;
        // The name can be guessed, and any user may make a file in /dev/shm.
        let (found, mode) = (there.uid(), there.mode() & 0o7777);
        if !there.is_file() || found != owner || mode & 0o022 != 0 {
            return Err(SegmentError::NotOurs { name: name.clone(), owner: found, mode });
        }
        let bytes = usize::try_from(there.len()).unwrap_or(0);
        if bytes == 0 {
            return Err(system("map it", io::ErrorKind::UnexpectedEof.into()));
        }
        // SAFETY: a new mapping at an address of the kernel's choice, which is nobody else's.
        let start =
            unsafe { rustix::mm::mmap(ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, &file, 0) }
                .map_err(|e| system("map it", e.into()))?;
        let guard = Guard::over(start as usize, bytes);
        Ok(Self { guard, start: start.cast::<u8>().cast_const(), bytes, file: file.into() })
    }

    /// The bytes that are mapped.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// Is every page of it still there?
    pub(super) fn is_whole(&self) -> bool {
        let bytes = rustix::fs::fstat(&self.file).map_or(0, |there| there.st_size);
        usize::try_from(bytes).is_ok_and(|bytes| bytes >= self.bytes) && !self.guard.has_lost()
    }

    /// `count` values of `T` from `offset_bytes` on, of which nothing but relaxed loads may be asked: Rust allows no more on
    /// memory that can't be written.
    ///
    /// # Panics
    /// When the values would not lie inside the mapping, aligned: the layout was not checked.
    pub(super) fn view<T: AtomicsOnly>(&self, offset_bytes: usize, count: usize) -> &[T] {
        let end = size_of::<T>().checked_mul(count).and_then(|bytes| bytes.checked_add(offset_bytes));
        assert!(end.is_some_and(|end| end <= self.bytes), "a view outside the segment");
        let start = self.start.wrapping_add(offset_bytes).cast::<T>();
        assert!(start.is_aligned(), "a view that is not aligned");
        // SAFETY: inside the mapping and aligned, both checked above; the mapping lives as long as `self`; T is made of atomics
        // alone, so any bytes are valid and another process's writes are no data race.
        unsafe { core::slice::from_raw_parts(start, count) }
    }

    /// `count` words from `offset_bytes` on, as [`ReadOnly::view`] gives them.
    pub(super) fn words(&self, offset_bytes: usize, count: usize) -> &[AtomicU64] {
        let end = count.checked_mul(8).and_then(|bytes| bytes.checked_add(offset_bytes));
        assert!(end.is_some_and(|end| end <= self.bytes), "words outside the segment");
        let start = self.start.wrapping_add(offset_bytes).cast::<AtomicU64>();
        assert!(start.is_aligned(), "words that are not aligned");
        // SAFETY: as in `view`.
        unsafe { core::slice::from_raw_parts(start, count) }
    }
}

impl fmt::Debug for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadOnly({} bytes)", self.bytes)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let start = self.start.cast_mut().cast::<c_void>();
        // SAFETY: the mapping is this value's alone, and no view of it outlives `self`. It can't fail with an address and a length
        // that were mapped.
        let _ = unsafe { rustix::mm::munmap(start, self.bytes) };
    }
}
