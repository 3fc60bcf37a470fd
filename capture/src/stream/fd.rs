//! Waiting for bytes of a descriptor, and reading them.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use proto::time::MonotonicNs;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The most that is read at once: many small frames, or a part of a large one.
const READ_BYTES: usize = 256 << 10;

/// The result of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Bytes were appended.
    Bytes,
    /// The read found no bytes.
    Nothing,
    /// There will be no more.
    End,
}

/// Waits until a moment for bytes, or for the end of them.
pub(crate) fn is_readable(fd: impl AsFd, until: MonotonicNs) -> io::Result<bool> {
    // Rounded up, so that the last part of a millisecond isn't waited for in a busy loop.
    let left = until.since(MonotonicNs::now()) + Duration::from_micros(1);
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Appends what is there.
pub(crate) fn read(fd: impl AsFd, to: &mut Vec<u8>) -> io::Result<Read> {
    to.reserve(READ_BYTES);
    match rustix::io::read(fd, spare_capacity(to)) {
        Ok(0) => Ok(Read::End),
        Ok(_) => Ok(Read::Bytes),
        Err(Errno::INTR | Errno::AGAIN) => Ok(Read::Nothing),
        Err(e) => Err(e.into()),
    }
}
