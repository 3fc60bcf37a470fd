//! The protocol's memory orderings, by synchronisation point. What each point is for is said in [`super::protocol`].
//!
//! A point is a pair: one side releases, the other acquires. Its name at both ends tells which Release belongs to which
//! Acquire. Outside loom these are the plain orderings. Under loom each side can be weakened by name
//! (`PREROLL_WEAKEN=return-acquire,head-release`), by which `tests/loom.rs` proves that its models would notice.

use crate::sync::{Ordering, fence};

/// A point where one process's writes become visible to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyncPoint {
    /// A frame's bytes, from the writer that stores its state to the reader that sees it.
    Publish,
    /// The WRITING mark, before the bytes that follow it: for readers that copy and then look at the state again.
    Mark,
    /// A slot, from the reader that gives it back (or the sweeper, in a dead one's name) to the writer.
    Return,
    /// A frame's ledger entry and state, from the writer that moves the head to a process that sees the new head.
    Head,
    /// A ledger entry's fields, between the two looks at its tag.
    Entry,
}

/// The releasing side of a point.
#[cfg(not(loom))]
pub(super) const fn release(_: SyncPoint) -> Ordering {
    Ordering::Release
}

/// The acquiring side of a point.
#[cfg(not(loom))]
pub(super) const fn acquire(_: SyncPoint) -> Ordering {
    Ordering::Acquire
}

#[cfg(loom)]
pub(super) fn release(point: SyncPoint) -> Ordering {
    if weakened::is(point, "release") { Ordering::Relaxed } else { Ordering::Release }
}

#[cfg(loom)]
pub(super) fn acquire(point: SyncPoint) -> Ordering {
    if weakened::is(point, "acquire") { Ordering::Relaxed } else { Ordering::Acquire }
}

/// The releasing side, as a fence after the store that it orders before all later ones.
pub(super) fn release_fence(point: SyncPoint) {
    fence_of(release(point));
}

/// The acquiring side, as a fence before the load that it orders behind all earlier ones.
pub(super) fn acquire_fence(point: SyncPoint) {
    fence_of(acquire(point));
}

fn fence_of(order: Ordering) {
    // A relaxed fence would order nothing, and asking for one panics.
    if order != Ordering::Relaxed {
        fence(order);
    }
}

#[cfg(loom)]
mod weakened {
    use std::sync::OnceLock;

    use super::SyncPoint;

    pub(super) fn is(point: SyncPoint, side: &str) -> bool {
        static ASKED: OnceLock<String> = OnceLock::new();
        let asked = ASKED.get_or_init(|| std::env::var("PREROLL_WEAKEN").unwrap_or_default());
        !asked.is_empty() && asked.split(',').any(|one| one == format!("{point:?}-{side}").to_lowercase())
    }
}
