//! Sleeping until a ring has a newer frame, for readers and viewers alike. It only looks, so it works on memory that can't be written.

use std::time::Duration;

use rustix::thread::futex;

use super::protocol::Heads;
use crate::sync::Ordering::{Acquire, Relaxed};
use crate::sync::fence;
use crate::time::MonotonicNs;

/// Sleeps until the head is beyond `seen`, or `at_most` is over. True when it is.
pub(super) fn wait_newer(heads: &Heads, head: impl Fn() -> u64, seen: u64, at_most: Duration) -> bool {
    let deadline = MonotonicNs::now() + at_most;
    loop {
        let before = heads.wake.load(Relaxed);
        // Before the head is looked at: a frame that comes in between changes the count, and the sleep ends at once.
        fence(Acquire);
        if head() > seen {
            return true;
        }
        let left = deadline.since(MonotonicNs::now());
        if left.is_zero() {
            return false;
        }
        let timeout = rustix::time::Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        // Woken, interrupted, out of time, or too late to sleep: the head decides in each case.
        let _ = futex::wait(&heads.wake, futex::Flags::empty(), before, Some(&timeout));
    }
}
