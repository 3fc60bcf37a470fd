//! A clock and a disk that do what they are told.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proto::time::MonotonicNs;

use crate::clock::Clock;
use crate::disk::output::DiskState;

/// A clock that stands still until it is moved.
#[derive(Default)]
pub(crate) struct FakeClock(AtomicU64);

impl FakeClock {
    pub(crate) fn set(&self, now: MonotonicNs) {
        self.0.store(now.0, Ordering::Relaxed);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> MonotonicNs {
        MonotonicNs(self.0.load(Ordering::Relaxed))
    }
}

/// A disk that is full when it is told so.
#[derive(Default)]
pub(crate) struct FakeDisk {
    pub(crate) is_full: Cell<bool>,
    pub(crate) waited: Cell<Duration>,
}

impl DiskState for FakeDisk {
    fn has_room(&self) -> io::Result<()> {
        if self.is_full.get() { Err(io::Error::other("the disk is full; make room")) } else { Ok(()) }
    }

    fn waited(&self) -> Duration {
        self.waited.get()
    }
}
