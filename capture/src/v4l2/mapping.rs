//! A piece of a file or a device in this process's memory, for reading. Unmapped when dropped.
#![expect(unsafe_code, reason = "maps memory and views it; every block says why it may")]

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapping of some bytes.
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory is mapped for the whole process, and belongs to this value alone, whichever thread has it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `length` bytes of `fd` from `offset` on.
    ///
    /// # Errors
    /// The system's; `EINVAL` for no bytes at all.
    pub(super) fn of(fd: impl AsFd, offset: u64, length: u32) -> Result<Self, Errno> {
        let length = usize::try_from(length).map_err(|_| Errno::INVAL)?;
        // SAFETY: the kernel chooses the place, so no memory of this process's is mapped over.
        let start = unsafe {
            mmap(ptr::null_mut::<c_void>(), length, ProtFlags::READ, MapFlags::SHARED, fd, offset)?
        };
        // The kernel never gives the null address unasked.
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, length })
    }

    /// The bytes. The caller sees to it that nobody writes them meanwhile: a buffer of a driver's is looked at only while
    /// it is dequeued.
    pub(super) fn as_slice(&self) -> &[u8] {
        // SAFETY: `length` bytes are mapped for reading from `start` on, as long as this value lives; any bytes are a `u8`; a
        // driver writes into a buffer only while it is queued, and `VideoNode::bytes` shows no queued one.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` with this length, and no slice of it outlives this value.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_mapping_shows_its_piece_and_is_gone_when_dropped() {
        let mut file = tempfile::tempfile().unwrap();
        let page = vec![7; 4096];
        file.write_all(&page).unwrap();
        file.write_all(&[9; 100]).unwrap();
        let mapping = Mapping::of(&file, 4096, 100).unwrap();
        assert_eq!(mapping.as_slice(), [9; 100]);
        let start = format!("{:x}-", mapping.start.as_ptr().addr());
        let is_mapped = || std::fs::read_to_string("/proc/self/maps").unwrap().contains(&start);
        assert!(is_mapped());
        drop(mapping);
        assert!(!is_mapped());
        assert!(matches!(Mapping::of(&file, 0, 0), Err(Errno::INVAL)));
    }
}
