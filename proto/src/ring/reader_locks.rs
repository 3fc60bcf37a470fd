//! Who has which reader bit: a lock on one byte of the ring's file for each bit. The kernel frees it when its holder ends, so a bit
//! whose lock is free is nobody's, and whoever holds the lock may clear what the last holder has left. What a bit means is in
//! [`super::state`].
//!
//! The locks are those of open file descriptions (`F_OFD_SETLK`). One that is inherited over a fork lives on in the child, so a
//! process that leases frames must not fork without exec; the descriptors are closed by exec.
#![expect(
    unsafe_code,
    reason = "the one system call for a lock on a range, which rustix has for POSIX's locks only"
)]

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use super::reader::RingReader;
use super::segment::{Segment, SegmentError};
use super::shared::{Ring, header};
use super::state::ReaderBit;
use crate::sync::Ordering::Relaxed;

const BITS: usize = ReaderBit::COUNT as usize;
/// A child that is between fork and exec holds its dead parent's locks for a moment.
const TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// The locks of the bits that this process reads a ring with, for as long as it has the ring open.
#[derive(Debug, Default)]
pub(super) struct HeldBits(Mutex<[Option<OwnedFd>; BITS]>);

impl HeldBits {
    fn lock(&self) -> MutexGuard<'_, [Option<OwnedFd>; BITS]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Reads as `bit`, which is this process's from now on: see [`Ring::hold`].
    ///
    /// # Errors
    /// As [`Ring::hold`].
    pub fn reader(self: &Arc<Self>, bit: ReaderBit) -> Result<RingReader, SegmentError> {
        self.hold(bit)?;
        Ok(RingReader { ring: Arc::clone(self), bit })
    }

    /// Takes a reader's bit for as long as this ring is open, if it isn't held yet, and frees the frames that its last holder has
    /// left.
    ///
    /// # Errors
    /// [`SegmentError::ReaderBusy`] while another process, or another opening of the ring, reads with it.
    pub fn hold(&self, bit: ReaderBit) -> Result<(), SegmentError> {
        let mut held = self.held.lock();
        let of_bit = &mut held[usize::from(bit.number())];
        if of_bit.is_some() {
            return Ok(());
        }
        let pid = &header(&self.segment).reader_pids[usize::from(bit.number())];
        let mut tries = 0;
        let lock = loop {
            match take(&self.segment, bit)? {
                Some(lock) => break lock,
                None if tries == TRIES => {
                    let (name, pid) = (self.segment.name().clone(), pid.load(Relaxed));
                    return Err(SegmentError::ReaderBusy { name, bit, pid });
                }
                None => std::thread::sleep(BETWEEN_TRIES),
            }
            tries += 1;
        };
        self.protocol().sweep(bit);
        pid.store(u64::from(std::process::id()), Relaxed);
        *of_bit = Some(lock);
        Ok(())
    }

    /// Gives a bit back, and leaves the frames that are held with it: what a reader's death does, for programs that try what comes
    /// after it.
    ///
    /// # Safety
    /// No lease that this opening has by that bit is used any more, and none is dropped: whoever takes the bit next frees their frames.
    pub unsafe fn leave_behind(&self, bit: ReaderBit) {
        self.held.lock()[usize::from(bit.number())] = None;
    }

    /// Frees the frames that a dead reader has left. Returns how many there were; none while anybody reads with its bit.
    #[must_use]
    pub fn sweep(&self, dead: ReaderBit) -> usize {
        self.while_nobody_reads(dead, || self.protocol().sweep(dead))
    }

    /// The frames that readers hold which are none of Preroll's own, each with its reader.
    #[must_use]
    pub fn held_by_others(&self) -> Vec<(ReaderBit, u64)> {
        self.protocol().held_by_others()
    }

    /// Frees these of the frames that a dead reader has left. Returns how many there were; none while anybody reads with its bit.
    #[must_use]
    pub fn sweep_frames(&self, dead: ReaderBit, frames: &[u64]) -> usize {
        self.while_nobody_reads(dead, || self.protocol().sweep_frames(dead, frames))
    }

    /// Sweeps under the bit's lock, so that nobody begins to read with it meanwhile.
    fn while_nobody_reads(&self, bit: ReaderBit, sweep: impl FnOnce() -> usize) -> usize {
        match take(&self.segment, bit) {
            Ok(Some(_lock)) => sweep(),
            // A ring whose name is gone is swept by whoever opens the next.
            Ok(None) | Err(_) => 0,
        }
    }
}

/// Takes the lock of a bit, until the value returned is dropped or this process ends. `None` while another has it.
fn take(segment: &Segment, bit: ReaderBit) -> Result<Option<OwnedFd>, SegmentError> {
    // A description of its own: two readers in one process keep each other off too.
    let file: OwnedFd = segment.reopen()?.into();
    match lock_byte(&file, bit.number().into()) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(None),
        Err(e) => Err(segment.system("lock a reader's bit", e.into())),
    }
}

fn lock_byte(file: &OwnedFd, byte: libc::off_t) -> Result<(), Errno> {
    #[expect(clippy::cast_possible_truncation, reason = "two constants of a few units")]
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        // Must be 0 for this kind of lock.
        l_pid: 0,
    };
    // SAFETY: the descriptor is open for as long as `file` lives, and F_OFD_SETLK reads the structure that the pointer names during
    // the call and keeps nothing.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    if done == -1 {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
    } else {
        Ok(())
    }
}
