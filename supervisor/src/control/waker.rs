//! Wakes the control socket's thread from its wait: by whoever has something for a client that it can't be given at once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io;

/// A counter of the kernel, which is readable when it isn't 0.
pub(crate) struct Waker(OwnedFd);

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Self)
    }

    /// Wakes it, or keeps it from the next wait. Never waits.
    pub(crate) fn wake(&self) {
        // A counter that is full has woken it already.
        let _ = io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Lets it wait again.
    pub(super) fn rest(&self) {
        let _ = io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
