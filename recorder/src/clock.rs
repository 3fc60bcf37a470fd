//! The clock, behind a trait so that hours of a take can be tried in milliseconds.

use proto::time::MonotonicNs;

/// Tells the time.
pub(crate) trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> MonotonicNs;
}

/// The clock that all of Preroll's processes share.
pub(crate) struct Monotonic;

impl Clock for Monotonic {
    fn now(&self) -> MonotonicNs {
        MonotonicNs::now()
    }
}
