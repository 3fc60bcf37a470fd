//! The least that waking another process can cost: a word in shared memory, and the futex call. What the ring's wake-up is
//! measured against; the product has no use for it.
#![expect(unsafe_code, reason = "one word of shared memory, mapped by hand")]

use std::fs::File;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::mm::{MapFlags, ProtFlags};
use rustix::thread::futex;
use rustix::time::Timespec;

/// A word that two processes share. Mapped for as long as the process lives.
pub struct Word(&'static AtomicU32);

impl Word {
    /// Maps the beginning of this file, which has to be four bytes long at least and stay so.
    ///
    /// # Errors
    /// The system's word.
    pub fn map(file: &File) -> std::io::Result<Self> {
        let (length, flags) = (size_of::<AtomicU32>(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: a null address lets the kernel choose, so nothing that is mapped is replaced.
        let at = unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, flags, MapFlags::SHARED, file, 0) }?;
        // SAFETY: the kernel maps whole pages, so it is aligned and long enough; it is never unmapped; and everybody who has
        // it, in any process, takes it for an atomic.
        Ok(Self(unsafe { &*at.cast::<AtomicU32>() }))
    }

    /// The word.
    #[must_use]
    pub fn value(&self) -> &AtomicU32 {
        self.0
    }

    /// Wakes whoever sleeps on it.
    pub fn wake(&self) {
        let _ = futex::wake(self.0, futex::Flags::empty(), i32::MAX.unsigned_abs());
    }

    /// Sleeps while it has this value, and no longer than that.
    pub fn sleep_while(&self, value: u32, at_most: Duration) {
        let seconds = i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX);
        let timeout = Timespec { tv_sec: seconds, tv_nsec: at_most.subsec_nanos().into() };
        let _ = futex::wait(self.0, futex::Flags::empty(), value, Some(&timeout));
    }
}
