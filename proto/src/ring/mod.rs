//! One camera's last moments in shared memory: one writer, up to sixteen readers, no locks.
//!
//! From the inside out:
//! - [`state`]: the 64-bit word that says what a slot holds and who holds it;
//! - `order`: the memory orderings, by the name of their synchronisation point;
//! - [`protocol`]: who may touch which slot when; atomics only, so loom can check it;
//! - [`layout`]: how many slots, and where everything lies in the segment;
//! - [`lost_pages`]: how a process outlives a segment that was cut short;
//! - [`segment`]: the named shared memory itself (the one user of the `shared_memory` crate);
//! - [`shared`]: the three together: [`Ring`], [`RingWriter`], [`RingReader`], [`Lease`].

pub mod layout;
mod order;
pub mod protocol;
pub mod state;

#[cfg(feature = "host")]
pub mod lost_pages;
#[cfg(feature = "host")]
pub mod segment;
#[cfg(feature = "host")]
pub mod shared;

#[cfg(feature = "host")]
pub use segment::SegmentName;
#[cfg(feature = "host")]
pub use shared::{Broken, Lease, Ring, RingError, RingReader, RingWriter, WriteSlot};

pub use layout::{RingSize, RingSpec};
pub use protocol::Miss;
pub use state::ReaderBit;
